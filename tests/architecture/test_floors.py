"""Imports go down the floors of docs/architecture.md, and no files import each other in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from aireal.config import REPOSITORY

PACKAGE = REPOSITORY / "aireal"
FILES = sorted(PACKAGE.rglob("*.py"))


def floors() -> list[list[str]]:
    """The rooms of each floor, the top floor first: the first table of docs/architecture.md."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("| floor | rooms |", 1)[1].split("\n\n", 1)[0]
    return [re.findall(r"`([\w/]+)`", row.split("|")[2]) for row in table.splitlines()[2:]]


FLOORS = floors()
LEVEL = {room.rstrip("/"): level for level, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """`aireal.captions.claude.ledger` → captions; the package's own file → __init__."""
    return module.split(".")[1] if "." in module else "__init__"


def imports_of(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, anywhere in it."""
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "aireal")
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (parent, node.module) if part)
            if source.split(".")[0] == "aireal":
                names = (f"{source}.{alias.name}" for alias in node.names)
                yield from (name if name in MODULES else source for name in names)


def upward(path: Path) -> list[str]:
    """The imports of a file that do not go down."""
    room = room_of(module_of(path))
    return [target for target in imports_of(path) if room_of(target) != room and LEVEL[room_of(target)] <= LEVEL[room]]


def test_every_room_is_in_the_list_and_every_name_of_the_list_is_a_room():
    rooms = {room_of(module) for module in MODULES}
    assert rooms <= set(LEVEL), "a new room needs its place in docs/architecture.md"
    assert set(LEVEL) <= rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    assert upward(path) == [], f"{path.name} imports from its own floor or a higher one"


def test_no_files_import_each_other_in_a_circle():
    graph = {module: set(imports_of(path)) - {module} for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_an_upward_import_is_noticed(tmp_path, monkeypatch):
    path = PACKAGE / "core" / "planted.py"
    monkeypatch.setattr(Path, "read_text", lambda self, **_: "def f():\n    from ..stages.demo import show\n")
    assert upward(path) == ["aireal.stages.demo"]


def test_the_package_has_few_loose_files():
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    assert loose == {"__init__", "__main__", "cli", "config", "notebooks"}
