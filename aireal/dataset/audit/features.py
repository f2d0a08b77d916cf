"""Cheap features of one image file, from which nobody should be able to tell the classes: how it was stored, not what it shows.

Each feature's name is the plain words in which it is reported, so that names and meaning cannot drift apart.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, JpegImagePlugin
from scipy.fft import dctn, rfft2
from scipy.ndimage import convolve, uniform_filter

from aireal.core.imagefile import decode

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK")
SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
METADATA = {
    "exif": "EXIF",
    "icc_profile": "ICC profile",
    "xmp": "XMP",
    "XML:com.adobe.xmp": "XMP text",
    "comment": "comment",
    "photoshop": "Photoshop block",
    "adobe": "Adobe marker",
    "dpi": "resolution",
    "gamma": "gamma",
    "srgb": "sRGB chunk",
    "transparency": "transparency",
    "parameters": "generation parameters",
    "Software": "software name",
}  # Pillow's keys of `Image.info`
CROP = 256  # px: the central square whose frequencies are measured
BANDS = 8
CORNER, CORNER_CELLS, PICTURE_CELLS, STRIPE = (
    64,
    16,
    64,
    8,
)  # px of a corner, cells a side of it and of the picture, lines along each edge
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
CORNERS = ("upper left", "upper right", "lower left", "lower right")
EDGES = ("upper", "lower", "left", "right")

Features = dict[str, dict[str, float]]


def extract(data: bytes) -> tuple[Features, dict[str, str]]:
    """The features of an image file in families, and what is told of it in words.

    Returns:
        ({family: {name: number}}, {name: value}): always the same names in the same order, about 5,200 numbers; a feature that takes
        only 0 and 1 is a yes or no.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    picture = decode(data)
    width, height = picture.size
    rgb = np.asarray(picture)
    with Image.open(io.BytesIO(data)) as stored:
        container, facts = _container(stored, data)
    bytes_ = {"file size in kB": len(data) / 1000, "bytes a pixel": len(data) / (width * height)}
    families = {
        "container": container,
        "size": _size(width, height),
        "overlay": _overlay(np.asarray(picture.convert("L"))),
        "bytes": bytes_,
        "colour": _colour(rgb),
        "frequency": _frequency(rgb),
    }
    return families, {**facts, "size": f"{width}×{height} px"}


@cache
def _standard_tables() -> dict[tuple[int, ...], int]:
    """The IJG library's luminance table of each quality 1..100, written by the library itself."""
    tables = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            tables[tuple(image.quantization[0])] = quality
    return tables


def _jpeg_quality(luminance: tuple[int, ...]) -> tuple[int, bool]:
    """The quality (1..100) of a luminance table and whether it is exactly the standard one; else of the standard table nearest to it."""
    tables = _standard_tables()
    if luminance in tables:
        return tables[luminance], True
    return tables[min(tables, key=lambda table: float(np.abs(np.subtract(table, luminance)).sum()))], False


def _container(image: Image.Image, data: bytes) -> tuple[dict[str, float], dict[str, str]]:
    form, info = image.format or "?", image.info
    tables = getattr(image, "quantization", None) or {}
    quality, standard = _jpeg_quality(tuple(tables[min(tables)])) if tables else (0, False)
    sampling = SAMPLINGS.get(JpegImagePlugin.get_sampling(image), "other") if form in ("JPEG", "MPO") else "none"
    lossless = form == "WEBP" and b"VP8L" in data[:64]
    credentials = b"c2pa" in data
    metadata = [name for key, name in METADATA.items() if key in info] + ["content credentials"] * credentials
    features = {f"saved as {name}": float(form == name) for name in FORMATS}
    features |= {f"stored as {name}": float(image.mode == name) for name in MODES}
    features |= {f"chroma subsampling {name}": float(sampling == name) for name in ("4:4:4", "4:2:2", "4:2:0", "other")}
    features |= {f"has {name}": float(name in metadata) for name in (*METADATA.values(), "content credentials")}
    features |= {
        "JPEG quality of the tables (0: none)": quality,
        "JPEG tables are the standard ones": float(standard),
        "number of JPEG tables": len(tables),
        "mean step of the JPEG tables": float(np.mean([v for table in tables.values() for v in table]))
        if tables
        else 0.0,
        "progressive or interlaced": float(bool(info.get("progressive") or info.get("interlace"))),
        "lossless WebP": float(lossless),
        "PNG bit depth": data[24] if form == "PNG" else 0,
        "number of EXIF tags": len(image.getexif()),
    }
    facts = {
        "format": form + " (lossless)" * lossless,
        "mode": image.mode,
        "metadata": ", ".join(metadata) or "no metadata",
    }
    if tables:
        facts |= {
            "JPEG quality": f"JPEG of quality {quality}" + (" (other tables)" if not standard else ""),
            "subsampling": f"JPEG with chroma {sampling}",
        }
    return features, facts


