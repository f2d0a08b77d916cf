"""The report as one HTML file: no network, no library, and no way for a file name or a sentence to become code."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from aireal.captions.language.grammar import LANGUAGES
from aireal.classifier.model import ClassifierConfig
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.file_names import shown
from aireal.core.files import write_atomic
from aireal.figures.html import picture
from aireal.figures.html.bilingual import both
from aireal.figures.html.hangul import font_face, hangul_of
from aireal.figures.html.views import overlay_frame
from aireal.provenance.wording import NOTE
from aireal.reporting.tables.metrics import is_of, read_metrics
from aireal.stages.elsewhere import measured_elsewhere

from . import sections
from .gallery import GalleryEntry, as_json, classifier_of_rows, demo_entries, explained_entries, test_entries
from .report_words import PAGE, SCRIPT

ASSETS = Path(__file__).parent


def write_report(out: Path, data: DatasetRoot, target: Path | None = None) -> Path:
    """Write the report of a run of the notebooks: its metrics, the demonstration's pictures and the test set's.

    Args:
        out: folder of the run, with metrics/ and readme_images/.
        data: dataset root with data.csv and gradcam/ among its products.
        target: the file; `out`/report.html when None.

    Raises:
        ValueError: there are neither metrics nor predictions.
    """
    metrics = _with_elsewhere(read_metrics(out / "metrics"))
    own = metrics.get("resnet34", {}).get("fingerprint")
    of_another = bool(own) and classifier_of_rows(data) not in (own, "")
    if of_another:
        print(f"{data.table.name} is of another classifier than {shown(out)}: its pictures are left out of the report")
    tested = [] if of_another else test_entries(data)
    entries = [*demo_entries(data, out, metrics.get("demo", {}).get("images", [])), *tested]
    if not metrics and not entries:
        raise ValueError(
            f"There is nothing to report: {out} has no metrics and {data.root} no data.csv. "
            "Run `python -m aireal demo` first."
        )
    return write_atomic(target or out / "report.html", render(metrics, entries).encode())


def write_explained(folder: Path, lines: Path, metrics: dict | None = None, target: Path | None = None) -> Path:
    """Write the report of a folder of `aireal explain`.

    Args:
        lines: the JSON lines.
        metrics: metrics of the classifier in use, by name; none when None.
        target: the file; `folder`/report.html when None.

    Raises:
        ValueError: nothing was explained.
    """
    entries, failed = explained_entries(folder, lines)
    return write_atomic(target or folder / "report.html", render(metrics or {}, entries, failed).encode())


def metrics_of(config: ClassifierConfig) -> dict:
    """The metrics in outputs/, else the published ones, if they are those of this classifier; else none."""
    for folder in (REPOSITORY / "outputs" / "metrics", REPOSITORY / "metrics"):
        metrics = read_metrics(folder)
        if is_of(metrics.get("resnet34", {}), config):
            return _with_elsewhere(metrics)
    return {}


def _with_elsewhere(metrics: dict) -> dict:
    """The metrics with those of pictures from elsewhere that are published for the same recipe."""
    record = measured_elsewhere(metrics.get("resnet34", {}).get("fingerprint", ""))
    return {"external": record, **metrics} if record else metrics


def render(metrics: dict, entries: list[GalleryEntry], failed: list[dict] | None = None) -> str:
    """The page's HTML.

    Args:
        metrics: metrics by name, as `tables.metrics.read_metrics` returns them.
        failed: {"path", "error"} of files that could not be used.
    """
    failed = failed or []
    words = {key: dict(zip(LANGUAGES, pair)) for key, pair in {**SCRIPT, "title": PAGE["title"]}.items()}
    script = Markup(picture.script() + (ASSETS / "report.js").read_text(encoding="utf-8"))
    values = dict(
        words=PAGE,
        sections=sections,
        metrics=metrics,
        tables=sections.tables(metrics),
        tiles=sections.tiles(metrics),
        missing=sections.missing(metrics),
        counts=_counts(entries, failed),
        failed=failed,
        script=script,
        language_switch=Markup(picture.language_switch()),
        file_frame=Markup(picture.file_frame(note=both(*NOTE))),
        overlay_view=Markup(overlay_frame(strength=100, contours=False)),
        trust_strip=Markup(picture.trust_frame()),
        pictures=for_script(as_json(entries)),
        script_words=for_script(words),
    )
    style = picture.style() + (ASSETS / "report.css").read_text(encoding="utf-8")
    letters = hangul_of(_page(style, values))
    return _page(style + font_face(letters), values)


def _page(style: str, values: dict) -> str:
    return _template().render(**values, style=Markup(style), policy=_policy(style, values["script"]))


def _counts(entries: list[GalleryEntry], failed: list[dict]) -> dict[str, int]:
    return {
        "count_all": len(entries),
        "count_real": sum(entry.record.label == "real" for entry in entries),
        "count_fake": sum(entry.record.label == "fake" for entry in entries),
        "count_uncertain": sum(entry.record.uncertain for entry in entries),
        "count_failed": len(failed),
    }


def for_script(value: object) -> Markup:
    """JSON for the inside of a <script> element, with `<`, `>`, `&` and line separators escaped: no text in it can end
    the element or begin a comment (WHATWG HTML, 4.12.1.3)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _policy(style: str, script: str) -> str:
    """A content security policy (W3C CSP 3) that allows this script and style by their hashes, and pictures and a
    font inside the page, nothing else."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        "default-src 'none'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; "
        "style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)
    )


@cache
def _template():
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = sections.figure_marked
    return environment.from_string((ASSETS / "report.html").read_text(encoding="utf-8"))
