"""What the READMEs show is what `metrics/` holds."""

from __future__ import annotations

import re

import pytest

from aireal.config import REPOSITORY
from aireal.publish import READMES, publish
from aireal.readme import BLOCK, read_metrics, render_blocks, summary_rows, update


@pytest.mark.parametrize("language", READMES)
def test_generated_parts_equal_the_metrics(language):
    text = (REPOSITORY / READMES[language]).read_text(encoding="utf-8")
    assert update(text, render_blocks(REPOSITORY / "metrics", language)) == text, "run `make publish`"


@pytest.mark.parametrize("name", READMES.values())
def test_every_picture_and_file_that_a_readme_names_is_there(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    named = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert named and all((REPOSITORY / link).exists() for link in named)
    assert "make demo" in text and "make test" in text


def test_a_changed_figure_is_noticed():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = render_blocks(REPOSITORY / "metrics", "en")
    number = re.search(r"0\.\d{3} \[", BLOCK.search(text[text.index("begin:classifiers") - 5:])[0])[0]
    assert update(text.replace(number, "0.999 ["), blocks) == text != text.replace(number, "0.999 [")


def test_a_missing_marker_is_one_sentence():
    with pytest.raises(ValueError, match="begin:NAME"):
        update("no markers here", {"results": "x"})


def test_metrics_name_seed_versions_device_and_size():
    found = read_metrics(REPOSITORY / "metrics")
    assert {"rexnet150", "vit", "resnet34", "predict", "captions", "paligemma", "demo", "paligemma_small"} <= set(found)
    for name, record in found.items():
        assert "seed" in record and "versions" in record, name
    assert len(summary_rows(REPOSITORY / "metrics")) >= 8


def test_publishing_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="run `make demo` first"):
        publish(tmp_path)
