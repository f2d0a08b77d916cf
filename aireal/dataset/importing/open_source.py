"""Open whatever a user names as a source of pictures: a dataset of the hub, a folder, a table, or Kaggle's input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from .disk import open_disk
from .hub import open_hub
from .source import CLASS_NAMES, SPLIT_NAMES, ImportSource

HUB = "hf:"
KAGGLE_INPUT = Path("/kaggle/input")  # where Kaggle mounts the datasets that are added to a notebook


def open_source(
    name: str,
    limit: int | None,
    seed: int,
    above: Literal["auto", "generator", "class"] = "auto",
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    real_label: str | None = None,
    real_folders: Sequence[str] = (),
    config: str | None = None,
    base: Path | None = None,
) -> ImportSource:
    """The source `hf:owner/name`, or a folder, .zip or .csv; /kaggle/input is the one dataset that is added there.

    Args:
        limit: at most so many pictures a class and split of the source; None takes all.
        above, real_folders: of folders, see `open_disk`.
        base: of tables, the folder that the pictures lie in; None for the table's own.
        real_label: of tables and the hub. The others are of the hub, see `open_hub`.

    Raises:
        ValueError: there is no such source, or it is not clear what it holds.
    """
    if name.startswith(HUB):
        return open_hub(name.removeprefix(HUB), image_column, label_column, real_label, config, limit, seed)
    options = {"real_folders": real_folders, "real_label": real_label, "base": base}
    return open_disk(find_folder(name), limit, seed, above, **options)


def source_place(name: str) -> str:
    """`ImportSource.where` of a source, without opening it: no network, no walk."""
    on_hub, name = name.startswith(HUB), name.removeprefix(HUB)
    if on_hub and not Path(name).is_dir():
        return name
    return str((find_folder(name) if Path(name) == KAGGLE_INPUT else Path(name)).resolve())


def find_folder(name: str) -> Path:
    """The path of a folder or file; of /kaggle/input the folder below it that holds the one dataset added.

    Raises:
        ValueError: nothing is there, or several datasets are added to the Kaggle notebook; the message names them.
    """
    path = Path(name)
    added = _added()
    if not path.exists():
        listed = f"; added to this Kaggle notebook: {', '.join(map(str, added))}" if added else ""
        raise ValueError(f"{path} does not exist; give a folder, a .zip, a .csv, or hf:owner/name{listed}")
    if path != KAGGLE_INPUT:
        return path
    if len(added) != 1:
        listed = f"holds {', '.join(map(str, added))}; name one of them" if added else "is empty; add a dataset first"
        raise ValueError(f"{path} {listed}")
    return added[0]


def _added() -> list[Path]:
    """The datasets under /kaggle/input: its folders, or those of datasets/owner/ in newer runtimes."""
    if not KAGGLE_INPUT.is_dir():
        return []
    folders = sorted(path for path in KAGGLE_INPUT.iterdir() if path.is_dir())
    owners = sorted(path for path in (KAGGLE_INPUT / "datasets").glob("*") if path.is_dir())
    if owners and not any(path.name.casefold() in {*CLASS_NAMES, *SPLIT_NAMES} for path in owners):
        folders = [path for path in folders if path.name != "datasets"]
        folders += sorted(path for owner in owners for path in owner.iterdir() if path.is_dir())
    return folders
