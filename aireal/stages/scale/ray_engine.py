"""The engine for several machines: Ray Data (Moritz et al. 2018), with a pool of actors that each hold a worker.

As its guide to batch inference advises: a class in `map_batches`, loaded once an actor; `ActorPoolStrategy` for their
number; `num_gpus` for each actor's share of a GPU. Ray restarts actors that die, and gives their pictures to others.
One row of the dataset is a chunk, so that the network's batches, and with them all numbers, do not depend on how Ray
splits a dataset into blocks.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from aireal.core.errors import first_line
from aireal.core.file_names import shown

from .jobs import BROKEN_GPU, DIED_LOADING, Job, careful_rows, failed
from .shard_folder import Chunk
from .source import Source

INSTALL = "pip install 'ray[data]' pyarrow"
MOST_BLOCKS = 20_000  # of a dataset; the driver keeps track of each
STARTS = 3  # of Ray on this machine, or of the connection
TRIES_TOGETHER = 2  # of a chunk; then its pictures are tried one by one
DEATHS_ALONE = 2  # of its actor, after which a picture is named
LOADS = 3  # begun by each actor while none ended; then the run stops


def ray_data() -> ModuleType:
    """The library, with `ray.data`.

    Raises:
        ValueError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    try:
        import ray
        import ray.data  # noqa: F401
    except ImportError:
        raise ValueError(f"--engine ray needs the package ray, which is missing: {INSTALL}") from None
    return ray


def by_ray(
    job: Job,
    chunks: Iterable[Chunk],
    folder: Path,
    address: str = "",
    count: int | None = None,
    gpus: float | None = None,
) -> Iterator[tuple[Chunk, list[dict]]]:
    """Each chunk with its rows, as actors finish them.

    Args:
        address: of a cluster ("auto", or host:port); "" for that of RAY_ADDRESS, or for this machine alone.
        count: actors; by default as many as the cluster has cores, or shares of GPUs.
        gpus: share of a GPU for each actor; by default 1 where the cluster has some.

    Raises:
        ValueError: Ray is missing, the cluster cannot be reached, or it has not what is asked for.
    """
    ray = ray_data()
    _connect(ray, address)
    try:
        count, cores, gpus = _share(ray.cluster_resources(), count, gpus)
        waiting = {chunk.first: chunk for chunk in chunks}
        if not waiting:
            return
        for row in _dataset(ray, job, waiting, folder, count, cores, gpus).iter_rows():
            yield waiting.pop(int(row["first"])), json.loads(row["rows"])
    except ray.exceptions.RayError as error:  # its last line has the reason
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ValueError(
            f"Ray stopped: {shown(reason)[:300]}; when that is mended, the same command continues"
        ) from None
    finally:
        ray.shutdown()


def _connect(ray: ModuleType, address: str) -> None:
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own = {"include_dashboard": False} if address == "local" else {}
    for tries_left in reversed(range(STARTS)):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
            break
        except Exception as error:  # also plain ones; a busy machine may be too slow the first time
            ray.shutdown()
            if not tries_left:
                reason = first_line(error)
                raise ValueError(f"Ray at {address} does not answer ({reason}); see `ray status`") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _share(resources: dict[str, float], count: int | None, gpus: float | None) -> tuple[int, int, float]:
    """(actors, cores each, GPUs each).

    Raises:
        ValueError: the cluster has fewer.
    """
    cores, cards = int(resources.get("CPU", 1)), resources.get("GPU", 0)
    gpus = min(1.0, cards) if gpus is None else gpus
    if gpus < 0 or gpus > cards:
        raise ValueError(f"each worker would need {gpus:g} GPUs, and the cluster has {cards:g}: change --gpus-each")
    count = count or max(1, int(cards / gpus) if gpus else cores)
    if count > cores or count * gpus > cards:
        raise ValueError(
            f"{count} workers need a core and {gpus:g} GPUs each, and the cluster has {cores} and {cards:g}: give fewer"
        )
    return count, max(1, cores // count), gpus


def _dataset(
    ray: ModuleType, job: Job, chunks: dict[int, Chunk], folder: Path, count: int, cores: int, gpus: float
) -> Any:
    items = [
        {"first": first, "sources": "\n".join(source.to_json() for source in chunk.sources)}
        for first, chunk in chunks.items()
    ]
    tries = ray.remote(num_cpus=0)(Tries).remote(LOADS * count)
    return ray.data.from_items(items, override_num_blocks=min(len(items), MOST_BLOCKS)).map_batches(
        RayWorker,
        fn_constructor_kwargs={"job": job, "folder": folder, "threads": cores, "tries": tries},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=cores,
        num_gpus=gpus or None,
    )


class Tries:
    """What was begun, kept outside of the actors that may die. It runs as an actor of its own.

    Args:
        loads: how many may begin while none ends.
    """

    def __init__(self, loads: int):
        self._loads, self._loading = loads, 0
        self._begun, self._alone, self._deaths = Counter(), {}, Counter()

    def load(self) -> bool:
        """Whether an actor may begin to load. Ray restarts those that die, for ever."""
        self._loading += 1
        return self._loading <= self._loads

    def loaded(self) -> None:
        """Note that an actor has loaded."""
        self._loading = 0

    def begin(self, first: int) -> tuple[int, list[int]]:
        """(how often the chunk was begun before, the places of its pictures that are left out from now on)."""
        before = self._begun[first]
        self._begun[first] += 1
        if (place := self._alone.pop(first, None)) is not None:  # its actor died with this picture
            self._deaths[first, place] += 1
        return before, [place for (chunk, place), n in self._deaths.items() if chunk == first and n >= DEATHS_ALONE]

    def alone(self, first: int, place: int | None) -> None:
        """Note the place of the picture that is computed alone now; None for no more."""
        self._alone[first] = place


class RayWorker:
    """An actor of the pool: a worker, and the care for chunks whose actor died before."""

    def __init__(self, job: Job, folder: Path, threads: int, tries: Any):
        import ray

        self._get, self._tries = ray.get, tries
        if not ray.get(tries.load.remote()):
            raise MemoryError(DIED_LOADING)
        self._worker = job.open(folder, threads).__enter__()
        ray.get(tries.loaded.remote())

    def __call__(self, batch: dict[str, Any]) -> dict[str, list]:
        first = int(batch["first"][0])
        sources = [Source.from_json(line) for line in str(batch["sources"][0]).split("\n")]
        try:
            rows = self._rows(first, sources)
        except BROKEN_GPU:
            os._exit(1)  # a new process may use it again
        return {"first": [first], "rows": [json.dumps(rows)]}

    def _rows(self, first: int, sources: list[Source]) -> list[dict]:
        before, left_out = self._get(self._tries.begin.remote(first))
        if before < TRIES_TOGETHER:
            return careful_rows(self._worker, sources)
        if before > TRIES_TOGETHER + DEATHS_ALONE * len(sources):  # each picture may have killed it as often as it may
            reason = f"workers died {before} times with this picture and {len(sources) - 1} others; look at the files"
            return [failed(source, reason) for source in sources]
        rows = []
        for place, source in enumerate(sources):
            if place in left_out:
                reason = f"the worker that computed this picture alone died {DEATHS_ALONE} times; look at the file"
                rows.append(failed(source, reason))
                continue
            self._get(self._tries.alone.remote(first, place))
            rows += careful_rows(self._worker, [source])
        self._get(self._tries.alone.remote(first, None))
        return rows
