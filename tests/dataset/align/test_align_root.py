"""`dataset align` makes a root of pairs in which content tells nothing, resumes after a kill, and refuses clearly."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from aireal.classifier.train import ensure_classifier
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.imagefile import open_rgb
from aireal.core.run import start
from aireal.dataset.align import align_root as module
from aireal.dataset.align.align_root import align_root
from aireal.dataset.align.pair import Origin
from aireal.dataset.audit.run_audit import audit
from aireal.dataset.audit.scoring import FOLDS, score_families
from aireal.dataset.check import check
from aireal.dataset.manifest import load_items
from helpers.align import ORIGIN, Blur, pairs_of, photographs, root_of
from helpers.images import SAMPLE, encoded
from helpers.importing import tree
from helpers.interruption import stopped_after


@pytest.fixture(scope="module")
def aligned(tmp_path_factory) -> Path:
    """Pairs of 30 photographs a split of the sample."""
    folder = tmp_path_factory.mktemp("aligned")
    align_root(photographs(folder / "photos", 30), folder / "pairs", Blur(), ORIGIN)
    return folder / "pairs"


def test_every_photograph_has_its_round_trip_in_its_split_and_group(aligned):
    source = {i.path: i for i in load_items(DatasetRoot.at(SAMPLE))}
    pairs = pairs_of(aligned)
    assert len(pairs) == 90
    for real, fake in pairs:
        assert (real.split, real.group) == (fake.split, fake.group)
        assert (real.split, real.group) == (source[real.file].split, source[real.file].group)
        assert fake.generator == "blur"
        assert fake.licence == real.licence == source[real.file].licence


def test_both_pictures_of_a_pair_have_the_size_and_encoder_of_the_photograph(aligned):
    for real, fake in pairs_of(aligned)[:10]:
        original = Image.open(SAMPLE / real.file)
        for item in (real, fake):
            picture = Image.open(aligned / item.path)
            assert picture.size == original.size
            assert picture.quantization == original.quantization


def test_the_check_finds_no_problem(aligned):
    assert check(DatasetRoot.at(aligned)).problems == []


def test_the_audit_finds_files_and_sizes_at_a_coin_and_no_telling_colours(aligned):
    families = audit(DatasetRoot.at(aligned), duplicates=False)["families"]
    assert {name: families[name]["auroc"]["value"] for name in ("container", "size")} == {"container": 0.5, "size": 0.5}
    assert not families["colour"]["suspected"]


def test_what_the_pictures_show_tells_nothing(aligned):
    items = load_items(DatasetRoot.at(aligned))
    labels, groups = np.array([i.label for i in items]), [i.group for i in items]
    looks = [np.asarray(open_rgb(aligned / i.path).resize((8, 8), Image.Resampling.BOX)) for i in items]
    content = {"content": np.stack(looks).reshape(len(items), -1).astype(np.float32)}
    names = {"content": [str(k) for k in range(192)]}
    auroc = score_families(content, names, labels, groups, seed=7)[0]["content"]["auroc"]["value"]
    assert 0.4 < auroc < 0.6


def test_no_fold_of_the_audit_separates_a_pair(aligned):
    items = load_items(DatasetRoot.at(aligned))
    labels, groups = [i.label for i in items], [i.group for i in items]
    for _, held in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=7).split(labels, labels, groups):
        files = [items[k].file for k in held]
        assert len(set(files)) * 2 == len(files)


def test_a_classifier_trains_on_the_pairs(aligned, tmp_path):
    run = start("tests", "smoke", aligned, seed=7, out=tmp_path)
    assert ensure_classifier(run) is not None


def test_other_photographs_of_the_folders_are_enough(tmp_path, photograph):
    for number in range(3):
        path = tmp_path / f"photos/test/0_real/holiday{'abc'[number]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.crop((0, 0, 50 + number, 43)).save(path)
    report = align_root(DatasetRoot.at(tmp_path / "photos"), tmp_path / "pairs", Blur(), ORIGIN)
    assert report.counts == {"test": 3}
    assert {Image.open(tmp_path / "pairs" / i.path).size for pair in pairs_of(tmp_path / "pairs") for i in pair} == {
        (50, 43),
        (51, 43),
        (52, 43),
    }


def test_a_limit_takes_so_many_of_each_split(tmp_path):
    report = align_root(photographs(tmp_path / "photos", 5), tmp_path / "pairs", Blur(), ORIGIN, limit=2)
    assert report.counts == {"train": 2, "val": 2, "test": 2}


@pytest.mark.fault(
    "files", "a broken photograph among those that are aligned", "its path and the reason", "the other pairs are made"
)
def test_a_broken_photograph_is_one_sentence_and_the_rest_goes_on(tmp_path, photograph, capsys):
    good = encoded(photograph, "JPEG")
    source = root_of(tmp_path / "photos", {"a.jpg": good, "b.jpg": b"no image", "c.jpg": good[:900], "d.jpg": good})
    (source.root / "data/train/0_real/e.gif").write_bytes(b"not listed")
    report = align_root(source, tmp_path / "pairs", Blur(), ORIGIN)
    printed = "".join(capsys.readouterr())
    assert (report.counts, report.broken) == ({"train": 2}, 2)
    assert "data/train/0_real/b.jpg: the file is no image that can be read" in printed
    with (tmp_path / "pairs/align_left_out.csv").open(encoding="utf-8-sig") as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons.keys() == {"data/train/0_real/b.jpg", "data/train/0_real/c.jpg"}


def test_only_broken_photographs_are_one_sentence(tmp_path):
    source = root_of(tmp_path / "photos", {"a.jpg": b"no image"})
    with pytest.raises(ValueError, match="not one of the 1 photographs could be used"):
        align_root(source, tmp_path / "pairs", Blur(), ORIGIN)


class Gpu(Blur):
    """Takes batches as a GPU does, and has no memory for two pictures, or for one of more than 8,000 pixels."""

    device = torch.device("cuda")

    def round_trip(self, images: np.ndarray) -> np.ndarray:
        if len(images) > 1 or images[0].size > 3 * 8_000:
            raise torch.OutOfMemoryError
        return super().round_trip(images)


@pytest.mark.fault(
    "processes",
    "a picture that is too large for the GPU's memory",
    "90×90 pixels are too many for the GPU's memory",
    "the other pairs are made",
)
def test_batches_give_the_same_pairs_and_a_full_gpu_leaves_out_one_picture(tmp_path, photograph):
    sizes = {"a.png": (40, 40), "b.png": (40, 40), "c.png": (47, 33), "big.png": (90, 90), "d.png": (40, 40)}
    files = {name: encoded(photograph.crop((0, 0, *size)), "PNG") for name, size in sizes.items()}
    source = root_of(tmp_path / "photos", files | {"e.png": b"no image"})
    assert align_root(source, tmp_path / "gpu", Gpu(), ORIGIN).broken == 2
    with (tmp_path / "gpu/align_left_out.csv").open(encoding="utf-8-sig") as file:
        reasons = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(file)}
    assert "90×90 pixels are too many for the GPU's memory" in reasons["big.png"]
    align_root(source, tmp_path / "cpu", Blur(), ORIGIN)
    whole = {fake.file: fake.sha256 for _, fake in pairs_of(tmp_path / "cpu")}
    assert {fake.file: fake.sha256 for _, fake in pairs_of(tmp_path / "gpu")}.items() < whole.items()


def test_a_root_without_photographs_is_one_sentence(small_root, tmp_path):
    for folder in (small_root.train, small_root.test):
        shutil.rmtree(folder / "0_real")
    (small_root.root / "manifest.csv").unlink()
    with pytest.raises(ValueError, match="no photographs"):
        align_root(small_root, tmp_path / "pairs", Blur(), ORIGIN)


@pytest.mark.parametrize("to", ["photos", "photos/a", "."])
def test_overlapping_folders_are_refused(tmp_path, to):
    source = photographs(tmp_path / "photos", 1)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="lies inside"):
        align_root(source, tmp_path / to, Blur(), ORIGIN)
    assert tree(tmp_path) == before


def test_a_root_that_holds_another_dataset_is_refused(tmp_path):
    source, other = photographs(tmp_path / "photos", 1), photographs(tmp_path / "other", 1)
    with pytest.raises(ValueError, match="already holds a dataset"):
        align_root(source, other.root, Blur(), ORIGIN)


@pytest.mark.fault(
    "disk",
    "too little room for the pairs of an alignment",
    "how many GB are free and how many it takes",
    "it is said before the first pair",
)
def test_a_small_disk_is_noticed_before_the_work(tmp_path, monkeypatch):
    source, blur = photographs(tmp_path / "photos", 1), Blur()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(ValueError, match="GB free"):
        align_root(source, tmp_path / "pairs", blur, ORIGIN)
    assert blur.seen == []


@pytest.mark.fault(
    "weights",
    "an alignment goes on with another autoencoder, limit or source",
    "vae was blur, now sharp; use those, or choose another folder",
    "the finished pairs are not touched",
)
def test_a_finished_root_is_not_made_again_and_another_autoencoder_is_refused(tmp_path):
    source, blur = photographs(tmp_path / "photos", 1), Blur()
    report = align_root(source, tmp_path / "pairs", Blur(), ORIGIN)
    before = tree(tmp_path / "pairs")
    assert align_root(source, tmp_path / "pairs", blur, ORIGIN) == report
    with pytest.raises(
        ValueError, match=r"vae was blur \(0{12}\), now sharp \(1{12}\)\); use those, or choose another"
    ):
        align_root(source, tmp_path / "pairs", blur, Origin("sharp", "1" * 64, ""))
    with pytest.raises(ValueError, match="limit was None, now 1"):
        align_root(source, tmp_path / "pairs", blur, ORIGIN, limit=1)
    photographs(tmp_path / "photos", 2)
    with pytest.raises(ValueError, match="the source has changed"):
        align_root(source, tmp_path / "pairs", blur, ORIGIN)
    assert blur.seen == []
    assert tree(tmp_path / "pairs") == before


KILLED = """
import sys
from pathlib import Path
from aireal.config import DatasetRoot
from aireal.dataset.align.align_root import align_root
from helpers.align import ORIGIN, Blur

