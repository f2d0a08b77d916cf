"""From base captions to varied training sentences: Claude where there is a key, the offline grammar where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import anthropic
from tqdm import tqdm

from aireal.captions.claude.batches import Batches
from aireal.captions.claude.budget import Budget, RunStopped
from aireal.captions.claude.cost_estimate import CostEstimate, estimate_cost, token_ceiling_for
from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.messages import Messages
from aireal.captions.claude.mock import MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL, MODELS
from aireal.captions.claude.retry import RetryPolicy
from aireal.captions.claude.worklist import BASE, Rejected, ValidRows, Worklist
from aireal.captions.language.lexicon import LANGUAGES
from aireal.core.files import write_json
from aireal.core.journal import Journal

from .claude import client as claude
from .offline import AUTHOR as OFFLINE
from .offline import paraphrase
from .table import Answer, CaptionRow, write_answers

__all__ = ["AUTHORS", "Augmented", "Plan", "Rejected", "augment", "augment_table", "dry_run", "write_beside"]
AUTHORS = ("auto", "offline", "claude", "mock")
MOCK = "mock"


@dataclass(frozen=True)
class Plan:
    """How a run is to be made.

    Args:
        author: 'claude' needs a key; 'offline' needs none; 'auto' is Claude when a key is found; 'mock' rehearses Claude's flow against a
            server on this machine, for nothing.
        n: sentences a language and image.
        seed: of the offline author. Claude has no seed; what it wrote stands in the journal.
        folder: what the overlay paths of the rows are relative to.
        journal_path: JSONL file in which every reply of Claude is kept; needed for Claude. A run that was stopped goes on from it.
        model: id of the Claude model.
        max_usd: dollars that all runs of the journal together may cost. Claude needs this or `yes`.
        yes: spend without a limit.
        now: plain messages instead of message batches: minutes instead of up to a day, at twice the price.
        enriched: keep Claude's sentences with words outside the vocabulary, and mark them, instead of rejecting them.
        client: another client than the one made from the key; `pace`: other waits (tests).
    """

    author: str = "auto"
    n: int = 4
    seed: int = 7
    folder: str | Path = "."
    journal_path: str | Path | None = None
    model: str = DEFAULT_MODEL
    max_usd: float | None = None
    yes: bool = False
    now: bool = False
    enriched: bool = False
    client: anthropic.Anthropic | None = None
    pace: RetryPolicy = RetryPolicy()
    say: Callable[[str], None] = print

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n is {self.n}: ask for at least one sentence a language")
        if self.author not in AUTHORS:
            raise ValueError(f"author {self.author!r} is not known: choose {', '.join(AUTHORS)}")


@dataclass
class Augmented:
    """What a run brought. `rows` holds, image by image, the base captions and then the new sentences (empty after `augment_table`).

    `author` is 'offline', 'mock' or the model id; `sentences` counts the new sentences; `left_out` names images that lack them in one or
    both languages for good; `usage` counts tokens of all replies, those of earlier runs in the journal too; `cost_usd` is their cost, None for
    a model without a listed price; `missing` names the images that Claude has yet to be asked about; `stopped` says why the run ended
    early, and is empty when it did not; `cost` is what goes to the file of costs, empty without Claude.
    """

    author: str
    rows: list[Answer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    images: int = 0
    sentences: int = 0
    left_out: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    missing: list[str] = field(default_factory=list)
    stopped: str = ""
    cost: dict = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every row has its sentences."""
        return not (
            self.stopped or self.missing or self.left_out or any(rejected.author == BASE for rejected in self.rejected)
        )


def augment(rows: Iterable[CaptionRow], author: str = "auto", n: int = 4, seed: int = 7, **plan) -> Augmented:
    """Base captions and up to `n` further sentences a language and image, each checked against its record.

    Args:
        rows: of data.csv (`table.read_rows`).
        plan: further fields of `Plan`.

    Raises:
        ValueError: unknown author, n below 1, or Claude was asked for and key, journal or leave to spend is missing.
    """
    with _run(rows, Plan(author, n, seed, **plan)) as (result, answers):
        result.rows = list(answers)
    return result


def augment_table(rows: Iterable[CaptionRow], path: str | Path, plan: Plan) -> Augmented:
    """Like `augment`, but written to `path` (.csv, with .xlsx and .jsonl beside it) sentence by sentence, so that no table need fit into memory.

    See `write_beside` for the other files.
    """
    path = Path(path)
    with _run(rows, plan) as (result, answers):
        written = write_answers(answers, path)
    written += write_beside(result, path)
    plan.say(f"Written: {', '.join(file.name for file in written)} in {path.parent}.")
    return result


