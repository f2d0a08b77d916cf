"""What the benchmarks share: alternating repeats, ratios with intervals, and memory measured in processes of their own."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from scipy import stats

from aireal.config import REPOSITORY
from aireal.core.run import Run

HERE = Path(__file__).resolve().parent


@dataclass
class Circumstances:
    """The options that all benchmarks have."""

    root: Path = REPOSITORY / "dataset"
    profile: str = "sample"
    seed: int = 7
    out: Path = REPOSITORY  # its metrics/ gets the JSON


def alternate(arms: dict[str, Callable[[int], object]], repeats: int) -> dict[str, list]:
    """What every arm returns, `repeats` times: all arms in turn, every second round backwards, so that a machine that gets slower or
    faster meanwhile does so to all of them. An arm is given the number of the round."""
    found: dict[str, list] = {name: [] for name in arms}
    for number in range(repeats):
        for name in list(arms)[:: -1 if number % 2 else 1]:
            print(f"round {number + 1} of {repeats}: {name} ...", flush=True)
            found[name].append(arms[name](number))
    return found


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speedup(slow: list[float], fast: list[float]) -> dict[str, float | None]:
    """Seconds of one arm in terms of the other's, round by round: geometric mean, and its 95% interval by Student's t of the logarithms
    (None for one round, which says nothing about the next)."""
    ratios = np.log(np.array(slow) / np.array(fast))
    low, high = (
        stats.t.interval(0.95, len(ratios) - 1, ratios.mean(), stats.sem(ratios))
        if len(ratios) > 1 and ratios.std()
        else (ratios.mean(),) * 2
    )
    exact = {"value": ratios.mean(), "low": low, "high": high}
    return {
        name: None if len(ratios) == 1 and name != "value" else round(float(np.exp(v)), 3) for name, v in exact.items()
    }


def in_own_process(module: str, function: str, *arguments) -> dict:
    """`function(*arguments)` of one of the benchmarks in a new process; arguments and result are JSON.

    Raises:
        RuntimeError: it failed; the message is the last line of what it said.
    """
    call = f"import json, sys; import {module}; print(json.dumps({module}.{function}(*json.loads(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", call, json.dumps(arguments)], cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{module}.{function}: {(done.stderr.strip().splitlines() or ['the process was ended'])[-1]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    named = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return named[0] if named else platform.processor() or platform.machine()


def finish(run: Run, out: Path, name: str, values: dict, problems: list[str]) -> int:
    """Write <out>/metrics/<name>.json, and docs/speed.md where that is the repository's, say what was found; 1 if results were not equal."""
    path = replace(run, out=out).save(name, {**values, "cpu": cpu_name(), "equal_results": not problems})
    print(f"written: {path}")
    if out == REPOSITORY:
        from report import render

        render()
    for problem in problems:
        print(f"NOT EQUAL: {problem}", file=sys.stderr)
    return 1 if problems else 0


def command(main: Callable[[object], int], options: type, description: str) -> None:
    """Run a benchmark as a command and exit: what the user can mend is one sentence and status 2."""
    try:
        raise SystemExit(main(tyro.cli(options, description=description)))
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
