"""The grounding tests distinguish a model that reads the heatmap from one that guesses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aireal.captions.language.grammar import LANGUAGES, render
from aireal.dataset.manifest import load_items
from aireal.evidence.cues import region_of
from aireal.evidence.record import REGIONS
from aireal.explain.predictor import Prediction
from aireal.figures.grounding import plot_grounding
from aireal.paligemma import grounding
from aireal.paligemma.evaluate import Overlays
from aireal.paligemma.small import synthetic


@pytest.fixture(name="examples", scope="module")
def examples_():
    """Eighteen synthetic overlays with clear peaks, two of each source, with the predictions for their pictures."""
    rng, photographs, drawn = np.random.default_rng(5), synthetic.read_photographs(None), []
    while len(drawn) < 18:
        one = synthetic.draw_example(rng, photographs, REGIONS[len(drawn) % 9])
        if synthetic.margin(one.heat, one.record.region) > 0.3:
            drawn.append(one)
    records = [one.record for one in drawn]
    overlays = Overlays(
        [f"{i}.jpg" for i in range(18)],
        [f"source {i // 2}" for i in range(18)],
        [Image.fromarray(one.overlay) for one in drawn],
        records,
    )
    predictions = [Prediction(one.picture, one.record.probability_fake, one.heat, one.record) for one in drawn]
    permutation = grounding.permute_overlays(overlays.groups, [record.region for record in records], 3)
    return grounding.GroundingSet(overlays, predictions, permutation)


class Classifier:
    """P(fake) is the brightness of the picture's center."""

    size = 256
    folder, device, config = Path("no quantized classifier"), torch.device("cpu"), SimpleNamespace(fingerprint="")

    def tensors(self, pixels):
        return pixels.float() / 255

    def predict_fake(self, batch):
        return batch[:, :, 96:160, 96:160].mean(dim=(1, 2, 3))


def set_describe(monkeypatch, region_of_overlay):
    """Make `describe` copy class and number from the prompt, and name the region that `region_of_overlay` returns."""

    def describe(model, processor, overlays, prompts):
        texts = []
        for image, prompt in zip(overlays, prompts, strict=True):
            _, language, label, number, *_ = prompt.split()
            cues = synthetic.Cues("red", "medium", "moderate", "moderate")
            record = synthetic.random_verdict(np.random.default_rng(0), region_of_overlay(image), (0, 0), cues)
            record = replace(record, label=label.split("=")[1], probability=float(number.split("=")[1]))
            texts.append(render(record, language))
        return texts

    monkeypatch.setattr(grounding, "describe", describe)


def hottest_region(image) -> str:
    """The region where red most outweighs blue: the peak in the jet colour map."""
    pixels = np.asarray(image, dtype=float)
    heat = pixels[..., 0] - pixels[..., 2] - 0.5 * pixels[..., 1]
    smooth = cv2.GaussianBlur(heat, (0, 0), 12)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    return region_of((column + 0.5) / 256, (row + 0.5) / 256)


def test_a_model_that_reads_the_heatmap_passes_every_test(examples, monkeypatch):
    set_describe(monkeypatch, hottest_region)
    results = grounding.grounding_tests(examples, None, None, Classifier(), 7, occluded=4)
    for language in LANGUAGES:
        tests = results[language]
        assert tests["region"]["n"] == 18
        assert tests["region"]["groups"] == 9
        assert tests["region"]["value"]["value"] > 0.6
        assert tests["region"]["difference"]["low"] > 0.3
        assert tests["moved"]["value"]["value"] > 0.6
        assert tests["moved"]["control"]["value"] < 0.3
        assert tests["mirror"]["value"]["value"] > 0.85
        assert tests["mirror"]["control"]["value"] < 0.15
        assert tests["swapped"]["value"]["value"] == 1
        assert tests["swapped"]["control"]["value"] == 0
        assert tests["causal"]["n"] == 4
        assert tests["causal"]["groups"] == 4
        assert {"value", "control", "difference"} <= set(tests["causal"])
    plot_grounding(results)


