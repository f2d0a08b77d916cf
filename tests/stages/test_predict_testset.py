"""Prediction of a test folder: finished rows are reused, and one bad file does not stop the others."""

from __future__ import annotations

import json
import os

import pytest

from aireal.classifier.train import ensure_classifier
from aireal.core.run import start
from aireal.evidence.cues import region_of
from aireal.evidence.record import EvidenceRecord
from aireal.stages.predict_testset import CAPTION_SHARES, caption_split, predict_test_set, table_metrics


@pytest.fixture
def run(small_root, tmp_path):
    run = start("predict", "smoke", small_root.root, seed=7, out=tmp_path / "out")
    ensure_classifier(run)
    return run


def test_a_bad_file_is_listed_and_the_rest_is_predicted(run):
    files = sorted((run.data.root / "test").rglob("*.jpg"))
    files[0].write_bytes(b"no image")
    table, errors = predict_test_set(run)
    assert len(errors) == 1
    assert errors[0]["path"].endswith(files[0].name)
    assert "no image" in errors[0]["error"]
    assert len(table) == len(files) - 1
    for row in table.itertuples():
        record = EvidenceRecord.from_dict(json.loads(row.evidence))
        assert record.region == row.region == region_of(row.peak_x, row.peak_y)
        assert f"{row.probability:.2f}%" in row.caption_ko
        assert f"{row.probability:.2f}%" in row.caption_en
    metrics = table_metrics(table, seed=1)
    assert metrics["test"]["n"] == len(table)
    assert sum(map(sum, metrics["confusion"])) == len(table)


def test_a_stopped_run_is_resumed(run):
    predict_test_set(run)
    journal = run.data.table.with_suffix(".jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[:2]) + lines[2][:40], encoding="utf-8")  # killed while writing the third
    before = {p.name: os.stat(p).st_mtime_ns for p in run.data.result.iterdir()}
    table, errors = predict_test_set(run)
    assert len(table) == len(lines)
    assert not errors
    again = [p.name for p in run.data.result.iterdir() if os.stat(p).st_mtime_ns != before[p.name]]
    assert len(again) == len(lines) - 2


def test_rows_of_another_classifier_are_not_reused(run):
    table, _ = predict_test_set(run)
    journal = run.data.table.with_suffix(".jsonl")
    lines = [json.loads(line) | {"classifier": "another"} for line in journal.read_text(encoding="utf-8").splitlines()]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    before = {p.name: os.stat(p).st_mtime_ns for p in run.data.result.iterdir()}
    again, _ = predict_test_set(run)
    assert again.equals(table)
    assert all(os.stat(p).st_mtime_ns != before[p.name] for p in run.data.result.iterdir())


def test_caption_splits_have_their_shares_and_keep_a_source_together():
    splits = [caption_split(f"group-{i}") for i in range(4000)]
    for name, share in CAPTION_SHARES:
        assert splits.count(name) / len(splits) == pytest.approx(share, abs=0.03)
    assert len({caption_split("one source") for _ in range(5)}) == 1
