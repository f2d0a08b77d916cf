"""Words by which people label a picture as photograph or AI image."""

from __future__ import annotations

import re
import unicodedata

# without blanks, hyphens and underscores, in lower case
REAL = "real nature natural human photo photograph camera authentic genuine original 진짜 실제 실사 사진 원본 자연 인간"
FAKE = (
    "fake ai generated synthetic aigenerated aigc deepfake artificial machine "
    "가짜 생성 합성 인공 인공지능 ai생성 생성형 위조 조작 딥페이크"
)
LABEL_WORDS = {word: label for label, words in enumerate((REAL, FAKE)) for word in words.split()}
ACCEPTED = "0, 1, real, fake (or human, ai, photo, generated, 진짜, 가짜)"  # for messages


def label_of(value: object) -> int | None:
    """0 for a photograph (0, 0.0, real, 0_real, nature, human, 진짜 ...), 1 for an AI image (1, 1.0, fake, 1_fake, AI,
    AI-generated, 가짜 ...); else None. Case and blanks do not matter.

    A word for picture may stand after them, as in `real images` and `가짜 사진`.
    """
    word = re.sub(r"[\s_]|(?<=\w)-", "", unicodedata.normalize("NFKC", str(value))).casefold()
    if number := re.fullmatch(r"([01])(?:[.,]0*)?(?:e[+-]?0+)?", word):  # also 1,0 and 1.000E+00
        return int(number[1])
    if numbered := re.fullmatch(r"([01])(\D+)", word):
        named = LABEL_WORDS.get(numbered[2])
        return named if named == int(numbered[1]) else None
    bare = re.sub(r"(?<=.)(images?|pictures?|photos?|이미지|사진|s)$", "", word)
    return LABEL_WORDS.get(word, LABEL_WORDS.get(bare))
