"""A rehearsal of `full`: a notebook's file alone in an empty folder of an empty runtime, as after its badge.

Its source is a local clone. The runtime has an older Pillow, which the kernel has loaded before the first cell runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest

from aireal.config import REPOSITORY
from helpers.colab_image import metadata
from helpers.empty_runtime import bootstrap, needs_git, run_cell, runtime_  # noqa: F401  (a fixture)
from helpers.rehearsal import files_with, stage_  # noqa: F401  (a fixture)
from helpers.runtimes import KEYS

OLD = "10.4.0"
NOTEBOOK = "07_final_demo.ipynb"


def make_wheel(folder: Path) -> Path:
    """The installed Pillow as a wheel, so that pip finds a new one without a network; its folder."""
    pillow = distribution("pillow")
    folder.mkdir(parents=True)
    with ZipFile(folder / f"pillow-{pillow.version}-py3-none-any.whl", "w") as wheel:
        for file in pillow.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                wheel.write(file.locate(), str(file))
    return folder


def put_old_pillow(site: Path) -> None:
    """The installed Pillow under an older version, in a runtime of its own, where pip can replace it."""
    pillow = distribution("pillow")
    for folder in ("PIL", "pillow.libs"):
        if (source := Path(pillow.locate_file(folder))).is_dir():
            shutil.copytree(source, site / folder)
    about = site / f"pillow-{OLD}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(metadata("pillow", OLD), encoding="utf-8")
    (about / "INSTALLER").write_text("pip\n", encoding="utf-8")
    files = [path.relative_to(site) for name in ("PIL", "pillow.libs", about.name) for path in (site / name).rglob("*")]
    (about / "RECORD").write_text("".join(f"{path},,\n" for path in [*files, about.relative_to(site) / "RECORD"]))


@pytest.fixture
def empty(runtime, tmp_path) -> Path:
    """A folder with the notebook alone, for a runtime with an old Pillow."""
    (site,) = runtime.parent.parent.glob("lib/python*/site-packages")
    put_old_pillow(site)
    (tmp_path / "empty").mkdir()
    shutil.copy(REPOSITORY / "notebooks" / NOTEBOOK, tmp_path / "empty")
    return tmp_path / "empty"


@needs_git
def test_07_fetches_its_code_asks_for_one_restart_and_runs_to_its_end(stage, runtime, empty, tmp_path):
    """It trains the classifier on the sample dataset of the clone, and the embedded PaliGemma writes."""
    source = {"AIREAL_SOURCE": str(REPOSITORY), "AIREAL_COMMIT": "HEAD"}
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(make_wheel(tmp_path / "wheels"))}
    environment = {**stage.environment(), **source, **wheels, **KEYS}
    del environment["PYTHONPATH"]
    first = run_cell(runtime, empty, f"import PIL.Image\n{bootstrap()}", **environment)
    assert first.returncode == 1
    assert f"pillow {OLD} by " in first.stderr.splitlines()[-1]
    assert "Restart the kernel" in first.stderr.splitlines()[-1]

    parameters = json.dumps({"profile": "full", "overrides": {**stage.overrides, "limit": 4}})
    call = [runtime, "-m", "papermill", NOTEBOOK, NOTEBOOK, "--no-progress-bar", "-y", parameters]
    again = subprocess.run(call, cwd=empty, env=environment, capture_output=True, text=True, timeout=900)
    assert again.returncode == 0, again.stderr[-3000:]
    cells = nbformat.read(empty / NOTEBOOK, as_version=4).cells
    printed = "".join(o.text for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream")
    assert "Making the missing classifier, as in notebook 03" in printed
    assert "There is no adapter of tiny-paligemma here" in printed
    assert {path.name for path in empty.iterdir()} == {NOTEBOOK, "aireal"}
    demo = json.loads((empty / "aireal" / "outputs" / "metrics" / "demo.json").read_text(encoding="utf-8"))
    assert len(demo["images"]) == stage.overrides["demo_images"]
    for value in KEYS.values():
        assert value not in first.stderr + first.stdout + again.stderr + again.stdout
        assert [path for path in files_with(value, empty) if "tests" not in path.parts] == [], "tests hold this key"
