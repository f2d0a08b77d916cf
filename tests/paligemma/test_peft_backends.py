"""LoRA goes on where a runtime brings optional packages that peft refuses, as Colab's torchao."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aireal.config import REPOSITORY
from helpers.paligemma import folder_  # noqa: F401  (a fixture)

PLAIN_PEFT = """
from peft import LoraConfig, get_peft_model
from aireal.paligemma.model import load
get_peft_model(load({folder!r}, "cpu")[0], LoraConfig(r=2, target_modules="all-linear"))
"""
OURS = """
from pathlib import Path
from peft.import_utils import is_torchao_available
from aireal.paligemma.model import attach_lora, load, load_adapter, save_adapter
wrapped = attach_lora(load({folder!r}, "cpu")[0], 4)
save_adapter(wrapped, Path({out!r}))
loaded = load_adapter(load({folder!r}, "cpu")[0], Path({out!r}))
print("layers", sum("lora_A" in name for name, _ in loaded.named_parameters()))
"""


def stand_in(where: Path, package: str, version: str) -> Path:
    """An installed package of that version with nothing in it."""
    (where / package).mkdir(parents=True)
    (where / package / "__init__.py").write_text("", encoding="utf-8")
    about = where / f"{package}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n", encoding="utf-8")
    return where


def run(program: str, where: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join((str(where), str(REPOSITORY)))
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )


@pytest.mark.parametrize(("package", "version"), [("torchao", "0.10.0"), ("gptqmodel", "1.0.0")])
def test_lora_is_attached_saved_and_loaded_beside_an_old_package(folder, tmp_path, package, version):
    where = stand_in(tmp_path / "runtime", package, version)
    done = run(OURS.format(folder=str(folder), out=str(tmp_path / "adapter")), where)
    assert done.returncode == 0, done.stderr[-500:]
    assert "layers 22" in done.stdout


def test_the_stand_in_is_one_that_peft_refuses(folder, tmp_path):
    where = stand_in(tmp_path / "runtime", "torchao", "0.10.0")
    done = run(PLAIN_PEFT.format(folder=str(folder)), where)
    assert done.returncode != 0
    assert "incompatible version of torchao" in done.stderr
