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


def kernel_has(monkeypatch, loaded: str, *on_disk: str) -> None:
    """Let Pillow be loaded in one version, and lie on the disk in others: before the installation, and after it."""
    versions, module = iter(on_disk), types.ModuleType("PIL")
    module.__version__ = loaded
    monkeypatch.setattr(prepare_runtime, "FRAGILE", {"PIL": "pillow"})
    monkeypatch.setitem(sys.modules, "PIL", module)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: next(versions))


@pytest.mark.fault(
    "notebooks",
    "a package is replaced under a running kernel",
    "replaced on the disk; restart the kernel",
    "the notebook stops there",
)
@pytest.mark.people_have(
    "a notebook whose kernel has an older Pillow loaded than the one that was installed",
    "asked",
    "to restart the kernel and run the cells from the top again",
)
@pytest.mark.parametrize(
    "on_disk",
    [("11.2.1", "12.3.0"), ("12.3.0", "12.3.0"), ("12.3.0", "11.3.0")],
    ids=["replaced now", "replaced by an earlier cell, and the restart was declined", "both"],
)
def test_a_package_that_was_replaced_under_the_running_kernel_asks_for_a_restart(pip, monkeypatch, on_disk):
    kernel_has(monkeypatch, "11.2.1", *on_disk)
    with pytest.raises(RuntimeError, match=f"pillow 11.2.1 by {on_disk[1]}: replaced on the disk.*Restart"):
        prepare_runtime.prepare()


@pytest.mark.parametrize("loaded", ["12.3.0", "12.3.0+cu121"])
def test_a_kernel_that_has_loaded_what_is_on_the_disk_goes_on(pip, monkeypatch, loaded):
    kernel_has(monkeypatch, loaded, "12.3.0", "12.3.0")
    prepare_runtime.prepare()
    assert len(pip) == 1


def test_what_the_process_of_the_tests_has_loaded_is_what_is_on_the_disk(pip):
    import numpy
    import PIL.Image

    assert prepare_runtime.loaded_versions().items() >= {"numpy": numpy.__version__, "pillow": PIL.__version__}.items()
    prepare_runtime.prepare()


def test_two_versions_of_pillow_in_one_process_are_asked_about_for_real(tmp_path):
    """A process that has loaded a Pillow which was then replaced on its path."""
    for version, place in (("11.2.1", "old"), ("12.3.0", "new")):
        info = tmp_path / place / f"pillow-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pillow\nVersion: {version}\n")
        (tmp_path / place / "PIL").mkdir()
        (tmp_path / place / "PIL/__init__.py").write_text(f"__version__ = {version!r}\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import PIL\n"
        "sys.path[0] = sys.argv[2]; sys.path.append(sys.argv[3])\n"
        "import prepare_runtime as p, subprocess; subprocess.run = lambda *a, **k: None\n"
        "p.prepare()"
    )
    places = [str(tmp_path / "old"), str(tmp_path / "new"), str(REPOSITORY / "scripts")]
    done = subprocess.run([sys.executable, "-S", "-c", code, *places], capture_output=True, text=True)
    assert "pillow 11.2.1 by 12.3.0: replaced on the disk" in done.stderr
