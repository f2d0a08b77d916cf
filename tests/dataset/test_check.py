"""The sample dataset is what its manifest says, and the check finds what is planted."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from aireal.cli import main
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.imagefile import decode
from aireal.dataset.check import check
from aireal.dataset.manifest import family, load_items, read_manifest, write_manifest
from aireal.dataset.sample import build
from aireal.dataset.sample.sources import SampleSource, fetch, read_sources
from helpers.images import SAMPLE, encoded, noise, write


@pytest.fixture(scope="module")
def items():
    return load_items(DatasetRoot.at(SAMPLE))


def test_the_sample_is_sound(capsys):
    assert main(["dataset", "check"]) == 0
    assert "no problem found" in capsys.readouterr().out


def test_the_sample_is_as_large_and_balanced_as_promised(items):
    for label in (0, 1):
        own = [i for i in items if i.label == label]
        assert len(own) >= 300 and len({i.group for i in own}) >= 120
    counts = Counter((i.split, i.label) for i in items)
    assert all(counts[split, 0] == counts[split, 1] for split in ("train", "val", "test", "proposal"))
    seen = {family(i.generator) for i in items if i.label and i.split != "test"}
    assert len({family(i.generator) for i in items if i.label and i.split == "test"} - seen) >= 6
    assert sum(p.stat().st_size for p in SAMPLE.glob("*/**/*.jpg")) < 16e6


def test_both_classes_went_through_the_same_last_mile(items):
    tables = Counter()
    for item in items:
        with Image.open(SAMPLE / item.path) as image:
            tables[
                image.format,
                image.size,
                image.mode,
                len(image.getexif()),
                tuple(map(tuple, image.quantization.values())),
            ] += 1
    assert len(tables) == 1, "one size, one set of tables, no metadata"


def test_every_kept_source_names_its_licence_and_every_other_its_reason():
    sources = read_sources(SAMPLE / "sources.csv")
    assert all(s.licence for s in sources if s.keep) and all(s.reason for s in sources if not s.keep)


@pytest.mark.parametrize(
    "fault, says",
    [
        ("missing", "does not exist"),
        ("changed", "differs from its sha256"),
        ("leak", "may be in one split only"),
        ("twin", "near-duplicates"),
        ("stray", "not in the manifest"),
        ("unbalanced", "is unbalanced"),
    ],
)
def test_the_check_finds_a_planted_fault(small_root, fault, says):
    items = read_manifest(small_root.manifest)
    assert check(small_root).problems == []
    train, test = (next(i for i in items if i.split == split) for split in ("train", "test"))
    if fault == "missing":
        (small_root.root / train.path).unlink()
    if fault == "changed":
        Image.open(small_root.root / train.path).rotate(90).save(small_root.root / train.path, quality=90)
    if fault == "leak":
        items = [dataclasses.replace(i, group=train.group) if i == test else i for i in items]
    if fault == "twin":
        picture = Image.open(small_root.root / train.path).resize((250, 250))
        items = [dataclasses.replace(i, sha256="") if i == test else i for i in items]
        write(small_root.root / test.path, encoded(picture, "JPEG", quality=60))
    if fault == "stray":
        write(small_root.test / "0_real" / "extra.jpg", encoded(noise(1), "JPEG"))
    if fault == "unbalanced":
        items = [i for i in items if not (i.split == "test" and i.label == 1)]
        shutil.rmtree(small_root.test / "1_fake")
    write_manifest(small_root.manifest, items)
    problems = check(small_root).problems
    assert problems and says in " ".join(problems)


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


def test_an_empty_root_and_a_bad_manifest_say_what_to_do(tmp_path, capsys):
    assert main(["dataset", "check", str(tmp_path)]) == 2
    assert "put them in data/train/0_real" in capsys.readouterr().err
    (tmp_path / "manifest.csv").write_text("path,sha256,label,split,group\nx.jpg,,2,train,g\n")
    assert main(["dataset", "check", str(tmp_path)]) == 2
    assert "line 2" in capsys.readouterr().err


def test_letterbox_bars_are_cut_and_the_square_is_256(photograph):
    letterbox = Image.new("RGB", (500, 700))
    letterbox.paste(photograph.resize((500, 400)), (0, 150))
    assert build.cut_black_bars(letterbox).size == pytest.approx((500, 400), abs=12)
    found = decode(build.last_mile(letterbox, (0, 0, 1, 1), 0.5, np.random.default_rng(0)))
    assert found.size == (256, 256) and np.asarray(found)[:2].max() > 40


def test_the_last_mile_is_the_same_twice_and_never_enlarges(photograph):
    big = photograph.resize((640, 480))
    once, twice = (build.last_mile(big, (0, 0, 1, 1), 0.3, build.generator_of(0, "g", 1)) for _ in range(2))
    assert once == twice
    with pytest.raises(ValueError, match="fewer than 256"):
        build.last_mile(photograph.resize((240, 300)), (0, 0, 1, 1), 0.5, np.random.default_rng(0))


def test_the_split_keeps_groups_whole_and_held_out_families_in_test():
    sources = [s for s in read_sources(SAMPLE / "sources.csv") if s.keep]
    split = build.split_groups(sources)
    for source in sources:
        if source.label and family(source.generator) in build.TEST_ONLY_FAMILIES:
            assert split[source.group] == "test"
    manifest = {i.group: i.split for i in load_items(DatasetRoot.at(SAMPLE))}
    assert all(split[group] == name for group, name in manifest.items()), (
        "the committed manifest is what the script would make"
    )


def test_a_client_that_is_missing_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="`npm` is needed"):
        fetch("npm", "nothing", "1.0", tmp_path)


def test_sources_survive_a_round_trip(tmp_path):
    from aireal.dataset.sample.sources import write_sources

    sources = [
        SampleSource(
            "pip", "p", "1", "a,b.webp", 1, True, 'says "hi"', "고양이", "0,0,1,0.5", "ai-1", "Gen", "1 2", "MIT"
        )
    ]
    write_sources(tmp_path / "s.csv", sources)
    assert read_sources(tmp_path / "s.csv") == sources and sources[0].box == (0, 0, 1, 0.5)
    assert (REPOSITORY / "proposal_images").is_dir()
