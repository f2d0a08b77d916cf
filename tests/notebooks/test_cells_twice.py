"""Any cell of a notebook can be run again: none reads a name that it, or a later cell, gives another value."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from aireal.config import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))
FUNCTIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


class Names(ast.NodeVisitor):
    """What one cell binds, name → values (a module for an import), and the names that it reads before it binds them."""

    def __init__(self, source: str):
        self.bound: dict[str, set[str]] = defaultdict(set)
        self.read: set[str] = set()
        self.inner: list[set[str]] = []  # the own names of the comprehensions and lambdas around
        self.visit(ast.parse(source))

    def visit_Name(self, node: ast.Name) -> None:
        if any(node.id in names for names in self.inner):
            return
        if isinstance(node.ctx, ast.Load):
            if node.id not in self.bound:
                self.read.add(node.id)
        else:
            self.bound[node.id].add(f"line {node.lineno}")

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            self.bound[name].add(f"{getattr(node, 'module', '')} {alias.name}")

    visit_ImportFrom = visit_Import

    def visit_Assign(self, node: ast.Assign) -> None:
        for part in (node.value, *node.targets):
            self.visit(part)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """It changes what the name holds; the cell has to make that anew before."""
        if isinstance(node.target, ast.Name) and node.target.id not in self.bound:
            self.read.add(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def generic_visit(self, node: ast.AST) -> None:
        if not isinstance(node, FUNCTIONS):
            super().generic_visit(node)
            return
        own = [node.args] if isinstance(node, ast.Lambda) else [part.target for part in node.generators]
        own = {getattr(n, "arg", getattr(n, "id", "")) for part in own for n in ast.walk(part)}
        self.inner.append(own)
        super().generic_visit(node)
        self.inner.pop()


def faults(sources: list[str]) -> Iterator[str]:
    """Names that another value has, or a cell's own earlier run has changed, when the cell that reads them runs again.

    A name that every cell binds before it reads it, such as the variable of a loop, may occur in many cells.
    """
    cells = [Names(source) for source in sources]
    for name in sorted(set().union(*(cell.read for cell in cells))):
        values = [value for cell in cells for value in cell.bound.get(name, ())]
        binding = [k for k, cell in enumerate(cells) if name in cell.bound]
        reading = [k for k, cell in enumerate(cells) if name in cell.read]
        imported_alike = len(set(values)) == 1
        if len(binding) > 1 and not imported_alike:
            yield f"{name}: read in cell {reading[0] + 1}, bound in cells {', '.join(str(k + 1) for k in binding)}"
        if both := sorted(set(binding) & set(reading)):
            yield f"{name}: cell {both[0] + 1} reads the value that it replaces"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_of_a_notebook_can_be_run_again(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert list(faults([cell.source for cell in cells if cell.cell_type == "code"])) == []


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["report = score()", "show(report)", "from x import report"], "report: read in cell 2, bound in cells 1, 3"),
        (["model = load()", "model = attach(model)"], "model: cell 2 reads the value that it replaces"),
        (["plan = {}", "plan |= {1: 2}"], "plan: cell 2 reads the value that it replaces"),
        (["rows = [1]", "print(rows)\nrows = []"], "rows: cell 2 reads the value that it replaces"),
    ],
)
def test_a_name_that_changes_its_meaning_is_found(cells, fault):
    assert fault in list(faults(cells))


@pytest.mark.parametrize(
    "cells",
    [
        ["model = load()\nmodel = attach(model)"],
        ["for row in rows(): print(row)", "for row in others(): print(row)"],
        ["from x import y\ny()", "from x import y\ny()", "y()"],
        ["a = [k for k in range(3)]", "k = 1", "print(k, a)"],
        ["f = lambda x: x", "x = 1", "print(f(x))"],
    ],
)
def test_what_is_bound_before_it_is_read_is_no_fault(cells):
    assert list(faults(cells)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_tables_figures_and_short_lines(path: Path):
    """No bare value, no empty table, and no printed paragraph."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for output in (output for cell in cells for output in cell.outputs):
        if output.output_type == "execute_result":
            assert "text/html" in output.data, output.data["text/plain"]
        assert "Empty DataFrame" not in output.get("data", {}).get("text/plain", "")
        for line in output.get("text", "").splitlines():
            assert len(line.split()) <= 45, line
