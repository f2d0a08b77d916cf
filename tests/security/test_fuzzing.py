"""Damaged files of every kind are read or refused in one sentence: a few of the cases that scripts/fuzz.py runs by the
thousand, and the faults that it found, each with what is right."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from aireal.captions.claude.ledger import Ledger
from aireal.captions.language.validate import validate
from aireal.captions.table import read_answers
from aireal.classifier.model import read_config
from aireal.core.journal import Journal, read_entries
from aireal.core.json_text import has_fields, parse_json, read_object
from aireal.core.profile import profile_of_products
from aireal.core.read_table import read_table
from aireal.dataset.importing.import_dataset import finished_import
from aireal.evidence.record import EvidenceRecord
from aireal.evidence.value_types import fits
from aireal.explain.fast_classifier import QUANTIZED_FILE, load_quantized
from aireal.explain.predictor import METHOD_FILE, selected_method
from aireal.paligemma.training_folder import finished_history
from aireal.stages.explain_files import read_lines
from aireal.stages.predict_table import FIELDS, predicted_files
from aireal.stages.scale.source import Source
from aireal.stages.sentence_model import adapter_base
from helpers.captions import make_record
from helpers.fuzz.campaign import Campaign
from helpers.fuzz.kinds import KINDS, NAMES, make_case
from helpers.fuzz.watch import SECRET

COUNT = 60  # cases of each kind here; pictures have more in tests/core/test_damaged_files.py
DEEP = "[" * 100_000
GROWTH = 100 * 2**20  # bytes


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return Campaign(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.fault(
    "files",
    "manifests, tables, journals, records, captions and configurations with random damage",
    "one sentence each",
    "no file outside of the output folder is written, and no private one opened",
)
@pytest.mark.parametrize("kind", NAMES)
def test_damaged_files_are_read_or_refused_in_one_sentence(campaign, kind):
    found = campaign.run(kind, COUNT, seed=7)
    assert found["faults"] == []
    assert found["memory_growth_bytes"] < GROWTH


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_read(tmp_path, kind):
    for number, seed in enumerate(KINDS[kind]()):
        folder = tmp_path / str(number)
        for name, content in [*seed.beside, (seed.name, seed.content)]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        if "shards" not in seed.name:  # whose pictures and digests are invented
            seed.read(folder)


def test_a_case_follows_from_its_number(tmp_path):
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_case("tables", 17, 7, tmp_path / name)
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))])
    assert contents[0] == contents[1]


def test_the_watch_sees_writing_elsewhere_opening_of_secrets_and_other_errors(campaign, tmp_path):
    secret = campaign.folder.parent / SECRET / "diary.png"
    assert campaign.watch.outcome(lambda: (tmp_path / "x").write_text("x"))[0] == "escape"
    assert campaign.watch.outcome(secret.read_bytes)[0] == "escape"
    assert campaign.watch.outcome(lambda: json.loads("{"))[0] == "crash"
    assert campaign.watch.outcome(lambda: parse_json("{")) == ("refused", "")


# --- what was found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{", DEEP, b'"\xff"', "1" * 5000])
def test_odd_json_is_one_sentence(text):
    with pytest.raises(ValueError, match="it is no|it is not|nested too deeply") as caught:
        parse_json(text)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), 10**400, "1", None, []])
def test_what_python_takes_for_a_number_is_none(value):
    assert not fits(value, float)
    assert fits(1, float)


def test_fields_are_looked_at_to_the_bottom():
    fields = {"path": str, "row": {"overlay": str, "sizes": list[int]}}
    assert has_fields({"path": "a", "row": {"overlay": "b", "sizes": [1]}, "more": 1}, fields)
    assert not has_fields({"path": "a", "row": {"overlay": "b", "sizes": ["1"]}}, fields)
    assert not has_fields({"path": "a", "row": {"overlay": "b"}}, fields)
    assert not has_fields([], fields)


def test_lines_whose_path_is_no_text_are_skipped(tmp_path):
    lines = tmp_path / "l.jsonl"
    lines.write_text('{"path": 5}\n{"path": "a", "error": "x"}\n{"path": "b", "path_bytes": 5}\n{}\n5\n' + DEEP)
    assert read_lines(lines) == [{"path": "a", "error": "x"}]


@pytest.mark.parametrize("line", [DEEP, '{"made_with": 5, "files": []}', '{"files": []}', '{"made_with": "m"}', "5"])
def test_a_line_that_is_no_entry_of_a_journal_is_one_sentence(tmp_path, line):
    path = tmp_path / "j.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match="line 1: no journal entry; move the file away to begin anew"):
        Journal(path, fields=FIELDS)
    assert path.read_text() == line + "\n", "somebody's file stays as it is"


def test_deep_nesting_in_lines_of_another_process_is_skipped(tmp_path):
    (tmp_path / "l.jsonl").write_text(f'{DEEP}\n{{"a": 1}}\n')
    assert read_entries(tmp_path / "l.jsonl") == [{"a": 1}]


@pytest.mark.parametrize(
    "file", [5, [], ["a.png", 1, 2], ["a.png", 1, 2, "x"], ["a.png", 1, 2, 7.5], ["a", [], 2, 0.5]]
)
def test_predictions_that_are_none_are_made_again(file):
    entries = [{"made_with": "m", "files": [file, ["b.png", 1, 2, 0.5]]}]
    assert predicted_files(entries, "m") == {("b.png", 1, 2): 0.5}


@pytest.mark.parametrize(
    "changed",
    [
        {"image": 5},
        {"lime": [{"superpixel": [], "weight": 1.0}]},
        {"lime": [{"superpixel": 1, "weight": 10**400}]},
        {"lime_r2": "x"},
        {"uncertain": "no"},
        {"agreement": float("nan")},
        {"cues": {"colour": "red", "brightness": "dark", "texture": "smooth", "edges": "soft", "values": {"a": "x"}}},
        {"provenance": {"marks": [{"kind": "camera", "place": 5, "text": "x"}]}},
        {"peak": [0.1]},
        {"unknown": 1},
    ],
)
def test_a_record_with_a_value_of_another_type_is_one_sentence(changed):
    with pytest.raises(ValueError, match="record") as caught:
        EvidenceRecord.from_dict(make_record(0).to_dict() | changed)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("value", [[], 5, None, "{}"])
def test_what_is_no_record_is_one_sentence(value):
    with pytest.raises(ValueError, match="it is no evidence record"):
        EvidenceRecord.from_dict(value)


def test_an_answer_with_a_value_of_another_type_is_one_sentence(tmp_path):
    path = tmp_path / "a.jsonl"
    for line in (b'{"image": 5}', b"\xff\xfe", DEEP.encode()):
        path.write_bytes(line)
        with pytest.raises(ValueError, match="line 1: this is no row of answers"):
            read_answers(path)


def test_a_cell_of_a_megabyte_is_one_sentence(tmp_path):
    for content in ("path,label\n" + "a" * 200_000 + ",1\n", "path,label" + "a" * 200_000 + "\n"):
        (tmp_path / "t.csv").write_text(content)
        with pytest.raises(ValueError, match=r"t\.csv line [12]: a cell is too long|has no column label"):
            list(read_table(tmp_path / "t.csv", ("path", "label"), "x"))


def test_a_sentence_of_a_megabyte_is_not_parsed(monkeypatch):
    monkeypatch.setattr("aireal.captions.language.validate.parse", None)  # a call would be a TypeError
    assert validate("real " * 200_000, make_record(0), "en") == (None, ["the sentence is longer than 400 characters"])


def test_an_amount_that_no_float_holds_is_one_sentence(tmp_path):
    (tmp_path / "j.jsonl").write_text(json.dumps({"event": "asking", "key": "a", "ceiling": 10**400}) + "\n")
    with Journal(tmp_path / "j.jsonl", keep=False) as journal, pytest.raises(ValueError, match="does not write"):
        Ledger(journal)


@pytest.mark.parametrize("line", ["5", "{}", '{"path": 5}', '{"path": "a", "archive": "b", "offset": "c"}', DEEP])
def test_a_line_that_is_no_source_is_one_sentence(line):
    with pytest.raises(ValueError, match="path|type|nested"):
        Source.from_json(line)


@pytest.mark.parametrize("text", ["", "[]", DEEP, '{"fingerprint": 5}', '{"fingerprint": "a", "history": {"b": 1}}'])
def test_a_damaged_record_of_a_training_is_one_sentence(tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"training\.json is damaged: .* Run notebook 06"):
        finished_history(tmp_path, "a", None)


@pytest.mark.parametrize("text", ["", "[]", "{}", DEEP, '{"base_model_name_or_path": 5}'])
def test_a_damaged_configuration_of_an_adapter_is_one_sentence(tmp_path, text):
    (tmp_path / "adapter_config.json").write_text(text)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"adapter_config\.json is damaged: .* Run notebook 06"):
        adapter_base(tmp_path)


def test_a_number_that_no_float_holds_is_no_configuration_of_a_classifier(tmp_path):
    config = {"architecture": "resnet34", "image_size": 96, "mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "config.json").write_text(json.dumps(config | {"initial_weights": "random", "bias": 10**400}))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match="a number is missing or not finite"):
        read_config(tmp_path)


def test_a_damaged_json_file_says_what_to_do(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1')
    with pytest.raises(ValueError, match=r"a\.json is damaged: it is no JSON \(.*\)\. Run it again\."):
        read_object(tmp_path / "a.json", "Run it again.")


@pytest.mark.parametrize("text", ["", "[]", DEEP, '{"found": 5, "fingerprint": "a"}', '{"found": {"used": 1}}'])
@pytest.mark.parametrize("read", [selected_method, load_quantized])
def test_a_damaged_record_beside_the_classifier_is_one_sentence(tmp_path, read, text):
    for name in (METHOD_FILE, Path(QUANTIZED_FILE).with_suffix(".json")):
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"\.json is damaged: .* Delete it; "):
        read(tmp_path, "a")


@pytest.mark.parametrize("record", [{"profile": []}, {"profile": {}}, {"overrides": 5}, {"overrides": [1]}, {}])
def test_a_profile_that_cannot_be_read_is_told_by_the_classifier(tmp_path, record):
    (tmp_path / "config.json").write_text('{"initial_weights": "imagenet (timm)"}')
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "profile.json").write_text(json.dumps(record))
    (tmp_path / "base.json").write_text('{"base": []}')
    assert profile_of_products(SimpleNamespace(model=tmp_path, adapter=tmp_path)) == ("full", {})


@pytest.mark.parametrize("changed", [{"groups": "many"}, {"notes": None}, {"unknown": 1}, {"arguments": 5}])
def test_a_damaged_report_of_an_import_is_one_sentence(tmp_path, changed):
    (report,) = (seed.content for seed in KINDS["configurations"]() if seed.name == "root/import.json")
    (tmp_path / "import.json").write_text(json.dumps(json.loads(report) | changed))
    with pytest.raises(ValueError, match=r"import\.json is damaged: .* Choose another folder for --to"):
        finished_import(tmp_path, "s", None, 7)
