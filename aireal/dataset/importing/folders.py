"""Folders whose names tell the class: CIFAKE, GenImage, ForenSynths, or simply real and fake."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aireal.core.imagefile import ImageError, open_stored
from aireal.evidence.record import CLASSES

from .source import CLASS_NAMES, SPLIT_NAMES, SUPPORTED, PictureEntry, Survey

GENIMAGE = {"nature", "ai"}
CIFAKE_SIZE = (32, 32)


def folder_entries(root: Path, above: str) -> Iterator[PictureEntry]:
    """Every file below `root`, in a stable order, with the class, split and generator that its folders tell.

    Args:
        above: meaning of the folders above a class folder, see `disk.open_disk`.
    """
    return _walk(root, PictureEntry("", root), (), above)


def _walk(folder: Path, parent: PictureEntry, names_above: tuple[str, ...], above: str) -> Iterator[PictureEntry]:
    """Every file below `folder`. `parent` holds what the folders down to this one tell of it."""
    folders, files = _list_folder(folder)
    for name in files:
        yield replace(parent, file=parent.file + name, content=folder / name)
    # `train` alone may be the class of trains, or is no split at all
    has_splits = any(SPLIT_NAMES.get(name.casefold()) in ("val", "test") for name in folders)
    for name in folders:
        path = folder / name
        if path.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
            continue  # a link to a folder above would never end
        word, child, names = name.casefold(), replace(parent, file=f"{parent.file}{name}/"), names_above
        if word in CLASS_NAMES:
            child = _in_class(child, name, names_above, above)
        elif word in SPLIT_NAMES and has_splits and not parent.split:
            child = replace(child, split=SPLIT_NAMES[word])
        elif parent.label is None:
            names = (*names_above, name)
        yield from _walk(path, child, names, above)


def _list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """(names of the folders, names of the files) in it, sorted. Hidden ones (macOS leaves some) are skipped."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith((".", "__MACOSX")):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise ValueError(f"the folder {folder} could not be read ({error.strerror}); check its permissions") from None
    return sorted(folders), sorted(files)


def _in_class(entry: PictureEntry, name: str, names_above: tuple[str, ...], above: str) -> PictureEntry:
    """The entry below a class folder called `name`; `entry.content` is still the source's root here."""
    label = CLASS_NAMES[name.casefold()]
    if entry.label is not None:
        if entry.label != label:
            raise ValueError(
                f"the folder {entry.file} is ambiguous: it lies in a folder of {CLASSES[entry.label]} pictures, "
                f"but its name says {CLASSES[label]}; rename one of the two, "
                "or give a .csv with the columns path and label"
            )
        return entry
    genimage = name.casefold() in GENIMAGE
    names_generator = above == "generator" or above == "auto" and (genimage or len(names_above) > 1)
    root_name = entry.content.resolve().name if genimage else ""
    generator = (*names_above, root_name)[0] if names_generator and label else ""
    return replace(entry, label=label, folder=entry.file.rstrip("/"), generator=generator)


def describe_folders(survey: Survey) -> str:
    """One sentence on the layout.

    Raises:
        ValueError: pictures of one class or both are missing; the message lists what was reason.
    """
    if set(survey.labels) != {0, 1}:
        raise ValueError(_not_understood(survey))
    kinds_above = _has_kinds_above(survey)
    name = _layout_name(survey, kinds_above)
    parts = [
        f"{name}: {len(survey.folders)} folders, {sum(survey.labels.values()):,} pictures: {_some(survey.folders)}"
    ]
    if any(survey.generators):
        parts.append(f"generators: {_some(survey.generators)}")
    elif kinds_above:
        parts.append(
            "the folders above are taken as kinds of pictures, not as generators (--above generator changes that)"
        )
    if name.startswith("CIFAKE"):
        parts.append("its JPEGs are enlarged like any picture, so there is no detail finer than their 32 pixels")
    if survey.skipped:
        parts.append(f"skipped, as no images or outside of the class folders: {_some(survey.skipped)}")
    return "; ".join(parts)


def _not_understood(survey: Survey) -> str:
    reason = "no class folder"
    if survey.labels:
        reason = f"only {CLASSES[next(iter(survey.labels))]} pictures, in {_some(survey.folders)}"
    rest = f"; besides, {_some(survey.skipped)}" if survey.skipped else ""
    return f"the layout is not understood: found {reason}{rest}; understood are: {SUPPORTED}"


def _has_kinds_above(survey: Survey) -> bool:
    """Whether a class folder lies in a folder that names no split."""
    paths = [folder.casefold().split("/")[:-1] for folder in survey.folders]
    return any(not set(path) <= SPLIT_NAMES.keys() for path in paths)


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
