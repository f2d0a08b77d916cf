"""What is said about one picture, and the whole of it as one file."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from aireal.captions.language.grammar import LANGUAGES
from aireal.evidence.record import EvidenceRecord
from aireal.explain.trust import Statement, overall, trust
from aireal.figures.panel_text import verdict_line
from aireal.figures.style import MARKER

from .bilingual import LEVELS, both, word
from .hangul import font_face, hangul_of


def style() -> str:
    """The style sheet of everything here."""
    return files(__package__).joinpath("picture.css").read_text(encoding="utf-8")


def script() -> str:
    """The script that answers slider, superpixels and the choice of language; it stands once in a page and serves all its pictures."""
    return files(__package__).joinpath("picture.js").read_text(encoding="utf-8")


def head(
    name: str,
    record: EvidenceRecord,
    uncertain_below: float,
    sentences: dict[str, str],
    truth: str = "",
    key: str = "p",
) -> str:
    """File name, verdict, its probability on a scale with the uncertain band, and the sentence.

    Args:
        name: shown as it is, escaped.
        uncertain_below: the classifier's limit of the uncertain band, 0.5..1.
        sentences: language → text; none where no caption was asked for.
        truth: "real" or "fake" where it is known.
    """
    verdict = both(verdict_line(record, "ko"), verdict_line(record, "en"))
    known = f"<span>{_truth(record.label, truth)}</span>" if truth else ""
    said = f'<p class="sentence">{both(sentences["ko"], sentences["en"])}</p>' if sentences else ""
    return f"""<header class="head"><p class="file"><span class="name">{escape(name)}</span>{known}</p>
<h2 class="verdict {record.label}" id="{key}-verdict">{verdict}</h2>{scale(record, uncertain_below, key)}{said}</header>"""


def _truth(label: str, truth: str) -> str:
    ko, en = {"real": ("실제 사진", "a real photograph"), "fake": ("AI 이미지", "an AI image")}[truth]
    right = ("맞음", "right") if label == truth else ("틀림", "wrong")
    return both(f"실제로는 {ko}: 판정이 {right[0]}", f"In truth {en}: the verdict is {right[1]}")


def scale(record: EvidenceRecord, uncertain_below: float, key: str) -> str:
    """P(fake) as a mark between real (left) and AI (right); the uncertain band is hatched."""
    p, low, high = 100 * record.probability_fake, 100 * (1 - uncertain_below), 100 * uncertain_below
    ko, en = f"AI일 확률 {p:.2f}%", f"Probability of AI {p:.2f}%"
    if high > low:
        ko, en = f"{ko} · 불확실 구간 {low:.1f}–{high:.1f}%", f"{en} · uncertain band {low:.1f}–{high:.1f}%"
    band = f'<i class="band" style="left:{low:.2f}%;right:{100 - high:.2f}%"></i>'
    return f"""<div class="scale" role="img" aria-labelledby="{key}-scale"><div class="track">{band}<b style="left:{p:.2f}%"></b></div>
<div class="ends"><span>0% {word("real")}</span><span>50%</span><span>100% {word("fake")}</span></div></div>
<p class="note" id="{key}-scale">{both(ko, en)}</p>"""


def trust_strip(record: EvidenceRecord, key: str) -> str:
    """How far to trust this explanation: the statement about all, one for each check, and what the marks mean."""
    statements = trust(record)
    rows = "".join(f"<li>{_statement(s)}</li>" for s in statements)
    notes = [
        "markers",
        *(["elsewhere"] if {"region", "superpixels"} & {s.key for s in statements} else []),
        "not_proof",
    ]
    return f"""<section class="trust" aria-labelledby="{key}-trust"><h3 id="{key}-trust">{word("trust")}</h3>
<p class="overall">{_statement(overall(statements))}</p><ul>{rows}</ul>{"".join(f'<p class="note">{word(note)}</p>' for note in notes)}</section>"""


def _statement(statement: Statement) -> str:
    glyph, _ = MARKER[statement.level]
    return (
        f'<span class="mark {statement.level}" aria-hidden="true">{glyph}</span><span class="unseen">{both(*LEVELS[statement.level])}: </span>'
        f"<span>{both(statement.ko, statement.en)}</span>"
    )


def language_switch() -> str:
    """Two buttons that switch the whole page; `picture.js` answers them."""
    buttons = "".join(
        f'<button type="button" data-language-of="{language}" aria-pressed="false" lang="{language}">{name}</button>'
        for language, name in (("ko", "한국어"), ("en", "English"))
    )
    return f'<div class="languages" role="group" aria-label="언어 · Language">{buttons}</div>'


def document(title: str, parts: str, language: str = "en") -> str:
    """The parts of a picture as one HTML file that needs nothing else: style and script lie in it, and no other host may be asked.

    Args:
        title: plain text; parts: HTML of `head`, `overlay_view`, `lime_view` and `trust_strip`; language: shown first, "ko" or "en".

    Raises:
        ValueError: another language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not known: choose one of {', '.join(LANGUAGES)}")
    main = f'<main class="page">{language_switch()}<article class="picture">{parts}</article></main>'
    return f"""<!doctype html>
<html lang="{language}" data-language="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(title)} · aireal</title><style>{style()}{font_face(hangul_of(main))}</style></head>
<body class="aireal">{main}<script>{script()}</script></body></html>
"""
