"""Trust statements: levels follow the measurements, and both languages carry the same facts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.korean import final_consonant
from aireal.evidence.record import Cues, EvidenceRecord, Occlusion
from aireal.explain.trust import CHECKS, LEVELS, Statement, overall, trust

BARE = EvidenceRecord("x.jpg", "fake", 98.67, 0.9867, "top-left", (0.1, 0.1), Cues("gray", "dark", "smooth", "soft"))
GOOD = replace(
    BARE,
    lime_r2=0.62,
    lime_settled=True,
    agreement=0.41,
    agreement_chance=0.12,
    region_removal=Occlusion(0.123, 0.021, -0.01, 0.05, 0.94),
    lime_removal=Occlusion(0.304, 0.04, 0.0, 0.1, 1.0),
)
share, change = st.floats(0, 1), st.floats(-1, 1)
occlusions = st.builds(Occlusion, change, change, change, change, share)
records = st.builds(
    replace,
    st.just(BARE),
    probability=st.floats(50, 100).map(lambda p: round(p, 2)),
    uncertain=st.booleans(),
    lime_r2=st.none() | st.floats(-2, 1),
    lime_settled=st.none() | st.booleans(),
    agreement=st.none() | share,
    agreement_chance=share,
    peak_contradicted=st.none() | st.booleans(),
    region_removal=st.none() | occlusions,
    lime_removal=st.none() | occlusions,
)


def levels(record: EvidenceRecord) -> dict[str, int]:
    """Rank of each check that was measured."""
    return {s.key: LEVELS.index(s.level) for s in trust(record) if s.level != "unknown"}


def line(record: EvidenceRecord, key: str) -> Statement:
    return next(s for s in trust(record) if s.key == key)


@settings(max_examples=100, deadline=None)
@given(records, st.data())
def test_a_better_measurement_never_gets_a_worse_level(record, data):
    def at_least(value, top):
        return None if value is None else data.draw(st.floats(value, top))

    def better(test):
        if test is None:
            return None
        return replace(test, drop=at_least(test.drop, 1), beats=at_least(test.beats, 1), random=data.draw(change))

    improved = replace(
        record,
        uncertain=record.uncertain and data.draw(st.booleans()),
        lime_r2=at_least(record.lime_r2, 1),
        agreement=at_least(record.agreement, 1),
        peak_contradicted=record.peak_contradicted and data.draw(st.booleans()),
        lime_settled=None if record.lime_settled is None else record.lime_settled or data.draw(st.booleans()),
        region_removal=better(record.region_removal),
        lime_removal=better(record.lime_removal),
    )
    before, after = levels(record), levels(improved)
    assert before.keys() == after.keys()
    assert all(after[key] >= before[key] for key in before)
    summary = [overall(trust(r)).level for r in (record, improved)]
    assert "unknown" in summary or LEVELS.index(summary[1]) >= LEVELS.index(summary[0])


# letters that fit on a panel; a statement about superpixels is only on a panel with LIME's picture, which is wider


@settings(max_examples=100, deadline=None)
@given(records)
def test_both_languages_carry_the_same_numbers(record):
    for statement in (*trust(record), overall(trust(record))):
        korean, english = (
            re.findall(r"[−+]?\d+(?:\.\d+)?", re.sub("R²", "", text)) for text in (statement.ko, statement.en)
        )
        assert korean == english, statement
        if statement.key in CHECKS:
            assert len(korean) >= 1, statement
            assert sum("가" <= c <= "힣" for c in statement.ko) <= 40, statement


PAIRS = {"을": ("을", "를"), "를": ("을", "를"), "은": ("은", "는"), "는": ("은", "는")}


@settings(max_examples=100, deadline=None)
@given(records)
def test_korean_particles_follow_the_sound_before_them(record):
    for statement in trust(record):
        for before, particle in re.findall(r"(\w|%)([을를]|(?<=[\d%])[은는])(?= )", statement.ko):
            closed, open_ = PAIRS[particle]
            assert particle == (closed if final_consonant(before) else open_), statement.ko
        assert not re.search(r"\(\w\)", statement.ko), "no particle is left undecided"


def test_the_particle_after_r2_follows_its_last_digit():
    assert line(replace(GOOD, lime_r2=0.13), "list").ko.startswith("R² 0.13은 ")
    assert line(replace(GOOD, lime_r2=0.12), "list").ko.startswith("R² 0.12는 ")


@settings(max_examples=100, deadline=None)
@given(records)
def test_every_check_is_either_stated_or_named_as_not_measured(record):
    statements = {s.key: s for s in trust(record)}
    measured = {
        "verdict": True,
        "region": record.region_removal,
        "superpixels": record.lime_removal,
        "agreement": record.agreement is not None,
        "list": record.lime_r2 is not None and record.lime_settled is not None,
    }
    for key, (ko, en) in CHECKS.items():
        assert (key in statements) is bool(measured[key])
        if key not in statements:
            assert ko in statements["missing"].ko
            assert en in statements["missing"].en
            assert statements["missing"].level == "unknown"
    assert ("missing" in statements) is not all(measured.values())


@pytest.mark.parametrize(
    "drop, beats, level",
    [
        (0.123, 0.94, "good"),
        (0.123, 0.9, "good"),
        (0.123, 0.89, "fair"),
        (0.123, 0.6, "fair"),
        (0.123, 0.59, "poor"),
        (0.005, 1.0, "fair"),
        (0.0, 1.0, "poor"),
        (-0.1, 1.0, "poor"),
    ],
)
def test_levels_of_occlusion(drop, beats, level):
    test = Occlusion(drop, 0.021, -0.01, 0.05, beats)
    record = replace(BARE, region_removal=test, lime_removal=test)
    assert line(record, "region").level == level
    assert line(record, "superpixels").level == level


@settings(max_examples=100, deadline=None)
@given(occlusions)
def test_only_a_drop_is_called_one(test):
    english = line(replace(BARE, region_removal=test), "region").en
    drop = round(100 * test.drop, 1)
    assert ("lowers the probability" in english) <= (drop >= 1)
    assert ("does not lower" in english) is (drop <= 0)
    assert f"{abs(drop):.1f}" in english
    assert f"{abs(100 * test.random):.1f}" in english


def test_a_statement_says_which_superpixels_were_masked():
    """They are those of `complete_record.supporting`, not the five of LIME's list on the panel."""
    statement = line(GOOD, "superpixels")
    assert "the five superpixels that support the verdict most" in statement.en
    assert "판정을 가장 뒷받침하는 LIME 조각 다섯 개" in statement.ko


