"""The seven notebooks run in `smoke`, leave what they promise, and the committed ones are a true run of `sample`."""

from __future__ import annotations

import json
import os
import re
import shlex

import nbformat
import pandas as pd
import pytest
from PIL import Image

from aireal import notebooks as runner
from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers
from aireal.cli import main
from aireal.config import REPOSITORY
from aireal.core.files import MACHINE_PATH
from aireal.core.secrets import EXPORTED
from aireal.notebooks import run_notebooks, tidy
from helpers.images import SAMPLE, encoded, noise, write
from helpers.runtimes import KEYS, Store, colab

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


@pytest.mark.fault(
    "notebooks",
    "a notebook that fails",
    "which notebook and cell failed, the cause, and the command that goes on",
    "the run stops there, with a failing exit status; finished notebooks are reused",
)
def test_a_failing_notebook_names_cell_cause_and_the_command_that_goes_on(tmp_path, capsys):
    out = tmp_path / "out of it"
    options = ["--profile", "smoke", "--root", str(SAMPLE / "data"), "--out", str(out), "--only", "01"]
    assert main(["demo", *options, "--force"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"01_compare_rexnet150 failed in cell \d+, which begins: \w+", told)
    assert re.search(r"Cause: ValueError: .* is no dataset root", told)
    assert f"Go on with: {shlex.join(['python', '-m', 'aireal', 'demo', *options])}" in told


@pytest.fixture
def one_notebook(monkeypatch, tmp_path):
    """A function that runs one notebook of the cells that it is given, and returns the exit status."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(runner, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(runner, "_times", lambda out, paths: {})  # and no report: no stage left its metrics
    monkeypatch.setattr(runner, "write_report", lambda out, data: None)

    def run(*cells: str, **more) -> int:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
        nbformat.write(notebook, tmp_path / "notebooks" / "01_one.ipynb")
        return run_notebooks("smoke", SAMPLE, tmp_path / "out", **more)

    return run


def test_a_notebook_that_ran_before_the_earlier_ones_is_run_again_behind_them(one_notebook, tmp_path, capsys):
    assert one_notebook("x = 1") == 0
    second = nbformat.read(tmp_path / "notebooks" / "01_one.ipynb", as_version=4)
    nbformat.write(second, tmp_path / "notebooks" / "02_two.ipynb")
    assert one_notebook("x = 1") == 0
    assert one_notebook("x = 1", seed=8, only=["02"]) == 0
    capsys.readouterr()
    assert one_notebook("x = 1", seed=8) == 0
    assert "reused" not in capsys.readouterr().out
    assert one_notebook("x = 1", seed=8) == 0
    assert capsys.readouterr().out.count("done before, reused") == 2
    with pytest.raises(ValueError, match="no notebook begins with 3: --only takes numbers from 01 to 02"):
        one_notebook("x = 1", only=["3"])


def test_outputs_of_a_notebook_do_not_make_it_another(one_notebook, tmp_path, capsys):
    assert one_notebook("x = 1") == 0
    path = tmp_path / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    keys = runner._keys([path], "", {path: {}})
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, path)
    assert runner._keys([path], "", {path: {}}) == keys
    notebook.cells[0].source = "x = 2"
    nbformat.write(notebook, path)
    assert runner._keys([path], "", {path: {}}) != keys


def test_pictures_of_a_root_without_manifest_decide_whether_a_demo_is_done_and_products_do_not(tmp_path):
    picture = write(tmp_path / "test/0_real/a.jpg", encoded(noise(1), "JPEG"))
    keys = [runner._base_key("smoke", tmp_path, 7)]
    write(tmp_path / "data.csv", b"x")
    write(tmp_path / "gradcam/a.png", b"x")
    keys.append(runner._base_key("smoke", tmp_path, 7))
    write(picture, encoded(noise(2), "JPEG"))
    keys.append(runner._base_key("smoke", tmp_path, 7))
    (tmp_path / "test/1_fake").mkdir()
    picture.rename(tmp_path / "test/1_fake/a.jpg")
    keys.append(runner._base_key("smoke", tmp_path, 7))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.fault(
    "notebooks",
    "a notebook's process is killed, as without memory",
    "the cell, and: the notebook's process died, most often because the memory was used up",
    "the run stops there, with a failing exit status; finished notebooks are reused",
)
def test_a_killed_kernel_is_reported_with_its_cell(one_notebook, capsys):
    assert one_notebook("x = 1", "# a comment\nimport os\nos.kill(os.getpid(), 9)") == 1
    told = capsys.readouterr().err
    assert "01_one failed in cell 2, which begins: import os" in told
    assert "Cause: the notebook's process died" in told
    assert "Go on with: this call again" in told


def test_without_a_terminal_a_notebook_is_one_line_with_the_time_that_it_took_before(one_notebook, capsys):
    assert one_notebook("import time; time.sleep(0.1)") == 0
    assert re.search(r"^  01_one +running … \d+ s$", capsys.readouterr().out, re.MULTILINE)
    assert one_notebook("import time; time.sleep(0.1)", force=True) == 0
    assert re.search(r"^  01_one +running, about \d+ s of \d+ s … \d+ s$", capsys.readouterr().out, re.MULTILINE)


def test_in_a_terminal_a_notebook_has_a_bar_of_cells_and_then_of_its_time(one_notebook, monkeypatch, capsys):
    monkeypatch.setattr(runner, "shows_bars", lambda: True)
    cells = ["import time; time.sleep(0.7)"] * 2
    assert one_notebook(*cells) == 0
    assert re.search(r"01_one +: .*\| \d/2 \[.*cell", capsys.readouterr().err)
    assert one_notebook(*cells, force=True) == 0
    assert re.search(r"01_one +\d+%\|.*\| \d\d:\d\d, \d\d:\d\d left", capsys.readouterr().err)


@pytest.fixture
def executed(monkeypatch, tmp_path):
    """The parameters of each notebook, by its number; nothing is executed."""
    asked = {}
    monkeypatch.setattr(runner, "_execute", lambda path, own, *_: asked.update({path.name[:2]: own}) or True)
    monkeypatch.setattr(runner, "_times", lambda out, paths: {})
    monkeypatch.setattr(runner, "write_report", lambda out, data: None)
    return asked


def test_a_demo_without_options_injects_nothing(executed, monkeypatch):
    monkeypatch.setattr(runner, "profile_of_products", lambda data: None)
    monkeypatch.setattr(runner, "write_json", lambda path, record: path)
    monkeypatch.setattr(runner, "_is_done", lambda *_: False)  # a finished demo of this repository would be skipped
    assert main(["demo"]) == 0
    assert executed == {path.name[:2]: {} for path in NOTEBOOKS}


def test_a_key_alone_lets_no_demo_of_the_sample_spend_money(executed, tmp_path, monkeypatch, capsys):
    keys = []
    real = runner._execute
    monkeypatch.setattr(runner, "_execute", lambda *of: keys.append(os.environ.get("ANTHROPIC_API_KEY")) or real(*of))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    assert main(["demo", "--profile", "smoke", "--keep", str(tmp_path)]) == 0
    assert "ANTHROPIC_API_KEY is not used, so that nothing is spent unasked" in capsys.readouterr().out
    assert set(keys) == {None}
    assert os.environ["ANTHROPIC_API_KEY"] == "sk-ant-test"
    assert "author" not in executed["05"], "so that the copies can be published"
    keys.clear()
    assert main(["demo", "--profile", "smoke", "--keep", str(tmp_path), "--force", "--author", "auto"]) == 0
    assert set(keys) == {"sk-ant-test"}


def test_the_options_of_demo_reach_the_notebooks_that_know_them(executed, tmp_path):
    options = ["--author", "offline", "--max-usd", "3", "--now", "--paligemma", "embedded", "--lora-steps", "9"]
    options += ["--lora-batch", "2", "--four-bit", "--set", "epochs=1", "limit=None", "--keep", str(tmp_path)]
    assert main(["demo", "--profile", "smoke", *options]) == 0
    overrides = {
        "paligemma": "embedded",
        "lora_steps": 9,
        "lora_batch": 2,
        "four_bit": True,
        "epochs": 1,
        "limit": None,
    }
    for number, own in executed.items():
        assert own["overrides"] == overrides
        assert own["keep"] == str(tmp_path)
        assert {"author", "max_usd", "now"} & set(own) == ({"author", "max_usd", "now"} if number == "05" else set())
    assert executed["05"]["author"] == "offline"
    assert executed["05"]["max_usd"] == 3
    assert executed["05"]["now"] is True


@pytest.mark.fault(
    "notebooks", "`full` on a machine without GPU", "needs a GPU", "it is said before the first notebook"
)
def test_full_without_a_gpu_is_refused_before_a_notebook_runs(executed, capsys):
    assert main(["demo", "--profile", "full"]) == 2
    assert "needs a GPU" in capsys.readouterr().err
    assert executed == {}


def test_a_parameter_that_no_notebook_has_is_named(executed):
    with pytest.raises(ValueError, match="no notebook has a parameter autor"):
        run_notebooks("smoke", SAMPLE, autor="offline")


def test_a_package_without_the_repository_says_where_the_notebooks_are(executed, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(runner, "NOTEBOOKS", tmp_path / "site-packages" / "notebooks")
    assert main(["demo"]) == 2
    assert "clone the repository" in capsys.readouterr().err


def test_kernels_do_not_ask_the_secret_stores_again(executed, monkeypatch, tmp_path):
    store = colab(monkeypatch, Store(KEYS))
    seen = []
    monkeypatch.setattr(
        runner, "_execute", lambda *_: seen.append((os.environ[EXPORTED], os.environ["HF_TOKEN"])) or True
    )
    run_notebooks("smoke", SAMPLE, tmp_path)
    assert seen == [("1", KEYS["HF_TOKEN"])] * 7
    assert store.asked == ["HF_TOKEN", "ANTHROPIC_API_KEY"]
    assert EXPORTED not in os.environ
