"""Labels that most names contradict: 0 and 1 given in alphabetical order, say, where fake comes before real."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aireal.evidence.record import CLASSES

from .class_words import class_of_path

LEAST_SHARE = 0.25  # of all pictures whose names contradict their labels, from which a table is doubted


@dataclass
class NamedClasses:
    """How the classes that names say compare with the labels.

    Attributes:
        pictures: their number.
        counts: (label, class that the name says) → pictures.
        examples: for each label a name that contradicts it.
    """

    pictures: int = 0
    counts: Counter = field(default_factory=Counter)
    examples: dict[int, str] = field(default_factory=dict)

    def add(self, name: str, label: int) -> None:
        """Count a picture.

        Args:
            name: its path in a table; in a class folder its file name alone.
        """
        self.pictures += 1
        said = class_of_path(name)
        if said is not None:
            self.counts[label, said] += 1
            if said != label:
                self.examples.setdefault(label, name)


def require_table_agrees(named: NamedClasses) -> None:
    """Stop where most paths of a table contradict its labels.

    Raises:
        ValueError: they do; the message asks which label is real.
    """
    contradicting = named.counts[0, 1] + named.counts[1, 0]
    agreeing = named.counts[0, 0] + named.counts[1, 1]
    if contradicting > agreeing and contradicting >= LEAST_SHARE * named.pictures:
        raise ValueError(
            f"the labels contradict the paths: {_told(named)}. The label 0 is read as real and 1 as fake; say which "
            "label of the table is real, e.g. --real-label 1, or --real-label 0 if the labels are right as they are"
        )


def require_folders_agree(named: NamedClasses) -> None:
    """Stop where the file names in the folders of both classes say the other class.

    Raises:
        ValueError: they do; the message asks which folder is real.
    """
    if all(named.counts[label, 1 - label] > named.counts[label, label] for label in (0, 1)) and (
        named.counts[0, 1] + named.counts[1, 0] >= LEAST_SHARE * named.pictures
    ):
        raise ValueError(
            f"the file names contradict the folders: {_told(named)}. Say which folder holds the photographs, with "
            "--real-folder NAME"
        )


def _told(named: NamedClasses) -> str:
    contradicting = named.counts[0, 1] + named.counts[1, 0]
    examples = " and ".join(f"{name} is labelled {CLASSES[label]}" for label, name in sorted(named.examples.items()))
    return f"{contradicting:,} of {named.pictures:,} names say the other class ({examples})"
