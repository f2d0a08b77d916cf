"""The sample dataset is what its sources and its build promise."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from aireal.config import DatasetRoot
from aireal.core.imagefile import decode
from aireal.dataset.manifest import family, load_items
from aireal.dataset.sample import build
from aireal.dataset.sample.sources import SampleSource, fetch, read_sources
from helpers.images import SAMPLE, encoded, write


@pytest.fixture(scope="module")
def items():
    return load_items(DatasetRoot.at(SAMPLE))


def test_the_sample_is_as_large_and_balanced_as_promised(items):
    for label in (0, 1):
        own = [i for i in items if i.label == label]
        assert len(own) >= 300
        assert len({i.group for i in own}) >= 120
    counts = Counter((i.split, i.label) for i in items)
    assert all(counts[split, 0] == counts[split, 1] for split in ("train", "val", "test", "proposal"))
    trained = {family(i.generator) for i in items if i.label and i.split != "test"}
    assert len({family(i.generator) for i in items if i.label and i.split == "test"} - trained) >= 6
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
    assert all(s.licence for s in sources if s.keep)
    assert all(s.reason for s in sources if not s.keep)


def test_letterbox_bars_are_cut_and_the_square_is_256(photograph):
    letterbox = Image.new("RGB", (500, 700))
    letterbox.paste(photograph.resize((500, 400)), (0, 150))
    assert build.cut_black_bars(letterbox).size == pytest.approx((500, 400), abs=12)
    square = decode(build.last_mile(letterbox, (0, 0, 1, 1), 0.5, np.random.default_rng(0)))
    assert square.size == (256, 256)
    assert np.asarray(square)[:2].max() > 40


def test_the_last_mile_is_the_same_twice_and_never_enlarges(photograph):
    big = photograph.resize((640, 480))
    once, twice = (build.last_mile(big, (0, 0, 1, 1), 0.3, build.named_rng(0, "g", 1)) for _ in range(2))
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


def test_a_rebuild_names_pictures_that_are_others_than_before(photograph, tmp_path, monkeypatch, capsys):
    names = [field.name for field in dataclasses.fields(SampleSource)]
    rows = [["pip", "p", "1", f"{n}.png", n % 2, "yes", "", "", "", f"group-{n}", "Gen", "", "MIT"] for n in range(4)]
    with (tmp_path / "sources.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    photograph = photograph.resize((480, 480))
    for n in range(4):
        write(tmp_path / "package" / f"{n}.png", encoded(photograph.rotate(n), "PNG"))
    monkeypatch.setattr(build, "fetch", lambda *_: tmp_path / "package")
    how = (tmp_path, tmp_path / "proposal", tmp_path / "work", {"train": 1})
    for _ in range(2):
        build.build_sample(*how)
        assert "differ" not in capsys.readouterr().out
    write(tmp_path / "package" / "1.png", encoded(photograph.rotate(9), "PNG"))
    write(tmp_path / "package" / "3.png", encoded(photograph.rotate(9), "PNG"))
    build.build_sample(*how)
    assert "1 pictures differ from those of the manifest that was here, of p 1: see git diff" in capsys.readouterr().out


def test_a_client_that_is_missing_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="`npm` is needed"):
        fetch("npm", "nothing", "1.0", tmp_path)


def test_the_list_of_sources_is_read_with_its_types(tmp_path):
    values = ["pip", "p", "1", "a,b.webp", 1, True, 'says "hi"', "고양이", "0,0,1,0.5", "ai-1", "Gen", "1 2", "MIT"]
    names = [field.name for field in dataclasses.fields(SampleSource)]
    with (tmp_path / "sources.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, ["yes" if value is True else value for value in values]])
    (source,) = read_sources(tmp_path / "sources.csv")
    assert source == SampleSource(*values)
    assert source.box == (0, 0, 1, 0.5)
