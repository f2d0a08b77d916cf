"""Render docs/speed.md."""

from benchmarks.report import render

render()
