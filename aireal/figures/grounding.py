"""Figure of the grounding tests (`paligemma.grounding`): is the sentence grounded in the heatmap?"""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import BLUE, GRAY, ORANGE, use_fonts

# The wording of each test and its control, for this figure and for the tables of the README and the cards.
GROUNDING_WORDING = {
    "en": {
        "region": ("names the region of the heatmap's peak", "another source's heatmap"),
        "moved": ("another heatmap over the picture: names its region", "still names the old region"),
        "mirror": ("overlay mirrored: swaps left and right", "does not swap them"),
        "swapped": ("wrong class in the prompt: copies it", "names the right class"),
        "plain": ("no overlay: still names the region", "always the commonest region"),
        "causal": ("claimed region occluded: fall of P(verdict), in points", "random areas of the same size"),
    },
    "ko": {
        "region": ("히트맵 최고점의 칸을 말함", "뒤섞은 히트맵"),
        "moved": ("다른 히트맵을 얹으면 그 칸을 말함", "여전히 예전 칸"),
        "mirror": ("오버레이를 뒤집으면 좌우가 바뀜", "바뀌지 않음"),
        "swapped": ("프롬프트의 틀린 클래스를 그대로 옮김", "원래 클래스"),
        "plain": ("오버레이가 없어도 칸을 맞힘", "가장 흔한 칸"),
        "causal": ("지목한 칸을 가렸을 때 판정 확률의 하락, %p", "무작위 영역"),
    },
}
RATE_TESTS = tuple(test for test in GROUNDING_WORDING["en"] if test != "causal")  # shares of sentences


def plot_grounding(grounding: dict[str, dict]) -> Figure:
    """Plot the result of `paligemma.grounding.grounding_tests`.

    Left, one row per test: a marker for each language, and its control in gray. Right: the fall of P(verdict) when the
    claimed region is occluded.
    """
    use_fonts()
    figure, (rate_axes, causal_axes) = plt.subplots(1, 2, figsize=(10.5, 3.9), width_ratios=[2.6, 1])
    _plot_rates(rate_axes, grounding)
    _plot_causal(causal_axes, grounding)
    keys = ((BLUE, "o", "Korean"), (ORANGE, "s", "English"), (GRAY, "o", "control"))
    handles = [
        plt.Line2D([], [], color=colour, marker=marker, ls="none", label=label) for colour, marker, label in keys
    ]
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


def _plot_rates(axes: Axes, grounding: dict[str, dict]) -> None:
    for row, test in enumerate(RATE_TESTS):
        text, control = GROUNDING_WORDING["en"][test]
        _plot_pair(axes, row, {language: tests[test] for language, tests in grounding.items() if tests[test]}, 1)
        axes.text(-0.03, row - 0.16, text, ha="right", va="center", fontsize=9)
        axes.text(-0.03, row + 0.2, f"control: {control}", ha="right", va="center", fontsize=8, color=GRAY)
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(len(RATE_TESTS) - 0.5, -0.5),
        yticks=[],
        xlabel="share of sentences, 95% interval over sources",
    )


def _plot_causal(axes: Axes, grounding: dict[str, dict]) -> None:
    measured = {language: tests["causal"] for language, tests in grounding.items() if tests["causal"]}
    n = next((test["n"] for test in measured.values()), 0)
    _plot_pair(axes, 0, measured, 100)
    axes.axvline(0, color=GRAY, lw=0.8, ls="--")
    axes.set(ylim=(0.5, -0.5), yticks=[], xlabel="fall of P(verdict), points")
    axes.set_title(f"claimed region occluded\n(gray: random areas), {n} overlays", fontsize=9)


def _plot_pair(axes: Axes, row: float, tests: dict[str, dict], scale: float) -> None:
    """The value of each language with its interval, and below it the control in gray; both times `scale`."""
    for shift, colour, marker, language in ((-0.24, BLUE, "o", "ko"), (-0.08, ORANGE, "s", "en")):
        if language not in tests:
            continue
        for estimate, y, shade in (
            (tests[language]["value"], row + shift, colour),
            (tests[language]["control"], row + shift + 0.36, GRAY),
        ):
            value = scale * estimate["value"]
            error = [[max(0, value - scale * estimate["low"])], [max(0, scale * estimate["high"] - value)]]
            axes.errorbar(value, y, xerr=error, fmt=marker, ms=5, capsize=3, lw=1, color=shade)
