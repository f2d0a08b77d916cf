"""Render docs/speed.md."""

from . import render

render()
