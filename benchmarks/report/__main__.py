"""Render the tables of docs/speed.md, docs/speed_explanations.md and docs/scale.md."""

from . import render

render()
