"""The vocabulary of captions: phrases that the parser reads (class, region, number, cues), and closed lists of words.

The lists are generous with function words and with verbs of looking and judging, which claim nothing about the picture,
and tight with nouns and adjectives, which do. A sentence with a word outside ("fingers", "하늘", "unnatural", "not")
claims more than its record.
"""

from __future__ import annotations

import re

from .matching import TOOLS, find_phrases, mask, normalize
from .parsing import CUES, cue_mentions
from .parsing_class import CLASS, IDIOM
from .parsing_region import find_directions
from .vocabulary_ko import is_known_ko

_FUNCTION = """
    a an the this that these those it its it's itself there here which who whose whom what where when why how while as
    because since for of in on at to from by with within into onto over about around through across along toward
    towards upon per via between than and or but so then thus hence therefore thereby accordingly consequently yet also
    too both each such same one other if only just even very most more much many all any some is are was were be been
    being am has have had having do does did done can could may might must will would shall should let lets let's
    that's there's i we you he she they them their our us my me his her mainly chiefly primarily mostly largely
    especially particularly notably precisely exactly directly specifically strongly firmly overall ultimately finally
    first alone together again now after before once out up down off away close near nearby next right left well still
    likely thanks everything visibly namely i.e is
"""
_ADJECTIVES = """
    main major primary principal key chief crucial decisive important strong strongest stronger leading telling
    determining deciding relevant responsible biggest largest greatest heaviest hottest warmest visible certain
    confident sure final own whole specific particular central measured given
"""
_NOUNS = """
    image picture photo photograph model detector classifier network system algorithm heatmap heat map overlay area
    region part patch spot zone section corner side edge edging outline contour boundary border frame place portion
    quadrant third half verdict decision judgement judgment conclusion result outcome assessment prediction
    classification answer label class category probability likelihood chance confidence certainty score percent
    percentage evidence reason reasoning basis grounds clue cue indication indicator hint factor feature focus
    attention gaze weight signal support point thing fact way explanation analysis finding colour color tone hue shade
    brightness texture pull case value bearing emphasis influence
"""
_VERBS = """
    judge rate deem consider call label classify class categorize categorise identify recognize recognise regard view
    see look examine inspect study scan observe notice note find locate read take treat count decide determine conclude
    infer deduce derive draw reach arrive come go get assign attribute give put set place base rest rely depend lean
    hinge root rely focus concentrate center centre fix settle fall lie sit stand dwell linger direct attend point
    highlight indicate show reveal display present expose suggest imply signal tell say state report declare announce
    pronounce describe explain account support favor favour speak argue justify confirm lead guide steer drive push
    pull tip sway move bring carry weigh matter contribute influence affect convince persuade prompt cause make let
    yield produce return output deliver result end estimate calculate compute predict score measure evaluate assess
    appraise believe think reckon hold trust sum ask answer reply respond name pick choose select single use need rank
    attract catch capture gather collect stem originate arise follow belong seem appear turn work help serve act form
    play add combine start begin remain keep provide offer contain include feature have occupy situate position stand
    draw peak concern relate link tie connect dominate outweigh hit owe rise stay
"""
_IRREGULAR = """
    saw seen found took taken gave given came gone went got drawn drew fell fallen lay lain sat stood dwelt pointed
    shown told said spoken spoke led drove driven brought made let thought held chosen chose sprang sprung began begun
    kept left put set read rose risen understood bore borne built lent leant caught lit relied lies lying tied tying
    stood laid won grounded founded backed leave leaving marked
"""


def _inflected(verb: str) -> set[str]:
    """A verb with all endings that an English verb of its spelling can take; a few of the forms do not exist."""
    stem = verb.removesuffix("e")
    forms = {verb, verb + "s", verb + "es", stem + "ed", stem + "ing", verb + verb[-1] + "ed", verb + verb[-1] + "ing"}
    return forms | ({verb[:-1] + "ied", verb[:-1] + "ies"} if verb.endswith("y") else set())


_KNOWN_EN = {
    *(_FUNCTION + _ADJECTIVES + _IRREGULAR).split(),
    *(noun + ending for noun in _NOUNS.split() for ending in ("", "s", "es", "'s")),
    "boundaries",
    "probabilities",
    "analyses",
    "likelihoods",
    *(form for verb in _VERBS.split() for form in _inflected(verb)),
}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)? ?(?:%|percent\b|per cent\b|퍼센트|프로(?![가-힣a-z]))?")


def unknown_words(sentence: str, language: str) -> list[str]:
    """The words of a sentence ('ko' or 'en') outside the vocabulary, in order, each once.

    They are in normal form; Korean words have their endings.
    """
    text = normalize(sentence)
    masked = mask(text, find_phrases(text, CLASS) + find_directions(text))
    for kind in reversed(CUES):  # edges before texture, as in parsing: "부드러운 윤곽" is one phrase
        masked = mask(masked, [mention for mention in cue_mentions(masked, kind) if mention.value])
    for pattern in (IDIOM, TOOLS, _NUMBER):
        masked = re.sub(pattern, lambda match: "_" * len(match.group()), masked)
    is_known = is_known_ko if language == "ko" else _is_known_en
    unknown = {}
    for match in re.finditer(r"[^\W\d]+(?:'[^\W\d_]+)?", masked):
        if match.group().strip("_") and not is_known(match.group()):
            unknown.setdefault(text[match.start() : match.end()])
    return list(unknown)


def _is_known_en(word: str) -> bool:
    return word in _KNOWN_EN or word.removesuffix("'s") in _KNOWN_EN
