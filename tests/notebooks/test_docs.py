"""READMEs, docs, cards and notebooks: every link leads somewhere, every path and command exists."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from aireal.cli import main
from aireal.config import REPOSITORY

PAGES = [
    *REPOSITORY.glob("README*.md"),
    *REPOSITORY.glob("CONTRIBUTING*.md"),
    *(REPOSITORY / "docs").rglob("*.md"),
    *(REPOSITORY / "notebooks").glob("0*.ipynb"),
]
FOREIGN = {"train.py", "inference.py"}  # timm's
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_relative_link_resolves(path):
    code_free = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
    for link in LINK.findall(code_free):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name} links to {link}"
        assert target.is_relative_to(REPOSITORY), f"{path.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_named_source_file_exists(path):
    named = re.findall(r"`((?:aireal|scripts|tests|benchmarks)/[\w./-]+\.\w+|\w+\.py)`", text_of(path))
    missing = [name for name in named if "/" in name and not (REPOSITORY / name).is_file()]
    assert missing == []
    ours = {
        file.name
        for room in ("aireal", "scripts", "tests", "benchmarks")
        for file in REPOSITORY.glob(f"{room}/**/*.py")
    }
    assert [name for name in named if "/" not in name and name not in ours | FOREIGN] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_named_command_exists(path, capsys):
    for words in sorted(set(re.findall(r"-m aireal ([a-z-]+(?: (?:[a-z]+-)*[a-z]+)?)", text_of(path)))):
        command = words.split() if words.split()[0] in ("dataset", "release") else words.split()[:1]
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--help"])
        assert stopped.value.code == 0, command
        capsys.readouterr()


def test_the_index_names_every_page():
    index = text_of(REPOSITORY / "docs" / "README.md")
    pages = {p.relative_to(REPOSITORY / "docs").as_posix() for p in (REPOSITORY / "docs").rglob("*.md")} - {"README.md"}
    assert pages <= set(LINK.findall(index)), "docs/README.md is the index"


def test_every_metric_of_the_readme_is_explained():
    explained = text_of(REPOSITORY / "docs" / "metrics.md")
    for name in (
        "AUROC",
        "Average precision",
        "ECE",
        "Brier",
        "NLL",
        "Coverage",
        "Bootstrap over groups",
        "Wilson",
        "ROAD",
        "Insertion and deletion",
        "Rank correlation",
        "IoU",
        "Drop",
        "R²",
        "Jaccard",
        "Region hit rate",
        "Distinct-n",
        "Self-BLEU",
        "GMACs",
    ):
        assert re.search(rf"^\*\*[^*]*{name}", explained, re.MULTILINE | re.IGNORECASE), name
    for paragraph in re.findall(r"^\*\*.+?(?=\n\n|\Z)", explained, re.MULTILINE | re.DOTALL):
        assert re.search(r"\([^()]*(\([^()]*\)[^()]*)*\)$", paragraph.strip()), f"no source: {paragraph[:40]}"
