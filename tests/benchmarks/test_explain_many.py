"""Many pictures are explained as each one alone; the benchmark of their speed compares the records. No test looks at a
clock."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")

from aireal.classifier.model import read_config
from aireal.classifier.quantized import made_for
from aireal.config import REPOSITORY
from aireal.core.files import write_json
from aireal.explain.fast_classifier import QUANTIZED_FILE

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import explain_many
import report


@pytest.fixture
def options(small_root, smoke_run, tmp_path):
    """Options of a small measurement on a root that has a classifier; LIME computes in floating point."""
    shutil.copytree(smoke_run.data.model, small_root.model)
    found = {"found": {"used": False, "why": "to save its half a minute"}}
    fingerprint = read_config(small_root.model).fingerprint
    write_json((small_root.model / QUANTIZED_FILE).with_suffix(".json"), made_for(fingerprint) | found)
    return explain_many.Options(root=small_root.root, out=tmp_path, images=2, rounds=1, processes=2)


def test_two_processes_write_the_records_of_one_sentences_and_all(options, capsys):
    assert explain_many.main(options) == 0, capsys.readouterr().err
    metrics = json.loads((options.out / "metrics" / "benchmark_explain_many.json").read_text(encoding="utf-8"))
    assert metrics["equal_results"]
    assert min(metrics["pictures_an_hour"].values()) > 0
    assert "the same records from both" in report.scale_blocks(options.out / "metrics")["explain_many"]


def test_records_that_differ_are_named():
    lines = [{"label": "fake", "region": "top"}, {"error": "no image"}, {"label": "real"}]
    rows = [
        {"path": "a", "record": json.dumps({"label": "fake", "region": "left"}), "error": ""},
        {"path": "b", "error": "no image"},
        {"path": "c", "error": "no image"},
    ]
    first, second = explain_many.differences(lines, rows)
    assert first == "a: the records differ in region"
    assert second.startswith("c: None one by one")
