"""JSON: lines that every text fits into, and reading what somebody else may have written, cut off or changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aireal.evidence.value_types import fits

from .file_names import shown

Fields = Mapping[str, Any]  # name → its type (as for `fits`), or the fields of the object under it


def parse_json(text: str | bytes, utf8: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        utf8: refuse escapes of half a surrogate pair, too: texts with them cannot be written as UTF-8.

    Raises:
        ValueError: it is no JSON, is not in UTF-8, or is nested too deeply to be read.
    """
    try:
        value = json.loads(text)
        if utf8:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeError:
        raise ValueError("it is not in UTF-8") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None


def json_line(value: Any, sort_keys: bool = False) -> bytes:
    """A value as a line of a JSON Lines file.

    What UTF-8 cannot hold, such as a byte of a file name that is not UTF-8 (PEP 383), becomes JSON's escape of it.
    """
    return f"{json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)}\n".encode("utf-8", "backslashreplace")


def has_fields(value: Any, fields: Fields) -> bool:
    """Whether a value is a JSON object that has all the fields, each of its type; further fields do not matter."""
    return isinstance(value, dict) and all(
        name in value and (has_fields if isinstance(kind, Mapping) else fits)(value[name], kind)
        for name, kind in fields.items()
    )


def read_object(path: Path, cure: str, fields: Fields | None = None) -> dict:
    """The JSON object of a file.

    Args:
        cure: what to do where it is damaged; it ends the message of the error.
        fields: that it must have.

    Raises:
        ValueError: the file is no JSON object, or lacks a field or has one of another type.
        OSError: it cannot be opened.
    """
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{shown(path)} is damaged: {error}. {cure}") from None
    if not has_fields(value, fields or {}):
        wanted = f" with {', '.join(fields)}" if fields else ""
        raise ValueError(f"{shown(path)} is damaged: it is no JSON object{wanted}. {cure}")
    return value
