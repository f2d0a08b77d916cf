"""What the READMEs show is what `metrics/` holds."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from PIL import Image

from aireal.config import REPOSITORY
from aireal.core.files import write_json
from aireal.notebooks import _times
from aireal.reporting.publish import READMES, copy_figures, copy_metrics, figures_shown, publish
from aireal.reporting.readme import BLOCK, render_blocks, render_pages, update
from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.first_screen import time_and_score
from aireal.reporting.tables.measured import measured_bullets
from aireal.reporting.tables.metrics import CLASSIFIERS, read_metrics, summary_rows
from helpers.images import noise


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
    assert "do not show that the heatmap beats" in table.notes[0]


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
    texts = {language: time_and_score({"pipeline": times}, language) for language in READMES}
    assert "took 10 minutes" in texts["en"]
    assert "10분" in texts["ko"]
    assert all("fp32" in text and "2 cores" in text for text in texts.values())
    assert all(not any(c.isdigit() for c in time_and_score({}, language)) for language in READMES), (
        "what was not measured has no number"
    )


@pytest.mark.parametrize("name", READMES.values())
def test_a_readme_is_short_and_begins_with_picture_commands_and_python(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert text.count("\n") <= 130
    first = text[: text.index("\n## ")]
    places = [first.index(part) for part in ("](readme_images/", "make demo", "make test", "```python")]
    assert places == sorted(places)
    assert first.count("\n") < 30


@pytest.mark.parametrize("language", READMES)
def test_the_score_to_expect_is_the_classifiers(language):
    metrics = read_metrics(REPOSITORY / "metrics")
    auroc = metrics["resnet34"]["test"]["auroc"]
    assert f"{auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]" in time_and_score(metrics, language)


@pytest.mark.parametrize("language", READMES)
def test_the_score_on_pictures_from_elsewhere_stands_beside_it_where_it_was_measured(language):
    auroc = {"value": 0.612, "low": 0.55, "high": 0.67}
    metrics = read_metrics(REPOSITORY / "metrics") | {"external": {"metrics": {"auroc": auroc}}}
    assert "0.612 [" in time_and_score(metrics, language)
    assert "0.612 [" not in time_and_score(metrics | {"external": None}, language)


@pytest.mark.parametrize(
    "language, words", [("en", "took 12 minutes (1,999 tests)"), ("ko", "12분 걸렸습니다(1,999개)")]
)
def test_the_time_of_the_tests_is_stated_where_it_was_measured(language, words):
    assert words in time_and_score({"tests": {"wall_seconds": 720.0, "passed": 1999}}, language)


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "metrics").glob("*.json")))
def test_what_was_not_measured_is_left_out_of_every_page(name, tmp_path):
    folder = shutil.copytree(REPOSITORY / "metrics", tmp_path / "metrics")
    (folder / f"{name}.json").unlink()
    blocks = [render_blocks(folder, language) for language in READMES] + list(render_pages(folder).values())
    assert "None" not in "".join(text for page in blocks for text in page.values())


def test_without_any_metrics_no_page_has_a_number(tmp_path):
    for blocks in (*(render_blocks(tmp_path, language) for language in READMES), *render_pages(tmp_path).values()):
        assert not any(character.isdigit() for text in blocks.values() for character in text)


@pytest.mark.parametrize("language", READMES)
def test_a_classifier_of_which_the_probe_is_kept_says_so(language):
    metrics = json.loads(json.dumps(read_metrics(REPOSITORY / "metrics")))
    for name, epoch in (("resnet34", 0), ("vit", 1), ("rexnet150", 2)):
        metrics[name]["kept_epoch"] = epoch
    words = {"en": "resnet34: no epoch of fine-tuning", "ko": "resnet34: 미세 조정한 어느 에폭도"}[language]
    assert words in classifiers_block(metrics, language)
    for change in ({"kept_epoch": 1}, {"kept_epoch": 0, "frozen": True}):
        metrics["resnet34"] |= change
        assert words.split("resnet34")[1] not in classifiers_block(metrics, language)


@pytest.mark.parametrize("suspected, words", [(["colour"], "색 통계만 보아도"), ([], "의심되는 특징은 없었습니다")])
def test_the_korean_page_says_what_the_audit_found(suspected, words):
    metrics = read_metrics(REPOSITORY / "metrics")
    assert words in audit_block({**metrics, "audit": metrics["audit"] | {"suspected": suspected}}, "ko")


@pytest.mark.parametrize("language", READMES)
def test_pointing_game_and_half_and_half_are_two_of_five_bullets(language):
    def row(value: float, **more) -> dict:
        return {"chosen": True, "share": {"value": value, "low": value - 0.1, "high": value + 0.1}, **more}

    control = {"encoded_again": {"value": 0.51, "low": 0.5, "high": 0.52}}
    record = {
        "mosaics": {"chance": 0.25, "confident": {"left_out": "too few"}, "all": {"rows": [row(0.4)]}},
        "halves": {"rows": [row(0.7, **control, n=64, flat=24)]},
    }
    metrics = read_metrics(REPOSITORY / "metrics")
    bullets = measured_bullets(metrics | {"pointing": record}, language).splitlines()
    assert len(bullets) == 5
    assert "40.0% [30.0, 50.0]" in bullets[2]
    assert "25%" in bullets[2]
    assert "70.0% [60.0, 80.0]" in bullets[3]
    assert "51.0% [50.0, 52.0]" in bullets[3]
    assert "24" in bullets[3]
    without = {name: value for name, value in metrics.items() if name != "pointing"}
    assert len(measured_bullets(without, language).splitlines()) == 3


def test_metrics_of_an_earlier_classifier_do_not_stay(tmp_path, capsys):
    run, published = tmp_path / "run", tmp_path / "published"
    for folder, names in ((run, ("resnet34", "demo")), (published, ("resnet34", "pointing", "benchmark_lime"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.json").write_text(json.dumps({"of": folder.name}))
    copy_metrics(run, published)
    assert {path.stem for path in published.iterdir()} == {"resnet34", "demo", "benchmark_lime"}
    assert json.loads((published / "resnet34.json").read_text()) == {"of": "run"}
    assert "pointing.json is removed" in capsys.readouterr().out


def test_metrics_that_name_an_earlier_classifier_are_neither_shown_nor_published(tmp_path, capsys):
    run, published = tmp_path / "run", tmp_path / "published"
    records = {
        "resnet34": {"fingerprint": "new"},
        "explanations_all": {"classifier": {"fingerprint": "old"}},
        "sanity": {"classifier": {"fingerprint": "new"}},
        "demo": {},
    }
    for folder in (run, published):
        for name, record in records.items():
            write_json(folder / f"{name}.json", record)
    assert set(read_metrics(run)) == {"resnet34", "sanity", "demo"}
    copy_metrics(run, published)
    assert {path.stem for path in published.iterdir()} == {"resnet34", "sanity", "demo"}
    assert "explanations_all.json is removed" in capsys.readouterr().out


def test_the_figures_that_pages_show_are_published_and_no_others(tmp_path):
    run, published = tmp_path / "run", tmp_path / "published"
    for folder, names in ((run, ("1_x", "1_panel")), (published, ("1_x", "old", "kept"))):
        folder.mkdir()
        for name in names:
            noise(7).save(folder / f"{name}.png")
    copy_figures(run, published, {"1_x.png", "kept.png"})
    assert {path.name for path in published.iterdir()} == {"1_x.png", "kept.png"}
    with Image.open(published / "1_x.png") as figure:
        assert figure.mode == "P", "reduced to a palette"


def test_every_figure_that_is_shown_lies_in_the_repository():
    shown = figures_shown(REPOSITORY)
    assert shown
    assert all((REPOSITORY / "readme_images" / name).is_file() for name in shown)
