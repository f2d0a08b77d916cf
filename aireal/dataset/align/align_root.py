"""`python -m aireal dataset align ROOT --to ROOT2`: a dataset root of aligned pairs from a root's photographs.

Every photograph and its round trip are written under ROOT2/.align, and a journal records each pair. At the end the
folders are moved to their places and the manifest is written. A run that was killed resumes from the journal.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from aireal.config import DatasetRoot
from aireal.core.files import write_json
from aireal.core.journal import Journal
from aireal.core.spreadsheet import write_csv
from aireal.dataset.manifest import Item, load_items, write_manifest
from aireal.dataset.resumable_root import begin_or_resume, check_empty, finished_report

from .make_pairs import make_pairs
from .pair import Autoencoder, Origin

LEFT_OUT = "align_left_out.csv"
FOLDERS = ("data", "test", "proposal")
GROWTH = 3  # disk space of a pair, in sizes of the photograph's file: two pictures, and some room


@dataclass(frozen=True)
class AlignReport:
    """The result of an alignment, as `align.json` in the root stores it."""

    counts: dict[str, int]  # split → pairs
    groups: int
    broken: int
    origin: dict[str, str]

    def lines(self) -> list[str]:
        """The report as lines to print."""
        counts = ", ".join(f"{split}: {count:,}" for split, count in self.counts.items())
        lines = [f"aligned pairs of a photograph and its round trip through {self.origin['vae']}: {counts}"]
        lines.append(f"{self.groups:,} groups; both pictures of a pair are in one")
        if self.broken:
            lines.append(f"not usable: {self.broken:,} photographs; {LEFT_OUT} lists them")
        return lines


def align_root(
    source: DatasetRoot, root: Path, autoencoder: Autoencoder, origin: Origin, limit: int | None = None
) -> AlignReport:
    """Build the dataset root `root` of pairs, or resume where an earlier call stopped.

    Splits and groups are the photographs' own: both pictures of a pair have the photograph's, so no fold and no split
    separates them.

    Args:
        autoencoder: any object with `round_trip` (`pair.Autoencoder`).
        limit: photographs a split, drawn so that each group gives one before any gives two (default: all).

    Raises:
        ValueError: the source has no photographs, one root lies in the other, `root` holds another dataset or was begun
            with other arguments, the disk is too small or fails, or no photograph could be used.
    """
    _check_places(source.root, root)
    photographs = [item for item in load_items(source, limit=limit) if item.label == 0]
    if not photographs:
        raise ValueError(f"{source.root} has no photographs (0_real), and only photographs have round trips")
    arguments = {
        "root": str(source.root.resolve()),
        "vae": f"{origin.vae} ({origin.weights_sha256[:12]})",
        "limit": limit,
        "fingerprint": _fingerprint(photographs),
    }
    work, report = root / ".align", _finished_report(root, arguments)
    if report is None:
        check_empty(root, work)
        try:
            with Journal(work / "journal.jsonl") as journal:
                begin_or_resume(journal, arguments, root)
                _check_space(source, photographs[len(journal.entries) - 1 :], work)
                make_pairs(source, photographs, work, autoencoder, journal)
                report = _write_root(source, root, work, photographs, journal.entries[1:], origin)
                write_json(root / "align.json", {**asdict(report), "arguments": arguments})
        except OSError as error:
            raise ValueError(
                f"the alignment stopped ({error}); remove the cause and run the same command again to resume it"
            ) from None
    shutil.rmtree(work, ignore_errors=True)
    return report


def _check_places(source: Path, root: Path) -> None:
    one, other = source.resolve(), root.resolve()
    if other.is_relative_to(one):
        raise ValueError(f"{root} lies inside the source; choose another folder for --to")
    if one.is_relative_to(other):
        raise ValueError(f"the source {source} lies inside {root}; choose another folder for --to")


def _fingerprint(photographs: list[Item]) -> str:
    identity = [(item.path, item.sha256, item.split, item.group) for item in photographs]
    return hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()


def _finished_report(root: Path, arguments: dict) -> AlignReport | None:
    return finished_report(root / "align.json", arguments, AlignReport)


def _check_space(source: DatasetRoot, photographs: list[Item], work: Path) -> None:
    paths = (source.root / item.path for item in photographs)
    needed = GROWTH * sum(path.stat().st_size for path in paths if path.is_file())
    free = shutil.disk_usage(work).free
    if needed > free:
        raise ValueError(
            f"the pairs need about {needed / 1e9:.1f} GB, and the disk of {work.parent} has {free / 1e9:.1f} GB free; "
            "free some, choose another folder for --to, or give a --limit"
        )


def _write_root(
    source: DatasetRoot, root: Path, work: Path, photographs: list[Item], rows: list[dict], origin: Origin
) -> AlignReport:
    """Move the folders to their places, and write manifest.csv and align_left_out.csv. It can be killed at any moment
    and called again."""
    broken = [(row["file"], row["error"]) for row in rows if "error" in row]
    if broken:
        rows_left_out = ({"file": file, "reason": reason} for file, reason in broken)
        write_csv(rows_left_out, root / LEFT_OUT, ("file", "reason"))
    if len(broken) == len(rows):
        raise ValueError(
            f"not one of the {len(rows):,} photographs could be used; {root / LEFT_OUT} lists the reasons; "
            f"repair the files and remove {root}"
        )
    for name in FOLDERS:
        if (work / name).exists():
            (work / name).replace(root / name)
    items = list(_items(source, photographs, rows, origin))
    write_manifest(root / "manifest.csv", items)
    counts = Counter(item.split for item in items if item.label == 0)
    return AlignReport(dict(counts), len({item.group for item in items}), len(broken), asdict(origin))


def _items(source: DatasetRoot, photographs: list[Item], rows: list[dict], origin: Origin) -> Iterator[Item]:
    """Two rows of the manifest for each pair. Package, licence and the name in the source are the photograph's, for the
    round trip is made of it; `generator` is the autoencoder."""
    for item, row in zip(photographs, rows):
        if "error" not in row:
            package = item.package or source.root.resolve().name
            both = replace(item, package=package, file=item.path)
            yield replace(both, path=row["real"], sha256=row["sha256_real"])
            yield replace(both, path=row["fake"], sha256=row["sha256_fake"], label=1, generator=origin.vae)
