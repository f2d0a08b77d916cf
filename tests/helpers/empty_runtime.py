"""A Python that has what aireal needs and not aireal itself: a runtime after the installation by its first cell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from aireal.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from set_notebook_headers import bootstrap  # noqa: E402

IMPORT = "\nimport aireal.reporting.tables.table\nprint(aireal.reporting.tables.table.__file__)\n"

needs_git = pytest.mark.skipif(
    not (REPOSITORY / ".git").exists() or not shutil.which("git"), reason="needs the repository's history"
)


@pytest.fixture(name="runtime", scope="module")
def runtime_(tmp_path_factory) -> Path:
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
