"""Items of a root with or without a manifest."""

from __future__ import annotations

import shutil

from aireal.config import DatasetRoot
from aireal.dataset.manifest import load_items
from helpers.images import encoded, noise, write


def test_a_root_without_manifest_is_split_by_group_and_stays_so(tmp_path):
    for label in ("0_real", "1_fake"):
        for group in range(12):
            for frame in range(2):
                write(
                    tmp_path / "data/train" / label / f"{label}{chr(97 + group)}_{frame}.png",
                    encoded(noise(hash((label, group)) % 2**31), "PNG"),
                )
    first = load_items(DatasetRoot.at(tmp_path))
    splits = {}
    for item in first:
        assert splits.setdefault(item.group, item.split) == item.split
    assert {"train", "val"} == set(splits.values())
    shutil.rmtree(tmp_path / "data/train/0_real")
    assert {i.path: i.split for i in load_items(DatasetRoot.at(tmp_path))}.items() <= {
        i.path: i.split for i in first
    }.items()
