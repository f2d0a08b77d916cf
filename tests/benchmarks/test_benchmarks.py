"""The benchmarks of training and prediction run, in miniature, and fail when results are not equal. No test looks at a
clock."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from aireal.config import REPOSITORY
from aireal.reporting.readme import update
from helpers.images import SAMPLE

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import common
import predict
import report
import train
from made_photographs import make_photographs


@pytest.fixture
def prediction(small_root, smoke_run, tmp_path):
    """Options of a small comparison on a root that has a classifier."""
    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    return predict.Options(
        root=small_root.root, out=tmp_path, repeats=2, photographs=2, longest=700, loop_batch=4, loop_workers=0
    )


@pytest.fixture
def training(tmp_path):
    return train.Options(
        root=SAMPLE,
        profile="smoke",
        out=tmp_path,
        repeats=1,
        images=4,
        val_images=4,
        crop=32,
        epochs=1,
        loop_batch=4,
        workers=0,
    )


def saved(options, name: str) -> dict:
    """The metrics that a benchmark has written."""
    return json.loads((options.out / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def test_prediction_is_compared_at_equal_verdicts(prediction, capsys):
    assert predict.main(prediction) == 0
    metrics = saved(prediction, "benchmark_predict")
    assert metrics["equal_results"]
    assert {"seed", "versions", "device", "cpu", "precision", "goal"} <= set(metrics)
    for folder, images in (("test images", 6), ("photographs", 2)):
        result = metrics["folders"][folder]
        assert result["images"] == images
        assert result["flipped_verdicts"] == 0
        assert result["largest_difference"] <= metrics["tolerance"]
        assert set(result["seconds"]) == {"ours", "loop, batch 4, 0 workers", "loop, batch 8, 0 workers"}
        assert all(len(s) == 1 for s in result["seconds"].values()), "the first round is not counted"
    assert "ours is faster by" in report.blocks(prediction.out / "metrics")["benchmark_predict"]


def test_prediction_with_other_results_fails(prediction, monkeypatch, capsys):
    real = predict.ours
    monkeypatch.setattr(predict, "ours", lambda *arguments, **how: lambda: 1 - real(*arguments, **how)())
    assert predict.main(prediction) == 1
    assert "NOT EQUAL" in capsys.readouterr().err
    assert not saved(prediction, "benchmark_predict")["equal_results"]


def test_variants_are_compared_and_unknown_ones_named(prediction, capsys):
    prediction.variants = ["folded", "exact", "spare-2", "fp32", "batch-1", "workers-1"]
    assert predict.main(prediction) == 0
    variants = saved(prediction, "benchmark_predict_variants")["folders"]["photographs"]
    assert set(variants) == {"ours", *prediction.variants}
    assert variants["exact"]["largest_difference"] < 1e-5
    assert all(v["largest_difference"] < 0.05 for v in variants.values())
    assert "`folded`" in report.blocks(prediction.out / "metrics")["benchmark_predict_variants"]
    prediction.variants = ["faster"]
    with pytest.raises(ValueError, match="no variant faster. Choose from ours"):
        predict.main(prediction)


def test_photographs_are_large_and_the_same_each_time(small_root, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (make_photographs(small_root, tmp_path / name, 4, 800, seed=3) for name in ("a", "b"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]
    assert all(400 <= max(Image.open(p).size) <= 800 for p in one)


def test_training_is_compared_at_equal_results(training, capsys):
    assert train.main(training) == 0
    metrics = saved(training, "benchmark_train")
    assert metrics["equal_results"]
    assert metrics["images_shown"] == 8
    assert metrics["val_images"] == 8
    arms = {"ours", "loop, batch 4", "loop, batch 8"}
    assert set(metrics["auroc"]) == set(metrics["loss"]) == set(metrics["images_per_second"]) == arms
    assert all(s > 0 for seconds in metrics["seconds"].values() for s in seconds)
    assert "last training loss" in report.blocks(training.out / "metrics")["benchmark_train"]


def test_all_ways_to_train_start_from_the_same_weights():
    one, other = (train.initial(train.PROFILES["smoke"], seed=3)[0].state_dict() for _ in range(2))
    assert all((a == b).all() for a, b in zip(one.values(), other.values()))


def test_training_that_learns_less_fails(training, monkeypatch, capsys):
    real = train.ours

    def always_wrong(run, items, val, epochs, seed):
        return train.Outcome(
            1.0, real(run, items, val, epochs, seed).losses, np.array([1.0 - item.label for item in val])
        )

    def always_right(run, items, val, epochs, seed, batch, workers):
        return train.Outcome(1.0, [0.6], np.array([float(item.label) for item in val]))

    monkeypatch.setattr(train, "ours", always_wrong)
    monkeypatch.setattr(train, "straightforward", always_right)
    assert train.main(training) == 1
    assert "AUROC is lower" in capsys.readouterr().err
    assert not saved(training, "benchmark_train")["equal_results"]


def test_arms_must_see_the_same_number_of_images(training):
    training.images = 3
    with pytest.raises(ValueError, match="6 training images make no whole batches of 4 and 8"):
        train.main(training)


def test_a_training_loss_that_stays_behind_fails():
    result = {
        "auroc_difference": {"loop": {"value": 0.0, "low": -0.1, "high": 0.1}},
        "loss": {"ours": [0.7, 0.5], "loop": [0.7, 0.4]},
    }
    assert "0.100 higher" in train.unequal(result)[0]
    assert train.unequal({**result, "loss": {"ours": [0.7, 0.42], "loop": [0.7, 0.4]}}) == []


def test_growth_is_measured_in_processes_of_their_own(prediction):
    prediction.growth = [3]
    assert predict.main(prediction) == 0
    runs = saved(prediction, "benchmark_predict_growth")["runs"]
    assert [r["images"] for r in runs] == [3]
    assert all(r["peak_mib"] >= r["peak_mib_before"] > 50 for r in runs)
    assert "peak memory" in report.blocks(prediction.out / "metrics")["benchmark_predict_growth"]


def test_a_process_that_fails_is_named():
    with pytest.raises(RuntimeError, match="predict.grow"):
        common.in_own_process("predict", "grow", "no such root", "no such model", 1, 7)


def test_growth_of_training():
    measured = train.grow(str(SAMPLE), 6, 32, 7)
    assert measured["images"] == 6
    assert measured["seconds"] > 0


def test_ratios_by_hand():
    assert common.speedup([2.0, 8.0], [1.0, 1.0]) | {"low": 0, "high": 0} == {"value": 4.0, "low": 0, "high": 0}
    ratio = common.speedup([2.0, 2.2, 1.8], [1.0, 1.0, 1.0])
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert ratio["value"] == pytest.approx(1.993, abs=0.001)
    assert common.speedup([3.0], [1.0]) == {"value": 3.0, "low": None, "high": None}


def test_arms_take_turns_forwards_and_backwards():
    order = []
    results = common.alternate({name: lambda n, name=name: order.append((n, name)) or n for name in "ab"}, 2)
    assert order == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]
    assert results == {"a": [0, 1], "b": [0, 1]}


@pytest.mark.parametrize(
    ("page", "blocks"), report.pages(REPOSITORY / "metrics").items(), ids=lambda value: getattr(value, "name", "")
)
def test_the_page_shows_what_was_measured(page, blocks):
    text = page.read_text(encoding="utf-8")
    assert update(text, blocks) == text, "run `python -m benchmarks.report`"
