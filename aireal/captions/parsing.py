"""From a sentence back to what it claims: class, number, region, cues. The judge of base captions and of foreign ones.

It is strict on purpose: where two readings are possible it refuses, because a sentence that is refused costs one sentence
and a false one that passes is taught to a model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..evidence import REGIONS
from .lexicon import DIRECTION, WEAK, class_table, compile_table, cue_table

CUES = ("colour", "brightness", "texture", "edges")


@dataclass(frozen=True)
class Parsed:
    """What a sentence claims. `probability` in percent; a cue that is not named is None."""

    label: str
    probability: float
    region: str
    colour: str | None
    brightness: str | None
    texture: str | None
    edges: str | None
    language: str


@dataclass(frozen=True)
class Mention:
    """One phrase found in a text: its value and its place."""

    value: object
    start: int
    end: int
    words: str


def parse(text: str) -> Parsed:
    """Read class, number, region and cues back out of a Korean or English sentence.

    Raises:
        ValueError: class, number or region is missing, named twice differently, or negated so that it cannot be placed;
            a cue is contradictory; the language is unclear. One sentence says which.
    """
    plain = normalize(text)
    language = language_of(plain)
    label = _label(plain)
    # what is left is read without the class phrases, which end a clause: "not real at the top left" denies no region
    rest = _blank(plain, _mentions(plain, _CLASS), ";")
    return Parsed(label, _number(rest), _region(rest), *(_cue(rest, kind) for kind in CUES), language=language)


_PLAIN = str.maketrans("’‘‐‑−", "''---")


def normalize(text: str) -> str:
    """NFKC, lower case, plain apostrophes and hyphens, no invisible characters, single blanks."""
    text = unicodedata.normalize("NFKC", str(text)).translate(_PLAIN)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return re.sub(r"\s+", " ", text).strip().lower()


def language_of(text: str) -> str:
    """'ko' or 'en' by the script of the letters ("AI" counts for neither; a few foreign letters are let pass).

    Raises:
        ValueError: no letters, another script, or both languages in earnest.
    """
    text = re.sub(r"(?<![a-z])(?:ai|grad-?cam|lime|resnet\d*|paligemma)(?![a-z])", " ", text.lower())
    hangul, latin = len(re.findall("[가-힣]", text)), len(re.findall("[a-z]", text))
    other = sum(character.isalpha() for character in text) - hangul - latin
    if hangul + latin == 0 or other > 0.05 * (hangul + latin):
        raise ValueError("the text is neither Korean nor English")
    # a Korean syllable carries about what two and a half Latin letters do
    share = 2.5 * hangul / (2.5 * hangul + latin)
    if 0.15 < share < 0.85:
        raise ValueError("the text mixes Korean and English: write it in one language")
    return "ko" if share > 0.5 else "en"


def _mentions(text: str, compiled: tuple) -> list[Mention]:
    pattern, values = compiled
    found = []
    for match in pattern.finditer(text):
        words = re.sub(r"[\s\-]", "", match.group())
        found.append(Mention(values[words], match.start(), match.end(), words))
    return found


def _blank(text: str, mentions: list[Mention], first: str = "_") -> str:
    """The text with the mentions covered, each at its length."""
    for mention in mentions:
        text = text[:mention.start] + first.ljust(mention.end - mention.start, "_") + text[mention.end:]
    return text


# --- class and negation ------------------------------------------------------------------------------------------------

_CLASS = compile_table(class_table())
_BOUNDARY = re.compile(
    r"[;:!?()]|[.,](?!\d)|\b(?:but|because|since|while|whereas|although|yet)\b"
    r"|(?:는데|은데|지만|면서|므로|니까|[어아여해]서)(?=[ ,])|며(?=[ ,])|(?<![라다])고(?=[ ,])(?! ?(?:있|싶))"
)
# idioms in which a negative word denies nothing
_IDIOM = re.compile(
    r"no doubt|without (?:a |any )?(?:shadow of a )?doubt|not only|no less than|nothing but"
    r"|의심할 (?:여지|바)가? ?없|의심의 여지가? ?없|틀림 ?없|다름 ?없|어김 ?없"
)
_NOT = (
    r"(?:\bnot\b|n't\b|\bnever\b|\bneither\b|\bnor\b|\bcannot\b|\brather than\b|\binstead of\b|\bas opposed to\b"
    r"|\bunlikely\b|\bhardly\b|\bfar from\b|\bnon\b)"
)
_DENIES = re.compile(
    _NOT + r"|\brul(?:es?|ed|ing) out\b|\bden(?:y|ies|ied)\b|\breject\w*|\bdoubt\w*|\bexclud\w*|\bfail\w* to\b"
    r"|\b(?:no|little|without) (?:\w+ )?(?:evidence|sign|signs|indication|reason|proof|chance|way|hint|trace|traces)\b"
)
_FILLER = (
    r"(?:an?|the|be|been|being|is|was|are|have|has|judged|considered|called|class(?:ed|ified)|label(?:led|ed)|deemed|as|to|it|this"
    r"|likely|really|actually|truly|fully|entirely|any|that|of|by|like|seems?|looks?|appears?|think|believe|say"
    r"|image|picture|photo|photograph)"
)
_NOT_BEFORE = re.compile(rf"(?:{_NOT}|\bno\b)(?:[ \-]+{_FILLER})*[ \-]*$")
_NOT_AFTER = re.compile(
    r"^(?:[ \-]\w+){0,2}?[ \-](?:not|isn't|wasn't|cannot|unlikely|impossible|excluded|rejected|ruled out|out of the question)\b"
)
_NO = "아[니닌님닙닐녀녜냐]"  # 아니라, 아닌, 아님, 아닙니다, ...
_NOT_AFTER_KO = re.compile(
    r"^ ?(?:사진|이미지)? ?(?:이라고|라고|이라|라|이란|란|으로|로|일|인|이|가)?(?:는|은|도)?"
    r" ?(?:볼|보기|보는|보이|보|할|여길|여겨|판단|판정|분류|단정)?(?:할|될|하기|되기|하|되)?(?:지)?"
    rf" ?(?:것|수|가능성|확률)?(?:이|가|은|는|도)? ?(?:거의 )?(?:{_NO}|않|없|낮|어렵|어려|힘들|희박)"
)
_DENIES_KO = re.compile(
    rf"{_NO}|못[하한할했 ]|않(?![은는])|수[가는도]? ?없"
    r"|(?:증거|근거|가능성|확률|여지|이유)[가는은이도]? ?(?:거의 )?(?:없|낮|희박)|어렵|배제|부정하|부인"
)


def _clause(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before and after a mention within its clause."""
    before = [match.end() for match in _BOUNDARY.finditer(text, 0, start)]
    after = _BOUNDARY.search(text, end)
    return text[before[-1] if before else 0:start], text[end:after.start() if after else len(text)]


