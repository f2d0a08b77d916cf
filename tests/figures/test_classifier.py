"""Figures of a classifier take whatever a generator is called, and roots of one class."""

from __future__ import annotations

import io

import pytest

from aireal.dataset.manifest import Item, load_items
from aireal.figures.classifier import plot_examples
from aireal.figures.sentences import plot_rates
from helpers.images import encoded, noise, write
from helpers.one_class import root_of


def test_examples_of_one_class_are_drawn(tmp_path):
    run = root_of(tmp_path, {"train": (0, 3)})
    figure = plot_examples(load_items(run.data, "train"), run.data.root, count=4)
    figure.canvas.draw()
    assert sum(bool(axes.images) for axes in figure.axes) == 3


@pytest.mark.people_have(
    "generators that are called <b>x</b>, or have emoji", "read", "drawn as they are, not as formulas"
)
@pytest.mark.parametrize("name", ["a$b$c_{", r"\frac{", "$", "<b>x</b>", "x^_%&#"])
def test_a_generator_may_have_any_name(tmp_path, name):
    write(tmp_path / "a.png", encoded(noise(1), "PNG"))
    items = [Item("a.png", "", label, "test", f"g{label}", generator=name) for label in (0, 1)]
    rates = {name: {"rate": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    for figure in (plot_examples(items, tmp_path, 1), plot_rates(rates, ("rate",), name)):
        figure.savefig(drawn := io.BytesIO(), format="png")
        assert drawn.getvalue().startswith(b"\x89PNG")
