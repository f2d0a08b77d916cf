"""The seven notebooks run in `smoke`, leave what they promise, and the committed ones are a true run of `sample`."""

from __future__ import annotations

import json
import re

import nbformat
import pandas as pd
import pytest
from PIL import Image

from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers
from aireal.config import REPOSITORY
from aireal.core.files import MACHINE_PATH
from aireal.notebooks import run_notebooks, tidy
from helpers.images import SAMPLE

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """All seven, once, with everything they write in a folder of its own."""
    out = tmp_path_factory.mktemp("walk")
    assert run_notebooks("smoke", SAMPLE, out, seed=7, only=[], force=False) == 0
    return out


def test_every_stage_leaves_its_metrics(smoke):
    paths = {path.stem: path for path in (smoke / "metrics").glob("*.json")}
    assert set(paths) >= {"rexnet150", "vit", "resnet34", "predict", "captions", "paligemma", "demo"}
    for path in paths.values():
        record = json.loads(path.read_text(encoding="utf-8"))
        assert {"seed", "device", "profile", "wall_seconds", "peak_memory_gib", "versions"} <= set(record)
        assert record["profile"] == "smoke"


def test_every_row_of_the_table_has_its_overlay_and_its_figure(smoke):
    products = smoke / "products"
    table = pd.read_csv(products / "data.csv", encoding="utf-8-sig")
    assert len(table) == 8
    assert len(pd.read_excel(products / "data.xlsx")) == 8
    for row in table.itertuples():
        name = row.overlay.rsplit("/", 1)[1]
        with Image.open(products / row.overlay) as overlay, Image.open(products / "result" / name) as figure:
            assert overlay.size == (96, 96)
            assert figure.width > 600


def test_the_sentences_agree_with_their_records_in_every_table(smoke):
    products = smoke / "products"
    answers = read_answers(products / "data_answer_add.csv")
    assert {a.author for a in answers} == {"base", "offline"}
    assert {a.language for a in answers} == {"ko", "en"}
    assert all(contradictions(a.sentence, a.record, a.language) == [] for a in answers)
    assert answers == read_answers(products / "data_answer_add.jsonl")


def test_the_demonstration_shows_what_it_measured(smoke):
    demo = json.loads((smoke / "metrics" / "demo.json").read_text(encoding="utf-8"))
    for image in demo["images"]:
        assert f"{image['probability']:.2f}%" in image["sentence_ko"]
        assert f"{image['probability']:.2f}%" in image["sentence_en"]
        assert image["features_ko"][0] == "상위 5개 중요 특징 (클래스 1_fake):"
        for name in ("x", "lime"):
            with Image.open(smoke / "readme_images" / f"{image['number']}_{name}.png") as figure:
                assert figure.width > 600


def test_a_second_run_reuses_what_is_done(smoke, capsys):
    assert run_notebooks("smoke", SAMPLE, smoke, seed=7, only=[], force=False) == 0
    assert capsys.readouterr().out.count("done before, reused") == 7


def test_executed_copies_and_their_html_are_whole(smoke):
    for path in NOTEBOOKS:
        notebook = nbformat.read(smoke / "notebooks" / path.name, as_version=4)
        code = [c for c in notebook.cells if c.cell_type == "code"]
        assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
        assert (smoke / "notebooks" / path.name).with_suffix(".html").stat().st_size > 10_000


def test_the_sample_root_is_left_alone_by_smoke(smoke):
    made = {p.name for p in (smoke / "products").iterdir()}
    assert {"data", "result", "gradcam", "data.csv", "data_answer_add.csv"} <= made


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_committed_notebook_is_thin_and_was_run_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    text = path.read_text(encoding="utf-8")
    assert not MACHINE_PATH.search(text)
    assert "widget-view" not in text
    assert sum("parameters" in c.metadata.get("tags", []) for c in code) == 1
    for cell in code:
        assert cell.source.count("\n") < 25
        assert not re.search(r"^(class|def) ", cell.source, re.MULTILINE)
        assert not any(output.output_type == "error" for output in cell.outputs)


def test_only_the_last_state_of_a_progress_bar_is_kept(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "x",
        outputs=[
            nbformat.v4.new_output("stream", name="stderr", text="0%|  |\r 50%|#  |"),
            nbformat.v4.new_output("stream", name="stderr", text="\r100%|##|\ndone\n"),
        ],
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    tidy(tmp_path / "n.ipynb")
    assert nbformat.read(tmp_path / "n.ipynb", as_version=4).cells[0].outputs[0].text == "100%|##|\ndone\n"


def test_a_failing_notebook_stops_the_run_and_says_where(tmp_path, capsys):
    assert run_notebooks("smoke", SAMPLE / "data", tmp_path, seed=7, only=["01"], force=False) == 1
    assert "is no dataset root" in capsys.readouterr().err
