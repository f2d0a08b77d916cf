"""Set the badges and the first code cell of the seven notebooks; their outputs stay as they are.

Run it after `[project.urls] Repository` in pyproject.toml has changed, for instance in a fork:

    python scripts/set_notebook_headers.py

The first code cell is the same in all notebooks. Inside the repository it only adds the repository to Python's path. In
an empty runtime (Colab, Kaggle, a folder with nothing but the notebook) it clones the repository and installs what the
package imports. The environment variable AIREAL_SOURCE names another address or a local clone.
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
BOOTSTRAP = """# Fetches and installs aireal where it is missing (Colab, Kaggle, an empty folder).
# Inside the repository it installs nothing.
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

here, installed = Path.cwd(), importlib.util.find_spec("aireal")
home = next((p for p in (here, *here.parents) if (p / "aireal" / "config.py").is_file()), None)
if home is None and not (installed and installed.origin):
    home, source = here / "aireal", os.environ.get("AIREAL_SOURCE", "ADDRESS")
    if not (home / ".git").exists():
        subprocess.run(["git", "clone", "--depth", "1", source, str(home)], check=True)
    skipped = ("#", "ipykernel", "jupyter", "nbconvert", "papermill")  # what runs notebooks: the runtime has its own
    lines = (home / "requirements.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(skipped)]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *packages], check=True)
if home:
    sys.path.insert(0, str(home))
    importlib.invalidate_caches()"""


def badges(name: str) -> str:
    """Two lines of Markdown with links that open the notebook in Colab and in Kaggle."""
    repository = project_url().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}"
    kaggle = f"https://kaggle.com/kernels/welcome?src={project_url()}/blob/main/notebooks/{name}"
    return (
        f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
        f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]({kaggle})\n\n"
    )


def bootstrap() -> str:
    """The source of the first code cell."""
    return BOOTSTRAP.replace("ADDRESS", project_url())


def set_header(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Set the badges below the title and the first code cell, and number the code cells as a run from the top does."""
    first = notebook.cells[0]
    title, rest = first.source.split("\n\n", 1)
    first.source = f"{title}\n\n{badges(name)}{BADGES.sub('', rest).lstrip()}"
    tagged = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    others = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    start = tagged[0] if tagged else nbformat.v4.new_code_cell("", id=f"{name[:2]}-{TAG}", metadata={"tags": [TAG]})
    start.source = bootstrap()
    notebook.cells = [others[0], start, *others[1:]]
    code_cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    for number, cell in enumerate(code_cells, 1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    return notebook


def main() -> None:
    for path in sorted((REPOSITORY / "notebooks").glob("0*.ipynb")):
        nbformat.write(set_header(nbformat.read(path, as_version=4), path.name), path)
        print(path.name)


if __name__ == "__main__":
    main()
