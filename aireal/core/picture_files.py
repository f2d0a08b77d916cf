"""Find picture files in folders, and pass over what is no picture of the user's.

That is what macOS, Windows, Jupyter and network disks leave beside pictures, and the figures that this package wrote.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .file_names import shown
from .imagefile import SUFFIXES
from .journal import read_entries

COMPANIONS = {  # in small letters; names that begin with a dot are companions, too
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}
FIGURE = re.compile(r".+-[0-9a-f]{6,}\.png")  # a panel or overlay of `aireal explain`
LINES = ("explain.jsonl", "explain.jsonl.journal")  # its results, and those of a call that has not finished
NAMED = 5  # names in a note


def is_companion(name: str) -> bool:
    """Whether a file or folder of this name only accompanies others: `._cat.jpg`, `.ipynb_checkpoints`, `__MACOSX`,
    `Thumbs.db`, a thumbnail folder of a network disk."""
    return name.startswith(".") or name.casefold() in COMPANIONS


def own_output(folder: Path, folders: Sequence[str], files: Sequence[str]) -> set[str]:
    """The names in a folder that this package wrote as figures: files, and whole folders.

    `aireal explain` writes panels beside the folder overlays, which holds an overlay of a panel's name, and names them
    in explain.jsonl (a picture without a heatmap has no overlay). The prediction of a test set writes result and
    gradcam beside data.jsonl. A run writes readme_images and demo beside its metrics.

    Args:
        folders, files: the names in it.
    """
    own: set[str] = set()
    if "overlays" in folders:
        overlays = {name for name in _listed(folder / "overlays") if not is_companion(name)}
        lines = [entry for name in LINES for entry in read_entries(folder / name)]
        panels = {entry["panel"] for entry in lines if isinstance(entry.get("panel"), str)}
        own |= (overlays | panels) & {name for name in files if FIGURE.fullmatch(name)}
        own |= {"overlays"} if own and all(map(FIGURE.fullmatch, overlays)) else set()
    if {"result", "gradcam"} <= set(folders) and "data.jsonl" in files:
        own |= {"result", "gradcam"}
    if {"metrics", "readme_images"} <= set(folders) and any(n.endswith(".json") for n in _listed(folder / "metrics")):
        own |= {"readme_images", "demo"} & set(folders)
    return own


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


@dataclass
class PictureSearch:
    """The picture files of some paths, and the names of what was passed over."""

    files: list[Path] = field(default_factory=list)
    companions: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """One sentence for each kind that was passed over."""
        kinds = (
            (self.companions, "passed over, because macOS, Windows or Jupyter leave such files beside pictures"),
            (self.own, "passed over, because aireal wrote these figures"),
            (self.unreadable, "passed over, because these folders may not be read; check their permissions"),
        )
        return [f"{sentence}: {_some(names)}" for names, sentence in kinds if names]


def _some(names: list[str]) -> str:
    names = sorted(set(names))  # of folders that overlap
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def search_images(paths: Sequence[Path]) -> PictureSearch:
    """The given files, and all files with an image suffix inside the given folders: each once, in a stable order."""
    search, found = PictureSearch(), []
    for path in map(Path, paths):  # `os.path.isdir` has no error for a name that is too long: reading it says so
        found += sorted(_pictures_below(path, search)) if os.path.isdir(path) else [path]
    search.files = list(dict.fromkeys(found))
    return search


def find_images(paths: Sequence[Path]) -> list[Path]:
    """`search_images` where nobody is told what was passed over."""
    return search_images(paths).files


def _pictures_below(top: Path, search: PictureSearch) -> list[Path]:
    found = []
    for name, folders, files in os.walk(top, onerror=lambda error: search.unreadable.append(shown(error.filename))):
        folder = Path(name)
        own = own_output(folder, folders, files)
        pictures = [file for file in files if Path(file).suffix.lower() in SUFFIXES]
        search.own += [shown(folder / part) for part in [*folders, *pictures] if part in own]
        search.companions += [shown(folder / part) for part in [*folders, *pictures] if is_companion(part)]
        folders[:] = [part for part in folders if part not in own and not is_companion(part)]
        found += [folder / part for part in pictures if part not in own and not is_companion(part)]
        if pictures and not os.access(folder, os.X_OK):  # its names may be listed, and its files not opened
            search.unreadable.append(shown(folder))
    # a broken link is named when it is read, as a missing file is; unlike `Path.is_file` these raise no error
    return [path for path in found if os.path.isfile(path) or os.path.islink(path)]
