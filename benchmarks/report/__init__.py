"""The tables of the pages about speed and scale, rendered from metrics/; the benchmarks render them when they finish.

python -m benchmarks.report
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from aireal.config import REPOSITORY
from aireal.core.files import write_atomic
from aireal.core.run import Run
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import read_metrics

from . import lime, scale, speed
from .markdown import cpu_name

PAGE = REPOSITORY / "docs" / "speed.md"
EXPLANATIONS_PAGE = REPOSITORY / "docs" / "speed_explanations.md"
SCALE_PAGE = REPOSITORY / "docs" / "scale.md"
TABLES = {  # name of the metrics and of the block: (makes the block's Markdown, command that measures)
    "benchmark_train": (speed.training, "train.py"),
    "benchmark_predict": (speed.prediction, "predict.py"),
    "benchmark_caption": (speed.sentences, "caption.py"),
    "benchmark_train_growth": (speed.growth, "train.py --growth 100 1000"),
    "benchmark_predict_growth": (speed.growth, "predict.py --growth 100 1000 10000"),
    "benchmark_augment": (speed.augmentation, "augment.py"),
    "benchmark_predict_variants": (
        speed.variants,
        "predict.py --variants fp32 folded compiled exact full-decode batch-16",
    ),
    "benchmark_lime": (lime.benchmark, "lime_benchmark.py"),
    "benchmark_explain": (speed.explanation, "explain.py"),
}
ON_EXPLANATIONS_PAGE = ("benchmark_caption", "benchmark_augment", "benchmark_lime", "benchmark_explain")


def blocks(folder: Path) -> dict[str, str]:
    """Markdown by block, from the metrics in a folder; a block without metrics names the command that measures it."""
    metrics = read_metrics(folder)
    return {
        name: make(metrics[name]) if name in metrics else f"Not measured yet: `python benchmarks/{command}`.\n"
        for name, (make, command) in TABLES.items()
    }


def scale_blocks(folder: Path) -> dict[str, str]:
    """`blocks` of docs/scale.md."""
    metrics = read_metrics(folder)
    made = {  # block: (makes its Markdown, name of the metrics, command that measures)
        "scale_curves": (scale.curves, "scale", "scale.py"),
        "scale_where": (scale.where, "scale", "scale.py"),
        "scale_projection": (scale.projection, "scale", "scale.py"),
        "explain_many": (scale.explained, "benchmark_explain_many", "explain_many.py"),
    }
    return {
        block: make(metrics[name]) if name in metrics else f"Not measured yet: `python benchmarks/{command}`.\n"
        for block, (make, name, command) in made.items()
    }


def pages(folder: Path) -> dict[Path, dict[str, str]]:
    """The blocks of each page, from the metrics in a folder."""
    made = blocks(folder)
    on_explanations = {name: made.pop(name) for name in ON_EXPLANATIONS_PAGE}
    return {PAGE: made, EXPLANATIONS_PAGE: on_explanations, SCALE_PAGE: scale_blocks(folder)}


def render(folder: Path = REPOSITORY / "metrics") -> None:
    """Write the blocks into the pages."""
    for page, made in pages(folder).items():
        write_atomic(page, update(page.read_text(encoding="utf-8"), made).encode())


def finish(run: Run, out: Path, name: str, metrics: dict, problems: list[str]) -> int:
    """Write `out`/metrics/`name`.json, and render the pages if `out` is the repository.

    Args:
        problems: in which respects the results of the arms are not equal.

    Returns:
        the exit status: 1 if there are problems, which are printed, else 0.
    """
    path = replace(run, out=out).save(name, {**metrics, "cpu": cpu_name(), "equal_results": not problems})
    print(f"written: {path}")
    if out == REPOSITORY:
        render()
    for problem in problems:
        print(f"NOT EQUAL: {problem}", file=sys.stderr)
    return 1 if problems else 0
