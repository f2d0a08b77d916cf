"""What the first cell installs: pins for what a runtime does not bring, and nothing that breaks a running kernel."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types

import pytest

from aireal.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
import prepare_runtime  # noqa: E402

# what Colab and Kaggle bring, compiled against each other, and what runs their kernels
OF_THE_IMAGE = {
    "torch", "torchvision", "torchaudio", "torchao", "numpy", "scipy", "pandas", "pillow", "matplotlib", "protobuf",
    "tensorflow", "scikit-learn", "scikit-image", "pyarrow", "psutil", "jupyter", "ipykernel", "nbconvert", "nbformat",
}  # fmt: skip


def pins(name: str) -> dict[str, str]:
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_pins_are_those_that_were_tested_and_touch_nothing_of_the_image():
    notebook, tested = pins("constraints-notebook.txt"), pins("constraints.txt")
    assert {name.lower() for name in notebook} & OF_THE_IMAGE == set()
    assert {name: version for name, version in notebook.items() if name != "datasets"}.items() <= tested.items()


def test_datasets_and_the_hub_are_pinned_together():
    notebook = pins("constraints-notebook.txt")
    assert {"datasets", "huggingface_hub"} <= set(notebook)


def test_a_gpu_gets_nothing_of_the_8_bit_classifier_and_a_cpu_all_of_it():
    gpu, cpu = ({prepare_runtime.name_of(line) for line in prepare_runtime.packages(has)} for has in (True, False))
    assert cpu - gpu == {"onnx", "onnxruntime", "onnxscript", "openvino"}
    assert {"torch", "transformers", "peft", "timm", "anthropic", "papermill"} <= gpu
    assert gpu & {"jupyter", "ipykernel", "nbconvert"} == set()


@pytest.fixture
def pip(monkeypatch):
    """Records pip's calls instead of installing."""
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    return calls


def test_the_pins_are_given_to_pip(pip):
    prepare_runtime.prepare()
    assert pip[0][pip[0].index("-c") + 1] == str(REPOSITORY / "constraints-notebook.txt")


def test_a_package_that_was_replaced_under_the_running_kernel_asks_for_a_restart(pip, monkeypatch):
    versions = iter(["10.4.0", "12.3.0"])
    monkeypatch.setattr(prepare_runtime, "FRAGILE", {"PIL": "pillow"})
    monkeypatch.setitem(sys.modules, "PIL", types.ModuleType("PIL"))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: next(versions))
    with pytest.raises(RuntimeError, match="pillow 10.4.0 was replaced.*Restart"):
        prepare_runtime.prepare()
