"""From base captions to varied training sentences: by Claude where there is a key, by the offline grammar otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import anthropic
from tqdm import tqdm

from aireal.captions.claude.batches import Batches
from aireal.captions.claude.budget import Budget, RunStopped
from aireal.captions.claude.cost_estimate import CostEstimate, estimate_cost, token_ceiling_for
from aireal.captions.claude.ledger import EVENT, Ledger
from aireal.captions.claude.messages import Messages
from aireal.captions.claude.prices import MODELS
from aireal.captions.claude.worklist import Worklist
from aireal.captions.language.lexicon import LANGUAGES
from aireal.core.journal import Journal

from .claude import client as claude
from .offline import AUTHOR as OFFLINE
from .offline import paraphrase
from .plan import AUTHORS, MOCK, Plan
from .result import Answers, Augmented, RowResults, write_beside
from .rows import Rejected, ValidRows
from .table import Answer, CaptionRow, write_answers

__all__ = ["AUTHORS", "MOCK", "Augmented", "Plan", "Rejected", "augment", "augment_table", "dry_run", "write_beside"]


def augment(rows: Iterable[CaptionRow], author: str = "auto", n: int = 4, seed: int = 7, **plan) -> Augmented:
    """Base captions and up to `n` further sentences a language and image, each checked against its record.

    Args:
        rows: of data.csv (`table.read_rows`).
        plan: further fields of `Plan`.

    Raises:
        ValueError: the author is unknown, n is below 1, or Claude was chosen and key, journal or permission to spend is
            missing.
    """
    with _run(rows, Plan(author, n, seed, **plan)) as (result, answers):
        result.rows = list(answers)
    return result


def augment_table(rows: Iterable[CaptionRow], path: str | Path, plan: Plan) -> Augmented:
    """Like `augment`, but write the answers to `path` (.csv, with .xlsx and .jsonl beside it) one at a time.

    Memory does not grow with the table. See `write_beside` for the other files.
    """
    path = Path(path)
    with _run(rows, plan) as (result, answers):
        written = write_answers(answers, path)
    written += write_beside(result, path)
    plan.say(f"Written: {', '.join(file.name for file in written)} in {path.parent}.")
    return result


def dry_run(rows: Iterable[CaptionRow], plan: Plan) -> CostEstimate | None:
    """Estimate and print the cost of a run without spending anything; None when the run would not use Claude.

    Needs neither key nor network. With a key the service counts the tokens, free of charge; otherwise a formula
    estimates them.
    """
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
        journal = (
            stack.enter_context(Journal(path, keep=False, fields=EVENT)) if path and path.exists() else _EmptyJournal()
        )
        valid_rows, ledger = ValidRows(rows), Ledger(journal)
        plan = plan.with_way(len(valid_rows), bool(ledger.parts))
        worklist = _worklist(valid_rows, plan, ledger, plan.model)
        estimate = estimate_cost(worklist, client, not plan.now, sample=plan.sample)
    plan.say(f"Way: {plan.way}.")
    plan.say(estimate.summary())
    return estimate


class _EmptyJournal:
    """The journal of a run that has not begun."""

    def read(self) -> Iterator:
        return iter(())


# --- a run -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _run(rows: Iterable[CaptionRow], plan: Plan) -> Iterator[tuple[Augmented, Answers]]:
    """Run the plan's author; yield the result and its answers, and print the summary at the end."""
    with contextlib.ExitStack() as stack:
        client, author = plan.open_author(stack)
        valid_rows = ValidRows(rows)
        if client is None:
            result, answers = _run_offline(valid_rows, plan)
        else:
            result, answers = _run_claude(valid_rows, plan, client, author, stack)
        yield result, answers
        for line in result.summary():
            plan.say(line)


def _run_offline(rows: ValidRows, plan: Plan) -> tuple[Augmented, Answers]:
    result = Augmented(OFFLINE)
    plan.say(f"Author: offline grammar (no Claude involved), {plan.n} sentences a language for {len(rows)} images.")

    def row_results() -> RowResults:
        for number, row in enumerate(tqdm(rows, desc="offline captions", unit="image", total=len(rows))):
            answers = rows.base_answers(number, row)
            for language in LANGUAGES:
                sentences = paraphrase(row.record, language, plan.n, plan.seed, base=row.captions[language])
                answers += [Answer.of(row, sentence, OFFLINE) for sentence in sentences]
            yield row, answers, [], False

    return result, Answers(result, rows, row_results)


def _run_claude(
    rows: ValidRows, plan: Plan, client: anthropic.Anthropic, author: str, stack: contextlib.ExitStack
) -> tuple[Augmented, Answers]:
    ledger = Ledger(stack.enter_context(Journal(plan.journal_path, keep=False, fields=EVENT)))
    plan = plan.with_way(len(rows), bool(ledger.parts))
    worklist = _worklist(rows, plan, ledger, author)
    budget = Budget(plan.max_usd, plan.model, ledger)
    plan.say(
        f"Author: {author}, by {plan.way}, {plan.n} sentences a language for {len(rows)} images; "
        f"replies are kept in {Path(plan.journal_path).name}."
    )
    result = Augmented(author)
    try:
        _ask(worklist, plan, client, budget)
    except RunStopped as stop:
        result.stopped = str(stop)
    result.usage, result.cost_usd, result.cost = ledger.usage, ledger.spent_usd, ledger.cost()
    if ledger.unpriced:
        result.cost_usd = None
    return result, Answers(result, rows, worklist.results)


def _worklist(rows: ValidRows, plan: Plan, ledger: Ledger, author: str) -> Worklist:
    return Worklist(rows, plan.n, Path(plan.folder), plan.model, ledger, author)


def _ask(worklist: Worklist, plan: Plan, client: anthropic.Anthropic, budget: Budget) -> None:
    """Ask until no question is open, or the open ones have failed too often.

    Raises:
        RunStopped: the run must end early.
    """
    ledger = worklist.ledger
    if next(worklist.open_items(), None) is None and not ledger.parts:
        return  # nothing to ask: neither key nor network is needed
    plan.retry.call(lambda: claude.check_model(client, plan.model, not plan.now))
    ceiling = plan.retry.call(lambda: token_ceiling_for(worklist, client, not plan.now, plan.sample))
    batches = Batches(client, ledger, budget, ceiling, plan.retry, plan.say, plan.batch_limits)
    batches.settle()
    estimate = estimate_cost(worklist, client, not plan.now, ceiling, plan.sample)
    plan.say(estimate.summary())
    entry = {"event": "planned", "rows": estimate.rows, "n": plan.n, "model": plan.model, "now": plan.now}
    ledger.add(entry | {"prices": MODELS["dated"]})
    asker = Messages(client, ledger, budget, ceiling, plan.retry, plan.say) if plan.now else batches
    while asker.round(worklist):
        if ledger.all_invalid(plan.model):
            raise RunStopped(
                f"the service refuses every request to {plan.model!r} as invalid, for example: {ledger.last_invalid}"
            )
        if ledger.last_stop:
            raise RunStopped(ledger.last_stop)
