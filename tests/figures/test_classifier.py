"""Figures of a classifier draw names as they are."""

from __future__ import annotations

import dataclasses

import pytest

from aireal.dataset.manifest import load_items
from aireal.figures.classifier import plot_examples
from helpers.one_class import root_of


@pytest.mark.people_have("a generator whose name has dollar signs and braces", "read", "the name as it is")
def test_a_generator_with_dollar_signs_is_drawn_as_it_is(tmp_path):
    run = root_of(tmp_path, {"train": (2, 2)})
    items = [dataclasses.replace(i, generator="a$b$c_{" if i.label else "") for i in load_items(run.data, "train")]
    figure = plot_examples(items, run.data.root, count=2)
    figure.canvas.draw()
    assert [axes.get_title() for axes in figure.axes][2:] == ["fake · a$b$c_{"] * 2


def test_examples_of_one_class_are_drawn(tmp_path):
    run = root_of(tmp_path, {"train": (0, 3)})
    figure = plot_examples(load_items(run.data, "train"), run.data.root, count=4)
    figure.canvas.draw()
    assert sum(bool(axes.images) for axes in figure.axes) == 3
