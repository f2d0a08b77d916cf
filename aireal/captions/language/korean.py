"""Korean in print: which form a particle takes after the word before it."""

from __future__ import annotations

import re

_PARTICLE = {  # as written in a shape: (after a final consonant, after a vowel)
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
    "(이)라고": ("이라고", "라고"),
    "(이)라는": ("이라는", "라는"),
    "(이)며": ("이며", "며"),
}
_PARTICLES = re.compile("(.)(" + "|".join(map(re.escape, _PARTICLE)) + ")")
_FINAL_OF_DIGIT = dict(zip("0123456789", "ㅇㄹ ㅁ  ㄱㄹㄹ ", strict=True))  # 영 일 이 삼 사 오 육 칠 팔 구


def final_consonant(character: str) -> str:
    """'' for a syllable that ends in a vowel, 'ㄹ' for that consonant, '+' for any other.

    Hangul syllables are laid out 28 to a vowel, the first without a final (Unicode 16, section 3.12). Digits as read in
    Korean; '%' is 퍼센트 and a Latin I (as in AI) 아이, both with an open end.
    """
    if "가" <= character <= "힣":
        index = (ord(character) - ord("가")) % 28
        return "" if index == 0 else "ㄹ" if index == 8 else "+"
    final = _FINAL_OF_DIGIT.get(character, " ")
    return "" if final == " " else "ㄹ" if final == "ㄹ" else "+"


def particles(text: str) -> str:
    """Choose each particle written with both forms ("가짜(이)라고", "영역을(를)") by the sound before it."""

    def choose(match: re.Match) -> str:
        final = final_consonant(match[1])
        closed, open_ = _PARTICLE[match[2]]
        after_vowel = not final or (match[2] == "(으)로" and final == "ㄹ")  # 로 also follows ㄹ
        return match[1] + (open_ if after_vowel else closed)

    return _PARTICLES.sub(choose, text)
