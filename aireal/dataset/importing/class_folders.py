"""Which of the folders beside each other hold photographs, and which AI images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from aireal.core.file_names import as_text, composed

from .class_words import class_of_name, is_generator, split_of_name
from .source import CLASS_NAMES


@dataclass(frozen=True)
class ClassFolder:
    """What the name of a class folder says; "" where it says nothing of a generator or split."""

    label: int
    generator: str = ""
    split: str = ""


def class_folders(names: Sequence[str], place: str, real: Sequence[str], inside_class: bool) -> dict[str, ClassFolder]:
    """The class folders among the folders of one place, by name.

    In this order: `real` decides if one of its names is there; then names that say their class themselves (0_real,
    fake, ai ...); then words in names (training_real, RealArt, human), if both classes are there; then generators
    (adm, ddpm ...) beside a folder of photographs, which are AI images.

    Args:
        names: of the folders.
        place: path of the place below the source, posix with a slash at its end, or "".
        real: names, or paths below the source, of folders of photographs, as `--real-folder` gives them.
        inside_class: the place lies in a class folder already; then only names that say their class count.
    """
    exact = {name: label for name in names if (label := CLASS_NAMES.get(composed(name).casefold())) is not None}
    if inside_class:
        return {} if real else {name: ClassFolder(label) for name, label in exact.items()}
    if named := {name for name in names if is_named(name, place, real)}:
        others = [name for name in names if name not in named]
        return {**{name: ClassFolder(0) for name in named}, **{name: _fake(name) for name in others}}
    if real:
        return {}
    if set(exact.values()) == {0, 1}:
        return {name: ClassFolder(label) for name, label in exact.items()}
    told = {name: label for name in names if (label := class_of_name(name, beside_other=True)) is not None}
    generators = [name for name in names if told.get(name) != 0 and is_generator(name)]
    plain = {name for name in told if class_of_name(name) == 0}
    if set(told.values()) == {0, 1} or plain and generators:
        return {**_with_splits(told), **{name: _fake(name) for name in generators}}
    return {name: ClassFolder(label) for name, label in exact.items()}


def is_named(name: str, place: str, real: Sequence[str]) -> bool:
    """Whether `--real-folder` names a folder, by its name or by its path below the source, in any case."""
    own, path = _key(name), _key(f"{place}{name}")
    return any(_key(given) == (path if "/" in _key(given) else own) for given in real)


def _key(path: str) -> str:
    return PurePosixPath(composed(as_text(path)).casefold().replace("\\", "/")).as_posix()


def _fake(name: str) -> ClassFolder:
    """A folder beside photographs: its name is the generator's, unless it only says that they are AI images."""
    return ClassFolder(
        1, "" if class_of_name(name, beside_other=True) == 1 and not is_generator(name) else as_text(name)
    )


def _with_splits(told: dict[str, int]) -> dict[str, ClassFolder]:
    """The folders with the splits in their names, if these tell more than one: train_real beside test_real."""
    splits = {name: split_of_name(name) for name in told}
    if not {"val", "test"} & set(splits.values()):
        splits = dict.fromkeys(told, "")
    return {name: ClassFolder(label, split=splits[name]) for name, label in told.items()}
