"""Write badges and the first code cell into the seven notebooks; outputs stay as they are.

Run it after `[project.urls] Repository` in pyproject.toml was changed, for instance in a fork:

    python scripts/dress_notebooks.py

The first code cell is the same in all notebooks. Where a notebook lies inside the repository it only puts that on
Python's path; in an empty runtime (Colab, Kaggle, a folder with nothing but the notebook) it clones the repository and
installs what the package imports. AIREAL_SOURCE names another address or a local clone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aireal.config import REPOSITORY, project_url

BADGES = re.compile(r"\[!\[Open In Colab\].*?\n\n", re.DOTALL)
TAG = "bootstrap"
START = """# Fetches and installs aireal where it is not here yet (Colab, Kaggle, an empty folder); inside the repository it installs nothing.
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

here, known = Path.cwd(), importlib.util.find_spec("aireal")
home = next((p for p in (here, *here.parents) if (p / "aireal" / "config.py").is_file()), None)
if home is None and not (known and known.origin):
    home = here / "aireal"
    if not (home / ".git").exists():
        subprocess.run(["git", "clone", "--depth", "1", os.environ.get("AIREAL_SOURCE", "ADDRESS"), str(home)], check=True)
    needs = (home / "requirements.txt").read_text().splitlines()  # but not what runs notebooks: the runtime has its own
    needs = [n for n in needs if n and not n.startswith(("#", "ipykernel", "jupyter", "nbconvert", "papermill"))]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needs], check=True)
if home:
    sys.path.insert(0, str(home))
    importlib.invalidate_caches()"""


def badges(name: str) -> str:
    """Two lines of Markdown: the notebook in Colab and in Kaggle."""
    place = project_url().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}"
    kaggle = f"https://kaggle.com/kernels/welcome?src={project_url()}/blob/main/notebooks/{name}"
    return (
        f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
        f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]({kaggle})\n\n"
    )


def dress(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The notebook with its badges below the title and the common first code cell, numbered as a run from the top
    numbers them."""
    first = notebook.cells[0]
    title, rest = first.source.split("\n\n", 1)
    first.source = f"{title}\n\n{badges(name)}{BADGES.sub('', rest).lstrip()}"
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    known = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    start = known[0] if known else nbformat.v4.new_code_cell("", id=f"{name[:2]}-{TAG}", metadata={"tags": [TAG]})
    start.source = START.replace("ADDRESS", project_url())
    notebook.cells = [cells[0], start, *cells[1:]]
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    return notebook


def main() -> None:
    for path in sorted((REPOSITORY / "notebooks").glob("0*.ipynb")):
        nbformat.write(dress(nbformat.read(path, as_version=4), path.name), path)
        print(path.name)


if __name__ == "__main__":
    main()
