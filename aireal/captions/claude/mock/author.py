"""The mock's author: sentences of the offline grammar, from the text of a request alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from aireal.captions.language.grammar import render
from aireal.captions.offline import paraphrase
from aireal.evidence.record import REGIONS, Cues, EvidenceRecord

_OTHER_LANGUAGE = {"ko": "en", "en": "ko"}


def read_record(params: dict) -> EvidenceRecord:
    """The record in the text of a request.

    Raises:
        ValueError: the request has no such text.
    """
    try:
        values = json.loads(text_of(params).split("\n")[0].removeprefix("Evidence: "))
        cues = Cues(values["colour"], values["brightness"], values["texture"], values["edges"])
        probability = float(values["probability"][:-1])
        return EvidenceRecord("?", values["label"], probability, 0.5, values["region"], (0.0, 0.0), cues)
    except (KeyError, TypeError, IndexError, StopIteration, ValueError):
        raise ValueError("the request holds no evidence that can be read") from None


def text_of(params: dict) -> str:
    """The text of a request's user message."""
    return next(block["text"] for block in params["messages"][0]["content"] if block["type"] == "text")


def write(params: dict, kind: str = "") -> dict[str, str]:
    """The answer to a request by field name.

    Args:
        kind: a kind of `LIE` changes the first sentence of each language; 'few' leaves out the last sentence.
    """
    record, text = read_record(params), text_of(params)
    names = params["output_config"]["format"]["schema"]["required"]
    answer = {}
    for language in sorted({name[:2] for name in names}):
        fields = [name for name in names if name[:2] == language]
        # a second question lists earlier sentences of the language, which may not be repeated
        earlier = sum(mark in text for mark in ("\n- (ko)", "\n- (en)")) and text.count(f"\n- ({language})")
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
        sentences = [sentence.text for sentence in paraphrase(record, language, len(fields) + earlier, seed)]
        answer |= dict(zip(fields, (sentence for sentence in sentences if sentence not in text), strict=False))
        if kind in LIE:
            answer[fields[0]] = LIE[kind](record, language, seed)
    if kind == "few":
        answer.pop(names[-1])
    return answer


def _wrong_number(record: EvidenceRecord, language: str, variant: int) -> str:
    step = 0.01 if record.probability < 75 else -0.01
    return render(replace(record, probability=round(record.probability + step, 2)), language, variant)


def _wrong_class(record: EvidenceRecord, language: str, variant: int) -> str:
    return render(replace(record, label="real" if record.label == "fake" else "fake"), language, variant)


def _wrong_region(record: EvidenceRecord, language: str, variant: int) -> str:
    region = REGIONS[(REGIONS.index(record.region) + 1 + variant % 8) % 9]
    return render(replace(record, region=region), language, variant)


def _wrong_language(record: EvidenceRecord, language: str, variant: int) -> str:
    return render(record, _OTHER_LANGUAGE[language], variant)


def _says_more(record: EvidenceRecord, language: str, variant: int) -> str:
    """A sentence that agrees with the record and claims something that was not measured."""
    return f"{'손가락 모양' if language == 'ko' else 'Fingers'}: {render(record, language, variant)}"


LIE: dict[str, Callable[[EvidenceRecord, str, int], str]] = {
    "wrong_number": _wrong_number,
    "wrong_class": _wrong_class,
    "wrong_region": _wrong_region,
    "wrong_language": _wrong_language,
    "says_more": _says_more,
}
