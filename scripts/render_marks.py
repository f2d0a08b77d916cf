"""Render four pages of docs/ from marks of the tests: `python scripts/render_marks.py [--check]`.

A mark `people_have` says what somebody has, what becomes of it, and in which words; a mark `fault` says what goes
wrong, what the user is told, and what is kept. The marks are read from the source, so that nothing is imported and no
test runs; their arguments are therefore literal texts.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Page:
    """A page that is made of marks of one name.

    Args:
        mark: name of the mark, below `pytest.mark`.
        path: the page, below `docs/`.
        head: what stands above the tables.
        end: what stands below them.
        columns: headings of the columns, one for each argument that is shown.
        topics: key → heading, in the order of the page.
        by_folder: the key of a mark is the folder of its test (the longest one that fits); otherwise it is the mark's
            first argument, which is not shown.
        outcomes: what the second argument may be; empty for anything.
        only: headings that this page alone shows; empty for all but `without`.
        without: headings that another page of the same mark shows.
    """

    mark: str
    path: str
    head: str
    columns: tuple[str, ...]
    topics: dict[str, str]
    by_folder: bool
    outcomes: tuple[str, ...] = ()
    end: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def shows(self, topic: str) -> bool:
        """Whether the rows of a heading stand on this page."""
        return topic in self.only if self.only else topic not in self.without

    @property
    def file(self) -> Path:
        """Where the page lies."""
        return REPOSITORY / "docs" / self.path

    @property
    def arguments(self) -> int:
        """How many arguments a mark has."""
        return len(self.columns) + (not self.by_folder)


RENDERED = "<!-- Rendered by scripts/render_marks.py from the tests' marks. Change a mark, and run it again. -->"
DATASETS = "Datasets of one's own"
INPUTS = Page(
    mark="people_have",
    path="inputs.md",
    head=f"""# What is read, what is refused, and in which words

{RENDERED}

This page tells what becomes of a file, folder or table that you give to a command, the page or a notebook. Sources of a
dataset have [a page of their own](inputs_datasets.md).

Each line is a test with a file of this kind. *Read*: it is used. *Refused*: one sentence says what is wrong and what
to do, and the other files go on. *Passed over*: it is no input, and the others go on. *Asked*: the command asks
before it goes on.
""",
    columns=("what people have", "what happens", "in which words, or what follows"),
    topics={
        "core": "Files and tables",
        "provenance": "What a file says of its origin",
        "dataset": DATASETS,
        "classifier": "Training and prediction",
        "stages": "Commands and notebooks",
        "explain": "Explanations",
        "app": "The page in the browser",
        "captions": "Captions",
        "paligemma": "PaliGemma",
        "notebooks": "Colab, Kaggle and notebooks",
        "reporting": "The report",
    },
    by_folder=True,
    outcomes=("read", "refused", "passed over", "asked"),
    end="""
Next: [sources of a dataset](inputs_datasets.md), [what can go wrong](reliability.md), [how to read an
explanation](how_to_read.md).
""",
    without=(DATASETS,),
)
INPUT_DATASETS = replace(
    INPUTS,
    path="inputs_datasets.md",
    head=f"""# What an import reads, what it refuses, and in which words

{RENDERED}

This page tells what becomes of the folders, tables, zips and hub datasets that you import, check, audit or align.
[Your own images](your_images.md) tells how to do it; single pictures are on [the other page](inputs.md).

Each line is a test with a source of this kind. *Read*, *refused*, *passed over* and *asked* mean what they mean there.
""",
    end="""
Next: [your own images](your_images.md), step by step, and [the audit](audit.md) of the dataset that you have made.
""",
    only=(DATASETS,),
    without=(),
)


def fuzzed() -> str:
    """What the last run of scripts/fuzz.py found, from metrics/fuzz.json."""
    record = json.loads((REPOSITORY / "metrics" / "fuzz.json").read_text(encoding="utf-8"))
    kinds = record["kinds"].values()
    outcomes = sum((Counter(kind["outcomes"]) for kind in kinds), Counter())
    return (
        f"The last run had {next(iter(kinds))['count']:,} cases of each, seed {record['seed']}:\n"
        f"{outcomes['read']:,} were read, {outcomes['refused']:,} refused, and "
        f"{sum(len(kind['faults']) for kind in kinds)} were faults (95% interval for each kind: at most\n"
        f"{max(kind['fault_rate']['high'] for kind in kinds):.2%}). The slowest took "
        f"{max(kind['slowest']['seconds'] for kind in kinds):.1f} s."
    )


RUNNING = ("Processes and signals", "Notebooks and runtimes", "The page in the browser")
FAULTS = Page(
    mark="fault",
    path="reliability.md",
    head=f"""# What can go wrong, what you are told, and what is kept

{RENDERED}

This page is about files, disks, networks and weights. Processes, notebooks and the page in the browser have [a page of
their own](reliability_running.md). What is wrong with a single picture or table stands under
[what is read](inputs.md), attacks under [security](security.md).

Each line is a test that makes this fault happen: by a real signal, file or server where a test can have one, by a
stand-in that raises the system's error where it cannot (a full disk, a GPU without memory). Where no words are given,
the fault is noticed and mended without a word. "The same command" means: run it again as it was, and it goes on.

