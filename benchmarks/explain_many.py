"""Pictures an hour of `aireal explain`: many pictures by a process for each core, against one by one.

    python benchmarks/explain_many.py [--images 12] [--rounds 3] [--panels]

One by one is `aireal explain FOLDER`: one process with all cores, and a panel for each picture. Many is `aireal explain
FOLDER --shards OUT --processes N`, with panels only where --panels asks for them. Both have loaded their models and
explained one picture before their time starts. In every round both explain all pictures, in turn. Seconds are those of
the clock, so other work on the machine falsifies them. The records of both are compared: they have to be the same
bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from common import BaseOptions, alternate, command, in_turn, seconds, speedup
from report import finish

from aireal.core.device import precision
from aireal.core.run import Run, start
from aireal.dataset.manifest import load_items
from aireal.stages.explain_files import OVERLAYS, explain_file
from aireal.stages.explainer import Explainer, open_explainer
from aireal.stages.scale.explain_job import ExplainJob
from aireal.stages.scale.processes import WatchedProcess
from aireal.stages.scale.source import Source

ONE, MANY = "one by one", "many"
GOAL = 2.0  # times the pictures an hour


@dataclass
class Options(BaseOptions):
    images: int = 12  # test pictures, of both classes in turn
    rounds: int = 3
    processes: int = os.cpu_count() or 1
    captions: bool = True
    lime: bool = True
    panels: bool = False  # for many, too


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    items = in_turn(load_items(run.data, "test", -(-options.images // 2)))[: options.images]
    files = [(run.data.root / item.path).resolve() for item in items]
    with tempfile.TemporaryDirectory() as scratch:
        spent, problems = measure(run, options, files, Path(scratch))
    metrics = {
        "precision": precision(run.device),
        "images": len(files),
        "rounds": options.rounds,
        "processes": options.processes,
        "panels": options.panels,
        "goal": GOAL,
        "pictures_an_hour": {
            name: round(3600 * len(files) / float(np.mean(values)), 1) for name, values in spent.items()
        },
        "speedup": speedup(spent[ONE], spent[MANY]),
    }
    return finish(run, options.out, "benchmark_explain_many", metrics, problems)


def measure(run: Run, options: Options, files: list[Path], scratch: Path) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of each round by arm, and which records differ."""
    rows: dict[str, list[dict]] = {}
    job = ExplainJob(
        run, captions=options.captions, lime=options.lime, panels=scratch / "panels" if options.panels else None
    )
    workers = [WatchedProcess(job, Path.cwd(), threads(options), "") for _ in range(options.processes)]
    try:
        with open_explainer(run, captions=options.captions, lime=options.lime) as explainer:
            one_by_one(explainer, files[:1], scratch / "one")
            share_out(workers, [files[0]] * len(workers))
            spent = alternate(
                {
                    ONE: lambda _: seconds(lambda: rows.update({ONE: one_by_one(explainer, files, scratch / "one")})),
                    MANY: lambda _: seconds(lambda: rows.update({MANY: share_out(workers, files)})),
                },
                options.rounds,
            )
    finally:
        for worker in workers:
            worker.close()
    return spent, differences(rows[ONE], rows[MANY])


def threads(options: Options) -> int:
    """Of each process, as `in_processes` shares the cores out."""
    return max(1, (os.cpu_count() or 1) // options.processes)


def one_by_one(explainer: Explainer, files: Sequence[Path], out: Path) -> list[dict]:
    """The lines of `aireal explain`, which also draws panels and overlays."""
    (out / OVERLAYS).mkdir(parents=True, exist_ok=True)
    return json.loads(json.dumps([explain_file(path, out, explainer) for path in files]))


def share_out(workers: Sequence[WatchedProcess], files: Sequence[Path]) -> list[dict]:
    """The rows of the pictures; each process takes the next picture when it is ready, as `in_processes` does it."""
    idle: SimpleQueue[WatchedProcess] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def attend(path: Path) -> dict:
        worker = idle.get()
        try:
            return worker.rows([Source(str(path))])[0]
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(attend, files))


def differences(lines: Sequence[dict], rows: Sequence[dict]) -> list[str]:
    """A sentence for each picture whose record is not the same in both."""
    found = []
    for line, row in zip(lines, rows, strict=True):
        record = json.loads(row.get("record") or "{}")
        if line.get("error") != (row["error"] or None):
            found.append(f"{row['path']}: {line.get('error')!r} one by one, {row['error']!r} among many")
        elif unlike := [name for name in record if record[name] != line[name]]:
            found.append(f"{row['path']}: the records differ in {', '.join(unlike)}")
    return found


if __name__ == "__main__":
    command(main, Options, __doc__)
