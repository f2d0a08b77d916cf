"""The parser on sentences of other authors."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import contradictions, parse
from helpers.captions import evidence, lines

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
    ("Judged fake with 98.67% probability because of the white area at the top left and bottom.", None),
    ("The white area in the upper left and right convinced the model that this is fake, with 98.67%.", None),
    ("상단 왼쪽과 아래의 흰색 영역에 주목하여 98.67% 확률로 가짜라고 판단했습니다.", None),
    ("The brown area at the bottom center is too dark and rough to be real, with 98.67% probability.", None),
    ("The dark area at the bottom center keeps the model from calling the image real, with 98.67% probability.", None),
    ("At the bottom center, a dark brown area pulls the verdict away from real (98.67%).", None),
    ("This might be a fake image, at 98.67%, because of the white area at the top left.", None),
    ("98.67% 확률로 가짜 여부를 판단했으며, 상단 왼쪽의 흰색 영역이 근거입니다.", None),
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
        record = evidence(label, 98.67, region, *cues)
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
