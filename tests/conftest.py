"""Fixtures: every test starts from the same seed, sees no key and no network, and may borrow the sample dataset."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from PIL import Image

from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.run import Run, seed_everything, start
from aireal.dataset.manifest import load_items, write_manifest
from helpers.images import SAMPLE
from helpers.importing import fill


@pytest.fixture(autouse=True)
def _same_start(monkeypatch):
    seed_everything(7)
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_") or name == "HF_TOKEN":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    """A test's figures end with it: pyplot keeps them for the process, and warns of the twenty-first."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def photograph() -> Image.Image:
    """A real photograph of the sample dataset."""
    return Image.open(min((REPOSITORY / "proposal_images").glob("real_*.jpg"))).convert("RGB")


@pytest.fixture
def small_root(tmp_path) -> DatasetRoot:
    """A dataset root of its own with a few pictures of each split and class, and a manifest."""
    data = DatasetRoot.at(SAMPLE)
    items = [i for i in load_items(data, limit=3) if i.split != "proposal"]
    for item in items:
        target = tmp_path / "root" / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data.root / item.path, target)
    write_manifest(tmp_path / "root" / "manifest.csv", items)
    return DatasetRoot.at(tmp_path / "root")


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Run:
    """A smoke run with a classifier trained for it, shared by the tests that only read."""
    from aireal.classifier.train import ensure_classifier

    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path_factory.mktemp("smoke"))
    ensure_classifier(run)
    return run


@pytest.fixture
def plain(tmp_path) -> Path:
    """20 pictures a class, unsplit."""
    fill(tmp_path / "plain/0_real", 0, 20)
    fill(tmp_path / "plain/1_fake", 100, 20)
    return tmp_path / "plain"
