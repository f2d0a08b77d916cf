"""The same picture stored anew: what is exact, and what is measured over the test set only."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from aireal.config import REPOSITORY
from aireal.core.run import Run
from aireal.stages.predict_table import predict_table
from helpers.images import encoded, write


@pytest.fixture
def copies(smoke_run: Run, photograph: Image.Image, tmp_path) -> dict[str, dict]:
    """The row of each copy of one photograph, by its name."""
    half = photograph.resize((photograph.width // 2, photograph.height // 2))
    contents = {
        "original.bmp": encoded(photograph, "BMP"),
        "copy.png": encoded(photograph, "PNG"),
        "jpeg60.jpg": encoded(photograph, "JPEG", quality=60),
        "webp80.webp": encoded(photograph, "WEBP", quality=80),
        "half.png": encoded(half, "PNG"),
    }
    files = [write(tmp_path / name, content) for name, content in contents.items()]
    rows = predict_table(files, smoke_run.data.model, tmp_path / "p.csv", exact=True)
    return dict(zip(contents, rows, strict=True))


@pytest.mark.people_have(
    "the same picture stored anew: PNG, JPEG 60, WebP 80, half size",
    "read",
    "a verdict for each copy, with its own doubt; how many flip is measured over the test set, not for one picture",
)
def test_each_copy_has_its_own_verdict_and_its_own_doubt(copies):
    assert [row["error"] for row in copies.values()] == [""] * len(copies)
    assert {type(row["uncertain"]) for row in copies.values()} == {bool}


def test_a_lossless_copy_never_flips(copies):
    keys = ("label", "probability", "probability_fake", "uncertain")
    assert [copies["copy.png"][key] for key in keys] == [copies["original.bmp"][key] for key in keys]


@pytest.mark.parametrize("condition", ["PNG", "WebP 80", "JPEG 50", "half size"])
def test_flips_are_counted_over_the_test_set(condition):
    flipped = json.loads((REPOSITORY / "metrics" / "robustness.json").read_text())["conditions"][condition]["flipped"]
    assert flipped["low"] <= flipped["value"] <= flipped["high"]
    assert condition != "PNG" or flipped["count"] == 0
