"""The benchmark of sentences runs, in miniature, and fails when the text differs. No test looks at a clock."""

from __future__ import annotations

import json
import sys

import pytest

from aireal.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import caption
import report


@pytest.fixture(name="options")
def options_(small_root, tmp_path):
    return caption.Options(root=small_root.root, out=tmp_path, repeats=2, overlays=2, batch_size=4)


def test_the_arms_write_the_same_sentences(options):
    assert caption.main(options) == 0
    metrics = json.loads((options.out / "metrics" / "benchmark_caption.json").read_text(encoding="utf-8"))
    assert metrics["sentences"] == 4
    assert metrics["equal_results"]
    assert set(metrics["seconds"]) == {caption.OURS, caption.STATIC, caption.LOOP}
    assert all(len(times) == 1 for times in metrics["seconds"].values()), "the first round is not counted"
    block = report.blocks(options.out / "metrics")["benchmark_caption"]
    assert "ours is faster by" in block
    assert "one by one" in block
    assert "Goal, against `one by one`" in block


def test_other_text_fails(options, monkeypatch, capsys):
    monkeypatch.setattr(
        caption, "describe", lambda model, processor, images, prompts, *more, **how: ["something else"] * len(prompts)
    )
    assert caption.main(options) == 1
    assert "4 of 4 sentences differ" in capsys.readouterr().err
