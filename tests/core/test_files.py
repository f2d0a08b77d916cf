"""Files are written whole or not at all, and survive a power cut."""

from __future__ import annotations

import os
import stat

from aireal.core.files import write_atomic


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_next_step(tmp_path, monkeypatch):
    target, fsync, synced = tmp_path / "a.json", os.fsync, []

    def note(handle: int) -> None:
        fsync(handle)
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        synced.append((kind, target.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomic(target, b"content")
    assert synced == [("file", False), ("folder", True)]
