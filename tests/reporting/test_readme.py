"""What the READMEs show is what `metrics/` holds."""

from __future__ import annotations

import json
import re

import pytest

from aireal.config import REPOSITORY
from aireal.notebooks import _times
from aireal.reporting.publish import READMES, publish
from aireal.reporting.readme import BLOCK, _time, render_blocks, render_pages, update
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.metrics import CLASSIFIERS, read_metrics, summary_rows


@pytest.mark.parametrize("language", READMES)
def test_generated_parts_equal_the_metrics(language):
    text = (REPOSITORY / READMES[language]).read_text(encoding="utf-8")
    assert update(text, render_blocks(REPOSITORY / "metrics", language)) == text, "run `make publish`"


def test_generated_parts_of_the_docs_equal_the_metrics():
    for name, blocks in render_pages(REPOSITORY / "metrics").items():
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert update(text, blocks) == text, "run `make publish`"


@pytest.mark.parametrize("name", READMES.values())
def test_every_picture_and_file_that_a_readme_names_is_there(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    named = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert named
    assert all((REPOSITORY / link).exists() for link in named)
    assert "make demo" in text
    assert "make test" in text


def test_a_changed_figure_is_noticed():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = render_blocks(REPOSITORY / "metrics", "en")
    number = re.search(r"0\.\d{3} \[", BLOCK.search(text[text.index("begin:classifiers") - 5 :])[0])[0]
    assert update(text.replace(number, "0.999 ["), blocks) == text != text.replace(number, "0.999 [")


def test_the_heatmap_in_use_is_judged_by_the_most_pictures_it_was_scored_on():
    metrics = read_metrics(REPOSITORY / "metrics")
    more = json.loads(json.dumps(metrics["heatmap"])) | {
        "n": 999,
        "winner": {"method": "eigencam", "layer": "elsewhere"},
    }
    used = next(row for row in more["rows"] if all(row[k] == v for k, v in metrics["heatmap"]["winner"].items()))
    used["difference"] = {"value": 0.01, "low": -0.01, "high": 0.03}
    table = explanation_table(metrics | {"heatmap_all": more}, "en")
    assert "999 validation images" in table.rows[0][0]
    assert used["method"] in table.rows[0][0]
    assert "does not beat the controls" in table.notes[0]


@pytest.mark.parametrize("language", READMES)
def test_the_classifiers_stand_in_two_tables_with_the_weights_they_started_from(language):
    estimate = {"value": 0.8, "low": 0.7, "high": 0.9}
    cost = {
        "parameters": 21.3e6,
        "gmacs": 4.78,
        "image_size": 256,
        "crop": 192,
        "train_batch": 32,
        "precision": "bf16",
        "predict_batch": 16,
        "train_images_per_second": 29.4,
        "predict_images_per_second": 22,
        "train_peak_memory_gib": 0.886,
        "predict_peak_memory_gib": None,
    }
    report = {
        "architecture": "net",
        "initial_weights": "random",
        "images_seen": 1472,
        "training_seconds": 83.2,
        "cost": cost,
        "device": "cpu",
        "seed": 7,
        "versions": {"torch": "2"},
        "unseen_generators": None,
        "test": {
            "n": 208,
            "groups": 80,
            **dict.fromkeys(("auroc", "average_precision", "accuracy_real", "accuracy_fake", "ece"), estimate),
        },
        "selective": {
            "uncertain_below": 0.62,
            "target_error": 0.1,
            "validation": {"target_reached": language == "en"},
            **dict.fromkeys(("coverage", "error_certain", "error_uncertain"), estimate),
        },
    }
    block = classifiers_block({name: {**report, "architecture": name} for name in CLASSIFIERS}, language)
    tables = [part for part in block.split("\n\n") if part.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        rows = [line.split(" | ") for line in table.splitlines()]
        assert len(rows) == 2 + len(CLASSIFIERS)
        assert len({len(row) for row in rows}) == 1
        assert [row[0].strip("| ") for row in rows[2:]] == list(CLASSIFIERS)
        assert all(row[1] == {"en": "random", "ko": "무작위"}[language] for row in rows[2:])
    assert tables[1].splitlines()[2].endswith("| 21.3 M | 4.78 | 29 | 22 | 0.89 GiB | – | 1,472 | 83 s |")
    assert "62.0%" in block
    assert "80.0% [70.0, 90.0]" in block
    assert "bf16" in block
    assert "no limit reached" not in block
    assert ("기준은 없었습니다" in block) is (language == "ko")


def test_a_missing_marker_is_one_sentence():
    with pytest.raises(ValueError, match="begin:NAME"):
        update("no markers here", {"results": "x"})


def test_metrics_name_seed_versions_device_and_size():
    metrics = read_metrics(REPOSITORY / "metrics")
    assert {"rexnet150", "vit", "resnet34", "predict", "captions", "paligemma", "demo", "paligemma_small"} <= set(
        metrics
    )
    for name, record in metrics.items():
        assert "seed" in record
        assert "versions" in record, name
    assert len(summary_rows(REPOSITORY / "metrics")) >= 8


def test_publishing_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Run `make demo` first"):
        publish(tmp_path)


def test_the_time_is_the_sum_of_what_the_notebooks_took(tmp_path):
    (tmp_path / "metrics").mkdir()
    report = {
        "profile": "sample",
        "seed": 7,
        "device": "cpu, 2 cores",
        "versions": {"torch": "2"},
        "cost": {"precision": "fp32"},
    }
    (tmp_path / "metrics" / "resnet34.json").write_text(json.dumps(report))
    notebooks = [tmp_path / "notebooks" / f"0{k}_a.ipynb" for k in (1, 2)]
    notebooks[0].parent.mkdir()
    for path, seconds in zip(notebooks, (100.4, 500.0)):
        path.with_suffix("").with_suffix(".stamp.json").write_text(json.dumps({"key": "x", "seconds": seconds}))
    times = _times(tmp_path, notebooks)
    assert times["wall_seconds"] == 600.4
    assert times["notebooks"] == {"01_a": 100.4, "02_a": 500.0}
    texts = {language: _time({"pipeline": times}, language) for language in READMES}
    assert "took 10 minutes" in texts["en"]
    assert "10분" in texts["ko"]
    assert all("fp32" in text and "2 cores" in text for text in texts.values())
    assert all(not any(c.isdigit() for c in _time({}, language)) for language in READMES), (
        "what was not measured has no number"
    )
