"""Set the badges, the time in `sample` and the first code cell of the seven notebooks; their outputs stay as they are.

The repository's address has one place: `[project.urls] Repository` in pyproject.toml. After it has changed, for
instance in a fork, run

    python scripts/set_notebook_headers.py

and, when the notebooks and the package are committed, with `--commit HEAD`: the first cell then fetches exactly the
commit that made the notebook, and no later one. A later change of a notebook's code removes that commit again.

The first code cell is the same in all notebooks, and its code is folded in Jupyter and Colab. Inside the repository it
only adds the repository to Python's path. In an empty runtime (Colab, Kaggle, a folder with nothing but the notebook)
it fetches the repository and installs what the package imports, in the versions of constraints-notebook.txt
(prepare_runtime.py). It uses code of the notebook's own folder, and of the folder above where its own is called
`notebooks`. It looks no further up, because such a folder may belong to somebody else. The environment variables
AIREAL_SOURCE and AIREAL_COMMIT name another address, or a local clone, and another commit. As long as the address is
the placeholder, the cell stops and says how to go on, and the notebooks have no badges: a placeholder must not lead to
a stranger's code.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aireal.config import REPOSITORY, has_address, project_url

LINKS = re.compile(r"(\[!\[Open In Colab\]|To open this notebook in Colab or Kaggle).*?\n\n", re.DOTALL)
TAG = "bootstrap"
FOLDED = {"tags": [TAG], "jupyter": {"source_hidden": True}, "cellView": "form"}  # in Jupyter and in Colab
SAMPLE = re.compile(r"(\| `sample`, without a GPU \| )(?:about \d+ minutes?|seconds)")
NEWEST = "HEAD"
COMMIT = re.compile(r'"AIREAL_COMMIT", "(\w+)"')
# what decides how a notebook runs; a commit can be recorded only if the working tree has no change there
DECIDES = (
    "aireal",
    "requirements.txt",
    "requirements-gpu.txt",
    "constraints-notebook.txt",
    "scripts/prepare_runtime.py",
)
BOOTSTRAP = """# @title Set up: uses the repository around this notebook, or fetches it (Colab, Kaggle, an empty folder)
import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

here, script = Path.cwd(), Path("scripts", "prepare_runtime.py")
around = here.parent if here.name == "notebooks" else here  # no folder further up: it may be a stranger's
home = around if (around / script).is_file() and (around / "pyproject.toml").is_file() else here / "aireal"
package = importlib.util.find_spec("aireal")
installed = package and package.origin and Path(package.origin).with_name("notebooks.py").is_file()
if not (home / script).is_file() and not installed:
    source = os.environ.get("AIREAL_SOURCE", "ADDRESS")
    commit = os.environ.get("AIREAL_COMMIT", "MADE_BY")  # HEAD: the newest one
    if "//example.org/" in source:
        raise ValueError("this repository has no public address yet: set os.environ['AIREAL_SOURCE'] to its git "
                         "address or a clone, or put its folder here as aireal; then run this cell again")
    home.mkdir(exist_ok=True)
    for words in (["init"], ["fetch", "--depth", "1", source, commit], ["checkout", "FETCH_HEAD"]):
        subprocess.run(["git", f"--git-dir={home}/.git", f"--work-tree={home}", words[0], "-q", *words[1:]], check=True)
