"""From base captions to varied training sentences: Claude where there is a key, the offline grammar where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anthropic
from tqdm import tqdm

from ..journal import Journal
from . import claude
from .gate import objections
from .lexicon import LANGUAGES
from .offline import AUTHOR as OFFLINE
from .offline import paraphrase
from .table import Answer, Row

AUTHORS = ("auto", "offline", "claude")
BASE = "base"
PATIENCE = 3  # failed requests in a row after which a run stops


@dataclass(frozen=True)
class Rejected:
    """A sentence, or a whole row, that was left out, and why."""

    image: str
    language: str
    sentence: str
    author: str
    reasons: tuple[str, ...]


@dataclass
class Augmented:
    """What a run of `augment` brought. `rows` holds, image by image, the base captions and then the new sentences.

    `author` is 'offline' or the model id; `usage` counts tokens of all replies, those of earlier runs in the journal too;
    `cost_usd` is their cost, None for a model without a listed price; `missing` names the images that Claude has yet to be
    asked about; `stopped` says why the run ended early, and is empty when it did not.
    """

    author: str
    rows: list[Answer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    missing: list[str] = field(default_factory=list)
    stopped: str = ""


def augment(
    rows: Sequence[Row],
    author: str = "auto",
    n: int = 4,
    seed: int = 7,
    journal_path: str | Path | None = None,
    folder: str | Path = ".",
    model: str = claude.DEFAULT_MODEL,
    client: anthropic.Anthropic | None = None,
    say: Callable[[str], None] = print,
) -> Augmented:
    """Base captions and `n` further sentences a language and image, each checked against its record.

    Args:
        rows: of data.csv (`table.read_rows`).
        author: 'claude' needs a key; 'offline' needs none; 'auto' is Claude when a key is found. `say` tells which.
        seed: of the offline author. Claude has no seed; what it wrote stands in the journal.
        journal_path: JSONL file in which every reply of Claude is kept; needed for Claude. A run that was stopped goes on
            from it: a row that has a reply is not asked about again, whatever came back.
        folder: what the overlay paths of `rows` are relative to.
        client: another client than the one made from the key (tests).

    Raises:
        ValueError: unknown author, n below 1, or Claude was asked for and key or journal is missing.
    """
    if n < 1:
        raise ValueError(f"n is {n}: ask for at least one sentence a language")
    client = _client(author, client, journal_path, say)
    result = Augmented(model if client else OFFLINE)
    rows = _sound(rows, result)
    if client is None:
        say(f"Author: offline grammar (no Claude involved), {n} sentences a language for {len(rows)} images.")
        _write_offline(rows, n, seed, result)
    else:
        say(f"Author: {model}, {n} sentences a language for {len(rows)} images; replies are kept in {Path(journal_path).name}.")
        with Journal(journal_path) as journal:
            _write_claude(client, rows, n, Path(folder), model, journal, result)
    _tell(result, say)
    return result


def _client(author: str, client: anthropic.Anthropic | None, journal_path, say: Callable[[str], None]) -> anthropic.Anthropic | None:
    """The client to use; None for the offline author."""
    if author not in AUTHORS:
        raise ValueError(f"author {author!r} is not known: choose {', '.join(AUTHORS)}")
    if author == "offline":
        return None
    key = None if client else claude.api_key()
    if client is None and key is None:
        if author == "claude":
            advice = f"set {claude.KEY} in the environment or the notebook's secrets, or use author='offline'"
            raise ValueError(f"there is no key for Claude: {advice}")
        say(f"No {claude.KEY} was found, so the sentences below are written by the offline grammar, not by Claude.")
        return None
    if journal_path is None:
        raise ValueError("Claude needs journal_path=, so that no reply is paid for twice")
    return client or claude.make_client(key)


def _sound(rows: Sequence[Row], result: Augmented) -> list[Row]:
    """Rows whose base captions agree with their records; the others are listed as rejected."""
    sound, seen = [], set()
    for row in rows:
        wrong = {language: objections(row.captions[language], row.record, language) for language in LANGUAGES}
        if row.image in seen:
            wrong = {LANGUAGES[0]: ["the image stands in the table twice; its first row was used"]}
        for language in wrong:
            if wrong[language]:
                result.rejected.append(Rejected(row.image, language, row.captions[language], BASE, tuple(wrong[language])))
        if not any(wrong.values()):
            sound.append(row)
        seen.add(row.image)
    return sound


def _base(row: Row) -> list[Answer]:
    return [Answer.of(row, language, row.captions[language], BASE) for language in LANGUAGES]


def _write_offline(rows: list[Row], n: int, seed: int, result: Augmented) -> None:
    for row in tqdm(rows, desc="offline captions", unit="image"):
        result.rows += _base(row)
        for language in LANGUAGES:
            sentences = paraphrase(row.record, language, n, seed, base=row.captions[language])
            result.rows += [Answer.of(row, language, sentence, OFFLINE) for sentence in sentences]


# --- Claude, row by row ------------------------------------------------------------------------------------------------


def _write_claude(client, rows: list[Row], n: int, folder: Path, model: str, journal: Journal, result: Augmented) -> None:
    kept = {entry["prompt"]: claude.Result.from_dict(entry["result"]) for entry in journal.entries if entry.get("event") == "result"}
    failures = 0
    for row in tqdm(rows, desc=f"captions by {model}", unit="image"):
        result.rows += _base(row)
        overlay = folder / row.overlay
        try:
            prompt = claude.prompt_hash(row, overlay, n, model)
            if prompt not in kept and not result.stopped:
                kept[prompt] = _ask(client, row, overlay, n, model, prompt, journal)
                failures = 0
        except ValueError as error:
            result.rejected.append(Rejected(row.image, "", "", model, (str(error),)))
            continue
        except claude.ClaudeError as error:
            result.rejected.append(Rejected(row.image, "", "", model, (str(error),)))
            failures += 1
            if error.fatal or failures == PATIENCE:
                result.stopped = str(error) if error.fatal else f"{PATIENCE} requests in a row failed, the last because {error}"
        if prompt in kept:
            _take(row, kept[prompt], result)
        else:
            result.missing.append(row.image)


def _ask(client, row: Row, overlay: Path, n: int, model: str, prompt: str, journal: Journal) -> claude.Result:
    """Ask about one row and write the reply to the journal before anything else happens.

    A run that is killed between the reply's arrival and its line in the journal cannot know of it, so the one row in flight
    may be asked about again; an 'asking' line without a result shows which.
    """
    journal.add({"event": "asking", "prompt": prompt, "image": row.image, "model": model})
    try:
        reply = claude.augment_row(client, row, overlay, n, model)
    except (ValueError, claude.ClaudeError) as error:
        journal.add({"event": "failed", "prompt": prompt, "image": row.image, "why": str(error)})
        raise
    journal.add({"event": "result", "prompt": prompt, "image": row.image, "result": reply.to_dict()})
    return reply


def _take(row: Row, reply: claude.Result, result: Augmented) -> None:
    result.usage = claude.add_usage(result.usage, reply.usage)
    cost = claude.cost_usd(reply.usage or {}, reply.model)
    result.cost_usd = None if cost is None or result.cost_usd is None else result.cost_usd + cost
    result.rows += [Answer.of(row, language, sentence, reply.model, reply.request_id) for language, sentence in reply.accepted]
    result.rejected += [Rejected(row.image, language, sentence, reply.model, reasons) for language, sentence, reasons in reply.rejected]
    if reply.status != "ok":
        result.rejected.append(Rejected(row.image, "", "", reply.model, (reply.note,)))


def _tell(result: Augmented, say: Callable[[str], None]) -> None:
    new = sum(answer.author != BASE for answer in result.rows)
    say(f"{len(result.rows) - new} base captions, {new} sentences by {result.author}, {len(result.rejected)} left out.")
    if result.usage:
        dated = f"at the prices of {claude.MODELS['dated']}"
        cost = "unknown (no listed price)" if result.cost_usd is None else f"${result.cost_usd:.4f} {dated}"
        say(f"Tokens: {result.usage['input_tokens']:,} in, {result.usage['output_tokens']:,} out; cost so far {cost}.")
    if result.stopped:
        say(f"Stopped early: {result.stopped}. {len(result.missing)} images are still to be done; run again to go on.")
    elif result.missing:
        say(f"{len(result.missing)} images are still to be done; run again to go on.")
