"""`python -m aireal predict`: a table of verdicts for any number of files. A stopped call is resumed."""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from aireal.classifier.batch_inference import predict_folder
from aireal.classifier.calibration import uncertain
from aireal.classifier.model import load, read_config
from aireal.core.device import best_device, precision
from aireal.core.file_names import as_text
from aireal.core.journal import Journal
from aireal.core.spreadsheet import FORMULA, write_csv
from aireal.evidence.record import verdict
from aireal.evidence.value_types import fits

COLUMNS = ("path", "label", "probability", "probability_fake", "uncertain", "error")
FIELDS = {"made_with": str, "files": list}  # of an entry of the journal
JOURNAL_BATCH = 64  # predictions that are written to the journal, and so to the disk, at once


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
    """Predict the files and write `table`, a CSV with a row for each file, in their order.

    Predictions are kept in a journal beside it (`table`.jsonl), so the same call resumes a stopped one. It predicts
    only files that have changed and files that could not be used, or all files if the classifier or the precision has
    changed.

    Args:
        table: the CSV file. The other arguments are as for `predict_folder`.

    Returns:
        the rows: path (as `file_names.shown`), label (real or fake), probability (of the label, in percent),
        probability_fake (0..1), uncertain (whether the probability lies in the classifier's uncertain band), error. A
        file that could not be used has only path and error, one sentence.

    Raises:
        ValueError: the folder holds no classifier, the journal is in use or is no journal, or `table` is a folder.
    """
    if table.is_dir():
        raise ValueError(f"{table} is a folder: give the file to write the table to, e.g. {table / 'predictions.csv'}")
    device = device or best_device()
    config = read_config(folder) or load(folder)[1]  # `load` raises an error that names what is missing
    made_with = f"{config.architecture} {config.fingerprint}, {'exact' if exact else precision(device)}"
    files = [identity(path) for path in paths]
    errors: dict[str, str] = {}
    with Journal(table.with_name(table.name + ".jsonl"), fields=FIELDS) as journal:
        predicted = predicted_files(journal.entries, made_with)
        todo = [file for file in files if file not in predicted]
        stream = predict_folder(
            (file[0] for file in todo), folder, device, exact=exact, batch_size=batch_size, workers=workers
        )
        fresh: list[tuple] = []
        try:
            progress = tqdm(stream, total=len(files), initial=len(files) - len(todo), unit="image")
            for prediction, file in zip(progress, todo):
                if prediction.probability_fake is None:
                    errors[file[0]] = prediction.error
                    continue
                predicted[file] = prediction.probability_fake
                fresh.append((*file, prediction.probability_fake))
                if len(fresh) == JOURNAL_BATCH:
                    journal.add({"made_with": made_with, "files": fresh})
                    fresh = []
        finally:
            if fresh:
                journal.add({"made_with": made_with, "files": fresh})
    rows = [row(file[0], predicted.get(file), errors.get(file[0], ""), config.uncertain_below) for file in files]
    write_csv(map(as_path, rows), table, COLUMNS)
    return rows


def predicted_files(entries: list[dict], made_with: str) -> dict[tuple[str, int, int], float]:
    """P(fake) by identity (`identity`) of the files that the journal has; what is no such entry is predicted again."""
    files = (file for entry in entries if entry["made_with"] == made_with for file in entry["files"])
    return {(path, size, time): fake for path, size, time, fake in filter(_is_predicted, files)}


def _is_predicted(file: object) -> bool:
    """Whether it is [path, size, time, P(fake)]."""
    return isinstance(file, list) and fits(tuple(file), tuple[str, int, int, float]) and 0 <= file[3] <= 1


def identity(path: Path) -> tuple[str, int, int]:
    """Path, size (bytes) and time of the last change (ns) of a file; -1 for both where the file cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


def row(path: str, fake: float | None, error: str, uncertain_below: float) -> dict:
    """The row of a file, from its P(fake), or from the error if there is none."""
    if fake is None:
        return {"path": as_text(path), "error": error}
    label, probability = verdict(fake)
    return {
        "path": as_text(path),
        "label": label,
        "probability": f"{probability:.2f}",
        "probability_fake": f"{fake:.6f}",
        "uncertain": uncertain(fake, uncertain_below),
        "error": "",
    }


def as_path(entry: dict) -> dict:
    """The row with `./` before a path that a spreadsheet would take for a formula: it still names the file."""
    path = entry["path"]
    return {**entry, "path": f"./{path}" if FORMULA.match(path) else path}
