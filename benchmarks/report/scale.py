"""The blocks of docs/scale.md: cost curves, shares of time, floors, and what they would mean for a million pictures."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from .markdown import circumstances, ratio, reached_goal, table

MILLION = 1_000_000
# images/s of ResNet34 at 224 px in mixed precision, channels last, torch 2.4, batches of 512 and 1,024: published by
# timm (results/benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv and -rtx3090.csv)
PUBLISHED = {"RTX 3090": 6529.57, "RTX 4090": 11246.05}
PIXELS = (256 / 224) ** 2  # of the classifier's pictures, for one of theirs
CORES = 16  # of a machine with a GPU, in the projection
CLUSTER = 8  # such machines


def curves(metrics: dict) -> str:
    """Time and memory against the number of pictures."""
    head = ("", "pictures", "processes", "seconds", "images/s", "peak memory of all processes, MiB")
    rows = [
        (
            f"`{run['command']}`",
            f"{run['pictures']:,}",
            run["processes"],
            f"{run['seconds']:,.1f}",
            f"{run['pictures'] / run['seconds']:.3g}",
            f"{run['peak_mib']:,.0f}",
        )
        for run in metrics["runs"]
    ]
    return table(head, *rows) + f"\n{slopes(metrics)}{conditions(metrics)}\n"


def slopes(metrics: dict) -> str:
    """A sentence on each curve: images/s beyond the start, by a straight line through seconds against pictures."""
    sentences = []
    for key in dict.fromkeys((run["command"], run["processes"]) for run in metrics["runs"]):
        runs = [run for run in metrics["runs"] if (run["command"], run["processes"]) == key]
        if len(runs) > 1:
            pictures, spent = (np.array([run[name] for run in runs], float) for name in ("pictures", "seconds"))
            slope, start = np.polyfit(pictures, spent, 1, w=1 / spent)
            off = f"at most {100 * max(abs(start + slope * pictures - spent) / spent):.0f}% off a line"
            if len(runs) == 2:
                off = "two points, which cannot tell whether it is a line"
            sentences.append(
                f"`{key[0]}` with {key[1]} process{'es' * (key[1] > 1)}: {1 / slope:.3g} images/s after a start of "
                f"{start:.0f} s; {off}."
            )
    return " ".join([*sentences, ""])


def conditions(metrics: dict) -> str:
    return (
        f"One run of each, the start included; copies of {metrics['copies_of']} test images of "
        f"{metrics['kilobytes']} kB on average. {circumstances(metrics)}"
    )


def where(metrics: dict) -> str:
    """Shares of time on one thread, and the floors."""
    parts = []
    for name, share in metrics["shares"].items():
        whole = sum(share["milliseconds"].values())
        rows = [(part, f"{spent:.2f}", f"{100 * spent / whole:.1f}%") for part, spent in share["milliseconds"].items()]
        title = f"**`{name}`**, {share['pictures']} pictures on one thread, without loading"
        parts.append(f"{title}\n\n" + table(("", "ms a picture", "share"), *rows))
    speeds = {name: fmean(values) for name, values in metrics["floors"].items()}
    both = 1 / sum(1 / speed for speed in speeds.values())
    rounds = len(metrics["floors"]["network"])
    floor = (
        f"Floors, mean of {rounds} rounds on {metrics['cores']} cores: decoding and resizing "
        f"alone {speeds['decoding']:.0f} images/s, the network alone {speeds['network']:.0f} images/s; one after the "
        f"other {both:.1f} images/s.{reached(metrics, both)}\n"
    )
    return "\n".join([*parts, floor])


def explained(metrics: dict) -> str:
    """Pictures an hour of `explain`, one by one and many, and whether the goal is reached."""
    one, many = metrics["pictures_an_hour"].values()
    names = ("`explain FOLDER`", f"`explain FOLDER --shards OUT --processes {metrics['processes']}`")
    rows = [(names[0], f"{one:.0f}", "1"), (names[1], f"{many:.0f}", ratio(metrics["speedup"]))]
    panels = "panels from both" if metrics["panels"] else "panels from the first alone"
    return table(("", "pictures an hour", "times"), *rows) + (
        f"\n{metrics['images']} test pictures, mean of {metrics['rounds']} rounds with the 95% interval, loading left "
        f"out; the same records from both, {panels}. Goal: {reached_goal(metrics['speedup'], metrics['goal'])} "
        f"{circumstances(metrics)}\n"
    )


def reached(metrics: dict, floor: float) -> str:
    """What `predict` reaches of the floor, at its largest number of pictures."""
    runs = [run for run in metrics["runs"] if run["command"] == "predict"]
    if not runs:
        return ""
    largest = max(run["pictures"] for run in runs)
    best = max(run["images_per_second"] for run in runs if run["pictures"] == largest)
    return f" `predict` of {largest:,} pictures reaches {100 * best / floor:.0f}% of that, the start included."


def projection(metrics: dict) -> str:
    """Hours for a million pictures: decoding as measured here, the network as published."""
    spent = metrics["shares"]["predict"]["milliseconds"]
    on_cores = sum(spent.values()) - spent["network"]
    decoding = CORES * 1000 / on_cores
    rows = []
    for card, published in PUBLISHED.items():
        network = published / PIXELS
        speed = min(network, decoding)
        limit = "the network" if network < decoding else f"{CORES} cores"
        rows.append((f"one {card}", f"{speed:,.0f}", limit, minutes(MILLION / speed)))
        rows.append(
            (
                f"{CLUSTER} machines with one {card} each",
                f"{CLUSTER * speed:,.0f}",
                limit,
                minutes(MILLION / speed / CLUSTER),
            )
        )
    return table(("`predict` of a million pictures", "images/s", "limited by", "minutes"), *rows) + (
        f"\n**A projection, not a measurement.** Reading, decoding, resizing and writing as measured above, "
        f"{on_cores:.2f} ms a picture and core, on {CORES} cores a GPU; the network by timm's published "
        f"throughputs of ResNet34 at 224 px, scaled by the number of pixels; without loading, and without waiting for "
        f"disks and networks.\n"
    )


def minutes(spent: float) -> str:
    return f"{spent / 60:.1f}"
