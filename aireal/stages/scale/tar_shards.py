"""Pictures in tar files, as WebDataset has them: listed once, and then read where they are.

The library webdataset is not used: it hands addresses to a shell (`pipe:`) and unpickles members by their names. Here
nothing is unpacked to the disk, so no name in a tar can lead anywhere. Each picture is read by its place in the tar, so
that a stopped run continues in its middle.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from aireal.core.errors import first_line
from aireal.core.file_names import shown
from aireal.core.imagefile import SUFFIXES
from aireal.core.picture_files import is_companion

from .addresses import file_system, is_address
from .source import Source

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass
class TarShard:
    """A tar of pictures.

    Attributes:
        path: of the tar, local or an address.
        unsafe: members that were left out: links, and names that lead out of the tar.
    """

    path: str
    unsafe: int = 0

    def sources(self) -> Iterator[Source]:
        """Its pictures in the order of the tar.

        Raises:
            ValueError: it cannot be opened, is compressed, or is damaged in the middle.
        """
        with self._open() as file:
            self._require_plain(file)
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for member in tar:
                        tar.members = []  # tarfile would keep them all
                        if member.size < 0:  # older versions of tarfile would go back, and never end
                            raise tarfile.TarError("a member has a negative size")
                        if self._is_picture(member):
                            name = f"{self.path}/{member.name}"
                            yield Source(name, self.path, member.offset_data, member.size)
                    self._require_end(file, tar.offset)
            except (tarfile.TarError, OSError, EOFError) as error:
                raise ValueError(
                    f"{shown(self.path)} is no whole tar ({first_line(error)}); download it again"
                ) from None

    def note(self) -> str:
        """What was left out for safety; "" if nothing was."""
        if not self.unsafe:
            return ""
        return f"{shown(self.path)}: {self.unsafe:,} members left out, links or with names that lead out of the tar"

    def _open(self) -> BinaryIO:
        try:
            if not is_address(self.path):
                if Path(self.path).exists() and not Path(self.path).is_file():  # a pipe would wait for ever
                    raise ValueError(f"{shown(self.path)} is no regular file; give the tar itself")
                return Path(self.path).open("rb")
            system, path = file_system(self.path)
            return system.open(path, "rb")
        except OSError as error:
            raise ValueError(f"{shown(self.path)} cannot be opened ({error.strerror or first_line(error)})") from None

    def _require_plain(self, file: BinaryIO) -> None:
        start = file.read(6)
        file.seek(0)
        for mark, kind in COMPRESSED.items():
            if start.startswith(mark):
                raise ValueError(f"{shown(self.path)} is compressed ({kind}); unpack it to a plain .tar first")

    def _is_picture(self, member: tarfile.TarInfo) -> bool:
        name = PurePosixPath(member.name.replace("\\", "/"))
        if name.suffix.lower() not in SUFFIXES or any(is_companion(part) for part in name.parts if part != ".."):
            return False
        plain = member.isreg() and not member.issparse()
        if plain and not (name.is_absolute() or DRIVE.match(member.name) or ".." in name.parts):
            return True
        self.unsafe += not member.isdir()
        return False

    def _require_end(self, file: BinaryIO, offset: int) -> None:
        """tarfile takes a broken header for the end: what follows it would be lost without a word."""
        file.seek(offset)
        if any(file.read(tarfile.BLOCKSIZE)):
            raise ValueError(f"{shown(self.path)} is damaged from byte {offset:,} on; download it again")
