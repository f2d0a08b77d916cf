"""IPTC's digital source types (https://cv.iptc.org/newscodes/digitalsourcetype/) in words."""

from __future__ import annotations

from .clean_text import clean

SOURCE_TYPES = {  # code: (Korean, English)
    "trainedAlgorithmicMedia": ("생성형 AI로 만든 이미지", "made by generative AI"),
    "compositeWithTrainedAlgorithmicMedia": (
        "일부를 생성형 AI로 만들거나 고침",
        "partly made or edited by generative AI",
    ),
    "compositeSynthetic": ("합성 요소가 들어간 합성 이미지", "composite with synthetic elements"),
    "algorithmicMedia": ("학습 없는 알고리즘으로 만든 이미지", "made by an algorithm without training data"),
    "algorithmicallyEnhanced": ("알고리즘으로 보정함", "enhanced by an algorithm"),
    "trainedAlgorithmicData": ("생성형 AI로 만든 데이터", "data made by generative AI"),
    "digitalCapture": ("디지털카메라로 촬영", "captured by a digital camera"),
    "computationalCapture": ("여러 장을 계산해 얻은 촬영", "captured and computed from several frames"),
    "multiFrameCapture": ("여러 장을 계산해 얻은 촬영", "captured and computed from several frames"),
    "negativeFilm": ("네거티브 필름 스캔", "scanned from negative film"),
    "positiveFilm": ("포지티브 필름 스캔", "scanned from positive film"),
    "print": ("인화물 스캔", "scanned from a print"),
    "humanEdits": ("사람이 편집함", "edited by a person"),
    "minorHumanEdits": ("사람이 조금 편집함", "slightly edited by a person"),
    "composite": ("여러 요소를 합친 이미지", "composite of several elements"),
    "compositeCapture": ("촬영한 것들의 합성", "composite of captured elements"),
    "digitalCreation": ("사람이 디지털 도구로 그림", "created by a person with digital tools"),
    "digitalArt": ("사람이 디지털 도구로 그림", "created by a person with digital tools"),
    "dataDrivenMedia": ("데이터로 그린 이미지", "drawn from data"),
    "screenCapture": ("화면 캡처", "screen capture"),
    "virtualRecording": ("가상 공간의 기록", "recording of a virtual scene"),
    "softwareImage": ("소프트웨어가 그린 이미지", "drawn by software"),
}
BY_AI = {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"}
NOTHING = {"", "empty"}  # C2PA's code of a blank canvas


def code_of(value: object) -> str:
    """The code at the end of a source type's URI, cleaned; "" where it says nothing.

    `http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia` → `trainedAlgorithmicMedia`.
    """
    code = clean(value, 2000).rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return "" if code in NOTHING else clean(code, 60)


def source_type_words(code: str) -> tuple[str, str]:
    """A code in Korean and English; an unknown code as it is."""
    return SOURCE_TYPES.get(code, (code, code))
