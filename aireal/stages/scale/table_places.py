"""Where the pictures of a table may lie: below its folder, or below the place that the user named.

A table may come from a stranger. What it names is read with the user's own rights and keys, and drawn into panels.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from aireal.core.file_names import find_by_name, shown
from aireal.core.inside import Inside

from .addresses import file_system, is_address


class TablePlaces:
    """The places that the rows of one table name.

    Args:
        table: path or address of the table.
        base: folder or address that holds all its pictures; "" for the table's own folder.

    Raises:
        ValueError: `base` is an address that is not read here.
    """

    def __init__(self, table: str, base: str = ""):
        self._folder = posixpath.dirname(table) if is_address(table) else str(Path(table).parent)
        self._base = base or self._folder
        local = _local_path(self._base)
        self._inside = None if local is None else Inside(local, absolute=True)

    def place(self, path: str) -> str:
        """The path or address of a row's picture; a relative one is beside the table.

        Raises:
            ValueError: it lies elsewhere.
        """
        place = self._beside_table(path)
        if not self._holds(place):
            raise ValueError(
                f"{shown(path)} lies outside of {shown(self._base)}; if the table is yours, name the folder or address "
                "that holds all its pictures with --base"
            )
        return place

    def _beside_table(self, path: str) -> str:
        if is_address(path):
            return path
        if is_address(self._folder):
            return posixpath.join(self._folder, path)
        return str(find_by_name(Path(self._folder), path))

    def _holds(self, place: str) -> bool:
        local = _local_path(place)
        if local is None or self._inside is None:
            below = place.startswith(f"{self._base.rstrip('/')}/") and ".." not in place.split("/")
            return local is None and self._inside is None and below
        try:
            self._inside.path(str(Path(local).absolute()))
        except ValueError:
            return False
        return True


def _local_path(place: str) -> str | None:
    """The path of a place on this machine; None for one behind an address."""
    if not is_address(place):
        return place
    return file_system(place)[1] if place.startswith("file://") else None
