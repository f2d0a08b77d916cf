"""The report as one HTML file: no network, no library, nothing in it that a file name or a sentence could turn into code."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from aireal.classifier.model import ClassifierConfig
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import write_atomic
from aireal.reporting.tables.metrics import read_metrics

from . import sections
from .gallery import GalleryEntry, as_json, demo_entries, explained_entries, test_entries
from .report_words import PAGE, SCRIPT

ASSETS = Path(__file__).parent


def write_report(out: Path, data: DatasetRoot, target: Path | None = None) -> Path:
    """The report of a run of the notebooks: its metrics, the demonstration's pictures and the test set's.

    Args:
        out: folder of the run, with metrics/ and readme_images/.
        data: dataset root with data.csv and gradcam/ among its products.
        target: the file; `out`/report.html when None.

    Raises:
        ValueError: nothing was measured and nothing predicted.
    """
    found = read_metrics(out / "metrics")
    entries = [*demo_entries(data, out, found.get("demo", {}).get("images", [])), *test_entries(data)]
    if not found and not entries:
        raise ValueError(
            f"there is nothing to report: {out} has no metrics and {data.root} no data.csv; run `python -m aireal demo` first"
        )
    return write_atomic(target or out / "report.html", render(found, entries).encode())


def write_explained(folder: Path, lines: Path, found: dict | None = None, target: Path | None = None) -> Path:
    """The report of what `aireal explain` wrote into a folder.

    Args:
        lines: the JSON lines.
        found: metrics of the classifier that was used, by name; none when None.
        target: the file; `folder`/report.html when None.

    Raises:
        ValueError: nothing was explained.
    """
    entries, failed = explained_entries(folder, lines)
    return write_atomic(target or folder / "report.html", render(found or {}, entries, failed).encode())


def metrics_of(config: ClassifierConfig) -> dict:
    """The metrics of the run in outputs/, or of the published one, whichever trained this classifier; none where neither did."""
    for folder in (REPOSITORY / "outputs" / "metrics", REPOSITORY / "metrics"):
        found = read_metrics(folder)
        report = found.get("resnet34", {})
        if all(report.get(name) == getattr(config, name) for name in ("architecture", "temperature", "bias")):
            return found
    return {}


def render(found: dict, entries: list[GalleryEntry], failed: list[dict] | None = None) -> str:
    """The page's HTML.

    Args:
        found: metrics by name, as `readme.read_metrics` gives them.
        failed: {"path", "error"} of files that could not be used.
    """
    words = {key: dict(zip(sections.LANGUAGES, pair)) for key, pair in {**SCRIPT, "title": PAGE["title"]}.items()}
    style, script = (Markup((ASSETS / name).read_text(encoding="utf-8")) for name in ("report.css", "report.js"))
    counts = {
        "count_all": len(entries),
        "count_real": sum(e.record.label == "real" for e in entries),
        "count_fake": sum(e.record.label == "fake" for e in entries),
        "count_uncertain": sum(e.record.uncertain for e in entries),
        "count_failed": len(failed or []),
    }
    return _template().render(
        words=PAGE,
        sections=sections,
        found=found,
        tables=sections.tables(found),
        tiles=sections.tiles(found),
        missing=sections.missing(found),
        counts=counts,
        failed=failed or [],
        style=style,
        script=script,
        policy=_policy(style, script),
        pictures=for_script(as_json(entries)),
        script_words=for_script(words),
    )


def for_script(value: object) -> Markup:
    """JSON that may stand inside a <script> element: no `<`, `>` or `&`, so that no text in it can end the element or begin a comment (WHATWG HTML,
    4.12.1.3), and no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _policy(style: str, script: str) -> str:
    """A content security policy (W3C CSP 3): this script and this style by their hashes, pictures from inside the page, nothing else from anywhere."""
    hashed = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'".format(
        *hashed
    )


@cache
def _template():
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = sections.figure_marked
    return environment.from_string((ASSETS / "report.html").read_text(encoding="utf-8"))
