"""Damaged files of every kind are read or refused in one sentence: a few of the cases that scripts/fuzz.py runs by the
thousand, and the faults that it found, each with what is right."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import anthropic
import pytest

from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.reply import Reply, from_message
from aireal.captions.language.validate import validate
from aireal.captions.table import NEEDED_ANSWER, Answer, read_answers, write_answers
from aireal.classifier.model import read_config
from aireal.config import PROFILES
from aireal.core.inside import Inside
from aireal.core.journal import Journal, read_entries
from aireal.core.json_text import has_fields, parse_json, read_object
from aireal.core.picture_files import find_images
from aireal.core.profile import parse_overrides, profile_of_products, with_overrides
from aireal.core.read_table import read_table
from aireal.core.spreadsheet import write_table
from aireal.dataset.importing.csv_table import csv_entries
from aireal.dataset.importing.import_dataset import finished_import
from aireal.dataset.importing.read_pictures import read_pictures
from aireal.dataset.manifest import read_manifest
from aireal.evidence.record import EvidenceRecord
from aireal.evidence.value_types import fits
from aireal.explain.fast_classifier import QUANTIZED_FILE, load_quantized
from aireal.explain.predictor import METHOD_FILE, selected_method
from aireal.paligemma.data import Example, OverlayDataset
from aireal.paligemma.training_folder import finished_history
from aireal.stages.explain_files import read_lines
from aireal.stages.predict_table import FIELDS, predicted_files
from aireal.stages.scale.shard_folder import ShardFolder
from aireal.stages.scale.source import Source
from aireal.stages.sentence_model import adapter_base
from helpers.captions import make_record
from helpers.fuzz.campaign import Campaign
from helpers.fuzz.kinds import KINDS, NAMES, make_case
from helpers.fuzz.readers import plain_job
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
        for number in range(30):
            (tmp_path / name / str(number)).mkdir(parents=True)
            make_case("tables", number, 7, tmp_path / name / str(number))
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))])
        KINDS["tables"].cache_clear()
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


@pytest.mark.parametrize("half", ["\\ud800", "\\udcff"])
def test_half_a_surrogate_pair_is_refused_where_it_would_be_written(tmp_path, half):
    answer = {name: 1.0 if name == "probability" else "x" for name in NEEDED_ANSWER}
    (tmp_path / "a.jsonl").write_text(json.dumps(answer))
    assert read_answers(tmp_path / "a.jsonl")[0].sentence == "x"
    (tmp_path / "a.jsonl").write_text(json.dumps(answer | {"sentence": "?"}).replace("?", half))
    with pytest.raises(ValueError, match="line 1: this is no row of answers"):
        read_answers(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match="half a surrogate pair"):
        EvidenceRecord.from_dict(make_record(0).to_dict() | {"image": json.loads(f'"{half}"')})
    assert from_message(message(f'{{"ko_1": "{half}"}}')).status == "malformed"
    assert from_message(message('{"ko_1": "\\ud83d\\ude00"}')).sentences == {"ko_1": "\U0001f600"}


def message(text):
    return anthropic.types.Message.model_construct(
        id="m", model="m", usage=None, stop_reason="end_turn", content=[SimpleNamespace(type="text", text=text)]
    )


def test_answers_of_pictures_with_any_name_are_written(tmp_path):
    answer = Answer(**{name: 1.0 if name == "probability" else "a\udcff" for name in NEEDED_ANSWER})
    write_answers([answer], tmp_path / "a.csv")
    assert "a\\udcff" in (tmp_path / "a.jsonl").read_text("utf-8")
    assert "a\ufffd" in (tmp_path / "a.csv").read_text("utf-8")


def test_a_changed_row_that_parquet_cannot_hold_does_not_stop_a_run(tmp_path):
    with ShardFolder(tmp_path, plain_job(), 2) as shards:
        shards.begin(["a"], [Source("a"), Source("b")])
        shards.add(0, [{"path": "a", "error": "x"}])
    (journal,) = (tmp_path / "unfinished").iterdir()
    journal.write_text(journal.read_text().replace('"x"', '"\\udcff"'))
    with ShardFolder(tmp_path, plain_job(), 2) as shards:
        shards.begin(["a"], [])
        shards.add(1, [{"path": "b", "error": "y", "probability": 10**30}])
        rows = list(shards.rows())
    assert [row["error"] for row in rows] == ["\ufffd", "y"]
    assert [row["probability"] for row in rows] == [None, 1e30]


@pytest.mark.parametrize("name", ["ab" * 5000, "\udcff" * 5000])
@pytest.mark.parametrize("column", ["label", "split"])
def test_a_long_value_is_cut_in_the_message(tmp_path, column, name):
    cells = {"path": "a.png", "sha256": "", "label": "1", "split": "train", "group": "a"} | {column: name}
    lines = [",".join(cells), ",".join(cells.values())]
    (tmp_path / "manifest.csv").write_text("\n".join(lines), "utf-8", "replace")
    with pytest.raises(ValueError, match=rf"line 2: {column} '.{{10,80}} is none of") as caught:
        read_manifest(tmp_path / "manifest.csv")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["x" * 10_000, f"{'x' * 10_000}=1", f"lora_steps={'x' * 10_000}"])
def test_a_long_number_of_a_profile_is_cut_in_the_message(text):
    with pytest.raises(ValueError, match="changes nothing|has no number|is of type") as caught:
        with_overrides(PROFILES["sample"], parse_overrides([text]))
    assert len(str(caught.value)) < 1000


def test_a_name_that_no_disk_takes_leaves_the_others(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ValueError, match="leads out of") as caught:
        Inside(tmp_path).path(f"../{'a' * 100_000}")
    assert len(str(caught.value)) < 10_000
    long = tmp_path / ("a" * 5000)
    assert find_images([long, tmp_path]) == [long, tmp_path / "a.png"]
    (tmp_path / "t.csv").write_text(f"path,label\n{'b' * 5000}\\c.png,1\na.png,0\n")
    assert [entry.content.name for entry in csv_entries(tmp_path / "t.csv")] == ["c.png", "a.png"]
    row = Example(long, "prompt", "sentence")
    with pytest.raises(ValueError, match=r"1 overlays are missing"):
        OverlayDataset([row])


def test_a_cell_of_a_megabyte_is_one_sentence(tmp_path):
    for content in ("path,label\n" + "a" * 200_000 + ",1\n", "path,label" + "a" * 200_000 + "\n"):
        (tmp_path / "t.csv").write_text(content)
        with pytest.raises(ValueError, match=r"t\.csv line [12]: a cell is too long|has no column label"):
            list(read_table(tmp_path / "t.csv", ("path", "label"), "x"))


@pytest.mark.parametrize("place", ["version", "name"])
def test_a_workbook_that_zipfile_does_not_take_is_one_sentence(tmp_path, place):
    (seed,) = [seed for seed in KINDS["manifests"]() if seed.content.startswith(b"PK")]
    at = seed.content.index(b"PK\x01\x02")  # the first entry of the directory
    changed = bytearray(seed.content)
    if place == "version":
        changed[at + 6] = 148
    else:
        changed[at + 9], changed[at + 46] = 8, 0xFF  # the name is said to be UTF-8
    (tmp_path / "t.xlsx").write_bytes(changed)
    with pytest.raises(ValueError, match=r"t\.xlsx is a damaged workbook or archive; copy it again") as caught:
        list(read_table(tmp_path / "t.xlsx", ("path",), "x"))
    assert type(caught.value) is ValueError


def test_a_row_with_an_absurd_number_is_one_sentence(tmp_path):
    write_table([{"path": "a"}], tmp_path / "t.csv")
    changed = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "t.xlsx") as book, zipfile.ZipFile(changed, "w") as copy:
        for name in book.namelist():
            copy.writestr(name, book.read(name).replace(b'<row r="2"', b'<row r="99999999999"'))
    (tmp_path / "t.xlsx").write_bytes(changed.getvalue())
    with pytest.raises(ValueError, match=r"damaged workbook \(a row has a number above 1,048,576\); save it"):
        list(read_table(tmp_path / "t.xlsx", ("path",), "x"))


def test_a_sentence_of_a_megabyte_is_not_parsed(monkeypatch):
    monkeypatch.setattr("aireal.captions.language.validate.parse", None)  # a call would be a TypeError
    assert validate("real " * 200_000, make_record(0), "en") == (None, ["the sentence is longer than 400 characters"])


def test_an_amount_that_no_float_holds_is_one_sentence(tmp_path):
    (tmp_path / "j.jsonl").write_text(json.dumps({"event": "asking", "key": "a", "ceiling": 10**400}) + "\n")
    with Journal(tmp_path / "j.jsonl", keep=False) as journal, pytest.raises(ValueError, match="does not write"):
        Ledger(journal)


@pytest.mark.parametrize("changed", [{"status": 5}, {"sentences": {"a": 1}}, {"/etc/hostname": 1}, {"usage": []}])
def test_a_changed_reply_of_a_ledger_is_one_sentence(tmp_path, changed):
    reply = asdict(Reply("ok", sentences={"a": "b"}, usage={}))
    line = {"event": "reply", "key": "k", "model": "m", "usd": 0, "ceiling": 0, "reply": reply}
    for text in (line, line | {"reply": reply | changed}):
        (tmp_path / "j.jsonl").write_text(json.dumps(text) + "\n")
        with Journal(tmp_path / "j.jsonl", keep=False) as journal:
            if text is line:
                assert Ledger(journal).reply("k", "m") == Reply(**reply)
            else:
                with pytest.raises(ValueError, match="does not write"):
                    Ledger(journal)


@pytest.mark.parametrize("progress", [{"bytes": 10**30}, {"bytes": -1}, {"bytes": 3}, {"pictures": -1}])
def test_a_changed_progress_of_an_import_is_one_sentence(tmp_path, progress):
    (tmp_path / "rows.jsonl").write_text("{}")
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.add({"arguments": 1}, {"pictures": 0, "bytes": 2} | progress)
        with pytest.raises(ValueError, match="does not say how far the import came; remove its folder"):
            read_pictures(None, tmp_path, None, 1, journal, 10)
    assert (tmp_path / "rows.jsonl").read_text() == "{}"


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
