"""Sentences and their parser: whatever is rendered reads back as its record, and every planted lie is found."""

from __future__ import annotations

import contextlib
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
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord
from helpers.captions import lines


def make(
    label="fake",
    probability=98.67,
    region="top-left",
    colour="white",
    brightness="bright",
    texture="smooth",
    edges="moderate",
):
    share = probability / 100 if label == "fake" else 1 - probability / 100
    return EvidenceRecord(
        "1.png", label, probability, share, region, (0.1, 0.1), Cues(colour, brightness, texture, edges)
    )


records = st.builds(
    make,
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
    korean, english = render(make(), "ko"), render(make(), "en")
    assert korean == (
        "98.67% 확률로 가짜라고 판단되었으며, "
        "상단 왼쪽의 밝고 매끄러운 흰색 영역에 집중하여 이를 판단 근거로 삼았습니다."
    )
    assert (
        english
        == "Judged fake with 98.67% probability; the decision rests on the bright, smooth white area at the top left."
    )
    assert render(make("real", 92.7), "ko").startswith("92.70% 확률로 실제 이미지라고 판단되었으며, ")


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
            record = make(label, 50.0, region, "orange", "dark", "rough", "sharp")
            for variant in range(0, variant_count(record, language), 7):  # 7 divides no radix, so each meets each
                expect(record, render(record, language, variant), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shape_with_every_combination_of_cues_reads_back(language):
    shapes = shape_count(language)
    for i, (colour, brightness, texture, edges) in enumerate(product(COLOURS, BRIGHTNESS, TEXTURE, EDGES)):
        for shape in range(shapes):
            label, region = ("real", "fake")[(i + shape) % 2], REGIONS[(i // 2 + shape) % 9]
            record = make(
                label, round(((i * shapes + shape) * 7 % 10001) / 100, 2), region, colour, brightness, texture, edges
            )
            expect(record, render(record, language, shape), language)


def test_the_first_shapes_are_those_that_the_embedded_model_was_trained_with():
    taught = {
        language: hashlib.sha256("\n".join(SHAPES[language][:N_PRETRAINED]).encode()).hexdigest()[:16]
        for language in LANGUAGES
    }
    assert taught == {"ko": "cfe361f94b643c6e", "en": "e9da686e209325e5"}, (
        "shapes keep their places; add new ones at the end"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_thousands_of_numbers_from_0_to_100(language):
    shapes = shape_count(language)
    for n in range(0, 10001, 3):
        record = make("fake" if n % 2 else "real", round(n / 100, 2), REGIONS[n % 9])
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
        problems = contradictions(render(make(**(base | lie)), language, variant), record)
        assert len(problems) == 1, (lie, problems)
        assert word in problems[0], (lie, problems)


def test_other_cues_and_the_wrong_language_are_lies_too():
    record = make(brightness="dark", texture="rough", edges="soft")
    for lie in ({"brightness": "bright"}, {"texture": "smooth"}, {"edges": "sharp"}):
        spoken = render(make(**({"brightness": "dark", "texture": "rough", "edges": "soft"} | lie)), "ko")
        assert [next(iter(lie)) in sentence for sentence in contradictions(spoken, record)] == [True]
    assert "language" in contradictions(render(record, "ko"), record, "en")[0]
    assert contradictions(render(record, "en").replace("white", "beige"), record)


@settings(max_examples=300, deadline=None)
@given(records, languages)
def test_a_lie_is_found_when_it_is_added_to_the_truth(record, language):
    base = render(record, language)
    opposite = "real" if record.label == "fake" else "fake"
    other = make(opposite, round((record.probability + 7) % 100, 2), REGIONS[(REGIONS.index(record.region) + 4) % 9])
    assert contradictions(base + " " + render(other, language, 1), record)


@pytest.mark.parametrize("language", LANGUAGES)
def test_variants_differ(language):
    record = make()
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
                        record = make(label, 98.67, region, colour, *cues)
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
                record = make(label, 98.67, region, colour, "medium", "moderate", "moderate")
                for variant in range(max(map(shape_count, LANGUAGES))):
                    assert "(" not in re.sub(r"\(98\.67%\)", "", render(record, "ko", variant))
                    english = render(record, "en", variant)
                    assert not re.search(r"\ba (?=[aeiou])|\ban (?![aeiouA])", english, re.IGNORECASE), english
                    assert english[0].isupper() or english[0].isdigit()
                    assert "  " not in english


# Sentences of other authors: (text, what must come out as label, region) or None when it must be refused.
FOREIGN = [
    ("98.67% 확률로 가짜가 아니라 실제 사진이며, 상단 왼쪽의 흰색 영역이 근거입니다.", ("real", "top-left")),
    (
        "Not real but AI-generated with 98.67% probability, because of the white area at the top left.",
        ("fake", "top-left"),
    ),
    ("The model does not think that the picture is real: 98.67%, top-left corner.", ("fake", "top-left")),
    ("상단 왼쪽을 보면 실제라고 볼 수 없으며 98.67% 확률입니다.", ("fake", "top-left")),
    ("상단 왼쪽을 보면 실제로 98.67% 확률로 가짜입니다.", ("fake", "top-left")),
    ("98.67% 확률로 실제로 판단되었습니다. 근거는 왼쪽 상단입니다.", ("real", "top-left")),
    ("진짜처럼 보이지만 98.67% 확률로 가짜입니다. 왼쪽의 위쪽 영역이 결정적입니다.", ("fake", "top-left")),
    ("이것은 진짜가 아닙니다. 98.67%, 하단 중앙.", ("fake", "bottom-center")),
    ("Judged fake rather than real with 98.67% probability, at the center of the left side.", ("fake", "middle-left")),
    ("98.67% fake, near the top, on the left side of the picture.", ("fake", "top-left")),
    ("98,67 % fake, in the upper left-hand corner.", ("fake", "top-left")),
    (
        "The AI-generated image detector judged this real with 98.67 percent; it rests on the right of the top.",
        ("real", "top-right"),
    ),
    ("위조 확률 98.67%. 왼쪽 아래 부위를 중심으로 판단했습니다.", ("fake", "bottom-left")),
    (
        "이 이미지는 98.67% 확률로 합성입니다. 오른쪽 중앙의 자연스럽지 않은 갈색 영역 때문입니다.",
        ("fake", "middle-right"),
    ),
    ("The area at the top left with no visible noise is, without doubt, fake: 98.67%.", ("fake", "top-left")),
    ("Is it real or fake? Fake, 98.67%, bottom centre.", ("fake", "bottom-center")),
    ("가짜가 아니라고 할 수 없습니다. 98.67%, 좌상단.", None),
    ("It can't be ruled out that it's fake, 98.67% at the top left.", None),
    ("98.67% fake, not at the top left.", None),
    ("98.67% fake but real, top left.", None),
    ("98.67% fake, top left and bottom right.", None),
    ("98.67% fake, the white area at the top left and the bottom.", None),
    ("98.67% fake, 98.66%, top left.", None),
    ("98.67% fake (0.51), top left.", None),
    ("Fake with 98.67, top left.", None),
    ("98.67% fake, at the top.", None),
    ("The top left rests at 98.67%.", None),
    ("198.67% fake, top left.", None),
    ("-98.67% fake, top left.", None),
    ("98.67% 확률로 가짜 판정, 왼쪽 상단이 아닌 영역이 근거입니다.", None),
    ("98.67% 확률로 가짜이며 흰색이 아닌 좌측 상단에 집중했습니다.", None),
    ("Fake 98.67%, 왼쪽 상단.", None),
    ("", None),
]


@pytest.mark.parametrize("text, wanted", FOREIGN)
def test_sentences_of_others(text, wanted):
    if wanted is None:
        with pytest.raises(ValueError) as refused:
            parse(text)
        assert "\n" not in str(refused.value)
        assert str(refused.value)
    else:
        parsed = parse(text)
        assert (parsed.label, parsed.region, parsed.probability) == (*wanted, 98.67)


# True sentences as other authors write them, about the two records below; every exchange of a word makes them false.
NATURAL = {
    "fake": """
        이 이미지가 가짜일 확률은 98.67%로, 특히 왼쪽 상단에 자리한 밝고 매끈한 흰색 부분이 결정적인 단서였습니다.
        좌상단의 하얀 영역이 지나치게 매끄럽고 밝아 AI가 생성한 이미지일 확률이 98.67%라고 보았습니다.
        모델은 98.67%의 확신으로 이 그림을 AI 생성 이미지로 분류했으며, 왼쪽 위 모서리의 밝은 흰색 영역을 핵심 근거로 \
            들었습니다.
        왼쪽 상단, 밝고 매끄러운 흰색 영역이 판단을 이끌어 98.67% 확률로 인공지능이 만든 이미지라고 결론지었습니다.
        A suspiciously smooth white area at the top left drives the 98.67% probability that this image was generated \
            by AI.
        The upper-left corner, bright and smoothly white, tips the model toward fake at 98.67%.
        Attention concentrates on the soft-edged, bright white area at the top left, yielding a 98.67% probability of \
            an AI-made image.
        Its top left area is bright, white and smooth, which is why the model calls it fake with a probability of \
            98.67%.
    """,
    "real": """
        하단 중앙의 어둡고 거친 갈색 영역이 뚜렷한 윤곽을 보여 98.67% 확률로 실제 사진이라고 판단했습니다.
        98.67% 확률로 실제로 촬영된 사진이라고 판단되며, 아래쪽 중앙의 거친 질감이 근거입니다.
        이 사진은 진짜일 확률이 98.67%입니다. 아래쪽 가운데의 어두운 갈색 부분이 거칠고 윤곽도 또렷하기 때문입니다.
        Rough brown texture in the lower middle of the frame makes this a real photograph with 98.67% probability.
        The dark brown region in the middle of the bottom, rough and sharply edged, leads to a verdict of real (98.67%).
        An authentic photograph, says the model with 98.67% probability, relying on the bottom-center area, which is \
            dark, brown and rough.
    """,
}
EXCHANGES = [
    pair.strip().split(">")
    for pair in """
    98.67>98.66, 98.67>98.68, left>right, upper>lower, top>bottom, bottom>top, lower>upper, 왼쪽>오른쪽, 좌상>우상,
    상단>하단, 하단>상단,
    아래쪽>위쪽, white>black, brown>green, 흰색>검은색, 하얀>까만, 갈색>녹색, bright>dark, 밝은>어두운, 거친>매끄러운,
    fake>real, fake>not fake, AI-made>genuine, generated by AI>taken with a camera, real>fake, authentic>AI-made,
    가짜>실제, 진짜>가짜, 실제>가짜, AI가>사람이, 인공지능이 만든>실제, AI 생성>실제
""".split(",")
]


def test_natural_sentences_pass_and_each_exchange_of_a_word_is_found():
    exchanged = 0
    for label, region, cues in (
        ("fake", "top-left", ("white", "bright", "smooth", "soft")),
        ("real", "bottom-center", ("brown", "dark", "rough", "sharp")),
    ):
        record = make(label, 98.67, region, *cues)
        for sentence in lines(NATURAL[label]):
            assert contradictions(sentence, record) == [], sentence
            for old, new in EXCHANGES:
                false = re.sub(rf"(?<![a-z]){old}" if old.isascii() else old, new, sentence)
                if false != sentence:
                    exchanged += 1
                    assert contradictions(false, record), false
    assert exchanged > 60


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_parse_only_ever_raises_value_errors(text):
    with contextlib.suppress(ValueError):
        parse(text)


def test_prompt_is_one_exact_line():
    assert prompt(make(), "ko").startswith("answer ko label=fake prob=98.67 look=")
    assert prompt(make("real", 7.5), "en").startswith("answer en label=real prob=7.50 look=")
    for language in ("ko", "en"):
        cues = prompt(make(), language).rsplit("=", 1)[1].split()
        parsed = parse(render(make(), language))
        assert set(cues) == {parsed.colour, parsed.brightness, parsed.texture, parsed.edges} - {None}, (
            "what is cues for is what is said"
        )


def test_unknown_languages_and_foreign_records_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="choose ko or en"):
        render(make(), "fr")
    with pytest.raises(ValueError, match="none of the twelve"):
        render(make(colour="beige"), "ko")
    with pytest.raises(ValueError, match="neither a label nor a region"):
        render(make(region="centre"), "en")
