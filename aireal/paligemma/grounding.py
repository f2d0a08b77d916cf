"""Is the sentence grounded in the heatmap? Each test changes one input and checks whether the sentence follows.

A model that had learnt where heatmaps lie on average, or that reads the picture under the colours, could reach a plain
hit rate. So every test has a control: permuted heatmaps (permutation baselines, Adebayo et al. 2018, "Sanity Checks for
Saliency Maps"), a mirrored overlay, a picture without overlay (Hendricks et al. 2018, "Women also Snowboard", who test
whether captions use the right evidence), a prompt with the wrong class, and occlusion of the named region, which
shows its effect on the classifier (`faithfulness.occlusion`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from aireal.captions.language.grammar import LANGUAGES, prompt
from aireal.captions.language.lexicon import LANGUAGE_NAMES
from aireal.captions.language.parsing import Parsed
from aireal.classifier.data import to_batch
from aireal.config import DatasetRoot
from aireal.core.imagefile import open_named
from aireal.core.sampling import round_robin
from aireal.core.statistics import Estimate, bootstrap, grouped_rate, interval
from aireal.evidence.record import CLASSES, EvidenceRecord, Occlusion
from aireal.explain.faithfulness.occlusion import occlusion_test, region_mask
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.gradcam import overlay
from aireal.explain.lime.perturb import superpixels_or_none
from aireal.explain.predictor import Prediction, Predictor

from .consistency import FACTS
from .evaluate import Overlays
from .generate import describe
from .region_words import mirrored_region, parse_or_none

BATCH = 16  # pictures per forward pass of the classifier
CONTROLS = 8  # random areas that each occlusion is compared with

# overlays and records (for the prompts) to the claims of the generated sentences
GenerateFn = Callable[[Sequence[Image.Image], Sequence[EvidenceRecord]], list[Parsed | None]]


@dataclass
class GroundingSet:
    """Overlays with the predictions for their pictures.

    `permutation` int [N] holds for each overlay the index of one of another source.
    """

    overlays: Overlays
    predictions: list[Prediction]
    permutation: np.ndarray

    @property
    def records(self) -> list[EvidenceRecord]:
        return self.overlays.records

    @property
    def groups(self) -> list[str]:
        return self.overlays.groups

    @property
    def regions(self) -> np.ndarray:
        """The region of each heatmap's peak."""
        return np.array([record.region for record in self.records])


def make_grounding_set(data: DatasetRoot, overlays: Overlays, predictor: Predictor, seed: int) -> GroundingSet:
    """Predict the overlays' pictures again for their heatmaps, and assign each a heatmap of another source.

    Raises:
        ValueError: all overlays have the same source.
    """
    predictions: list[Prediction] = []
    for start in range(0, len(overlays), BATCH):
        names = overlays.images[start : start + BATCH]
        predictions += predictor.predict(names, [open_named(data.root / name) for name in names])
    regions = [record.region for record in overlays.records]
    return GroundingSet(overlays, predictions, permute_overlays(overlays.groups, regions, seed))


def permute_overlays(groups: Sequence[str], regions: Sequence[str], seed: int) -> np.ndarray:
    """For each overlay the index of one of another source, int [N]; of another region if there is one.

    Raises:
        ValueError: all overlays have the same source.
    """
    rng, group_array, region_array = np.random.default_rng(seed), np.array(groups), np.array(regions)
    if len(set(groups)) < 2:
        raise ValueError(
            "All overlays are of one source, and the grounding tests need at least two. Add images of other sources."
        )
    permutation = []
    for group, region in zip(groups, regions):
        candidates = np.flatnonzero(group_array != group)
        other_regions = candidates[region_array[candidates] != region]
        permutation.append(int(rng.choice(other_regions if len(other_regions) else candidates)))
    return np.array(permutation)