def test_the_list_is_a_hint_where_r2_is_too_low_and_may_differ_where_it_has_not_settled():
    low = line(replace(GOOD, lime_r2=0.29), "list")
    assert "hint only" in low.en
    assert "참고만" in low.ko
    assert "may differ" in line(replace(GOOD, lime_settled=False), "list").en
    assert line(replace(GOOD, lime_r2=0.4), "list").level == "fair"


def test_a_peak_that_lime_weighs_against_the_verdict_is_said_however_much_the_maps_overlap():
    statement = line(replace(GOOD, agreement=0.9, peak_contradicted=True), "agreement")
    assert statement.level == "poor"
    assert "against the verdict" in statement.en
    assert line(replace(GOOD, peak_contradicted=False), "agreement").level == "good"


def test_the_overall_statement():
    assert overall(trust(GOOD)).level == "good"
    assert overall(trust(BARE)).level == "unknown"
    assert overall(trust(replace(BARE, uncertain=True))).level == "unknown"
    assert overall(trust(replace(GOOD, agreement=None))).level == "fair", "what was not measured supports nothing"
    assert overall(trust(replace(GOOD, uncertain=True))).level == "fair"
    assert overall(trust(replace(GOOD, agreement=0.1))).level == "fair"
    assert overall(trust(replace(GOOD, agreement=0.1, uncertain=True))).level == "poor"
    assert "Do not rely" in overall(trust(replace(GOOD, agreement=0.1, lime_r2=0.1))).en


def test_no_line_claims_more_than_was_measured():
    for record in (GOOD, replace(GOOD, uncertain=True)):
        assert not any(
            re.search(r"artefact|artifact|proof|proves|because|증거|때문|흔적", s.en + s.ko) for s in trust(record)
        )
