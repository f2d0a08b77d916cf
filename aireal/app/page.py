"""The page of Gradio: components, and what happens when pictures are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr
from fastapi import FastAPI

from aireal.core.imagefile import ImageError, read_bytes
from aireal.figures.html import picture as pages
from aireal.figures.html.hangul import face

from . import components as shell
from .examples import Example
from .file import File
from .job_queue import JobQueue
from .service import ExplanationService
from .session import OVERVIEW, PARTS, Change, Session
from .upload_store import MOST_FILES, UploadStore

FONTS = ["system-ui", "sans-serif"]  # plain names: a font object of Gradio would be fetched from elsewhere


@dataclass
class Sessions:
    """What the visitors of a page are having explained, one visit a browser tab; a new choice replaces the one before."""

    studio: ExplanationService
    desk: JobQueue
    store: UploadStore
    examples: list[Example]

    def __post_init__(self) -> None:
        self._under_way: dict[str, Session] = {}

    @contextmanager
    def of(self, session: str, chosen: Any) -> Iterator[Session]:
        """A visit for what the browser says was chosen: {"example": number} or {"files": [{"name", "token" or "error"}]}; forgotten afterwards."""
        self.end(session)
        visit = self._under_way[session] = Session(self.studio, self.desk, self._files(chosen))
        try:
            yield visit
        finally:
            visit.leave()
            if self._under_way.get(session) is visit:
                del self._under_way[session]

    def end(self, session: str) -> None:
        """The visitor has gone, or wants to see nothing more."""
        if visit := self._under_way.pop(session, None):
            visit.leave()

    def __len__(self) -> int:
        return len(self._under_way)

    def _files(self, chosen: Any) -> list[File]:
        if not isinstance(chosen, dict):
            return []
        number = chosen.get("example")
        if isinstance(number, int) and 0 <= number < len(self.examples):
            return [self._example(number)]
        listed = chosen.get("files")
        listed = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return [
            self._file(one) if k < MOST_FILES else File(_name(one), error="many")
            for k, one in enumerate(listed[: 10 * MOST_FILES])
        ]

    def _example(self, number: int) -> File:
        example = self.examples[number]
        try:
            return File(example.path.name, read_bytes(example.path), truth=example.truth)
        except ImageError as error:
            return File(example.path.name, error=str(error))

    def _file(self, one: dict) -> File:
        if str(one.get("error")) in shell.LIMITS:
            return File(_name(one), error=one["error"])
        data = self.store.take(str(one.get("token", "")))
        return File(_name(one), data) if data is not None else File(_name(one), error="gone")


def _name(one: dict) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "", str(one.get("name", "")))[:200] or "?"


@dataclass
class Place:
    """The components of one picture."""

    column: gr.Column
    parts: dict[str, gr.HTML]


@dataclass
class Layout:
    """The components that change: how far the files are, and the places of the pictures."""

    overview: gr.HTML
    places: list[Place]

    def everything(self) -> list[gr.blocks.Block]:
        return [self.overview, *(c for p in self.places for c in (p.column, *p.parts.values()))]

    def emptied(self) -> dict:
        """What Gradio is told when nothing is shown."""
        columns = {place.column: gr.Column(visible=False) for place in self.places}
        return {self.overview: ""} | columns | {part: "" for place in self.places for part in place.parts.values()}

    def translated(self, change: Change) -> dict:
        """What Gradio is told of a change; components that it does not name stay as they are in the browser."""
        out: dict = {}
        for (number, part), html in change.items():
            if (number, part) == OVERVIEW:
                out[self.overview] = html
            else:
                out |= {self.places[number].column: gr.Column(visible=True), self.places[number].parts[part]: html}
        return out


def build_page(visits: Sessions) -> gr.Blocks:
    """The page: its head, where pictures are dropped, how far they are, and places for as many as may be chosen at a time."""
    with gr.Blocks(title="aireal", analytics_enabled=False) as page:
        _html(shell.page_head())
        drop = _html(shell.drop_zone(visits.examples), js_on_load=_script("drop.js"))
        overview = _html("", js_on_load=_script("overview.js"))
        _connect(visits, drop, Layout(overview, [_place(number) for number in range(MOST_FILES)]))
    return page


def _html(value: str, **more: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, elem_classes=["aireal"], **{"js_on_load": None, **more})


def _place(number: int) -> Place:
    with gr.Column(visible=False, elem_id=f"picture-{number}", elem_classes=["aireal", "picture"]) as column:
        return Place(column, {part: _html("", elem_id=f"{part}-{number}") for part in PARTS})


def _connect(visits: Sessions, drop: gr.HTML, layout: Layout) -> None:
    """The events: "chosen" of the field and "cleared" of the overview, which the scripts beside this file trigger.

    Gradio closes the generator of who closes the page, and `visits.of` ends the work.
    """

    def show(event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        with visits.of(request.session_hash, event._data) as visit:
            yield layout.emptied()
            for change in visit.changes() if visit.files else ():
                yield layout.translated(change)

    def clear(request: gr.Request) -> dict:
        visits.end(request.session_hash)
        return layout.emptied()

    quiet = {
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        "concurrency_limit": None,
        "api_visibility": "private",
    }
    drop.chosen(show, outputs=layout.everything(), **quiet)
    layout.overview.cleared(clear, outputs=layout.everything(), **quiet)


def mount(app: FastAPI, page: gr.Blocks) -> FastAPI:
    """Put the page at the root of the application, with all of Gradio that speaks to other hosts or keeps what was done switched off."""
    head = f"<style>{_style()}</style><script>{pages.script()}</script><script>{_script('start.js')}</script>"
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        ssr_mode=False,
        theme=gr.themes.Base(font=FONTS, font_mono=["monospace"]),
        head=head,
    )


def _style() -> str:
    return (
        pages.style()
        + face('url("font.ttf") format("truetype")')
        + files(__package__).joinpath("html", "app.css").read_text(encoding="utf-8")
    )


def _script(name: str) -> str:
    return files(__package__).joinpath("html", name).read_text(encoding="utf-8")