def _negations(text: str, mention: Mention, last: int, following: int) -> tuple[int, int]:
    """How often a class mention is denied: certainly, and perhaps. `last` and `following` are the neighbours' limits."""
    before, after = _clause(text, mention.start, mention.end)
    before = before[max(0, last - (mention.start - len(before))):]
    certain = perhaps = 0
    if match := _NOT_BEFORE.search(before):
        certain, before = 1, before[:match.start()]
    perhaps += len(_DENIES.findall(before))
    alone = mention.end + len(after) <= following
    after = after[:max(0, following - mention.end)]
    if match := _NOT_AFTER_KO.match(after):
        certain, after = certain + 1, after[match.end():]
    perhaps += len(_DENIES_KO.findall(after)) + bool(alone and _NOT_AFTER.match(after))
    return certain, perhaps


def _label(text: str) -> str:
    text = _IDIOM.sub("_", re.sub(r" ?\([ \d.,]*%[^()]*\)", "", text))
    mentions = [mention for mention in _mentions(text, _CLASS) if mention.value]
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


# --- number ------------------------------------------------------------------------------------------------------------

_PERCENT = re.compile(
    r"(?<![\d.,])(?<!\d[\-–~])(?<![a-z])(-?)(\d+(?:[.,]\d+)?) ?(?:%|percent\b|per cent\b|퍼센트|프로(?![가-힣a-z]))"
)
_DECIMAL = re.compile(r"(?<![\d.,])\d+\.\d+(?![\d%]| ?(?:%|percent|per cent|퍼센트|프로))")
_NOT_THIS = re.compile(r"(?:not|n't|never|rather than|instead of|neither|nor|ignor\w+|exclud\w+|except\w*)(?: \w+){0,3} ?$")
_NOT_THIS_KO = re.compile(rf"^(?:[가-힣]{{0,3}} ?)?(?:이|가|은|는)? ?(?:{_NO}|말고)|^지(?:는|도)? ?(?:않|못)")


def _denied(text: str, mention: Mention) -> bool:
    before, after = _clause(text, mention.start, mention.end)
    return bool(_NOT_THIS.search(before) or _NOT_THIS_KO.match(after))


def _number(text: str) -> float:
    text = _IDIOM.sub("_", text)
    matches = list(_PERCENT.finditer(text))
    found = {float(match.group(2).replace(",", ".")) for match in matches}
    if not found:
        raise ValueError("no probability is named: give it as a percentage, as in 98.67%")
    if len(found) > 1:
        raise ValueError(f"{len(found)} different percentages are named: give only the probability of the verdict")
    number = found.pop()
    if any(match.group(1) for match in matches) or number > 100:
        raise ValueError("the probability is not between 0 and 100 percent")
    if any(float(other.group()) not in (number, round(number / 100, 4)) for other in _DECIMAL.finditer(text)):
        raise ValueError("a second number beside the probability is named")
    if any(_denied(text, Mention(number, match.start(), match.end(), "")) for match in matches):
        raise ValueError("the probability is negated")
    return number


