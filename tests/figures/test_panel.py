"""The figures of one image: legible, complete, and the same in words, numbers and pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from skimage.color import rgb2lab

from aireal.evidence.cues import make_record
from aireal.evidence.record import LimeFeature, Occlusion
from aireal.explain.lime import LimeResult
from aireal.explain.trust import overall, trust
from aireal.figures import overlays, panel, panel_text, style
from helpers.explained import explained_picture, heatmap, lime_result
from helpers.images import noise

pytestmark = pytest.mark.filterwarnings(
    "error::UserWarning"
)  # matplotlib's word for a glyph that no font has, and for a line that is not there


WIDEST = {
    "uncertain": True,
    "agreement": 0.08,
    "region_removal": Occlusion(-1.0, -1.0, -1, 1, 0.3),
    "lime_removal": Occlusion(-1.0, 1.0, 0, 1, 0.0),
}
CASES = {
    "all": {"variant": 4, **WIDEST},
    "list not to be ranked": {"r2": -0.12, "variant": 7, **WIDEST},
    "unsettled": {"settled": False, "agreement": 0.5},
    "no LIME": {"with_lime": False, "region_removal": Occlusion(0.999, 0.999, 0, 1, 0.8)},
    "nothing measured": {"with_lime": False},
}


def texts(figure: Figure) -> list[Text]:
    """All that is written but the numbers on superpixels, which lie in the picture."""
    found = list(figure.texts)
    for axes in figure.axes:
        found += [
            axes.title,
            *(axes.get_xticklabels() if axes.axison else []),
            *(axes.get_legend().get_texts() if axes.get_legend() else []),
        ]
    return [text for text in found if text.get_text().strip()]


def written(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def assert_legible(figure: Figure) -> None:
    """All text lies inside the figure, none on another, and none is smaller than 10 px when the figure is shown 800 px
    wide."""
    figure.canvas.draw()
    boxes = {text: text.get_window_extent() for text in texts(figure)}
    inside = figure.bbox
    for text, box in boxes.items():
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= inside.x1
        assert box.y1 <= inside.y1, f"{text.get_text()!r} leaves the figure"
    for (one, box), (other, second) in combinations(boxes.items(), 2):
        across, down = min(box.x1, second.x1) - max(box.x0, second.x0), min(box.y1, second.y1) - max(box.y0, second.y0)
        assert across <= 1 or down <= 0.25 * min(box.height, second.height), (
            f"{one.get_text()!r} lies on {other.get_text()!r}"
        )
    scale = figure.dpi / 72 * min(1, 800 / inside.width)
    assert min(text.get_fontsize() for text in texts(figure)) * scale >= 10
    assert 700 < inside.width <= 960


@pytest.mark.parametrize("case", CASES)
def test_a_panel_is_legible_and_says_it_all_in_both_languages(photograph, case):
    case = explained_picture(photograph, **CASES[case])
    figure = case.panel()
    assert_legible(figure)
    text = written(figure)
    unwrapped = "".join(text.split())
    for language in ("ko", "en"):
        assert panel_text.verdict_line(case.record, language) in text
        assert "".join(case.sentences[language].split()) in unwrapped
        lines = panel_text.feature_lines(case.lime, language) if case.lime else []
        for line in (*lines, *(getattr(s, language) for s in (overall(trust(case.record)), *trust(case.record)))):
            assert "".join(line.split()) in unwrapped
    assert "secret_name" not in text
    plt.close(figure)


@pytest.mark.parametrize("with_lime", [True, False])
def test_an_overview_has_verdict_and_sentences_under_the_pictures_and_is_legible(photograph, with_lime):
    case = explained_picture(photograph, with_lime=with_lime)
    figure = panel.overview_figure(case.pixels, case.heat, case.record, case.sentences, case.lime)
    assert_legible(figure)
    unwrapped = "".join(written(figure).split())
    for language in ("ko", "en"):
        assert "".join(panel_text.verdict_line(case.record, language).split()) in unwrapped
        assert "".join(case.sentences[language].split()) in unwrapped
    assert ("LIME" in unwrapped) is with_lime
    assert figure.get_figheight() < figure.get_figwidth(), "it fits the first screen"
    plt.close(figure)


@pytest.mark.parametrize("side", [32, 512])
def test_small_and_large_pictures_have_their_figures(photograph, side, tmp_path):
    case, before = explained_picture(photograph, side=side), plt.get_fignums()
    for name, figure in (
        ("x", panel.result_figure(case.pixels, case.heat, case.record, case.sentences)),
        ("lime", panel.lime_figure(case.pixels, case.lime)),
    ):
        assert_legible(figure)
        with Image.open(panel.save(figure, tmp_path / f"{name}.png")) as image:
            assert image.format == "PNG"
            assert 700 < image.width <= 800
    assert plt.get_fignums() == before, "saved figures are freed"


def test_the_numbers_in_the_picture_are_those_of_the_list_and_lie_on_their_superpixels(photograph):
    case = explained_picture(photograph)
    figure, axes = plt.subplots()
    overlays.draw_lime(axes, case.pixels, case.lime)
    assert [int(t.get_text()) for t in axes.texts] == [f.superpixel for f in case.lime.top]
    lines = "\n".join(panel_text.feature_lines(case.lime, "ko"))
    for label, feature in zip(axes.texts, case.lime.top):
        column, row = label.get_position()
        assert case.lime.segments[round(row), round(column)] == feature.superpixel
        assert (
            f"특징 {feature.superpixel}: 중요도 {feature.weight:.4f} [{feature.low:.3f}, {feature.high:.3f}]" in lines
        )
    plt.close(figure)


def test_the_number_of_a_crescent_lies_on_it():
    rows, columns = np.mgrid[:96, :96]
    ring = (np.hypot(rows - 48, columns - 48) > 32).astype(int)  # its centroid is the middle of the disc
    figure, axes = plt.subplots()
    overlays.draw_lime(
        axes,
        np.asarray(noise(1, 96)),
        LimeResult(ring, (LimeFeature(1, 0.1), LimeFeature(0, -0.1)), 0.5, 0.5, 100, True, 1.0),
    )
    assert [ring[round(row), round(column)] for column, row in (t.get_position() for t in axes.texts)] == [1, 0]
    plt.close(figure)


def test_lines_frame_what_is_hot_so_that_colour_is_not_needed():
    figure, axes = plt.subplots()
    heat = heatmap(90)
    case = make_record("x", np.asarray(noise(1, 90)), 0.9, heat)
    overlays.draw_overlay(axes, np.asarray(noise(1, 90)), heat, case)
    half, most = (collection.get_paths()[0].vertices for collection in axes.collections)
    for level, vertices in ((0.5, half), (0.8, most)):
        column, row = vertices.mean(axis=0)
        assert np.hypot(column / 90 - 0.8, row / 90 - 0.2) < 0.05
        radius = np.hypot(*(vertices / 90 - (0.8, 0.2)).T).mean()
        assert radius == pytest.approx(np.sqrt(-0.04 * np.log(level)), abs=0.01)
    corners = axes.lines[0].get_xydata()
    corners = corners[np.isfinite(corners).all(axis=1)]
    assert (corners[:, 0] >= 59.5).all()
    assert (corners[:, 1] <= 29.5).all(), "the frame is that of the top right cell"
    assert axes.lines[1].get_xydata()[0] == pytest.approx([case.peak[0] * 90 - 0.5, case.peak[1] * 90 - 0.5])
    plt.close(figure)


def test_a_list_that_cannot_be_ranked_says_so_in_words(photograph):
    pixels = np.asarray(photograph.resize((96, 96)))
    found = {
        name: lime_result(pixels, **how)
        for name, how in (("good", {}), ("low", {"r2": 0.12}), ("unsettled", {"settled": False}))
    }
    lines = {
        (name, language): panel_text.feature_lines(lime, language)
        for name, lime in found.items()
        for language in ("ko", "en")
    }
    assert lines["good", "ko"][0] == "상위 5개 중요 특징 (클래스 1_fake):"
    assert lines["good", "en"][0] == "Top 5 features (class 1_fake):"
    assert {len(lines["good", language]) for language in ("ko", "en")} == {6}
    assert lines["low", "ko"][6:] == ["R² 0.12는 순위를 매기기에 너무 낮습니다. 참고만 하세요."]
    assert "hint only" in lines["low", "en"][6]
    assert "달라질 수" in lines["unsettled", "ko"][6]
    assert "may differ" in lines["unsettled", "en"][6]


@settings(max_examples=100, deadline=None)
@given(st.floats(-3, 1), st.integers(2, 1000), st.sampled_from(["ko", "en"]))
def test_the_note_tells_samples_and_r2_and_claims_no_share_below_zero(r2, samples, language):
    lime = LimeResult(np.zeros((1, 1), int), (), r2, 0.9, samples, True, 1.0)
    note = panel_text.lime_note(lime, language)
    assert str(samples) in note
    assert f"{abs(r2):.2f}" in note
    assert "-" not in note
    assert f"{r2:.0%}" in note.replace("95%", "") or r2 <= 0 or f"{r2:.0%}" == "95%"


def test_text_is_drawn_as_it_is_even_with_dollar_signs(photograph):
    case = explained_picture(photograph, with_lime=False)
    figure = replace(case, sentences={"ko": "값은 $x^2$ 입니다", "en": "It costs $5_0 and $\\frac{"}).panel()
    figure.canvas.draw()
    assert "$x^2$" in written(figure)
    assert "$\\frac{" in written(figure)
    plt.close(figure)


# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_orange_and_blue_are_told_apart_by_the_colour_blind(kind):
    linear = (np.array([style.rgb(style.ORANGE), style.rgb(style.BLUE)]) / 255) ** 2.2
    seen = (linear @ np.array(BLINDNESS[kind]).T).clip(0, 1) ** (1 / 2.2)
    one, other = rgb2lab(seen[None])[0]
    assert np.linalg.norm(one - other) > 40


def test_markers_of_trust_differ_in_shape():
    assert len({glyph for glyph, _ in style.MARKER.values()}) == len(style.MARKER) == 4
