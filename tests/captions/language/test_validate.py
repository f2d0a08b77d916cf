"""The validator on sentences of other authors: planted lies, honest sentences, and words outside the vocabulary."""

from __future__ import annotations

import pytest

from aireal.captions.language.grammar import contradictions, parse, render, shape_count
from aireal.captions.language.validate import filter_valid, violations
from aireal.captions.language.vocabulary import unknown_words
from aireal.evidence.record import COLOURS, REGIONS, Cues, EvidenceRecord
from helpers.captions import lines

FAKE = EvidenceRecord(
    "1.png", "fake", 98.67, 0.9867, "top-left", (0.1, 0.1), Cues("white", "bright", "smooth", "moderate")
)
REAL = EvidenceRecord(
    "2.png", "real", 92.7, 0.073, "bottom-center", (0.5, 0.9), Cues("brown", "dark", "rough", "sharp")
)


# Lies about FAKE. Each stands in words that honest sentences use; what is wrong stands before it.
LIES = [
    line.split(": ", 1)
    for line in lines("""
    number: Judged fake with 98.66% probability; the decision rests on the bright, smooth white area at the top left.
    number: 98.68% 확률로 가짜라고 판단되었으며, 상단 왼쪽의 흰색 영역이 근거입니다.
    number: Judged fake with 98.67% probability, in short 98.6%, because of the white area at the top left.
    number: Fake with 98.67% probability; 3 things at the top left led to this.
    number: 98.67% 확률로 가짜이며, 상단 왼쪽의 흰색 영역 2곳이 근거입니다.
    number: Fake with 98.67% or ninety percent probability, because of the area at the top left.
    number: 98.67%, 곧 구십구 퍼센트 확률로 가짜입니다. 상단 왼쪽의 흰색 영역이 근거입니다.
    number: Fake with more than 98.67% probability, because of the white area at the top left.
    number: Fake with at least 98.67% probability, because of the white area at the top left.
    number: Fake with a probability of nearly 98.67%, because of the white area at the top left.
    number: 98.67% 이상의 확률로 가짜이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    number: 가짜일 확률은 98.67%를 넘으며, 상단 왼쪽의 흰색 영역이 근거입니다.
    number: 약 98.67% 확률로 가짜이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    number: 98.67% of the area at the top left is white, so the image is fake.
    number: The image is fake; the accuracy of the model is 98.67%, and it looks at the top left.
    number: 이미지는 가짜이며, 모델의 정확도는 98.67%입니다. 상단 왼쪽의 흰색 영역이 근거입니다.
    number: Fake with a probability that is not 98.67%, because of the white area at the top left.
    number: ٩٨.٦٧% probability of a fake image, because of the white area at the top left.
    number: Fake with 9 8.67% probability, because of the white area at the top left.
    number: 98.67% 확률로 가짜이며 0.95의 확신이 있고, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: Judged real with 98.67% probability; the decision rests on the white area at the top left.
    class: 98.67% 확률로 실제 사진이라고 판단되었으며, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: This is not a fake image, with 98.67% probability, because of the white area at the top left.
    class: 98.67% 확률로 가짜가 아니며, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: Anything but fake, at 98.67%, says the white area at the top left.
    class: Rather than fake it is real with 98.67% probability, because of the white area at the top left.
    class: Is it fake? Hardly, says the model at 98.67%, looking at the white area at the top left.
    class: 가짜일까요? 아닙니다. 98.67% 확률이며 상단 왼쪽의 흰색 영역이 근거입니다.
    class: 98.67% 확률로 가짜라기보다 진짜 사진이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: 상단 왼쪽의 흰색 영역 때문에 98.67% 확률로 가짜일 리가 없습니다.
    class: 상단 왼쪽의 흰색 영역을 보면 98.67% 확률로 가짜와는 거리가 멉니다.
    class: 가짜라면 98.67% 확률이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: If it is fake, the probability is 98.67%, because of the white area at the top left.
    class: The verdict fake (98.67%) is wrong, as the white area at the top left shows.
    class: 98.67% 확률로 가짜라는 판정은 틀렸으며, 상단 왼쪽의 흰색 영역이 근거입니다.
    class: A supposedly fake image, at 98.67%, because of the white area at the top left.
    class: Fake or genuine photograph, at 98.67%, because of the white area at the top left.
    class: Nothing like a fake image, at 98.67%, because of the white area at the top left.
    class: 98.67% 확률로 카메라로 찍은 사진이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    region: Judged fake with 98.67% probability because of the white area at the top right.
    region: 98.67% 확률로 가짜이며, 우상단의 흰색 영역이 근거입니다.
    region: 98.67% 확률로 가짜이며, 왼쪽 아래의 흰색 영역이 근거입니다.
    region: Fake with 98.67% probability because of the white area in the lower-left corner.
    region: Fake with 98.67% probability because of the white area in the northeast.
    region: Fake with 98.67% probability because of the white area at the top left and the center.
    region: 98.67% 확률로 가짜이며, 상단 왼쪽과 하단의 흰색 영역이 근거입니다.
    region: Fake with 98.67% probability because of the white area, not at the top left.
    region: Fake with 98.67% probability because of the white area opposite the top left.
    region: Fake with 98.67% probability because of everything but the top left of the image, the white area.
    region: 98.67% 확률로 가짜이며, 상단 왼쪽을 제외한 흰색 영역이 근거입니다.
    region: 98.67% 확률로 가짜이며, 상단 왼쪽의 반대편에 있는 흰색 영역이 근거입니다.
    region: 98.67% 확률로 가짜이며, 상단 왼쪽보다 다른 흰색 영역이 근거입니다.
    region: Fake with 98.67% probability because of the white area at the top left and throughout the image.
    region: 98.67% 확률로 가짜이며, 상단 왼쪽과 이미지 전체의 흰색 영역이 근거입니다.
    region: Fake with 98.67% probability because of the white area at the top.
    region: Fake with 98.67% probability because of the white area left of the center.
    colour: Fake with 98.67% probability because of the black area at the top left.
    colour: 98.67% 확률로 가짜이며, 상단 왼쪽의 새까만 영역이 근거입니다.
    colour: Fake with 98.67% probability because of the white and blue area at the top left.
    colour: 98.67% 확률로 가짜이며, 상단 왼쪽의 카키색 영역이 근거입니다.
    colour: Fake with 98.67% probability because of the beige area at the top left.
    colour: Fake with 98.67% probability because of the area at the top left, white it is not.
    colour: 98.67% 확률로 가짜이며, 상단 왼쪽의 희지 않은 영역이 근거입니다.
    colour: Fake with 98.67% probability because of the colorful area at the top left.
    brightness: Fake with 98.67% probability because of the dimly lit area at the top left.
    brightness: 98.67% 확률로 가짜이며, 상단 왼쪽의 영역은 어둡습니다.
    brightness: 98.67% 확률로 가짜이며, 상단 왼쪽의 밝지 않은 영역이 근거입니다.
    brightness: Fake with 98.67% probability because of the hardly bright area at the top left.
    texture: Fake with 98.67% probability because of the grainy white area at the top left.
    texture: 98.67% 확률로 가짜이며, 상단 왼쪽의 흰색 영역이 거칩니다.
    texture: 98.67% 확률로 가짜이며, 상단 왼쪽의 매끄럽지 못한 영역이 근거입니다.
    texture: Fake with 98.67% probability because of the area without smooth texture at the top left.
    edges: Fake with 98.67% probability because of the white area with crisp outlines at the top left.
    edges: 98.67% 확률로 가짜이며, 상단 왼쪽의 가장자리가 번진 흰색 영역이 근거입니다.
    language: 98.67% 확률로 가짜이며, 상단 왼쪽의 smooth한 흰색 영역이 근거입니다.
    language: Fake with 98.67% probability because of the white area at the top left (상단 왼쪽).
    language: 98.67% 확률로 fake이며, 상단 왼쪽의 흰색 영역이 근거입니다.
    language: Судя по всему fake, 98.67%, top left.
""")
]


