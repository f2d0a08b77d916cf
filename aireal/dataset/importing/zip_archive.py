"""Pictures in a zip, read where they are: nothing is unpacked to the disk, so no name in it can lead anywhere."""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from aireal.core.file_names import composed
from aireal.core.imagefile import MAX_PIXELS, SUFFIXES, ImageError
from aireal.core.picture_files import is_companion

MOST_BYTES = 4 * MAX_PIXELS  # of one file: the largest picture that is read, uncompressed and with an alpha channel
MOST_EXPANSION = 100  # times the archive's own size; pictures are compressed already and hardly shrink in a zip
SMALL_ENOUGH = 2 * 2**30  # bytes that may always come out: flat BMP files do shrink
UTF8_NAMES = 0x800  # a flag of an entry
OTHER_ARCHIVES = {b"Rar!": "RAR", b"7z\xbc\xaf": "7z", b"\x1f\x8b": "gzip", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One file in a zip."""

    archive: zipfile.ZipFile = field(repr=False)
    info: zipfile.ZipInfo = field(repr=False)

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            ImageError: it would take more than `MOST_BYTES`, or the archive is damaged there.
        """
        if self.info.file_size > MOST_BYTES:
            raise ImageError(f"the file would unpack to {self.info.file_size:,} bytes, more than any picture needs")
        try:
            with self.archive.open(self.info) as file:  # yields at most `file_size` bytes, whatever the data say
                return file.read()
        except NotImplementedError:
            raise ImageError("the zip packs this file in a way that Python cannot read; unpack it first") from None
        except Exception:  # each way of packing has its own: zlib.error, lzma.LZMAError ...
            raise ImageError("the file is damaged inside the zip; download the zip again") from None


class ZipFolders:
    """The folders and files of a zip; a place is the path of a folder with a slash at its end, or "".

    Names that would lead out of the archive and links are left out; `unsafe` counts them.

    Raises:
        ValueError: the file is no whole zip, it is encrypted, or it is made to fill a disk.
    """

    def __init__(self, path: Path):
        self.path, self.unsafe = path, 0
        self._archive = _open(path)
        self._folders: dict[str, set[str]] = {"": set()}
        self._files: dict[str, dict[str, zipfile.ZipInfo]] = {}
        _require_harmless(self._archive, path)
        for info in self._archive.infolist():
            self._add(info)

    @property
    def name(self) -> str:
        """Name of the archive without its suffix, which stands for that of its top folder."""
        return self.path.resolve().stem

    def listing(self, place: str) -> tuple[list[str], list[str]]:
        """(names of the folders, names of the files) in a place."""
        return list(self._folders.get(place, ())), list(self._files.get(place, ()))

    def enter(self, place: str, name: str) -> str:
        """The place of a folder in a place."""
        return f"{place}{name}/"

    def content(self, place: str, name: str) -> ZipMember:
        """The file of this name in a place."""
        return ZipMember(self._archive, self._files[place][name])

    def note(self) -> str:
        """What was left out for safety, to go behind the layout; "" if nothing was."""
        left_out = "; left out, because they are links or their names lead out of the zip"
        return f"{left_out}: {self.unsafe:,} entries" if self.unsafe else ""

    def find(self, path: str) -> ZipMember | None:
        """The file with this path, None if there is none. Unicode's form and the kind of slashes do not matter."""
        *folders, name = _parts(path) or [""]
        info = self._files.get("".join(f"{folder}/" for folder in folders), {}).get(name)
        return ZipMember(self._archive, info) if info else None

    def find_table(self, name: str) -> tuple[str, ZipMember] | None:
        """(place, file) of this name at the top, or in the one folder that wraps everything; None if there is none."""
        place = ""
        while (member := self.find(place + name)) is None:
            folders, files = self.listing(place)
            folders = [folder for folder in folders if not is_companion(folder)]
            if len(folders) != 1 or any(not is_companion(file) for file in files):
                return None
            place = self.enter(place, folders[0])
        return place, member

    def _add(self, info: zipfile.ZipInfo) -> None:
        name = _name_of(info).replace("\\", "/")
        parts = _parts(name)
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if is_link or name.startswith("/") or DRIVE.match(name) or ".." in parts:
            self.unsafe += 1
            return
        *folders, last = [*parts, ""] if name.endswith("/") else parts or [""]
        place = ""
        for folder in folders:
            self._folders.setdefault(place, set()).add(folder)
            place += f"{folder}/"
            self._folders.setdefault(place, set())
        if last:
            self._files.setdefault(place, {})[last] = info


def _parts(path: str) -> list[str]:
    """The names in a path of a zip, or of a table in it, in Unicode's composed form."""
    return [composed(part) for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        if list(path.parent.glob(f"{path.stem}.z0*")):
            raise ValueError(
                f"{path.name} is one part of a zip in several; join them first: "
                f"zip -s 0 {path.name} --out whole.zip, and import whole.zip"
            ) from None
        raise ValueError(f"{path.name} {_what_it_is(path)}") from None


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2**12)
    text = start.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").casefold()
    if text.startswith("version https://git-lfs"):
        return "is a Git LFS pointer, not the zip itself; run `git lfs pull` in the repository that it came from"
    if text.startswith("<"):
        return (
            "is a web page, not a zip; the site sent no archive, so download it again, logged in or with its own tool"
        )
    for mark, name in OTHER_ARCHIVES.items():
        if start.startswith(mark):
            return f"is a {name} archive, not a zip; unpack it, and give the folder"
    return "is no whole zip; download it again, or unpack it and give the folder"


def _require_harmless(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what is encrypted, and what unpacks to far more than its size, as Fifield's "A better zip bomb" (2019)."""
    entries, size = archive.infolist(), max(path.stat().st_size, 1)
    if any(info.flag_bits & 1 for info in entries):
        raise ValueError(f"{path.name} is encrypted; unpack it with its password, and give the folder")
    pictures = [info for info in entries if Path(info.filename).suffix.lower() in SUFFIXES]
    unpacked = sum(info.file_size for info in pictures)
    overlapping = sum(info.compress_size for info in entries) > size
    if overlapping or unpacked > max(SMALL_ENOUGH, MOST_EXPANSION * size):
        raise ValueError(
            f"{path.name} is made to fill a disk: its {size:,} bytes would unpack to {unpacked:,}; "
            "if you trust it, unpack it yourself and give the folder"
        )


def _name_of(info: zipfile.ZipInfo) -> str:
    """The entry's name. Without the flag for UTF-8, Python reads it as code page 437; macOS means UTF-8 all the same,
    and Korean Windows means code page 949."""
    if info.flag_bits & UTF8_NAMES:
        return info.filename
    raw = info.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename
