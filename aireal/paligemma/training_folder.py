"""The folder of a fine-tuning: what is finished, what can go on, and what belongs to another training and is kept.

adapter_model.safetensors ...   the adapter of the last finished training, and training.json with its history
checkpoints/<key>/              of a training that has not ended; each key has its own
earlier/<key>/                  adapters that a later training replaced
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from transformers.trainer_utils import get_last_checkpoint

from aireal.config import Profile
from aireal.core.file_names import last_part, result_stem, shown
from aireal.core.files import remove_folder, to_disk, write_atomic, write_json
from aireal.core.json_text import read_object

from .base_record import BASE, BASE_FIELDS, RETRAIN, base_record, is_same_base, read_base_record
from .data import Example

ADAPTER = ("adapter_model.safetensors", "adapter_config.json", BASE, "README.md", "training.json")
REPLACING = "replacing"  # file in the checkpoints of a training whose adapter is being written
SELECTION = "best region on validation"  # how the kept weights are selected; part of the fingerprint
# of a checkpoint of Trainer, one of each: the weights of an adapter or of a model, the optimizer, the learning rate
CHECKPOINT_FILES = (("adapter_model.safetensors", "model.safetensors"), ("optimizer.pt",), ("scheduler.pt",))


@dataclass(frozen=True)
class History:
    """The record of a training: [step, loss] points of a curve, and sentences on the same overlays before and after."""

    steps: int
    loss: list[list[float]]
    val_loss: list[list[float]]
    seconds: float  # of the call that finished the training
    resumed_from: int = 0  # the step that an earlier, interrupted call had reached
    samples: list[dict[str, str]] = field(default_factory=list)  # prompt, wanted, before, after
    val_region: list[list[float]] = field(default_factory=list)  # [step, share of validation sentences, region correct]
    best_step: int = 0  # the step of the kept weights; 0 without validation rows, where the last weights are kept
    skipped: int = 0  # steps of this call that float16's gradient scaler left out
    not_finite: int = 0  # losses of this call that were NaN or infinite


def fingerprint(
    model: torch.nn.Module,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    profile: Profile,
    seed: int,
    trainer_arguments: dict,
) -> str:
    """SHA-256 over everything that a fine-tuning depends on, but the base's weights and their number format.

    LoRA's size, the profile's numbers, the seed, the texts and the overlays' bytes. The base is compared by
    `base_record`: a runtime with another GPU has another number format and goes on with the same training.
    """
    digest = hashlib.sha256()
    size = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    recipe = [
        last_part(model.name_or_path),
        profile.four_bit,
        size,
        profile.lora_steps,
        profile.lora_batch,
        profile.lora_learning_rate,
        profile.lora_patience,
        profile.lora_selection,
        seed,
        len(rows_train),
        SELECTION,
        sorted(trainer_arguments.items()),
    ]
    digest.update(json.dumps(recipe, default=str).encode())
    pictures: dict[object, bytes] = {}  # an overlay has several sentences, and is read once
    for row in (*rows_train, *rows_val):
        key = row.overlay if isinstance(row.overlay, Path) else id(row.overlay)
        if key not in pictures:
            content = row.overlay.read_bytes() if isinstance(row.overlay, Path) else row.overlay.tobytes()
            pictures[key] = hashlib.sha256(content).digest()
        digest.update(pictures[key] + bytes([row.mirrored]) + f"{row.prompt}\0{row.sentence}\0".encode())
    return digest.hexdigest()


def finished_history(out: Path, key: str, base: torch.nn.Module) -> History | None:
    """The history of a finished training with this fingerprint and base; None where there is none."""
    path = out / "training.json"
    if not path.is_file() or not (out / ADAPTER[0]).is_file():
        return None
    record = read_training(out)
    stored = read_base_record(out)
    same = record["fingerprint"] == key and (not stored or is_same_base(stored, base))
    return History(**record["history"]) if same else None


def read_training(out: Path) -> dict:
    """The fingerprint and the history (`History`'s fields) of a finished training.

    Raises:
        ValueError: training.json is damaged.
    """
    path = out / "training.json"
    history = {"steps": int, "loss": list, "val_loss": list, "seconds": float}
    record = read_object(path, RETRAIN, {"fingerprint": str, "history": history})
    if unknown := record["history"].keys() - {field.name for field in fields(History)}:
        raise ValueError(f"{shown(path)} is damaged: a history has no {shown(min(unknown))}. {RETRAIN}")
    return record


def checkpoint_folder(out: Path, key: str, base: torch.nn.Module) -> Path:
    """The folder for the checkpoints of a training; one that has some if this training was interrupted.

    Those of other trainings stay where they are, and a line says so.
    """
    folder, number = out / "checkpoints" / key[:16], 1
    while (start := read_start(folder)) and not is_same_base(start["base"], base):
        number += 1
        folder = out / "checkpoints" / f"{key[:16]}-{number}"
    others = [path.name for path in (out / "checkpoints").glob("*/") if path != folder]
    if others:
        print(f"checkpoints of {len(others)} other trainings are kept in {out.name}/checkpoints: {', '.join(others)}")
    if start and start["base"]["format"] != base_record(base)["format"]:
        formats = (start["base"]["format"], base_record(base)["format"])
        print("the training began in {} and goes on in {}".format(*(name.removeprefix("torch.") for name in formats)))
    return folder


def read_start(folder: Path) -> dict | None:
    """What `write_start` wrote; None where nothing began."""
    path = folder / "start.json"
    needed = {"base": BASE_FIELDS, "before": list}
    return read_object(path, f"Remove {shown(folder)} to begin anew.", needed) if path.is_file() else None


def write_start(folder: Path, base: torch.nn.Module, prompts: list[str], before: list[str]) -> None:
    """Record the base of a training that begins, and its sentences before the first step, with their prompts."""
    write_json(folder / "start.json", {"base": base_record(base), "prompts": prompts, "before": before})


def keep_earlier(out: Path, key: str, checkpoints: Path) -> None:
    """Put the adapter of another training aside before it is replaced, and say where it is.

    Args:
        checkpoints: of the training that ends. From now on they say that the adapter in `out` may be half of its own.
    """
    record, replacing = out / "training.json", checkpoints / REPLACING
    if not (out / ADAPTER[0]).is_file():
        record.unlink(missing_ok=True)  # of an adapter that a killed call has put aside
    elif record.is_file() or not replacing.is_file():
        _put_aside(out, key, record)
    write_atomic(replacing, b"")


def _put_aside(out: Path, key: str, record: Path) -> None:
    earlier = result_stem(read_training(out)["fingerprint"]) if record.is_file() else "unknown"
    if earlier == key:
        return
    target = out / "earlier" / earlier[:16]
    target.mkdir(parents=True, exist_ok=True)
    for name in ADAPTER:
        if (out / name).is_file():
            shutil.copyfile(out / name, target / name)
            to_disk(target / name)
    for name in ADAPTER:  # the weights first: without them the others are known for leftovers of a killed call
        (out / name).unlink(missing_ok=True)
    print(f"the adapter of another training was put into {out.name}/earlier/{target.name}")


def finish(out: Path, key: str, history: History, checkpoints: Path) -> None:
    """Write the history beside the adapter, and remove the checkpoints of this training."""
    for name in ADAPTER:
        if (out / name).is_file():
            to_disk(out / name)
    write_json(out / "training.json", {"fingerprint": key, "history": asdict(history)})
    remove_folder(checkpoints)
    if not any((out / "checkpoints").glob("*")):
        shutil.rmtree(out / "checkpoints", ignore_errors=True)


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint. One that a kill left incomplete is removed, and a line says so.

    Trainer writes its state last, but a Drive may upload it first. Without the optimizer's file Trainer would begin
    with a new one and say nothing.

    Raises:
        ValueError: the disk does not give one, which may be whole.
    """
    while folder.is_dir() and (last := get_last_checkpoint(str(folder))):
        try:
            json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))
            if not all(any(_has_bytes(Path(last) / name) for name in names) for names in CHECKPOINT_FILES):
                raise FileNotFoundError
            return Path(last)
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
            print(f"{Path(last).name} is incomplete, because the training was stopped as it was written: it is removed")
            remove_folder(Path(last))
            if Path(last).exists():
                raise ValueError(f"{shown(last)} is incomplete, and the disk does not let it be deleted") from None
        except OSError as error:  # as of a Drive that was just mounted: the checkpoint may be whole
            raise ValueError(
                f"the checkpoint {shown(last)} cannot be read now ({error}): run again, or delete it"
            ) from None
    return None


def _has_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