@pytest.mark.parametrize("kind, sentence", LIES, ids=range(len(LIES)))
def test_a_planted_lie_is_found_by_the_parser_alone(kind, sentence):
    assert contradictions(sentence, FAKE), kind


def test_there_are_lies_of_every_kind_in_both_languages():
    korean = [kind for kind, sentence in LIES if any("가" <= character <= "힣" for character in sentence)]
    kinds = {"number", "class", "region", "colour", "brightness", "texture", "edges", "language"}
    assert len(LIES) >= 60
    assert kinds == set(korean) == {kind for kind, _ in LIES}


# True sentences that no shape of the grammar makes, as people and language models write them.
HONEST = {
    ("fake", "en"): lines("""
        A bright, smooth patch of white in the upper-left corner is what convinced the model that this is an \
            AI-generated image (98.67%).
        The model calls this an AI-made image with a probability of 98.67%, and its main clue sits at the top left: a \
            smooth white area.
        I would point to the white region in the upper left: it leads to a 98.67% probability of a fake image.
        Most of the heat gathers at the top left, so the image is taken for fake with 98.67% probability.
        With a confidence of 98.67%, the detector identifies the picture as AI-generated, drawing on its white \
            upper-left area.
        What tips the scale at the top left is a smooth white area, and the verdict is fake at 98.67%.
        Look at the top left: bright, white, smooth, and the model is 98.67% confident that the picture was made by AI.
        The white area at the top left shows why: this image was generated by AI, says the model with 98.67% \
            probability.
        The classifier's strongest evidence for a fake image (98.67%) comes from the upper-left region, which is \
            smooth and bright.
        No doubt the top left matters most: bright and white, it brings the probability of a fake image to 98.67%.
        Driven by a smooth, bright area in the top-left corner, the network outputs fake with 98.67% probability.
        An AI-generated image, the model says, with 98.67 % probability and with its eye... on the top left.
        The top left of the picture is where the model looks; the answer it gives is AI-generated, at 98.67 percent.
        Fake, 98.67%, top-left corner.
        The upper left-hand corner, white and smooth, accounts for the decision: computer-generated, with 98.67% \
            probability.
        Because the area in the upper left is both bright and smooth, the picture is classified as synthetic with \
            98.67% probability.
    """),
    ("fake", "ko"): lines("""
        모델은 왼쪽 위의 밝고 매끈한 흰 영역을 보고 98.67% 확률로 AI가 만든 이미지라고 보았습니다.
        이 이미지가 가짜일 확률은 98.67%로, 특히 왼쪽 상단에 자리한 밝고 매끈한 흰색 부분이 결정적인 단서였습니다.
        좌상단의 하얀 영역이 밝고 매끄러워 AI가 생성한 이미지일 확률이 98.67%라고 보았습니다.
        모델은 98.67%의 확신으로 이 그림을 AI 생성 이미지로 분류했으며, 왼쪽 위 모서리의 밝은 흰색 영역을 핵심 근거로 \
            들었습니다.
        왼쪽 상단, 밝고 매끄러운 흰색 영역이 판단을 이끌어 98.67% 확률로 인공지능이 만든 이미지라고 결론지었습니다.
        좌측 상단의 흰색 부분에 시선이 쏠리면서 가짜일 확률이 98.67%로 나타났습니다.
        히트맵은 왼쪽 윗부분에 모여 있으며, 그 결과 98.67% 확률로 가짜 이미지라는 판정이 내려졌습니다.
        상단 왼쪽에 보이는 매끄러운 흰색 영역은 98.67% 확률로 AI 이미지라는 판단을 뒷받침합니다.
        탐지기는 98.67%의 확률로 이 사진을 가짜로 판별했고, 좌상단의 밝은 영역이 가장 큰 영향을 주었습니다.
        매끈하고 하얀 영역이 상단 왼쪽에 있어 98.67% 확률로 딥페이크라고 답했습니다.
        왼쪽 위 모서리가 밝고 하얗습니다. 그래서 모델은 98.67% 확률로 가짜라고 결론을 내렸습니다.
        판정은 가짜, 확률은 98.67%입니다. 무엇보다 왼쪽 위쪽의 흰색 영역이 중요했습니다.
        98.67%라는 확률은 왼쪽 상단의 밝은 흰색 부분에서 비롯된 것으로, 이미지는 가짜로 분류됩니다.
        모델이 주목한 곳은 좌측 상단이고, 판단은 98.67% 확률로 합성 이미지입니다.
        흰색의 매끄러운 질감이 왼쪽 위에 나타나 가짜로 판단할 확률이 98.67%에 이르렀습니다.
        의심의 여지 없이 왼쪽 위의 흰색 영역이 핵심이며, 98.67% 확률로 가짜입니다.
    """),
    ("real", "en"): lines("""
        Rough brown texture in the lower middle of the frame makes this a real photograph with 92.70% probability.
        The dark brown region in the middle of the bottom, rough and sharply edged, leads to a verdict of real (92.70%).
        An authentic photograph, says the model with 92.70% probability, relying on the bottom-center area, which is \
            dark, brown and rough.
        The model trusts this picture: real, with 92.70% probability, on account of the dark area at the bottom center.
        Sharp edges and a rough texture at the bottom center speak for a genuine photograph, the probability being \
            92.70%.
        Taken with a camera, the model concludes at 92.70%, from the rough brown area in the lower center.
        At the bottom center the heatmap peaks over a dark brown area; the model reads it as a real image with 92.70% \
            probability.
        The bottom middle, dark and brown with clear outlines, settles it: a real photo, 92.70% probability.
        The detector sides with real at 92.70%, and the reason lies in the coarse, dark part in the center of the \
            bottom.
        92.70% real: the brown area at the bottom center decides.
        The decision rests on the bottom centre, where the picture is rough, dark and brown: genuine, with 92.70% \
            probability.
        Thanks to the brown region at the bottom center, the picture counts as a real photograph with a likelihood of \
            92.70%.
        Dark, rough and crisp, the lower central part is the key to the 92.70% probability of a real image.
        Everything considered, the lower middle decides: a genuine photograph, at 92.70%.
    """),
    ("real", "ko"): lines("""
        하단 중앙의 어둡고 거친 갈색 영역이 뚜렷한 윤곽을 보여 92.70% 확률로 실제 사진이라고 판단했습니다.
        92.70% 확률로 실제로 촬영된 사진이라고 판단되며, 아래쪽 중앙의 거친 질감이 근거입니다.
        이 사진은 진짜일 확률이 92.70%입니다. 아래쪽 가운데의 어두운 갈색 부분이 거칠고 윤곽도 또렷하기 때문입니다.
        하단 가운데의 갈색 영역은 어둡고 경계가 선명하여 92.70% 확률로 실제 이미지라는 결론을 얻었습니다.
        모델의 초점은 중앙 하단에 놓였고, 실제 사진일 확률은 92.70%로 산출되었습니다.
        아래쪽 가운데가 거칠고 어둡다는 점을 들어 모델은 92.70% 확률로 진짜 사진이라고 설명합니다.
        실제 이미지로 판정된 확률은 92.70%이며, 이는 하단 중앙의 갈색 부위에서 얻은 결과입니다.
        92.70%의 확률로 카메라로 찍은 사진이며, 판단의 실마리는 하단 중앙의 갈색 영역입니다.
        맨 아래 가운데의 어두운 영역을 근거 삼아 진짜 이미지라고 판별했고, 확률은 92.70%입니다.
        거친 갈색 영역이 하단 중앙에 자리해 있어서 92.70% 확률로 진짜라고 볼 수 있습니다.
        하단 중앙을 살펴본 모델은 갈색의 거친 질감을 근거로 92.70% 확률로 실사라고 인식했습니다.
        진짜 사진이라는 답이 92.70% 확률로 나왔고, 가운데 아래쪽의 어두운 부분이 그 이유입니다.
        확률 92.70%, 판정 실제 사진. 하단 중앙의 윤곽이 뚜렷한 갈색 영역에 집중했습니다.
        중앙 아래쪽의 갈색 영역이 주요한 근거로 쓰여 92.70% 확률로 실제 사진으로 분류되었습니다.
    """),
}
# True, but refused for a word that the vocabulary does not hold.
KNOWN_LIMITS = {
    "An AI-generated image, the model says, with 98.67 % probability and with its eye... on the top left.": "eye",
    "What tips the scale at the top left is a smooth white area, and the verdict is fake at 98.67%.": "scale",
}


