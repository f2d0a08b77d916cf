"""What the commands that make a dataset root share: an existing dataset is refused, a begun one needs the same
arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from aireal.core.file_names import shown
from aireal.core.journal import Journal
from aireal.core.json_text import read_object
from aireal.evidence.value_types import misfit

ANEW = "Choose another folder for --to, or remove this one."
Report = TypeVar("Report")


def check_empty(root: Path, work: Path) -> None:
    """Refuse a root that holds a dataset, unless the command that fills it was interrupted.

    Args:
        work: its folder of work, which holds `journal.jsonl`.

    Raises:
        ValueError: there is another dataset.
    """
    existing = [name for name in ("manifest.csv", "data", "test") if (root / name).exists()]
    if existing and not (work / "journal.jsonl").exists():
        raise ValueError(f"{root} already holds a dataset ({', '.join(existing)}); choose another folder for --to")


def begin_or_resume(journal: Journal, arguments: dict, root: Path) -> None:
    """The first entry of the journal holds the arguments, which have to stay the same."""
    if journal.entries:
        check_same(journal.entries[0], json.loads(json.dumps(arguments)), root)
    else:
        journal.add(arguments)


def finished_report(path: Path, arguments: dict, kind: type[Report]) -> Report | None:
    """The report that a finished command left as JSON in its root, without its arguments; None if there is none.

    Args:
        kind: its dataclass.

    Raises:
        ValueError: it was made with other arguments, or is damaged.
    """
    if not path.exists():
        return None
    report = read_report(path)
    check_same(report.pop("arguments"), arguments, path.parent)
    try:
        found = kind(**report)
        fault = misfit(found)
    except TypeError:
        fault = "fields"
    if fault:
        raise ValueError(f"{shown(path)} is damaged: its {fault} are of another type or missing. {ANEW}")
    return found


def read_report(path: Path) -> dict:
    """The report of a finished command, its "arguments" included.

    Raises:
        ValueError: it is damaged.
    """
    return read_object(path, ANEW, {"arguments": dict})


def check_same(before: dict, arguments: dict, root: Path) -> None:
    """Compare the arguments that `root` was begun with and those of now.

    Raises:
        ValueError: they differ; the message names them. "fingerprint" stands for the source's contents.
    """
    differences = [
        f"{key} was {before.get(key)}, now {value}"
        for key, value in arguments.items()
        if before.get(key) != value and key != "fingerprint"
    ]
    if differences:
        raise ValueError(
            f"{root} was begun with other arguments ({'; '.join(differences)}); use those, "
            "or choose another folder for --to"
        )
    if before.get("fingerprint") != arguments.get("fingerprint"):
        raise ValueError(
            f"the source has changed since {root} was begun (names, labels or groups); choose another folder for --to"
        )
