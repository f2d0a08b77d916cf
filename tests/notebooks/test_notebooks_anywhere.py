"""The notebooks' first cell: the same in all seven, silent inside the repository, and enough in an empty runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest

from aireal.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from set_notebook_headers import TAG, bootstrap, set_header  # noqa: E402

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))
IMPORT = "\nimport aireal.reporting.tables.table\nprint(aireal.reporting.tables.table.__file__)\n"
IMPORTED = Path("aireal", "reporting", "tables", "table.py")  # relative to the repository


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_second_cell_is_the_bootstrap_without_outputs(path):
    start = nbformat.read(path, as_version=4).cells[1]
    assert start.source == bootstrap()
    assert start.metadata.tags == [TAG]
    assert start.outputs == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_first_cell_says_where_the_notebook_opens_and_what_it_costs(path):
    first = nbformat.read(path, as_version=4).cells[0]
    for address in ("colab.research.google.com/github/", "kaggle.com/kernels/welcome?src="):
        assert first.source.count(address) == 1
    assert f"notebooks/{path.name}" in first.source
    assert "GPU memory" in first.source
    assert "(estimate)" in first.source


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


@pytest.fixture(scope="module")
def runtime(tmp_path_factory) -> Path:
    """A Python of its own that has the requirements but not aireal."""
    folder = tmp_path_factory.mktemp("runtime")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # Python does not read the .pth files of a folder that a .pth file adds, so aireal's own is not found
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python


def run_cell(python: Path, folder: Path, code: str = "", **environment) -> subprocess.CompletedProcess:
    """Run code (default: bootstrap and an import) as a kernel does, with the notebook's folder as working directory."""
    code = code or bootstrap() + IMPORT
    environment = {name: value for name, value in {**os.environ, **environment}.items() if name != "PYTHONPATH"}
    call = [python, "-c", f"import sys; sys.path.insert(0, '')\n{code}"]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)


needs_git = pytest.mark.skipif(
    not (REPOSITORY / ".git").exists() or not shutil.which("git"), reason="needs the repository's history"
)


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


def test_a_source_that_cannot_be_cloned_stops_with_its_name(runtime, tmp_path):
    process = run_cell(runtime, tmp_path, AIREAL_SOURCE=str(tmp_path / "nothing here"))
    assert process.returncode == 1
    assert "nothing here" in process.stderr
