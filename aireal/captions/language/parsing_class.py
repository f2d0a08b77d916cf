"""The class that a sentence claims, with its negations. A sentence with an ambiguous negation is refused."""

from __future__ import annotations

import re

from .lexicon import class_table, compile_table
from .matching import PhraseMatch, clause, find_phrases

CLASS = compile_table(class_table())
# idioms in which a negative word denies nothing
IDIOM = re.compile(
    r"no doubt|without (?:a |any )?(?:shadow of a )?doubt|not only|no less than|nothing but"
    r"|의심할 (?:여지|바)가? ?없|의심의 여지가? ?없|틀림 ?없|다름 ?없|어김 ?없"
)
# words that retract the claim, wherever they stand
_TAKES_BACK = re.compile(
    r"\b(?:wrong(?:ly)?|mistake[ns]?|mistakenly|incorrect(?:ly)?|untrue|error|errors|erroneous(?:ly)?|misjudg\w+"
    r"|misclassif\w+|false|falsely|refut\w+"
    r"|disprov\w+|overturn\w*|retract\w*|contradict\w*|supposed(?:ly)?|alleged(?:ly)?|purported(?:ly)?|so-called"
    r"|pretend\w*)\b"
    r"|틀[렸린립리]|오판|오분류|잘못|오류|착오|반박|뒤집|철회|번복|사실과 다|거짓"
)
_NOT = (
    r"(?:\bnot\b|n't\b|\bnever\b|\bneither\b|\bnor\b|\bcannot\b|\brather than\b|\binstead of\b|\bas opposed to\b"
    r"|\bunlikely\b|\bhardly\b|\bbarely\b|\bscarcely\b|\bfar from\b|\banything but\b|\bopposite of\b|\bnothing like\b"
    r"|\bno longer\b|\bnon\b)"
)
_DENIES = re.compile(
    _NOT + r"|\brul(?:es?|ed|ing) out\b|\bden(?:y|ies|ied)\b|\breject\w*|\bdoubt\w*|\bexclud\w*|\bfail\w* to\b|\bif\b"
    r"|\bunless\b|\bwhether\b"
    r"|\bwere (?:it|this)\b|\btoo\b.* (?:to be|for)\b|\bke(?:ep|pt)\w*\b.* from\b|\baway from\b|\bless likely\b"
    r"|\b(?:may|might|could)\b"
    r"|\b(?:no|little|without) (?:\w+ )?(?:evidence|sign|signs|indication|reason|proof|chance|way|hint|trace|traces)\b"
)
_FILLER = (
    r"(?:an?|the|be|been|being|is|was|are|have|has|judged|considered|called|class(?:ed|ified)|label(?:led|ed)|deemed|as"
    r"|to|it|this"
    r"|likely|really|actually|truly|fully|entirely|any|that|of|by|like|seems?|looks?|appears?|think|believe|say"
    r"|image|picture|photo|photograph)"
)
_NOT_BEFORE = re.compile(rf"(?:{_NOT}|\bno\b)(?:[ \-]+{_FILLER})*[ \-]*$")
_NOT_AFTER = re.compile(
    r"^(?:[ \-]\w+){0,2}?[ \-](?:not|isn't|wasn't|cannot|unlikely|impossible|excluded|rejected|ruled out"
    r"|out of the question)\b"
)
_ASKED = re.compile(r"^[?]+ *(?:no|not|never|hardly|far from|아니|아닙|그렇지 않|전혀|절대)")
NO = "아[니닌님닙닐녀녜냐]"  # 아니라, 아닌, 아님, 아닙니다, ...
_NOT_AFTER_KO = re.compile(
    r"^ ?(?:사진|이미지)? ?(?:이라고|라고|이라|라|이란|란|으로|로|일|인|이|가)?(?:는|은|도)?"
    r" ?(?:볼|보기|보는|보이|보|할|여길|여겨|판단|판정|분류|단정)?(?:할|될|하기|되기|하|되)?(?:지)?"
    rf" ?(?:것|수|가능성|확률)?(?:이|가|은|는|도)? ?(?:거의 )?(?:{NO}|않|없|낮|어렵|어려|힘들|희박)"
)
_DENIES_KO = re.compile(
    rf"{NO}|못[하한할했 ]|않(?![은는])|수[가는도]? ?없|리[가는]? ?(?:없|만무)|거리가 (?:멀|먼|멉)|무리(?=가|입|이|다)"
    r"|(?:증거|근거|가능성|확률|여지|이유)[가는은이도]? ?(?:거의 )?(?:없|낮|희박)|어렵|배제|부정하|부인"
    r"|^ ?(?:사진|이미지)? ?(?:이?라기)?보다|^ ?(?:사진|이미지)? ?(?:이?라면|이?라 하더라도|이?라 해도|[이인일] ?(?:척"
    r"|체|양)|일까|인가|일지)|^ ?(?:사진|이미지)? ?(?:인지)?(?:의)? ?여부"
)


def claimed_class(text: str) -> str:
    """'real' or 'fake', from a normalized text.

    Raises:
        ValueError: no class is named, both are claimed, or the class is negated ambiguously, asked for or supposed.
    """
    text = IDIOM.sub("_", re.sub(r" ?\([ \d.,]*%[^()]*\)", "", text))
    if _TAKES_BACK.search(text):
        raise ValueError("the verdict is taken back or called into question: say plainly real or fake")
    mentions = [mention for mention in find_phrases(text, CLASS) if mention.value]
    claimed, last = set(), 0
    for i, mention in enumerate(mentions):
        following = mentions[i + 1].start if i + 1 < len(mentions) else len(text)
        certain, perhaps = _negations(text, mention, last, following)
        if perhaps or certain > 1:
            raise ValueError("the class is negated in a way that can be read twice: say plainly real or fake")
        claimed.add({"real": "fake", "fake": "real"}[mention.value] if certain else mention.value)
        last = mention.end
    if not claimed:
        raise ValueError("no class is named: say real or fake")
    if len(claimed) > 1:
        raise ValueError("both classes are claimed: say real or fake, not both")
    return claimed.pop()


def _negations(text: str, mention: PhraseMatch, last: int, following: int) -> tuple[int, int]:
    """How often a class mention is negated: certainly, and perhaps.

    Args:
        last: end of the mention before it.
        following: start of the mention after it.
    """
    before, after = clause(text, mention.start, mention.end)
    end = mention.end + len(after)
    before = before[max(0, last - (mention.start - len(before))) :]
    certain = perhaps = 0
    if match := _NOT_BEFORE.search(before):
        certain, before = 1, before[: match.start()]
    perhaps += len(_DENIES.findall(before))
    alone = end <= following
    perhaps += bool(alone and _ASKED.match(text[end:]))
    after = after[: max(0, following - mention.end)]
    if match := _NOT_AFTER_KO.match(after):
        certain, after = certain + 1, after[match.end() :]
    perhaps += len(_DENIES_KO.findall(after)) + bool(alone and _NOT_AFTER.match(after))
    return certain, perhaps
