"""The grammar: rendered sentences read back as their records, and every planted lie is found."""

from __future__ import annotations

import hashlib
import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import contradictions, parse, prompt, render, shape_count, variant_count
from aireal.captions.language.korean import particles
from aireal.captions.language.lexicon import CLASS_ADJECTIVE, CLASS_NOUN, LANGUAGES, REGION_WRITTEN
from aireal.captions.language.templates import N_PRETRAINED, SHAPES
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, EvidenceRecord
from helpers.captions import evidence

records = st.builds(
    evidence,
    st.sampled_from(("real", "fake")),
    st.integers(0, 10000).map(lambda n: round(n / 100, 2)),
    st.sampled_from(REGIONS),
    st.sampled_from(COLOURS),
    st.sampled_from(BRIGHTNESS),
    st.sampled_from(TEXTURE),
    st.sampled_from(EDGES),
)
languages = st.sampled_from(LANGUAGES)
variants = st.integers(-(10**6), 10**9)


def expect(record: EvidenceRecord, text: str, language: str) -> None:
    parsed = parse(text)
    assert (parsed.label, parsed.probability, parsed.region, parsed.language) == (
        record.label,
        record.probability,
        record.region,
        language,
    )
    unnamed = {"medium": None, "moderate": None}
    for kind in ("colour", "brightness", "texture", "edges"):
        value = getattr(record.cues, kind)
        assert getattr(parsed, kind) == unnamed.get(value, value), text


def test_base_captions_read_as_agreed():
    korean, english = render(evidence(), "ko"), render(evidence(), "en")
    assert korean == (
        "98.67% 확률로 가짜라고 판단되었으며, "
        "상단 왼쪽의 밝고 매끄러운 흰색 영역에 집중하여 이를 판단 근거로 삼았습니다."
    )
    assert (
        english
        == "Judged fake with 98.67% probability; the decision rests on the bright, smooth white area at the top left."
    )
    assert render(evidence("real", 92.7), "ko").startswith("92.70% 확률로 실제 이미지라고 판단되었으며, ")


