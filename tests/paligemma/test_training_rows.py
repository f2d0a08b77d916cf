"""Mirrored and procedural rows say what their overlays show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aireal.captions.language.grammar import LANGUAGES, parse
from aireal.config import PROFILES, DatasetRoot
from aireal.evidence.record import REGIONS
from aireal.paligemma.data import Example, OverlayDataset
from aireal.paligemma.region_words import mirrored_region
from aireal.paligemma.train import finetune
from aireal.paligemma.training_rows import _photographs, mirrored_rows, procedural_rows, selection_rows, training_rows
from helpers.images import SAMPLE
from helpers.one_class import root_of
from helpers.paligemma import examples_, rows_  # noqa: F401  (fixtures)

DATA = DatasetRoot.at(SAMPLE)
MIXED = dataclasses.replace(PROFILES["full"], lora_procedural=9, lora_selection=40)


def test_a_mirrored_row_shows_the_mirrored_overlay_and_names_its_region(rows):
    for row, mirrored in zip(rows, mirrored_rows(rows), strict=True):
        old, new = parse(row.sentence), parse(mirrored.sentence)
        assert new.region == mirrored_region(old.region)
        assert dataclasses.replace(new, region=old.region) == old
        shown, mirror = (np.asarray(OverlayDataset([one])[0]["image"]) for one in (row, mirrored))
        assert np.array_equal(mirror, shown[:, ::-1])
        assert mirrored.prompt == row.prompt


def test_mirroring_twice_gives_the_row_back(rows):
    assert mirrored_rows(mirrored_rows(rows)) == list(rows)


def test_a_sentence_in_other_words_is_not_mirrored(rows):
    assert mirrored_rows([dataclasses.replace(rows[0], sentence="What is this?")]) == []


def test_procedural_rows_name_every_region_in_each_language():
    rows = procedural_rows([np.zeros((300, 300, 3), np.uint8)], 18, 7)
    claims = {(parse(row.sentence).language, parse(row.sentence).region) for row in rows}
    assert claims == {(language, region) for language in LANGUAGES for region in REGIONS}
    again = procedural_rows([np.zeros((300, 300, 3), np.uint8)], 18, 7)
    assert [(row.prompt, row.sentence) for row in rows] == [(row.prompt, row.sentence) for row in again]


def test_a_profile_mixes_its_rows_and_keeps_the_real_ones_first(rows, capsys):
    mixed = training_rows(DATA, rows, MIXED, 7)
    assert mixed[: len(rows)] == list(rows)
    assert [sum(row.mirrored for row in mixed), len(mixed)] == [len(rows), 2 * len(rows) + 9]
    assert f"{len(rows)} real, {len(rows)} mirrored, 9 procedural" in capsys.readouterr().out


def test_too_few_validation_rows_are_filled_up_to_select_by(rows):
    selection = selection_rows(DATA, rows[:6], MIXED, 7)
    assert [sum(row.mirrored for row in selection), len(selection)] == [6, 40]
    assert selection[:6] == list(rows[:6])


@pytest.mark.parametrize("name", ["smoke", "sample"])
def test_the_small_profiles_train_and_select_by_real_overlays_alone(rows, name):
    assert training_rows(DATA, rows, PROFILES[name], 7) == list(rows)
    assert selection_rows(DATA, rows[:6], PROFILES[name], 7) == list(rows[:6])


def test_enough_validation_rows_select_alone(rows):
    many = [Example(row.overlay, f"{row.prompt} {i}", row.sentence) for i in range(2) for row in rows]
    assert selection_rows(DATA, many, MIXED, 7) == many


@pytest.mark.fault(
    "files",
    "overlays that are cut off or have gone before a fine-tuning",
    "2 overlays cannot be read, so nothing was trained",
    "all are named before the first step",
)
@pytest.mark.people_have(
    "overlays that are cut off or missing when PaliGemma is fine-tuned",
    "refused",
    "2 overlays cannot be read, so nothing was trained: each with its name and the reason",
)
def test_all_overlays_that_cannot_be_read_are_named_before_the_first_step(rows, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths[:3]:
        rows[0].overlay.save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:2000])
    bad = [dataclasses.replace(rows[0], overlay=path) for path in (*paths, paths[1])]
    with pytest.raises(ValueError, match="^2 overlays cannot be read, so nothing was trained. Run the pred") as caught:
        finetune(None, None, bad[:2], bad[2:], PROFILES["smoke"], 7, tmp_path / "out")
    named = [line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert named == ["1.png", "3.png"]


def test_photographs_that_cannot_be_read_are_passed_over(tmp_path):
    run = root_of(tmp_path, {"train": (3, 1)})
    next((run.data.root / "data/train/0_real").iterdir()).write_bytes(b"x")
    assert len(_photographs(run.data, "train")) == 3
