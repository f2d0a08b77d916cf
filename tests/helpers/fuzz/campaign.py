"""Many cases of one kind after each other in one process, and what became of them."""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from .kinds import make_case
from .watch import SECRET, Watch

BEHAVES = ("read", "refused")
MOST_FAULTS = 200  # that are kept with what happened


class Campaign:
    """Runs cases below a folder of its own; make one in a process."""

    def __init__(self, work: Path):
        self.folder = work / "cases" / "one"
        secret = work / "cases" / SECRET
        secret.mkdir(parents=True)
        (secret / "diary.png").write_bytes(b"private")
        self.watch, self._process = Watch(self.folder), psutil.Process()

    def run(self, kind: str, count: int, seed: int, progress: bool = False) -> dict[str, Any]:
        """Counts by outcome, the faults, the slowest case, and the growth of memory after the first tenth.

        Args:
            kind: one of `kinds.NAMES`.
        """
        outcomes, faults, slowest, settled = Counter(), [], (0.0, -1), 0
        handles = self._handles()
        for number in tqdm(range(count), desc=kind, unit="case", disable=not progress, leave=False):
            if number == count // 10:
                settled = self._memory()
            began = time.perf_counter()
            outcome, what = self._case(kind, number, seed)
            slowest = max(slowest, (time.perf_counter() - began, number))
            outcomes[outcome] += 1
            if outcome not in BEHAVES and len(faults) < MOST_FAULTS:
                faults.append({"number": number, "outcome": outcome, "what": what})
        if left := self._handles() - handles:
            outcomes["leak"] += 1
            faults.append({"number": -1, "outcome": "leak", "what": f"{left} files stay open"})
        return {
            "count": count,
            "outcomes": dict(outcomes),
            "faults": faults,
            "slowest": {"seconds": round(slowest[0], 3), "number": slowest[1]},
            "memory_growth_bytes": self._memory() - settled,
            "peak_memory_bytes": self._process.memory_info().rss,
        }

    def _case(self, kind: str, number: int, seed: int) -> tuple[str, str]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        read = make_case(kind, number, seed, self.folder)
        before, tempfile.tempdir = tempfile.tempdir, str(self.folder)
        try:
            return self.watch.outcome(read)
        finally:
            tempfile.tempdir = before

    def _memory(self) -> int:
        gc.collect()
        return self._process.memory_info().rss

    def _handles(self) -> int:
        gc.collect()
        return self._process.num_fds() if hasattr(self._process, "num_fds") else self._process.num_handles()
