"""A dataset of the Hugging Face hub, read as a stream: nothing is downloaded but what is imported (Lhoest et al. 2021, "Datasets")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .source import OPTIONAL, OWN_SPLITS, ImportSource, PictureEntry, label_of

BUFFER = 256  # rows that a shuffled stream holds


def open_hub(
    name: str,
    image_column: str | None,
    label_column: str | None,
    real_label: str | None,
    config: str | None,
    limit: int | None,
    seed: int,
    shares: dict[str, float],
) -> ImportSource:
    """The dataset `owner/name`, or a local folder in the hub's layout, as a `ImportSource`.

    Columns are found by their type and name where they are not given. With a limit the stream is shuffled with the seed, and each split gives its
    share of the limit, so that the download ends early.

    Raises:
        ValueError: `datasets` is not installed, the hub cannot be reached, there is no such dataset, or which column or label is meant is not clear.
    """
    datasets = _library()
    where = str(Path(name).resolve()) if Path(name).is_dir() else name
    splits = _load(datasets, where, name, config)
    image, label, names = _columns(datasets, splits, name, image_column, label_column)
    labels = Labels(names, real_label, label)
    streams = {split: stream.cast_column(image, datasets.Image(decode=False)) for split, stream in splits.items()}
    wanted = _quotas(streams, limit, shares)
    counts = [getattr((stream.info.splits or {}).get(split), "num_examples", None) for split, stream in streams.items()]

    def read() -> Iterator[PictureEntry]:
        for split, stream in streams.items():
            shuffled = stream if limit is None else stream.shuffle(seed=seed, buffer_size=BUFFER)
            try:
                yield from _rows(split, shuffled, image, label, labels, wanted[split])
            except (OSError, RuntimeError) as error:
                raise ValueError(
                    f"reading {name} broke off ({_first_line(error)}); run the same command again, and the import goes on"
                ) from None

    said = f"hub dataset {name}: splits {', '.join(streams)}; pictures in {image!r}, classes in {label!r} ({labels.said()})"
    total = None if limit is not None or None in counts else sum(counts)
    return ImportSource(name, where, said, total, limit, f"{where} {config} {image} {label} {real_label}", read)


def _load(datasets, where: str, name: str, config: str | None) -> dict:
    """The dataset's splits as streams."""
    try:
        return datasets.load_dataset(where, config, streaming=True)
    except datasets.exceptions.DatasetNotFoundError:
        raise ValueError(
            f"there is no dataset {name} on the hub that you may read; check owner/name, or accept its conditions and log in "
            "with `hf auth login`"
        ) from None
    except (ConnectionError, TimeoutError) as error:
        raise ValueError(
            f"the hub could not be reached for {name} ({_first_line(error)}); check the connection, or import a folder instead"
        ) from None
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # configurations, files it cannot read: the library says what it wants
        raise ValueError(
            f"the dataset {name} could not be opened: {_first_line(error)} (--config names a configuration)"
        ) from None


def _columns(
    datasets, splits: dict, name: str, image: str | None, label: str | None
) -> tuple[str, str, list[str] | None]:
    """(column of the pictures, column of the labels, names of the labels where the column declares them)."""
    first = next(iter(splits.values()))
    features = first.features or next(iter(first), {})  # where no types are declared, a row has at least the names
    image = image or _only([c for c, f in features.items() if isinstance(f, datasets.Image)], features, "image")
    label = label or _only([c for c in features if c.casefold() in ("label", "labels")], features, "label")
    for column in (image, label):
        if column not in features:
            raise ValueError(
                f"{name} has no column {column!r}, only {', '.join(features)}; name one with --image-column and --label-column"
            )
    return image, label, getattr(features[label], "names", None)


def _library():
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "a dataset of the hub is read with the library `datasets`, which is not installed; install it with: pip install datasets"
        ) from None
    return datasets


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _only(found: list[str], features: dict, what: str) -> str:
    if len(found) == 1:
        return found[0]
    columns = ", ".join(features) or "none that are declared"
    raise ValueError(f"which column holds the {what} is not clear (columns: {columns}); name it with --{what}-column")


class Labels:
    """What the values of a label column mean: the label's own name decides, or `real_label` says which one is real and every other is fake.

    Raises:
        ValueError: neither the names nor `real_label` tell.
    """

    def __init__(self, names: list[str] | None, real: str | None, column: str):
        self.names, self.real, self.column = names, real, column
        known = {str(value).casefold() for value in (*(names or ()), *range(len(names or ())))}
        if names and real is not None and real.casefold() not in known:
            raise ValueError(
                f"no label is called {real!r}; the column {column!r} has {', '.join(names)}: choose one of them with --real-label"
            )
        if names and real is None and (len(names) != 2 or {label_of(n) for n in names} != {0, 1}):
            raise ValueError(
                f"which label is real is not clear (column {column!r} has {', '.join(names)}); say it with --real-label"
            )

    def __call__(self, value: object) -> int:
        if isinstance(value, bool):
            value = int(value)
        missing = (
            value is None or isinstance(value, int) and (value < 0 or bool(self.names) and value >= len(self.names))
        )
        name = self.names[value] if self.names and isinstance(value, int) and not missing else value
        if self.real is not None and not missing:
            return int(self.real.casefold() not in (str(name).casefold(), str(value).casefold()))
        label = None if missing else label_of(name)
        if label is None:
            raise ValueError(
                f"the column {self.column!r} holds {value!r}, which is none of 0, 1, real, fake; say with --real-label which value is real"
            )
        return label

    def said(self) -> str:
        if self.real is not None:
            return f"{self.real} is real, all else fake"
        return (
            ", ".join(f"{n} is {('real', 'fake')[label_of(n)]}" for n in self.names)
            if self.names
            else "0 or real is real, 1 or fake is fake"
        )


def _quotas(streams: dict, limit: int | None, shares: dict[str, float]) -> dict[str, int | None]:
    """Pictures a class that each split may give: the limit in the proportion of the shares."""
    if limit is None:
        return dict.fromkeys(streams)
    weights = {split: max(shares.get(OWN_SPLITS.get(split.casefold(), "train"), 0), 1e-9) for split in streams}
    ends = [round(limit * sum(list(weights.values())[:k]) / sum(weights.values())) for k in range(len(weights) + 1)]
    return {split: end - begin for split, begin, end in zip(streams, ends, ends[1:])}


def _rows(split: str, stream, image: str, label: str, labels: Labels, quota: int | None) -> Iterator[PictureEntry]:
    taken: Counter = Counter()
    for number, row in enumerate(stream):
        if quota is not None and min(taken[0], taken[1]) >= quota:
            return
        value = labels(row[label])
        if quota is not None and taken[value] >= quota:
            continue
        taken[value] += 1
        picture = row[image] if isinstance(row[image], dict) else {"bytes": row[image]}
        path = picture.get("path")
        name = f"{split}/{number:08d}/{Path(path.split('::')[0]).name if path else 'image'}"
        content = picture["bytes"] if picture.get("bytes") is not None else path or b""
        if isinstance(content, str) and "://" not in content:
            content = Path(content)
        given = {key: str(row[key]) for key in OPTIONAL if key != "split" and row.get(key) is not None}
        yield PictureEntry(name, content, value, OWN_SPLITS.get(split.casefold(), ""), **given)
