"""`python -m aireal predict`: a table of verdicts for any number of files, which goes on where it was stopped."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch
from tqdm import tqdm

from aireal.classifier.batch_inference import predict_folder
from aireal.classifier.calibration import uncertain
from aireal.classifier.model import load, read_config
from aireal.core.device import best_device, precision
from aireal.core.files import write_atomic
from aireal.core.journal import Journal
from aireal.evidence.record import verdict

COLUMNS = ("path", "label", "probability", "probability_fake", "uncertain", "error")
TOGETHER = 64  # predictions that go to the journal, and so to the disk, at once


def predict_table(
    paths: list[Path],
    folder: Path,
    table: Path,
    device: torch.device | None = None,
    *,
    exact: bool = False,
    batch_size: int | None = None,
    workers: int | None = None,
) -> list[dict]:
    """Predict the files (see `predict_folder` for the arguments) and write `table`, a CSV with a row for each, in their order.

    Predictions are kept in a journal beside it (`table`.jsonl): the same call goes on where another was stopped, and predicts again
    only files that have changed, all of them if classifier or precision have, and those that could not be used.

    Returns:
        The rows: path, label (real or fake), probability (the label's, in percent), probability_fake (0..1), uncertain (whether the
        probability lies in the classifier's uncertain band), error (one sentence in place of all that).

    Raises:
        ValueError: no classifier in the folder, the journal is in use or no journal, or `table` is a folder.
    """
    if table.is_dir():
        raise ValueError(
            f"{table} is a folder; name the file that the table shall be written to, e.g. {table / 'predictions.csv'}"
        )
    device = device or best_device()
    config = read_config(folder) or load(folder)[1]  # the latter says what is missing
    made_with = f"{config.architecture} {config.fingerprint}, {'exact' if exact else precision(device)}"
    files = [identity(path) for path in paths]
    errors: dict[str, str] = {}
    with Journal(table.with_name(table.name + ".jsonl")) as journal:
        known = {
            tuple(file): fake
            for entry in journal.entries
            if entry.get("made_with") == made_with
            for *file, fake in entry["files"]
        }
        todo = [file for file in files if file not in known]
        stream = predict_folder(
            (file[0] for file in todo), folder, device, exact=exact, batch_size=batch_size, workers=workers
        )
        fresh: list[tuple] = []
        try:
            for found, file in zip(tqdm(stream, total=len(files), initial=len(files) - len(todo), unit="image"), todo):
                if found.probability_fake is None:
                    errors[file[0]] = found.error
                    continue
                known[file] = found.probability_fake
                fresh.append((*file, found.probability_fake))
                if len(fresh) == TOGETHER:
                    journal.add({"made_with": made_with, "files": fresh})
                    fresh = []
        finally:
            if fresh:
                journal.add({"made_with": made_with, "files": fresh})
    rows = [row(file[0], known.get(file), errors.get(file[0], ""), config.uncertain_below) for file in files]
    write_csv(rows, table)
    return rows


def identity(path: Path) -> tuple[str, int, int]:
    """Path, bytes and time of the last change (ns) of a file; -1 where it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), found.st_size, found.st_mtime_ns


def row(path: str, fake: float | None, error: str, uncertain_below: float) -> dict:
    if fake is None:
        return {"path": path, "error": error}
    label, probability = verdict(fake)
    return {
        "path": path,
        "label": label,
        "probability": f"{probability:.2f}",
        "probability_fake": f"{fake:.6f}",
        "uncertain": uncertain(fake, uncertain_below),
        "error": "",
    }


def write_csv(rows: list[dict], table: Path) -> None:
    """UTF-8 with a mark that spreadsheets look for; a name that they would take for a formula gets `./` before it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**r, "path": "./" + r["path"] if r["path"][0] in "=+-@\t\r" else r["path"]} for r in rows)
    write_atomic(table, text.getvalue().encode("utf-8-sig"))
