"""The evidence record: what was measured about one image, and the one thing that every later stage reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import numpy as np
from skimage import color, feature

CLASSES = ("real", "fake")  # what a label is called: 0 real, 1 fake
REGIONS = (
    "top-left",
    "top-center",
    "top-right",
    "middle-left",
    "middle-center",
    "middle-right",
    "bottom-left",
    "bottom-center",
    "bottom-right",
)
COLOURS = ("white", "gray", "black", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown")
BRIGHTNESS = ("dark", "medium", "bright")
TEXTURE = ("smooth", "moderate", "rough")
EDGES = ("soft", "moderate", "sharp")


@dataclass(frozen=True)
class Cues:
    """What the picture looks like in one region, in words; the measured numbers behind the words stand in `values`."""

    colour: str
    brightness: str
    texture: str
    edges: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LimeFeature:
    """One superpixel of LIME's list: its number in the segmentation, its weight for the class `1_fake` and the weight's 95% interval."""

    superpixel: int
    weight: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Occlusion:
    """What hiding one area of the picture does to P(verdict), and what hiding other areas of the same size and shape does.

    Differences of probability, 0..1, positive where P(verdict) falls, each the mean over several ways of hiding
    (`faithfulness.removal`). `random_low` and `random_high` hold 95% of the random areas; `beats` is the share of them with a smaller drop.
    """

    drop: float
    random: float
    random_low: float
    random_high: float
    beats: float


@dataclass(frozen=True)
class EvidenceRecord:
    """Everything a sentence about an image may say.

    `probability` is the verdict's own probability in percent, rounded to two decimals once, here: texts and tables copy it.
    `region` is the 3×3 cell that contains the heatmap's peak; `peak` is that point as (x, y) fractions of width and height.
    `uncertain` says that the verdict's probability lies in the classifier's uncertain band (`classifier.calibration`).
    `lime` holds LIME's five strongest superpixels, `lime_r2` the surrogate's weighted R² on samples it was not fitted to, `lime_samples` how
    many pictures it took and `lime_settled` whether the list would come out alike again (`lime.explain`).
    `agreement` is the IoU of the hottest fifth of the heatmap and the fifth that LIME weighs most for the verdict, `agreement_chance` what the
    same two reach where one is moved at random (`faithfulness.agreement`). `region_removal` and `lime_removal` tell what hiding the named
    region, or the five superpixels that LIME weighs most for the verdict, does.
    All of these are None or empty where they were not measured.
    """

    image: str
    label: str  # "real" or "fake"
    probability: float
    probability_fake: float  # 0..1, not rounded
    region: str
    peak: tuple[float, float]
    cues: Cues
    lime: tuple[LimeFeature, ...] = ()
    lime_r2: float | None = None
    uncertain: bool = False
    lime_samples: int | None = None
    lime_settled: bool | None = None
    agreement: float | None = None
    agreement_chance: float | None = None
    region_removal: Occlusion | None = None
    lime_removal: Occlusion | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_dict(cls, d: dict) -> EvidenceRecord:
        return cls(
            **{
                **d,
                "peak": tuple(d["peak"]),
                "cues": Cues(**d["cues"]),
                "lime": tuple(LimeFeature(**f) for f in d.get("lime", ())),
                **{name: Occlusion(**d[name]) for name in ("region_removal", "lime_removal") if d.get(name)},
            }
        )


def verdict(probability_fake: float) -> tuple[str, float]:
    """Label and the label's probability in percent with two decimals. Calibration has put the threshold at one half."""
    label = "fake" if probability_fake >= 0.5 else "real"
    return label, round(100 * (probability_fake if label == "fake" else 1 - probability_fake), 2)


def region_of(x: float, y: float) -> str:
    """The 3×3 cell of a point given as fractions of width and height."""
    return REGIONS[3 * min(int(y * 3), 2) + min(int(x * 3), 2)]


