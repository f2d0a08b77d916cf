"""Parts that all tables of these pages share."""

from __future__ import annotations

import platform
from pathlib import Path

PRECISIONS = {"bf16": "bfloat16", "fp16": "float16", "no": "float32 (this machine has no fast bfloat16)"}


def table(*rows: tuple) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = [f"| {' | '.join(map(str, cells))} |" for cells in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body]) + "\n"


def ratio(estimate: dict | None) -> str:
    """A speedup with its interval; None is the arm that the others are compared with."""
    if estimate is None:
        return "1"
    interval = "" if estimate["low"] is None else f" [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    return f"{estimate['value']:.2f}{interval}"


def signed(difference: dict | None) -> str:
    """A difference with its interval; None is an empty cell."""
    if difference is None:
        return ""
    return f"{difference['value']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def goal(metrics: dict, speedups: dict) -> str:
    """One sentence on the first of the loops, which the goal refers to."""
    name, reached = next(iter(speedups.items()))
    return f"Goal, against `{name}`: {reached_goal(reached, metrics['goal'])}"


def reached_goal(estimate: dict, target: float) -> str:
    missed = "" if estimate["value"] >= target else ", which is less"
    return f"{target}×; reached: {estimate['value']:.2f}×{missed}."


def circumstances(metrics: dict) -> str:
    """One sentence on machine, precision, seed and versions."""
    versions = metrics["versions"]
    return (
        f"{metrics['cpu']} ({metrics['device']}); ours computed in {PRECISIONS[metrics['precision']]}; "
        f"seed {metrics['seed']}, torch {versions['torch']}, timm {versions['timm']}, Pillow {versions['pillow']}."
    )


def cpu_name() -> str:
    """The processor's name, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
