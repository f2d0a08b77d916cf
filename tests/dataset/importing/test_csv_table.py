"""Tables of paths and labels become a dataset root."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.images import write
from helpers.importing import fill, items, left_out, run_import


@pytest.mark.parametrize(
    "head, row, real, fake",
    [
        ("path,label", "{path},{label}", "0", "1"),
        ("Path, Label", "{path},{label}", "real", "FAKE"),
        ("label;path;split", "{label};{path};", "Real", "fake"),
        ("path\tlabel\tlicense", "{path}\t{label}\tMIT", "0_real", "1_fake"),
        ("path,label,generator", '"{path}",{label},"SDXL, 1.0"', "nature", "ai"),
    ],
)
def test_a_table_of_paths_and_labels(tmp_path, head, row, real, fake):
    fill(tmp_path / "pictures", 0, 20)
    lines = [row.format(path=f"pictures/{n}.png", label=fake if n % 2 else real) for n in range(20)]
    write(tmp_path / "list.csv", ("\ufeff" + "\r\n".join([head, *lines]) + "\r\n").encode())
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 0
    imported = items(tmp_path / "root")
    assert len(imported) == 20
    assert all(i.label == int(Path(i.file).stem) % 2 for i in imported)
    assert {i.licence for i in imported} == {"MIT" if "license" in head else ""}
    assert {i.generator for i in imported} == {"SDXL, 1.0" if "generator" in head else ""}


def test_a_table_gives_splits_and_groups(tmp_path):
    fill(tmp_path, 0, 40)
    rows = ["path,label,split,group"]
    rows += [
        f"{n}.png,{n % 2},{'test' if n < 8 else 'train'},{'video' if n < 8 else 'g'} {n // 8}-{n % 2}"
        for n in range(40)
    ]
    write(tmp_path / "list.csv", "\n".join(rows).encode())
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 0
    splits: dict = {}
    for item in items(tmp_path / "root"):
        assert splits.setdefault(item.group, item.split) == item.split
        assert (int(Path(item.file).stem) < 8) == (item.split == "test")
    assert splits["video 0-0"] == "test"
    assert {"train", "val"} <= set(splits.values())
    assert len(splits) == 10


@pytest.mark.parametrize(
    "text, message",
    [
        ("name,label\na.png,0\n", "has no column path, only name, label"),
        ("path,label\n0.png,maybe\n", "line 2: label 'maybe' is none of 0, 1, real, fake"),
        ("path,label,split\n0.png,0,dev\n", "line 2: split 'dev'"),
        ("path,label\n0.png,0\n,1\n", "line 3: there is no path"),
        ("path,label\n0.png,0\n", "only real"),
        ("path,label\n", "names no pictures"),
        ("", "is empty: it needs path and label"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, capsys, text, message):
    write(tmp_path / "list.csv", text if isinstance(text, bytes) else text.encode())
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("aireal: ")
    assert not (tmp_path / "root").exists()


def test_a_dataset_root_is_imported_by_its_manifest(small_root, tmp_path):
    before = {(i.path, i.split, i.group) for i in items(small_root.root)}
    assert run_import(small_root.root, tmp_path / "again") == 0
    assert {(i.file, i.split, i.group) for i in items(tmp_path / "again")} == before


@pytest.mark.fault(
    "files",
    "a table that names files which are not there",
    "the file does not exist, in the list of what was left out",
    "the rest is imported",
)
def test_a_table_with_missing_files_lists_them(tmp_path):
    fill(tmp_path, 0, 4)
    write(tmp_path / "list.csv", b"path,label\n0.png,0\n1.png,1\n2.png,0\n3.png,1\ngone.png,1\n")
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 1
    assert left_out(tmp_path / "root")["gone.png"].startswith("the file does not exist")