if (home / script).is_file():
    sys.path.insert(0, str(home))
    runpy.run_path(str(home / script), run_name="__main__")"""


def links(name: str) -> str:
    """Markdown with links that open the notebook in Colab and in Kaggle; what to do as long as there is no address."""
    if not has_address():
        return (
            "To open this notebook in Colab or Kaggle, upload it there (*File → Upload notebook*, *Import Notebook*) "
            "and run the first cell, which says what it needs.\n\n"
        )
    repository = project_url().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}"
    kaggle = f"https://kaggle.com/kernels/welcome?src={project_url()}/blob/main/notebooks/{name}"
    return (
        f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
        f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]({kaggle})\n\n"
    )


def with_sample_time(text: str, name: str) -> str:
    """The first cell's text with the time that the published run took; as it is where none was published."""
    path = REPOSITORY / "metrics" / "pipeline.json"
    times = json.loads(path.read_text(encoding="utf-8"))["notebooks"] if path.is_file() else {}
    seconds = times.get(Path(name).stem)
    if seconds is None:
        return text
    minutes = round(seconds / 60)
    taken = "seconds" if minutes < 1 else f"about {minutes} minute{'s' if minutes > 1 else ''}"
    return SAMPLE.sub(rf"\g<1>{taken}", text)


def bootstrap(commit: str = NEWEST) -> str:
    """The source of the first code cell, which fetches that commit."""
    return BOOTSTRAP.replace("ADDRESS", project_url()).replace("MADE_BY", commit)


def recorded_commit(notebook: nbformat.NotebookNode) -> str:
    """The commit that the notebook's first cell fetches."""
    sources = "".join(cell.source for cell in notebook.cells if TAG in cell.metadata.get("tags", []))
    found = COMMIT.search(sources)
    return found[1] if found else NEWEST


def code_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The sources of the code cells, without the first one."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if TAG not in cell.metadata.get("tags", [])]


def git(*words: str) -> str | None:
    """The output of a git command in the repository; None where it fails or there is no git."""
    try:
        done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def has_this_code(notebook: nbformat.NotebookNode, name: str, commit: str) -> bool:
    """Whether the notebook has the same code in that commit; True where the history does not reach back to it."""
    text = git("show", f"{commit}:notebooks/{name}")
    return text is None or code_of(nbformat.reads(text, as_version=4)) == code_of(notebook)


def set_header(notebook: nbformat.NotebookNode, name: str, commit: str = "") -> nbformat.NotebookNode:
    """Set the links below the title and the first code cell, and number the code cells as a run from the top does.

    Args:
        commit: to record; "" keeps the recorded one while the notebook has that commit's code.
    """
    recorded = commit or recorded_commit(notebook)
    commit = recorded if recorded == NEWEST or has_this_code(notebook, name, recorded) else NEWEST
    first = notebook.cells[0]
    title, rest = first.source.split("\n\n", 1)
    first.source = f"{title}\n\n{links(name)}{with_sample_time(LINKS.sub('', rest), name).lstrip()}"
    tagged = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    others = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    start = tagged[0] if tagged else nbformat.v4.new_code_cell("", id=f"{name[:2]}-{TAG}")
    start.metadata.update(FOLDED)
    start.source = bootstrap(commit)
    notebook.cells = [others[0], start, *others[1:]]
    code_cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    for number, cell in enumerate(code_cells, 1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    return notebook


def resolved(commit: str) -> str:
    """The full name of a commit that can be recorded.

    Raises:
        SystemExit: there is no such commit, or the working tree differs from the newest one in what decides a run.
    """
    full = git("rev-parse", "--verify", f"{commit}^{{commit}}")
    if full is None:
        sys.exit(f"{commit} is no commit of this repository")
    if git("diff", "--quiet", full, "--", *DECIDES) is None:
        sys.exit(f"the package differs from {commit}: commit it first, then record that commit")
    return full


def main() -> None:
    parser = argparse.ArgumentParser(description="Set links and first cell of the notebooks.")
    parser.add_argument("--commit", default="", help="commit to fetch in the first cell, e.g. HEAD (default: as it is)")
    commit = parser.parse_args().commit
    commit = resolved(commit) if commit else ""
    for path in sorted((REPOSITORY / "notebooks").glob("0*.ipynb")):
        notebook = set_header(nbformat.read(path, as_version=4), path.name, commit)
        nbformat.write(notebook, path)
        print(f"{path.name}: fetches {recorded_commit(notebook)}")


if __name__ == "__main__":
    main()