def test_a_model_that_guesses_fails(examples, monkeypatch):
    set_describe(monkeypatch, lambda image: "top-left")
    tests = grounding.grounding_tests(examples, None, None, Classifier(), 7, occluded=2)["en"]
    assert tests["region"]["difference"]["low"] <= 0
    assert tests["moved"]["value"]["value"] < 0.3
    assert tests["mirror"]["value"]["value"] == 0
    assert tests["mirror"]["control"]["value"] == 1


def test_a_model_that_writes_nothing_is_wrong_in_every_test(examples, monkeypatch):
    monkeypatch.setattr(grounding, "describe", lambda model, processor, overlays, prompts: [""] * len(overlays))
    results = grounding.grounding_tests(examples, None, None, Classifier(), 7, occluded=2)
    tests = results["ko"]
    assert tests["region"]["value"]["value"] == 0
    assert tests["swapped"]["value"]["value"] == 0
    assert tests["mirror"] is None
    assert tests["causal"] is None
    plot_grounding(results)


def goals_of(region: float, mirror: float | None, fact: float) -> dict[str, grounding.Goal]:
    """The goals by key, of made results with these rates in both languages."""
    rate = lambda value: {"value": value, "low": value - 0.1, "high": 1.0}  # noqa: E731
    tests = {"region": {"n": 69, "value": rate(region)}}
    tests["mirror"] = None if mirror is None else {"n": 42, "value": rate(mirror)}
    facts = dict.fromkeys(("class", "number", "region"), rate(fact))
    rates = {**facts, "shown": facts, "n": 69}
    goals = grounding.check_goals(dict.fromkeys(LANGUAGES, tests), dict.fromkeys(LANGUAGES, rates))
    return {goal.key: goal for goal in goals}


def test_goals_compare_each_rate_with_its_threshold():
    goals = goals_of(region=0.91, mirror=0.95, fact=0.995)
    assert not goals["region_ko"].reached
    assert goals["mirror_en"].reached
    assert not goals["raw_ko"].reached
    assert not goals["shown_en"].reached
    assert not goals_of(region=1.0, mirror=None, fact=1.0)["mirror_ko"].reached


def test_the_table_of_goals_names_goal_rate_interval_and_threshold():
    table = grounding.goal_table(list(goals_of(region=0.89, mirror=None, fact=1.0).values()))
    assert list(table.columns) == ["goal", "language", "rate", "overlays", "threshold", "result"]
    assert list(table.iloc[0]) == ["region of the peak", "Korean", "89.0% [79.0, 100.0]", "69", "92%", "missed"]
    assert list(table.iloc[1]) == ["left and right swap in the mirror", "Korean", "–", "0", "95%", "missed"]
    assert table.iloc[2]["result"] == "reached"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=12).filter(lambda g: len(set(g)) > 1), st.integers(0, 9))
def test_a_permuted_overlay_has_another_source_and_another_region_if_possible(groups, seed):
    regions, indices = [REGIONS[i % 9] for i in range(len(groups))], range(len(groups))
    for i, j in enumerate(grounding.permute_overlays(groups, regions, seed)):
        assert groups[j] != groups[i]
        if any(groups[k] != groups[i] and regions[k] != regions[i] for k in indices):
            assert regions[j] != regions[i]


def test_one_source_alone_is_refused():
    with pytest.raises(ValueError, match="All overlays are of one source"):
        grounding.permute_overlays(["a", "a"], ["top-left", "top-right"], 1)


@pytest.mark.parametrize("region", REGIONS)
def test_mirroring_keeps_the_row_and_is_its_own_inverse(region):
    mirrored = grounding.mirrored_region(region)
    assert grounding.mirrored_region(mirrored) == region
    assert mirrored.split("-")[0] == region.split("-")[0]


def test_a_grounding_set_reads_the_tables_pictures_and_permutes_sources(small_root):
    items = load_items(small_root, "test")
    record = SimpleNamespace(region="top-left")
    overlays = Overlays([i.path for i in items], [i.group for i in items], [None] * len(items), [record] * len(items))
    names_read = []

    def look(names, images):
        names_read.extend(names)
        return [image.size for image in images]

    examples = grounding.make_grounding_set(small_root, overlays, SimpleNamespace(predict=look), 7)
    assert names_read == overlays.images
    assert examples.predictions == [(256, 256)] * len(items)
    assert len(examples.permutation) == len(items)
