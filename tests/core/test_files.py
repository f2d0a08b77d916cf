"""Files are written whole or not at all, and survive a power cut."""

from __future__ import annotations

import os
import stat

from aireal.core.files import remove_folder, write_atomic


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_next_step(tmp_path, monkeypatch):
    target, fsync, synced = tmp_path / "a.json", os.fsync, []

    def note(handle: int) -> None:
        fsync(handle)
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        synced.append((kind, target.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomic(target, b"content")
    assert synced == [("file", False), ("folder", True)]


def test_a_removed_folder_leaves_no_bytes_in_the_bin_of_a_drive(tmp_path):
    """A hard link stands for the bin, which keeps the file; what a link in the folder names stays as it is."""
    (folder := tmp_path / "checkpoints" / "step").mkdir(parents=True)
    (folder / "weights").write_bytes(b"weights")
    (tmp_path / "mine").write_bytes(b"mine")
    (folder / "link").symlink_to(tmp_path / "mine")
    os.link(folder / "weights", tmp_path / "bin")
    remove_folder(tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()
    assert (tmp_path / "bin").read_bytes() == b""
    assert (tmp_path / "mine").read_bytes() == b"mine"
    remove_folder(tmp_path / "checkpoints")
