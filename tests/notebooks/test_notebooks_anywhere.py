"""The notebooks' first cell: the same in all seven, silent inside the repository, and enough in an empty runtime."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from aireal.config import REPOSITORY, has_address, project_url
from helpers.empty_runtime import IMPORT, needs_git, run_cell, runtime_  # noqa: F401  (a fixture)

sys.path.insert(0, str(REPOSITORY / "scripts"))
import set_notebook_headers  # noqa: E402
from set_notebook_headers import TAG, bootstrap, links, recorded_commit, set_header, with_sample_time  # noqa: E402

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))
IMPORTED = Path("aireal", "reporting", "tables", "table.py")  # relative to the repository


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_second_cell_is_the_bootstrap_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    start = notebook.cells[1]
    assert start.source == bootstrap(recorded_commit(notebook))
    assert start.metadata.tags == [TAG]
    assert start.metadata.jupyter.source_hidden
    assert start.metadata.cellView == "form"
    assert start.outputs == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_first_cell_says_where_the_notebook_opens_and_what_it_costs(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert links(path.name).strip() in first.source
    assert "GPU memory" in first.source
    assert "(estimate)" in first.source


def test_there_are_badges_for_a_real_address_alone(monkeypatch):
    assert not has_address() or "colab.research" in links("01.ipynb")
    monkeypatch.setattr(set_notebook_headers, "has_address", lambda: True)
    monkeypatch.setattr(set_notebook_headers, "project_url", lambda: "https://github.com/somebody/aireal")
    for address in ("colab.research.google.com/github/somebody/aireal/", "kaggle.com/kernels/welcome?src=https://"):
        assert links("01.ipynb").count(address) == 1
    monkeypatch.setattr(set_notebook_headers, "has_address", lambda: False)
    assert "](" not in links("01.ipynb")


def test_every_notebook_takes_the_parameters_that_all_have():
    for path in NOTEBOOKS:
        assert {"profile", "root", "seed", "out", "keep", "overrides"} <= set(papermill.inspect_notebook(str(path)))
    assert {"author", "max_usd", "now"} <= set(papermill.inspect_notebook(str(NOTEBOOKS[4])))
    for path in NOTEBOOKS[5:]:
        assert "paligemma" in papermill.inspect_notebook(str(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_says_what_you_should_see_and_what_to_try_next(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[-1].source.startswith("## What to try next")
    assert sum("*What you should see:*" in cell.source for cell in notebook.cells) >= 1
    assert "google.colab" not in "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_setting_the_headers_again_changes_nothing(path):
    notebook = nbformat.read(path, as_version=4)
    again = set_header(nbformat.read(path, as_version=4), path.name)
    assert again == notebook, "run scripts/set_notebook_headers.py"


@pytest.mark.parametrize("seconds, time", [(16.3, "seconds"), (63.3, "about 1 minute"), (303.9, "about 5 minutes")])
def test_the_time_in_sample_is_that_of_the_published_run(monkeypatch, tmp_path, seconds, time):
    monkeypatch.setattr(set_notebook_headers, "REPOSITORY", tmp_path)
    row = "| `sample`, without a GPU | about 7 minutes on 2 cores | – | nothing |"
    assert with_sample_time(row, "04_x.ipynb") == row, "nothing was published"
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "pipeline.json").write_text(json.dumps({"notebooks": {"04_x": seconds}}), encoding="utf-8")
    assert with_sample_time(row, "04_x.ipynb") == row.replace("about 7 minutes", time)
    assert with_sample_time(row, "03_y.ipynb") == row


@needs_git
def test_in_an_empty_folder_it_clones_installs_and_imports_in_the_same_kernel(runtime, tmp_path):
    assert run_cell(runtime, tmp_path, "import aireal").returncode == 1, "the runtime must not have aireal"
    shutil.copy(NOTEBOOKS[0], tmp_path)
    first = run_cell(runtime, tmp_path, AIREAL_SOURCE=str(REPOSITORY))
    assert first.returncode == 0, first.stderr
    assert Path(first.stdout.strip()) == tmp_path / "aireal" / IMPORTED
    (tmp_path / "aireal" / "mine.txt").write_text("kept", encoding="utf-8")
    again = run_cell(runtime, tmp_path, AIREAL_SOURCE="/nowhere")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "aireal" / "mine.txt").is_file(), "a restarted kernel uses the clone that is there"


def test_inside_the_repository_it_runs_no_program(runtime):
    """Cloning or installing would raise."""
    forbid = "import subprocess\ndef forbidden(*a, **k): raise AssertionError(a)\nsubprocess.run = forbidden\n"
    for folder in (REPOSITORY, REPOSITORY / "notebooks"):
        process = run_cell(runtime, folder, forbid + bootstrap() + IMPORT)
        assert process.returncode == 0, process.stderr
        assert Path(process.stdout.strip()) == REPOSITORY / IMPORTED


def plant(folder: Path) -> None:
    """A stranger's folder that looks like the repository and says so when its code runs."""
    for name in ("aireal/__init__.py", "aireal/config.py", "scripts/prepare_runtime.py", "pyproject.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("print('planted')" if name.endswith(".py") else "", encoding="utf-8")


@pytest.mark.parametrize("place", ["mine", "mine/notebooks", "notebooks/mine", "mine/notebooks/deep"])
def test_code_further_up_is_a_strangers_and_is_not_run(runtime, tmp_path, place):
    plant(tmp_path)
    (tmp_path / place).mkdir(parents=True)
    process = run_cell(runtime, tmp_path / place, bootstrap().replace(project_url(), "https://example.org/aireal"))
    assert "planted" not in process.stdout
    assert "AIREAL_SOURCE" in process.stderr.splitlines()[-1]


def test_another_package_of_this_name_is_not_taken_for_ours(runtime, tmp_path):
    """One that the runtime brings; the repository lies beside the notebook, as after a download."""
    plant(tmp_path / "site")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "aireal").symlink_to(REPOSITORY, target_is_directory=True)
    brings = f"import sys; sys.path.append({str(tmp_path / 'site')!r})\n"
    forbid = "import subprocess\nsubprocess.run = lambda command, check: print('pip' in command)\n"
    process = run_cell(runtime, tmp_path / "work", brings + forbid + bootstrap() + IMPORT)
    assert process.returncode == 0, process.stderr
    asked_pip, imported = process.stdout.split()
    assert asked_pip == "True"
    assert Path(imported).resolve() == REPOSITORY / IMPORTED


