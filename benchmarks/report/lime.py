"""The tables on LIME's list."""

from __future__ import annotations

from statistics import fmean

from aireal.core.statistics import interval, wilson

from .markdown import circumstances, ratio, reached_goal, table

PACKAGE = "lime package"


def benchmark(metrics: dict) -> str:
    return "\n".join([same_samples(metrics), stability(metrics), circumstances(metrics) + "\n"])


def same_samples(metrics: dict) -> str:
    """Both samplers with the same masks."""
    same, goals = metrics["same_samples"], metrics["goals"]
    head = (
        "",
        "seconds",
        "faster than the package by",
        "largest difference of a weight",
        "of a probability, from float32",
    )
    rows = [
        (
            name,
            f"{fmean(seconds):.2f}",
            ratio(same["speedup"].get(name)),
            one_digit(same["weight_difference"].get(name)),
            one_digit(same["probability_difference"].get(name)),
        )
        for name, seconds in same["seconds"].items()
    ]
    superpixels = metrics["superpixels"]
    return (
        f"**The same {metrics['samples']:,} samples**\n\n"
        + table(head, *rows)
        + f"\nMeans over {metrics['images']} pictures with {min(superpixels)} to {max(superpixels)} superpixels; "
        f"ratios with the 95% interval over pictures. The largest weight is {same['largest_weight']:.2g}. "
        f"Goal: {reached_goal(same['speedup']['ours'], goals['same_samples'])} "
        f"Ours takes {ratio(same['above_floor'])} times what the forward pass takes alone "
        f"(goal: at most {goals['above_floor']}). The package's own superpixels would take it another "
        f"{same['default_superpixels_seconds']:.2f} s a picture. {quantized(metrics['int8'])}\n"
    )


def quantized(trial: dict) -> str:
    """Speed and error of the 8-bit classifier."""
    if "why" in trial:
        return f"8-bit integers were not tried: {trial['why']}."
    speedup, floating = f"{trial['speedup']:.2f}", trial["floating"]
    if not trial["used"]:
        return f"8-bit integers are {speedup} times as fast as {floating} here, which is not worth their error."
    return (
        f"8-bit integers compute {speedup} times as fast as {floating}, and were close enough for {trial['pictures']} "
        f"of {trial['of']} pictures; P(fake) differs by {trial['mean_difference']:.4f} on average and at most "
        f"{trial['largest_difference']:.4f} where its standard deviation is {trial['spread']:.3f}."
    )


def stability(metrics: dict) -> str:
    """Lists made again with other seeds."""
    measured, goals = metrics["stability"], metrics["goals"]
    head = (
        "",
        "top-5 Jaccard",
        "sign agreement",
        "same top five as the reference",
        "of its weight",
        "seconds",
        "faster than the package by",
    )
    rows = [
        (
            name,
            way["jaccard"],
            way["signs"],
            f"{100 * way['same_top']:.0f}%",
            f"{100 * way['carried']:.1f}%",
            f"{fmean(measured['seconds'][name]):.2f}" if name in measured["seconds"] else "",
            ratio(measured["speedup"].get(name)),
        )
        for name, way in measured["ways"].items()
    ]
    return (
        "**The list made again**\n\n"
        + table(head, *rows)
        + f"\n{metrics['stable_images']} pictures, {metrics['seeds']} seeds; the package's lists have "
        f"{metrics['samples']:,} samples. The reference is one fit to its {measured['reference_samples']:,} samples of "
        f"all seeds; goal: the same top five in {100 * goals['same_top']:.0f}%. Of its weight: how much of what its "
        f"top five weigh a list's top five weigh, by the reference; among near equals a wrong name costs next to "
        f"nothing. {agreement(measured)}{fewest_samples(measured, goals['as_stable'])} "
        f"Adaptive lists took {measured['adaptive_samples']:.0f} samples on average, and "
        f"{100 * measured['settled']:.0f}% settled. {adaptive(metrics)}Probabilities were computed once for all lists "
        f"of a picture; seconds are of the first {metrics['images']} pictures "
        f"and one seed, where adaptive lists may need fewer samples than that average.\n"
    )


def fewest_samples(measured: dict, target: float) -> str:
    """The smallest list of ours that is as stable as the package's."""
    samples = measured["as_stable_samples"]
    if not samples:
        return "Fewest samples as stable as the package: none. No number of samples tried is as stable as the package."
    speedup = measured["speedup"][f"ours, {samples} samples"]
    return f"Fewest samples as stable as the package: {samples}. Goal: {reached_goal(speedup, target)}"


def agreement(measured: dict) -> str:
    """Whether both samplers end at the same list, and whether the package does with half of its samples each; empty for
    older metrics, which did not measure it."""
    pictures = len(measured["ways"][PACKAGE]["jaccards"])
    sentences = {
        "same_end": "All of our samples together give the reference's top five for",
        "same_halves": "the package's own samples in two halves agree on five for",
    }
    parts = [
        f"{sentence} {measured[name]} of {pictures} pictures ({interval(wilson(measured[name], pictures), 100, '%')})"
        for name, sentence in sentences.items()
        if name in measured
    ]
    return "; ".join(parts) + ". " if parts else ""


def adaptive(metrics: dict) -> str:
    """The agreement of our adaptive lists, on more pictures than the package's; empty for older metrics."""
    own = metrics["stability"].get("adaptive")
    if not own:
        return ""
    return (
        f"On {metrics['own_images']} pictures their top-5 Jaccard is {own['jaccard']:.2f} (goal: 0.80; lowest of a "
        f"picture {min(own['jaccards']):.2f}), their sign agreement {own['signs']:.3f} (goal: 0.95). "
    )


def one_digit(number: float | None) -> str:
    return "" if number is None else f"{number:.1g}"
