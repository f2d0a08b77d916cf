"""`python -m aireal dataset import SOURCE --to ROOT`: build a dataset root from pictures that somebody has.

First every picture is read, brought into the form of all and laid down under ROOT/.import, with a row of what was found; a journal says how far
that got. Then the groups and splits are settled from all rows, the pictures are moved to their places and the manifest is written. A run that was
killed goes on from the journal, and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aireal import LABELS
from aireal.config import DatasetRoot
from aireal.core.files import write_json
from aireal.core.imagefile import ImageError, sha256
from aireal.core.journal import Journal
from aireal.dataset.manifest import Item, write_manifest

from .encoding import Encoding, Originals, perceptual_hash
from .source import ImportSource, PictureEntry, sample_entries
from .split import SPLIT_CODES, Assignment, PictureArrays, assign

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
BATCH = 32  # pictures between two lines of the journal: what a kill costs at most
SERIES = re.compile(r"^(.*?)[-_ .]*(\d{1,18})$")
FILM = re.compile(r"clip|video|vid[-_]|film|movie|scene|frame", re.IGNORECASE)


@dataclass(frozen=True)
class Imported:
    """What an import brought, as `import.json` in the root keeps it."""

    layout: str
    form: str
    counts: dict[str, list[int]]  # real and fake pictures a split
    groups: int
    broken: int
    left_out: int
    notes: list[str]

    def lines(self) -> list[str]:
        said = [f"{split}: {real:,} real, {fake:,} fake" for split, (real, fake) in self.counts.items()]
        out = [f"imported {'; '.join(said)}; {self.groups:,} groups"] + [f"note: {note}" for note in self.notes]
        if self.broken or self.left_out:
            out.append(
                f"not usable: {self.broken:,} files; left out, because their group or a copy is in another split: {self.left_out:,}; "
                "import_left_out.csv names them"
            )
        return out


def import_dataset(
    source: ImportSource,
    root: Path,
    form: Encoding,
    shares: dict[str, float] = SHARES,
    seed: int = 7,
    workers: int | None = None,
) -> Imported:
    """Build the dataset root `root` from `source`, or go on with it where an earlier call stopped.

    Memory: less than half a kilobyte a picture, and the pictures that `workers` threads (default: one a core) have in hand.

    Raises:
        ValueError: the arguments make no sense or differ from those the import began with, the root holds another dataset, the disk is full, or
            not one picture could be used.
    """
    arguments = {
        "source": source.where,
        "fingerprint": source.fingerprint,
        "size": None if form.keep_bytes else form.size,
        "keep_bytes": form.keep_bytes,
        "shares": shares,
        "seed": seed,
        "limit": source.limit,
    }
    _check_arguments(form, shares, workers, source, root)
    work, done = root / ".import", _finished(root, arguments)
    if done is None:
        _refuse_other(root, work)
        try:
            with Journal(work / "journal.jsonl") as journal:
                _read_all(source, work, form, workers or os.cpu_count() or 1, journal, arguments)
                done = _settle(source, root, work, form, shares, arguments)
        except OSError as error:
            raise ValueError(
                f"the import stopped ({error}); mend that and run the same command again: it goes on from here"
            ) from None
    shutil.rmtree(work, ignore_errors=True)
    return done


def _check_arguments(
    form: Encoding, shares: dict[str, float], workers: int | None, source: ImportSource, root: Path
) -> None:
    if not 16 <= form.size <= 4096:
        raise ValueError(f"--size {form.size} is not possible; choose 16 to 4096 pixels")
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6 or not shares["train"]:
        raise ValueError(
            f"the shares of train, val and test must add up to 1 and train needs some, not {', '.join(map(str, shares.values()))}"
        )
    if workers is not None and workers < 1:
        raise ValueError("--workers must be 1 or more")
    if root.resolve().is_relative_to(Path(source.where)):
        raise ValueError(f"{root} lies inside the source; choose another folder for --to")


def _same(before: dict, arguments: dict, root: Path) -> None:
    """Raises ValueError, naming them, where arguments differ."""
    differ = [
        f"{key} was {before.get(key)}, now {value}"
        for key, value in arguments.items()
        if before.get(key) != value and key != "fingerprint"
    ]
    if differ:
        raise ValueError(
            f"{root} was begun with other arguments ({'; '.join(differ)}); use those, or choose another folder for --to"
        )
    if before.get("fingerprint") != arguments["fingerprint"]:
        raise ValueError(
            f"the source has changed since the import to {root} began (names, labels or groups); choose another folder for --to"
        )


def _finished(root: Path, arguments: dict) -> Imported | None:
    path = root / "import.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    _same(record.pop("arguments"), arguments, root)
    return Imported(**record)


def _refuse_other(root: Path, work: Path) -> None:
    held = [name for name in ("manifest.csv", "data", "test") if (root / name).exists()]
    if held and not (work / "journal.jsonl").exists():
        raise ValueError(f"{root} already holds a dataset ({', '.join(held)}); choose another folder for --to")


# first: read every picture


def _read_all(
    source: ImportSource, work: Path, form: Encoding, workers: int, journal: Journal, arguments: dict
) -> None:
    """Lay every picture down under `work`, with a row each in rows.jsonl; what the journal says is done is not done again."""
    if journal.entries:
        _same(journal.entries[0], json.loads(json.dumps(arguments)), work.parent)
    else:
        journal.add(arguments)
    past = journal.entries[-1] if len(journal.entries) > 1 else {"pictures": 0, "bytes": 0}
    if past.get("end"):
        return
    for name in LABELS:
        (work / name).mkdir(exist_ok=True)
    entries = islice(enumerate(source.read(), 1), past["pictures"], None)
    with (work / "rows.jsonl").open("ab") as rows, ThreadPoolExecutor(workers) as pool:
        rows.truncate(past["bytes"])
        jobs = _in_order(pool, lambda entry: _process(*entry, work, form), entries, ahead=4 * workers)
        with tqdm(jobs, total=source.total, initial=past["pictures"], desc="pictures", unit=" pictures") as bar:
            count = past["pictures"]
            for row in bar:
                count += 1
                rows.write(json.dumps(row).encode() + b"\n")
                if count % BATCH == 0:
                    _commit(rows, journal, count)
        _commit(rows, journal, count, end=True)


def _commit(rows: io.BufferedWriter, journal: Journal, count: int, end: bool = False) -> None:
    rows.flush()
    os.fsync(rows.fileno())
    journal.add({"pictures": count, "bytes": rows.tell(), "end": end})


def _in_order(pool: ThreadPoolExecutor, work, entries: Iterator, ahead: int) -> Iterator:
    """Results in the order of the entries, at most `ahead` of them begun and not yet taken."""
    waiting: deque = deque()
    try:
        for entry in entries:
            waiting.append(pool.submit(work, entry))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for job in waiting:
            job.cancel()


def _process(number: int, entry: PictureEntry, work: Path, form: Encoding) -> dict:
    """Read, bring into form and lay down one picture; return its row, which has an `error` where that was not possible."""
    file = entry.file.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    row = {
        "file": file,
        "label": entry.label,
        "split": entry.split,
        "group": entry.group,
        "generator": entry.generator,
        "licence": entry.licence,
    }
    try:
        content, suffix, image, facts = form.apply(entry.read(), entry.file)
    except ImageError as error:
        return row | {"error": str(error)}
    name = f"{LABELS[entry.label][2:]}_{number:06d}{suffix}"
    (work / LABELS[entry.label] / name).write_bytes(content)
    return row | facts | {"name": name, "sha256": sha256(content), "phash": perceptual_hash(image)}


# then: settle groups and splits, and move


def _rows(work: Path) -> Iterator[dict]:
    with (work / "rows.jsonl").open("rb") as file:
        yield from map(json.loads, file)


def _settle(
    source: ImportSource, root: Path, work: Path, form: Encoding, shares: dict[str, float], arguments: dict
) -> Imported:
    """Move the pictures to their places and write manifest.csv, import_left_out.csv and import.json; can be killed and called again."""
    table, seen, broken = PictureArrays(), Originals(), 0
    for row in _rows(work):
        if "error" in row:
            broken += 1
        else:
            _add(table, row, arguments["seed"])
            seen.add(row)
    found = assign(table, shares)
    _write_left_out(root / "import_left_out.csv", work, found)
    if not (found.split > 0).any():
        raise ValueError(
            f"not one of the {broken:,} pictures could be used; {root / 'import_left_out.csv'} says why of each; mend them and remove {root}"
        )
    partial = root / "manifest.csv.partial"
    write_manifest(partial, _moved(source, DatasetRoot.at(root), work, found))
    partial.replace(root / "manifest.csv")
    label = table.column("label")
    counts = {
        name: np.bincount(label[found.split == code], minlength=2).tolist()
        for code, name in enumerate(SPLIT_CODES)
        if code
    }
    both = (
        [
            f"pictures that are in both classes, pixel for pixel: {found.both_classes:,}; one of their two labels is wrong"
        ]
        if found.both_classes
        else []
    )
    done = Imported(
        source.layout,
        form.said(),
        counts,
        len(np.unique(found.group[found.split > 0])),
        broken,
        int((found.split == 0).sum()),
        found.notes + seen.notes(form) + both,
    )
    write_json(root / "import.json", {**done.__dict__, "arguments": arguments})
    return done


def _add(table: PictureArrays, row: dict, seed: int) -> None:
    path = Path(row["file"])
    numbered = SERIES.match(path.stem)
    table.label.append(row["label"])
    table.own.append(SPLIT_CODES.index(row["split"]))
    table.group.append(sample_entries(0, row["group"]) if row["group"] else 0)
    table.pixels.append(int(row["pixels"], 16))
    table.phash.append(int(row["phash"] or "0", 16))
    table.series.append(
        sample_entries(row["label"], f"{path.parent}/{numbered[1]}") if numbered and not row["group"] else 0
    )
    table.number.append(int(numbered[2]) if numbered else 0)
    table.film.append(bool(FILM.search(path.stem)))
    table.draw.append(sample_entries(seed, row["group"] or row["file"]))


def _moved(source: ImportSource, data: DatasetRoot, work: Path, found: Assignment) -> Iterator[Item]:
    """Move each picture to its place and yield its row of the manifest. A group is called as its first picture calls it."""
    members, names = np.bincount(found.group), {}
    good = (row for row in _rows(work) if "error" not in row)
    for row, code, group in zip(good, found.split.tolist(), found.group.tolist()):
        if not code:
            continue
        name = row["group"] or row["file"]
        if members[group] > 1:
            name = names.setdefault(group, name)
        place = (data.test if SPLIT_CODES[code] == "test" else data.train) / LABELS[row["label"]] / row["name"]
        place.parent.mkdir(parents=True, exist_ok=True)
        laid = work / LABELS[row["label"]] / row["name"]
        if laid.exists():
            laid.replace(place)
        elif not place.exists():
            raise ValueError(f"{laid} is gone, which the import had written; remove {data.root} and import again")
        yield Item(
            place.relative_to(data.root).as_posix(),
            row["sha256"],
            row["label"],
            SPLIT_CODES[code],
            name,
            row["generator"],
            package=source.name,
            file=row["file"],
            licence=row["licence"],
        )


def _write_left_out(path: Path, work: Path, found: Assignment) -> None:
    """A line for each file that is not in the dataset; no file where there is none."""
    if next(_left_out(work, found), None) is None:
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "reason"))
        writer.writerows(_left_out(work, found))


def _left_out(work: Path, found: Assignment) -> Iterator[tuple[str, str]]:
    codes = iter(found.split.tolist())
    for row in _rows(work):
        if "error" in row:
            yield row["file"], row["error"]
        elif not next(codes):
            yield row["file"], "its group, or a copy of it, is in a stricter split of the source"
