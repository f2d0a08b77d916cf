"""Keep the paths that somebody else's table names inside the folder that the user named.

A table of another person may hold `../../Pictures/diary.png`, an absolute path, or the name of a link. What it names is
copied, shown in reports and sent to Claude, so that a private picture would leave the machine with it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .file_names import shown

DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\|//")  # C:\, and a server's name


class Inside:
    """The paths of one table, each of which must lie in a folder, links followed.

    Args:
        folder: nothing outside of it may be named.
        start: what names are relative to; the folder itself by default.
        absolute: whether a name may be an absolute path that lies in the folder.
    """

    def __init__(self, folder: str | Path, start: str | Path | None = None, absolute: bool = False):
        self.folder, self.start, self.absolute = Path(folder), Path(start or folder), absolute
        self._real = os.path.realpath(folder)
        self._parents: dict[str, bool] = {}

    def path(self, name: str) -> Path:
        """`start / name`, which need not exist.

        Raises:
            ValueError: it leads out of the folder, by itself or by a link; or no file can have the name.
        """
        if "\0" in name:
            raise ValueError(f"no file can have the name {shown(name)}")
        path, plain = self.start / name, name.replace("\\", "/")
        absolute = Path(plain).is_absolute() or bool(DRIVE.match(name))
        if absolute and not (self.absolute and Path(name).is_absolute()) or self._leads_out(self.start / plain):
            raise ValueError(f"{shown(name)} leads out of {shown(self.folder)}")
        # a name with backslashes is looked for with slashes, too (`find_by_name`)
        if self._leads_out(path) or not (self._is_inside(path) and self._is_inside(self.start / plain)):
            raise ValueError(f"{shown(name)} leads out of {shown(self.folder)} by a link")
        return path

    def _leads_out(self, path: Path) -> bool:
        """Whether the text of the path leads out, whatever lies on the disk."""
        folder = os.path.abspath(self.folder)
        text = os.path.abspath(path)
        return not (_is_below(text, folder) or _is_below(text, self._real))

    def _is_inside(self, path: Path) -> bool:
        """Whether the file lies inside when links are followed. Most files of a table share few folders."""
        if os.path.islink(path) or ".." in path.parts:  # unlike `Path.is_symlink`, no error for a name that is too long
            return _is_below(os.path.realpath(path), self._real)
        parent = str(path.parent)
        if parent not in self._parents:
            self._parents[parent] = _is_below(os.path.realpath(parent), self._real)
        return self._parents[parent]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
