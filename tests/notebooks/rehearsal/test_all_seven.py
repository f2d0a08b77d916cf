"""A rehearsal of `full`: all seven notebooks by the call of the docs, in a runtime like Colab's, offline, on a CPU.

The hub is a cache with small networks of random weights, PaliGemma a tiny folder, Claude a local server. The runtime
brings an old torchao and a TensorFlow that raises; its disk has no locks, and its secret store does not answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from aireal.captions.claude.prices import DEFAULT_MODEL
from aireal.captions.table import read_answers
from aireal.config import REPOSITORY
from aireal.core.files import MACHINE_PATH
from helpers.colab_image import make_image
from helpers.rehearsal import CLIP, files_with, stage_  # noqa: F401  (a fixture)
from helpers.runtimes import KEYS

KEY = KEYS["ANTHROPIC_API_KEY"]


class Walk(NamedTuple):
    """Where the run left everything, what it printed, and what it asked Claude."""

    keep: Path
    printed: str
    calls: list[str]


@pytest.fixture(scope="module")
def walk(stage, tmp_path_factory):
    """All seven, once."""
    image = make_image(tmp_path_factory.mktemp("image"))
    keep = tmp_path_factory.mktemp("drive") / "aireal"
    before = {path: path.stat().st_mtime_ns for path in stage.root.rglob("*")}
    asked = len(stage.server.calls)
    done = stage.run_notebooks(keep, image, {"ANTHROPIC_API_KEY": KEY, "COLAB_RELEASE_TAG": "rehearsal"})
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in stage.root.rglob("*")} == before, "products lie in `keep` alone"
    return Walk(keep, done.stdout + done.stderr, [route for route, _ in stage.server.calls[asked:]])


@pytest.fixture(scope="module")
def metrics(walk):
    """The metrics by name."""
    paths = (walk.keep / "outputs" / "metrics").glob("*.json")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def printed_by(walk, number: str) -> str:
    """The texts that one notebook printed."""
    (path,) = (walk.keep / "outputs" / "notebooks").glob(f"{number}_*.ipynb")
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_every_stage_is_that_of_full(metrics):
    assert {"rexnet150", "vit", "clip", "resnet34", "predict", "captions", "paligemma", "demo"} <= set(metrics)
    stages = {name: record for name, record in metrics.items() if name != "pipeline"}
    assert {record["profile"] for record in stages.values()} == {"full"}
    assert not any(MACHINE_PATH.search(json.dumps(record)) for record in metrics.values())


def test_the_classifiers_start_from_the_hubs_weights_and_clip_stays_frozen(metrics):
    for name in ("rexnet150", "vit", "resnet34"):
        assert metrics[name]["initial_weights"] == "imagenet (timm)"
    assert metrics["clip"]["initial_weights"].startswith("clip, ")
    assert metrics["clip"]["architecture"] == CLIP
    assert "resnet34_random" not in metrics, "all start alike, so random weights are not trained"


def test_claude_wrote_about_each_picture_at_once_and_no_question_was_paid_twice(walk):
    answers = read_answers(walk.keep / "products" / "data_answer_add.csv")
    assert {answer.author for answer in answers} == {"base", DEFAULT_MODEL}
    assert walk.calls.count("messages") == len({answer.image for answer in answers})
    assert "create" not in walk.calls, "no batch"


def test_the_adapter_is_of_the_profiles_model_in_16_bits(walk, stage, metrics):
    base = json.loads((walk.keep / "products" / "data" / "paligemma_lora" / "base.json").read_text(encoding="utf-8"))
    assert (base["base"], base["format"]) == ("tiny-paligemma", "torch.bfloat16")
    record = metrics["paligemma"]
    assert record["steps"] == stage.overrides["lora_steps"]
    assert (record["skipped_steps"], record["losses_not_finite"]) == (0, 0)
    assert "16 real, 16 mirrored, 4 procedural" in printed_by(walk, "06")


def test_the_demonstration_uses_it(walk, metrics):
    assert "The small embedded PaliGemma writes instead" not in printed_by(walk, "07")
    for image in metrics["demo"]["images"]:
        assert f"{image['probability']:.2f}%" in image["sentence_ko"]


def test_what_the_runtime_lacks_is_said_once(walk):
    assert walk.printed.count("did not answer within") == 1
    assert walk.printed.count("the store was asked for") == 1
    assert printed_by(walk, "04").count("no file locks") == 1
    assert "no TensorBoard logs: RuntimeError" in printed_by(walk, "03")


def test_the_key_is_in_nothing_that_the_run_leaves_or_prints(walk, stage):
    assert KEY not in walk.printed
    assert files_with(KEY, walk.keep, stage.root, stage.hub) == []
    assert files_with(KEY, REPOSITORY / "outputs", REPOSITORY / "notebooks", REPOSITORY / "metrics") == []
