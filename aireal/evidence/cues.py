"""Measure the region where a heatmap peaks: its colour, brightness, texture and edges."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import color, feature

from .record import BRIGHTNESS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord, verdict

# end of each hue sector in degrees, and the sector's name
HUE_SECTORS = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (200, "cyan"),
    (260, "blue"),
    (290, "purple"),
    (340, "pink"),
    (361, "red"),
)


def region_of(x: float, y: float) -> str:
    """The 3×3 cell of a point given as fractions of width and height."""
    return REGIONS[3 * min(int(y * 3), 2) + min(int(x * 3), 2)]


def peak_of(heatmap: np.ndarray) -> tuple[float, float]:
    """Centre of the hottest pixel of an [H, W] map as (x, y) fractions.

    Of hottest pixels that touch each other, as those at the edge of an enlarged map do, it is the one in the middle, so
    that a mirrored map has a mirrored peak.
    """
    hottest, _ = ndimage.label(heatmap == heatmap.max())
    rows, columns = np.nonzero(hottest == hottest.ravel()[np.argmax(heatmap)])
    row, column = rows.mean(), columns.mean()
    return (column + 0.5) / heatmap.shape[1], (row + 0.5) / heatmap.shape[0]


def region_pixels(image: np.ndarray, region: str) -> np.ndarray:
    """The part of an [H, W, ...] array that lies in the cell `region`."""
    row, column = divmod(REGIONS.index(region), 3)
    height, width = image.shape[:2]
    return image[height * row // 3 : height * (row + 1) // 3, width * column // 3 : width * (column + 1) // 3]


def colour_name(rgb: np.ndarray) -> str:
    """The most frequent of twelve colour names among the pixels of a uint8 [H, W, 3] patch.

    Names follow hue sectors of HSV. Pixels below 15% saturation or at the ends of the value axis are white, gray or
    black; dark orange is brown (the basic terms of Berlin and Kay, with cyan added for sky and water).
    """
    hue, saturation, value = (channel.ravel() for channel in np.moveaxis(color.rgb2hsv(rgb), -1, 0))
    pixel_names = np.empty(hue.shape, dtype=object)
    degrees, low = hue * 360, 0
    for high, name in HUE_SECTORS:
        pixel_names[(degrees >= low) & (degrees < high)] = name
        low = high
    pixel_names[(pixel_names == "orange") & (value < 0.6)] = "brown"
    pixel_names[(pixel_names == "red") & (value < 0.4)] = "brown"
    achromatic = (saturation < 0.15) | (value < 0.15)
    shades = np.where(value > 0.8, "white", np.where(value < 0.2, "black", "gray"))
    pixel_names[achromatic] = shades[achromatic]
    names, counts = np.unique(pixel_names.astype(str), return_counts=True)
    return str(names[counts.argmax()])


def measure_cues(image: np.ndarray, region: str) -> Cues:
    """Brightness, texture, edges and colour of one cell of a uint8 [H, W, 3] image.

    Brightness is the mean CIELAB L* (0-100), texture the mean local standard deviation of L* over 8×8 blocks, and
    edges the share of pixels that Canny's detector (sigma 1) marks. The limits between the words were set on training
    photographs.
    """
    patch = region_pixels(image, region)
    lightness = color.rgb2lab(patch)[..., 0]
    values = {
        "lightness": round(float(lightness.mean()), 2),
        "local_contrast": round(_local_contrast(lightness), 2),
        "edge_share": round(float(feature.canny(lightness / 100, sigma=1.0).mean()), 4),
    }
    return Cues(
        colour=colour_name(patch),
        brightness=_word(values["lightness"], 35, 65, BRIGHTNESS),
        texture=_word(values["local_contrast"], 3.0, 8.0, TEXTURE),
        edges=_word(values["edge_share"], 0.05, 0.15, EDGES),
        values=values,
    )


def _local_contrast(lightness: np.ndarray) -> float:
    """Mean standard deviation of the 8×8 blocks of an [H, W] map; a patch smaller than a block counts as one block."""
    height, width = (side // 8 * 8 for side in lightness.shape)
    if not height or not width:
        return float(lightness.std())
    blocks = lightness[:height, :width].reshape(height // 8, 8, width // 8, 8)
    return float(blocks.std(axis=(1, 3)).mean())


def _word(value: float, low: float, high: float, words: tuple[str, str, str]) -> str:
    """The first word below `low`, the last above `high`, else the middle one."""
    return words[0] if value < low else words[2] if value > high else words[1]


def make_record(
    image: str, pixels: np.ndarray, probability_fake: float, heatmap: np.ndarray | None, **fields
) -> EvidenceRecord:
    """The record of a picture: verdict, the heatmap's peak and the cues of the cell there.

    Args:
        image: name of the file.
        pixels: uint8 [H, W, 3].
        probability_fake: calibrated P(fake), 0..1.
        heatmap: [h, w] of any size; None for a picture without one, whose record names no region.
        fields: further fields of the record, stored as they are.
    """
    label, probability = verdict(probability_fake)
    if heatmap is None:
        return EvidenceRecord(image, label, probability, probability_fake, None, None, None, **fields)
    peak = peak_of(heatmap)
    region = region_of(*peak)
    cues = measure_cues(pixels, region)
    return EvidenceRecord(image, label, probability, probability_fake, region, peak, cues, **fields)
