"""Options that several commands share, with their help."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from aireal.config import REPOSITORY

Paths = Annotated[
    Positional[list[str]],
    arg(
        metavar="PATH [PATH ...]",
        help="pictures, or folders of pictures; with shards also tables, tars and addresses",
        help_behavior_hint="(required)",
    ),
]
Profile = Annotated[str, arg(help="settings to use: smoke, sample, full, or auto (full on a CUDA GPU, else sample)")]
AutoProfile = Annotated[
    str, arg(help="settings to use: smoke, sample, full, or auto (those that made the classifier and the adapter)")
]
Keep = Annotated[
    str,
    arg(
        help="folder that holds everything the stages make, e.g. on a Drive or a disk of yours",
        help_behavior_hint="(default: dataset root and outputs/)",
    ),
]
Set = Annotated[
    list[str],
    arg(
        help="numbers of the profile to change, e.g. lora_steps=500 batch_size=32",
        help_behavior_hint="(default: none)",
        name="set",
    ),
]
Seed = Annotated[int, arg(help="seed of all random numbers")]
PaliGemma = Annotated[
    str | None,
    arg(
        help="PaliGemma that writes the sentences: embedded, a hub id or a folder",
        help_behavior_hint="(default: the profile's)",
    ),
]
Dataset = Annotated[
    str,
    arg(
        help="take these pictures, imported on first use: hf:owner/name, a folder, .zip or .csv, or /kaggle/input",
        help_behavior_hint="(default: none, the pictures of --root)",
    ),
]
Limit = Annotated[
    int | None,
    arg(
        help="with --dataset: pictures a class and split of the source to import",
        help_behavior_hint="(default: import_images of the profile)",
    ),
]
TrustList = Annotated[
    Path | None,
    arg(
        help="file of PEM certificates whose signatures under Content Credentials are called trusted",
        help_behavior_hint="(default: none, so that no signer is)",
    ),
]
Lime = Annotated[bool, arg(help="run LIME for the superpixels; by far the slowest part")]
Caption = Annotated[bool, arg(help="let PaliGemma write a sentence about each picture")]
Now = Annotated[
    bool,
    arg(
        help="let Claude answer plain messages: minutes instead of up to a day, at twice the price of batches",
        help_behavior_hint="(default: below 2,000 images)",
    ),
]
BatchMessages = Annotated[
    bool,
    arg(
        help="let Claude answer message batches: half the price, and up to a day",
        help_behavior_hint="(default: from 2,000 images on)",
    ),
]


@dataclass
class Many:
    """Options of commands that take many pictures (docs/scale.md)."""

    shards: Annotated[
        Path | None,
        arg(
            help="write Parquet shards into this folder, and a CSV; the same command continues a stopped one",
            help_behavior_hint="(default: none; where another option or input needs shards, by OUT)",
        ),
    ] = None
    engine: Annotated[
        Literal["process", "ray"], arg(help="with shards: processes of this machine, or Ray for several machines")
    ] = "process"
    processes: Annotated[
        int | None,
        arg(
            help="with shards: processes that share the work, or Ray's actors",
            help_behavior_hint="(default: this process alone; with ray: all that there is room for)",
        ),
    ] = None
    address: Annotated[
        str, arg(help="of a Ray cluster: auto, or host:port", help_behavior_hint="(default: Ray on this machine)")
    ] = ""
    gpus_each: Annotated[
        float | None,
        arg(help="with ray: GPUs of each actor; 0.5 lets two share one", help_behavior_hint="(default: 1 if any)"),
    ] = None
    shard_size: Annotated[int, arg(help="pictures in a shard")] = 1024
    base: Annotated[
        str,
        arg(
            help="of a table of paths: folder or address that all its pictures lie in",
            help_behavior_hint="(default: that of the table)",
        ),
    ] = ""

    def asked(self, paths: list[str]) -> bool:
        """Whether shards are wanted, or needed for inputs that are no files and folders of pictures."""
        from aireal.stages.scale.list_sources import needs_listing

        chosen = (self.shards, self.processes, self.gpus_each, self.address or None)
        return self.engine == "ray" or any(option is not None for option in chosen) or needs_listing(paths)


def command_line(name: str, command: Any) -> str:
    """The command line of a command's object, with those options that differ from their defaults.

    Args:
        name: of the command, as after `aireal`.
        command: a dataclass of `aireal.commands` whose fields all have defaults.
    """
    words = []
    for field in fields(command):
        value = getattr(command, field.name)
        if value == (field.default if field.default_factory is MISSING else field.default_factory()):
            continue
        option = "set" if field.name == "changes" else field.name.replace("_", "-")
        option = f"--no-{option}" if value is False else f"--{option}"
        values = value if isinstance(value, list) else [] if isinstance(value, bool) else [value]
        words += [option, *map(str, values)]
    return shlex.join(["python", "-m", "aireal", name, *words])


def at_once(now: bool, batches: bool) -> bool | None:
    """`Plan.now` of the options --now and --batches; None where neither is given.

    Raises:
        ValueError: both are given.
    """
    if now and batches:
        raise ValueError("--now and --batches exclude each other: give one of them")
    return None if now == batches else now


def root_of(root: Path, dataset: str, limit: int | None, profile: str, overrides: dict[str, Any]) -> Path:
    """The dataset root of a command: --root, or where --dataset is imported (into --root where that was given)."""
    from aireal.dataset.importing.first_use import dataset_root

    if limit is not None and not dataset:
        raise ValueError("--limit belongs to --dataset: name the pictures to import, too")
    given = root if root != REPOSITORY / "dataset" else ""
    return Path(dataset_root(dataset, given, limit, profile, overrides) or root)
