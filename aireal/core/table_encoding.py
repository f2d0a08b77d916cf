"""What a file that should be a table really is: text in some encoding, a workbook, or something else with a cure.

Excel writes "CSV UTF-8" with a byte order mark, "Unicode text" as UTF-16 with tabs, and in Korea plain "CSV" as cp949.
"""

from __future__ import annotations

import codecs
import zipfile
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

WORKBOOK = "xlsx"
SAVE_AGAIN = 'save it as "CSV UTF-8"'
_BLOCK, _SAMPLE = 1 << 20, 1 << 14  # bytes: read at a time; shown to charset-normalizer
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = (  # first bytes, what they are, what to do
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls), or one with a password", f"{SAVE_AGAIN} or as .xlsx"),
    (b"version https://git-lfs", "a Git LFS pointer, not the table itself", "run `git lfs pull`"),
    (b"PAR1", "a Parquet file", SAVE_AGAIN),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"%PDF", "a PDF", SAVE_AGAIN),
    (b"\x89PNG", "a picture", "give the table"),
    (b"\xff\xd8\xff", "a picture", "give the table"),
    (b"{\\rtf", "a text document (RTF)", SAVE_AGAIN),
)
_JSON = (b"{", b"[{", b"[[", b'["')  # not "[", with which a column's name may begin
_WEB = (b"<!doctype", b"<html", b"<table", b"<?xml")
_IN_ZIP = (  # an entry of the archive, what the archive is, what to do
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)", f"{SAVE_AGAIN} or as .xlsx"),
    ("content.xml", "an OpenDocument file (.ods)", f"{SAVE_AGAIN} or as .xlsx"),
    ("Index/Document.iwa", "an Apple Numbers file", "export it as CSV, UTF-8"),
)
_SMALL_WORKBOOK, _MOST_EXPANSION = 2**26, 100  # bytes; times its own size: cells shrink to a twentieth or so
_HANGUL = 0.95  # share of the letters that are not ASCII, from which a text is Korean
# The encodings of Excel's plain CSV in Korea, Japan, China, Taiwan and the West. Only cp949 is read: a wrong guess
# among the others would spoil names without a word.
_LEGACY = ["cp949", "cp932", "gb18030", "big5", "cp1252"]


def encoding_of(path: Path) -> str:
    """Python's name of the encoding of a text, or `WORKBOOK` for an Excel workbook, by the content alone.

    UTF-8 with or without a mark, UTF-16 and UTF-32 (UTF-16 without a mark, too), and cp949. The whole file is looked
    at, so that what is returned decodes all of it.

    Raises:
        ValueError: the file is something else, damaged, or in another encoding; the message has the line and a cure.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(path)
    for start, what, cure in _OTHERS:
        if head.startswith(start):
            raise ValueError(f"{path} is {what}; {cure}")
    begins = head.lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    if begins.startswith(_JSON):
        raise ValueError(f"{path} is JSON, not a table; {SAVE_AGAIN}")
    if begins.startswith(_WEB):
        raise ValueError(f"{path} is a web page or XML, not a table; download the table again, or {SAVE_AGAIN}")
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _without_mark(head)
    try:
        for line, text in _text(path, encoding):
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise ValueError(f"{path} line {line} holds a NUL byte, so the file is damaged; {SAVE_AGAIN} again")
    except UnicodeDecodeError as error:
        return _legacy(path, encoding, error)
    return encoding


def _in_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # the last for versions of zip that nobody writes
        raise ValueError(f"{path} is a damaged workbook or archive; copy it again") from None
    if "xl/workbook.xml" in names:
        if unpacked > max(_SMALL_WORKBOOK, _MOST_EXPANSION * path.stat().st_size):
            raise ValueError(f"{path} is made to fill the memory: it would unpack to {unpacked:,} bytes; {SAVE_AGAIN}")
        return WORKBOOK
    for name, what, cure in _IN_ZIP:
        if name in names:
            raise ValueError(f"{path} is {what}; {cure}")
    raise ValueError(f"{path} is a zip archive, not a table; unpack it")


def _without_mark(head: bytes) -> str:
    """UTF-16 if every second byte is often NUL, as where ASCII is written in it; else UTF-8.

    A header begins with ASCII, as a rule, but the cells need not hold any.
    """
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) / 20 or max(even, odd) < 4 * min(even, odd):
        even, odd = head[:2][::2].count(0), head[:2][1::2].count(0)
    return "utf-8" if even == odd else "utf-16-be" if even > odd else "utf-16-le"


def _text(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The text by blocks, each with the number of the line in which it begins.

    Raises:
        UnicodeDecodeError: its `reason` is the number of the line.
    """
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                error.reason = str(line + error.object[: error.start].count(b"\n"))
                raise
            yield line, text
            if not block:
                return
            line += text.count("\n")


def _legacy(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    """cp949 if the file is Korean text in it.

    Raises:
        ValueError: it is not; the message has the line that could not be decoded, and the likely encoding.
    """
    broken = f"{path} line {error.reason}"
    if encoding != "utf-8":
        begins = encoding.upper().removesuffix("-SIG")
        raise ValueError(f"{broken} is not in {begins}, as the file begins; {SAVE_AGAIN} again") from None
    guess = _guess(path)
    if guess == "cp949" and _is_hangul(path):
        return guess
    likely = f" (it may be {guess})" if guess else ""
    raise ValueError(f"{broken} is not in UTF-8{likely}; {SAVE_AGAIN}") from None


def _guess(path: Path) -> str | None:
    """The likely encoding of the lines that are not ASCII."""
    sample = b""
    with path.open("rb") as file:
        for line in file:  # whole lines, for a letter cut in half decodes in no encoding
            sample += b"" if line.isascii() else line
            if len(sample) >= _SAMPLE:
                break
    found = from_bytes(sample, cp_isolation=_LEGACY, threshold=0.5).best()
    return found.encoding if found else None


def _is_hangul(path: Path) -> bool:
    """Whether all of the file decodes as cp949, and what is not ASCII as Hangul, not as the Chinese signs that other
    encodings would give."""
    hangul = letters = 0
    try:
        for _, text in _text(path, "cp949"):
            foreign = [sign for sign in text if not sign.isascii() and sign.isalpha()]
            if "\0" in text:
                return False
            hangul += sum("가" <= sign <= "힣" for sign in foreign)
            letters += len(foreign)
    except UnicodeDecodeError:
        return False
    return hangul >= _HANGUL * letters
