"""The rows of one run and how far each is: what was asked, what the gate kept, and what must be asked next.

Nothing of this is stored. It follows from the rows and the replies in the journal, so that a run that was killed and one that was not
come to the same questions and the same table; a gate that has become stricter since asks again only for what it no longer accepts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from aireal.captions.language.lexicon import LANGUAGES
from aireal.captions.language.validate import enriched, filter_valid, violations
from aireal.captions.table import Answer, CaptionRow

from .ledger import Ledger
from .prompt import complaint_text, fields
from .reply import Reply
from .request import Question, key_of, picture_hash, tokens_for

BASE = "base"
TRIES = 3  # answers of one run that settle nothing (expired, errored), after which a row waits for the next run
_OPEN, _DONE, _UNSOUND, _BLIND = range(4)


@dataclass(frozen=True)
class Rejected:
    """A sentence, or a whole row, that was left out, and why."""

    image: str
    language: str
    sentence: str
    author: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WorkItem:
    """A question that is open: the row it is about, its overlay's file and its key."""

    number: int
    row: CaptionRow
    overlay: Path
    ask: Question
    key: str


@dataclass
class RowProgress:
    """One row so far. `kept` holds (language, sentence, request id, key), `rejected` (language, sentence, reasons).

    `ask` is the next question, None when the row is done; `note` says why a row brought less than it could have.
    """

    kept: list[tuple[str, str, str, str]] = field(default_factory=list)
    rejected: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    ask: Question | None = None
    key: str = ""
    note: str = ""

    def missing(self, n: int) -> dict[str, int]:
        return {language: n - sum(of == language for of, *_ in self.kept) for language in LANGUAGES}


class ValidRows:
    """Rows whose base captions agree with their records, each image once; goes through the rows anew each time. `rejected` lists the others."""

    def __init__(self, rows: Iterable[CaptionRow]):
        self.rows, self.rejected, seen = rows, [], set()
        self._sound = bytearray(not self._faults(row, seen) for row in rows)

    def __len__(self) -> int:
        return sum(self._sound)

    def __iter__(self) -> Iterator[CaptionRow]:
        return (row for row, sound in zip(self.rows, self._sound, strict=True) if sound)

    def _faults(self, row: CaptionRow, seen: set[str]) -> bool:
        wrong = {language: violations(row.captions[language], row.record, language) for language in LANGUAGES}
        if row.image in seen:
            wrong = {LANGUAGES[0]: ["the image stands in the table twice; its first row was used"]}
        seen.add(row.image)
        self.rejected += [
            Rejected(row.image, language, row.captions[language], BASE, tuple(why))
            for language, why in wrong.items()
            if why
        ]
        return any(wrong.values())