def grounding_tests(
    examples: GroundingSet, model, processor, predictor: Predictor, seed: int, occluded: int
) -> dict[str, dict]:
    """Run all grounding tests in each language.

    Args:
        occluded: overlays, spread over as many sources as possible, whose named region is occluded.

    Returns:
        language → test → {n, groups, value, control, difference}. Each of the last three is {value, low, high} with the
        95% interval over sources. The tests:

        - `region`: the sentence names the region of the heatmap's peak; control: that of another source's heatmap.
        - `moved`: another source's heatmap lies over the picture, and the sentence names its region; control: the
          sentence still names the region of the original heatmap.
        - `mirror`: the overlay is mirrored, and the sentence swaps left and right; control: it does not.
        - `plain`: the picture has no overlay, and the sentence still names the region; control: the commonest region.
        - `swapped`: the prompt names the wrong class, and the sentence copies it; control: it names the right class.
        - `causal`: the fall of P(verdict) when the named region is occluded; control: random areas of the same size.
    """
    results: dict[str, dict] = {}
    occlusions: dict[tuple[int, str], Occlusion] = {}  # shared by the languages
    for language in LANGUAGES:

        def generate_fn(
            overlays: Sequence[Image.Image], records: Sequence[EvidenceRecord], language: str = language
        ) -> list[Parsed | None]:
            prompts = [prompt(record, language) for record in records]
            return [parse_or_none(text) for text in describe(model, processor, overlays, prompts)]

        claims = generate_fn(examples.overlays.overlays, examples.records)
        results[language] = {
            "region": _region_test(examples, claims, seed),
            "moved": _moved_test(examples, generate_fn, seed),
            "mirror": _mirror_test(examples, claims, generate_fn, seed),
            "plain": _plain_test(examples, generate_fn, seed),
            "swapped": _swapped_test(examples, generate_fn, seed),
            "causal": _causal_test(examples, claims, predictor, seed, occluded, occlusions),
        }
    return results


def _claimed_regions(claims: Sequence[Parsed | None]) -> np.ndarray:
    return np.array([claim.region if claim else "" for claim in claims])


def _paired_result(values: Sequence[float], controls: Sequence[float], groups: Sequence[str], seed: int) -> dict:
    """Means of paired observations and controls, and their difference, with intervals over groups."""
    pairs = np.array([values, controls], dtype=float)

    def means(index: np.ndarray) -> dict[str, float]:
        value, control = pairs[:, index].mean(axis=1)
        return {"value": value, "control": control, "difference": value - control}

    estimates: dict = bootstrap(means, np.zeros(pairs.shape[1], int), groups, seed)
    for name, row in zip(("value", "control"), pairs):
        if np.isin(row, (0, 1)).all():  # a bootstrap has no spread where all observations are hits
            estimates[name] = grouped_rate(row, groups)
    return {"n": pairs.shape[1], "groups": len(set(groups)), **estimates}


def _region_test(examples: GroundingSet, claims: list[Parsed | None], seed: int) -> dict:
    claimed, regions, groups = _claimed_regions(claims), examples.regions, np.array(examples.groups)
    # the control of each sentence is its mean hit rate over all heatmaps of other sources
    controls = [(claimed[i] == regions[groups != groups[i]]).mean() for i in range(len(claimed))]
    return _paired_result(claimed == regions, controls, examples.groups, seed)


def _moved_test(examples: GroundingSet, generate_fn: GenerateFn, seed: int) -> dict:
    moved = [
        Image.fromarray(overlay(prediction.pixels, examples.predictions[index].heatmap))
        for prediction, index in zip(examples.predictions, examples.permutation)
    ]
    claimed, regions = _claimed_regions(generate_fn(moved, examples.records)), examples.regions
    return _paired_result(claimed == regions[examples.permutation], claimed == regions, examples.groups, seed)


def _mirror_test(
    examples: GroundingSet, claims: list[Parsed | None], generate_fn: GenerateFn, seed: int
) -> dict | None:
    """On the overlays whose sentence names left or right; None where there is none."""
    indices = [i for i, claim in enumerate(claims) if claim and not claim.region.endswith("center")]
    if not indices:
        return None
    before = [claims[i].region for i in indices]
    mirrored = [ImageOps.mirror(examples.overlays.overlays[i]) for i in indices]
    after = _claimed_regions(generate_fn(mirrored, [examples.records[i] for i in indices]))
    swapped = np.array([mirrored_region(region) for region in before])
    groups = [examples.groups[i] for i in indices]
    return _paired_result(after == swapped, after == np.array(before), groups, seed)


def _plain_test(examples: GroundingSet, generate_fn: GenerateFn, seed: int) -> dict:
    regions = examples.regions
    names, counts = np.unique(regions, return_counts=True)
    pictures = [Image.fromarray(prediction.pixels) for prediction in examples.predictions]
    claimed = _claimed_regions(generate_fn(pictures, examples.records))
    return _paired_result(claimed == regions, regions == names[counts.argmax()], examples.groups, seed)


