"""Regions, cues and records describe the picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aireal.evidence import record as evidence
from aireal.evidence.cues import colour_name, make_record, measure_cues, region_of, region_pixels
from aireal.evidence.provenance import Credentials, Mark, Provenance, TrustListFile
from helpers.images import noise


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_region_and_its_pixels_hold_the_point(x, y):
    marked = np.zeros((90, 120))
    marked[int(y * 90), int(x * 120)] = 1
    assert region_pixels(marked, region_of(x, y)).sum() == 1


@pytest.mark.parametrize(
    "name, rgb",
    {
        "white": (250, 250, 250),
        "black": (5, 5, 5),
        "gray": (128, 128, 128),
        "red": (220, 20, 20),
        "green": (30, 160, 40),
        "blue": (20, 60, 220),
        "yellow": (240, 220, 30),
        "brown": (110, 60, 20),
        "orange": (250, 140, 20),
        "pink": (250, 120, 200),
        "purple": (130, 40, 200),
        "cyan": (60, 220, 230),
    }.items(),
)
def test_colours_have_the_names_people_use(rgb, name):
    assert colour_name(np.full((9, 9, 3), rgb, np.uint8)) == name


def test_cues_tell_flat_from_rough_and_dark_from_bright():
    flat = measure_cues(np.full((90, 90, 3), 20, np.uint8), "top-left")
    rough = measure_cues(np.asarray(noise(2, 90)), "middle-center")
    assert (flat.brightness, flat.texture, flat.edges, flat.colour) == ("dark", "smooth", "soft", "black")
    assert (rough.texture, rough.edges) == ("rough", "sharp")


@given(st.floats(0, 1))
def test_the_number_is_the_verdicts_own_and_has_two_decimals(p):
    label, percent = evidence.verdict(p)
    assert label == ("fake" if p >= 0.5 else "real")
    assert 50 <= percent <= 100
    assert percent == round(100 * (p if label == "fake" else 1 - p), 2)


def test_a_record_survives_json():
    fields = {"lime": (evidence.LimeFeature(57, 0.1056),), "lime_r2": 0.4}
    record = make_record("한글.jpg", np.asarray(noise(1, 96)), 0.98671, np.random.rand(96, 96), **fields)
    assert evidence.EvidenceRecord.from_dict(json.loads(record.to_json())) == record
    assert record.probability == 98.67


def test_what_the_file_says_survives_json_and_is_absent_where_nobody_looked():
    record = make_record("x.jpg", np.asarray(noise(1, 96)), 0.4, np.random.rand(96, 96))
    assert "provenance" not in json.loads(record.to_json())
    list_file = TrustListFile("list.pem", "2026-01-31", 3)
    credentials = Credentials("valid", "A", "B", ("print",), ("composite",), "2026-01-01", ("x",), "", list_file)
    stated = replace(record, provenance=Provenance(credentials, (Mark("camera", "EXIF", "Leica"),)))
    assert evidence.EvidenceRecord.from_dict(json.loads(stated.to_json())) == stated
