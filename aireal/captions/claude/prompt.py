"""The prompt for Claude: the rules (the same for every row, hence cached), the row, and the form of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aireal.captions.language.lexicon import (
    CLASS_ADJECTIVE,
    CLASS_NOUN,
    LANGUAGE_NAMES,
    LANGUAGES,
    REGION_WRITTEN,
    WRITTEN,
)
from aireal.captions.table import CaptionRow

COMPLAINT_BYTES = 6000

_RULES = """\
You write captions that teach a small vision-language model to explain the verdict of a detector that tells \
AI-generated images from real photographs. You are given a picture, the measured evidence about it, and one base \
caption in Korean and in English. The picture is the judged image under a translucent Grad-CAM heatmap: red and \
yellow tints mark where the detector looked, blue tints where it did not. These tints are not colours of the image; \
never mention them.

Write the asked number of Korean and of English sentences. Each of them must

1. name the class of the evidence, plainly, and never the other class, not even to deny it or to compare;
2. give the probability exactly as in the evidence, with two decimals and a % sign, and no other number;
3. name the region of the evidence by one of the expressions listed below, and no other place in the picture;
4. name at least one measured cue (colour, brightness, texture, edges) that you can see in that region. A cue whose \
value is medium or moderate is not named, and a cue is never named with another value than the measured one. No \
second colour;
5. say nothing else: no objects, people, materials or artefacts, no causes, no motives, no doubts. Such words are \
rejected;
6. be one line of at most 300 characters, without quotation marks, lists, brackets around words, or line breaks;
7. contain no negation.

Vary the sentences of one language: different openings, different order of class, number, region and cue, different \
verbs, active and passive, the listed synonyms. No sentence may repeat the base caption or another one with a word \
exchanged. Korean is written in the polite formal style (-습니다) with the right particles (은/는, 이/가, 을/를, \
으로/로, 이라고/라고); English in plain present or past tense. Korean sentences contain no English but AI, English \
sentences no Korean.
"""
_EXAMPLE = """\
Evidence: {"label": "fake", "probability": "98.67%", "region": "top-left", "colour": "white", "brightness": \
"bright", "texture": "smooth", "edges": "moderate"}
Good: 모델은 왼쪽 위의 밝고 매끄러운 흰색 영역에 주목하여 98.67% 확률로 AI가 만든 이미지라고 판정했습니다.
Good: 가짜일 확률은 98.67%이며, 상단 왼쪽의 흰색 부분이 매끄럽고 밝다는 점이 판단을 이끌었습니다.
Good: A smooth, bright white area in the upper-left corner convinced the model, with 98.67% probability, that the \
image is AI-generated.
Good: What speaks for a fake image, at 98.67%, is the white area at the top left, smooth and bright as it is.
Bad, because it rounds the number: The image is about 99% fake, as the white area at the top left shows.
Bad, because it names a second place: Judged fake with 98.67% probability because of the white area at the top left \
and the bottom.
Bad, because it denies the other class: 98.67% 확률로 실제 사진이 아니며, 상단 왼쪽의 흰색 영역이 근거입니다.
Bad, because it describes the heatmap: The red glow at the top left shows that the image is fake with 98.67% \
probability.
"""


def _listed() -> str:
    """The expressions that the validator knows, from the tables of its parser."""
    lines = []
    for language, name in LANGUAGE_NAMES.items():
        for label in ("fake", "real"):
            words = CLASS_NOUN[language][label] + (CLASS_ADJECTIVE[label] if language == "en" else ())
            lines.append(f"{name}, class {label}: {', '.join(words)}")
        lines += [
            f"{name}, region {region}: {', '.join(phrases)}" for region, phrases in REGION_WRITTEN[language].items()
        ]
        for kind, words in WRITTEN[language].items():
            values = (f"{value} = {word if isinstance(word, str) else word[0]}" for value, word in words.items())
            lines.append(f"{name}, {kind}: {', '.join(values)}")
    return "\n".join(lines)


SYSTEM = f"{_RULES}\n{_listed()}\n\n{_EXAMPLE}"


def fields(wanted: Mapping[str, int]) -> list[tuple[str, str]]:
    """Language and field name of each wanted sentence; `wanted` is the number of sentences by language."""
    return [(language, f"{language}_{i}") for language in LANGUAGES for i in range(1, wanted.get(language, 0) + 1)]


def schema(wanted: Mapping[str, int]) -> dict:
    """JSON schema of the answer: required fields, not a list, because the API does not enforce a list's length."""
    names = [name for _, name in fields(wanted)]
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }


def user_text(row: CaptionRow, wanted: Mapping[str, int], complaint: str = "") -> str:
    """The row as Claude reads it. The file's name is left out, since it may hold private facts or the label."""
    record = row.record
    evidence = {
        "label": record.label,
        "probability": f"{record.probability:.2f}%",
        "region": record.region,
        "colour": record.cues.colour,
        "brightness": record.cues.brightness,
        "texture": record.cues.texture,
        "edges": record.cues.edges,
    }
    captions = "\n".join(f"Base caption ({language}): {row.captions[language]}" for language in LANGUAGES)
    counts = " and ".join(
        f"{count} {LANGUAGE_NAMES[language]} ({language}_1 to {language}_{count})"
        for language, count in wanted.items()
        if count
    )
    lines = [
        f"Evidence: {json.dumps(evidence, ensure_ascii=False)}",
        captions,
        *([complaint] if complaint else []),
        f"Sentences to write: {counts}.",
    ]
    return "\n".join(lines)


def complaint_text(rejected: Sequence[tuple[str, str, Sequence[str]]], accepted: Sequence[tuple[str, str]]) -> str:
    """The part of a second question that lists the faults of rejected sentences and the sentences that stand.

    It has at most `COMPLAINT_BYTES` bytes of UTF-8, so that a second question has a cost ceiling. Further lines are
    left out.

    Args:
        rejected: language, sentence and reasons.
        accepted: language and sentence.
    """
    lines = ["You have been asked about this picture before. Sentences that were rejected, and why:"]
    lines += [
        f"- ({language}) {json.dumps(sentence[:300], ensure_ascii=False)}: {'; '.join(reasons)[:200]}"
        for language, sentence, reasons in rejected
    ]
    lines += ["Sentences that stand and must not be repeated:"] if accepted else []
    lines += [f"- ({language}) {sentence}" for language, sentence in accepted]
    text, size = [], 0
    for line in lines:
        size += len(line.encode()) + 1
        if size <= COMPLAINT_BYTES:
            text.append(line)
    return "\n".join(text)
