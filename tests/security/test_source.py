"""What no file of the package may contain, whatever it is for."""

from __future__ import annotations

import ast
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aireal.classifier.backbone_file import read_backbone
from aireal.classifier.model import load, read_config
from aireal.config import REPOSITORY
from aireal.paligemma.model import load_adapter

FILES = sorted(path for room in ("aireal", "scripts", "benchmarks") for path in (REPOSITORY / room).rglob("*.py"))
LOADERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "yaml"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
# attribute calls that run a text, by the name of the module
SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}


def calls(path: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call of a file: the node, the name before the last dot, and the last name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
            yield node, owner, function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def option(node: ast.Call, name: str) -> object:
    """The constant value of a keyword of a call; None where it is not given."""
    found = [keyword.value for keyword in node.keywords if keyword.arg == name]
    return getattr(found[0], "value", found[0]) if found else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_file_loads_a_pickle_or_runs_a_text(path):
    faults = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        faults += [f"imports {name}" for name in modules if name.split(".")[0] in LOADERS]
    for node, owner, name in calls(path):
        where = f"line {node.lineno}: {owner}.{name}"
        faults += [where] if owner == "" and name in RUNNERS else []
        faults += [where] if (owner, name) in SHELLS or option(node, "shell") not in (None, False) else []
        faults += [where] if owner == "torch" and name == "load" and option(node, "weights_only") is not True else []
        faults += [where] if name in ("load", "memmap") and option(node, "allow_pickle") not in (None, False) else []
        faults += [where] if name in ("read_pickle", "to_pickle", "unpack_archive") else []
        faults += [where] if option(node, "trust_remote_code") not in (None, False) else []
        faults += [where] if name == "extractall" and owner != "wheel" and option(node, "filter") != "data" else []
    assert faults == []


class Marker:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.fault(
    "weights", "a pickle beside or in place of weights", "which safetensors file is missing", "the pickle is not opened"
)
def test_a_pickle_beside_or_in_place_of_weights_is_not_opened(tmp_path):
    """transformers, peft, timm and NumPy all have formats that can hold one."""
    content = pickle.dumps(Marker(tmp_path / "ran"))
    for name in ("pytorch_model.bin", "adapter_model.bin", "model.safetensors", "config.json", "training_state.pt"):
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\x01\0\x3e\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }   \n" + content
        )
    with pytest.raises(ValueError, match="adapter_model.safetensors"):
        load_adapter(None, tmp_path)
    for read in (load, read_config, read_backbone):
        with pytest.raises(ValueError):
            read(tmp_path / "model.safetensors" if read is read_backbone else tmp_path)
    with np.load(tmp_path / "arrays.npz") as arrays, pytest.raises(ValueError):
        print(arrays["a"])
    assert not (tmp_path / "ran").exists()


def test_paligemma_is_read_from_safetensors_alone():
    text = (REPOSITORY / "aireal" / "paligemma" / "model.py").read_text(encoding="utf-8")
    assert '"use_safetensors": True' in text


def test_every_picture_is_opened_by_the_decoder_of_named_formats():
    """Pillow has some forty; that of PostScript starts Ghostscript."""
    for path in (path for path in FILES if path.is_relative_to(REPOSITORY / "aireal")):
        for node, owner, name in calls(path):
            if (owner, name) == ("Image", "open"):
                assert option(node, "formats"), f"{path.relative_to(REPOSITORY)}:{node.lineno} names no formats"


def test_programs_are_started_with_lists_of_arguments():
    for path in FILES:
        for node, owner, _ in calls(path):
            if owner == "subprocess" and node.args:
                assert not isinstance(node.args[0], ast.JoinedStr), f"{path.name}:{node.lineno}"
                assert not isinstance(getattr(node.args[0], "value", None), str), f"{path.name}:{node.lineno}"


def test_the_address_of_the_repository_is_nobodys_or_the_authors():
    """A placeholder that somebody can register would give away every runtime whose notebook clones it (RFC 2606)."""
    for path in [REPOSITORY / "pyproject.toml", *sorted((REPOSITORY / "notebooks").glob("0*.ipynb"))]:
        assert "github.com/aireal/aireal" not in path.read_text(encoding="utf-8")
