"""A folder that keeps everything: where products go, and disks that have no file locks."""

from __future__ import annotations

import errno
import fcntl

import pytest

from aireal.core.files import locked_folder
from aireal.core.journal import Journal
from aireal.core.run import places, start
from helpers.images import SAMPLE
from helpers.runtimes import disk_without_locks


def test_keep_holds_products_and_outputs(tmp_path):
    run = start("test", "smoke", SAMPLE, keep=tmp_path / "kept")
    assert run.data.root == SAMPLE
    for path in (run.data.table, run.data.model, run.data.adapter, run.out / "metrics"):
        assert path.is_relative_to(tmp_path / "kept")


def test_without_keep_products_lie_in_the_root_and_those_of_smoke_in_out(tmp_path):
    assert places("sample", SAMPLE, tmp_path)[0].products == SAMPLE
    assert places("smoke", SAMPLE, tmp_path)[0].products == tmp_path / "products"


@pytest.mark.fault(
    "disk",
    "a Drive that is not mounted",
    "lies on a Drive that is not mounted, and the line that mounts it",
    "it is said before any work",
)
def test_a_drive_that_is_not_mounted_is_refused_with_the_lines_that_mount_it():
    with pytest.raises(ValueError, match=r"not mounted.*drive.mount\('/content/drive'\)"):
        places("sample", SAMPLE, None, "/content/drive/MyDrive/aireal")


@pytest.mark.fault(
    "disk",
    "a folder for products that cannot be made",
    "keep = ... cannot be written to: name a folder on a disk of yours",
    "it is said before any work",
)
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written to"):
        places("sample", SAMPLE, None, tmp_path / "file" / "kept")


def test_on_colab_a_run_without_keep_says_how_to_keep(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    start("test", "smoke", SAMPLE, out=tmp_path)
    assert "drive.mount('/content/drive')" in capsys.readouterr().out
    start("test", "smoke", SAMPLE, keep=tmp_path)
    assert "drive.mount" not in capsys.readouterr().out


@pytest.mark.fault(
    "disk",
    "a disk without file locks (some network and cloud disks)",
    "this disk has no file locks: start only one at a time in this folder",
    "everything works; it is said once",
)
@pytest.mark.parametrize("error", [errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EBADF])
def test_a_disk_without_locks_works_and_is_said_once(monkeypatch, tmp_path, capsys, error):
    disk_without_locks(monkeypatch, error)
    with Journal(tmp_path / "a.jsonl") as journal, locked_folder(tmp_path / "b", "in use"):
        journal.add({"x": 1})
    with Journal(tmp_path / "a.jsonl") as journal:
        assert journal.entries == [{"x": 1}]
    assert capsys.readouterr().out.count("no file locks") == 1


def test_a_lock_that_is_held_is_still_respected(tmp_path):
    with (tmp_path / "a.jsonl").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="in use by another run"):
            Journal(tmp_path / "a.jsonl")