@pytest.mark.parametrize("label, language", HONEST)
def test_honest_sentences_of_others_pass(label, language):
    record = FAKE if label == "fake" else REAL
    refused = {sentence: why for sentence in HONEST[label, language] if (why := violations(sentence, record, language))}
    assert set(refused) == set(KNOWN_LIMITS) & set(HONEST[label, language]), refused
    for sentence, reasons in refused.items():
        assert f"outside the vocabulary: {KNOWN_LIMITS[sentence]}" in reasons[0]


def test_there_are_sixty_honest_sentences():
    assert sum(map(len, HONEST.values())) >= 60


# --- the vocabulary --------------------------------------------------------------------------------------------------

OBJECTS = {
    "en": """
        fingers finger sky face person people man woman child tree eyes nose mouth hand hands hair skin cloud clouds
        flower grass mountain sea river road car
        house building wall window door chair table shadow background foreground noise distortion pattern letters logo
        animal dog cat bird horse fish food
        plate glasses hat teeth lips reflection water fire smoke artifact artifacts artefacts glitch unnatural strange
        odd weird artificial suspicious
        suspiciously realistic beautiful repeated warped surface object camera lens compression pixels grain sensor
        lighting depth symmetry landscape portrait
        leg ground floor leaves watch ball not never without
    """,
    "ko": """
        손가락 얼굴 하늘 하늘이 얼굴에서 사람 사람의 여자 남자 아이 나무 나무를 눈 코 입 귀 손 발 머리 머리카락 피부 옷
        구름 구름은 꽃 풀 산 바다 강 길 도로
        자동차 집 건물 벽 창문 의자 책상 그림자 배경 전경 노이즈 잡음 왜곡 패턴 무늬 글자 문자 로고 동물 개 고양이 새
        물고기 음식 접시 안경 모자 치아 입술
        눈썹 조명 반사 빛 물 불 연기 내부 내장 두부 지도 지붕 가지 나비 나라 해변 주머니 주방 도마 도시 이빨 이마 표면
        물체 인물 풍경 흔적 카메라 렌즈
        자연스러운 부자연스러운 비현실적인 어색한 이상한 깨진 인위적인 기계적인 완벽한 지나치게 너무 압축 대칭 결함
        흰둥이 흰색구름 검은손 중앙선 않습니다
        없습니다 아닙니다
    """,
}


