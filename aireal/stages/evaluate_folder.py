"""`python -m aireal evaluate`: the trained classifier on labelled pictures from elsewhere, all of it frozen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aireal.classifier.calibration import selective_metrics
from aireal.classifier.metrics import with_intervals
from aireal.classifier.model import ClassifierConfig, read_config
from aireal.config import DatasetRoot
from aireal.core.errors import quoted
from aireal.core.file_names import shown
from aireal.core.files import MACHINE_PATH
from aireal.core.imagefile import digest_of
from aireal.core.json_text import read_object
from aireal.core.run import Run
from aireal.dataset.importing.disk import open_disk
from aireal.dataset.importing.source import PictureEntry
from aireal.dataset.manifest import list_folders, read_manifest

from .predict_table import predict_table

STAGE = "evaluate"


def evaluate_folder(
    run: Run, folder: Path, name: str, sources: Sequence[str] = (), used_for_choosing: bool = False, **how: Any
) -> tuple[dict, list[dict]]:
    """Metrics of the run's classifier on a labelled folder, with calibration, threshold and uncertain band frozen.

    The folder's layout is one that `dataset import` knows. Where it has splits of its own, its test split is taken
    alone. Files that the classifier was trained or calibrated on are left out, by their SHA-256. Probabilities are the
    exact ones of `predict`; they are kept in `run.out`/evaluate, so a stopped call resumes there.

    Args:
        name: of the metrics file; the metrics of another command are not overwritten.
        sources: names of where the pictures come from, for README and card.
        used_for_choosing: whether settings were chosen by these pictures, which makes the figures optimistic.
        how: `real_folders` and `real_label` of `open_disk`.

    Returns:
        "name", "sources", "used_for_choosing", "classifier", "metrics" (`with_intervals`: n, groups, AUROC, average
        precision, accuracies, ECE), with intervals "uncertain" (share of verdicts in the band) and "error_certain"
        (error outside), "n_certain", "grouped" (whether intervals are over the folder's groups; else over pictures),
        "left_out" and "failed" (numbers of files), "files_sha256" (of names, labels and contents); and the rows of
        files that could not be used.

    Raises:
        ValueError: the folder's layout is not understood, no picture is usable, the name is taken or is no file name,
            or a source's name holds a path.
    """
    require_name(run, name, sources)
    entries, left_out = _entries(run, folder, how)
    paths = [entry.content for entry, _ in entries]
    rows = predict_table(paths, run.data.model, run.out / STAGE / f"{name}.csv", run.device, exact=True)
    usable = [(entry, digest, row) for (entry, digest), row in zip(entries, rows) if not row["error"]]
    if not usable:
        first = rows[0]["error"] if rows else f"all {left_out} were of the training"
        raise ValueError(f"{folder.name} has no usable picture: {first}")
    config = read_config(run.data.model)
    grouped = all(entry.group for entry, _, _ in usable)
    groups = [entry.group if grouped else entry.file for entry, _, _ in usable]
    fake = np.array([float(row["probability_fake"]) for _, _, row in usable])
    record = {
        "name": name,
        "sources": list(sources),
        "used_for_choosing": used_for_choosing,
        "classifier": _about(config),
        **_metrics(fake, np.array([entry.label for entry, _, _ in usable]), groups, config.uncertain_below, run.seed),
        "grouped": grouped,
        "left_out": left_out,
        "failed": len(rows) - len(usable),
        "files_sha256": _fingerprint([(entry, digest) for entry, digest, _ in usable]),
    }
    return record, [row for row in rows if row["error"]]


def require_name(run: Run, name: str, sources: Sequence[str] = ()) -> None:
    """Raise ValueError unless metrics/NAME.json can be written, and the sources' names can be published."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{quoted(name)} is no name for metrics: use small letters, digits and _, as in external_2")
    path = run.out / "metrics" / f"{name}.json"
    if path.exists() and read_object(path, "Choose another --name.").get("stage") != STAGE:
        raise ValueError(f"{path.name} holds the metrics of another command. Choose another --name.")
    for source in sources:
        if MACHINE_PATH.search(source):
            raise ValueError(f"the source {quoted(source)} names a path of this machine. Give a public name.")


def _entries(run: Run, folder: Path, how: dict[str, Any]) -> tuple[list[tuple[PictureEntry, str]], int]:
    """The pictures to predict with the SHA-256 of each ("" if unreadable), and the number of those left out."""
    if folder.is_file() and folder.suffix.casefold() == ".zip":
        raise ValueError(f"{folder.name} is a zip: unpack it, and give the folder")
    # a table may name any place: nothing is copied, and no picture is shown
    anywhere = Path(folder.absolute().anchor)
    source = open_disk(folder, None, run.seed, one_class=True, base=anywhere, **how)
    print(shown(source.layout))
    entries = list(source.read())
    if any(entry.split == "test" for entry in entries):
        entries = [entry for entry in entries if entry.split == "test"]
        print(f"of these, the {len(entries):,} pictures of its test split are taken")
    with_digest = [(entry, digest_of(entry.content)) for entry in entries]
    known = _trained_on(run.data)
    foreign = [(entry, digest) for entry, digest in with_digest if digest not in known]
    if left_out := len(with_digest) - len(foreign):
        print(f"{left_out:,} pictures are left out: the classifier was trained or calibrated on them")
    return foreign, left_out


def _trained_on(data: DatasetRoot) -> set[str]:
    """The SHA-256 of each file that the classifier was trained or calibrated on."""
    items = read_manifest(data.manifest) if data.manifest.exists() else list_folders(data)[0]
    used = (item for item in items if item.split in ("train", "val"))
    return {item.sha256 or digest_of(data.root / item.path) for item in used} - {""}


def _about(config: ClassifierConfig) -> dict:
    names = ("architecture", "initial_weights", "fingerprint", "image_size", "temperature", "bias", "uncertain_below")
    return {name: getattr(config, name) for name in names}


def _metrics(fake: np.ndarray, labels: np.ndarray, groups: list[str], uncertain_below: float, seed: int) -> dict:
    """Metrics of P(fake) [N] against labels [N], and of the uncertain band, with intervals over groups."""
    band = selective_metrics(fake, labels, groups, uncertain_below, seed)
    outside = band["coverage"]
    uncertain = {"value": 1 - outside["value"], "low": 1 - outside["high"], "high": 1 - outside["low"]}
    return {
        "metrics": with_intervals(fake, labels, groups, seed),
        "uncertain": {key: round(value, 4) for key, value in uncertain.items()},
        "error_certain": band["error_certain"],
        "n_certain": band["n_certain"],
    }


def _fingerprint(entries: list[tuple[PictureEntry, str]]) -> str:
    """SHA-256 of the sorted names below the folder, labels and contents; equal on every machine."""
    lines = sorted(f"{entry.file}\t{entry.label}\t{digest}\n" for entry, digest in entries)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
