"""The benchmark of sentences runs, in miniature, and does not pass when the text differs. Nothing here looks at a clock."""

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
    found = json.loads((options.out / "metrics" / "benchmark_caption.json").read_text(encoding="utf-8"))
    assert (
        found["sentences"] == 4
        and found["equal_results"]
        and set(found["seconds"]) == {caption.OURS, caption.STATIC, caption.LOOP}
    )
    assert all(len(times) == 1 for times in found["seconds"].values()), "the first round is not counted"
    block = report.blocks(options.out / "metrics")["benchmark_caption"]
    assert "ours is faster by" in block and "one by one" in block and "Goal, against `one by one`" in block


def test_other_text_does_not_pass(options, monkeypatch, capsys):
    monkeypatch.setattr(
        caption, "describe", lambda model, processor, images, prompts, *more, **how: ["something else"] * len(prompts)
    )
    assert caption.main(options) == 1
    assert "4 of 4 sentences differ" in capsys.readouterr().err
