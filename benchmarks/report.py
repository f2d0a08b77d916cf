"""Render the tables of docs/speed.md from metrics/benchmark_*.json; the benchmarks do so themselves.

python benchmarks/report.py
"""

from __future__ import annotations

from pathlib import Path

from aireal.config import REPOSITORY
from aireal.core.files import write_atomic
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import format_estimate, read_metrics

PAGE = REPOSITORY / "docs" / "speed.md"
PRECISIONS = {"bf16": "bfloat16", "fp16": "float16", "no": "float32 (this machine has no fast bfloat16)"}


def render(page: Path = PAGE, metrics: Path = REPOSITORY / "metrics") -> None:
    write_atomic(page, update(page.read_text(encoding="utf-8"), blocks(metrics)).encode())


def blocks(metrics: Path) -> dict[str, str]:
    """Markdown by block; one that was not measured says how to."""
    found = read_metrics(metrics)
    makers = {
        "benchmark_train": (training, "train.py"),
        "benchmark_predict": (prediction, "predict.py"),
        "benchmark_caption": (sentences, "caption.py"),
        "benchmark_train_growth": (growth, "train.py --growth 100 1000"),
        "benchmark_predict_growth": (growth, "predict.py --growth 100 1000 10000"),
        "benchmark_augment": (augmenting, "augment.py"),
        "benchmark_predict_variants": (
            variants,
            "predict.py --variants fp32 folded compiled exact full-decode batch-16",
        ),
    }
    return {
        name: make(found[name]) if name in found else f"Not measured yet: `python benchmarks/{command}`.\n"
        for name, (make, command) in makers.items()
    }


def table(*rows: tuple) -> str:
    head, *body = [f"| {' | '.join(map(str, cells))} |" for cells in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body]) + "\n"


def ratio(found: dict | None) -> str:
    if found is None:
        return "1"
    return f"{found['value']:.2f}" + ("" if found["low"] is None else f" [{found['low']:.2f}, {found['high']:.2f}]")


def circumstances(report: dict) -> str:
    return (
        f"{report['cpu']} ({report['device']}); ours computed in {PRECISIONS[report['precision']]}; seed {report['seed']}, "
        f"torch {report['versions']['torch']}, timm {report['versions']['timm']}, Pillow {report['versions']['pillow']}."
    )


def goal(report: dict, found: dict) -> str:
    """One sentence on the first of the loops, which the goal is about."""
    name, reached = next(iter(found.items()))
    return f"Goal, against `{name}`: {report['goal']}×; reached: {reached['value']:.2f}×{'' if reached['value'] >= report['goal'] else ', which is less'}."


def training(report: dict) -> str:
    rows = [
        (
            name,
            speed,
            ratio(report["speedup"].get(name)),
            f"{report['loss'][name][-1]:.3f}",
            format_estimate(report["auroc"][name]),
            signed(report["auroc_difference"].get(name)),
        )
        for name, speed in report["images_per_second"].items()
    ]
    rounds = len(next(iter(report["seconds"].values())))
    return table(
        ("", "images/s", "ours is faster by", "last training loss", "validation AUROC", "ours minus this"), *rows
    ) + (
        f"\n{report['architecture']}, {report['images']} images in {report['epochs']} epochs, crops of {report['crop']} px, {report['workers']} workers "
        f"for the loops; {rounds} rounds, ratios with the 95% interval over rounds; AUROC on {report['val_images']} validation images, mean of the rounds, "
        f"with the 95% interval of a bootstrap over sources. {goal(report, report['speedup'])} {circumstances(report)}\n"
    )


def signed(gap: dict | None) -> str:
    return "" if gap is None else f"{gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"


def prediction(report: dict) -> str:
    parts = []
    for folder, found in report["folders"].items():
        rows = [(name, speed, ratio(found["speedup"].get(name))) for name, speed in found["images_per_second"].items()]
        rounds = len(next(iter(found["seconds"].values())))
        parts.append(
            f"**{found['images']} {folder}**, on average {found['megapixels']:.2f} megapixels and {found['kilobytes']:.0f} kB\n\n"
            + table(("", "images/s", "ours is faster by"), *rows)
            + f"\nAgainst the first loop, no probability differs by more than {found['largest_difference']:.2g} (on average "
            f"{found['mean_difference']:.2g}), and {found['flipped_verdicts']} verdicts differ. {rounds} rounds. {goal(report, found['speedup'])}\n"
        )
    return "\n".join([*parts, circumstances(report) + "\n"])


def sentences(report: dict) -> str:
    rows = [(name, speed, ratio(report["speedup"].get(name))) for name, speed in report["sentences_per_second"].items()]
    rounds = len(next(iter(report["seconds"].values())))
    return table(("", "sentences/s", "ours is faster by"), *rows) + (
        f"\n{report['sentences']} sentences of the `{report['model']}` PaliGemma in Korean and English, the same text in all arms: "
        f"{'yes' if report['equal_results'] else 'NO'}; batches of {report['batch_size']}; {rounds} rounds. {goal(report, report['speedup'])} "
        f"{report['cpu']} ({report['device']}); seed {report['seed']}, torch {report['versions']['torch']}, "
        f"transformers {report['versions']['transformers']}.\n"
    )


def growth(report: dict) -> str:
    rows = [
        (f"{run['images']:,}", f"{run['seconds']:.1f}", run["images_per_second"], f"{run['peak_mib']:,.0f}")
        for run in report["runs"]
    ]
    return table(("images", "seconds", "images/s", "peak memory, MiB"), *rows) + "\n" + circumstances(report) + "\n"


def augmenting(report: dict) -> str:
    rows = [
        (
            run["author"],
            f"{run['rows']:,}",
            f"{run['seconds']:.0f}",
            f"{run['rows'] / run['seconds']:.0f}",
            f"{run['peak_mib']:,}",
            f"{run['beyond_start_mib']:,}",
            f"{run['sentences']:,}",
            run["rows_lost"],
            run["rows_paid_twice"],
        )
        for run in report["runs"]
    ]
    head = (
        "author",
        "rows",
        "seconds",
        "rows/s",
        "peak memory, MiB",
        "of it beyond the start",
        "new sentences",
        "rows lost",
        "rows paid twice",
    )
    return table(head, *rows) + (
        f"\n{report['sentences_a_language']} sentences a language and row. {report['cpu']} ({report['device']}); "
        f"seed {report['seed']}, anthropic {report['versions']['anthropic']}.\n"
    )


def variants(report: dict) -> str:
    parts = []
    for folder, found in report["folders"].items():
        rows = [
            (
                f"`{name}`",
                v["images_per_second"],
                ratio(v["speed"]),
                f"{v['largest_difference']:.2g}",
                v["flipped_verdicts"],
                v["first_seconds"],
            )
            for name, v in found.items()
        ]
        head = ("", "images/s", "faster than `ours` by", "largest difference from `exact`", "flipped", "first round, s")
        parts.append(f"**{folder}**\n\n" + table(head, *rows))
    return "\n".join([*parts, circumstances(report) + "\n"])


if __name__ == "__main__":
    render()