def _size(width: int, height: int) -> dict[str, float]:
    short, long = sorted((width, height))
    return {
        "width in px": width,
        "height in px": height,
        "short side in px": short,
        "long side in px": long,
        "width by height": width / height,
        "long by short side": long / short,
        "square": float(width == height),
        "landscape": float(width > height),
        **{f"both sides are multiples of {n}": float(width % n == height % n == 0) for n in (8, 16, 64)},
        "both sides are powers of two": float(all(n & (n - 1) == 0 for n in (width, height))),
    }


def _colour(rgb: np.ndarray) -> dict[str, float]:
    """Of every n-th pixel (at most about 256 a side), because averaging would blur the extremes that count here."""
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


def _frequency(rgb: np.ndarray) -> dict[str, float]:
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
        # Immerkær 1996, "Fast Noise Variance Estimation"; the median is its robust sibling
        "noise level in gray levels": float(np.sqrt(np.pi / 2) / 6 * noise.mean()),
        "noise level of smooth places": float(np.median(noise) / 6),
        "noise of colour against noise of brightness": float(np.log((blue.mean() + 0.1) / (noise.mean() + 0.1))),
    }


def _spectrum(square: np.ndarray) -> dict[str, float]:
    """log10 of the mean power in rings up to the Nyquist frequency and beyond it in the corners, against all of it. Enlarging and
    generators' up-convolutions leave the outer rings too weak or too strong (Durall et al. 2020, arXiv 2003.01826)."""
    side = len(square)
    window = np.hanning(side).astype(np.float32)
    power = np.abs(rfft2((square - square.mean()) * window[:, None] * window)) ** 2
    ring, count = _rings(side)
    total = np.bincount(ring, power.ravel(), minlength=BANDS + 1)
    level = np.log10((total / count + 1e-3) / (total.sum() / count.sum() + 1e-3))
    names = [f"power at {0.5 * k / BANDS:.2f}-{0.5 * (k + 1) / BANDS:.2f} cycles a pixel" for k in range(BANDS)] + [
        "power at the finest diagonals"
    ]
    return {f"{name} (log10 of its share)": float(v) for name, v in zip(names, level)}


@cache
def _rings(side: int) -> tuple[np.ndarray, np.ndarray]:
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    ring = np.minimum((radius / 0.5 * BANDS).astype(int), BANDS).ravel()
    return ring, np.maximum(np.bincount(ring, minlength=BANDS + 1), 1)


def _grid(square: np.ndarray) -> dict[str, float]:
    """JPEG's 8×8 grid: steps at its lines against steps elsewhere (Wang, Sheikh & Bovik 2002, "No-Reference Perceptual Quality
    Assessment of JPEG Compressed Images"), on any of the 8 offsets, and how many DCT coefficients the quantisation left at zero."""
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
    """Enlarging makes the size of the second difference periodic in the enlargement's factor (Gallagher 2005, "Detection of Linear
    and Cubic Interpolation in JPEG Compressed Images"): peaks of its spectrum along both axes."""
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


def _overlay(gray: np.ndarray) -> dict[str, float]:
    """How much brighter (+) or darker (-) each fixed place is than its surroundings, squeezed into -1..1.

    At one place, what pictures show is as often brighter as darker; only a mark that is always there adds up over a class (the
    idea of Dekel et al. 2017, "On the Effectiveness of Visible Watermarks"). Places: cells of the four corners at the scale of
    pixels, cells of the whole picture, and the steps between the lines along each edge, which frames make.
    """
    side = min(CORNER, min(gray.shape) // 2)
    corners = [
        gray[rows, columns] for rows in (np.s_[:side], np.s_[-side:]) for columns in (np.s_[:side], np.s_[-side:])
    ]
    cells = [_contrast(patch, CORNER_CELLS) for patch in corners] + [_contrast(gray, PICTURE_CELLS)]
    lines = []
    for edge in (gray[: STRIPE + 1], gray[: -STRIPE - 2 : -1], gray.T[: STRIPE + 1], gray.T[: -STRIPE - 2 : -1]):
        lines.append(np.tanh(np.diff(edge.mean(1)) / 8))
    return dict(zip(_overlay_names(), np.concatenate([*(c.ravel() for c in cells), *lines]).astype(float).tolist()))


def _contrast(patch: np.ndarray, count: int) -> np.ndarray:
    cells = np.asarray(Image.fromarray(patch).resize((count, count), Image.Resampling.BOX), np.float32)
    return np.tanh((cells - uniform_filter(cells, 3)) / 8)


@cache
def _overlay_names() -> list[str]:
    names = [
        f"contrast in the {corner} corner, row {row + 1} and column {column + 1} of its {CORNER_CELLS}×{CORNER_CELLS} cells"
        for corner in CORNERS
        for row in range(CORNER_CELLS)
        for column in range(CORNER_CELLS)
    ]
    names += [
        f"contrast at {100 * (column + 0.5) / PICTURE_CELLS:.0f}% of the width and {100 * (row + 0.5) / PICTURE_CELLS:.0f}% of the height"
        for row in range(PICTURE_CELLS)
        for column in range(PICTURE_CELLS)
    ]
    for edge in EDGES:
        names += [f"brightness step from line {k + 1} to line {k + 2} at the {edge} edge" for k in range(STRIPE)]
    return names
