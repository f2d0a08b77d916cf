"""One picture among many: a file, a member of a tar, or a file behind an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aireal.core.errors import ImageError
from aireal.core.file_names import names_path, path_fields, recorded_path
from aireal.core.imagefile import MAX_BYTES, read_bytes
from aireal.core.json_text import json_line, parse_json
from aireal.evidence.value_types import misfit

from .addresses import is_address, read_address


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture's bytes are.

    Attributes:
        name: path or address, as tables show it; of a member of a tar, that of the tar and the member's name behind it.
        archive: path or address of the tar, "" for a file of its own.
        offset, size: of the member's bytes in the tar.
    """

    name: str
    archive: str = ""
    offset: int = 0
    size: int = 0

    def read(self, folder: Path) -> bytes:
        """The picture's bytes.

        Args:
            folder: what relative paths are relative to.

        Raises:
            ImageError: it cannot be read; one sentence.
        """
        if self.archive:
            return self._member(folder)
        return read_address(self.name) if is_address(self.name) else read_bytes(folder / self.name)

    def _member(self, folder: Path) -> bytes:
        if self.size > MAX_BYTES:
            raise ImageError(f"the file has {self.size / 2**30:.0f} GB, more than a picture; check what it is")
        if is_address(self.archive):
            data = read_address(self.archive, self.offset, self.size)
        else:
            data = _read_part(folder / self.archive, self.offset, self.size)
        if len(data) < self.size:
            raise ImageError("the tar ends inside this picture; download it again")
        return data

    def to_json(self) -> str:
        """One line without its end, which UTF-8 and Arrow can hold; `from_json` reads it."""
        member = {"archive": self.archive, "offset": self.offset, "size": self.size} if self.archive else {}
        return json_line(path_fields(self.name) | member).decode().removesuffix("\n")

    @staticmethod
    def from_json(line: str) -> Source:
        """The source that `to_json` wrote.

        Raises:
            ValueError: the line is none of it.
        """
        entry = parse_json(line)
        if not isinstance(entry, dict) or not names_path(entry):
            raise ValueError("no path is in it")
        source = Source(recorded_path(entry), entry.get("archive", ""), entry.get("offset", 0), entry.get("size", 0))
        if misfit(source):
            raise ValueError(f"its {misfit(source)} is of another type")
        if source.offset < 0 or source.size < 0:
            raise ValueError("its place in the tar is no place")
        return source


def _read_part(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except FileNotFoundError:
        raise ImageError("the tar does not exist any more; check the path") from None
    except OSError as error:
        raise ImageError(f"the tar cannot be read ({error.strerror}); copy it again") from None
