"""`python -m aireal dataset check`: does this dataset root match its manifest, and are its splits clean?"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import imagehash
import numpy as np
from tqdm import tqdm

from aireal.config import LABELS, DatasetRoot
from aireal.core.file_names import shown
from aireal.core.imagefile import ImageError, decode, read_bytes, sha256
from aireal.core.picture_files import is_companion

from .manifest import SPLITS, Item, load_items

NEAR_DUPLICATE_BITS = 6  # of 64: different pictures of the sample differ in 14 or more


@dataclass
class CheckReport:
    """The result of a check.

    Attributes:
        problems: faults that make the check fail.
        notes: remarks that do not.
        leaks: those problems that make test results too good.
    """

    items: list[Item]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The number of images, groups and generators of each split and class, as aligned text."""
        columns = ("images real", "images fake", "groups real", "groups fake", "generators")
        widths = (12, 12, 13, 13, 12)
        lines = [f"{'split':<10}" + "".join(name.rjust(width) for name, width in zip(columns, widths))]
        for split in SPLITS:
            items = [item for item in self.items if item.split == split]
            if items:
                images = Counter(item.label for item in items)
                groups = [len({item.group for item in items if item.label == label}) for label in (0, 1)]
                generators = len({item.generator for item in items if item.label == 1 and item.generator})
                counts = (images[0], images[1], *groups, generators)
                lines.append(f"{split:<10}" + "".join(str(n).rjust(width) for n, width in zip(counts, widths)))
        return "\n".join(lines)


def check(data: DatasetRoot) -> CheckReport:
    """Verify files, hashes, groups, near-duplicates across splits (64-bit perceptual hash, all pairs) and balance.

    Cost: every file is decoded once, and every pair of images is compared by Hamming distance (vectorised; about 20 s
    for 100,000 images; memory grows with their number).
    """
    report = CheckReport(load_items(data))
    if not data.manifest.exists():
        report.notes.append(
            "no manifest.csv: splits were derived from the folders, and file hashes could not be compared"
        )
    _note_missing_classes(report)
    hashes = _hash_all(data, report)
    _check_groups(report)
    _check_near_duplicates(report, hashes)
    report.problems += report.leaks
    _check_balance(report)
    _check_unlisted_files(data, report)
    return report


def _note_missing_classes(report: CheckReport) -> None:
    """A training needs both classes in train and val."""
    found = {(item.split, item.label) for item in report.items}
    missing = [
        f"{split} {LABELS[label]}" for split in ("train", "val") for label in (0, 1) if (split, label) not in found
    ]
    if missing:
        report.notes.append(f"no images of {', '.join(missing)}: such a root can be tested on, but not trained on")


def _hash_all(data: DatasetRoot, report: CheckReport) -> dict[str, np.uint64]:
    """The perceptual hash of each readable file; the others become problems of the report."""

    def hash_one(item: Item) -> tuple[Item, str | None, np.uint64 | None]:
        try:
            content = read_bytes(data.root / item.path)
            if item.sha256 and sha256(content) != item.sha256:
                return item, "content differs from its sha256 in the manifest; restore the file", None
            return item, None, np.packbits(imagehash.phash(decode(content)).hash).view(np.uint64)[0]
        except ImageError as error:
            return item, str(error), None

    hashes = {}
    with ThreadPoolExecutor() as pool:
        results = pool.map(hash_one, report.items)
        for item, problem, phash in tqdm(results, "checking", len(report.items), unit="image", delay=2):
            if problem:
                report.problems.append(f"{item.path}: {problem}")
            else:
                hashes[item.path] = phash
    return hashes


def _check_groups(report: CheckReport) -> None:
    splits_of = defaultdict(set)
    for item in report.items:
        splits_of[item.group].add(item.split)
    for group, splits in sorted(splits_of.items()):
        if len(splits) > 1:
            report.leaks.append(
                f"group {group} is in {' and '.join(sorted(splits))}; a source may be in one split only"
            )


def _check_near_duplicates(report: CheckReport, hashes: dict[str, np.uint64]) -> None:
    items = [item for item in report.items if item.path in hashes]
    bits = np.array([hashes[item.path] for item in items], np.uint64)
    split = np.array([SPLITS.index(item.split) for item in items])
    for a, first in enumerate(items):
        distance = np.bitwise_count(bits ^ bits[a])
        for b in np.nonzero((distance <= NEAR_DUPLICATE_BITS) & (split > split[a]))[0]:
            second = items[b]
            report.leaks.append(
                f"{first.path} ({first.split}) and {second.path} ({second.split}) are near-duplicates "
                f"(distance {distance[b]} of 64)"
            )


def _check_balance(report: CheckReport) -> None:
    for split in SPLITS:
        counts = Counter(item.label for item in report.items if item.split == split)
        if counts and min(counts[0], counts[1]) < 0.8 * max(counts[0], counts[1]):
            report.problems.append(
                f"{split} is unbalanced: {counts[0]} {LABELS[0]} and {counts[1]} {LABELS[1]}; even them out"
            )


def _check_unlisted_files(data: DatasetRoot, report: CheckReport) -> None:
    if not data.manifest.exists():
        return
    listed = {item.path for item in report.items}
    for folder in (data.train, data.test):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            relative = path.relative_to(data.root).as_posix()
            if relative not in listed and not any(map(is_companion, path.relative_to(folder).parts)):
                report.problems.append(f"{relative}: not in the manifest; add it or remove the file")


def print_report(report: CheckReport) -> int:
    """Print table, notes and problems; return the exit status."""
    print(report.table())
    for note in report.notes:
        print("note:", shown(note))
    for problem in report.problems:
        print("problem:", shown(problem))
    summary = f"{len(report.problems)} problems" if report.problems else "no problem found"
    print(f"{len(report.items)} images checked: {summary}")
    return 1 if report.problems else 0