@needs_git
def test_the_commit_that_made_the_notebook_is_fetched_and_no_later_one(runtime, tmp_path):
    """A repository of two commits stands for ours; its preparation installs nothing."""
    source, here = tmp_path / "source", tmp_path / "here"
    (source / "aireal").mkdir(parents=True)
    (source / "scripts").mkdir()
    here.mkdir()
    (source / "scripts" / "prepare_runtime.py").write_text("", encoding="utf-8")
    (source / "aireal" / "config.py").write_text("", encoding="utf-8")
    git = ["git", "-C", str(source), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], check=True)
    commits = []
    for text in ("first", "second"):
        (source / "aireal" / "which.py").write_text(f"WHICH = {text!r}", encoding="utf-8")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", text], check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        commits.append(head.stdout.strip())
    code = bootstrap(commits[0]) + "\nfrom aireal.which import WHICH\nprint(WHICH)"
    process = run_cell(runtime, here, code, AIREAL_SOURCE=str(source))
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "first"
    shutil.rmtree(here / "aireal")
    process = run_cell(runtime, here, code, AIREAL_SOURCE="../source", AIREAL_COMMIT="HEAD")
    assert process.stdout.strip() == "second", process.stderr


def test_a_recorded_commit_goes_when_the_code_is_another(monkeypatch):
    notebook, name = nbformat.read(NOTEBOOKS[0], as_version=4), NOTEBOOKS[0].name
    monkeypatch.setattr(set_notebook_headers, "git", lambda *words: nbformat.writes(notebook))
    pinned = set_header(nbformat.read(NOTEBOOKS[0], as_version=4), name, "a" * 40)
    assert recorded_commit(pinned) == "a" * 40
    assert recorded_commit(set_header(pinned, name)) == "a" * 40
    pinned.cells[-2].source += "\nprint(1)"
    assert recorded_commit(set_header(pinned, name)) == "HEAD"


def test_the_placeholder_stops_and_says_how_to_go_on(runtime, tmp_path):
    process = run_cell(runtime, tmp_path, bootstrap().replace(project_url(), "https://example.org/aireal"))
    assert process.returncode == 1
    assert "AIREAL_SOURCE" in process.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(
    "notebooks",
    "a source that cannot be cloned from a notebook alone",
    "the name of the source",
    "the notebook stops there",
)
def test_a_source_that_cannot_be_cloned_stops_with_its_name(runtime, tmp_path):
    process = run_cell(runtime, tmp_path, AIREAL_SOURCE=str(tmp_path / "nothing here"))
    assert process.returncode == 1
    assert "nothing here" in process.stderr
