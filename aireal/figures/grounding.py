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
        "causal": ("named region occluded: fall of P(verdict), in points", "random areas of the same size"),
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
LANGUAGES = (("ko", BLUE, "o", "Korean"), ("en", ORANGE, "s", "English"))
RATE_TESTS = tuple(test for test in GROUNDING_WORDING["en"] if test != "causal")  # shares of sentences


def plot_grounding(grounding: dict[str, dict]) -> Figure:
    """Plot the result of `paligemma.grounding.grounding_tests`.

    Left, one row per test: a marker for each language, and its control in gray. Right, one row per language: the
    fall of P(verdict) when the named region is occluded, and in gray when random areas are.
    """
    use_fonts()
    figure, (rate_axes, causal_axes) = plt.subplots(1, 2, figsize=(9.0, 3.9), width_ratios=[2.2, 1])
    _plot_rates(rate_axes, grounding)
    _plot_causal(causal_axes, grounding)
    keys = (*LANGUAGES, ("", GRAY, "o", "control"))
    handles = [
        plt.Line2D([], [], color=colour, marker=marker, ls="none", label=label) for _, colour, marker, label in keys
    ]
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


def _plot_rates(axes: Axes, grounding: dict[str, dict]) -> None:
    for row, test in enumerate(RATE_TESTS):
        text, control = GROUNDING_WORDING["en"][test]
        _plot_pair(axes, row, {language: tests[test] for language, tests in grounding.items() if tests[test]})
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
    for row, (language, colour, marker, _) in enumerate(LANGUAGES):
        if language in measured:
            _plot_estimate(axes, row - 0.12, measured[language]["value"], 100, colour, marker)
            _plot_estimate(axes, row + 0.12, measured[language]["control"], 100, GRAY, marker)
    axes.axvline(0, color=GRAY, lw=0.8, ls="--")
    axes.set(ylim=(1.5, -0.5), xlabel="fall of P(verdict), points")
    axes.set_yticks(range(2), [name for *_, name in LANGUAGES], fontsize=9)
    axes.set_title(f"named region occluded\nin {n} overlays", fontsize=9)


def _plot_pair(axes: Axes, row: float, tests: dict[str, dict]) -> None:
    """The value of each language with its interval, and below it the control in gray."""
    for shift, (language, colour, marker, _) in zip((-0.24, -0.08), LANGUAGES):
        if language in tests:
            _plot_estimate(axes, row + shift, tests[language]["value"], 1, colour, marker)
            _plot_estimate(axes, row + shift + 0.36, tests[language]["control"], 1, GRAY, marker)


def _plot_estimate(axes: Axes, y: float, estimate: dict, scale: float, colour: str, marker: str) -> None:
    """`scale` times an estimate, with its interval."""
    value, low, high = (scale * estimate[key] for key in ("value", "low", "high"))
    error = [[max(0, value - low)], [max(0, high - value)]]
    axes.errorbar(value, y, xerr=error, fmt=marker, ms=5, capsize=3, lw=1, color=colour)
