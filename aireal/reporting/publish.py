"""`make publish`: copy a finished demo from `outputs/` into the repository, and render READMEs, pages and cards."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import MACHINE_PATH, write_atomic
from aireal.core.json_text import read_object
from aireal.reporting.tables.metrics import CLASSIFIERS, read_metrics

from .compress_png import palettize_notebook, palettize_png
from .dataset_card import dataset_card
from .model_card import model_card
from .published_tables import publish_tables
from .readme import render_blocks, render_pages, update

READMES = {"en": "README.md", "ko": "README.ko.md"}
OF_THE_CLASSIFIER = (*CLASSIFIERS, "external", "explanations_all", "heatmap_all", "sanity", "pointing")
FIGURE = re.compile(r"readme_images/([\w-]+\.png)")


def publish(out: Path) -> int:
    """Copy notebooks, figures and metrics of a complete `sample` run, update READMEs and cards; return the exit status.

    Metrics of another classifier, which the run did not measure, are removed, and the lines printed name them. Of the
    figures those are copied that READMEs or docs show, reduced to a palette (`compress_png`).

    Raises:
        ValueError: the run is not complete, not of the sample profile, or a notebook or a table holds an error or a
            path of this machine.
    """
    notebooks = sorted((out / "notebooks").glob("0*.ipynb"))
    if len(notebooks) != 7 or any(not path.with_suffix("").with_suffix(".stamp.json").exists() for path in notebooks):
        raise ValueError("There is no complete demo in outputs/. Run `make demo` first.")
    profile = read_object(out / "metrics" / "resnet34.json", "Run `make demo` again.", {"profile": str})["profile"]
    if profile != "sample":
        raise ValueError(
            f"The demo in outputs/ has the profile {profile}; only a `sample` run is published. Run `make demo`."
        )
    for path in notebooks:
        _inspect(path)
    publish_tables(DatasetRoot.at(REPOSITORY / "dataset"), REPOSITORY / "dataset" / "published")
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        palettize_notebook(notebook)
        write_atomic(REPOSITORY / "notebooks" / path.name, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())
    copy_metrics(out / "metrics", REPOSITORY / "metrics")
    write_pages(REPOSITORY / "metrics")
    copy_figures(out / "readme_images", REPOSITORY / "readme_images", figures_shown(REPOSITORY))
    write_cards(REPOSITORY / "metrics", REPOSITORY / "dataset", REPOSITORY / "docs" / "cards")
    print(f"published {len(notebooks)} notebooks, figures and metrics; both READMEs and cards rendered")
    return 0


def copy_metrics(source: Path, target: Path) -> None:
    """Copy the metrics of a run; remove those of the classifier that the run did not measure, and print their names."""
    paths = [source / f"{name}.json" for name in read_metrics(source)]
    for name in sorted(set(OF_THE_CLASSIFIER) - {path.stem for path in paths}):
        if (old := target / f"{name}.json").exists():
            old.unlink()
            print(f"{old.name} is removed: it is of another classifier, and this run did not measure it")
    for path in paths:
        write_atomic(target / path.name, path.read_bytes())


def figures_shown(repository: Path) -> set[str]:
    """Names of the files in readme_images/ that a README or a page of docs/ shows."""
    pages = [*repository.glob("README*.md"), *(repository / "docs").rglob("*.md")]
    return {name for page in pages for name in FIGURE.findall(page.read_text(encoding="utf-8"))}


def copy_figures(source: Path, target: Path, shown: set[str]) -> None:
    """Copy the figures that are shown, reduced to a palette, and remove from the target those that are not."""
    for path in sorted(target.glob("*.png")):
        if path.name not in shown:
            path.unlink()
    for name in sorted(shown):
        if (path := source / name).exists():
            write_atomic(target / name, palettize_png(path.read_bytes()))


def write_pages(metrics: Path) -> None:
    """Render the blocks of both READMEs, and of the pages of docs/ that show metrics."""
    blocks = {name: render_blocks(metrics, language) for language, name in READMES.items()} | render_pages(metrics)
    for name, texts in blocks.items():
        path = REPOSITORY / name
        # whole or not at all: half a page could not be rendered again
        write_atomic(path, update(path.read_text(encoding="utf-8"), texts).encode())


def write_cards(metrics: Path, root: Path, folder: Path) -> list[Path]:
    """Write `model_card.md` and `dataset_card.md` into a folder and return their paths.

    Raises:
        ValueError: as `model_card` and `dataset_card`.
    """
    texts = {"model_card.md": model_card(metrics), "dataset_card.md": dataset_card(root, metrics)}
    return [write_atomic(folder / name, text.encode()) for name, text in texts.items()]


def _inspect(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        raise ValueError(f"{path.name} was not run from top to bottom. Run `make demo`.")
    for cell in code:
        if "injected-parameters" in cell.metadata.get("tags", []):
            raise ValueError(f"{path.name} was run with its own parameters. Run `make demo` without options.")
        if any(output.output_type == "error" for output in cell.outputs):
            raise ValueError(f"{path.name} holds an error. Fix it and run `make demo`.")
    if match := MACHINE_PATH.search(path.read_text(encoding="utf-8")):
        raise ValueError(f"{path.name} shows a path of this machine ({match[0][:60]}). Print names, not paths.")
