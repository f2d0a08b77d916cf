"""The cards say what metrics and manifest hold, in a form that the hub reads."""

from __future__ import annotations

import json
import shutil

import pytest
from huggingface_hub import DatasetCard, ModelCard

from aireal.cli import main
from aireal.config import REPOSITORY, project_url
from aireal.reporting.dataset_card import dataset_card
from aireal.reporting.model_card import model_card
from aireal.reporting.publish import write_cards
from helpers.images import SAMPLE, noise

METRICS = REPOSITORY / "metrics"


@pytest.fixture
def metrics(tmp_path):
    return shutil.copytree(METRICS, tmp_path / "metrics")


def change(folder, name, **values):
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_the_hub_reads_the_header_and_finds_the_figures_in_it(metrics):
    test = json.loads((METRICS / "resnet34.json").read_text(encoding="utf-8"))["test"]
    card = ModelCard(model_card(metrics))
    assert card.data.license == "mit"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.base_model is None
    results = {r.metric_type: r for r in card.data.eval_results if r.dataset_split == "test"}
    assert results["roc_auc"].metric_value == test["auroc"]["value"]
    assert f"{test['auroc']['low']:.3f} to {test['auroc']['high']:.3f}" in results["roc_auc"].metric_name
    for heading in ("Intended use", "Out of scope", "Figures", "Limits", "Licence"):
        assert f"\n## {heading}\n" in card.text
    low, high = (100 * (1 - test["accuracy_real"][k]) for k in ("high", "low"))
    assert f"[{low:.1f}, {high:.1f}] of photographs are called AI-made" in card.text


def test_an_adapter_of_the_large_model_brings_its_base_and_its_licence(metrics):
    change(metrics, "paligemma", model="google/paligemma2-3b-pt-224")
    card = ModelCard(model_card(metrics))
    assert card.data.base_model == "google/paligemma2-3b-pt-224"
    assert card.data.license == "gemma"
    assert "Gemma Terms of Use" in card.text


def test_what_was_not_measured_is_named_with_its_command(metrics):
    for name in ("paligemma", "audit", "heatmap", "external"):
        (metrics / f"{name}.json").unlink(missing_ok=True)
    text = model_card(metrics)
    assert text.count("Not measured for this model") == 4
    assert "python -m aireal evaluate DIR" in text
    assert "--only 05 06" in text
    assert "adapter**" not in text
    (metrics / "resnet34.json").unlink()
    with pytest.raises(ValueError, match="Run notebook 03"):
        model_card(metrics)


def test_the_dataset_card_counts_and_licenses_what_the_manifest_lists():
    card = DatasetCard(dataset_card(SAMPLE, METRICS))
    assert {"mit", "gpl-2.0", "cc-by-sa-4.0"} <= set(card.data.license)
    assert "unknown" not in card.data.license
    assert card.data.size_categories == ["n<1K"]
    assert "| `test` | 104 of 43 sources | 104 of 37 sources |" in card.text
    assert "MiniMax H3" in card.text
    assert "Shortcuts in the dataset" in card.text
    assert "Shortcuts in the dataset" not in dataset_card(SAMPLE)


def test_a_root_without_manifest_has_a_card_that_claims_nothing(tmp_path):
    for split, label, seed in (
        (s, c, k) for s in ("data/train", "test") for c in ("0_real", "1_fake") for k in range(3)
    ):
        (folder := tmp_path / split / label).mkdir(parents=True, exist_ok=True)
        noise(seed).save(folder / f"{'abc'[seed]}.jpg")
    text = dataset_card(tmp_path)
    card = DatasetCard(text)
    assert card.data.license == "unknown"
    assert "There is no manifest" in card.text
    assert "not stated" in card.text


def test_a_manifest_cannot_break_the_tables(small_root):
    text = small_root.manifest.read_text(encoding="utf-8")
    small_root.manifest.write_text(text.replace("MIT", "MIT | or not"), encoding="utf-8")
    rows = [line for line in dataset_card(small_root.root).splitlines() if "or not" in line]
    assert rows
    assert all(line.replace("\\|", "").count("|") == 6 for line in rows)


def test_the_committed_cards_are_those_of_the_committed_metrics(tmp_path):
    for path in write_cards(METRICS, SAMPLE, tmp_path):
        assert path.read_text(encoding="utf-8") == (REPOSITORY / "docs" / "cards" / path.name).read_text(
            encoding="utf-8"
        ), "run `make publish`"


def test_the_command_writes_both_and_says_where(tmp_path, capsys):
    assert main(["release", "cards", "--out", str(tmp_path / "c")]) == 0
    assert len(list((tmp_path / "c").iterdir())) == 2
    assert "model_card.md" in capsys.readouterr().out
    assert main(["release", "cards", "--metrics", str(tmp_path)]) == 2


def test_the_address_has_one_home():
    assert project_url().startswith("https://")
    assert project_url() in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
