"""Whether a value that was read from JSON is of the type that a field of a dataclass or a journal declares."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

LARGEST = sys.float_info.max


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type, its parts included.

    Stricter than `isinstance`, as Python's reader of JSON takes more than JSON has: True is no number, and NaN,
    infinity and numbers too large for a float64 are none, either. An int counts as a float.

    Args:
        hint: a class, dataclass, union, `list[...]`, `dict[str, ...]` or `tuple[...]`.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple) and _fit_tuple(value, parts)
    if origin in (list, dict):
        inside = value.values() if isinstance(value, dict) else value
        return isinstance(value, origin) and all(fits(part, parts[-1]) for part in inside)
    if dataclasses.is_dataclass(hint):
        return isinstance(value, hint) and misfit(value) is None
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool) and _finite(value)
    return isinstance(value, hint)


def misfit(record: Any) -> str | None:
    """The name of the first field of a dataclass whose value is not of its declared type; None where all are."""
    hints = _hints(type(record))
    return next((name for name, hint in hints.items() if not fits(getattr(record, name), hint)), None)


def _fit_tuple(value: tuple, parts: tuple) -> bool:
    if parts[-1] is Ellipsis:
        return all(fits(part, parts[0]) for part in value)
    return len(value) == len(parts) and all(map(fits, value, parts))


def _finite(value: float) -> bool:
    """Unlike `math.isfinite` without an error for an integer that no float64 holds."""
    return -LARGEST <= value <= LARGEST


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
