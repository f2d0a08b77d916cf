"""Mutations of texts, JSON and workbooks. Those of pictures are in `helpers.mutations`."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Generator = np.random.Generator
DEEP = 100_000  # brackets in one another; Python's own reader gives up at about a thousand
LONG = 200_000  # characters of one line
# what may stand in a column or field of a path: traversal, absolute and foreign paths, names that no file can have
PATHS = (
    "../../SECRET/diary.png",
    "../SECRET/diary.png",
    "data/../../SECRET/diary.png",
    "..\\..\\SECRET\\diary.png",
    "/etc/hostname",
    "C:\\Windows\\win.ini",
    "\\\\server\\share\\a.png",
    "//server/share/a.png",
    "~/.ssh/id_rsa",
    "file:///etc/hostname",
    "a" * 5000,
    "a\0b.png",
    "\ud800.png",
    "\udcff.png",
    "",
    ".",
    "..",
    "/",
    "con",
    "x\x1b[2J\r\n\u202egnp.exe",
    "=cmd|'/c calc'!A0",
    "$(touch SECRET/pwned)",
)
TEXTS = (
    *PATHS,
    "\x00\x07\x1b]0;title\x07",
    "\u2028\u2029\u200f",
    "é가\U0001f600",
    "e\u0301" * 50,
    "NaN",
    "inf",
    "-1",
    "1e400",
    "9" * 400,
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "real",
    "fake",
    "0",
    "1",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    5,
    2**31,
    2**63,
    10**400,
    -(10**400),
    0.5,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [5],
    [[]],
    [None, "a"],
    {"a": 1},
    "",
)


# --- bytes and texts -------------------------------------------------------------------------------------------------


def _flip(data: bytes, rng: Generator) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(data: bytes, rng: Generator) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _insert(data: bytes, rng: Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, 40))) + data[place:]


def _remove(data: bytes, rng: Generator) -> bytes:
    place = int(rng.integers(0, len(data)))
    return data[:place] + data[place + int(rng.integers(1, 64)) :]


def _repeat(data: bytes, rng: Generator) -> bytes:
    first, place = (int(number) for number in rng.integers(0, len(data), 2))
    chunk = data[first : first + int(rng.integers(1, 300))] * int(rng.integers(1, 5))
    return data[:place] + chunk + data[place:]


def _text(data: bytes, rng: Generator) -> bytes:
    """A hostile text at some place, as often between two delimiters as anywhere."""
    text = TEXTS[rng.integers(len(TEXTS))].encode("utf-8", "surrogatepass")
    marks = [place for place, byte in enumerate(data[:5000]) if byte in b',;\t":']
    if marks and rng.random() < 0.7:
        begin = marks[rng.integers(len(marks))] + 1
        end = next((place for place in marks if place > begin), begin)
        return data[:begin] + text + data[end:]
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + text + data[place:]


def _encoding(data: bytes, rng: Generator) -> bytes:
    names = ("utf-16", "utf-16-le", "utf-32", "cp949", "latin-1", "utf-8-sig", "utf-7", "shift_jis")
    return data.decode("utf-8", "replace").encode(names[rng.integers(len(names))], "replace")


def _long(data: bytes, rng: Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    filler = (b"a", b" ", b'"', b"0", b",", b"[", b"{", "가".encode(), b"\xff", b"\r", b"\n")[rng.integers(11)]
    return data[:place] + filler * (LONG // len(filler)) + data[place:]


def _line_ends(data: bytes, rng: Generator) -> bytes:
    ends = (b"\r\n", b"\r", b"\x85", b"\x0b", b"\n\n", b"\0\n")
    return data.replace(b"\n", ends[rng.integers(len(ends))])


def _empty(data: bytes, rng: Generator) -> bytes:
    return (b"", b"\n", b" ", b"null", b"[]", b"{}", b"5", b'"a"', b"\xff\xfe")[rng.integers(9)]


PLAIN = (_flip, _cut, _insert, _remove, _repeat, _text, _encoding, _line_ends)
RARE = (_long, _empty)


def mutate_text(data: bytes, rng: Generator) -> bytes:
    """One to three mutations of a text's bytes; very long lines and nearly empty files are rarer."""
    for _ in range(rng.integers(1, 4)):
        choice = RARE if rng.random() < 0.06 else PLAIN
        data = choice[rng.integers(len(choice))](data, rng) or b" "
    return data


# --- JSON ------------------------------------------------------------------------------------------------------------


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every part of a JSON value."""
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if type(value) is list else []
    return [place for key, part in pairs for place in ((value, key), *_places(part))]


def _of_another_type(value: Any, rng: Generator) -> Any:
    if rng.random() < 0.3:
        return TEXTS[rng.integers(len(TEXTS))]
    if rng.random() < 0.1:
        return [value]
    if rng.random() < 0.1 and isinstance(value, int | float):
        return str(value)
    return copy.deepcopy(VALUES[rng.integers(len(VALUES))])


def _mutate_value(document: Any, rng: Generator) -> Any:
    """Another type or value for one to three parts, or parts that are removed, renamed or added."""
    document = copy.deepcopy(document)
    for _ in range(rng.integers(1, 4)):
        places = _places(document)
        if not places or rng.random() < 0.02:
            return _of_another_type(document, rng)
        container, key = places[rng.integers(len(places))]
        act = rng.random()
        if act < 0.75 or isinstance(container, list):
            container[key] = _of_another_type(container[key], rng)
        elif act < 0.9:
            del container[key]
        else:
            container[TEXTS[rng.integers(len(TEXTS))]] = container.pop(key)
    return document


def mutate_json(data: bytes, rng: Generator) -> bytes:
    """A JSON text whose values have other types, or that is nested deeply, or whose bytes are damaged."""
    act = rng.random()
    if act < 0.2:
        return mutate_text(data, rng)
    if act < 0.22:
        return (b"[", b'{"a":')[rng.integers(2)] * DEEP
    document = _mutate_value(json.loads(data), rng)
    text = json.dumps(document, ensure_ascii=bool(rng.integers(2)))
    if act < 0.24:
        text = text.replace("null", "[" * DEEP + "]" * DEEP, 1)
    return text.encode("utf-8", "surrogatepass")


def mutate_lines(data: bytes, rng: Generator) -> bytes:
    """JSON lines of which some are mutated, repeated, or moved."""
    if rng.random() < 0.25:
        return mutate_text(data, rng)
    lines = data.splitlines()
    for place in set(rng.integers(0, len(lines), rng.integers(1, 3)).tolist()):
        lines[place] = mutate_json(lines[place], rng).replace(b"\n", b" ") if lines[place].strip() else b"{}"
    if rng.random() < 0.2:
        lines.append(lines[rng.integers(len(lines))])
    return b"\n".join(lines) + b"\n" * int(rng.integers(2))


# --- workbooks -------------------------------------------------------------------------------------------------------


def mutate_workbook(data: bytes, rng: Generator) -> bytes:
    """Damage the archive itself, or one of the files in it."""
    if rng.random() < 0.5:
        return _either(PLAIN[:5], data, rng)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        names = source.namelist()
        chosen = names[rng.integers(len(names))] if rng.random() < 0.3 else "xl/worksheets/sheet1.xml"
        for name in names:
            part = source.read(name)
            entry = zipfile.ZipInfo(name)  # at a fixed time
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, mutate_text(part, rng) if name == chosen else part)
    return target.getvalue()


def _either(choices: tuple[Callable, ...], data: bytes, rng: Generator) -> bytes:
    return choices[rng.integers(len(choices))](data, rng)
