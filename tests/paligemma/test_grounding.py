"""Whether sentences follow the heatmap: the tests tell a reader from a guesser, second sentences are another cell's, intervals know sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import LANGUAGES, parse, prompt, render, variant_count
from aireal.core.statistics import grouped_rate, wilson
from aireal.evidence.cues import region_of
from aireal.evidence.record import REGIONS
from aireal.explain.predictor import Prediction
from aireal.figures import grounding as plots_paligemma
from aireal.paligemma import grounding as looks
from aireal.paligemma.consistency import BASE_CAPTION, PALIGEMMA, REGENERATED, select_consistent, shown_rates
from aireal.paligemma.evaluate import Overlays
from aireal.paligemma.rerank import alternatives, likelihood, rerank_region
from aireal.paligemma.small import synthetic as procedural
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@pytest.fixture(name="shown", scope="module")
def shown_():
    """Eighteen procedural overlays, two of each source, whose peaks stand out, with what lies under them."""
    rng, photographs, drawn = np.random.default_rng(5), procedural.read_photographs(None), []
    while len(drawn) < 18:
        one = procedural.draw_example(rng, photographs, REGIONS[len(drawn) % 9])
        if procedural.margin(one.heat, one.record.region) > 0.3:
            drawn.append(one)
    records = [d.record for d in drawn]
    overlays = Overlays(
        [f"{i}.jpg" for i in range(18)],
        [f"source {i // 2}" for i in range(18)],
        [procedural.Image.fromarray(d.overlay) for d in drawn],
        records,
    )
    seen = [Prediction(d.picture, d.record.probability_fake, d.heat, d.record) for d in drawn]
    return looks.GroundingSet(overlays, seen, looks.permute_overlays(overlays.groups, [r.region for r in records], 3))


class Classifier:
    """P(fake) is how bright the middle of the picture is."""

    size = 256
    folder, device, config = Path("no quantized classifier"), torch.device("cpu"), SimpleNamespace(fingerprint="")

    def tensors(self, pixels):
        return pixels.float() / 255

    def predict_fake(self, batch):
        return batch[:, :, 96:160, 96:160].mean(dim=(1, 2, 3))


def speaking(monkeypatch, region_of_overlay):
    """`describe` as a function of overlay and prompt: class and number from the prompt, the region from `region_of_overlay`."""

    def describe(model, processor, overlays, prompts):
        texts = []
        for image, asked in zip(overlays, prompts, strict=True):
            _, language, label, number, *_ = asked.split()
            cues = procedural.Cues("red", "medium", "moderate", "moderate")
            record = procedural.random_verdict(np.random.default_rng(0), region_of_overlay(image), (0, 0), cues)
            record = replace(record, label=label.split("=")[1], probability=float(number.split("=")[1]))
            texts.append(render(record, language))
        return texts

    monkeypatch.setattr(looks, "describe", describe)


def hottest_cell(image) -> str:
    """Reads the jet colours: where red most outweighs blue."""
    pixels = np.asarray(image, dtype=float)
    heat = pixels[..., 0] - pixels[..., 2] - 0.5 * pixels[..., 1]
    smooth = procedural.cv2.GaussianBlur(heat, (0, 0), 12)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    return region_of((column + 0.5) / 256, (row + 0.5) / 256)


def test_a_reader_passes_every_test_and_its_controls_do_not(shown, monkeypatch):
    speaking(monkeypatch, hottest_cell)
    found = looks.grounding_tests(shown, None, None, Classifier(), 7, removals=4)
    for language in LANGUAGES:
        tests = found[language]
        assert tests["region"]["value"]["value"] > 0.6 and tests["region"]["difference"]["low"] > 0.3
        assert tests["moved"]["value"]["value"] > 0.6 and tests["moved"]["control"]["value"] < 0.3
        assert tests["mirror"]["value"]["value"] > 0.85 and tests["mirror"]["control"]["value"] < 0.15
        assert tests["swapped"]["value"]["value"] == 1 and tests["swapped"]["control"]["value"] == 0
        assert tests["causal"]["n"] == 4 == tests["causal"]["groups"] and {"value", "control", "difference"} <= set(
            tests["causal"]
        )
        assert tests["region"]["n"] == 18 and tests["region"]["groups"] == 9
    plots_paligemma.plot_grounding(found)


def test_a_guesser_is_found_out(shown, monkeypatch):
    speaking(monkeypatch, lambda image: "top-left")
    tests = looks.grounding_tests(shown, None, None, Classifier(), 7, removals=2)["en"]
    assert tests["region"]["difference"]["low"] <= 0 and tests["moved"]["value"]["value"] < 0.3
    assert tests["mirror"]["value"]["value"] == 0 and tests["mirror"]["control"]["value"] == 1
    rates = {
        language: {
            **dict.fromkeys(("class", "number"), {"value": 1.0}),
            "shown": dict.fromkeys(("class", "number", "region"), {"value": 1.0}),
        }
        for language in LANGUAGES
    }
    reached = looks.goals({language: tests for language in LANGUAGES}, rates)
    assert not reached["region_ko"] and not reached["mirror_en"] and reached["raw_ko"] and reached["shown_en"]


def test_a_model_that_says_nothing_is_wrong_in_all(shown, monkeypatch):
    monkeypatch.setattr(looks, "describe", lambda model, processor, overlays, prompts: [""] * len(overlays))
    tests = looks.grounding_tests(shown, None, None, Classifier(), 7, removals=2)["ko"]
    assert (
        tests["region"]["value"]["value"] == 0 == tests["swapped"]["value"]["value"]
        and tests["mirror"] is None
        and tests["causal"] is None
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=12).filter(lambda g: len(set(g)) > 1), st.integers(0, 9))
def test_another_heatmap_is_of_another_source_and_cell_where_there_is_one(groups, seed):
    regions = [REGIONS[i % 9] for i in range(len(groups))]
    other = looks.permute_overlays(groups, regions, seed)
    assert all(
        groups[j] != groups[i] and regions[j] != regions[i]
        for i, j in enumerate(other)
        if any(groups[k] != groups[i] and regions[k] != regions[i] for k in range(len(groups)))
    )


def test_one_source_alone_is_refused():
    with pytest.raises(ValueError, match="all overlays are of one source"):
        looks.permute_overlays(["a", "a"], ["top-left", "top-right"], 1)


@pytest.mark.parametrize("region", REGIONS)
def test_the_mirror_keeps_rows_and_is_its_own_inverse(region):
    assert (
        looks.mirrored_region(looks.mirrored_region(region)) == region
        and looks.mirrored_region(region).split("-")[0] == region.split("-")[0]
    )


# --- second sentences --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(REGIONS), st.sampled_from(LANGUAGES), st.integers(0, 10_000), st.integers(0, 999))
def test_alternatives_differ_in_the_cell_alone(region, language, variant, seed):
    rng = np.random.default_rng(seed)
    record = procedural.random_verdict(
        rng, region, (0.5, 0.5), procedural.Cues(*(str(rng.choice(words)) for words in procedural.CUE_WORDS))
    )
    text = render(record, language, variant % variant_count(record, language))
    found = [parse(choice) for choice in alternatives(text)]
    assert {p.region for p in found} == set(REGIONS) - {region}
    assert {(p.label, p.probability, p.colour, p.language) for p in found} == {
        (record.label, record.probability, record.cues.colour, language)
    }


def test_the_second_choice_is_the_likeliest_other_cell_and_unknown_words_are_drawn_anew(small, examples):
    model, processor = small
    image, record = examples[0]
    text = render(record, "en")
    asked = prompt(record, "en")
    others = alternatives(text)
    scores = likelihood(model, processor, [image] * len(others), [asked] * len(others), others)
    chosen, drawn = rerank_region(model, processor, [image] * 2, [asked] * 2, [text, "what is this?"])
    assert chosen == others[int(np.argmax(scores))] and parse(chosen).region != record.region
    assert (
        rerank_region(model, processor, [image] * 2, [asked] * 2, [text, "what is this?"]) == [chosen, drawn] and drawn
    )
    alone = likelihood(model, processor, [image], [asked], [others[3]])[0]
    assert alone == pytest.approx(scores[3], abs=1e-3) and max(scores) < 0


def test_bind_asks_once_and_only_for_what_is_wrong(examples):
    records = [record for _, record in examples[:4]]
    wrong = [replace(record, region=REGIONS[(REGIONS.index(record.region) + 1) % 9]) for record in records]
    texts = [render(records[0], "en"), render(wrong[1], "en"), render(wrong[2], "en"), "nonsense"]
    asked = []

    def again(chosen):
        asked.append(chosen)
        return [render(records[1], "en", 3), render(wrong[2], "en", 3), render(records[3], "en", 2)]

    shown = select_consistent(texts, records, ["en"] * 4, again)
    assert asked == [[1, 2, 3]]
    assert [sentence.source.split(" (model")[0] for sentence in shown] == [
        PALIGEMMA,
        REGENERATED,
        BASE_CAPTION,
        REGENERATED,
    ]
    assert (
        shown[1].text == render(records[1], "en", 3)
        and shown[2].text == render(records[2], "en")
        and not shown[2].by_model
    )
    rates = shown_rates(shown, records, "en", list("abcd"))
    assert (rates["as_written"]["value"], rates["regenerated"]["value"], rates["base_caption"]["value"]) == (
        0.25,
        0.5,
        0.25,
    )
    assert rates["class"]["value"] == rates["number"]["value"] == rates["region"]["value"] == 1
    assert (
        select_consistent(texts[:1], records[:1], ["en"], lambda chosen: pytest.fail("nothing was wrong"))[0].source
        == PALIGEMMA
    )


# --- intervals over sources --------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_a_source_each_is_wilsons_interval_and_copies_of_a_source_tell_nothing_new(hits):
    single = grouped_rate(hits, [str(i) for i in range(len(hits))])
    assert (
        single["low"] <= single["value"] <= single["high"] and single["value"] == wilson(sum(hits), len(hits))["value"]
    )
    assert (
        single["high"] - single["low"]
        >= wilson(sum(hits), len(hits))["high"] - wilson(sum(hits), len(hits))["low"] - 1e-3
    )
    doubled = grouped_rate(hits * 3, [str(i) for i in range(len(hits))] * 3)
    assert doubled == pytest.approx(single, abs=1e-3)


def test_rates_want_one_group_an_observation():
    with pytest.raises(ValueError, match="one group an observation"):
        grouped_rate([True], [])


def test_seen_by_the_sample(small_root, small, monkeypatch):
    """`prepare` reads the pictures that the table names and deals heatmaps of other sources."""
    from aireal.dataset.manifest import load_items

    items = load_items(small_root, "test")
    record = SimpleNamespace(region="top-left")
    overlays = Overlays([i.path for i in items], [i.group for i in items], [None] * len(items), [record] * len(items))
    asked = []
    predictor = SimpleNamespace(predict=lambda names, images: asked.extend(names) or [image.size for image in images])
    shown = looks.prepare(small_root, overlays, predictor, 7)
    assert (
        asked == overlays.images and all(size == (256, 256) for size in shown.seen) and len(shown.other) == len(items)
    )
