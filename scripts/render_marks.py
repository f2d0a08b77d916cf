"""Render docs/inputs.md from the marks `people_have` of the tests: `python scripts/render_inputs.py [--check]`.

A mark says what somebody has, what becomes of it, and in which words. The marks are read from the source, so that
nothing is imported and no test runs; their three arguments are therefore literal texts.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "inputs.md"
OUTCOMES = ("read", "refused", "passed over", "asked")
TOPICS = {  # folder of tests/ → heading; the longest folder that fits is used, and other folders follow by their name
    "core": "Files and tables",
    "provenance": "What a file says of its origin",
    "dataset": "Datasets of one's own",
    "classifier": "Training and prediction",
    "stages": "Commands and notebooks",
    "explain": "Explanations",
    "app": "The page in the browser",
    "captions": "Captions",
    "paligemma": "PaliGemma",
    "notebooks": "Colab, Kaggle and notebooks",
    "reporting": "The report",
}
HEAD = """# What is read, what is refused, and in which words

<!-- Rendered by scripts/render_inputs.py from the tests' marks. Change a mark, and run it again. -->

Each line is a test with a file of this kind. *Read*: it is used. *Refused*: one sentence says what is wrong and what
to do, and the other files go on. *Passed over*: it is no input, and the others go on. *Asked*: the command asks
before it goes on.
"""
COLUMNS = "| what people have | what happens | in which words, or what follows |\n| --- | --- | --- |\n"


@dataclass(frozen=True)
class Mark:
    """One mark: the folder of its test (parts below tests/), and its three texts."""

    folder: tuple[str, ...]
    what: str
    outcome: str
    words: str

    @property
    def topic(self) -> str:
        """The heading that it belongs under."""
        fitting = (TOPICS.get("/".join(self.folder[:depth])) for depth in range(len(self.folder), 0, -1))
        return next(
            (heading for heading in fitting if heading), self.folder[0].capitalize() if self.folder else "Other"
        )


def marks_of(path: Path, tests: Path) -> Iterator[Mark]:
    """The marks of one test file, in its order.

    Raises:
        ValueError: a mark has other arguments than three literal texts, or an unknown outcome.
    """
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    short = {n.targets[0].id for n in nodes if isinstance(n, ast.Assign) and _is_mark(n.value, set())}
    marks = [node for node in nodes if isinstance(node, ast.Call) and _is_mark(node.func, short)]
    for call in sorted(marks, key=lambda call: (call.lineno, call.col_offset)):
        texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if len(texts) != 3 or len(call.args) != 3 or call.keywords or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{path}, line {call.lineno}: people_have needs three literal texts; write them out")
        if texts[1] not in OUTCOMES:
            raise ValueError(
                f"{path}, line {call.lineno}: the outcome {texts[1]!r} is unknown; take one of {', '.join(OUTCOMES)}"
            )
        yield Mark(path.parent.relative_to(tests).parts, *texts)


def _is_mark(node: ast.expr, short: set[str]) -> bool:
    """Whether an expression is `pytest.mark.people_have`, or a name that the file gives it."""
    if isinstance(node, ast.Name):
        return node.id in short
    return isinstance(node, ast.Attribute) and node.attr == "people_have"


def collect(tests: Path) -> list[Mark]:
    """The marks of all test files, by file name and line, each once. Errors as for `marks_of`."""
    return list(dict.fromkeys(mark for path in sorted(tests.rglob("test_*.py")) for mark in marks_of(path, tests)))


def render(marks: list[Mark]) -> str:
    """The whole page: a table for each topic, in the order of `TOPICS`, and others after them by name."""
    order = list(dict.fromkeys(TOPICS.values()))
    topics = sorted(
        {mark.topic for mark in marks},
        key=lambda topic: (topic not in order, order.index(topic) if topic in order else 0, topic),
    )
    return HEAD + "".join(_section(topic, [mark for mark in marks if mark.topic == topic]) for topic in topics)


def _section(topic: str, marks: list[Mark]) -> str:
    rows = "".join(f"| {_cell(mark.what)} | {mark.outcome} | {_cell(mark.words)} |\n" for mark in marks)
    return f"\n## {topic}\n\n{COLUMNS}{rows}"


def _cell(text: str) -> str:
    """A text in a cell of a Markdown table: on one line, without columns or elements of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main(check: bool) -> int:
    """Write the page, or with `check` only say whether it is up to date; return the exit status."""
    text = render(collect(REPOSITORY / "tests"))
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(PAGE)
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/inputs.md is stale: run python scripts/render_inputs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main("--check" in sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
