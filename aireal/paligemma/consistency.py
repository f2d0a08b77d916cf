"""Keep only sentences that are consistent with the evidence record, and measure how often raw sentences are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from PIL import Image
from transformers import PaliGemmaProcessor

from aireal.captions.language.grammar import contradictions, prompt, render
from aireal.captions.language.parsing import CUES, Parsed
from aireal.core.statistics import grouped_rate
from aireal.evidence.record import EvidenceRecord

from .generate import describe
from .region_words import parse_or_none
from .rerank import rerank_region

PALIGEMMA, REGENERATED, BASE_CAPTION = "paligemma", "paligemma (regenerated)", "base caption"
EMPTY = "the model wrote nothing"
FACTS = ("class", "number", "region")


@dataclass(frozen=True)
class CheckedSentence:
    """A sentence to show, and its source.

    The source is `paligemma`, `paligemma (regenerated)`, `base caption (model sentence contradicted the record: ...)`
    or `base caption (the model wrote nothing)`.
    """

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
    """One sentence per overlay: the raw ones, and the checked ones to show."""
    prompts = [prompt(record, language) for record in records]
    texts = describe(model, processor, overlays, prompts)

    def rerank_fn(indices: list[int]) -> list[str]:
        inputs = ([values[i] for i in indices] for values in (overlays, prompts, texts))
        return rerank_region(model, processor, *inputs)

    return texts, select_consistent(texts, records, [language] * len(texts), rerank_fn)


def select_consistent(
    texts: Sequence[str],
    records: Sequence[EvidenceRecord],
    languages: Sequence[str],
    rerank_fn: Callable[[list[int]], list[str]] | None = None,
) -> list[CheckedSentence]:
    """Select a sentence for each record that is consistent with it.

    It is the model's sentence, or else the reranked one, or else, where both contradict the record, the base caption.
    Class and number of every returned sentence are therefore the classifier's, and the region is the heatmap's.

    Args:
        rerank_fn: indices of the inconsistent texts to another sentence for each; called at most once. With None, no
            sentence is reranked.
    """
    conflicts = {}
    for i, (text, record, language) in enumerate(zip(texts, records, languages, strict=True)):
        if reasons := contradictions(text, record, language):
            conflicts[i] = reasons
    reranked = dict(zip(conflicts, rerank_fn(list(conflicts)), strict=True)) if rerank_fn and conflicts else {}
    checked = []
    for i, (text, record, language) in enumerate(zip(texts, records, languages, strict=True)):
        if i not in conflicts:
            checked.append(CheckedSentence(text, PALIGEMMA))
        elif i in reranked and not contradictions(reranked[i], record, language):
            checked.append(CheckedSentence(reranked[i], REGENERATED))
        else:
            reason = f"model sentence contradicted the record: {'; '.join(conflicts[i])}" if text.strip() else EMPTY
            checked.append(CheckedSentence(render(record, language), f"{BASE_CAPTION} ({reason})"))
    return checked


def consistency_rates(
    texts: Sequence[str],
    records: Sequence[EvidenceRecord],
    language: str | None = None,
    groups: Sequence[str] | None = None,
) -> dict:
    """How often sentences name class, number, region and cues correctly.

    A sentence that cannot be parsed is wrong in all of them. A cue is correct if the sentence does not name it or names
    the record's, as in `contradictions`. `consistent` is the share of sentences without any contradiction; with
    `language`, a sentence in another language contradicts.

    Args:
        groups: the source of each overlay; None: each overlay is its own source.

    Returns:
        n, groups, and for each of class, number, region, colour, brightness, texture, edges, consistent: {value, low,
        high} with the 95% interval over sources (`statistics.grouped_rate`).

    Raises:
        ValueError: nothing to score, or not one record per sentence.
    """
    if not texts or len(texts) != len(records):
        raise ValueError(
            f"There are {len(texts)} sentences and {len(records)} records. "
            "Give one record per sentence, and at least one sentence."
        )
    groups = groups or [str(i) for i in range(len(texts))]
    pairs = list(zip([parse_or_none(text) for text in texts], records))
    hits = {
        "class": [claim is not None and claim.label == record.label for claim, record in pairs],
        "number": [claim is not None and _same_number(claim, record) for claim, record in pairs],
        "region": [claim is not None and claim.region == record.region for claim, record in pairs],
        **{cue: [claim is not None and _same_cue(claim, record, cue) for claim, record in pairs] for cue in CUES},
        "consistent": [not contradictions(text, record, language) for text, record in zip(texts, records)],
    }
    rates = {name: grouped_rate(hit, groups) for name, hit in hits.items()}
    return {"n": len(texts), "groups": len(set(groups)), **rates}


def _same_number(claim: Parsed, record: EvidenceRecord) -> bool:
    return Decimal(str(claim.probability)) == Decimal(f"{record.probability:.2f}")


def _same_cue(claim: Parsed, record: EvidenceRecord, cue: str) -> bool:
    return getattr(claim, cue) in (None, getattr(record.cues, cue))


def shown_rates(
    checked: Sequence[CheckedSentence], records: Sequence[EvidenceRecord], language: str, groups: Sequence[str]
) -> dict:
    """Rates of the sentences shown after the check.

    `as_written`, `regenerated` and `base_caption` are the shares by source. `class`, `number` and `region` are as in
    `consistency_rates`.
    """
    rates = consistency_rates([sentence.text for sentence in checked], records, language, groups)
    return {
        "as_written": grouped_rate([sentence.source == PALIGEMMA for sentence in checked], groups),
        "regenerated": grouped_rate([sentence.source == REGENERATED for sentence in checked], groups),
        "base_caption": grouped_rate([not sentence.by_model for sentence in checked], groups),
        **{fact: rates[fact] for fact in FACTS},
    }
