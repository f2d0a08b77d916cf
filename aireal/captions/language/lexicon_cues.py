"""The words for the cues that are understood, besides those that captions are written with (`lexicon.WRITTEN`).

A colour that is none of the twelve (beige, gold) is understood too, so that it contradicts every record. The key None
holds phrases that contain a word of the table and claim nothing ("밝혀진", "black box").
"""

from __future__ import annotations

import re

from .lexicon import LANGUAGES, WRITTEN, listed

CUES_UNDERSTOOD = {
    "colour": {
        "white": listed("""
            하얀, 하얀색, 하양, 새하얀, 하얗, 백색, 순백, 흰, 흰빛, 희고, off white, whitish, whiteness, snow white
        """),
        "gray": listed("잿빛, 회색빛, 회색조, 연회색, 진회색, grey, grayish, greyish"),
        "black": listed("""
            검정, 검정색, 검은, 까만, 까만색, 새까만, 시커먼, 흑색, 검고, 검습, 까맣, blackish, blackness
        """),
        "red": listed("""
            빨강, 빨강색, 빨간, 새빨간, 붉은, 붉은색, 붉은빛, 적색, 빨갛, 붉고, 붉습, 불그스름, reddish, crimson,
            scarlet, maroon
        """),
        "orange": listed("주황, 주황빛, 오렌지, 오렌지색, orangey"),
        "yellow": listed("노랑, 노랑색, 노란, 샛노란, 노란빛, 황색, 누런, 노랗, 노르스름, 누르스름, yellowish"),
        "green": listed("초록, 초록빛, 녹색, 연두색, 연녹색, 푸르른, greenish"),
        "cyan": listed("청록, 청록빛, 하늘색, 옥색, teal, turquoise, aqua, sky blue, blue green"),
        "blue": listed("""
            파랑, 파랑색, 파란, 새파란, 푸른, 푸른색, 푸른빛, 청색, 남색, 파랗, 푸르스름, bluish, navy, indigo
        """),
        "purple": listed("보라, 보라빛, 보랏빛, 연보라색, 자주색, 자주빛, violet, purplish, lavender, mauve"),
        "pink": listed("분홍, 분홍빛, 연분홍색, 핑크, 핑크색, pinkish, magenta"),
        "brown": listed("갈색빛, 연갈색, 진갈색, 밤색, 고동색, brownish"),
        "beige": listed("""
            베이지, 베이지색, 상아색, 아이보리, beige, ivory, cream, cream colored, cream coloured, tan, khaki, sepia
        """),
        "gold": listed("금색, 금빛, 황금색, 황금빛, gold, golden, bronze, copper, amber"),
        "silver": listed("은색, 은빛, silver, silvery"),
        "many": listed("""
            알록달록, 무지갯빛, 무지개색, multicolored, multicoloured, multi colored, multi coloured, colorful,
            colourful, rainbow
        """),
        None: listed("검은 상자, 보라고, 보라는, red flag, red flags, black box"),
    },
    "brightness": {
        "bright": listed("""
            밝, 환한, 환하, brightly lit, brightly, brighter, brightest, brightness is high, high brightness, well lit,
            luminous, light colored, light coloured, light area, light region, pale, 밝기가 높, 높은 밝기
        """),
        "dark": listed("""
            어둡, 어두운, 어두우, 어두워, 어두웠, 어둑, 어두컴컴, 컴컴, 캄캄, 밝기가 낮, 낮은 밝기, darker, darkest,
            darkly, darkness, dim, dimly, dimly lit, low brightness, brightness is low, unlit, shadowy, gloomy, murky,
            dark colored, dark coloured
        """),
        "medium": listed("""
            중간 밝기, 밝기가 중간, 보통 밝기, medium brightness, moderate brightness, medium bright, moderately bright
        """),
        None: listed("밝기, 밝혀, 밝혔, 밝힌, 밝히, 밝힙, 밝힐"),
    },
    "texture": {
        "smooth": listed("""
            매끈, 매끄럽, 매끄러, 부드러운, 부드럽, 부드러우, 부드러워, 보드라운, 반들반들, smoothly, smoother,
            smoothest, smoothness, soft texture, soft textured, sleek, silky, polished, evenly textured
        """),
        "rough": listed("""
            거칠, 거친, 거칩, 까칠, 까끌, 울퉁불퉁, 우둘투둘, rougher, roughest, roughly textured, roughness, coarse,
            coarsely, coarseness, grainy, granular, rugged, bumpy, uneven
        """),
        "moderate": listed("질감이 보통, 보통의 질감, moderate texture, medium texture, moderately textured"),
        None: listed("rough estimate"),
    },
}

_NOUN_KO = "(?:윤곽|경계|가장자리|테두리|외곽)선?"
_NOUN_EN = "(?:edges?|edging|outlines?|contours?|boundar(?:y|ies)|borders?)"
_EDGES = {  # Korean stems and attributives, English adjectives
    "soft": (
        "흐릿|흐리|흐린|흐려|부드러|부드럽|모호|번진|번져|희미",
        "흐릿한|흐린|부드러운|모호한|번진|희미한",
        "soft|softer|blurred|blurry|fuzzy|hazy|smooth|vague|indistinct|diffuse|faint|faded|gentle",
    ),
    "sharp": (
        "뚜렷|선명|또렷|분명|날카|확실",
        "뚜렷한|선명한|또렷한|분명한|날카로운|확실한",
        "sharp|sharper|crisp|hard|clear|clean|distinct|(?:well|clearly|sharply)[ -]defined|strong|defined|pronounced"
        "|jagged",
    ),
    "moderate": ("보통|중간", "보통의|중간의", "moderate|medium|moderately sharp"),
}
_ALONE = {
    "soft": "흐릿|soft[ -]edged|softly edged|blurred|blurry",
    "sharp": "날카로|날카롭|sharp[ -]edged|sharply edged|crisp|crisply|sharply|sharp(?:ness)?",
}


def edges_pattern() -> re.Pattern:
    """A pattern for words about edges; the group that matched is the cue's value. The noun may stand on either side."""
    parts = []
    for value, (stems, attributives, adjectives) in _EDGES.items():
        sides = (
            rf"(?<![가-힣])(?:{_NOUN_KO}[이가은는도의]? ?(?:매우 |아주 |꽤 |더 )?(?:{stems})"
            rf"|(?:{attributives}) ?{_NOUN_KO})",
            rf"(?<![a-z])(?:(?:{adjectives})[ -]{_NOUN_EN}|{_NOUN_EN} (?:(?:are|is|were|look|looks|appear|appears"
            rf"|that are) )?(?:{adjectives}))(?![a-z])",
        )
        alone = (rf"(?<![a-z가-힣])(?:{_ALONE[value]})(?![a-z])",) if value in _ALONE else ()
        parts.append(rf"(?P<{value}>{'|'.join(sides + alone)})")
    return re.compile("|".join(parts))


def cue_table(kind: str) -> dict:
    """Every phrase that names a `kind` of cue (colour, brightness, texture), by value."""
    table = dict(CUES_UNDERSTOOD[kind])
    for language in LANGUAGES:
        for value, written in WRITTEN[language][kind].items():
            table[value] = table.get(value, ()) + (written if isinstance(written, tuple) else (written,))
    return table