@pytest.mark.parametrize("language", OBJECTS)
def test_things_artefacts_and_denials_are_outside_the_vocabulary(language):
    assert [word for word in OBJECTS[language].split() if not unknown_words(word, language)] == []


@pytest.mark.parametrize(
    "words",
    [
        "판단 판단은 판단이 판단을 판단에서 판단했습니다 판단됩니다 판단되었으며 판단하였고 판단한다는 판단할",
        "봅니다 보았습니다 봤으며 보이는 보여 보고 볼 본 살펴보았고 살펴본",
        "내렸습니다 내린 내리며 내려졌고 이르렀습니다 이른 이끌어 이끌었고 들었으며 삼아 삼았고",
        "근거로 근거입니다 근거이며 근거였습니다 근거로서 근거가 단서였으며 이유이기",
        "영역에서는 부분까지 곳은 곳이었습니다 것으로 점에서 때문입니다",
    ],
)
def test_korean_words_of_judging_are_known_in_their_forms(words):
    assert [word for word in words.split() if unknown_words(word, "ko")] == []


def test_what_the_grammar_writes_is_inside_the_vocabulary():
    for i, colour in enumerate(COLOURS):
        for label, look in (("real", ("bright", "smooth", "soft")), ("fake", ("dark", "rough", "sharp"))):
            record = EvidenceRecord("1.png", label, 61.05, 0.6105, REGIONS[i % 9], (0.1, 0.1), Cues(colour, *look))
            for language in ("ko", "en"):
                for variant in range(0, 9 * shape_count(language), 5):
                    assert unknown_words(sentence := render(record, language, variant), language) == [], sentence


