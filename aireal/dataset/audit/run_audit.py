"""`python -m aireal dataset audit`: could a classifier tell the classes apart without looking at the pictures' content?

Detectors trained on pictures of which only one class had been through JPEG, or had been scaled, learn that and not
the traces of generation (Grommelt et al. 2024, "Fake or JPEG? Revealing Common Biases in Generated Image Detection
Datasets", arXiv 2403.17608). The audit gives small classifiers only such cheap features, one family at a time. Any
network may reach by cheating what they reach.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from aireal.config import LABELS, DatasetRoot
from aireal.core.imagefile import ImageError, read_bytes
from aireal.core.run import Run
from aireal.core.sampling import round_robin
from aireal.dataset.check import CheckReport, check
from aireal.dataset.grouping import is_taken_apart
from aireal.dataset.manifest import Item, load_items

from .features import extract
from .findings import summarise
from .provenance_marks import count_marks, marks_of
from .scoring import FOLDS, SUSPECT, score_families

MIN_DIFFERENCE = 0.1  # share of pictures that would have to change a value for the classes to be alike in it
MIN_SHARE = 0.2  # of a class that the most frequent value has; rarer values differ between any two classes


@dataclass
class AuditedFiles:
    """The files that could be read, with their features, and those that could not, with the reasons."""

    items: list[Item] = field(default_factory=list)
    features: dict[str, np.ndarray] = field(default_factory=dict)  # family → float32 [N, D]
    names: dict[str, list[str]] = field(default_factory=dict)  # family → names of its D features
    facts: list[dict[str, str]] = field(default_factory=list)  # of each file: format, mode, size ... in words
    left_out: list[dict[str, str]] = field(default_factory=list)
    marks: list[frozenset[str]] = field(default_factory=list)  # of each file: kinds of what it says of itself


def audit(data: DatasetRoot, limit: int | None = 2000, seed: int = 7, duplicates: bool = True) -> dict:
    """Score each family of cheap features, and all together, on telling the classes apart, and summarise the findings.

    Every score is out of fold (5 folds, no source in two of them, the mean of three partitions), with a 95% interval
    from a bootstrap over sources. All splits but `proposal` are pooled: the audit judges the dataset, and nothing is
    chosen by it.

    Args:
        limit: images of a class to read, drawn so that every source gives one before any gives two; None reads all.
            Time grows with it (about 10 ms an image of 256 px, a minute or two in all for 2 × 2,000), and memory by
            21 kB an image.
        duplicates: also run `check` on the whole root for near-duplicates and sources in several splits, which
            decodes every file once.

    Returns:
        JSON-ready: "families" and "together" with "auroc" {"value", "low", "high"} and "suspected", "values" in which
        the classes differ, "marks" that the files carry (`count_marks`), "threshold" (`SUSPECT`), "sources", "leaks",
        "problems", "left_out" (path and reason of files that cannot be read), "notes", "suspected" (names of families;
        "together" if only all of them reach it), and the "verdict" in one paragraph.

    Raises:
        ValueError: no images, `limit` below 5, or fewer than 5 sources of a class.
    """
    if limit is not None and limit < FOLDS:
        raise ValueError(f"a limit of {limit} images a class is too few to judge by: give at least {FOLDS}, better 200")
    all_items = [item for item in load_items(data) if item.split != "proposal"]
    checked = _check(data, all_items, duplicates)
    items, notes = _with_sources(all_items, data.manifest.exists())
    sample = sample_items(items, limit, seed)
    if len(sample) < len(items):
        notes.append(
            f"a sample was read: {len(sample)} of {len(items)} images, at most {limit} of a class, "
            f"drawn over sources with seed {seed}"
        )
    files = _read(data, sample)
    _check_sources(files.items)
    labels, groups = np.array([item.label for item in files.items]), [item.group for item in files.items]
    families, together = score_families(files.features, files.names, labels, groups, seed)
    suspected = [name for name, family in families.items() if family["suspected"]]
    report = {
        "seed": seed,
        "limit": limit,
        "threshold": SUSPECT,
        "images": {name: int((labels == label).sum()) for label, name in enumerate(LABELS)},
        "sources_read": {name: _count_sources(files.items, label) for label, name in enumerate(LABELS)},
        "families": families,
        "together": together,
        "values": differing_values(files.facts, labels),
        "marks": count_marks(files.marks, labels),
        "sources": _tabulate_sources(all_items),
        "leaks": checked.leaks,
        "problems": checked.problems,
        "left_out": files.left_out,
        "notes": notes + checked.notes,
        "suspected": suspected or ["together"] * together["suspected"],
    }
    return {**report, "verdict": summarise(report)}


def audit_run(run: Run) -> dict:
    """`audit` of a run's dataset root, bounded by `audit_images` of its profile, as notebook 03 shows it.

    Near-duplicates are looked for only where the whole root is read, because that decodes every file.
    """
    count, most = len([item for item in load_items(run.data) if item.split != "proposal"]), run.profile.audit_images
    whole = most is None or count <= most
    if not whole:
        print(
            f"at most {most:,} of {count:,} images are audited (audit_images of the profile), half of each class, "
            f"drawn over the sources with seed {run.seed}; `python -m aireal dataset check {run.data.root.name}` looks "
            "for near-duplicates among all"
        )
    return audit(run.data, most and most // 2, run.seed, duplicates=whole)


def _check(data: DatasetRoot, items: list[Item], duplicates: bool) -> CheckReport:
    if duplicates:
        return check(data)
    return CheckReport(items, notes=["near-duplicates and sources in several splits were not looked for"])


def sample_items(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    """At most `limit` items of each class, in their order. Sources, shuffled by `seed`, take turns."""
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for label in (0, 1):
        shuffled = rng.permutation([index for index, item in enumerate(items) if item.label == label]).tolist()
        chosen += [shuffled[k] for k in round_robin([items[index].group for index in shuffled], limit)]
    return [items[index] for index in sorted(chosen)]


def _with_sources(items: list[Item], manifest: bool) -> tuple[list[Item], list[str]]:
    """The items with usable sources, and notes.

    Without a manifest, sources are guessed from file names. If fewer than `FOLDS` of a class result, each file is its
    own source. A note says so, and where the names were one series that was taken apart.
    """
    counts = [_count_sources(items, label) for label in (0, 1)]
    if manifest or not all(counts):
        return items, []
    if min(counts) < FOLDS:
        items = [replace(item, group=item.path) for item in items]
    elif not is_taken_apart([item.path for item in items], [item.group for item in items]):
        return items, []
    return items, [
        "the file names do not tell sources apart, so each file counts as a source of its own: "
        "if several show the same scene, the intervals are too narrow"
    ]


def _count_sources(items: list[Item], label: int) -> int:
    return len({item.group for item in items if item.label == label})


def _check_sources(items: list[Item]) -> None:
    for label, name in enumerate(LABELS):
        count = _count_sources(items, label)
        if count < FOLDS:
            raise ValueError(
                f"{name} has {count} {'source' if count == 1 else 'sources'} with images that can be read; "
                f"an audit needs at least {FOLDS} of each class"
            )


def _read(data: DatasetRoot, items: list[Item]) -> AuditedFiles:
    def read_one(item: Item) -> tuple:
        try:
            content = read_bytes(data.root / item.path)
            return item, (*extract(content), marks_of(content)), None
        except ImageError as error:
            return item, None, str(error)

    files, rows = AuditedFiles(), defaultdict(list)
    with ThreadPoolExecutor() as pool:
        results = pool.map(read_one, items)
        for item, extracted, reason in tqdm(results, "reading", len(items), unit="image", delay=2):
            if extracted is None:
                files.left_out.append({"path": item.path, "reason": reason})
                continue
            families, facts, marks = extracted
            files.items.append(item)
            files.marks.append(marks)
            files.facts.append(facts)
            for family, features in families.items():
                files.names.setdefault(family, list(features))
                rows[family].append(np.fromiter(features.values(), np.float32))
    files.features = {family: np.stack(values) for family, values in rows.items()}
    return files


def differing_values(facts: list[dict[str, str]], labels: np.ndarray) -> list[dict]:
    """Exact values (format, quality ...) that one class has more often than the other, the largest difference first.

    Values that hardly repeat are skipped: two classes of arbitrary sizes never share many.

    Returns:
        [{"fact", "difference" (share of pictures), class: {value: share} of its five most frequent values}].
    """
    differing = []
    for fact in dict.fromkeys(name for file in facts for name in file):
        shares = [_shares(fact, [f for f, own in zip(facts, labels) if own == label]) for label in (0, 1)]
        difference = max(
            sum(max(0.0, share - other.get(value, 0.0)) for value, share in own.items())
            for own, other in (shares, shares[::-1])
        )
        if difference >= MIN_DIFFERENCE and max(max(s.values(), default=0) for s in shares) >= MIN_SHARE:
            top = [{value: round(share, 4) for value, share in list(own.items())[:5]} for own in shares]
            differing.append({"fact": fact, "difference": round(difference, 4), **dict(zip(LABELS, top))})
    return sorted(differing, key=lambda entry: -entry["difference"])


def _shares(fact: str, facts: list[dict[str, str]]) -> dict[str, float]:
    """Share of the files that have each value of `fact`, the most frequent value first."""
    return {value: n / len(facts) for value, n in Counter(f[fact] for f in facts if fact in f).most_common()}


def _tabulate_sources(items: list[Item]) -> dict:
    """Images and sources of each split and class, and the images of the 50 largest packages and generators in each."""
    splits = list(dict.fromkeys(item.split for item in items))
    classes = defaultdict(set)
    for item in items:
        classes[item.package].add(item.label)
    return {
        "splits": {split: _count_split([item for item in items if item.split == split]) for split in splits},
        "packages": _tabulate_column(items, "package", splits),
        "generators": _tabulate_column(items, "generator", splits),
        "packages_of_both_classes": sum(len(labels) == 2 for package, labels in classes.items() if package),
    }


def _count_split(items: list[Item]) -> dict[str, dict[str, int]]:
    return {
        name: {"images": sum(item.label == label for item in items), "sources": _count_sources(items, label)}
        for label, name in enumerate(LABELS)
    }


def _tabulate_column(items: list[Item], column: str, splits: list[str]) -> dict[str, dict[str, list[int]]]:
    """value of the column → split → [real, fake] images."""
    named = [item for item in items if getattr(item, column)]
    cells = Counter((getattr(item, column), item.split, item.label) for item in named)
    totals = Counter(getattr(item, column) for item in named)
    return {
        value: {split: [cells[value, split, label] for label in (0, 1)] for split in splits}
        for value, _ in totals.most_common(50)
    }
