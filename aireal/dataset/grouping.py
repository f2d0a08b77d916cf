"""Groups of pictures by their names, for a dataset root without a manifest."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from aireal.core.file_names import composed

# of up to five digits, behind zeros; a longer number is an id, which tells nothing of a neighbour
COUNTER = re.compile(r"[-_ ]?(frame|crop|f|c)?(?<!\d)0*\d{1,5}$", re.IGNORECASE)
NAMED = 3  # groups that a note names


@dataclass
class Grouping:
    """How the names of a root's pictures were grouped, for one sentence about it."""

    pictures: int = 0
    series: Counter = field(default_factory=Counter)  # group of several pictures → their number
    taken_apart: Counter = field(default_factory=Counter)  # series that would have held most of a class → its pictures
    in_two_splits: int = 0  # groups with pictures in the training and in the test folder

    def describe(self, root: str) -> str:
        """What was grouped and how to switch that off; "" where every picture stands alone and nothing was tried."""
        parts = []
        if self.series:
            parts.append(
                f"{sum(self.series.values()):,} of {self.pictures:,} pictures count as {len(self.series):,} sources, "
                f"because their names differ in a last number alone ({_some(self.series)})"
            )
        if self.taken_apart:
            parts.append(
                f"the numbered names {_some(self.taken_apart)} would be most of a class, so there each picture is a "
                "source of its own"
            )
        if not parts:
            return ""
        shared = f"{self.in_two_splits:,} sources are" if self.in_two_splits else "No source is"
        return (
            f"{root} has no manifest.csv: {'; '.join(parts)}. {shared} in two splits. To group otherwise: "
            f"`python -m aireal dataset manifest {root}` writes a table with the column group to edit; "
            "with --no-group-names every picture is a source of its own there"
        )


def _some(groups: Counter) -> str:
    listed = [f"{name}: {count:,}" for name, count in sorted(groups.items())[:NAMED]]
    return ", ".join(listed) + (f" and {len(groups) - NAMED:,} more" if len(groups) > NAMED else "")


def series_of(path: str) -> str:
    """The name of a file without suffix and trailing counter, with its folder: `a/cat` of `a/cat_01.jpg`."""
    place = PurePosixPath(composed(path))
    return str(place.with_name(COUNTER.sub("", place.stem) or place.stem))


def group_by_names(
    paths: Sequence[str], prefix: str, found: Grouping, by_names: bool = True, part: str = ""
) -> list[str]:
    """The group of each picture of one class and part of the root.

    Pictures whose names differ in a trailing counter alone are one group, as frames of a video are. A series of more
    than half of the pictures is taken apart: its counter tells nothing, and there would be nothing left to split.

    Args:
        paths: below the class folder, posix.
        prefix: of the groups' names; the class folder.
        found: what the grouping did is added to it.
        by_names: False makes each picture a group.
        part: of the root, before the name of a group of one: a picture that stands alone has nothing to do with one of
            the same name in another part.
    """
    own = [f"{part}{prefix}/{PurePosixPath(composed(path)).with_suffix('')}" for path in paths]
    if not by_names:
        return own
    series = [f"{prefix}/{series_of(path)}" for path in paths]
    sizes = Counter(series)
    apart = {name: size for name, size in sizes.items() if size > 1 and 2 * size > len(paths)}
    found.pictures += len(paths)
    found.taken_apart.update(apart)
    found.series.update({name: size for name, size in sizes.items() if size > 1 and name not in apart})
    unnumbered = {part + name for name, size in sizes.items() if size == 1}  # so that nothing else is of their series
    return [alone if name in apart or alone in unnumbered else name for name, alone in zip(series, own)]


def is_taken_apart(paths: Sequence[str], groups: Sequence[str]) -> bool:
    """Whether pictures whose names differ in a trailing counter alone stand in several groups."""
    groups_of: dict[str, set[str]] = {}
    for path, group in zip(paths, groups):
        groups_of.setdefault(series_of(path), set()).add(group)
    return any(len(found) > 1 for found in groups_of.values())


def held_out(groups: Iterable[str], share: float) -> set[str]:
    """The groups of one class that become `val`: about this share of them, by a hash of their names.

    The choice is the same on every machine, and it stays when pictures are added. Of several groups at least one is
    held out; at least one never is.
    """
    ranked = sorted(set(groups), key=lambda group: (_thousandth(group), group))
    by_hash = sum(_thousandth(group) < 1000 * share for group in ranked)
    return set(ranked[: min(max(by_hash, 1), len(ranked) - 1)]) if ranked else set()


def _thousandth(name: str) -> int:
    """A hash of the name, 0..999."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 1000
