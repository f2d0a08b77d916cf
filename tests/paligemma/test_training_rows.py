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
from aireal.paligemma.training_rows import mirrored_rows, procedural_rows, selection_rows, training_rows
from helpers.images import SAMPLE, write
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


@pytest.mark.people_have("a damaged overlay among PaliGemma's rows", "refused", "the overlay ... cannot be used (...)")
def test_a_damaged_overlay_is_one_sentence_that_names_it(tmp_path):
    row = Example(write(tmp_path / "broken.png", b"\x89PNG\r\n\x1a\n"), "describe", "A sentence.")
    with pytest.raises(ValueError, match="the overlay .*broken.png cannot be used .*: predict the image again"):
        OverlayDataset([row])[0]
