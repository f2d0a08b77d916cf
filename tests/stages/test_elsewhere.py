"""What a classifier is worth on pictures from elsewhere is said wherever its verdicts are shown, in both languages."""

from __future__ import annotations

import json

import pytest

from aireal.app.components import drop_zone
from aireal.classifier.model import read_config
from aireal.cli import main
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import write_json
from aireal.reporting.html.report_words import PAGE
from aireal.reporting.html.sections import tiles
from aireal.stages import elsewhere
from aireal.stages.elsewhere import elsewhere_lines, measured_elsewhere
from helpers.images import encoded, write

RECORD = {
    "classifier": {"fingerprint": "abc"},
    "metrics": {"auroc": {"value": 0.5281, "low": 0.4618, "high": 0.5907}, "n": 276},
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
    write_json(tmp_path / "kept" / "metrics" / "external.json", RECORD | {"n_certain": 7})
    assert measured_elsewhere("abc", tmp_path / "kept")["n_certain"] == 7


@pytest.mark.parametrize("content", ["{", "[]", '{"classifier": {"fingerprint": "abc"}}'])
def test_a_record_that_cannot_be_read_ends_nothing(tmp_path, content):
    write_json(tmp_path / "metrics" / "external.json", RECORD)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "external.json").write_text(content)
    assert measured_elsewhere("abc") == RECORD


def test_the_sentence_has_the_rate_its_interval_and_the_number():
    ko, en = elsewhere_lines(RECORD)
    assert "48.2% [42.9, 54.7]" in ko
    assert "48.2% [42.9, 54.7] of the verdicts that are not marked uncertain were wrong (166 verdicts" in en
    assert "optimistic" not in en
    assert "so it is optimistic" in elsewhere_lines(RECORD | {"used_for_choosing": True})[1]
    none = RECORD | {"error_certain": {"value": None, "low": None, "high": None}}
    assert elsewhere_lines(none)[1] == "On pictures from elsewhere every verdict was marked uncertain."


@pytest.fixture
def published(smoke_run, tmp_path) -> str:
    """The sentence about the smoke classifier."""
    fingerprint = read_config(smoke_run.data.model).fingerprint
    write_json(tmp_path / "metrics" / "external.json", RECORD | {"classifier": {"fingerprint": fingerprint}})
    return elsewhere_lines(RECORD)[1]


@pytest.mark.parametrize(
    "words", [["explain", "--no-lime", "--no-caption", "--out", "."], ["predict"], ["predict", "--shards", "shards"]]
)
def test_commands_say_it_after_their_verdicts(published, smoke_run, tmp_path, monkeypatch, photograph, capsys, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.png", encoded(photograph, "PNG"))
    root = ["--root", str(smoke_run.data.root), "--profile", "smoke"]
    monkeypatch.setattr(DatasetRoot, "model", property(lambda data: smoke_run.data.products / "data" / "model"))
    assert main([words[0], "a.png", *words[1:], *root]) == 0
    assert published in capsys.readouterr().out


def test_the_page_and_the_report_show_it(published):
    assert published in drop_zone([], RECORD)
    assert published not in drop_zone([])
    report = json.loads((REPOSITORY / "metrics" / "resnet34.json").read_text(encoding="utf-8"))
    keys = [tile.key for tile in tiles({"resnet34": report, "external": RECORD})]
    assert keys == ["auroc", "auroc_elsewhere", "false_alarm", "missed", "certain", "certain_elsewhere"]
    optimistic = tiles({"resnet34": report, "external": RECORD | {"used_for_choosing": True}})
    assert all(tile.key in PAGE for tile in optimistic)
    assert "optimistic" in PAGE[optimistic[1].key][1]