def peak_of(heatmap: np.ndarray) -> tuple[float, float]:
    """Centre of the hottest pixel of an [H, W] map as (x, y) fractions."""
    row, column = np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)
    return (column + 0.5) / heatmap.shape[1], (row + 0.5) / heatmap.shape[0]


def region_pixels(image: np.ndarray, region: str) -> np.ndarray:
    """The part of an [H, W, ...] array that lies in the cell."""
    row, column = divmod(REGIONS.index(region), 3)
    height, width = image.shape[:2]
    return image[height * row // 3 : height * (row + 1) // 3, width * column // 3 : width * (column + 1) // 3]


def colour_name(rgb: np.ndarray) -> str:
    """The commonest of twelve colour names among the pixels of a uint8 [H, W, 3] patch.

    Names follow hue sectors of HSV, with the achromatic three below 15% saturation or at the ends of the value axis, and
    brown as dark orange (Berlin and Kay's basic terms, cyan added for sky and water).
    """
    hue, saturation, value = (channel.ravel() for channel in np.moveaxis(color.rgb2hsv(rgb), -1, 0))
    names = np.empty(hue.shape, dtype=object)
    sectors = [
        (15, "red"),
        (45, "orange"),
        (70, "yellow"),
        (165, "green"),
        (200, "cyan"),
        (260, "blue"),
        (290, "purple"),
        (340, "pink"),
        (361, "red"),
    ]
    degrees, low = hue * 360, 0
    for high, name in sectors:
        names[(degrees >= low) & (degrees < high)] = name
        low = high
    names[(names == "orange") & (value < 0.6)] = "brown"
    names[(names == "red") & (value < 0.4)] = "brown"
    achromatic = (saturation < 0.15) | (value < 0.15)
    names[achromatic] = np.where(value[achromatic] > 0.8, "white", np.where(value[achromatic] < 0.2, "black", "gray"))
    found, counts = np.unique(names.astype(str), return_counts=True)
    return str(found[counts.argmax()])


def _word(value: float, low: float, high: float, words: tuple[str, str, str]) -> str:
    return words[0] if value < low else words[2] if value > high else words[1]


def measure_cues(image: np.ndarray, region: str) -> Cues:
    """Brightness, texture, edges and colour of one cell of a uint8 [H, W, 3] image.

    brightness: mean CIELAB L* (0-100); texture: mean local standard deviation of L* over 8×8 blocks;
    edges: share of pixels that Canny (sigma 1) marks. The limits between words were set on training photographs.
    """
    patch = region_pixels(image, region)
    lightness = color.rgb2lab(patch)[..., 0]
    height, width = (side // 8 * 8 for side in lightness.shape)
    blocks = (
        lightness[:height, :width].reshape(height // 8, 8, width // 8, 8)
        if height and width
        else lightness[None, :, None, :]
    )
    values = {
        "lightness": round(float(lightness.mean()), 2),
        "local_contrast": round(float(blocks.std(axis=(1, 3)).mean()), 2),
        "edge_share": round(float(feature.canny(lightness / 100, sigma=1.0).mean()), 4),
    }
    return Cues(
        colour=colour_name(patch),
        brightness=_word(values["lightness"], 35, 65, BRIGHTNESS),
        texture=_word(values["local_contrast"], 3.0, 8.0, TEXTURE),
        edges=_word(values["edge_share"], 0.05, 0.15, EDGES),
        values=values,
    )


def make_record(image: str, pixels: np.ndarray, probability_fake: float, heatmap: np.ndarray, **more) -> EvidenceRecord:
    """Join the classifier's probability, a heatmap ([h, w], any size) and what the named region looks like; `more` fields as they are."""
    label, probability = verdict(probability_fake)
    peak = peak_of(heatmap)
    region = region_of(*peak)
    return EvidenceRecord(
        image, label, probability, probability_fake, region, peak, measure_cues(pixels, region), **more
    )
