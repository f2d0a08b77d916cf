"""Read a dataset of the Hugging Face hub as a stream, so that only imported pictures are downloaded.

Lhoest et al. 2021, "Datasets: A Community Library for Natural Language Processing".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aireal.core.errors import first_line, quoted
from aireal.core.file_names import shown
from aireal.core.inside import Inside
from aireal.dataset.labels import label_of
from aireal.evidence.record import CLASSES

from .source import OPTIONAL_COLUMNS, SPLIT_NAMES, ImportSource, PictureEntry, Refused

MOST_UNLABELLED = 2000  # rows without a label that a split may begin with, where a limit is given
SHUFFLE_BUFFER = 256  # rows that a shuffled stream holds
LIBRARY = 4  # major version of `datasets` from which on it runs no scripts of a dataset
PACKED = re.compile(r"(zip|tar|gzip|xz|bz2|zstd)://")  # a file inside of an archive, as the library addresses it


def open_hub(
    name: str,
    image_column: str | None,
    label_column: str | None,
    real_label: str | None,
    config: str | None,
    limit: int | None,
    seed: int,
) -> ImportSource:
    """The dataset `owner/name`, or a local folder in the hub's layout, as an `ImportSource`.

    Columns that are not given are found by their type and name. With a limit the stream is shuffled with the seed,
    and each split gives at most so many pictures a class, so that the download ends early.

    Raises:
        ValueError: `datasets` is not installed, the hub cannot be reached, the dataset does not exist, or it is not
            clear which column or label is meant.
    """
    datasets = _library()
    where = str(Path(name).resolve()) if Path(name).is_dir() else name
    splits = _load(datasets, where, name, config)
    image, label, names = _columns(datasets, splits, name, image_column, label_column)
    labels = LabelMap(names, real_label, label)
    streams = {split: stream.cast_column(image, datasets.Image(decode=False)) for split, stream in splits.items()}

    def read() -> Iterator[PictureEntry]:
        for split, stream in streams.items():
            rows = stream if limit is None else stream.shuffle(seed=seed, buffer_size=SHUFFLE_BUFFER)
            try:
                yield from _entries(split, rows, where, image, label, labels, limit)
            except (OSError, RuntimeError) as error:
                raise ValueError(
                    f"reading {name} broke off ({first_line(error)}); run the same command again to resume the import"
                ) from None

    layout = (
        f"hub dataset {name}: splits {', '.join(streams)}; pictures in {image!r}, "
        f"classes in {label!r} ({labels.describe()})"
    )
    total = _total(streams) if limit is None else None
    if limit is not None:
        layout += f"; at most {limit:,} pictures a class and split are taken"
    return ImportSource(name, where, layout, total, limit, f"{where} {config} {image} {label} {real_label}", read)


def _library():
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "a dataset of the hub is read with the library `datasets`, which is not installed; "
            "install it with: pip install 'datasets>=4'"
        ) from None
    found = datasets.__version__
    if int(re.match(r"\d*", found)[0] or 0) < LIBRARY:
        raise ValueError(
            f"`datasets` {found} may run a program that a dataset brings along; version {LIBRARY} runs none: "
            f"pip install 'datasets>={LIBRARY}'"
        )
    return datasets


def _load(datasets, where: str, name: str, config: str | None) -> dict:
    """The dataset's splits as streams."""
    try:
        builder = datasets.load_dataset_builder(where, config)
        foreign = _foreign_file(builder.config.data_files, where)
        if not foreign:
            return builder.as_streaming_dataset()
    except datasets.exceptions.DatasetNotFoundError:
        raise ValueError(
            f"there is no dataset {name} on the hub that you may read; check owner/name, "
            "or accept its conditions and log in with `hf auth login`"
        ) from None
    except (ConnectionError, TimeoutError) as error:
        raise ValueError(
            f"the hub could not be reached for {name} ({first_line(error)}); check the connection, or import a folder"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # e.g. several configurations, or files it cannot read
        raise ValueError(
            f"the dataset {name} could not be opened: {first_line(error)} (--config names a configuration)"
        ) from None
    raise ValueError(
        f"the dataset {name} lists {shown(foreign)} as its data, a file outside of the dataset. Is it a link, as in "
        "the hub's cache? Then make a copy with `hf download --local-dir`."
    )


def _foreign_file(data_files: Mapping[str, Sequence[str]] | None, where: str) -> str:
    """The first file of this machine, or of another place, that a dataset's README lists as its data; "" if none."""
    files = (str(file) for files in (data_files or {}).values() for file in files)
    return next((file for file in files if not _is_own(file, where)), "")


def _columns(
    datasets, splits: dict, name: str, image: str | None, label: str | None
) -> tuple[str, str, list[str] | None]:
    """(column of the pictures, column of the labels, names of the labels if the column declares them)."""
    first = next(iter(splits.values()))
    features = first.features or next(iter(first), {})  # without declared types, a row at least has the names
    images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    image = image or _only(images, features, "image")
    label = label or _only(
        [column for column in features if column.casefold() in ("label", "labels")], features, "label"
    )
    for column in (image, label):
        if column not in features:
            raise ValueError(
                f"{name} has no column {column!r}, only {', '.join(features)}; "
                "name one with --image-column and --label-column"
            )
    return image, label, getattr(features[label], "names", None)


def _only(candidates: list[str], features: dict, kind: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    columns = ", ".join(features) or "none that are declared"
    raise ValueError(f"which column holds the {kind} is not clear (columns: {columns}); name it with --{kind}-column")


class LabelMap:
    """Maps the values of a label column to 0 (real) and 1 (fake).

    Args:
        names: names of the column's labels, if it declares them.
        real: the label that means real, every other being fake; None: the labels' own names decide (`label_of`).
        column: name of the column, for messages.

    Raises:
        ValueError: neither the names nor `real` decide.
    """

    def __init__(self, names: list[str] | None, real: str | None, column: str):
        self.names, self.real, self.column = names, real, column
        listed = ", ".join(names or ())
        valid = {str(value).casefold() for value in (*(names or ()), *range(len(names or ())))}
        if names and real is not None and real.casefold() not in valid:
            raise ValueError(
                f"no label is called {real!r}; the column {column!r} has {listed}: choose one of them with --real-label"
            )
        if names and real is None and (len(names) != 2 or {label_of(name) for name in names} != {0, 1}):
            raise ValueError(
                f"which label is real is not clear (column {column!r} has {listed}); name it with --real-label"
            )

    def __call__(self, value: object) -> int:
        """The label of a value of the column that is not missing.

        Raises:
            ValueError: the value is neither real nor fake.
        """
        value = int(value) if isinstance(value, bool) else value
        name = self.names[value] if self.names and isinstance(value, int) else value
        if self.real is not None:
            return int(self.real.casefold() not in (str(name).casefold(), str(value).casefold()))
        label = label_of(name)
        if label is None:
            raise ValueError(
                f"the column {self.column!r} holds {quoted(value)}, which is none of 0, 1, real, fake; "
                "name the value that is real with --real-label"
            )
        return label

    def is_missing(self, value: object) -> bool:
        """Whether a row has no label: none at all, -1, or a number without a name."""
        if isinstance(value, int):
            return value < 0 or bool(self.names) and value >= len(self.names)
        return value is None

    def describe(self) -> str:
        """The mapping in words, for the layout's sentence."""
        if self.real is not None:
            return f"{self.real} is real, all else fake"
        if self.names:
            return ", ".join(f"{name} is {CLASSES[label_of(name)]}" for name in self.names)
        return "0 or real is real, 1 or fake is fake"


def _total(streams: dict) -> int | None:
    """Number of rows in all splits; None if the hub does not know it."""
    counts = [getattr((stream.info.splits or {}).get(split), "num_examples", None) for split, stream in streams.items()]
    return None if None in counts else sum(counts)


def _entries(
    split: str, stream, where: str, image: str, label: str, labels: LabelMap, limit: int | None
) -> Iterator[PictureEntry]:
    taken: Counter = Counter()
    for number, row in enumerate(stream):
        if limit is not None and min(taken[0], taken[1]) >= limit:
            return
        own_split = SPLIT_NAMES.get(split.casefold(), "")
        if labels.is_missing(row[label]):  # as the hidden ones of a test split
            taken[None] += 1
            if limit is not None and not (taken[0] or taken[1]):
                if taken[None] > (limit if own_split == "test" else max(limit, MOST_UNLABELLED)):
                    return
            yield PictureEntry(f"{split}/{number:08d}", Refused("the row has no label"), None, own_split)
            continue
        value = labels(row[label])
        if limit is not None and taken[value] >= limit:
            continue
        taken[value] += 1
        name, content = _content(row[image], where)
        given = {key: str(row[key]) for key in OPTIONAL_COLUMNS if key != "split" and row.get(key) is not None}
        yield PictureEntry(f"{split}/{number:08d}/{name}", content, value, own_split, **given)


def _content(cell: dict | bytes, where: str) -> tuple[str, Path | Refused | bytes | str]:
    """(file name, bytes or the place of the file) of a cell of the image column.

    A cell may name any file of this machine and any address that it can reach; what is not the dataset's is refused.
    """
    picture = cell if isinstance(cell, dict) else {"bytes": cell}
    path = picture.get("path")
    name = Path(path.split("::")[0]).name if path else "image"
    if picture.get("bytes") is not None:
        return name, picture["bytes"]
    if not path:
        return name, b""
    if not _is_own(path, where):
        return name, Refused("the row names a file outside of the dataset, which is not read")
    return name, Path(path) if "://" not in path else path


def _is_own(address: str, where: str) -> bool:
    """Whether a picture's address is a file of the dataset, or one inside of an archive of the dataset."""
    *packed, place = address.split("::")
    if not all(PACKED.match(part) for part in packed):
        return False
    if not Path(where).is_dir():
        own = f"hf://datasets/{where}"
        return place.startswith((f"{own}@", f"{own}/")) and ".." not in place.split("/")
    if "://" in place:
        return False
    try:
        Inside(where, absolute=True).path(place)
    except ValueError:
        return False
    return True
