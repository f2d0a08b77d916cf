"""The tables on training, prediction, sentences and augmentation."""

from __future__ import annotations

from aireal.reporting.tables.metrics import format_estimate

from .markdown import circumstances, goal, ratio, signed, table


def rounds(metrics: dict) -> int:
    """The number of timed rounds."""
    return len(next(iter(metrics["seconds"].values())))


def training(metrics: dict) -> str:
    head = ("", "images/s", "ours is faster by", "last training loss", "validation AUROC", "ours minus this")
    rows = [
        (
            name,
            speed,
            ratio(metrics["speedup"].get(name)),
            f"{metrics['loss'][name][-1]:.3f}",
            format_estimate(metrics["auroc"][name]),
            signed(metrics["auroc_difference"].get(name)),
        )
        for name, speed in metrics["images_per_second"].items()
    ]
    return table(head, *rows) + (
        f"\n{metrics['architecture']}, {metrics['images']} images in {metrics['epochs']} epochs, "
        f"crops of {metrics['crop']} px, {metrics['workers']} workers for the loops; {rounds(metrics)} rounds, "
        f"ratios with the 95% interval over rounds; AUROC on {metrics['val_images']} validation images, mean of the "
        f"rounds, with the 95% interval of a bootstrap over sources. Equal results: "
        f"{'yes' if metrics['equal_results'] else 'NO'}. {goal(metrics, metrics['speedup'])} {circumstances(metrics)}\n"
    )


def prediction(metrics: dict) -> str:
    parts = []
    for name, folder in metrics["folders"].items():
        rows = [(arm, speed, ratio(folder["speedup"].get(arm))) for arm, speed in folder["images_per_second"].items()]
        parts.append(
            f"**{folder['images']} {name}**, on average {folder['megapixels']:.2f} megapixels and "
            f"{folder['kilobytes']:.0f} kB\n\n"
            + table(("", "images/s", "ours is faster by"), *rows)
            + f"\nAgainst the first loop, no probability differs by more than {folder['largest_difference']:.2g} "
            f"(on average {folder['mean_difference']:.2g}), and {folder['flipped_verdicts']} verdicts differ. "
            f"{rounds(folder)} rounds. {goal(metrics, folder['speedup'])}\n"
        )
    return "\n".join([*parts, circumstances(metrics) + "\n"])


def variants(metrics: dict) -> str:
    head = ("", "images/s", "faster than `ours` by", "largest difference from `exact`", "flipped", "first round, s")
    parts = []
    for name, folder in metrics["folders"].items():
        rows = [
            (
                f"`{variant}`",
                measured["images_per_second"],
                ratio(measured["speed"]),
                f"{measured['largest_difference']:.2g}",
                measured["flipped_verdicts"],
                measured["first_seconds"],
            )
            for variant, measured in folder.items()
        ]
        parts.append(f"**{name}**\n\n" + table(head, *rows))
    return "\n".join([*parts, circumstances(metrics) + "\n"])


def growth(metrics: dict) -> str:
    rows = [
        (f"{run['images']:,}", f"{run['seconds']:.1f}", run["images_per_second"], f"{run['peak_mib']:,.0f}")
        for run in metrics["runs"]
    ]
    return table(("images", "seconds", "images/s", "peak memory, MiB"), *rows) + f"\n{circumstances(metrics)}\n"


def sentences(metrics: dict) -> str:
    speeds, versions = metrics["sentences_per_second"], metrics["versions"]
    rows = [(name, speed, ratio(metrics["speedup"].get(name))) for name, speed in speeds.items()]
    return table(("", "sentences/s", "ours is faster by"), *rows) + (
        f"\n{metrics['sentences']} sentences of the `{metrics['model']}` PaliGemma in Korean and English, "
        f"the same text in all arms: {'yes' if metrics['equal_results'] else 'NO'}; "
        f"batches of {metrics['batch_size']}; {rounds(metrics)} rounds. {goal(metrics, metrics['speedup'])} "
        f"{metrics['cpu']} ({metrics['device']}); seed {metrics['seed']}, torch {versions['torch']}, "
        f"transformers {versions['transformers']}.\n"
    )


def augmentation(metrics: dict) -> str:
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
        for run in metrics["runs"]
    ]
    return table(head, *rows) + (
        f"\n{metrics['sentences_a_language']} sentences a language and row. {metrics['cpu']} ({metrics['device']}); "
        f"seed {metrics['seed']}, anthropic {metrics['versions']['anthropic']}.\n"
    )


def best_of(repeats: int) -> str:
    return "one round" if repeats == 1 else f"the fastest of {repeats} rounds"


def explanation(metrics: dict) -> str:
    rows = [(name, taken, ratio(metrics["speedup"].get(name))) for name, taken in metrics["seconds"].items()]
    answered = "with" if metrics["int8"] else "without"
    return table(("", "seconds a picture", "takes longer by"), *rows) + (
        f"\n{metrics['images']} test pictures, the same records from both, {answered} the 8-bit classifier; "
        f"{best_of(metrics['repeats'])}, ratio with the 95% interval over pictures. {circumstances(metrics)}\n"
    )
