"""Cheap features of the pixels: simple statistics of colour and frequency, and marks at fixed places."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image
from scipy.fft import dctn, rfft2
from scipy.ndimage import convolve, uniform_filter

CROP = 256  # px: side of the central square whose frequencies are measured
BANDS = 8
CORNER = 64  # px: side of a corner
CORNER_CELLS, PICTURE_CELLS = 16, 64  # cells a side of a corner and of the whole picture
STRIPE = 8  # lines along each edge
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
CORNERS = ("upper left", "upper right", "lower left", "lower right")
EDGES = ("upper", "lower", "left", "right")


def colour_features(rgb: np.ndarray) -> dict[str, float]:
    """Statistics of every n-th pixel (at most about 256 a side). Averaging would blur the extremes that matter here."""
    step = max(1, min(rgb.shape[:2]) // 256)
    pixels = np.ascontiguousarray(
        rgb[::step, ::step].reshape(-1, 3).T, np.float32
    )  # [3, N]: several times faster than [N, 3]
    brightest, darkest, gray = pixels.max(0), pixels.min(0), pixels.mean(0)
    saturation = (brightest - darkest) / np.maximum(brightest, 1)
    share = np.bincount((gray / 32).astype(int), minlength=8)[:8] / len(gray)
    levels = np.bincount(gray.round().astype(int), minlength=256) / len(gray)
    opponents = np.stack([pixels[0] - pixels[1], (pixels[0] + pixels[1]) / 2 - pixels[2]])
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(np.corrcoef(pixels), nan=1.0)
    return {
        **{f"mean {name}": float(v) for name, v in zip(("red", "green", "blue"), pixels.mean(1))},
        **{f"spread of {name}": float(v) for name, v in zip(("red", "green", "blue"), pixels.std(1))},
        "mean saturation": float(saturation.mean()),
        "spread of saturation": float(saturation.std()),
        "colourfulness (Hasler & Süsstrunk)": float(np.hypot(*opponents.std(1)) + 0.3 * np.hypot(*opponents.mean(1))),
        **{f"share of brightness {32 * k}-{32 * k + 31}": float(v) for k, v in enumerate(share)},
        "share of pixels clipped to black": float((brightest == 0).mean()),
        "share of pixels clipped to white": float((darkest == 255).mean()),
        "share of pixels with a channel at 255": float((brightest == 255).mean()),
        "share of gray pixels": float((brightest == darkest).mean()),
        "entropy of brightness in bits": float(-(levels[levels > 0] * np.log2(levels[levels > 0])).sum()),
        "correlation of red and green": float(correlation[0, 1]),
        "correlation of green and blue": float(correlation[1, 2]),
    }


def frequency_features(rgb: np.ndarray) -> dict[str, float]:
    """Traces of scaling and compression in the central square, cut on the 8×8 grid of JPEG."""
    side = min(CROP, *rgb.shape[:2]) // 8 * 8
    top, left = ((n - side) // 2 // 8 * 8 for n in rgb.shape[:2])
    part = rgb[top : top + side, left : left + side].astype(np.float32)
    square = part @ np.array([0.299, 0.587, 0.114], np.float32)
    noise, blue = (np.abs(convolve(channel, LAPLACIAN)[1:-1, 1:-1]) for channel in (square, part[..., 2] - square))
    return {
        **_spectrum(square),
        **_grid(square),
        **_interpolation(square),
        # Immerkær 1996, "Fast Noise Variance Estimation"; the median below is a robust variant
        "noise level in gray levels": float(np.sqrt(np.pi / 2) / 6 * noise.mean()),
        "noise level of smooth places": float(np.median(noise) / 6),
        "noise of colour against noise of brightness": float(np.log((blue.mean() + 0.1) / (noise.mean() + 0.1))),
    }


def _spectrum(square: np.ndarray) -> dict[str, float]:
    """log10 of the mean power in rings of the spectrum, relative to the overall mean.

    The rings reach to the Nyquist frequency; a last one holds the corners beyond it.

    Enlarging and generators' up-convolutions make the outer rings too weak or too strong (Durall et al. 2020, arXiv
    2003.01826).
    """
    side = len(square)
    window = np.hanning(side).astype(np.float32)
    power = np.abs(rfft2((square - square.mean()) * window[:, None] * window)) ** 2
    ring, count = _rings(side)
    total = np.bincount(ring, power.ravel(), minlength=BANDS + 1)
    level = np.log10((total / count + 1e-3) / (total.sum() / count.sum() + 1e-3))
    names = [f"power at {0.5 * k / BANDS:.2f}-{0.5 * (k + 1) / BANDS:.2f} cycles a pixel" for k in range(BANDS)]
    names.append("power at the finest diagonals")
    return {f"{name} (log10 of its share)": float(v) for name, v in zip(names, level)}


@cache
def _rings(side: int) -> tuple[np.ndarray, np.ndarray]:
    """The ring of each coefficient of a real spectrum (flattened), and the number of coefficients in each ring."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    ring = np.minimum((radius / 0.5 * BANDS).astype(int), BANDS).ravel()
    return ring, np.maximum(np.bincount(ring, minlength=BANDS + 1), 1)


