"""The parameter `dataset` of notebooks and commands: imported when it is first used, and reused from then on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aireal.config import REPOSITORY
from aireal.core.file_names import shown
from aireal.core.notebook_service import notebook_service
from aireal.core.profile import require_gpu, resolve_profile
from aireal.core.secrets import export_secrets

from .encoding import Encoding
from .import_dataset import finished_import, import_dataset
from .open_source import HUB, open_source, source_place
from .write_root import ImportReport

IMPORTED = REPOSITORY / "imported"  # dataset roots that were given no place of their own; git ignores them
OPTIONS = (
    "--image-column",
    "--label-column",
    "--real-label",
    "--real-folder",
    "--config",
    "--base",
)  # of `dataset import` alone
# a Drive takes seconds for what a disk does in milliseconds, and fails with tens of thousands of files in a folder
NOT_KEPT = (
    "These pictures are no part of `keep`, because a Drive is too slow for so many files: a new runtime imports them "
    "again, with the same draw and splits, and what `keep` holds fits them. To keep them, name a folder as root"
)
SEED = 7  # of the draw and the splits; another seed of a run must not mean another dataset


def dataset_root(
    dataset: str | None,
    root: str | Path | None = "",
    limit: int | None = None,
    profile: str = "auto",
    overrides: Mapping[str, Any] | None = None,
) -> str | Path | None:
    """The dataset root to use: `root` itself without a `dataset`, else the one into which `dataset` is imported.

    The first call imports, a call after a kill resumes, and a call after the end reads one file: it needs neither the
    network nor the source.

    Args:
        dataset: hf:owner/name, a folder, a .zip, a .csv, or /kaggle/input; empty for none.
        root: folder to import into; empty for a folder under the repository's imported/.
        limit: pictures a class and split of the source to take; None for the profile's `import_images`.
        profile: smoke, sample, full, or auto; nothing is fetched for one that needs a GPU where there is none.
        overrides: numbers of the profile to change, as for `core.run.start`.

    Raises:
        ValueError: the source is missing or not understood, the limit is below 1, or `root` holds another dataset.
    """
    if not dataset:
        return root
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}: import at least one picture a class and split, or None for the profile's")
    chosen, _ = resolve_profile(profile, overrides)
    dataset, limit = str(dataset), limit or chosen.import_images
    target = Path(root) if root else IMPORTED / f"{_folder_name(dataset)}-{limit}"
    try:
        report = finished_import(target, source_place(dataset), limit, SEED)
        if report:
            print(f"{dataset} is in {target} already, at most {limit:,} pictures a class and split of the source")
        else:
            require_gpu(chosen)
            export_secrets()  # for private and gated datasets of the hub
            report = _import(dataset, target, limit)
    except ValueError as error:
        raise ValueError(_for_notebooks(str(error), dataset)) from None
    print("\n".join(report.lines()), flush=True)
    return target


def _import(dataset: str, target: Path, limit: int) -> ImportReport:
    encoding, source = Encoding(), open_source(dataset, limit, SEED)
    print(f"importing {dataset} into {target}\n{shown(source.layout)}\n{encoding.describe()}", flush=True)
    if target.is_relative_to(IMPORTED) and notebook_service():
        print(NOT_KEPT, flush=True)
    return import_dataset(source, target, encoding, seed=SEED)


def _for_notebooks(message: str, dataset: str) -> str:
    """The message of `dataset import` with its options in the words of a notebook."""
    if any(option in message for option in OPTIONS):
        return (
            f"{message}. In a notebook: run `!cd {shlex.quote(str(REPOSITORY))} && python -m aireal dataset import "
            f"{shlex.quote(_from_anywhere(dataset))} --to FOLDER` with that option and the whole path of a new folder, "
            "and set root to that folder instead of dataset"
        )
    return message.replace("for --to", "as root")


def _from_anywhere(dataset: str) -> str:
    """The dataset as a command in another folder names it."""
    place = dataset.removeprefix(HUB)
    return f"{HUB * dataset.startswith(HUB)}{Path(place).absolute()}" if Path(place).exists() else dataset


def _folder_name(dataset: str) -> str:
    """A name for the folder of an imported dataset: owner-name of the hub's, else the folder's own."""
    name = dataset.removeprefix(HUB)
    if not dataset.startswith(HUB) or Path(name).is_dir():
        name = Path(source_place(dataset)).stem
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "dataset"
