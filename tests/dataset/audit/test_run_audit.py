"""The audit finds each planted shortcut, names it, and finds nothing if the labels are random."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from string import ascii_lowercase

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aireal.cli import main
from aireal.config import DatasetRoot
from aireal.core.file_names import COMMANDS
from aireal.core.imagefile import open_rgb
from aireal.dataset.audit.run_audit import audit, sample_items
from aireal.dataset.manifest import Item, load_items, write_manifest
from aireal.figures import robustness as plots
from helpers.images import SAMPLE, encoded, jpeg, noise, write

# without digits at the end, each name is a source of its own
NAMES = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
SIDE = 128


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """One photograph of each source of the sample, shuffled, so that two halves differ only in what a test plants."""
    sources = {i.group: i for i in load_items(DatasetRoot.at(SAMPLE)) if i.label == 0}
    order = np.random.default_rng(0).permutation(sorted(sources))
    return [open_rgb(SAMPLE / sources[group].path).crop((64, 64, 64 + SIDE, 64 + SIDE)) for group in order]


@pytest.fixture(scope="module")
def pool(photographs) -> list[Image.Image]:
    return photographs[:60]


def plant(root, pool: list[Image.Image], real=jpeg, fake=jpeg) -> DatasetRoot:
    """A root without manifest, three quarters in train. Every second picture is fake; `real` and `fake` encode."""
    for number, image in enumerate(pool):
        label = number % 2
        folder = ("data/train/", "test/")[number % 8 > 5] + ("0_real", "1_fake")[label]
        # files are decoded by their content, whatever the suffix
        write(root / folder / f"{NAMES[number]}.jpg", (real, fake)[label](image))
    return DatasetRoot.at(root)


def half_and_back(image: Image.Image) -> bytes:
    small = image.resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS)
    return jpeg(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def marked(image: Image.Image) -> bytes:
    """With a semi-transparent white square near the lower right corner."""
    layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
    ImageDraw.Draw(layer).regular_polygon((SIDE - 18, SIDE - 18, 9), 4, fill=(255, 255, 255, 100))
    return jpeg(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"))


def test_reals_as_jpeg_and_fakes_as_png_are_caught_counted_and_told(tmp_path, pool, capsys):
    plant(tmp_path / "root", pool, fake=lambda image: encoded(image, "PNG"))
    png = next((tmp_path / "root").rglob("0_real/*.jpg"))
    png.write_bytes(encoded(Image.open(png), "PNG"))
    assert (
        main(["dataset", "audit", str(tmp_path / "root"), "--json", str(tmp_path / "report.json"), "--no-duplicates"])
        == 1
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert "container" in report["suspected"]
    assert report["families"]["container"]["auroc"]["low"] > 0.8
    assert "97% of 0_real are JPEG, 3% PNG, 100% of 1_fake are PNG" in report["verdict"]
    printed = capsys.readouterr().out
    assert "may be cheating" in printed
    assert "SHORTCUT" in printed
    assert "same encoder" in " ".join(printed.split())


@pytest.mark.parametrize(
    "planted, fake, sentences",
    [
        (
            {"container", "size"},
            lambda image: jpeg(image.crop((0, 0, SIDE, SIDE - 16)), 70),
            (
                "100% of 0_real are JPEG of quality 90, 100% of 1_fake are JPEG of quality 70",
                "100% of 0_real are 128×128 px, 100% of 1_fake are 128×112 px",
            ),
        ),
        ({"frequency"}, half_and_back, ("may be a trace of processing",)),
        ({"overlay"}, marked, ("lower right corner", "cut or cover the mark")),
    ],
)
def test_a_planted_shortcut_is_caught_and_named(tmp_path, pool, planted, fake, sentences):
    report = audit(plant(tmp_path, pool, fake=fake), duplicates=False)
    assert planted <= set(report["suspected"])
    assert all(report["families"][name]["auroc"]["value"] > 0.85 for name in planted)
    assert all(sentence in report["verdict"] for sentence in sentences)
    assert set(report["suspected"]) & {"container", "size", "overlay"} <= planted, "what was not planted is not claimed"


def test_labels_drawn_by_lot_find_nothing_even_if_each_source_gives_two_pictures(tmp_path, photographs):
    for number, image in enumerate(photographs[:140]):
        for frame, shift in enumerate((0, 3)):  # a classifier that has seen one frame knows the other
            content = jpeg(image.crop((shift, shift, 96 + shift, 96 + shift)))
            write(tmp_path / "data/train" / ("0_real", "1_fake")[number % 2] / f"{NAMES[number]}_{frame}.jpg", content)
    report = audit(DatasetRoot.at(tmp_path), duplicates=False)
    assert report["suspected"] == []
    assert report["verdict"].startswith("Nothing was found")
    assert report["images"] == {"0_real": 140, "1_fake": 140}
    assert report["sources_read"] == {"0_real": 70, "1_fake": 70}
    for family in report["families"].values():
        assert 0.3 < family["auroc"]["value"] < 0.7
    assert "does not see" in report["verdict"], "it says what it cannot see"


def test_the_sample_has_no_shortcut_in_files_sizes_or_marks(tmp_path):
    assert main(["dataset", "audit", "--limit", "50", "--json", str(tmp_path / "report.json")]) in (0, 1)
    report = json.loads((tmp_path / "report.json").read_text())
    assert not {"container", "size", "overlay"} & set(report["suspected"])
    assert report["leaks"] == []
    assert report["left_out"] == []
    assert report["images"] == {"0_real": 50, "1_fake": 50}
    assert min(report["sources_read"].values()) == 50, "each source gives one first"
    assert any("a sample was read" in note for note in report["notes"])
    assert report["sources"]["packages_of_both_classes"] == 0
    assert "No package holds both classes" in report["verdict"]
    assert sum(row["0_real"]["images"] for row in report["sources"]["splits"].values()) == 344, (
        "the tables count all images"
    )
    figure = plots.plot_audit(report)
    assert "0.50 [0.50, 0.50], the same in all" in [text.get_text() for text in figure.axes[0].texts]
    assert "file format and metadata" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_broken_files_and_shared_splits_are_listed_and_the_rest_goes_on(tmp_path, pool, capsys):
    data = plant(tmp_path, pool[:24])
    first, second, *_, last = sorted(data.train.rglob("*.jpg"))
    first.write_bytes(first.read_bytes()[:200])
    second.write_bytes(b"no image")
    write(data.test / "1_fake" / "twin.jpg", encoded(Image.open(last).resize((100, 100)), "JPEG"))
    assert main(["dataset", "audit", str(tmp_path), "--json", str(tmp_path / "report.json")]) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert {entry["path"] for entry in report["left_out"]} == {
        p.relative_to(tmp_path).as_posix() for p in (first, second)
    }
    assert sum(report["images"].values()) == 23
    assert len(report["leaks"]) == 1
    assert "twin.jpg" in report["leaks"][0]
    assert "near-duplicates" in report["leaks"][0]
    printed = capsys.readouterr().out
    assert "damaged or cut off" in printed
    assert "1 near-duplicates or sources lie in more than one split" in " ".join(printed.split())


def test_bad_usage_is_one_sentence(tmp_path, capsys):
    assert main(["dataset", "audit", str(tmp_path / "missing")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert main(["dataset", "audit", str(tmp_path)]) == 2
    assert "put them in data/train/0_real" in capsys.readouterr().err
    assert main(["dataset", "audit", "--limit", "2"]) == 2
    assert "at least 5" in capsys.readouterr().err
    for name in NAMES[:6]:
        write(tmp_path / "data/train/0_real" / f"{name}.png", encoded(noise(1), "PNG"))
    assert main(["dataset", "audit", str(tmp_path)]) == 2
    assert "1_fake has 0 sources" in capsys.readouterr().err


def test_numbered_files_count_as_sources_of_their_own_and_it_is_said(tmp_path):
    for label, number in product(("0_real", "1_fake"), range(6)):
        write(tmp_path / "data/train" / label / f"image_{number:04d}.png", encoded(noise(number), "PNG"))
    report = audit(DatasetRoot.at(tmp_path), duplicates=False)
    assert report["sources_read"] == {"0_real": 6, "1_fake": 6}
    assert any("do not tell sources apart" in note for note in report["notes"])


def test_the_draw_is_seeded_and_takes_every_source_before_any_twice():
    items = [
        Item(f"{label}/{group}/{k}", "", label, "train", f"{label}-{group}")
        for label, group in product((0, 1), range(10))
        for k in range(10 if group == 0 else 1)
    ]
    chosen = sample_items(items, 12, seed=1)
    assert [sum(i.label == label for i in chosen) for label in (0, 1)] == [12, 12]
    assert len({i.group for i in chosen}) == 20
    assert chosen == sample_items(items, 12, seed=1) != sample_items(items, 12, seed=2)
    assert sample_items(items, None, seed=1) == items


def test_names_of_a_strangers_manifest_give_no_command_to_the_terminal(small_root, capsys):
    odd = "\x1b]0;owned\x07\x9b2J\u202e"
    items = [replace(item, generator=odd, package=odd) for item in load_items(small_root)]
    write_manifest(small_root.manifest, items)
    main(["dataset", "audit", str(small_root.root), "--no-duplicates"])
    printed = capsys.readouterr().out
    assert "owned" in printed
    assert not COMMANDS.search(printed.replace("\n", ""))


@pytest.mark.people_have(
    "a dataset whose photographs name cameras and whose AI images carry prompts",
    "read",
    "a camera's name: 30 of 30 in 0_real, 0 of 30 in 1_fake",
)
def test_marks_of_origin_are_counted_for_each_class(pool, tmp_path, capsys):
    camera = Image.Exif()
    camera[0x010F], camera[0x0110] = "Canon", "EOS R5"
    root = plant(
        tmp_path,
        pool,
        real=lambda image: encoded(image, "JPEG", exif=camera),
        fake=lambda image: encoded(image, "JPEG", comment="Steps: 20, Sampler: Euler a, Seed: 1"),
    )
    assert main(["dataset", "audit", str(root.root), "--no-duplicates", "--json", str(tmp_path / "a.json")]) == 1
    report = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert report["marks"]["camera"] == {"0_real": 30, "1_fake": 0}
    assert report["marks"]["generator"] == {"0_real": 0, "1_fake": 30}
    assert report["marks"]["any"] == {"0_real": 30, "1_fake": 30}
    printed = capsys.readouterr().out
    assert "a camera's name: 30 of 30 in 0_real, 0 of 30 in 1_fake" in printed
    assert "a generator's text: 0 of 30 in 0_real, 30 of 30 in 1_fake" in printed