class Worklist:
    """Args:
    rows: gone through several times, always in the same order.
    n: sentences a language and row.
    folder: what the rows' overlay paths are relative to.
    author: what the table names as the author; the model's id unless this is a rehearsal.
    enriched: keep sentences with words outside the vocabulary, and mark them, instead of rejecting them.
    """

    def __init__(
        self, rows: ValidRows, n: int, folder: Path, model: str, book: Ledger, author: str, enriched: bool = False
    ):
        self.enriched, self.rows, self.n, self.folder, self.model, self.book, self.author = (
            enriched,
            rows,
            n,
            folder,
            model,
            book,
            author,
        )
        self.unusable: dict[int, str] = {}  # by row number: why its overlay cannot be sent
        self._pictures: dict[int, str] = {}
        self._done = bytearray(len(rows))

    def open(self) -> Iterator[WorkItem]:
        """Every question that may be asked now, each once; rows that have failed `TRIES` times in this run are passed over."""
        asked = set()
        for number, row in enumerate(self.rows):
            if self._done[number] or number in self.unusable:
                continue
            progress = self.follow(number, row)
            if progress is None or progress.ask is None:
                self._done[number] = progress is not None
            elif progress.key not in asked and self.book.failed_attempts[progress.key] < TRIES:
                asked.add(progress.key)
                yield WorkItem(number, row, self.folder / row.overlay, progress.ask, progress.key)

    def follow(self, number: int, row: CaptionRow) -> RowProgress | None:
        """How far a row is; None when its overlay cannot be used."""
        if number not in self._pictures and number not in self.unusable:
            try:
                self._pictures[number] = picture_hash(self.folder / row.overlay)
            except ValueError as error:
                self.unusable[number] = str(error)
        if number in self.unusable:
            return None
        progress, picture = RowProgress(ask=Question.first(self.n)), self._pictures[number]
        while progress.ask is not None:
            progress.key = key_of(progress.ask, row, picture, self.model)
            reply = self.book.reply(progress.key, self.model)
            if reply is None:
                break
            progress.ask = self._next(progress, reply, row)
        return progress

    def _next(self, progress: RowProgress, reply: Reply, row: CaptionRow) -> Question | None:
        """Take a reply in and say what to ask next: a reply that was cut off once more with twice the tokens, one that could not be read once
        more as it was, sentences that were rejected or left out once more with the reasons. Each of these happens at most once a row."""
        ask = progress.ask
        if reply.status == "max_tokens" and ask.max_tokens == tokens_for(_count(ask)):
            return ask.doubled()
        if reply.status == "malformed" and ask.attempt == 1:
            return ask.again()
        if reply.status != "ok":
            progress.note = reply.note
            return None
        self._take(progress, reply, row)
        missing = {language: count for language, count in progress.missing(self.n).items() if count}
        if not missing or ask.complaint:
            return None
        doubled = ask.max_tokens // tokens_for(_count(ask))
        complaint = complaint_text(
            progress.rejected, [(language, sentence) for language, sentence, *_ in progress.kept]
        )
        return replace(
            ask,
            wanted=tuple(missing.items()),
            max_tokens=doubled * tokens_for(sum(missing.values())),
            complaint=complaint,
        )

    def _take(self, progress: RowProgress, reply: Reply, row: CaptionRow) -> None:
        """Pass the sentences of a reply through the gate, together with those of the row that stand already."""
        names = fields(dict(progress.ask.wanted))
        for language in LANGUAGES:
            mine = [reply.sentences[name] for of, name in names if of == language and name in reply.sentences]
            before = [sentence for of, sentence, *_ in progress.kept if of == language]
            good, bad = filter_valid([*before, *mine], row.record, language, row.captions[language], self.enriched)
            progress.kept += [(language, sentence, reply.request_id, progress.key) for sentence in good[len(before) :]]
            progress.rejected += [(language, sentence, tuple(reasons)) for sentence, reasons in bad]

    # --- what came of it ---

    def finished(self) -> Iterator[tuple[CaptionRow, RowProgress | None]]:
        """Every row with its progress, None where the overlay cannot be used."""
        return ((row, self.follow(number, row)) for number, row in enumerate(self.rows))

    def answers(self, row: CaptionRow, progress: RowProgress | None) -> list[Answer]:
        """The table's rows for one image: the base captions, then what was kept."""
        kept = progress.kept if progress else []
        new = [
            Answer.of(row, language, sentence, self.author, request, key, bool(enriched(sentence, language)))
            for language, sentence, request, key in kept
        ]
        return [Answer.of(row, language, row.captions[language], BASE) for language in LANGUAGES] + new

    def rejections(self, number: int, row: CaptionRow, progress: RowProgress | None) -> list[Rejected]:
        """What was left out of one row."""
        if progress is None:
            return [Rejected(row.image, "", "", self.author, (self.unusable[number],))]
        found = [
            Rejected(row.image, language, sentence, self.author, reasons)
            for language, sentence, reasons in progress.rejected
        ]
        return found + ([Rejected(row.image, "", "", self.author, (progress.note,))] if progress.note else [])


def _count(ask: Question) -> int:
    return sum(count for _, count in ask.wanted)
