"""The probability that a sentence claims: one exact percentage, and no other number."""

from __future__ import annotations

import re

from .matching import TOOLS, PhraseMatch, clause
from .parsing_class import NO

_PERCENT = re.compile(
    r"(?<![\d.,])(?<!\d[\-–~])(?<![a-z])(-?)(\d+(?:[.,]\d+)?) ?(?:%(?! ?(?:p\b|포인트))"
    r"|percent\b(?! points?\b)|per cent\b|퍼센트(?! ?포인트)|프로(?![가-힣a-z]))"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_SPELLED = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety"
    r"|hundred|half)\b(?:[ -][a-z]+){0,5}[ -](?:percent|per cent|%)"
    r"|(?<![가-힣])[영공일이삼사오육륙칠팔구십백점][영공일이삼사오육륙칠팔구십백점 ]*(?:퍼센트|프로(?![가-힣]))"
)
# the number as a bound or as a guess
_BOUND_BEFORE = re.compile(
    r"(?:\b(?:more|less|fewer|greater|higher|lower|other) than|\bat (?:least|most)|\bup to|\b(?:over|under|above|below"
    r"|nearly|almost|about|around"
    r"|roughly|approximately|some|circa|close to|barely|beyond|between|exceed\w*|than)|[~≈<>≥≤±]|(?<![가-힣])(?:약|거의"
    r"|대략|최소|최대|적어도|많아야|기껏해야))"
    r"\s*(?:an? |the )?(?:probability of |chance of )?$"
)
_BOUND_AFTER = re.compile(
    r"^(?:\+|±| ?or (?:more|less|so|higher|lower|above|below)\b| at (?:least|most)\b| ?(?:이상|이하|미만|초과|가량|정도"
    r"|안팎|내외|남짓|가까이)"
    r"|[를을]? ?(?:넘|웃돌|밑돌|훌쩍)|에 (?:가까|육박|못|달하지|미치지)|보다)"
)
# a percentage of something else than the verdict's certainty
_OTHER_QUANTITY = re.compile(
    r"(?:%|percent|per cent) of (?!certainty|confidence|probability|likelihood|being)|%의 ?(?:면적|픽셀|화소|영역|부분"
    r"|크기|밝기)"
    r"|\b(?:accuracy|precision|recall|error rate)\b|정확도|정밀도|재현율|오차|면적|비율"
)
NOT_THIS = re.compile(
    r"(?:\bnot|n't|never|rather than|instead of|neither|nor|ignor\w+|exclud\w+|except\w*|\bno|without|\black\w*|hardly"
    r"|barely|scarcely|anything but"
    r"|far from|\bless|\bnon|free of|(?:^| )(?:안|덜))(?:[ \-]\w+){0,3}[ \-]?$"
)
_NOT_THIS_KO = re.compile(
    rf"^(?:[가-힣]{{0,3}} ?)?(?:이|가|은|는)? ?(?:{NO}|말고|없|라기보다)|^(?:하|롭|럽)?지(?:는|도|가)? ?(?:않|못)"
    rf"|^과는? ?(?:거리|무관)"
)
_NOT_AFTER = re.compile(r"^(?: \w+){0,3}? (?:not|nowhere|absent|missing|lacking|isn't|aren't|wasn't|weren't)\b")


def is_denied(text: str, mention: PhraseMatch) -> bool:
    """Whether a mention is negated within its clause."""
    before, after = clause(text, mention.start, mention.end)
    return bool(NOT_THIS.search(before) or _NOT_THIS_KO.match(after) or _NOT_AFTER.match(after))


def claimed_number(text: str) -> float:
    """The probability in percent, from a normalized text without its class phrases.

    Raises:
        ValueError: there is no percentage or several, one outside 0 to 100, a bound or a guess, a share of something
            else, or a further number.
    """
    matches = list(_PERCENT.finditer(text))
    percentages = {float(match.group(2).replace(",", ".")) for match in matches}
    if not percentages:
        raise ValueError("no probability is named: give it as a percentage, as in 98.67%")
    if len(percentages) > 1:
        raise ValueError(
            f"{len(percentages)} different percentages are named: give only the probability of the verdict"
        )
    number = percentages.pop()
    if any(match.group(1) for match in matches) or number > 100:
        raise ValueError("the probability is not between 0 and 100 percent")
    rest = re.sub(TOOLS, " ", _PERCENT.sub(" ", text))
    if _SPELLED.search(text) or any(
        float(n.replace(",", ".")) not in (number, round(number / 100, 4)) for n in _NUMBER.findall(rest)
    ):
        raise ValueError("a second number beside the probability is named")
    if any(is_denied(text, PhraseMatch(number, match.start(), match.end(), "")) for match in matches):
        raise ValueError("the probability is negated")
    if any(_BOUND_BEFORE.search(text[: match.start()]) or _BOUND_AFTER.match(text[match.end() :]) for match in matches):
        raise ValueError("the probability is given as a bound or a guess: give it exactly")
    if _OTHER_QUANTITY.search(text):
        raise ValueError("the percentage is not that of the verdict")
    return number
