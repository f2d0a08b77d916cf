"""The schema of the evidence record accepts what the program writes and refuses wrong values; its page names all."""

from __future__ import annotations

import json
import re
from dataclasses import fields as dataclass_fields
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.config import REPOSITORY
from aireal.evidence import provenance as stated
from aireal.evidence import record as evidence
from aireal.evidence.cues import make_record
from helpers.images import noise

SCHEMA = json.loads((files("aireal.evidence") / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PAGE = (REPOSITORY / "docs" / "evidence_record.md").read_text(encoding="utf-8")
FULL = {
    "lime": (evidence.LimeFeature(57, 0.1056, 0.081, 0.13), evidence.LimeFeature(3, -0.02)),
    "lime_r2": -0.2,
    "lime_samples": 384,
    "lime_settled": True,
    "uncertain": True,
    "agreement": 0.4,
    "agreement_chance": 0.13,
    "peak_contradicted": False,
    "region_removal": evidence.Occlusion(0.1, 0.0, -0.1, 0.1, 0.9),
    "lime_removal": evidence.Occlusion(-1.0, 0.0, -0.1, 0.1, 0.0),
    "provenance": stated.Provenance(
        stated.Credentials(
            "invalid",
            "Somebody",
            problems=("assertion.dataHash.mismatch",),
            trust_list=stated.TrustListFile("list.pem", "2026-01-31", 3),
        ),
        (stated.Mark("camera", "EXIF", "Canon EOS R5"),),
    ),
}
OPTIONAL = {"provenance"}  # records made before it have none


def as_dict(**fields) -> dict:
    heatmap = np.random.default_rng(1).random((48, 48))
    return json.loads(make_record("한글.jpg", np.asarray(noise(1, 96)), 0.98671, heatmap, **fields).to_json())


def objects() -> list[dict]:
    return [SCHEMA, *SCHEMA["$defs"].values(), SCHEMA["$defs"]["cues"]["properties"]["values"]]


def test_the_schema_itself_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("fields", [{}, FULL], ids=["verdict and heatmap alone", "everything"])
def test_what_the_program_writes_is_valid(fields):
    VALIDATOR.validate(as_dict(**fields))


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.integers(0, 8), st.sampled_from([32, 96, 97]))
def test_any_probability_region_and_size_is_valid(p, place, side):
    heatmap = np.zeros((3, 3))
    heatmap[divmod(place, 3)] = 1
    VALIDATOR.validate(json.loads(make_record("x.png", np.asarray(noise(place, side)), p, heatmap).to_json()))


WRONG = {
    "label": "AI",
    "probability": 40.0,
    "probability_fake": 98.67,
    "region": "center",
    "peak": [0.5],
    "uncertain": None,
    "lime_r2": 1.5,
    "lime_samples": 0,
    "lime_settled": "yes",
    "agreement": 41,
    "region_removal": {"drop": 0.1},
    "lime_removal": {**as_dict(**FULL)["lime_removal"], "beats": 94},
    "lime": [{"superpixel": -1, "weight": 0.1, "low": None, "high": None}],
    "cues": {**as_dict()["cues"], "colour": "mauve"},
    "image": "",
    "provenance": {"credentials": {"state": "trusted"}, "marks": []},
    "note": "more",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused(name):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**as_dict(**FULL), name: WRONG[name]})


@pytest.mark.parametrize("name", [f.name for f in dataclass_fields(evidence.EvidenceRecord) if f.name not in OPTIONAL])
def test_a_missing_field_is_refused(name):
    record = as_dict(**FULL)
    del record[name]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(record)


def test_the_schema_has_the_fields_and_words_of_the_program():
    classes = {
        "cues": evidence.Cues,
        "lime_feature": evidence.LimeFeature,
        "removal": evidence.Occlusion,
        "provenance": stated.Provenance,
        "credentials": stated.Credentials,
        "trust_list": stated.TrustListFile,
        "mark": stated.Mark,
    }
    for cls, part in (
        (evidence.EvidenceRecord, SCHEMA),
        *((cls, SCHEMA["$defs"][name]) for name, cls in classes.items()),
    ):
        names = {f.name for f in dataclass_fields(cls)}
        assert set(part["properties"]) == names
        assert set(part["required"]) == names - OPTIONAL
    for name, field, vocabulary in (
        ("credentials", "state", stated.CREDENTIAL_STATES),
        ("mark", "kind", stated.MARK_KINDS),
    ):
        assert tuple(SCHEMA["$defs"][name]["properties"][field]["enum"]) == vocabulary
    words = SCHEMA["$defs"]["cues"]["properties"]
    assert tuple(SCHEMA["properties"]["region"]["enum"]) == (*evidence.REGIONS, None)
    for name, vocabulary in (
        ("colour", evidence.COLOURS),
        ("brightness", evidence.BRIGHTNESS),
        ("texture", evidence.TEXTURE),
        ("edges", evidence.EDGES),
    ):
        assert tuple(words[name]["enum"]) == vocabulary
    assert set(words["values"]["properties"]) == set(as_dict()["cues"]["values"])


def test_every_field_has_a_description_and_a_place_in_the_page():
    for part in objects():
        for name, field in part["properties"].items():
            assert field["description"].endswith((".", "?")), name
            assert re.search(rf"^\|[^|]*`{name}`[^|]*\|", PAGE, re.MULTILINE), (
                f"{name} has no row in docs/evidence_record.md"
            )


def test_the_pages_example_is_valid():
    VALIDATOR.validate(json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1]))
