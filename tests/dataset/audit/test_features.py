"""Features of every format are finite, have the same names, and read JPEG's quality."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from aireal.core.imagefile import ImageError
from aireal.dataset.audit.features import extract
from helpers.images import encoded, jpeg, noise


@pytest.mark.parametrize(
    "form, mode, options",
    [
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("GIF", "P", {}),
        ("TIFF", "RGB", {}),
        ("BMP", "RGB", {}),
    ],
)
def test_every_format_gives_the_same_finite_numbers(photograph, form, mode, options):
    reference, _ = extract(jpeg(photograph))
    families, facts = extract(encoded(photograph.resize((90, 40)).convert(mode), form, **options))
    assert {f: list(v) for f, v in families.items()} == {f: list(v) for f, v in reference.items()}
    assert all(np.isfinite(list(features.values())).all() for features in families.values())
    assert facts["format"].startswith(form)
    assert facts["mode"] == mode
    assert facts["size"] == "90×40 px"
    assert families["container"][f"saved as {form}"] == 1
    assert families["size"]["width in px"] == 90
    assert ("lossless" in facts["format"]) == bool(options.get("lossless"))
    assert families["container"]["progressive or interlaced"] == bool(options.get("progressive"))
    assert facts.get("subsampling") == (
        "JPEG with chroma 4:4:4" if "subsampling" in options else facts.get("subsampling")
    )


@pytest.mark.people_have("pictures of one colour in a dataset that is audited", "read", "measured as any other")
def test_flat_and_tiny_pictures_give_numbers_and_broken_ones_a_reason():
    for image in (Image.new("RGB", (16, 16), "white"), Image.new("RGB", (16, 300)), noise(1, 17)):
        families, _ = extract(encoded(image, "PNG"))
        assert all(np.isfinite(list(features.values())).all() for features in families.values())
    with pytest.raises(ImageError, match="no image"):
        extract(b"nothing")


def test_the_quality_of_a_jpeg_is_read_from_its_tables(photograph):
    for quality in (35, 75, 95):
        features, facts = extract(jpeg(photograph, quality))
        assert facts["JPEG quality"] == f"JPEG of quality {quality}"
        assert features["container"]["JPEG quality of the tables (0: none)"] == quality
    own = [[min(255, 3 * k + 1) for k in range(64)]] * 2
    features, facts = extract(encoded(photograph, "JPEG", qtables=own))
    assert "other tables" in facts["JPEG quality"]
    assert features["container"]["JPEG tables are the standard ones"] == 0
