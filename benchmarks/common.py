"""Shared by the benchmarks: alternating rounds, ratios with intervals, and measurements in separate processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import tyro
from scipy import stats

from aireal.config import REPOSITORY
from aireal.dataset.manifest import Item

HERE = Path(__file__).resolve().parent


@dataclass
class BaseOptions:
    """Options of all benchmarks."""

    root: Path = REPOSITORY / "dataset"
    profile: str = "sample"
    seed: int = 7
    out: Path = REPOSITORY  # the metrics are written to its metrics/


def in_turn(items: list[Item]) -> list[Item]:
    """Photographs and AI images in turn."""
    by_label = [[item for item in items if item.label == label] for label in (0, 1)]
    return [item for pair in zip_longest(*by_label) for item in pair if item]


def alternate(arms: dict[str, Callable[[int], object]], repeats: int) -> dict[str, list]:
    """The results of every arm in `repeats` rounds.

    All arms take turns, in reverse order in every second round, so that a machine that becomes slower or faster affects
    them alike.

    Args:
        arms: functions of the number of the round (0-based), by name.
    """
    results: dict[str, list] = {name: [] for name in arms}
    for number in range(repeats):
        for name in list(arms)[:: -1 if number % 2 else 1]:
            print(f"round {number + 1} of {repeats}: {name} ...", flush=True)
            results[name].append(arms[name](number))
    return results


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def speedup(slow: list[float], fast: list[float]) -> dict[str, float | None]:
    """The ratio of seconds, slow / fast: geometric mean over the rounds, and its 95% interval by Student's t of the
    logarithms. With a single round there is no interval (None).

    Returns:
        {"value", "low", "high"}
    """
    ratios = np.log(np.array(slow) / np.array(fast))
    low, high = (
        stats.t.interval(0.95, len(ratios) - 1, ratios.mean(), stats.sem(ratios))
        if len(ratios) > 1 and ratios.std()
        else (ratios.mean(),) * 2
    )
    logarithms = {"value": ratios.mean(), "low": low, "high": high}
    return {
        name: None if len(ratios) == 1 and name != "value" else round(float(np.exp(logarithm)), 3)
        for name, logarithm in logarithms.items()
    }


def in_own_process(module: str, function: str, *arguments) -> dict:
    """Call `function(*arguments)` of a benchmark's module in a new process; arguments and result are JSON.

    Raises:
        RuntimeError: it failed; the message ends with the last line of its standard error.
    """
    call = f"import json, sys; import {module}; print(json.dumps({module}.{function}(*json.loads(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", call, json.dumps(arguments)], cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["the process was killed"])[-1]
        raise RuntimeError(f"{module}.{function}: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def command(main: Callable[[object], int], options: type, description: str) -> None:
    """Run a benchmark as a command and exit; a ValueError is printed as one sentence, with status 2."""
    try:
        raise SystemExit(main(tyro.cli(options, description=description)))
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
