"""`python -m aireal dataset check`: is this dataset root what its manifest says, and are its splits clean?"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import imagehash
import numpy as np
from tqdm import tqdm

from aireal import LABELS
from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, decode, read_bytes, sha256

from .manifest import SPLITS, Item, load_items

NEAR = 6  # of 64 bits: pictures of the sample that are different differ in 14 or more


@dataclass
class CheckReport:
    """What was found. `problems` make the check fail; `notes` do not. `leaks` are those problems that make test figures too good."""

    items: list[Item]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Images and groups a split and class, as aligned text."""
        lines = [
            f"{'split':<10}{'images real':>12}{'images fake':>12}{'groups real':>13}{'groups fake':>13}{'generators':>12}"
        ]
        for split in SPLITS:
            rows = [i for i in self.items if i.split == split]
            if rows:
                images = Counter(i.label for i in rows)
                groups = [len({i.group for i in rows if i.label == label}) for label in (0, 1)]
                generators = len({i.generator for i in rows if i.label == 1 and i.generator})
                lines.append(f"{split:<10}{images[0]:>12}{images[1]:>12}{groups[0]:>13}{groups[1]:>13}{generators:>12}")
        return "\n".join(lines)


def check(data: DatasetRoot) -> CheckReport:
    """Verify files, hashes, groups, near-duplicates across splits (64-bit perceptual hash, all pairs) and class balance.

    Cost: one decode a file, and a Hamming distance a pair of images (vectorised; about 20 s for 100,000 images, memory grows with their number).
    """
    report = CheckReport(load_items(data))
    if not data.manifest.exists():
        report.notes.append(
            "no manifest.csv: splits were derived from the folders, and file hashes could not be compared"
        )
    hashes = _read_all(data, report)
    _groups(report)
    _near_duplicates(report, hashes)
    report.problems += report.leaks
    _balance(report)
    _strays(data, report)
    return report


def _read_all(data: DatasetRoot, report: CheckReport) -> dict[str, np.uint64]:
    def one(item: Item):
        try:
            content = read_bytes(data.root / item.path)
            if item.sha256 and sha256(content) != item.sha256:
                return item, "content differs from its sha256 in the manifest; restore the file", None
            return item, None, np.packbits(imagehash.phash(decode(content)).hash).view(np.uint64)[0]
        except ImageError as error:
            return item, str(error), None

    hashes = {}
    with ThreadPoolExecutor() as pool:
        for item, problem, phash in tqdm(
            pool.map(one, report.items), "checking", len(report.items), unit="image", delay=2
        ):
            if problem:
                report.problems.append(f"{item.path}: {problem}")
            else:
                hashes[item.path] = phash
    return hashes


def _groups(report: CheckReport) -> None:
    splits = defaultdict(set)
    for item in report.items:
        splits[item.group].add(item.split)
    for group, found in sorted(splits.items()):
        if len(found) > 1:
            report.leaks.append(f"group {group} is in {' and '.join(sorted(found))}; a source may be in one split only")


def _near_duplicates(report: CheckReport, hashes: dict[str, np.uint64]) -> None:
    items = [i for i in report.items if i.path in hashes]
    bits = np.array([hashes[i.path] for i in items], np.uint64)
    split = np.array([SPLITS.index(i.split) for i in items])
    for a, first in enumerate(items):
        distance = np.bitwise_count(bits ^ bits[a])
        for b in np.nonzero((distance <= NEAR) & (split > split[a]))[0]:
            second = items[b]
            report.leaks.append(
                f"{first.path} ({first.split}) and {second.path} ({second.split}) are near-duplicates (distance {distance[b]} of 64)"
            )


def _balance(report: CheckReport) -> None:
    for split in SPLITS:
        counts = Counter(i.label for i in report.items if i.split == split)
        if counts and min(counts[0], counts[1]) < 0.8 * max(counts[0], counts[1]):
            report.problems.append(
                f"{split} is unbalanced: {counts[0]} {LABELS[0]} and {counts[1]} {LABELS[1]}; even them out"
            )


def _strays(data: DatasetRoot, report: CheckReport) -> None:
    known = {i.path for i in report.items}
    for folder in (data.train, data.test):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()) if data.manifest.exists() else ():
            if path.relative_to(data.root).as_posix() not in known:
                report.problems.append(
                    f"{path.relative_to(data.root).as_posix()}: not in the manifest; add it or take it away"
                )


def print_report(report: CheckReport) -> int:
    """Print table, notes and problems; return the exit status."""
    print(report.table())
    for note in report.notes:
        print("note:", note)
    for problem in report.problems:
        print("problem:", problem)
    print(
        f"{len(report.items)} images checked: "
        + (f"{len(report.problems)} problems" if report.problems else "no problem found")
    )
    return 1 if report.problems else 0