@settings(max_examples=800, deadline=None)
@given(records, languages, variants)
def test_what_is_rendered_reads_back_as_its_record(record, language, variant):
    text = render(record, language, variant)
    expect(record, text, language)
    assert contradictions(text, record, language) == []
    assert f"{record.probability:.2f}%" in text
    assert text == render(record, language, variant)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shape_and_synonym_of_every_class_and_region_reads_back(language):
    for label in ("real", "fake"):
        for region in REGIONS:
            record = evidence(label, 50.0, region, "orange", "dark", "rough", "sharp")
            for variant in range(0, variant_count(record, language), 7):  # 7 divides no radix, so each meets each
                expect(record, render(record, language, variant), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shape_with_every_combination_of_cues_reads_back(language):
    shapes = shape_count(language)
    for i, (colour, brightness, texture, edges) in enumerate(product(COLOURS, BRIGHTNESS, TEXTURE, EDGES)):
        for shape in range(shapes):
            label, region = ("real", "fake")[(i + shape) % 2], REGIONS[(i // 2 + shape) % 9]
            record = evidence(
                label, round(((i * shapes + shape) * 7 % 10001) / 100, 2), region, colour, brightness, texture, edges
            )
            expect(record, render(record, language, shape), language)


def test_the_first_shapes_are_those_that_the_embedded_model_was_trained_with():
    taught = {
        language: hashlib.sha256("\n".join(SHAPES[language][:N_PRETRAINED]).encode()).hexdigest()[:16]
        for language in LANGUAGES
    }
    assert taught == {"ko": "68c1a4b7ace888ba", "en": "84bd77b998c1a735"}, (
        "shapes keep their places; add new ones at the end"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_thousands_of_numbers_from_0_to_100(language):
    shapes = shape_count(language)
    for n in range(0, 10001, 3):
        record = evidence("fake" if n % 2 else "real", round(n / 100, 2), REGIONS[n % 9])
        text = render(record, language, n % shapes)
        assert parse(text).probability == record.probability
        assert f"{n // 100}.{n % 100:02d}%" in text


@settings(max_examples=300, deadline=None)
@given(records, languages, variants, st.data())
def test_every_planted_lie_is_found(record, language, variant, data):
    other_region = data.draw(st.sampled_from([r for r in REGIONS if r != record.region]))
    colour = data.draw(st.sampled_from([c for c in COLOURS if c != record.cues.colour]))
    near_number = round(record.probability + (0.01 if record.probability < 100 else -0.01), 2)
    cues = {kind: getattr(record.cues, kind) for kind in ("colour", "brightness", "texture", "edges")}
    base = {"label": record.label, "probability": record.probability, "region": record.region, **cues}
    opposite = {"label": "real" if record.label == "fake" else "fake"}
    lies = {
        "class": opposite,
        "number": {"probability": near_number},
        "region": {"region": other_region},
        "colour": {"colour": colour},
    }
    for word, lie in lies.items():
        problems = contradictions(render(evidence(**(base | lie)), language, variant), record)
        assert len(problems) == 1, (lie, problems)
        assert word in problems[0], (lie, problems)


def test_other_cues_and_the_wrong_language_are_lies_too():
    record = evidence(brightness="dark", texture="rough", edges="soft")
    for lie in ({"brightness": "bright"}, {"texture": "smooth"}, {"edges": "sharp"}):
        spoken = render(evidence(**({"brightness": "dark", "texture": "rough", "edges": "soft"} | lie)), "ko")
        assert [next(iter(lie)) in sentence for sentence in contradictions(spoken, record)] == [True]
    assert "language" in contradictions(render(record, "ko"), record, "en")[0]
    assert contradictions(render(record, "en").replace("white", "beige"), record)


@settings(max_examples=300, deadline=None)
@given(records, languages)
def test_a_lie_is_found_when_it_is_added_to_the_truth(record, language):
    base = render(record, language)
    opposite = "real" if record.label == "fake" else "fake"
    region = REGIONS[(REGIONS.index(record.region) + 4) % 9]
    false_record = evidence(opposite, round((record.probability + 7) % 100, 2), region)
    assert contradictions(base + " " + render(false_record, language, 1), record)


@pytest.mark.parametrize("language", LANGUAGES)
def test_variants_differ(language):
    record = evidence()
    shapes = shape_count(language)
    assert shapes >= 40
    texts = {render(record, language, variant) for variant in range(shapes)}
    assert len(texts) == shapes
    everything = {render(record, language, variant) for variant in range(variant_count(record, language))}
    assert len(everything) > 10 * shapes
    assert render(record, language, variant_count(record, language)) == render(record, language, 0)


def test_the_tables_fit_together():
    for label in ("real", "fake"):
        assert len(CLASS_NOUN["en"][label]) == len(CLASS_ADJECTIVE[label])
    for language in LANGUAGES:
        phrases = [phrase for region in REGIONS for phrase in REGION_WRITTEN[language][region]]
        assert len(set(phrases)) == len(phrases)


def test_the_vocabulary_stays_small():
    words = {"ko": set(), "en": set()}
    for language in LANGUAGES:
        for region in REGIONS:
            for label in ("real", "fake"):
                for colour in COLOURS:
                    for cues in (("bright", "smooth", "sharp"), ("dark", "rough", "soft")):
                        record = evidence(label, 98.67, region, colour, *cues)
                        for variant in range(0, variant_count(record, language), 59):
                            words[language] |= set(re.findall(r"[가-힣A-Za-z]+", render(record, language, variant)))
    assert len(words["ko"]) < 400, {k: len(v) for k, v in words.items()}
    assert len(words["en"]) < 220, {k: len(v) for k, v in words.items()}


@pytest.mark.parametrize(
    "written, read",
    [
        ("가짜(이)라고", "가짜라고"),
        ("사진(이)라고", "사진이라고"),
        ("사진(으)로", "사진으로"),
        ("이미지(으)로", "이미지로"),
        ("얼굴(으)로", "얼굴로"),
        ("영역을(를)", "영역을"),
        ("AI을(를)", "AI를"),
        ("하늘은(는)", "하늘은"),
        ("98.67%(으)로", "98.67%로"),
        ("모서리이(가)", "모서리가"),
        ("왼쪽과(와)", "왼쪽과"),
        ("3이(가)", "3이"),
        ("1(으)로", "1로"),
    ],
)
def test_particles_follow_the_sound_before_them(written, read):
    assert particles(written) == read


def test_no_unresolved_particle_or_wrong_article():
    for region in REGIONS:
        for colour in COLOURS:
            for label in ("real", "fake"):
                record = evidence(label, 98.67, region, colour, "medium", "moderate", "moderate")
                for variant in range(max(map(shape_count, LANGUAGES))):
                    assert "(" not in re.sub(r"\(98\.67%\)", "", render(record, "ko", variant))
                    english = render(record, "en", variant)
                    assert not re.search(r"\ba (?=[aeiou])|\ban (?![aeiouA])", english, re.IGNORECASE), english
                    assert english[0].isupper() or english[0].isdigit()
                    assert "  " not in english


def test_prompt_is_one_exact_line():
    assert prompt(evidence(), "ko").startswith("answer ko label=fake prob=98.67 look=")
    assert prompt(evidence("real", 7.5), "en").startswith("answer en label=real prob=7.50 look=")
    for language in ("ko", "en"):
        cues = prompt(evidence(), language).rsplit("=", 1)[1].split()
        parsed = parse(render(evidence(), language))
        assert set(cues) == {parsed.colour, parsed.brightness, parsed.texture, parsed.edges} - {None}, (
            "what is cues for is what is said"
        )


def test_unknown_languages_and_foreign_records_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="choose ko or en"):
        render(evidence(), "fr")
    with pytest.raises(ValueError, match="none of the twelve"):
        render(evidence(colour="beige"), "ko")
    with pytest.raises(ValueError, match="neither a label nor a region"):
        render(evidence(region="centre"), "en")
