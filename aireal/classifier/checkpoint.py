"""Checkpoints of a training under way: one safetensors file each, whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from aireal.core.files import locked_folder

Tensors = dict[str, torch.Tensor]


class Checkpoints:
    """The two newest checkpoints of one training, `step-<number>.safetensors` in `folder`: tensors by name, and in the header a
    JSON state, the training's fingerprint and a checksum.

    A file gets its name only when the disk has all of it, so a kill at any moment leaves the one before; a file that was damaged
    later fails its checksum and is not used.

    Args:
        fingerprint: of the training; files of another one are deleted.
        every: seconds between two checkpoints, about what a kill may cost; 0 writes one at every step.
    """

    def __init__(self, folder: Path, fingerprint: str, every: float = 30.0):
        self.folder, self.fingerprint, self.every = folder, fingerprint, every

    def held(self) -> AbstractContextManager[None]:
        """Keep other trainings out of the folder: a restarted one, say, while processes of a killed launcher still run.

        Raises:
            ValueError: another training holds it.
        """
        busy = f"another training is running in {self.folder}: wait for it, or end all of its processes"
        return locked_folder(self.folder, busy)

    def write(self, step: int, tensors: Tensors, state: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:08d}.safetensors"
        partial = self.folder / "partial"
        # safetensors stores rows in order; a copy of a tensor in channels_last is in order
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(
            tensors,
            partial,
            {"fingerprint": self.fingerprint, "checksum": checksum(tensors), "state": json.dumps(state)},
        )
        _flush(partial)
        partial.replace(path)
        for old in self._files()[:-2]:
            old.unlink()

    def newest(self) -> Path | None:
        """The newest whole checkpoint of this training; what is damaged or of another training is deleted, and a line says so."""
        for path in reversed(self._files()):
            try:
                tensors, _, of = _read(path)
            except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
                print(f"the checkpoint {path.name} is damaged and left out ({error})")
                path.unlink()
                continue
            del tensors
            if of == self.fingerprint:
                return path
            print(f"the checkpoints are of other data, numbers or code (fingerprint {of}), so the training starts anew")
            for old in self._files():
                old.unlink()
            break
        return None

    def read(self, path: Path) -> tuple[Tensors, dict]:
        """Tensors (on the CPU) and state of a file that `newest` named."""
        return _read(path)[:2]

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))


def checksum(tensors: Tensors) -> str:
    """CRC-32 of all bytes, in the order of the names."""
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def _read(path: Path) -> tuple[Tensors, dict, str]:
    with safe_open(path, "pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if checksum(tensors) != about["checksum"]:
        raise ValueError("its checksum does not fit")
    return tensors, json.loads(about["state"]), about["fingerprint"]


def _flush(path: Path) -> None:
    """Wait until the disk has the file."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
