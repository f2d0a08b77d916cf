"""The cell of the nine that a sentence names, composed from the direction words that stand together."""

from __future__ import annotations

import re

from aireal.evidence.record import REGIONS

from .lexicon import DIRECTION, WEAK, compile_table
from .matching import PhraseMatch, clause, find_phrases
from .parsing_class import NO
from .parsing_number import NOT_THIS

_DIRECTION = compile_table(DIRECTION)
_WEAK = {word.replace(" ", "") for word in WEAK}
_LINK = re.compile(r"(?:부분|부)?의?[ \-/·]*|,? ?(?:part|side|edge|half|third|corner)? of (?:the )?")
_PLACE = re.compile(
    r"[ \-]*(?:most )?(?:part|area|region|side|edge|corner|half|third|section|portion|zone|of the|영역|부분)"
)
_AND = re.compile(r",? ?(?:and|or) |(?:과|와|이나|나) |,? ?및 ")  # between two places
_IN_THE = re.compile(r"(?:at|in|on|near|toward|towards|to) the (?:very )?$")
_ITSELF = re.compile(r" *(?:[.,;:!?)]|$| (?:of|and|or|is|are|was|where|which|that|as|because|with)\b)")  # "the bottom."
_ELSEWHERE = re.compile(
    r"\b(?:above|below|beneath|under|underneath|beside|besides|next to|outside|beyond|opposite|away from|apart from"
    r"|aside from|other than|all but"
    r"|anywhere but|everywhere but|anything but|everything but|than|between|facing)(?: \w+){0,3} ?$"
)
_ELSEWHERE_KO = re.compile(
    rf"^[^.,;]{{0,40}}?(?:{NO}|않(?![은는])|말고|대신|제외|무시|배제|반대|바깥|밖|벗어|이외|외에|외의|빼고|맞은편"
    rf"|건너편|대각선)"
    r"|^(?:의? ?(?:영역|부분))?보다"
)
_EVERYWHERE = re.compile(
    r"\b(?:everywhere|elsewhere|throughout|all over|both sides|all sides|all four|all corners|corners"
    r"|(?:whole|entire|all of the) (?:image|picture|photo|photograph|frame))\b|전체|곳곳|온통|전반|사방|양쪽|양측"
    r"|네 귀퉁이|다른 곳|다른 부분|나머지"
)


def find_directions(text: str) -> list[PhraseMatch]:
    """Every direction word of a normalized text, without 위 as a part of other words.

    Phrases that claim nothing (value None) are among them.
    """
    return [
        mention
        for mention in find_phrases(text, _DIRECTION)
        if mention.words != "위"
        or not re.match("(?!(?:의|에|로|를|가|는|도)(?![가-힣]{2}))[가-힣]", text[mention.end :])
    ]


def _clusters(text: str) -> list[list[PhraseMatch]]:
    """Direction words that belong together ("upper-left", "왼쪽의 위", "middle of the top")."""
    clusters: list[list[PhraseMatch]] = []
    for mention in find_directions(text):
        joined = (
            clusters
            and clusters[-1][-1].value
            and mention.value
            and _LINK.fullmatch(text[clusters[-1][-1].end : mention.start])
        )
        if joined:
            clusters[-1].append(mention)
        else:
            clusters.append([mention])
    return [cluster for cluster in clusters if cluster[0].value]


def _cell(cluster: list[PhraseMatch]) -> tuple[int | None, int | None]:
    """Row and column of a cluster; None for the one that is not named."""
    named = [mention.value for mention in cluster if mention.value != "middle"]
    rows, columns = {row for row, _ in named if row is not None}, {column for _, column in named if column is not None}
    middle = len(named) < len(cluster)
    if len(rows) > 1 or len(columns) > 1 or (middle and rows and columns):
        raise ValueError("the region is ambiguous: " + " ".join(mention.words for mention in cluster))
    row, column = (rows or {None}).pop(), (columns or {None}).pop()
    if middle:
        return (1 if row is None else row), (1 if column is None else column)
    return row, column


def _counts(text: str, cluster: list[PhraseMatch]) -> bool:
    """Whether a lone direction word is a place: "at the top", "the left side", but not "the right answer"."""
    if len(cluster) > 1 or cluster[0].words not in _WEAK:
        return True
    before, after = text[: cluster[0].start], text[cluster[0].end :]
    if _PLACE.match(after):
        return True
    english = cluster[0].words not in ("위", "아래", "밑", "중간", "central", "mid")
    return english and bool(_IN_THE.search(before) or (before.endswith("the ") and _ITSELF.match(after)))


def claimed_region(text: str) -> str:
    """The cell, one of `evidence.record.REGIONS`, from a normalized text without its class phrases.

    Raises:
        ValueError: no cell is named fully, two different ones are, one is negated or only a point of reference, or the
            whole picture is named.
    """
    clusters: list[list[PhraseMatch]] = []
    for cluster in _clusters(text):
        with_last = clusters and _AND.fullmatch(text[clusters[-1][-1].end : cluster[0].start])
        if with_last or _counts(text, cluster):
            clusters.append(cluster)
    places = [_cell(cluster) for cluster in clusters]
    full = {place for place in places if None not in place}
    rows, columns = (
        {row for row, _ in places if row is not None},
        {column for _, column in places if column is not None},
    )
    if len(full) > 1 or len(rows) > 1 or len(columns) > 1:
        raise ValueError("two different regions are named: name only the one of the evidence")
    if not rows or not columns:
        raise ValueError("no region is named fully: say which of the nine cells, as in top left or center")
    for cluster in clusters:
        before = clause(text, cluster[0].start, cluster[-1].end)[0]
        if NOT_THIS.search(before) or _ELSEWHERE.search(before) or _ELSEWHERE_KO.match(text[cluster[-1].end :]):
            raise ValueError("the region is negated, or only a point of reference")
    if _EVERYWHERE.search(text):
        raise ValueError("more of the picture is named than the region of the evidence")
    return REGIONS[3 * rows.pop() + columns.pop()]
