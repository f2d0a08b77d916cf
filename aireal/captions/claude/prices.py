"""Dated prices of models (models.json), the tokens that a reply used, and their cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODELS = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
DEFAULT_MODEL = MODELS["default"]
COUNTED = ("input_tokens", "output_tokens", "cache_write_5m", "cache_write_1h", "cache_read")


def usage_of(message: Any) -> dict[str, int]:
    """Tokens of a message by the kinds that have a price.

    `input_tokens` are those neither read from nor written to the cache. Counters that the service leaves out are 0, and
    cache writes of an unknown kind count as the dearer ones.
    """
    usage = message.usage

    def number(of: Any, name: str) -> int:
        value = getattr(of, name, None)
        return value if isinstance(value, int) else 0

    kinds = getattr(usage, "cache_creation", None)
    write_5m, write_1h = number(kinds, "ephemeral_5m_input_tokens"), number(kinds, "ephemeral_1h_input_tokens")
    write_1h += max(0, number(usage, "cache_creation_input_tokens") - write_5m - write_1h)
    read = number(usage, "cache_read_input_tokens")
    counts = (number(usage, "input_tokens"), number(usage, "output_tokens"), write_5m, write_1h, read)
    return dict(zip(COUNTED, counts, strict=True))


def add_usage(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    """The sum of two usages."""
    return {name: first.get(name, 0) + second.get(name, 0) for name in COUNTED}


def cost_usd(usage: dict[str, int], model: str, batch: bool = False) -> float | None:
    """Cost in US dollars by the dated prices of models.json; None for a model without a listed price."""
    price = MODELS["models"].get(model)
    if price is None:
        return None
    read = price["input"] if price["cache_read"] is None else price["cache_read"]
    rates = (price["input"], price["output"], price["cache_write_5m"], price["cache_write_1h"], read)
    dollars = sum(usage.get(name, 0) * rate for name, rate in zip(COUNTED, rates, strict=True)) / 1e6
    return dollars * (MODELS["batch"] if batch else 1)
