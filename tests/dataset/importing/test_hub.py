"""Datasets of the hub as a stream, and the stand-in for CIFAKE."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aireal.dataset.importing.encoding import Encoding
from aireal.dataset.importing.hub import open_hub
from aireal.dataset.importing.import_dataset import import_dataset
from helpers.images import encoded
from helpers.importing import counts, fill, items, picture, run_import, tree

# the hub


@pytest.mark.fault(
    "network",
    "no network for a dataset of the hub, or its library is missing",
    "... could not be reached, or: pip install 'datasets>=4'",
    "the import does not begin",
)
def test_the_hub_needs_its_library_and_a_connection(tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "datasets", None)
        assert run_import("hf:owner/name", tmp_path / "root") == 2
    assert "pip install 'datasets>=4'" in capsys.readouterr().err
    pytest.importorskip("datasets")
    assert run_import("hf:owner/name", tmp_path / "root") == 2  # the tests are offline
    assert "could not be reached" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


@pytest.fixture
def hub(tmp_path) -> Path:
    """A dataset as the hub has them: parquet files with the pictures' bytes and a class label."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["AiArt", "RealArt"]),
            "generator": datasets.Value("string"),
        }
    )
    for part, first, count in (("train", 0, 40), ("test", 1000, 10)):
        rows = [
            {
                "picture": {"bytes": encoded(picture(n), "PNG"), "path": None},
                "label": int(n % 2 == 0),
                "generator": "SDXL" if n % 2 else None,
            }
            for n in range(first, first + count)
        ]
        (tmp_path / "hub/data").mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(
            tmp_path / "hub/data" / f"{part}-00000-of-00001.parquet"
        )
    return tmp_path / "hub"


def test_a_dataset_of_the_hub_is_read_as_a_stream(hub, tmp_path, capsys):
    assert run_import(f"hf:{hub}", tmp_path / "root") == 2
    assert "which label is real is not clear" in (error := capsys.readouterr().err)
    assert "AiArt, RealArt" in error
    assert run_import(f"hf:{hub}", tmp_path / "root", "--real-label", "Real") == 2
    assert "no label is called 'Real'" in capsys.readouterr().err
    assert run_import(f"hf:{hub}", tmp_path / "root", "--real-label", "RealArt") == 0
    assert (
        "splits train, test; pictures in 'picture', classes in 'label' (RealArt is real, all else fake)"
        in capsys.readouterr().out
    )
    imported = counts(tmp_path / "root")
    assert imported["test", 0] == imported["test", 1] == 5
    assert imported["train", 0] + imported["val", 0] == 20
    for item in items(tmp_path / "root"):
        number = int(item.file.split("/")[1]) + (1000 if item.split == "test" else 0)
        stored = np.asarray(Image.open(tmp_path / "root" / item.path), dtype=int)
        assert abs(stored - np.asarray(picture(number).resize((48, 48)), dtype=int)).mean() < 12
        assert item.label == number % 2
        assert item.generator == ("SDXL" if item.label else "")


@pytest.mark.people_have(
    "a split of the hub that begins with rows without a label",
    "read",
    "the rows with a label are taken; of a test split whose labels are all hidden the first rows alone are read",
)
def test_rows_without_a_label_before_those_with_one(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.1, raising=False)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["real", "fake"])})
    for split, labels in (("train", [-1] * 20 + [0, 1] * 6), ("test", [-1] * 40)):
        rows = [
            {"image": {"bytes": encoded(picture(n), "PNG"), "path": None}, "label": label}
            for n, label in enumerate(labels)
        ]
        (tmp_path / "hub/data").mkdir(parents=True, exist_ok=True)
        stored = datasets.Dataset.from_list(rows, features=features)
        stored.to_parquet(tmp_path / f"hub/data/{split}-00000-of-00001.parquet")
    monkeypatch.setattr("aireal.dataset.importing.hub.SHUFFLE_BUFFER", 1)  # in their order
    source = open_hub(str(tmp_path / "hub"), None, None, None, None, limit=4, seed=7)
    seen = Counter((entry.split, entry.label) for entry in source.read())
    assert seen["train", 0] == seen["train", 1] == 4
    assert seen["test", None] == 4, "hidden labels do not stream the split to its end"


@pytest.mark.fault(
    "processes", "a stop in the middle of a dataset from the hub", "", "the same dataset as without the stop"
)
def test_a_limited_and_stopped_stream_resumes(hub, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    # the library sleeps for 5 s at the end of each shuffled stream
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.1, raising=False)
    options = ["--real-label", "realart", "--limit", "10"]
    assert run_import(f"hf:{hub}", tmp_path / "whole", *options) == 0
    assert Counter(i.label for i in items(tmp_path / "whole")) == {0: 15, 1: 15}, "10 of train, and all 5 of test"
    assert Counter(i.split for i in items(tmp_path / "whole"))["test"] == 10
    calls = []

    class StoppedEncoding(Encoding):
        def apply(self, data, name):
            calls.append(name)
            if len(calls) == 11:
                raise KeyboardInterrupt
            return super().apply(data, name)

    source = open_hub(str(hub), None, None, "realart", None, limit=10, seed=7)
    with pytest.raises(KeyboardInterrupt):
        import_dataset(source, tmp_path / "root", StoppedEncoding(48), workers=1, commit_every=4)
    assert len((tmp_path / "root/.import/journal.jsonl").read_text().splitlines()) == 3
    assert run_import(f"hf:{hub}", tmp_path / "root", *options) == 0
    assert tree(tmp_path / "root") == tree(tmp_path / "whole")


def test_an_image_folder_in_the_hubs_layout(tmp_path, capsys):
    pytest.importorskip("datasets")
    for k, (part, label) in enumerate([("train", "REAL"), ("train", "FAKE"), ("test", "REAL"), ("test", "FAKE")]):
        fill(tmp_path / "folder" / part / label, 100 * k, 6)
    assert run_import(f"hf:{tmp_path / 'folder'}", tmp_path / "root", "--keep-bytes") == 0
    assert "FAKE is fake, REAL is real" in capsys.readouterr().out
    imported = items(tmp_path / "root")
    originals = {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in (tmp_path / "folder").rglob("*.png")}
    assert {i.sha256 for i in imported} == originals.keys()
    assert all((originals[i.sha256].parent.name == "FAKE") == bool(i.label) for i in imported)