def write_beside(result: Augmented, path: str | Path) -> list[Path]:
    """Write what was left out, with the reasons, beside the table (.rejected.json), and with Claude its tokens and dollars (.cost.json)."""
    path = Path(path)
    written = [write_json(path.with_suffix(".rejected.json"), [asdict(rejected) for rejected in result.rejected])]
    return written + ([write_json(path.with_suffix(".cost.json"), result.cost)] if result.cost else [])


def dry_run(rows: Iterable[CaptionRow], plan: Plan) -> CostEstimate | None:
    """Say what a run would cost, without spending anything; None when Claude would not be asked. Needs neither key nor network: with a key
    the service counts the tokens (for nothing), otherwise they are estimated by formula."""
    if plan.author in ("offline", MOCK):
        plan.say("Nothing would be spent: Claude would not be asked.")
        return None
    key = None if plan.client else claude.api_key()
    if plan.author == "auto" and not (plan.client or key):
        plan.say(
            f"No {claude.KEY} was found, so the offline grammar would write and nothing would be spent. With a key:"
        )
    client = plan.client or (claude.make_client(key) if key else None)
    path = Path(plan.journal_path) if plan.journal_path else None
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(Journal(path, keep=False)) if path and path.exists() else _Nothing()
        book = Ledger(journal)
        work = Worklist(ValidRows(rows), plan.n, Path(plan.folder), plan.model, book, plan.model, plan.enriched)
        found = estimate_cost(work, client, not plan.now)
    plan.say(found.told())
    return found


class _Nothing:
    """The journal of a run that has not begun."""

    def read(self) -> Iterator:
        return iter(())


# --- a run -------------------------------------------------------------------------------------------------------------


class Answers:
    """The table's rows, made anew from rows and replies each time they are gone through; `result` is filled in on the way."""

    def __init__(
        self,
        result: Augmented,
        rows: ValidRows,
        make: Callable[[], Iterator[tuple[CaptionRow, list[Answer], list[Rejected], bool]]],
    ):
        self.result, self.rows, self.make = result, rows, make

    def __iter__(self) -> Iterator[Answer]:
        result = self.result
        result.rejected, result.missing, result.left_out = list(self.rows.rejected), [], []
        result.images, result.sentences = 0, 0
        for row, answers, rejected, open_ in self.make():
            new = [answer for answer in answers if answer.author != BASE]
            result.images += 1
            result.sentences += len(new)
            result.rejected += rejected
            if open_:
                result.missing.append(row.image)
            elif {answer.language for answer in new} != set(LANGUAGES):
                result.left_out.append(row.image)
            yield from answers


@contextlib.contextmanager
def _run(rows: Iterable[CaptionRow], plan: Plan) -> Iterator[tuple[Augmented, Answers]]:
    """Ask whom the plan names; yields the result and its sentences, and says at the end what came of it."""
    with contextlib.ExitStack() as stack:
        client, author = _author(plan, stack)
        sound = ValidRows(rows)
        if client is None:
            result = Augmented(OFFLINE)
            plan.say(
                f"Author: offline grammar (no Claude involved), {plan.n} sentences a language for {len(sound)} images."
            )
            answers = Answers(result, sound, lambda: _offline(sound, plan))
        else:
            result, answers = _claude(sound, plan, client, author, stack)
        yield result, answers
        _tell(result, plan)


def _author(plan: Plan, stack: contextlib.ExitStack) -> tuple[anthropic.Anthropic | None, str]:
    """The client to use and the author's name; no client for the offline author."""
    if plan.author == "offline":
        return None, OFFLINE
    if plan.author == MOCK:
        if plan.journal_path is None:
            raise ValueError("a rehearsal needs journal_path=, a file of its own")
        Path(plan.journal_path).unlink(missing_ok=True)  # the server that knew its batches is gone
        plan.say(
            "REHEARSAL: a server on this machine stands for Claude. Nothing is sent anywhere, nothing is spent; "
            "amounts are what it would have cost at an invented length of replies. author=mock in the table."
        )
        return claude.make_client("rehearsal", stack.enter_context(MockServer()).url, proxies=False), MOCK
    key = None if plan.client else claude.api_key(ask=plan.author == "claude")
    if plan.client is None and key is None:
        if plan.author == "claude":
            advice = f"set {claude.KEY} in the environment or the notebook's secrets, or use --author offline (author='offline')"
            raise ValueError(f"there is no key for Claude: {advice}")
        plan.say(
            f"No {claude.KEY} was found, so the sentences below are written by the offline grammar, not by Claude."
        )
        return None, OFFLINE
    if plan.journal_path is None:
        raise ValueError("Claude needs journal_path=, so that no reply is paid for twice")
    if plan.max_usd is None and not plan.yes:
        raise ValueError(
            "Claude costs money: name a limit with --max-usd (max_usd=), or spend without one with --yes (yes=True); "
            "--dry-run says what it would cost, --author offline costs nothing"
        )
    return plan.client or claude.make_client(key), plan.model


