"""Interrupted imports resume to the same bytes, mismatches are refused, and memory stays flat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aireal.cli import main
from aireal.dataset.importing import write_root
from helpers.images import encoded, write
from helpers.importing import SMALL, fill, items, run_import, tree
from helpers.interruption import stopped_after


@pytest.mark.fault("processes", "`kill -9` of an import", "", "the same dataset, byte for byte; nothing is done twice")
def test_a_killed_import_goes_on_and_ends_with_the_same_bytes(tmp_path):
    fill(tmp_path / "in/real", 0, 100, "{}.jpg", side=500)
    fill(tmp_path / "in/fake", 1000, 100, "{}.jpg", side=500)
    write(tmp_path / "in/real/75 broken.jpg", b"no image")
    command = [
        sys.executable,
        "-m",
        "aireal",
        "dataset",
        "import",
        str(tmp_path / "in"),
        "--to",
        str(tmp_path / "root"),
        *SMALL,
        "--workers",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal, began = tmp_path / "root/.import/journal.jsonl", time.time()
    while (
        process.poll() is None
        and time.time() - began < 300
        and not (journal.exists() and journal.read_bytes().count(b"\n") >= 2)
    ):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "killed in the middle"
    done = json.loads(journal.read_bytes().rpartition(b"\n")[0].splitlines()[-1])["pictures"]
    assert 0 < done < 201
    assert not (tmp_path / "root/manifest.csv").exists()
    stored = {
        p.name: p.stat().st_mtime_ns for p in (tmp_path / "root/.import").rglob("*.jpg") if int(p.stem[-6:]) <= done
    }
    assert run_import(tmp_path / "in", tmp_path / "root") == 1
    imported = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*.jpg")}
    assert stored.items() <= imported.items()
    assert len(imported) == 200, "what was done is not done again"
    assert run_import(tmp_path / "in", tmp_path / "whole") == 1
    assert tree(tmp_path / "root") == tree(tmp_path / "whole")
    assert not (tmp_path / "root/.import").exists()


@pytest.mark.fault(
    "processes", "an import stopped while it moves files to their places", "", "the same dataset as without the stop"
)
@pytest.mark.parametrize("after", [0, 17, 39])
def test_an_import_stopped_while_moving_goes_on(plain, tmp_path, after):
    with stopped_after(after, Path, "replace", counts=lambda path, _: path.suffix == ".jpg"):
        run_import(plain, tmp_path / "root")
    assert (
        len(list((tmp_path / "root/test").rglob("*.jpg"))) + len(list((tmp_path / "root/data").rglob("*.jpg"))) == after
    )
    assert run_import(plain, tmp_path / "root") == 0
    assert run_import(plain, tmp_path / "whole") == 0
    assert tree(tmp_path / "root") == tree(tmp_path / "whole")


@pytest.mark.fault(
    "disk",
    "the disk is full in the middle of an import",
    "the import stopped (No space left on device); ... run the same command again to resume it",
    "what was imported; the same command completes it",
)
def test_a_full_disk_is_one_sentence_and_the_import_goes_on_later(plain, tmp_path, monkeypatch, capsys):
    write_bytes, count = Path.write_bytes, []

    def full(self, data):
        count.append(self)
        if len(count) > 10 and self.suffix == ".jpg":
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert run_import(plain, tmp_path / "root") == 2
    assert "No space left on device" in (error := capsys.readouterr().err)
    assert "run the same command again" in error
    assert run_import(plain, tmp_path / "root") == 0
    assert len(items(tmp_path / "root")) == 40


def test_a_finished_import_is_not_done_again_and_another_is_refused(plain, tmp_path, capsys):
    assert run_import(plain, tmp_path / "root") == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*")}
    assert run_import(plain, tmp_path / "root") == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*")}
    capsys.readouterr()
    assert run_import(plain, tmp_path / "root", "--seed", "9") == 2
    assert "seed was 7, now 9" in capsys.readouterr().err
    fill(plain / "0_real", 900, 1)
    assert run_import(plain, tmp_path / "root") == 2
    assert "the source has changed" in capsys.readouterr().err


@pytest.mark.fault(
    "processes",
    "an import that goes on with other arguments",
    "size was 48, now 64",
    "what was imported; the first arguments complete it",
)
def test_going_on_with_other_arguments_is_refused(plain, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(write_root, "assign_splits", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_import(plain, tmp_path / "root")
    assert main(["dataset", "import", str(plain), "--to", str(tmp_path / "root"), "--no-audit", "--size", "64"]) == 2
    assert "size was 48, now 64" in capsys.readouterr().err
    assert run_import(plain, tmp_path / "root") == 0


@pytest.mark.fault(
    "disk",
    "an import into a folder that holds another dataset",
    "already holds a dataset",
    "what lies there, byte for byte",
)
@pytest.mark.parametrize("held", ["manifest.csv", "test/0_real/a.jpg", "data/train/1_fake/b.jpg"])
def test_a_root_that_holds_another_dataset_is_refused(plain, tmp_path, capsys, held):
    write(tmp_path / "root" / held, b"something")
    assert run_import(plain, tmp_path / "root") == 2
    assert "already holds a dataset" in capsys.readouterr().err
    assert (tmp_path / "root" / held).read_bytes() == b"something"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--size", "3"], "--size 3"),
        (["--shares", "0.5", "0.5", "0.5"], "add up to 1"),
        (["--limit", "0"], "--limit"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_arguments_that_make_no_sense_are_one_sentence(plain, tmp_path, capsys, arguments, message):
    assert run_import(plain, tmp_path / "root", *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.fault(
    "disk",
    "an import into its own source",
    "lies inside the source; choose another folder for --to",
    "the import does not begin",
)
def test_a_root_inside_the_source_is_refused(plain, capsys):
    assert run_import(plain, plain / "root") == 2
    assert "lies inside the source" in capsys.readouterr().err


def test_the_audit_runs_after_an_import(plain, tmp_path, capsys):
    assert main(["dataset", "import", str(plain), "--to", str(tmp_path / "root"), "--size", "64"]) == 0
    printed = capsys.readouterr().out
    assert "40 images checked" in printed
    assert "told apart by" in printed
    assert "AUROC" in printed


MEMORY = """
import resource, sys
from pathlib import Path
from aireal.dataset.importing.disk import open_disk
from aireal.dataset.importing.encoding import Encoding
from aireal.dataset.importing.import_dataset import import_dataset

for count in (500, 5000):
    source = open_disk(Path(sys.argv[1]) / str(count), None, 7)
    report = import_dataset(source, Path(sys.argv[1]) / f"root{count}", Encoding(32), workers=2)
    assert report.counts["train"][0] > count / 4
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for count in (500, 5000):
        for n in range(count):
            pixels = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            write(tmp_path / str(count) / ("real", "fake")[n % 2] / f"{n:x}z.bmp", encoded(pixels, "BMP"))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "TQDM_DISABLE": "1"},
    )
    few, many = map(int, done.stdout.split())
    assert many - few < 8 * 1024, f"{(many - few) / 1024:.1f} MiB more for 4,500 pictures more"