def _grid(square: np.ndarray) -> dict[str, float]:
    """JPEG's 8×8 grid: steps at its lines, and DCT coefficients that quantisation left at zero.

    Steps are relative to steps elsewhere, at each of the 8 offsets (Wang, Sheikh & Bovik 2002, "No-Reference Perceptual
    Quality Assessment of JPEG Compressed Images").
    """
    ratios = []
    for step in (np.abs(np.diff(square, axis=0)).mean(1), np.abs(np.diff(square, axis=1)).mean(0)):
        offsets = np.array([step[k::8].mean() for k in range(8)]) + 0.05
        ratios.append(offsets * 8 / offsets.sum())
    ratio = np.mean(ratios, axis=0)
    blocks = square.reshape(len(square) // 8, 8, -1, 8).swapaxes(1, 2)
    coefficients = np.abs(dctn(blocks, axes=(2, 3), norm="ortho"))
    fine = np.add.outer(np.arange(8), np.arange(8)) >= 7
    return {
        "steps at the lines of JPEG's grid against elsewhere": float(ratio[7]),
        "steps at the strongest 8-pixel grid": float(ratio.max()),
        "share of fine DCT coefficients near zero": float((coefficients[..., fine] < 1).mean()),
        "share of coarse DCT coefficients near zero": float((coefficients[..., ~fine] < 1).mean()),
    }


def _interpolation(square: np.ndarray) -> dict[str, float]:
    """Peaks in the spectrum of the second difference's size along both axes.

    Enlarging makes that size periodic in the enlargement's factor (Gallagher 2005, "Detection of Linear and Cubic
    Interpolation in JPEG Compressed Images").
    """
    spectra = []
    for axis in (0, 1):
        profile = np.log(np.abs(np.diff(square, 2, axis=axis)).mean(1 - axis) + 0.1)
        profile = profile - uniform_filter(profile, 9)
        spectra.append(np.abs(np.fft.rfft(profile[: len(profile) // 8 * 8])))
    spectrum = np.mean(spectra, axis=0) / (np.mean(spectra) + 1e-3)
    last = len(spectrum) - 1  # frequency 1/2
    grid = np.unique([round(last * k / 4) for k in range(1, 5)])  # multiples of 1/8 are JPEG's own
    other = np.delete(spectrum, grid)[len(spectrum) // 5 :]
    return {
        "periodic detail every 2 pixels": float(spectrum[last]),
        "periodic detail every 4 pixels": float(spectrum[last // 2]),
        "periodic detail every 8 pixels": float(spectrum[last // 4]),
        "periodic detail of another period": float(other.max(initial=0)),
    }


def overlay_features(gray: np.ndarray) -> dict[str, float]:
    """How much brighter (+) or darker (-) each fixed place is than its surroundings, by tanh in -1..1.

    Content makes a place brighter as often as darker, so that only a constant mark adds up over a class (the idea of
    Dekel et al. 2017, "On the Effectiveness of Visible Watermarks"). Places are cells of the four corners at the
    scale of pixels, cells of the whole picture, and the steps between the lines along each edge, which a frame causes.

    Args:
        gray: uint8 [H, W].
    """
    side = min(CORNER, min(gray.shape) // 2)
    sides = (np.s_[:side], np.s_[-side:])
    corners = [gray[rows, columns] for rows in sides for columns in sides]
    cells = [_contrast(patch, CORNER_CELLS) for patch in corners] + [_contrast(gray, PICTURE_CELLS)]
    edges = (gray[: STRIPE + 1], gray[: -STRIPE - 2 : -1], gray.T[: STRIPE + 1], gray.T[: -STRIPE - 2 : -1])
    steps = [np.tanh(np.diff(edge.mean(1)) / 8) for edge in edges]
    values = np.concatenate([*(cell.ravel() for cell in cells), *steps]).astype(float)
    return dict(zip(_overlay_names(), values.tolist()))


def _contrast(patch: np.ndarray, count: int) -> np.ndarray:
    cells = np.asarray(Image.fromarray(patch).resize((count, count), Image.Resampling.BOX), np.float32)
    return np.tanh((cells - uniform_filter(cells, 3)) / 8)


@cache
def _overlay_names() -> list[str]:
    grid = f"{CORNER_CELLS}×{CORNER_CELLS}"
    centres = [f"{100 * (k + 0.5) / PICTURE_CELLS:.0f}%" for k in range(PICTURE_CELLS)]
    names = [
        f"contrast in the {corner} corner, row {row + 1} and column {column + 1} of its {grid} cells"
        for corner in CORNERS
        for row in range(CORNER_CELLS)
        for column in range(CORNER_CELLS)
    ]
    names += [f"contrast at {x} of the width and {y} of the height" for y in centres for x in centres]
    for edge in EDGES:
        names += [f"brightness step from line {k + 1} to line {k + 2} at the {edge} edge" for k in range(STRIPE)]
    return names
