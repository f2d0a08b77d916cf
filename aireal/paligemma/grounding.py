"""Does the model look at the heatmap? One thing is changed at a time, and the sentence must follow it, or not.

A model that had learnt where heatmaps lie on average, or that reads the picture under the colours, would pass a plain hit rate. Hence a
control for every figure: shuffled heatmaps (as the permutation baselines of Adebayo et al. 2018, "Sanity Checks for Saliency Maps"), a mirrored
overlay and a picture without overlay (as in Hendricks et al. 2018, "Women also Snowboard", who ask whether captions have the right evidence), a
prompt with the wrong class, and what hiding the claimed cell does to the classifier (`faithfulness.drop`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from aireal.captions.language.grammar import LANGUAGES, prompt
from aireal.captions.language.parsing import Parsed
from aireal.classifier.data import to_batch
from aireal.config import DatasetRoot
from aireal.core.imagefile import open_rgb
from aireal.core.sampling import round_robin
from aireal.core.statistics import Estimate, bootstrap, grouped_rate
from aireal.evidence.record import EvidenceRecord, Occlusion
from aireal.explain.faithfulness.occlusion import occlusion_test, region_mask
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.gradcam import overlay
from aireal.explain.lime.perturb import superpixels_or_none
from aireal.explain.predictor import Prediction, Predictor

from .consistency import FACTS, parse_or_none
from .evaluate import Overlays
from .generate import describe

BATCH = 16  # pictures the classifier sees at a time
CONTROLS = 8  # random areas a removal is compared with
MIRRORED = {"left": "right", "right": "left", "center": "center"}

Say = Callable[
    [Sequence[Image.Image], Sequence[EvidenceRecord]], list[Parsed | None]
]  # overlays and prompts to what the sentences claim


@dataclass
class GroundingSet:
    """The overlays, and what the classifier sees of the pictures under them; `other` is the place of another source's heatmap for each."""

    overlays: Overlays
    seen: list[Prediction]
    other: np.ndarray


def prepare(data: DatasetRoot, overlays: Overlays, predictor: Predictor, seed: int) -> GroundingSet:
    """Look at the pictures once more for their heatmaps, and deal to each the heatmap of another source.

    Raises:
        ValueError: all overlays are of one source, so that there is no other.
    """
    seen: list[Prediction] = []
    for at in range(0, len(overlays), BATCH):
        names = overlays.images[at : at + BATCH]
        seen += predictor.predict(names, [open_rgb(data.root / name) for name in names])
    return GroundingSet(
        overlays, seen, permute_overlays(overlays.groups, [record.region for record in overlays.records], seed)
    )


def permute_overlays(groups: Sequence[str], regions: Sequence[str], seed: int) -> np.ndarray:
    """For each overlay the index of one of another source, int [N], of another region where there is one."""
    rng, names, cells = np.random.default_rng(seed), np.array(groups), np.array(regions)
    if len(set(groups)) < 2:
        raise ValueError("all overlays are of one source: the tests of looking need at least two")
    chosen = []
    for group, cell in zip(groups, regions):
        foreign = np.flatnonzero(names != group)
        moved = foreign[cells[foreign] != cell]
        chosen.append(int(rng.choice(moved if len(moved) else foreign)))
    return np.array(chosen)


def grounding_tests(
    shown: GroundingSet, model, processor, predictor: Predictor, seed: int, removals: int
) -> dict[str, dict]:
    """All tests, a language each.

    Args:
        removals: overlays, of as many sources as can be, whose claimed cell is hidden from the classifier.

    Returns:
        language → test → {n, groups, value, control, difference}, each of the last three {value, low, high} with the 95% interval over sources:
        `region` (the claimed cell holds the heatmap's peak; control: another source's heatmap does), `moved` (another source's heatmap over
        the picture, and the sentence names that one's cell; control: its own still), `mirror` (the overlay mirrored, and left and right change
        places in the sentence; control: they do not), `plain` (the picture without overlay: the cell is named all the same; control: the most
        frequent cell), `swapped` (the wrong class in the prompt is copied; control: the right one is said), and `causal`: the fall of
        P(verdict) when the claimed cell is hidden; control: random areas of the same size.
    """
    found, kept = {}, {}
    for language in LANGUAGES:

        def say(
            overlays: Sequence[Image.Image], records: Sequence[EvidenceRecord], language: str = language
        ) -> list[Parsed | None]:
            return [
                parse_or_none(text)
                for text in describe(model, processor, overlays, [prompt(record, language) for record in records])
            ]

        claims = say(shown.overlays.overlays, shown.overlays.records)
        found[language] = {
            "region": _region(shown, claims, seed),
            "moved": _moved(shown, say, seed),
            "mirror": _mirror(shown, claims, say, seed),
            "plain": _plain(shown, say, seed),
            "swapped": _swapped(shown, say, seed),
            "causal": _causal(shown, claims, predictor, seed, removals, kept),
        }
    return found


def mirrored_region(region: str) -> str:
    """The cell where this one lies in the mirror."""
    row, column = region.split("-")
    return f"{row}-{MIRRORED[column]}"


def _regions(claims: Sequence[Parsed | None]) -> np.ndarray:
    return np.array([claim.region if claim else "" for claim in claims])


