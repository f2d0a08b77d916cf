"""How many pictures a run reads of a large dataset.

A profile bounds the work of the stages after training, so that a root of 100,000 pictures takes hours and not days.
Within the bounds nothing changes. Beyond one, whole sources are drawn by a seed, class by class, and a line says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from aireal.core.run import Run
from aireal.core.sampling import draw_groups, seeded_hash

from .manifest import Item, first_of_each_group, load_items


def draw_items(items: Sequence[Item], count: int | None, seed: int) -> list[Item]:
    """At most `count` items, half of each class and whole groups; all of them, in their order, where no class has more.

    Drawn items are in the order of the draw, so that the first of them are a sample, too, and a smaller draw with the
    same seed lies within a larger one but for groups that did not fit.

    Args:
        count: both classes together; None takes all.
    """
    parts = [[item for item in items if item.label == label] for label in (0, 1)]
    if count is None or max(map(len, parts)) <= max(1, count // 2):
        return list(items)
    drawn = [part[k] for part in parts for k in draw_groups([i.group for i in part], max(1, count // 2), seed)]
    return sorted(drawn, key=lambda item: seeded_hash(seed, item.group))


def bounded_items(items: Sequence[Item], count: int | None, run: Run, field: str, what: str) -> list[Item]:
    """`draw_items` with the run's seed, and a line about it where items are left out.

    Args:
        count: of the profile, which calls it `field`.
        what: the items in the plural, for the line.
    """
    drawn = draw_items(items, count, run.seed)
    if len(drawn) < len(items):
        print(
            f"{len(drawn):,} of {len(items):,} {what} are used ({field} of the profile: {count:,}): whole sources, "
            f"half of each class, drawn with seed {run.seed}"
        )
    return drawn


def bounded_test_items(run: Run, limit: int | None = None) -> list[Item]:
    """The test pictures that the run's stages read: all, or `test_images` of the profile.

    Args:
        limit: as in `load_items`, before the bound.

    Raises:
        ValueError: there are none.
    """
    items = load_items(run.data, "test", limit)
    return bounded_items(items, run.profile.test_images, run, "test_images", "test images")


def some_items(run: Run, split: str, count: int) -> list[Item]:
    """`count` pictures of a split, half of each class; each group gives one before any gives two.

    A split with more than the profile's `test_images` is drawn by the seed first: the first sources of a large
    manifest may all be of one generator.

    Raises:
        ValueError: the split is empty.
    """
    items = draw_items(load_items(run.data, split), run.profile.test_images, run.seed)
    return first_of_each_group(items, max(1, count // 2))
