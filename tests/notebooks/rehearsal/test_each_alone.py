"""A rehearsal of `full`: a notebook in an empty runtime makes what it needs, or says plainly what is missing."""

from __future__ import annotations

import json
import shutil

import nbformat
import pytest

from aireal.captions.claude.prices import DEFAULT_MODEL
from aireal.captions.table import read_answers
from helpers.colab_image import make_image
from helpers.rehearsal import CLIP, files_with, stage_  # noqa: F401  (a fixture)
from helpers.runtimes import KEYS


def run_alone(stage, number: str, keep, *arguments, **more):
    """The executed notebook's printed text, and what the runner printed."""
    done = stage.run_notebooks(keep, *arguments, only=[number], **more)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    (path,) = (keep / "outputs" / "notebooks").glob(f"{number}_*.ipynb")
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream"), done.stdout + done.stderr


def test_02_without_clip_in_the_cache_stops_in_its_first_cell(stage, tmp_path):
    """And not after the training of the ViT."""
    hub = tmp_path / "hub"
    shutil.copytree(stage.hub, hub, ignore=lambda _, names: [name for name in names if "clip" in name])
    done = stage.run_notebooks(tmp_path / "keep", secrets={"HF_HOME": str(hub)}, only=["02"])
    assert done.returncode == 1
    sentence = next(line for line in done.stderr.splitlines() if "Cause:" in line)
    assert "is not cached, and the hub cannot be reached" in sentence
    assert CLIP.split(".")[0] in sentence
    assert not (tmp_path / "keep" / "outputs" / "checkpoints").exists()


def test_05_gets_the_key_from_the_secrets_of_the_runtime(stage, tmp_path):
    """Classifier and table are made first. The key reaches the kernel, the server, and nothing that is left."""
    image, keep = make_image(tmp_path / "image", KEYS), tmp_path / "keep"
    asked = len(stage.server.calls)
    printed, runner = run_alone(stage, "05", keep, image)
    assert "Making the missing classifier, as in notebook 03" in printed
    assert "Making the missing table, as in notebook 04" in printed
    assert "ANTHROPIC_API_KEY was found in the secrets of this runtime" in runner
    headers = [headers for _, headers in stage.server.calls[asked:]]
    assert headers
    assert all(KEYS["ANTHROPIC_API_KEY"] in str(sent) for sent in headers)
    assert DEFAULT_MODEL in {answer.author for answer in read_answers(keep / "products" / "data_answer_add.csv")}
    for value in KEYS.values():
        assert value not in runner
        assert files_with(value, keep, stage.root, stage.hub) == []


def test_06_writes_offline_what_it_trains_on(stage, tmp_path):
    asked = len(stage.server.calls)
    printed, _ = run_alone(stage, "06", tmp_path / "keep")
    estimate, made = "estimate: about", "Making the missing answers, as in notebook 05 (offline author)"
    assert -1 < printed.find(estimate) < printed.find("Making the missing classifier") < printed.find(made), (
        "what cannot fit is known before minutes are spent"
    )
    assert len(stage.server.calls) == asked
    adapter = tmp_path / "keep" / "products" / "data" / "paligemma_lora"
    assert json.loads((adapter / "base.json").read_text(encoding="utf-8"))["base"] == "tiny-paligemma"


@pytest.fixture
def plain(stage, tmp_path):
    """The dataset's pictures in two folders, as somebody's own pictures or Kaggle's input lie."""
    for label in ("0_real", "1_fake"):
        (tmp_path / "plain" / label).mkdir(parents=True)
        for path in stage.root.rglob(f"{label}/*"):
            shutil.copy(path, tmp_path / "plain" / label / path.name)
    return tmp_path / "plain"


def test_07_imports_a_dataset_and_writes_with_the_embedded_model(stage, plain, tmp_path):
    """There is no adapter, and an imported dataset has no proposals."""
    printed, _ = run_alone(stage, "07", tmp_path / "keep", dataset=str(plain), root=str(tmp_path / "imported"))
    assert "Making the missing classifier, as in notebook 03" in printed
    assert "has no proposal images, so test pictures are shown" in printed
    assert "There is no adapter of tiny-paligemma here, notebook 06 makes it" in printed
    demo = json.loads((tmp_path / "keep" / "outputs" / "metrics" / "demo.json").read_text(encoding="utf-8"))
    assert len(demo["images"]) == stage.overrides["demo_images"]
