"""Cost of many pictures: time and memory against their number, where the time goes, and how far from the floor it is.

    python benchmarks/scale.py                                        # hours, most of them for explain
    python benchmarks/scale.py --predict 100 1000 --explain 10        # a small one
    python benchmarks/scale.py --explain                              # predict alone

Each number of pictures is a call of `aireal predict` or `aireal explain` with --shards, by one and by two processes.
Its time is that of the whole call, the start included. Its memory is the peak of the proportional set size (pages that
processes share count once) of its whole process tree, or of the resident size where the system does not tell that. The
pictures are copies of the test images. What was measured is kept in --work, so that the same call continues.

The shares of time are of one thread. The floors are decoding and resizing alone, and the network alone on pictures that
are in memory, with as many threads as the machine has cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil
import torch
from common import BaseOptions, command, in_turn, seconds
from report import finish

from aireal.classifier import batch_inference
from aireal.classifier.batch_inference import SPARE, FastClassifier
from aireal.classifier.data import to_tensor
from aireal.classifier.model import read_config, sha256_of
from aireal.classifier.train import ensure_classifier
from aireal.config import REPOSITORY
from aireal.core.device import precision
from aireal.core.imagefile import decode, read_bytes, square
from aireal.core.journal import Journal
from aireal.core.run import Run, start
from aireal.dataset.manifest import load_items
from aireal.explain.prepare_quantized import prepare_quantized
from aireal.stages import explainer as explainer_module
from aireal.stages.scale import run_many as run_many_module
from aireal.stages.scale.explain_job import ExplainJob
from aireal.stages.scale.predict_job import PredictJob, usual_batch
from aireal.stages.scale.run_many import Engine, run_many
from aireal.stages.scale.shard_folder import ShardFolder
from aireal.stages.scale.source import Source

IN_FOLDER = 1000  # copies in a folder
BETWEEN_SAMPLES = 0.5  # seconds between two looks at the memory


@dataclass
class Options(BaseOptions):
    predict: list[int] = field(default_factory=lambda: [100, 1000, 10_000, 100_000])
    explain: list[int] = field(default_factory=lambda: [100, 1000])
    processes: list[int] = field(default_factory=lambda: [1, 2])
    share_pictures: int = 200  # of predict, for shares and floors; a twentieth of them of explain
    repeats: int = 3  # rounds of the floors
    work: Path = REPOSITORY / "outputs" / "scale"


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    if read_config(run.data.model) is None:
        ensure_classifier(run)
    prepare_quantized(run)
    items = in_turn(load_items(run.data, "test"))
    files = [run.data.root / item.path for item in items]
    metrics = {
        "precision": precision(run.device),
        "cores": os.cpu_count(),
        "copies_of": len(files),
        "kilobytes": round(float(np.mean([path.stat().st_size for path in files])) / 1000, 1),
        "runs": measure_runs(run, options, files),
        "shares": {
            "predict": predict_shares(run, files, options.share_pictures),
            "explain": explain_shares(run, files, max(1, options.share_pictures // 20)),
        },
        "floors": floors(run, files, options.share_pictures, options.repeats),
    }
    return finish(run, options.out, "scale", metrics, [])


# --- runs ------------------------------------------------------------------------------------------------------------


def measure_runs(run: Run, options: Options, files: list[Path]) -> list[dict]:
    """Every number of pictures with every number of processes; what the journal has is not measured again."""
    wanted = [
        {"command": name, "pictures": count, "processes": processes, "classifier": sha256_of(weights(run))}
        for name, counts in (("predict", options.predict), ("explain", options.explain))
        for count in counts
        for processes in options.processes
    ]
    with Journal(options.work / "runs.jsonl") as journal:
        for key in wanted:
            if not any(key.items() <= entry.items() for entry in journal.entries):
                print(f"{key['command']}: {key['pictures']:,} pictures, {key['processes']} processes ...", flush=True)
                journal.add(key | measure_run(run, options, files, key))
        found = [next(entry for entry in journal.entries if key.items() <= entry.items()) for key in wanted]
    return [{name: value for name, value in entry.items() if name != "classifier"} for entry in found]


def weights(run: Run) -> Path:
    return run.data.model / "model.safetensors"


def measure_run(run: Run, options: Options, files: list[Path], key: dict) -> dict:
    """Seconds, images/s and peak memory of one call of the command."""
    options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        copy_pictures(files, Path(scratch) / "in", key["pictures"])
        call = [sys.executable, "-m", "aireal", key["command"], f"{scratch}/in", "--shards", f"{scratch}/out"]
        call += ["--processes", str(key["processes"]), "--root", str(run.data.root), "--profile", run.profile.name]
        began = time.perf_counter()
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with ThreadPoolExecutor(1) as reader:
            output = reader.submit(process.stdout.read)
            peak = watch_memory(process)
        duration = time.perf_counter() - began
        if process.returncode:
            raise RuntimeError(f"{key['command']} failed: {output.result()[-500:]}")
    speed = round(key["pictures"] / duration, 2)
    return {"seconds": round(duration, 2), "images_per_second": speed, "peak_mib": round(peak / 2**20, 1)}


def copy_pictures(files: list[Path], folder: Path, count: int) -> None:
    for number in range(count):
        source = files[number % len(files)]
        target = folder / f"{number // IN_FOLDER:04d}" / f"{number:07d}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def watch_memory(process: subprocess.Popen) -> int:
    """Peak memory in bytes of a process and all below it, until it ends."""
    peak, parent = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            tree = [parent, *parent.children(recursive=True)]
            peak = max(peak, sum(memory_of(part) for part in tree))
        except psutil.NoSuchProcess:
            pass
        time.sleep(BETWEEN_SAMPLES)
    return peak


def memory_of(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
        return getattr(found, "pss", 0) or found.rss
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0


# --- shares of time --------------------------------------------------------------------------------------------------


class Stopwatch:
    """Seconds inside of functions, by the name of the part that they are."""

    def __init__(self):
        self.spent: dict[str, float] = {}
        self._inside: list[float] = []

    def around(self, name: str, function: Callable) -> Callable:
        """The function, timed; what a timed function inside of it takes counts for that alone."""
        self.spent.setdefault(name, 0.0)

        def timed(*arguments, **how):
            began = time.perf_counter()
            self._inside.append(0.0)
            try:
                return function(*arguments, **how)
            finally:
                whole, nested = time.perf_counter() - began, self._inside.pop()
                self.spent[name] += whole - nested
                if self._inside:
                    self._inside[-1] += whole

        return timed

    @contextmanager
    def watching(self, parts: list[tuple[str, object, str]]) -> Iterator[None]:
        """Time (part, owner, function) while the block runs."""
        with ExitStack() as stack:
            for name, owner, attribute in parts:
                timed = self.around(name, getattr(owner, attribute))
                stack.enter_context(patch.object(owner, attribute, timed))
            yield

    def shares(self, whole: float, pictures: int) -> dict:
        """Milliseconds a picture by part; what no part took is "other"."""
        spent = self.spent | {"other": whole - sum(self.spent.values())}
        return {
            "pictures": pictures,
            "milliseconds": {name: round(1000 * value / pictures, 3) for name, value in spent.items()},
        }


WRITING = [("writing", ShardFolder, "add"), ("writing", run_many_module, "write_csv")]


def predict_shares(run: Run, files: list[Path], count: int) -> dict:
    """Where the time of predict goes, on one thread."""
    job = PredictJob(run.data.model.resolve(), batch_size=usual_batch(run.device.type != "cpu"))
    parts = [
        ("reading", Source, "read"),
        ("decoding", batch_inference, "decode"),
        ("resizing", batch_inference, "square"),
        ("network", FastClassifier, "_fake"),
        *WRITING,
    ]
    return shares(job, parts, files, count)


def explain_shares(run: Run, files: list[Path], count: int) -> dict:
    """Where the time of explain goes, on one thread."""
    parts = [
        ("reading", Source, "read"),
        ("decoding", explainer_module, "decode"),
        ("network and heatmap", explainer_module.Predictor, "predict"),
        ("occlusion test of the region", explainer_module, "measure_region"),
        ("LIME and its occlusion test", explainer_module, "add_lime"),
        ("sentences", explainer_module.Explainer, "_sentences"),
        ("what the file says", explainer_module, "read_provenance"),
        *WRITING,
    ]
    return shares(ExplainJob(run), parts, files, count)


def shares(job: PredictJob | ExplainJob, parts: list, files: list[Path], count: int) -> dict:
    """The parts of a second run; the first one, which loads and allocates, is not watched. Loading is in no part."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_pictures(files, folder / "in", count)
        watch, loading = Stopwatch(), []
        real, threads = type(job).open, torch.get_num_threads()

        def opened(self, *more):
            began = time.perf_counter()
            worker = real(self, more[0], 1)
            loading.append(time.perf_counter() - began)
            return worker

        torch.set_num_threads(1)
        try:
            with patch.object(type(job), "open", opened):
                run_many([str(folder / "in")], folder / "first", job, Engine(), 1024, folder / "first.csv")
                with watch.watching(parts):
                    whole = seconds(
                        lambda: run_many([str(folder / "in")], folder / "out", job, Engine(), 1024, folder / "t.csv")
                    )
        finally:
            torch.set_num_threads(threads)
    return watch.shares(whole - loading[-1], count)


# --- floors ----------------------------------------------------------------------------------------------------------


def floors(run: Run, files: list[Path], count: int, repeats: int) -> dict:
    """Images/s of decoding alone and of the network alone, by all cores, each round by itself."""
    classifier, workers = FastClassifier(run.data.model, run.device), os.cpu_count() or 1
    chosen = [files[n % len(files)] for n in range(count)]
    size, batch = classifier.config.image_size, usual_batch(run.device.type != "cpu")

    def decoded(path: Path) -> torch.Tensor:
        return to_tensor(square(decode(read_bytes(path), SPARE * size), size))

    pixels = torch.stack([decoded(path) for path in chosen[:batch]])
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        arms = {
            "decoding": lambda: list(pool.map(decoded, chosen)),
            "network": lambda: list(pool.map(lambda _: classifier._fake(pixels, False), range(-(-count // batch)))),
        }
        done = {"decoding": count, "network": batch * -(-count // batch)}
        return {
            name: [round(done[name] / seconds(work), 1) for _ in range(repeats + 1)][1:] for name, work in arms.items()
        }


if __name__ == "__main__":
    command(main, Options, __doc__)