`python scripts/fuzz.py` damages pictures, manifests, tables, journals, records, captions and configurations by the
thousand. Each has to be read, or refused in one sentence. {fuzzed()} The tests run some of the same cases.
""",
    columns=("what goes wrong", "what you are told", "what is kept, and how it goes on"),
    topics={
        "files": "Files",
        "disk": "Disk and folders",
        "network": "Network and services",
        "weights": "Weights and checkpoints",
        "processes": RUNNING[0],
        "notebooks": RUNNING[1],
        "page": RUNNING[2],
    },
    by_folder=False,
    end="""
Next: [processes, notebooks and the page](reliability_running.md),
[how resumption works](architecture.md#reuse-and-resumption).
""",
    without=RUNNING,
)
FAULTS_RUNNING = replace(
    FAULTS,
    path="reliability_running.md",
    head=f"""# What can go wrong while something runs

{RENDERED}

This page is about processes, signals, notebooks, runtimes and the page in the browser. It reads like [the page about
files, disks, networks and weights](reliability.md): each line is a test that makes this fault happen. No words in the
middle column: it is mended without a word.
""",
    end="""
Next: [many pictures](scale.md) on several processes and machines,
[`full` on Colab, Kaggle or a server](full_profile.md).
""",
    only=RUNNING,
    without=(),
)
PAGES = (INPUTS, INPUT_DATASETS, FAULTS, FAULTS_RUNNING)


@dataclass(frozen=True)
class Mark:
    """One mark: the heading that it belongs under, and the texts of its row."""

    topic: str
    texts: tuple[str, ...]


def marks_of(path: Path, tests: Path, page: Page) -> Iterator[Mark]:
    """The marks of one test file for a page, in its order.

    Raises:
        ValueError: a mark has other arguments than literal texts of the right number, or an unknown outcome or topic.
    """
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    short = {n.targets[0].id for n in nodes if isinstance(n, ast.Assign) and _is_mark(n.value, page.mark, set())}
    marks = [node for node in nodes if isinstance(node, ast.Call) and _is_mark(node.func, page.mark, short)]
    for call in sorted(marks, key=lambda call: (call.lineno, call.col_offset)):
        try:
            texts = _texts(call, page)
        except ValueError as error:
            raise ValueError(f"{path}, line {call.lineno}: {error}") from None
        if page.by_folder:
            yield Mark(_topic_of_folder(path.parent.relative_to(tests).parts, page), texts)
        else:
            yield Mark(page.topics[texts[0]], texts[1:])


def _texts(call: ast.Call, page: Page) -> tuple[str, ...]:
    """The arguments of a mark, which are checked."""
    texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    number = page.arguments
    if len(texts) != number or len(call.args) != number or call.keywords or not all(isinstance(t, str) for t in texts):
        words = {3: "three", 4: "four"}.get(number, str(number))
        raise ValueError(f"{page.mark} needs {words} literal texts; write them out")
    if page.outcomes and texts[1] not in page.outcomes:
        raise ValueError(f"the outcome {texts[1]!r} is unknown; take one of {', '.join(page.outcomes)}")
    if not page.by_folder and texts[0] not in page.topics:
        raise ValueError(f"the topic {texts[0]!r} is unknown; take one of {', '.join(page.topics)}")
    return tuple(texts)


def _topic_of_folder(folder: tuple[str, ...], page: Page) -> str:
    fitting = (page.topics.get("/".join(folder[:depth])) for depth in range(len(folder), 0, -1))
    return next((heading for heading in fitting if heading), folder[0].capitalize() if folder else "Other")


def _is_mark(node: ast.expr, mark: str, short: set[str]) -> bool:
    """Whether an expression is `pytest.mark.<mark>`, or a name that the file gives it."""
    if isinstance(node, ast.Name):
        return node.id in short
    return isinstance(node, ast.Attribute) and node.attr == mark


def collect(tests: Path, page: Page) -> list[Mark]:
    """The marks of all test files for a page, by file name and line, each once. Errors as for `marks_of`."""
    files = sorted(tests.rglob("test_*.py"))
    marks = (mark for path in files for mark in marks_of(path, tests, page))
    return list(dict.fromkeys(mark for mark in marks if page.shows(mark.topic)))


def render(marks: list[Mark], page: Page) -> str:
    """The whole page: a table for each topic, in the order of the page's topics, and others after them by name."""
    order = list(dict.fromkeys(page.topics.values()))
    topics = sorted(
        {mark.topic for mark in marks},
        key=lambda topic: (topic not in order, order.index(topic) if topic in order else 0, topic),
    )
    return page.head + "".join(_section(topic, marks, page) for topic in topics) + page.end


def _section(topic: str, marks: list[Mark], page: Page) -> str:
    lines = [page.columns, ("---",) * len(page.columns)]
    lines += [tuple(map(_cell, mark.texts)) for mark in marks if mark.topic == topic]
    return f"\n## {topic}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """A text in a cell of a Markdown table: on one line, without columns or elements of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main(check: bool) -> int:
    """Write the pages, or with `check` only say whether they are up to date; return the exit status."""
    stale = 0
    for page in PAGES:
        text = render(collect(REPOSITORY / "tests", page), page)
        if not check:
            page.file.write_text(text, encoding="utf-8")
            print(page.file)
        elif not page.file.is_file() or page.file.read_text(encoding="utf-8") != text:
            print(f"docs/{page.path} is stale: run python scripts/render_marks.py", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    try:
        sys.exit(main("--check" in sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
