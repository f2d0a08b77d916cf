"""The worklist of a run: the state of each row, and the question that must be asked next.

A state is not stored. It follows from the rows and from the replies in the journal, so that a run that was killed and
one that was not ask the same questions and write the same table. When the validator becomes stricter, only the
sentences that it no longer accepts are asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from aireal.captions.language.lexicon import LANGUAGES
from aireal.captions.language.validate import ValidSentence, filter_valid
from aireal.captions.rows import Rejected, ValidRows
from aireal.captions.table import Answer, CaptionRow

from .ledger import Ledger
from .prompt import complaint_text, fields
from .reply import Reply
from .request import Question, picture_hash, question_key, tokens_for

TRIES = 3  # answers of one run that settle nothing (expired, errored); then the row waits for the next run


@dataclass(frozen=True)
class WorkItem:
    """An open question: the row that it is about, the file of its overlay, and its key."""

    number: int
    row: CaptionRow
    overlay: Path
    question: Question
    key: str


@dataclass(frozen=True)
class AcceptedSentence:
    """A sentence of Claude that the validator accepted, and the request that brought it."""

    sentence: ValidSentence
    request_id: str
    key: str

    @property
    def text(self) -> str:
        return self.sentence.text

    @property
    def language(self) -> str:
        return self.sentence.parsed.language


@dataclass
class RowProgress:
    """The state of one row.

    Attributes:
        rejected: language, sentence and reasons of each rejected sentence.
        question: the next question, None when the row is done.
        key: of the latest question.
        note: why a row has fewer sentences than it could have.
    """

    accepted: list[AcceptedSentence] = field(default_factory=list)
    rejected: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    question: Question | None = None
    key: str = ""
    note: str = ""

    def of(self, language: str) -> list[str]:
        """The accepted sentences of a language."""
        return [accepted.text for accepted in self.accepted if accepted.language == language]

    def missing(self, n: int) -> dict[str, int]:
        """How many sentences lack to `n`, by language."""
        return {language: n - len(self.of(language)) for language in LANGUAGES}


class Worklist:
    """The rows of a run and their questions.

    Args:
        rows: iterated several times, always in the same order.
        n: sentences a language and row.
        folder: the folder that the rows' overlay paths are relative to.
        author: the author in the table; the model's id unless this is a rehearsal.
    """

    def __init__(self, rows: ValidRows, n: int, folder: Path, model: str, ledger: Ledger, author: str):
        self.rows, self.n, self.folder = rows, n, folder
        self.model, self.ledger, self.author = model, ledger, author
        self.unusable: dict[int, str] = {}  # by row number: why its overlay cannot be sent
        self._pictures: dict[int, str] = {}
        self._done = bytearray(len(rows))

    def open_items(self) -> Iterator[WorkItem]:
        """Every question that can be asked now, each once, without rows that have failed `TRIES` times in this run."""
        keys = set()
        for number, row in enumerate(self.rows):
            if self._done[number] or number in self.unusable:
                continue
            progress = self.progress(number, row)
            if progress is None or progress.question is None:
                self._done[number] = progress is not None
            elif progress.key not in keys and self.ledger.failed_attempts[progress.key] < TRIES:
                keys.add(progress.key)
                yield WorkItem(number, row, self.folder / row.overlay, progress.question, progress.key)

    def progress(self, number: int, row: CaptionRow) -> RowProgress | None:
        """The state of a row; None when its overlay cannot be used."""
        if number not in self._pictures and number not in self.unusable:
            try:
                self._pictures[number] = picture_hash(self.folder / row.overlay)
            except ValueError as error:
                self.unusable[number] = str(error)
        if number in self.unusable:
            return None
        progress, picture = RowProgress(question=Question.first(self.n)), self._pictures[number]
        while progress.question is not None:
            progress.key = question_key(progress.question, row, picture, self.model)
            reply = self.ledger.reply(progress.key, self.model)
            if reply is None:
                break
            progress.question = self._next_question(progress, reply, row)
        return progress

    def _next_question(self, progress: RowProgress, reply: Reply, row: CaptionRow) -> Question | None:
        """Update a row by a reply and return its next question.

        A reply that was cut off is asked for again with twice the tokens, one that could not be read as it was, and
        sentences that were rejected or left out with the reasons. Each of these happens at most once a row.
        """
        question = progress.question
        if reply.status == "max_tokens" and question.max_tokens == tokens_for(question.count):
            return question.doubled()
        if reply.status == "malformed" and question.attempt == 1:
            return question.again()
        if reply.status != "ok":
            progress.note = reply.note
            return None
        self._validate(progress, reply, row)
        missing = {language: count for language, count in progress.missing(self.n).items() if count}
        if not missing or question.complaint:
            return None
        times = question.max_tokens // tokens_for(question.count)  # 2 after a reply that was cut off
        accepted = [(accepted.language, accepted.text) for accepted in progress.accepted]
        return replace(
            question,
            wanted=tuple(missing.items()),
            max_tokens=times * tokens_for(sum(missing.values())),
            complaint=complaint_text(progress.rejected, accepted),
        )

    def _validate(self, progress: RowProgress, reply: Reply, row: CaptionRow) -> None:
        """Sort the sentences of a reply into accepted and rejected ones."""
        names = fields(dict(progress.question.wanted))
        for language in LANGUAGES:
            sentences = [reply.sentences[name] for of, name in names if of == language and name in reply.sentences]
            taken = [row.captions[language], *progress.of(language)]
            accepted, rejected = filter_valid(sentences, row.record, language, taken)
            progress.accepted += [AcceptedSentence(sentence, reply.request_id, progress.key) for sentence in accepted]
            progress.rejected += [(language, sentence, tuple(reasons)) for sentence, reasons in rejected]

    # --- results ---

    def results(self) -> Iterator[tuple[CaptionRow, list[Answer], list[Rejected], bool]]:
        """Of every row: its answers for the table, its rejected sentences, and whether it has an open question."""
        for number, row in enumerate(self.rows):
            progress = self.progress(number, row)
            is_open = progress is not None and progress.question is not None
            yield row, self._answers(number, row, progress), self._rejected(number, row, progress), is_open

    def _answers(self, number: int, row: CaptionRow, progress: RowProgress | None) -> list[Answer]:
        """The base captions, then the accepted sentences."""
        accepted = progress.accepted if progress else []
        return self.rows.base_answers(number, row) + [
            Answer.of(row, one.sentence, self.author, one.request_id, one.key) for one in accepted
        ]

    def _rejected(self, number: int, row: CaptionRow, progress: RowProgress | None) -> list[Rejected]:
        if progress is None:
            return [Rejected(row.image, "", "", self.author, (self.unusable[number],))]
        rejected = [
            Rejected(row.image, language, sentence, self.author, reasons)
            for language, sentence, reasons in progress.rejected
        ]
        return rejected + ([Rejected(row.image, "", "", self.author, (progress.note,))] if progress.note else [])