def _report(hits: Sequence[float], control: Sequence[float], groups: Sequence[str], seed: int) -> dict:
    """Paired observations with their control."""
    both = np.array([hits, control], dtype=float)

    def means(index: np.ndarray) -> dict[str, float]:
        value, other = both[:, index].mean(axis=1)
        return {"value": value, "control": other, "difference": value - other}

    found: dict = bootstrap(means, np.zeros(both.shape[1], int), groups, seed)
    for name, row in zip(("value", "control"), both):
        if np.isin(row, (0, 1)).all():  # a bootstrap finds no spread where all hit
            found[name] = grouped_rate(row, groups)
    return {"n": both.shape[1], "groups": len(set(groups)), **found}


def _region(shown: GroundingSet, claims: list[Parsed | None], seed: int) -> dict:
    claimed, true, groups = (
        _regions(claims),
        np.array([r.region for r in shown.overlays.records]),
        np.array(shown.overlays.groups),
    )
    by_chance = [
        (claimed[i] == true[groups != groups[i]]).mean() for i in range(len(claimed))
    ]  # over all heatmaps of other sources
    return _report(claimed == true, by_chance, shown.overlays.groups, seed)


def _moved(shown: GroundingSet, say: Say, seed: int) -> dict:
    pictures = [Image.fromarray(overlay(s.pixels, shown.seen[j].heatmap)) for s, j in zip(shown.seen, shown.other)]
    claimed = _regions(say(pictures, shown.overlays.records))
    own = np.array([record.region for record in shown.overlays.records])
    return _report(claimed == own[shown.other], claimed == own, shown.overlays.groups, seed)


def _mirror(shown: GroundingSet, claims: list[Parsed | None], say: Say, seed: int) -> dict | None:
    """Of the overlays whose sentence says left or right; None where there is none."""
    sided = [i for i, claim in enumerate(claims) if claim and not claim.region.endswith("center")]
    if not sided:
        return None
    before = [claims[i].region for i in sided]
    after = _regions(
        say([ImageOps.mirror(shown.overlays.overlays[i]) for i in sided], [shown.overlays.records[i] for i in sided])
    )
    return _report(
        after == np.array([mirrored_region(r) for r in before]),
        after == np.array(before),
        [shown.overlays.groups[i] for i in sided],
        seed,
    )


def _plain(shown: GroundingSet, say: Say, seed: int) -> dict:
    true = np.array([record.region for record in shown.overlays.records])
    names, counts = np.unique(true, return_counts=True)
    claimed = _regions(say([Image.fromarray(s.pixels) for s in shown.seen], shown.overlays.records))
    return _report(claimed == true, true == names[counts.argmax()], shown.overlays.groups, seed)


def _swapped(shown: GroundingSet, say: Say, seed: int) -> dict:
    records = shown.overlays.records
    wrong = [replace(record, label={"real": "fake", "fake": "real"}[record.label]) for record in records]
    said = [claim.label if claim else "" for claim in say(shown.overlays.overlays, wrong)]
    copied, kept = ([label == record.label for label, record in zip(said, of)] for of in (wrong, records))
    return _report(copied, kept, shown.overlays.groups, seed)


def _causal(
    shown: GroundingSet,
    claims: list[Parsed | None],
    predictor: Predictor,
    seed: int,
    removals: int,
    kept: dict[tuple[int, str], Occlusion],
) -> dict | None:
    """Of sentences that claim a cell; None where there is none. `kept` holds what another language has asked already."""
    chosen = [i for i in sorted(round_robin(shown.overlays.groups, removals)) if claims[i]]
    if not chosen:
        return None
    found, fast = [], FastClassifier(predictor)
    for i in chosen:
        key = (i, claims[i].region)
        if key not in kept:
            pixels, label = shown.seen[i].pixels, int(shown.seen[i].record.label == "fake")
            image, mask = predictor.tensors(to_batch([pixels]))[0], region_mask(key[1], predictor.size)
            classify = fast.choose([pixels], [superpixels_or_none(pixels)])
            kept[key] = occlusion_test(classify, image, mask, label, seed + i, CONTROLS)
        found.append(kept[key])
    return _report([r.drop for r in found], [r.random for r in found], [shown.overlays.groups[i] for i in chosen], seed)


def goals(report: dict[str, dict], rates: dict[str, dict]) -> dict[str, bool]:
    """Whether the figures reach what the project asks of `sample`: region and mirror 90%, class and number 99% raw and 100% shown, in both
    languages. `rates`: of `table.assess`."""
    reached = {}
    for language in LANGUAGES:
        tests, raw = report[language], rates[language]
        reached[f"region_{language}"] = _all_at_least(0.9, tests["region"]["value"])
        reached[f"mirror_{language}"] = tests["mirror"] is not None and _all_at_least(0.9, tests["mirror"]["value"])
        reached[f"raw_{language}"] = _all_at_least(0.99, raw["class"], raw["number"])
        reached[f"shown_{language}"] = _all_at_least(1.0, *(raw["shown"][fact] for fact in FACTS))
    return reached


def _all_at_least(goal: float, *estimates: Estimate) -> bool:
    return all(estimate["value"] >= goal for estimate in estimates)
