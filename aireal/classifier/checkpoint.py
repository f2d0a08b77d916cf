"""Checkpoints of a running training: one safetensors file each, written atomically."""

from __future__ import annotations

import json
import zlib
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from aireal.core.files import atomic_path, empty_and_remove, locked_folder, remove_folder

Tensors = dict[str, torch.Tensor]


class Checkpoints:
    """The two newest checkpoints of one training, `step-<number>.safetensors` in `folder`.

    A file holds tensors by name, and in its header a JSON state, the training's fingerprint and a checksum. It gets its
    name only when the disk has all of it, so a kill at any moment leaves the previous file intact. A file that was
    damaged later fails its checksum and is not used.

    Args:
        fingerprint: of the training; files of another one are deleted.
        every: seconds between two checkpoints, about what a kill can cost; 0 writes one at every step.
    """

    def __init__(self, folder: Path, fingerprint: str, every: float = 30.0):
        self.folder, self.fingerprint, self.every = folder, fingerprint, every

    def held(self) -> AbstractContextManager[None]:
        """Lock the folder against other trainings, for example while processes of a killed launcher still run.

        Raises:
            ValueError: another training holds the lock.
        """
        message = f"another training is running in {self.folder}. Wait for it, or end all of its processes."
        return locked_folder(self.folder, message)

    def write(self, step: int, tensors: Tensors, state: dict) -> None:
        """Write a checkpoint and delete all but the two newest."""
        # safetensors stores elements in row-major order; a contiguous copy of a channels_last tensor has that order
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        header = {"fingerprint": self.fingerprint, "checksum": checksum(tensors), "state": json.dumps(state)}
        with atomic_path(self.folder / f"step-{step:08d}.safetensors") as partial:
            save_file(tensors, partial, header)
        for old in self._files()[:-2]:
            empty_and_remove(old)

    def newest(self) -> Path | None:
        """The newest undamaged checkpoint of this training. Damaged ones and those of another training are deleted, and
        a line is printed.

        Raises:
            ValueError: the disk does not give one, which may be whole.
        """
        for path in reversed(self._files()):
            try:
                fingerprint = _read(path)[2]
            except OSError as error:  # as of a Drive that was just mounted: the file itself may be whole
                raise ValueError(
                    f"the checkpoint {path} cannot be read now ({error}): run again, or delete it to train anew"
                ) from None
            except (SafetensorError, ValueError, KeyError, TypeError) as error:
                print(f"the checkpoint {path.name} is damaged and was deleted ({error})")
                empty_and_remove(path)
                continue
            if fingerprint == self.fingerprint:
                return path
            print(f"the checkpoints have other data, numbers or recipe (fingerprint {fingerprint}): training restarts")
            for old in self._files():
                empty_and_remove(old)
            break
        return None

    def read(self, path: Path) -> tuple[Tensors, dict]:
        """Tensors (on the CPU) and state of a file that `newest` returned."""
        return _read(path)[:2]

    def clear(self) -> None:
        """Delete the folder."""
        remove_folder(self.folder)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))


def checksum(tensors: Tensors) -> str:
    """CRC-32 of all names and bytes, in the order of the names."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"


def _read(path: Path) -> tuple[Tensors, dict, str]:
    """Tensors, state and fingerprint of a file."""
    with safe_open(path, "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if checksum(tensors) != header["checksum"]:
        raise ValueError("its checksum does not match")
    return tensors, json.loads(header["state"]), header["fingerprint"]
