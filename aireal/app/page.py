"""The Gradio page: its components, and the events of choosing pictures and clearing the list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from aireal.core.file_names import COMMANDS, as_text
from aireal.core.imagefile import ImageError, read_bytes
from aireal.figures.html import picture as picture_html
from aireal.figures.html.hangul import face
from aireal.stages.elsewhere import measured_elsewhere

from . import components
from .examples import Example
from .file import File
from .job_queue import JobQueue
from .service import ExplanationService
from .session import OVERVIEW, PARTS, Change, Session
from .upload_store import MAX_FILES, UploadStore

FONTS = ["system-ui", "sans-serif"]  # names only: Gradio would fetch a font object from another host


@dataclass
class Sessions:
    """The sessions of a page's visitors, one for each browser tab; a new choice replaces the session before."""

    service: ExplanationService
    job_queue: JobQueue
    store: UploadStore
    examples: list[Example]

    def __post_init__(self) -> None:
        self._open: dict[str, Session] = {}

    @contextmanager
    def open(self, tab: str, choice: Any) -> Iterator[Session]:
        """A session for a visitor's choice; it ends with the context.

        Args:
            choice: what the browser sends, {"example": number} or {"files": [{"name", "token" or "error"}]};
                anything else makes a session without files.
        """
        self.end(tab)
        session = self._open[tab] = Session(self.service, self.job_queue, self._files(choice))
        try:
            yield session
        finally:
            session.leave()
            if self._open.get(tab) is session:
                del self._open[tab]

    def end(self, tab: str) -> None:
        """End the tab's session, if it has one."""
        if session := self._open.pop(tab, None):
            session.leave()

    def __len__(self) -> int:
        return len(self._open)

    def _files(self, choice: Any) -> list[File]:
        if not isinstance(choice, dict):
            return []
        number = choice.get("example")
        if isinstance(number, int) and 0 <= number < len(self.examples):
            return [self._example(number)]
        entries = choice.get("files")
        entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return [
            self._upload(entry) if number < MAX_FILES else File(_name(entry), error="many")
            for number, entry in enumerate(entries[: 10 * MAX_FILES])
        ]

    def _example(self, number: int) -> File:
        example = self.examples[number]
        try:
            return File(example.path.name, read_bytes(example.path), truth=example.truth)
        except ImageError as error:
            return File(example.path.name, error=str(error))

    def _upload(self, entry: dict) -> File:
        if str(entry.get("error")) in components.UPLOAD_ERRORS:
            return File(_name(entry), error=entry["error"])
        data = self.store.take(str(entry.get("token", "")))
        return File(_name(entry), data) if data is not None else File(_name(entry), error="gone")


def _name(entry: dict) -> str:
    return COMMANDS.sub("", as_text(str(entry.get("name", ""))))[:200] or "?"


@dataclass
class Slot:
    """The components of one picture."""

    column: gr.Column
    parts: dict[str, gr.HTML]


@dataclass
class Layout:
    """The components that change: the overview and the slots of the pictures."""

    overview: gr.HTML
    slots: list[Slot]

    def components(self) -> list[gr.blocks.Block]:
        """All of them, as the outputs of Gradio's events."""
        return [self.overview, *(c for slot in self.slots for c in (slot.column, *slot.parts.values()))]

    def empty(self) -> dict:
        """Gradio's updates for a page that shows no picture."""
        columns = {slot.column: gr.Column(visible=False) for slot in self.slots}
        return {self.overview: ""} | columns | {part: "" for slot in self.slots for part in slot.parts.values()}

    def updates(self, change: Change) -> dict:
        """Gradio's updates for a change; components without an update stay as they are in the browser."""
        updates: dict = {}
        for (number, part), html in change.items():
            if (number, part) == OVERVIEW:
                updates[self.overview] = html
            else:
                slot = self.slots[number]
                updates |= {slot.column: gr.Column(visible=True), slot.parts[part]: html}
        return updates


def build_page(sessions: Sessions, out: Path | None = None) -> gr.Blocks:
    """The page: head, drop zone, overview, and slots for as many pictures as may be chosen at a time.

    Args:
        out: folder of a run with metrics/, for what the page says of verdicts elsewhere.
    """
    record = measured_elsewhere(sessions.service.explainer.predictor.config.fingerprint, out)
    with gr.Blocks(title="aireal", analytics_enabled=False) as page:
        _html(components.page_head())
        drop = _html(components.drop_zone(sessions.examples, record), js_on_load=_script("drop.js"))
        overview = _html("", js_on_load=_script("overview.js"))
        _connect(sessions, drop, Layout(overview, [_slot(number) for number in range(MAX_FILES)]))
    return page


def _html(value: str, **options: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, elem_classes=["aireal"], **{"js_on_load": None, **options})


def _slot(number: int) -> Slot:
    with gr.Column(visible=False, elem_id=f"picture-{number}", elem_classes=["aireal", "picture"]) as column:
        return Slot(column, {part: _html("", elem_id=f"{part}-{number}") for part in PARTS})


def _connect(sessions: Sessions, drop: gr.HTML, layout: Layout) -> None:
    """Handle the events "chosen" of the drop zone and "cleared" of the overview, which the scripts trigger.

    When a visitor closes the page, Gradio closes the generator, and `Sessions.open` ends the session.
    """

    def show(event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        with sessions.open(request.session_hash, event._data) as session:
            yield layout.empty()
            for change in session.changes() if session.files else ():
                if session.left:  # while the change's HTML was made
                    break
                yield layout.updates(change)
            yield gr.skip()  # Gradio sends a run's last outputs again at its end, when the page may show another choice

    def clear(request: gr.Request) -> dict:
        sessions.end(request.session_hash)
        return layout.empty()

    options = {
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        "concurrency_limit": None,
        "api_visibility": "private",
    }
    drop.chosen(show, outputs=layout.components(), **options)
    layout.overview.cleared(clear, outputs=layout.components(), **options)


def mount(app: FastAPI, page: gr.Blocks) -> FastAPI:
    """Mount the page at the root, without Gradio's features that contact other hosts or keep a history."""
    head = f"<style>{_style()}</style><script>{picture_html.script()}</script><script>{_script('start.js')}</script>"
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
        picture_html.style()
        + face('url("font.ttf") format("truetype")')
        + files(__package__).joinpath("html", "app.css").read_text(encoding="utf-8")
    )


def _script(name: str) -> str:
    return files(__package__).joinpath("html", name).read_text(encoding="utf-8")
