"""What is shown of a model's sentences, bound to the evidence record, and how often the raw ones are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from PIL import Image
from transformers import PaliGemmaProcessor

from aireal.captions.language.grammar import contradictions, parse, prompt, render
from aireal.captions.language.parsing import CUES, Parsed
from aireal.core.statistics import grouped_rate
from aireal.evidence.record import EvidenceRecord

from .generate import describe
from .rerank import rerank_region

PALIGEMMA, REGENERATED, BASE_CAPTION = "paligemma", "paligemma (regenerated)", "base caption"


@dataclass(frozen=True)
class CheckedSentence:
    """What is shown, and where it comes from: `paligemma`, `paligemma (regenerated)`, or `base caption (model sentence contradicted the
    record: ...)`."""

    text: str
    source: str

    @property
    def by_model(self) -> bool:
        return self.source in (PALIGEMMA, REGENERATED)


def generate_checked(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    records: Sequence[EvidenceRecord],
    language: str,
) -> tuple[list[str], list[CheckedSentence]]:
    """One sentence an overlay, raw and as it is shown."""
    prompts = [prompt(record, language) for record in records]
    texts = describe(model, processor, overlays, prompts)

    def again(chosen: list[int]) -> list[str]:
        return rerank_region(model, processor, *([values[i] for i in chosen] for values in (overlays, prompts, texts)))

    return texts, select_consistent(texts, records, [language] * len(texts), again)


def select_consistent(
    texts: Sequence[str],
    records: Sequence[EvidenceRecord],
    languages: Sequence[str],
    again: Callable[[list[int]], list[str]] | None = None,
) -> list[CheckedSentence]:
    """Show a model's sentence only where it agrees with its record, else a second one that does, else the rendered base caption, marked as such.

    Class and number of what is shown are therefore always the classifier's, and the region the heatmap's.

    Args:
        again: writes a second sentence for the texts of these indices, once; asked only for those that contradict their record. None: there
            is no second sentence.
    """
    wrong = {
        i: found
        for i, (text, record, language) in enumerate(zip(texts, records, languages, strict=True))
        if (found := contradictions(text, record, language))
    }
    second = dict(zip(wrong, again(list(wrong)), strict=True)) if again and wrong else {}
    shown = []
    for i, (text, record, language) in enumerate(zip(texts, records, languages, strict=True)):
        if i not in wrong:
            shown.append(CheckedSentence(text, PALIGEMMA))
        elif i in second and not contradictions(second[i], record, language):
            shown.append(CheckedSentence(second[i], REGENERATED))
        else:
            shown.append(
                CheckedSentence(
                    render(record, language),
                    f"{BASE_CAPTION} (model sentence contradicted the record: {'; '.join(wrong[i])})",
                )
            )
    return shown


FACTS = ("class", "number", "region")


def consistency_rates(
    texts: Sequence[str],
    records: Sequence[EvidenceRecord],
    language: str | None = None,
    groups: Sequence[str] | None = None,
) -> dict:
    """How often sentences name class, number and region exactly, and which cues they name rightly.

    A sentence that cannot be parsed is wrong in all. A cue counts as right when it is not named or agrees, as `contradictions` sees it;
    `consistent` is the share of sentences that contradict nothing (in `language`, when given).

    Args:
        groups: the source of each overlay; each is its own when None.

    Returns:
        n, groups, and for each of class, number, region, colour, brightness, texture, edges, consistent: {value, low, high} with the 95%
        interval over sources (`statistics.grouped_rate`).

    Raises:
        ValueError: nothing to score, or not one record a text.
    """
    if not texts or len(texts) != len(records):
        raise ValueError(
            f"{len(texts)} sentences and {len(records)} records: give one record a sentence, and at least one"
        )
    groups = groups or [str(i) for i in range(len(texts))]
    parsed = [parse_or_none(text) for text in texts]
    hits = {
        "class": [p is not None and p.label == r.label for p, r in zip(parsed, records)],
        "number": [
            p is not None and Decimal(str(p.probability)) == Decimal(f"{r.probability:.2f}")
            for p, r in zip(parsed, records)
        ],
        "region": [p is not None and p.region == r.region for p, r in zip(parsed, records)],
        **{
            cue: [p is not None and getattr(p, cue) in (None, getattr(r.cues, cue)) for p, r in zip(parsed, records)]
            for cue in CUES
        },
        "consistent": [not contradictions(text, record, language) for text, record in zip(texts, records)],
    }
    return {
        "n": len(texts),
        "groups": len(set(groups)),
        **{name: grouped_rate(hit, groups) for name, hit in hits.items()},
    }


def shown_rates(
    shown: Sequence[CheckedSentence], records: Sequence[EvidenceRecord], language: str, groups: Sequence[str]
) -> dict:
    """What becomes of the raw sentences: the shares shown as first written, regenerated, and replaced; and class, number and region of all that
    is shown, measured as for the raw ones."""
    kinds = {"as_written": PALIGEMMA, "regenerated": REGENERATED}
    found = consistency_rates([sentence.text for sentence in shown], records, language, groups)
    return {
        **{
            name: grouped_rate([sentence.source == source for sentence in shown], groups)
            for name, source in kinds.items()
        },
        "base_caption": grouped_rate([not sentence.by_model for sentence in shown], groups),
        **{name: found[name] for name in FACTS},
    }


def parse_or_none(text: str) -> Parsed | None:
    """What a sentence claims; None where it cannot be read."""
    try:
        return parse(text)
    except ValueError:
        return None