# --- region ------------------------------------------------------------------------------------------------------------

_DIRECTION = compile_table(DIRECTION)
_WEAK = {word.replace(" ", "") for word in WEAK}
_LINK = re.compile(r"(?:부분|부)?의?[ \-/·]*|,? ?(?:part|side|edge|half|third|corner)? of the ")
_PLACE = re.compile(r"[ \-]*(?:most )?(?:part|area|region|side|edge|corner|half|third|section|portion|zone|of the|영역|부분)")
_IN_THE = re.compile(r"(?:at|in|on|near|toward|towards|to) the (?:very )?$")
_ITSELF = re.compile(r" *(?:[.,;:!?)]|$| (?:of|and|or|is|are|was|where|which|that|as|because|with)\b)")  # "the bottom."
_NOT_REGION_KO = re.compile(rf"^[^.,;]{{0,40}}?(?:{_NO}|않(?![은는])|말고|대신|제외|무시|배제)")


def _clusters(text: str) -> list[list[Mention]]:
    """Direction words that belong together ("upper-left", "왼쪽의 위", "middle of the top")."""
    clusters: list[list[Mention]] = []
    for mention in _mentions(text, _DIRECTION):
        if mention.words == "위" and re.match("(?!(?:의|에|로)(?![가-힣]{2}))[가-힣]", text[mention.end:]):
            continue  # 위치, 위조, ...
        joined = clusters and clusters[-1][-1].value and mention.value and _LINK.fullmatch(text[clusters[-1][-1].end:mention.start])
        if joined:
            clusters[-1].append(mention)
        else:
            clusters.append([mention])
    return [cluster for cluster in clusters if cluster[0].value]


def _cell(cluster: list[Mention]) -> tuple[int | None, int | None]:
    """Row and column of a cluster; None where it says nothing."""
    named = [mention.value for mention in cluster if mention.value != "middle"]
    rows, columns = {row for row, _ in named if row is not None}, {column for _, column in named if column is not None}
    middle = len(named) < len(cluster)
    if len(rows) > 1 or len(columns) > 1 or (middle and rows and columns):
        raise ValueError("the region is ambiguous: " + " ".join(mention.words for mention in cluster))
    row, column = (rows or {None}).pop(), (columns or {None}).pop()
    if middle:
        return (1 if row is None else row), (1 if column is None else column)
    return row, column


def _counts(text: str, cluster: list[Mention]) -> bool:
    """Whether a lone direction word is a place: "at the top", "the left side", but not "the right answer"."""
    if len(cluster) > 1 or cluster[0].words not in _WEAK:
        return True
    before, after = text[:cluster[0].start], text[cluster[0].end:]
    if _PLACE.match(after):
        return True
    english = cluster[0].words not in ("위", "아래", "밑", "중간", "central", "mid")
    return english and bool(_IN_THE.search(before) or (before.endswith("the ") and _ITSELF.match(after)))


def _region(text: str) -> str:
    clusters = [cluster for cluster in _clusters(text) if _counts(text, cluster)]
    places = [_cell(cluster) for cluster in clusters]
    full = {place for place in places if None not in place}
    rows, columns = {row for row, _ in places if row is not None}, {column for _, column in places if column is not None}
    if len(full) > 1 or len(rows) > 1 or len(columns) > 1:
        raise ValueError("two different regions are named: name only the one of the evidence")
    if not rows or not columns:
        raise ValueError("no region is named fully: say which of the nine cells, as in top left or center")
    for cluster in clusters:
        place = Mention(None, cluster[0].start, cluster[-1].end, "")
        if _NOT_THIS.search(_clause(text, place.start, place.end)[0]) or _NOT_REGION_KO.match(text[place.end:]):
            raise ValueError("the region is negated")
    return REGIONS[3 * rows.pop() + columns.pop()]


# --- cues --------------------------------------------------------------------------------------------------------------

_CUE = {kind: compile_table(cue_table(kind)) for kind in CUES}


def _cue(text: str, kind: str) -> str | None:
    """The named value of one cue, None when none is named."""
    if kind == "texture":  # "soft, blurred edges" speak of edges with a texture's word
        text = _blank(text, _mentions(text, _CUE["edges"]))
    mentions = [mention for mention in _mentions(text, _CUE[kind]) if mention.value]
    values = {mention.value for mention in mentions}
    if len(values) > 1:
        raise ValueError(f"two different words for {kind} are named: {' and '.join(sorted(values))}")
    if any(_denied(text, mention) for mention in mentions):
        raise ValueError(f"the {kind} is negated")
    return values.pop() if values else None