align_root(DatasetRoot.at(sys.argv[1]), Path(sys.argv[2]), Blur(seconds=0.2), ORIGIN)
"""


@pytest.mark.fault("processes", "`kill -9` of an alignment", "", "the same pairs, byte for byte; nothing is done twice")
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    source, root = photographs(tmp_path / "photos", 8), tmp_path / "pairs"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(source.root), str(root)], env=environment, stderr=subprocess.DEVNULL
    )
    journal, began = root / ".align/journal.jsonl", time.time()
    while process.poll() is None and time.time() - began < 300:
        if journal.exists() and journal.read_bytes().count(b"\n") >= 4:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "killed in the middle"
    done = journal.read_bytes().count(b"\n") - 1
    assert 3 <= done < 24
    assert not (root / "manifest.csv").exists()
    with pytest.raises(ValueError, match="vae was blur"):
        align_root(source, root, Blur(), Origin("sharp", "1" * 64, ""))
    stored = {p.name: p.stat().st_mtime_ns for p in (root / ".align").rglob("*.jpg") if int(p.stem[-6:]) <= done}
    blur = Blur()
    align_root(source, root, blur, ORIGIN)
    assert len(blur.seen) == 24 - done, "what was done is not done again"
    assert stored.items() <= {p.name: p.stat().st_mtime_ns for p in root.rglob("*.jpg")}.items()
    align_root(source, tmp_path / "whole", Blur(), ORIGIN)
    assert tree(root) == tree(tmp_path / "whole")
    assert not (root / ".align").exists()


@pytest.mark.parametrize("after", [0, 1])
def test_a_run_stopped_while_moving_goes_on(tmp_path, after):
    source = photographs(tmp_path / "photos", 1)
    with stopped_after(after, Path, "replace", counts=lambda path, _: path.name in module.FOLDERS):
        align_root(source, tmp_path / "pairs", Blur(), ORIGIN)
    align_root(source, tmp_path / "pairs", Blur(), ORIGIN)
    assert check(DatasetRoot.at(tmp_path / "pairs")).problems == []