def _offline(rows: ValidRows, plan: Plan) -> Iterator[tuple[CaptionRow, list[Answer], list[Rejected], bool]]:
    for row in tqdm(rows, desc="offline captions", unit="image", total=len(rows)):
        answers = [Answer.of(row, language, row.captions[language], BASE) for language in LANGUAGES]
        for language in LANGUAGES:
            sentences = paraphrase(row.record, language, plan.n, plan.seed, base=row.captions[language])
            answers += [Answer.of(row, language, sentence, OFFLINE) for sentence in sentences]
        yield row, answers, [], False


def _claude(
    rows: ValidRows, plan: Plan, client: anthropic.Anthropic, author: str, stack: contextlib.ExitStack
) -> tuple[Augmented, Answers]:
    book = Ledger(stack.enter_context(Journal(plan.journal_path, keep=False)))
    work = Worklist(rows, plan.n, Path(plan.folder), plan.model, book, author, plan.enriched)
    budget = Budget(plan.max_usd, plan.model, book)
    way = "plain messages" if plan.now else "message batches"
    plan.say(
        f"Author: {author}, by {way}, {plan.n} sentences a language for {len(rows)} images; replies are kept in {Path(plan.journal_path).name}."
    )
    result = Augmented(author)
    try:
        _ask(work, plan, client, budget)
    except RunStopped as stop:
        result.stopped = str(stop)
    result.usage, result.cost_usd, result.cost = book.usage, None if book.unpriced else book.spent_usd, book.cost()

    def make() -> Iterator[tuple[CaptionRow, list[Answer], list[Rejected], bool]]:
        for number, (row, progress) in enumerate(work.finished()):
            open_ = progress is not None and progress.ask is not None
            yield row, work.answers(row, progress), work.rejections(number, row, progress), open_

    return result, Answers(result, rows, make)


def _ask(work: Worklist, plan: Plan, client: anthropic.Anthropic, budget: Budget) -> None:
    """Ask until no question is open, or those that are have failed too often.

    Raises:
        Stop: the run must end early.
    """
    book = work.book
    if next(work.open(), None) is None and not book.parts:
        return  # nothing to ask: neither key nor network is needed
    plan.pace.call(lambda: claude.check_model(client, plan.model, not plan.now))
    meter = plan.pace.call(lambda: token_ceiling_for(work, client, not plan.now))
    batches = Batches(client, book, budget, meter, plan.pace, plan.say)
    batches.settle()
    found = estimate_cost(work, client, not plan.now, meter)
    plan.say(found.told())
    book.add(
        {
            "event": "planned",
            "rows": found.rows,
            "n": plan.n,
            "model": plan.model,
            "now": plan.now,
            "prices": MODELS["dated"],
        }
    )
    asker = Messages(client, book, budget, meter, plan.pace, plan.say) if plan.now else batches
    while asker.round(work):
        if book.all_invalid(plan.model):
            raise RunStopped(
                f"the service refuses every request to {plan.model!r} as invalid, for example: {book.last_invalid}"
            )
        if book.last_stop:
            raise RunStopped(book.last_stop)


def _tell(result: Augmented, plan: Plan) -> None:
    base = len(LANGUAGES) * result.images
    plan.say(f"{base} base captions, {result.sentences} sentences by {result.author}, {len(result.rejected)} left out.")
    if result.left_out:
        plan.say(
            f"{len(result.left_out)} images have no new sentence in one of the languages: {_some(result.left_out)}."
        )
    if result.usage:
        into = sum(count for name, count in result.usage.items() if name != "output_tokens")
        dated = f"at the prices of {MODELS['dated']}"
        cost = "unknown (no listed price)" if result.cost_usd is None else f"${result.cost_usd:.4f} {dated}"
        what = "It would have cost" if result.author == MOCK else "Cost of all runs"
        plan.say(f"Tokens: {into:,} in, {result.usage['output_tokens']:,} out. {what}: {cost}.")
    if result.stopped:
        plan.say(
            f"Stopped early: {result.stopped}. {len(result.missing)} images are still to be done; run again to go on."
        )
    elif result.missing:
        plan.say(f"{len(result.missing)} images are still to be done ({_some(result.missing)}); run again to go on.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
