"""Folders whose names tell the class: CIFAKE, GenImage, ForenSynths, or simply real and fake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from aireal.core.file_names import as_text
from aireal.core.imagefile import ImageError, open_stored
from aireal.core.picture_files import is_companion
from aireal.evidence.record import CLASSES

from .class_folders import ClassFolder, class_folders
from .class_words import is_wrapper
from .source import CLASS_NAMES, SPLIT_NAMES, SUPPORTED, PictureEntry, Survey
from .zip_archive import ZipMember

GENIMAGE = {"nature", "ai"}
CIFAKE_SIZE = (32, 32)


class Folders(Protocol):
    """Folders and files to walk through, on a disk or in a zip. A place stands for a folder."""

    name: str  # of the top folder

    def listing(self, place: Any) -> tuple[list[str], list[str]]: ...

    def enter(self, place: Any, name: str) -> Any: ...

    def content(self, place: Any, name: str) -> Path | ZipMember: ...


def folder_entries(tree: Folders, top: Any, above: str, real: Sequence[str] = ()) -> Iterator[PictureEntry]:
    """Every file below `top`, in a stable order, with the class, split and generator that its folders tell.

    Args:
        above: meaning of the folders above a class folder, see `disk.open_disk`.
        real: folders of photographs that the user named, see `class_folders.class_folders`.
    """
    return _Walk(tree, above, real).below(top, PictureEntry("", Path()), ())


@dataclass(frozen=True)
class _Walk:
    tree: Folders
    above: str
    real: Sequence[str]

    def below(self, place: Any, parent: PictureEntry, names_above: tuple[str, ...]) -> Iterator[PictureEntry]:
        """Every file below a place. `parent` holds what the folders down to this one tell of it."""
        folders, files = (sorted(n for n in names if not is_companion(n)) for names in self.tree.listing(place))
        for name in files:
            yield replace(parent, file=parent.file + as_text(name), content=self.tree.content(place, name))
        # `train` alone may be the class of trains, or is no split at all
        has_splits = any(SPLIT_NAMES.get(name.casefold()) in ("val", "test") for name in folders)
        told = class_folders(folders, parent.file, self.real, parent.label is not None)
        photographs = {name.casefold() for name, folder in told.items() if folder.label == 0}
        for name in folders:
            inside = self.tree.enter(place, name)
            if inside is None:
                continue
            word, child, names = name.casefold(), replace(parent, file=f"{parent.file}{as_text(name)}/"), names_above
            if name in told:
                genimage = word in GENIMAGE and photographs <= {"nature"}
                child = self._in_class(child, told[name], names_above, genimage)
            elif word in SPLIT_NAMES and has_splits and not parent.split:
                child = replace(child, split=SPLIT_NAMES[word])
            elif parent.label is None and not is_wrapper(name):
                names = (*names_above, as_text(name))
            yield from self.below(inside, child, names)

    def _in_class(
        self, entry: PictureEntry, told: ClassFolder, names_above: tuple[str, ...], genimage: bool
    ) -> PictureEntry:
        """The entry below a class folder."""
        if entry.label is not None:
            if entry.label != told.label:
                raise ValueError(
                    f"the folder {entry.file} is ambiguous: it lies in a folder of {CLASSES[entry.label]} pictures, "
                    f"but its name says {CLASSES[told.label]}; rename one of the two, "
                    "or give a .csv with the columns path and label"
                )
            return entry
        names_generator = self.above == "generator" or self.above == "auto" and (genimage or len(names_above) > 1)
        root_name = as_text(self.tree.name) if genimage else ""
        generator = told.generator or ((*names_above, root_name)[0] if names_generator else "")
        return replace(
            entry,
            label=told.label,
            split=entry.split or told.split,
            folder=entry.file.rstrip("/"),
            generator=generator if told.label else "",
        )


def describe_folders(survey: Survey, one_class: bool = False) -> str:
    """One sentence on the layout.

    Args:
        one_class: pictures of one class are enough, if no folder beside them is of an unknown class.

    Raises:
        ValueError: pictures of one class or both are missing; the message lists what was found.
    """
    unclear = survey.archives or any(name.endswith("/") for name in survey.skipped)
    if set(survey.labels) != {0, 1} and not (one_class and survey.labels and not unclear):
        raise ValueError(_not_understood(survey))
    kinds_above = _has_kinds_above(survey)
    name = _layout_name(survey, kinds_above)
    parts = [
        f"{name}: {len(survey.folders)} folders, {sum(survey.labels.values()):,} pictures: {_some(survey.folders)}"
    ]
    if surprise := _read_by_words(survey):
        parts.append(surprise)
    if any(survey.generators):
        parts.append(f"generators: {_some(survey.generators)}")
    elif kinds_above:
        parts.append(
            "the folders above are taken as kinds of pictures, not as generators (--above generator changes that)"
        )
    if len(survey.labels) == 1:
        parts.append(f"all are {CLASSES[next(iter(survey.labels))]}")
    if name.startswith("CIFAKE"):
        parts.append("its JPEGs are enlarged like any picture, so there is no detail finer than their 32 pixels")
    if survey.skipped:
        parts.append(f"skipped, as no images or outside of the class folders: {_some(survey.skipped)}")
    return "; ".join(parts)


def _read_by_words(survey: Survey) -> str:
    """How folders were read whose names do not say their class by themselves; "" if all do."""
    last = {(folder.split("/")[-1], label) for folder, label in survey.class_of_folder.items()}
    if all(name.casefold() in CLASS_NAMES for name, _ in last):
        return ""
    read = [", ".join(sorted(name for name, own in last if own == label)[:6]) for label in (0, 1)]
    return f"read as photographs: {read[0]}; as AI images: {read[1]} (--real-folder changes that)"


def _not_understood(survey: Survey) -> str:
    reason = "no class folder"
    if survey.labels:
        reason = f"only {CLASSES[next(iter(survey.labels))]} pictures, in {_some(survey.folders)}"
    rest = f"; besides, {_some(survey.skipped)}" if survey.skipped else ""
    hint = "; if one of these folders holds photographs and those beside it AI images, name it with --real-folder"
    if survey.archives:
        hint = f"; the archives in it ({_some(survey.archives)}) are not looked into: unpack them first"
    folders = any(name.endswith("/") for name in survey.skipped)
    hint *= folders or bool(survey.archives)
    return f"the layout is not understood: found {reason}{rest}{hint}; understood are: {SUPPORTED}"


def _has_kinds_above(survey: Survey) -> bool:
    """Whether a class folder lies in a folder that names no split."""
    names = {name for folder in survey.folders for name in folder.split("/")[:-1]}
    return any(name.casefold() not in SPLIT_NAMES and not is_wrapper(name) for name in names)


def _layout_name(survey: Survey, kinds_above: bool) -> str:
    words = {folder.split("/")[-1].casefold() for folder in survey.folders}
    if words == {"real", "fake"} and len(survey.folders) == 4 and set(survey.splits) == {"train", "test"}:
        if _picture_size(survey.first) == CIFAKE_SIZE:
            return "CIFAKE layout (32×32)"
    if words == GENIMAGE:
        return "GenImage layout"
    return "ForenSynths layout" if kinds_above and words == {"0_real", "1_fake"} else "class folders"


def _picture_size(entry: PictureEntry) -> tuple[int, int] | None:
    try:
        return open_stored(entry.read()).size
    except ImageError:
        return None


def _some(names: Counter, most: int = 6) -> str:
    """The first names with their counts, and the number of further ones."""
    named = [f"{name} ({count:,})" for name, count in sorted(names.items()) if name]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more
