"""The cost curves of many pictures are measured, in miniature, and docs/scale.md shows what was measured. No test looks
at a clock."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")

from aireal.config import REPOSITORY
from aireal.reporting.readme import update

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import report
import scale


@pytest.fixture
def options(small_root, smoke_run, tmp_path):
    """Options of a small measurement on a root that has a classifier."""
    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    return scale.Options(
        root=small_root.root,
        out=tmp_path,
        predict=[3, 5],
        explain=[],
        processes=[1],
        share_pictures=4,
        repeats=1,
        work=tmp_path / "work",
    )


def test_curves_shares_and_floors_are_measured_and_kept(options, monkeypatch):
    monkeypatch.setattr(scale, "prepare_quantized", lambda run: None)
    monkeypatch.setattr(scale, "explain_shares", scale.predict_shares)  # LIME takes minutes
    assert scale.main(options) == 0
    measured = json.loads((options.out / "metrics" / "scale.json").read_text(encoding="utf-8"))
    assert [(run["pictures"], run["processes"]) for run in measured["runs"]] == [(3, 1), (5, 1)]
    assert all(run["peak_mib"] > 100 and run["seconds"] > 0 for run in measured["runs"])
    shares = measured["shares"]["predict"]["milliseconds"]
    assert {"decoding", "resizing", "network", "writing", "other"} <= set(shares)
    assert min(shares.values()) >= 0
    assert all(speed > 0 for speeds in measured["floors"].values() for speed in speeds)
    blocks = report.scale_blocks(options.out / "metrics")
    assert "images/s after a start of" in blocks["scale_curves"]
    assert "the network alone" in blocks["scale_where"]
    assert "**A projection, not a measurement.**" in blocks["scale_projection"]
    monkeypatch.setattr(scale, "measure_run", None)
    assert scale.main(options) == 0, "nothing is measured again"


def test_time_inside_of_a_part_counts_once(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr(scale.time, "perf_counter", lambda: next(clock))
    watch = scale.Stopwatch()
    inner = watch.around("inner", lambda: None)
    watch.around("outer", inner)()
    assert watch.spent == {"inner": 3.0, "outer": 7.0}


def test_the_page_shows_what_was_measured():
    text = report.SCALE_PAGE.read_text(encoding="utf-8")
    assert update(text, report.scale_blocks(REPOSITORY / "metrics")) == text, "run `python -m benchmarks.report`"