def test_the_validator_names_each_fault():
    base, valid = render(REAL, "en"), render(REAL, "en", 3)
    faults = {
        "": "empty",
        valid.replace("92.70", "92.7"): "two decimals",
        valid + " Truly so." * 60: "longer",
        valid.replace(" ", "\n", 1): "line break",
        render(REAL, "ko"): "language",
        valid.replace("92.70", "92.71"): "number",
    }
    for sentence, word in faults.items():
        assert any(word in reason for reason in violations(sentence, REAL, "en")), (sentence, word)
    sentences = [valid, valid.upper().capitalize(), base.rstrip("."), None]
    accepted, rejected = filter_valid(sentences, REAL, "en", [base])
    assert [sentence.text for sentence in accepted] == [valid]
    for (_, reasons), word in zip(rejected, ("repeats", "repeats", "empty"), strict=True):
        assert word in reasons[0]


def test_a_sentence_with_unknown_words_is_rejected():
    sentence = "Fake with 98.67% probability, because the fingers in the white area at the top left look unnatural."
    accepted, rejected = filter_valid([sentence], FAKE, "en", [render(FAKE, "en")])
    assert accepted == []
    assert rejected == [(sentence, ["words outside the vocabulary: fingers, unnatural"])]
    assert unknown_words(sentence, "en") == ["fingers", "unnatural"]
    assert unknown_words("왼쪽 위의 손가락이 흐트러져 98.67% 확률로 가짜입니다.", "ko") == ["손가락이", "흐트러져"]


