"""`python -m aireal explain`: a panel, an overlay and a JSON line for each file. A stopped call is resumed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aireal.core.file_names import names_path, path_digest, path_fields, recorded_path, result_stem, shown
from aireal.core.files import write_atomic
from aireal.core.imagefile import encode, read_bytes, sha256
from aireal.core.journal import Journal, read_entries
from aireal.core.json_text import has_fields, json_line
from aireal.figures.panel import MARKER
from aireal.provenance.wording import NOTE, NOTHING, TITLE

from .explainer import Explainer

SILENT = f"{NOTHING[1]}."  # of a file without marks
OVERLAYS = "overlays"  # folder beside the panels
# what is printed of a line; somebody else may have written the one of an earlier call
LINE = {
    "label": str,
    "probability": float,
    "uncertain": bool,
    "region": str | None,
    "seconds": float,
    "panel": str,
    "from_the_file": {"en": str},
}


def explain_files(paths: list[Path], out: Path, explainer: Explainer, lines: Path) -> int:
    """Explain each file and print its result and what the file says of itself.

    Returns the number of files that could not be used.

    JSON lines are kept in a journal beside `lines`. When all files are done they are written to `lines`, in the order
    of `paths`. Files that an earlier call with the same `out` and `lines` has explained are not explained again.

    Raises:
        ValueError: another call uses the same `lines`.
    """
    (out / OVERLAYS).mkdir(parents=True, exist_ok=True)
    results = []
    with Journal(journal_path(lines), fields={"path": str}) as journal:
        earlier = _by_path([*read_entries(lines), *journal.entries])
        for number, path in enumerate(paths, 1):
            entry = explain_file(path, out, explainer, earlier)
            results.append(entry)
            finished = entry is earlier.get(str(path))
            time_of = "explained earlier" if finished else f"{entry.get('seconds')} s"
            print(f"[{number}/{len(paths)}] {shown(path.name)}: {shown(_summary(entry, time_of))}", flush=True)
            for line in _lines_of(entry):
                print(f"    {shown(line)}", flush=True)
            if not finished:
                journal.add(entry)
        if any(map(_says_something, results)):
            print(f"    {NOTE[1]}")
        write_atomic(lines, b"".join(map(json_line, results)))
        if os.name != "nt":
            journal_path(lines).unlink()  # while it is locked: another call may open it right after
    if os.name == "nt":
        journal_path(lines).unlink(missing_ok=True)  # Windows deletes no open file
    return sum("error" in entry for entry in results)


def explain_file(path: Path, out: Path, explainer: Explainer, earlier: dict[str, dict] | None = None) -> dict:
    """Write the panel and the overlay of one file and return its JSON line.

    The line of a file that cannot be used is {"path", "error"}. A name that is not UTF-8 is shown with replacement
    characters, and "path_bytes" has it in percent code. A picture without a heatmap has no overlay.

    Args:
        earlier: lines of earlier calls by path. A line is returned as it is if its figures still exist and the file and
            `explainer.made_with` have not changed.
    """
    began = time.monotonic()
    entry: dict = path_fields(path)
    try:
        data = read_bytes(path)
        entry |= {"sha256": sha256(data), "made_with": explainer.made_with}
        previous = (earlier or {}).get(str(path), {})
        if entry.items() <= previous.items() and has_fields(previous, LINE) and _has_figures(previous, out):
            return previous
        explanation = explainer.explain(data, shown(path.name))
    except ValueError as error:
        return entry | {"error": str(error)}
    target = out / f"{result_stem(path)}-{path_digest(path)[:10]}.png"
    figures = {"panel": target.name, "overlay": None}
    # the overlay first: a panel without one, as a kill may leave it, would count as a picture (`own_output`)
    if explanation.overlay:
        write_atomic(out / OVERLAYS / target.name, encode(explanation.overlay, "PNG"))
        figures["overlay"] = f"{OVERLAYS}/{target.name}"
    explanation.save_panel(target)
    return entry | explanation.to_dict() | figures | {"seconds": round(time.monotonic() - began, 2)}


def read_lines(lines: Path) -> list[dict]:
    """The last JSON line of each path, of a finished call of `explain_files` or of a stopped one.

    A line without a path is no line of theirs, and is skipped.
    """
    return list(_by_path([*read_entries(lines), *read_entries(journal_path(lines))]).values())


def _by_path(entries: list[dict]) -> dict[str, dict]:
    """The last entry of each path; those that name none are left out."""
    return {recorded_path(entry): entry for entry in entries if names_path(entry)}


def journal_path(lines: Path) -> Path:
    """The journal of a call that has not finished."""
    return lines.with_name(lines.name + ".journal")


def _has_figures(entry: dict, out: Path) -> bool:
    figures = [entry.get("panel", "-"), *([entry["overlay"]] if entry.get("overlay") else [])]
    return all(isinstance(figure, str) and (out / figure).is_file() for figure in figures)


def _says_something(entry: dict) -> bool:
    """Whether the file says anything of itself."""
    return (entry.get("from_the_file") or {}).get("en", SILENT) != SILENT


def _lines_of(entry: dict) -> list[str]:
    """The sentence about a picture, how far to trust it, and what the file says of itself, in English."""
    lines = [entry[name] for name in ("sentence_en", "note") if isinstance(entry.get(name), str)]
    trust = entry.get("trust")
    summary = trust[0] if isinstance(trust, list) and trust else {}
    if has_fields(summary, {"level": str, "en": str}):
        lines.append(f"{MARKER.get(summary['level'], ('·',))[0]} {summary['en']}")
    return [*lines, *([f"{TITLE[1]}: {entry['from_the_file']['en']}"] if _says_something(entry) else [])]


def _summary(entry: dict, time_of: str) -> str:
    if "error" in entry:
        return f"error: {entry['error']}"
    verdict = f"{entry['label']} {entry['probability']:.2f}%{' (uncertain)' * entry['uncertain']}"
    return f"{verdict}  {entry['region'] or 'no heatmap'}  {time_of}  {entry['panel']}"
