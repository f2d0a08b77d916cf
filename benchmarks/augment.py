"""How `aireal augment` grows with the rows: seconds and peak memory, rows lost, rows paid twice.

    python benchmarks/augment.py --rows 1000 10000     # about a quarter of an hour on two cores, most of it the batches

Rows are synthetic: records that differ in class, number, region and cues, with overlays of 256 px. Each size runs in a
process of its own, once by the offline author and once by the whole flow of message batches, with the real SDK and the
server of `--mock` in a third process.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import anthropic
import numpy as np
from common import BaseOptions, command, in_own_process, seconds
from PIL import Image
from report import finish

from aireal.captions.augment import Plan, augment_table
from aireal.captions.claude.retry import RetryPolicy
from aireal.captions.language.grammar import LANGUAGES, render
from aireal.captions.table import NEEDED, Rows
from aireal.config import REPOSITORY
from aireal.core.device import peak_memory
from aireal.core.journal import Journal
from aireal.core.run import start
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord

OVERLAYS = 32  # different pictures; a row's prompt differs by its record all the same
SENTENCES = 4  # a language and row
AUTHORS = ("offline", "batches")


@dataclass
class Options(BaseOptions):
    rows: list[int] = field(default_factory=lambda: [1000, 10000])


def make_table(folder: Path, count: int, seed: int) -> Path:
    """Write data.csv with `count` synthetic rows, and their overlays."""
    rng, cues = np.random.default_rng(seed), list(product(COLOURS, BRIGHTNESS, TEXTURE, EDGES))
    (folder / "gradcam").mkdir()
    for k in range(OVERLAYS):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
            (256, 256), Image.Resampling.BICUBIC
        ).save(folder / f"gradcam/{k}.png")
    with (folder / "data.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, NEEDED)
        writer.writeheader()
        for k in range(count):
            fake = k % 2
            record = EvidenceRecord(
                f"test/{('0_real', '1_fake')[fake]}/{k}.jpg",
                ("real", "fake")[fake],
                round(rng.uniform(50, 100), 2),
                0.5,
                REGIONS[k % len(REGIONS)],
                (0.5, 0.5),
                Cues(*cues[rng.integers(len(cues))]),
            )
            writer.writerow(
                {
                    "image": record.image,
                    "split": "train",
                    "overlay": f"gradcam/{k % OVERLAYS}.png",
                    "evidence": record.to_json(),
                    **{f"caption_{language}": render(record, language) for language in LANGUAGES},
                }
            )
    return folder / "data.csv"


def run_one(author: str, count: int, seed: int, url: str) -> dict:
    """Augment a synthetic table of `count` rows once; for `in_own_process`."""
    with tempfile.TemporaryDirectory() as folder:
        table, journal = make_table(Path(folder), count, seed), Path(folder) / "journal.jsonl"
        plan = Plan(
            "offline" if author == "offline" else "claude",
            SENTENCES,
            seed,
            folder,
            journal,
            yes=True,
            say=lambda sentence: None,
            client=anthropic.Anthropic(api_key="none", base_url=url) if url else None,
            retry=RetryPolicy(first=0.05, longest=0.5, settle=0.05),
        )
        before, target, results = peak_memory() / 2**20, Path(folder) / "data_answer_add.csv", []
        took = seconds(lambda: results.append(augment_table(Rows(table), target, plan)))
        result = results[0]
        replies = _replies(journal) if url else Counter()
        return {
            "author": author,
            "rows": count,
            "seconds": round(took, 1),
            "peak_mib": round(peak_memory() / 2**20),
            "beyond_start_mib": round(peak_memory() / 2**20 - before),
            "sentences": result.sentences,
            "rows_lost": count - result.images + len(result.missing) + len(result.left_out),
            "rows_paid_twice": sum(times > 1 for times in replies.values()),
            "table_mib": round(target.stat().st_size / 2**20, 1),
            "journal_mib": round(journal.stat().st_size / 2**20, 1) if journal.exists() else 0,
        }


def _replies(journal: Path) -> Counter:
    """The number of paid replies in the journal, by question."""
    with Journal(journal, keep=False) as lines:
        return Counter(
            entry["key"] for _, entry in lines.read() if entry["event"] == "reply" and entry["reply"]["usage"]
        )


def main(options: Options) -> int:
    run = start("benchmark_augment", options.profile, options.root, options.seed)
    server = subprocess.Popen(
        [sys.executable, "-m", "aireal.captions.claude.mock"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        url, runs = server.stdout.readline().strip(), []
        for count in options.rows:
            for author in AUTHORS:
                runs.append(
                    in_own_process(
                        "augment", "run_one", author, count, options.seed, url if author == "batches" else ""
                    )
                )
                print(runs[-1], flush=True)
    finally:
        server.terminate()
        server.wait()
    problems = [
        f"{metrics['author']}, {metrics['rows']} rows: {metrics[kind]} {kind.replace('_', ' ')}"
        for metrics in runs
        for kind in ("rows_lost", "rows_paid_twice")
        if metrics[kind]
    ]
    return finish(run, options.out, "benchmark_augment", {"sentences_a_language": SENTENCES, "runs": runs}, problems)


if __name__ == "__main__":
    command(main, Options, __doc__)
