"""The look of all figures and pages: the font, the colours, and how strongly LIME's superpixels are tinted."""

from __future__ import annotations

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.colors import to_rgb

from aireal.config import REPOSITORY

FONT = REPOSITORY / "aireal" / "fonts" / "NanumSquareR.ttf"
SMALL, BODY = 8.5, 9.5  # points

BLUE, ORANGE, GRAY = (
    "#2166ac",
    "#e66101",
    "#777777",
)  # real, fake, neither; blue and orange are safe for the colour-blind
CLASS_COLOUR = {"real": BLUE, "fake": ORANGE}
DARK, SOFT, STRIP = "#111111", "#4a4a4a", "#eef1f4"  # text, lesser text, the ground of the trust strip
MARKER = {  # a trust level's glyph and colour; the shape alone tells the levels apart
    "good": ("●", "#00695c"),
    "fair": ("◐", "#9a6700"),
    "poor": ("○", "#8e1b5a"),
    "unknown": ("–", SOFT),
}


def use_fonts() -> None:
    """Set matplotlib's fonts: Latin letters from its own font, Hangul from the package's, which has all syllables.

    No text is a formula. The ground is white, whatever the user's matplotlibrc says: a page may be dark."""
    if not any(font.fname == str(FONT) for font in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(FONT)
    name = font_manager.FontProperties(fname=FONT).get_name()
    plt.rcParams["font.family"] = ["DejaVu Sans", name]
    plt.rcParams.update({"figure.facecolor": "white", "savefig.facecolor": "auto", "savefig.transparent": False})
    plt.rcParams["text.parse_math"] = False  # a generator may be called a$b$c_{


@cache
def _drawable_codes() -> frozenset[int]:
    """The code points that the figures' two fonts have."""
    latin = font_manager.findfont("DejaVu Sans")
    return frozenset(code for path in (latin, FONT) for code in font_manager.get_font(str(path)).get_charmap())


def drawable(text: str) -> str:
    """The text with `□` for every character that the figures' fonts lack, as in a prompt in Japanese."""
    codes = _drawable_codes()
    return "".join(c if ord(c) in codes else "□" for c in text)


def rgb(colour: str) -> np.ndarray:
    """A `#rrggbb` colour as float [3] in 0..255."""
    return np.array(to_rgb(colour)) * 255


def class_of_weight(weight: float) -> str:
    """The class that a LIME weight (positive: towards `1_fake`) speaks for."""
    return "fake" if weight > 0 else "real"


def tint_strength(weight: float, largest: float) -> float:
    """Opacity of a superpixel's tint, 0.25..0.65, by the weight's share of the largest absolute weight."""
    return 0.25 + 0.4 * abs(weight) / (largest or 1.0)