def _swapped_test(examples: GroundingSet, generate_fn: GenerateFn, seed: int) -> dict:
    records = examples.records
    swapped = [replace(record, label=CLASSES[1 - CLASSES.index(record.label)]) for record in records]
    claims = generate_fn(examples.overlays.overlays, swapped)
    labels = [claim.label if claim else "" for claim in claims]
    copied, right = ([label == r.label for label, r in zip(labels, of)] for of in (swapped, records))
    return _paired_result(copied, right, examples.groups, seed)


def _causal_test(
    examples: GroundingSet,
    claims: list[Parsed | None],
    predictor: Predictor,
    seed: int,
    occluded: int,
    occlusions: dict[tuple[int, str], Occlusion],
) -> dict | None:
    """On sentences that claim a region; None where there is none. `occlusions` caches results by (index, region)."""
    indices = [i for i in sorted(round_robin(examples.groups, occluded)) if claims[i]]
    if not indices:
        return None
    results = []
    for i in indices:
        key = (i, claims[i].region)
        if key not in occlusions:
            occlusions[key] = _occlude(examples.predictions[i], claims[i].region, predictor, seed + i)
        results.append(occlusions[key])
    drops, controls = [result.drop for result in results], [result.random for result in results]
    return _paired_result(drops, controls, [examples.groups[i] for i in indices], seed)


def _occlude(prediction: Prediction, region: str, predictor: Predictor, seed: int) -> Occlusion:
    pixels = prediction.pixels
    image = predictor.tensors(to_batch([pixels]))[0]
    mask, label = region_mask(region, predictor.size), CLASSES.index(prediction.record.label)
    classify = FastClassifier(predictor).choose([pixels], [superpixels_or_none(pixels)])
    return occlusion_test(classify, image, mask, label, seed, CONTROLS)


@dataclass(frozen=True)
class Goal:
    """A rate with its interval, the number of overlays, and the threshold that the rate should reach; the rate is None
    where nothing could be tested."""

    key: str  # the name in metrics/paligemma.json
    text: str
    language: str
    rate: Estimate | None
    n: int
    threshold: float

    @property
    def reached(self) -> bool:
        return self.rate is not None and self.rate["value"] >= self.threshold


def check_goals(grounding: dict[str, dict], rates: dict[str, dict]) -> list[Goal]:
    """The goals of the `sample` profile in each language: region 92%, mirror 95%, class and number 100%, raw and shown.

    Args:
        grounding: from `grounding_tests`.
        rates: from `evaluate.evaluate_sentences`.
    """
    result = []
    for language in LANGUAGES:
        tests, raw = grounding[language], rates[language]
        mirror, region = tests["mirror"] or {"value": None, "n": 0}, tests["region"]
        raw_rate = min((raw[fact] for fact in ("class", "number")), key=itemgetter("value"))
        shown_rate = min((raw["shown"][fact] for fact in FACTS), key=itemgetter("value"))
        shown_text = "class, number and region, shown sentences"
        result += [
            Goal(f"region_{language}", "region of the peak", language, region["value"], region["n"], 0.92),
            Goal(
                f"mirror_{language}", "left and right swap in the mirror", language, mirror["value"], mirror["n"], 0.95
            ),
            Goal(f"raw_{language}", "class and number, raw sentences", language, raw_rate, raw["n"], 1.0),
            Goal(f"shown_{language}", shown_text, language, shown_rate, raw["n"], 1.0),
        ]
    return result


def goal_table(goal_list: Sequence[Goal]) -> pd.DataFrame:
    """The goals as a table: what is measured, its rate with the 95% interval, the number of overlays, the threshold,
    and whether the rate reaches it."""
    return pd.DataFrame(
        {
            "goal": [goal.text for goal in goal_list],
            "language": [LANGUAGE_NAMES[goal.language] for goal in goal_list],
            "rate": ["–" if goal.rate is None else interval(goal.rate, 100, "%") for goal in goal_list],
            "overlays": [str(goal.n) for goal in goal_list],
            "threshold": [f"{goal.threshold:.0%}" for goal in goal_list],
            "result": ["reached" if goal.reached else "missed" for goal in goal_list],
        }
    )
