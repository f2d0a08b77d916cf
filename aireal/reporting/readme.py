"""The blocks of both READMEs and of pages of docs/ that are rendered from `metrics/`, never typed.

A README holds the few figures that a newcomer needs; docs/results.md holds all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.captions import caption_table
from aireal.reporting.tables.classifiers import classifiers_block, short_table
from aireal.reporting.tables.demonstration import full_results, three_results
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.external import external_block, plain_words
from aireal.reporting.tables.first_screen import overview, time_and_score
from aireal.reporting.tables.grounding import grounding_table, true_size
from aireal.reporting.tables.measured import measured_bullets
from aireal.reporting.tables.metrics import read_metrics
from aireal.reporting.tables.pointing import pointing_figure
from aireal.reporting.tables.sentences import sentence_table

BLOCK = re.compile(r"(<!-- begin:(?P<name>\w+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)
RESULTS = {"en": "docs/results.md", "ko": "docs/results.ko.md"}
IMAGES = "../readme_images"  # from docs/

Block = tuple[set[str], Callable[[dict, str], str]]  # the metrics that a block needs, and how it is made of them

README_BLOCKS: dict[str, Block] = {
    "first": ({"demo"}, overview),
    "time": (set(), time_and_score),
    "results": ({"demo"}, three_results),
    "classifiers": ({"resnet34"}, lambda *of: short_table(*of).markdown()),
    "plain": ({"resnet34"}, plain_words),
    "measured": (set(), measured_bullets),
}
RESULT_BLOCKS: dict[str, Block] = {
    "plain": ({"resnet34"}, plain_words),
    "results": ({"demo"}, lambda *of: full_results(*of, IMAGES)),
    "classifiers": ({"resnet34"}, classifiers_block),
    "audit": ({"audit"}, audit_block),
    "explanations": ({"heatmap", "explanations"}, lambda *of: explanation_table(*of).markdown()),
    "pointing": ({"pointing"}, lambda metrics, language: pointing_figure(metrics["pointing"], language, IMAGES)),
    "captions": ({"captions"}, lambda *of: caption_table(*of).markdown()),
    "sentences": (
        {"paligemma"},
        lambda *of: "\n".join(table(*of).markdown() for table in (sentence_table, grounding_table)),
    ),
    "fullsize": ({"fullsize"}, true_size),
}


def render_blocks(folder: Path, language: str) -> dict[str, str]:
    """The generated blocks of one README by name, in Markdown; a block whose metrics are missing is empty.

    Args:
        folder: of the metrics files.
        language: "en" or "ko".
    """
    return _render(README_BLOCKS, read_metrics(folder), language)


def render_pages(folder: Path) -> dict[str, dict[str, str]]:
    """The generated blocks of pages of docs/, by page and name."""
    metrics = read_metrics(folder)
    results = {page: _render(RESULT_BLOCKS, metrics, language) for language, page in RESULTS.items()}
    return results | {"docs/classifier.md": {"external": external_block(metrics)}}


def _render(blocks: dict[str, Block], metrics: dict, language: str) -> dict[str, str]:
    return {name: make(metrics, language) if needs <= set(metrics) else "" for name, (needs, make) in blocks.items()}


def update(text: str, blocks: dict[str, str]) -> str:
    """A README or page with its generated blocks replaced.

    Raises:
        ValueError: a block's markers are missing.
    """
    missing = sorted(set(blocks) - {match["name"] for match in BLOCK.finditer(text)})
    if missing:
        raise ValueError(
            f"The page has no markers for {', '.join(missing)}. "
            "Put <!-- begin:NAME --> and <!-- end:NAME --> where the block belongs."
        )
    return BLOCK.sub(lambda m: m[1] + blocks[m["name"]] + m[3] if m["name"] in blocks else m[0], text)
