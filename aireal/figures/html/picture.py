"""The text of one explained picture as HTML (verdict, sentence, trust), and the whole explanation as one file."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from aireal.captions.language.grammar import LANGUAGES
from aireal.evidence.record import EvidenceRecord
from aireal.explain.trust import Statement, overall, trust
from aireal.figures.panel_text import verdict_line
from aireal.figures.style import BLUE, GRAY, ORANGE
from aireal.figures.words import TRUST_LEVELS
from aireal.provenance.wording import NOTE, full_line

from .bilingual import both, word
from .hangul import font_face, hangul_of


def style() -> str:
    """The style sheet of a picture's views, with the colours of the figures."""
    colours = f":root {{ --blue: {BLUE}; --orange: {ORANGE}; --gray: {GRAY}; }}\n"
    return colours + files(__package__).joinpath("picture.css").read_text(encoding="utf-8")


def script() -> str:
    """The script that answers slider, superpixels and language switch; one copy serves all pictures of a page."""
    return files(__package__).joinpath("picture.js").read_text(encoding="utf-8")


def head(
    name: str,
    record: EvidenceRecord,
    uncertain_below: float,
    sentences: dict[str, str],
    truth: str = "",
    key: str = "p",
) -> str:
    """File name, verdict, its probability on a scale with the uncertain band, the sentence, and what the file says.

    Args:
        name: the file name; it is escaped.
        uncertain_below: the classifier's limit of the uncertain band, 0.5..1.
        sentences: language → text; empty where no caption was written.
        truth: "real" or "fake" where it is known.
    """
    verdict = both(verdict_line(record, "ko"), verdict_line(record, "en"))
    correctness = f"<span>{_correctness(record.label, truth)}</span>" if truth else ""
    sentence = f'<p class="sentence">{both(sentences["ko"], sentences["en"])}</p>' if sentences else ""
    return f"""<header class="head"><p class="file"><span class="name">{escape(name)}</span>{correctness}</p>
<h2 class="verdict {record.label}" id="{key}-verdict">{verdict}</h2>
{scale(record, uncertain_below, key)}{sentence}{from_the_file(record)}</header>"""


def from_the_file(record: EvidenceRecord) -> str:
    """What the file says of itself, escaped, and that it proves nothing; "" where the file was not looked at."""
    if record.provenance is None:
        return ""
    return file_frame(f"{both(*full_line(record.provenance))}", both(*NOTE))


def file_frame(says: str = "", note: str = "") -> str:
    """The frame of what the file says (HTML); empty, it is a template that a script fills."""
    return f'<div class="from-file"><p class="says">{says}</p><p class="note">{note}</p></div>'


def _correctness(label: str, truth: str) -> str:
    ko, en = {"real": ("실제 사진", "a real photograph"), "fake": ("AI 이미지", "an AI image")}[truth]
    result_ko, result_en = ("맞음", "right") if label == truth else ("틀림", "wrong")
    return both(f"실제로는 {ko}: 판정이 {result_ko}", f"In truth {en}: the verdict is {result_en}")


def scale(record: EvidenceRecord, uncertain_below: float, key: str) -> str:
    """P(fake) as a mark between real (left) and AI (right); the uncertain band is hatched."""
    p, low, high = 100 * record.probability_fake, 100 * (1 - uncertain_below), 100 * uncertain_below
    ko, en = f"AI일 확률 {p:.2f}%", f"Probability of AI {p:.2f}%"
    if high > low:
        ko, en = f"{ko} · 불확실 구간 {low:.2f}–{high:.2f}%", f"{en} · uncertain band {low:.2f}–{high:.2f}%"
    band = f'<i class="band" style="left:{low:.2f}%;right:{100 - high:.2f}%"></i>'
    return f"""<div class="scale" role="img" aria-labelledby="{key}-scale">
<div class="track">{band}<b style="left:{p:.2f}%"></b></div>
<div class="ends"><span>0% {word("real")}</span><span>50%</span><span>100% {word("fake")}</span></div></div>
<p class="note" id="{key}-scale">{both(ko, en)}</p>"""


def trust_strip(record: EvidenceRecord, key: str) -> str:
    """The trust statements of a record, the overall one first, and the key to their marks."""
    statements = trust(record)
    compared = bool({"region", "superpixels"} & {s.key for s in statements})
    rows = "".join(f"<li>{_statement(s)}</li>" for s in statements)
    return trust_frame(_statement(overall(statements)), rows, compared, key)


def trust_frame(summary: str = "", rows: str = "", compared: bool = True, key: str = "p") -> str:
    """The trust strip around statements (HTML); empty, it is a template that a script fills.

    Args:
        compared: whether a statement compares an area with random ones, which a note explains.
    """
    marks = " ".join(f'<span class="mark {level}"></span> {both(*name)}' for level, name in TRUST_LEVELS.items())
    notes = (marks, *([word("elsewhere")] if compared else []), word("not_proof"))
    return f"""<section class="trust" aria-labelledby="{key}-trust"><h3 id="{key}-trust">{word("trust")}</h3>
<p class="overall">{summary}</p><ul>{rows}</ul>{"".join(f'<p class="note">{note}</p>' for note in notes)}</section>"""


def _statement(statement: Statement) -> str:
    return (
        f'<span class="mark {statement.level}" aria-hidden="true"></span>'
        f'<span class="unseen">{both(*TRUST_LEVELS[statement.level])}: </span>'
        f"<span>{both(statement.ko, statement.en)}</span>"
    )


def language_switch() -> str:
    """Two buttons that switch the whole page; `picture.js` answers them."""
    buttons = "".join(
        f'<button type="button" data-language-of="{language}" aria-pressed="false" lang="{language}">{name}</button>'
        for language, name in (("ko", "한국어"), ("en", "English"))
    )
    return f'<div class="languages" role="group" aria-label="언어 · Language">{buttons}</div>'


OWN_LANGUAGE = '<script>airealSpeak((navigator.language || "").toLowerCase().startsWith("ko") ? "ko" : "en")</script>'


def document(title: str, parts: str, language: str = "") -> str:
    """One self-contained HTML file with a picture's parts; its content policy forbids requests to other hosts.

    Args:
        title: plain text.
        parts: HTML of `head`, `overlay_view`, `lime_view` and `trust_strip`.
        language: the language of the page when it opens, "ko" or "en"; "" for the browser's.

    Raises:
        ValueError: another language.
    """
    if language not in ("", *LANGUAGES):
        raise ValueError(f"There is no language {language!r}: choose one of {', '.join(LANGUAGES)}.")
    main = f'<main class="page">{language_switch()}<article class="picture">{parts}</article></main>'
    policy = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return f"""<!doctype html>
<html lang="{language or "en"}" data-language="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)} · aireal</title><style>{style()}{font_face(hangul_of(main))}</style></head>
<body class="aireal">{main}<script>{script()}</script>{"" if language else OWN_LANGUAGE}</body></html>
"""
