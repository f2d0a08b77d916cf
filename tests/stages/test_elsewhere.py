"""What a classifier is worth on pictures from elsewhere is said wherever its verdicts are shown, in both languages."""

from __future__ import annotations

import pytest

from aireal.core.files import write_json
from aireal.stages import elsewhere
from aireal.stages.elsewhere import elsewhere_lines, measured_elsewhere

RECORD = {
    "classifier": {"fingerprint": "abc"},
    "error_certain": {"value": 0.4819, "low": 0.4286, "high": 0.5467},
    "n_certain": 166,
}


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "FOLDERS", (tmp_path / "outputs", tmp_path / "metrics"))


def test_the_record_is_that_of_the_classifier_and_of_this_machine_before_the_published_one(tmp_path):
    assert measured_elsewhere("abc") is None
    write_json(tmp_path / "metrics" / "external.json", RECORD)
    assert measured_elsewhere("abc") == RECORD
    assert measured_elsewhere("another") is measured_elsewhere("") is None
    write_json(tmp_path / "outputs" / "external.json", RECORD | {"n_certain": 9})
    assert measured_elsewhere("abc")["n_certain"] == 9


def test_the_sentence_has_the_rate_its_interval_and_the_number():
    ko, en = elsewhere_lines(RECORD)
    assert "48.2% [42.9, 54.7]" in ko
    assert "48.2% [42.9, 54.7] of the verdicts that are not marked uncertain were wrong (166 verdicts" in en
    none = RECORD | {"error_certain": {"value": None, "low": None, "high": None}}
    assert elsewhere_lines(none)[1] == "On pictures from elsewhere every verdict was marked uncertain."