def test_an_accepted_sentence_comes_with_what_the_parser_read():
    sentence = render(FAKE, "en", 3)
    accepted, _ = filter_valid([f" {sentence} "], FAKE, "en", [render(FAKE, "en")])
    assert [(valid.text, valid.parsed) for valid in accepted] == [(sentence, parse(sentence))]


def test_a_sentence_that_differs_in_punctuation_only_repeats_its_sibling():
    sentence = render(FAKE, "en", 3)
    same_words = sentence.replace(",", " ").replace(".", "!").replace("98!67", "98.67")
    accepted, rejected = filter_valid([sentence, same_words], FAKE, "en", [render(FAKE, "en")])
    assert [valid.text for valid in accepted] == [sentence]
    assert "repeats" in rejected[0][1][0]
    assert filter_valid([same_words], FAKE, "en", [sentence])[0] == []


def test_known_limits_of_the_parser_are_these():
    """Sentences may be false about the picture without a word that contradicts; the vocabulary stops them."""
    for sentence in (
        "Mirrored, the white area at the top left would judge it fake with 98.67% probability.",
        "Humans call it fake with 98.67% probability, looking at the white area at the top left.",
    ):
        assert parse(sentence).region == "top-left"
        assert contradictions(sentence, FAKE, "en") == []
        assert "outside the vocabulary" in violations(sentence, FAKE, "en")[0]
