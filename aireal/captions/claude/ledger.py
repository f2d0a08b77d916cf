"""What a journal of questions to Claude says: which are answered, which are under way, and what all of it has cost.

Lines of the journal, by `event`:

    planned      a run began: rows, sentences a language, model
    submitting   a batch is about to be sent: nonce, model, keys of its questions, ceiling of each in dollars, time of the newest batch
    submitted    the service has it: nonce, batch id
    refused      the service would not have it: nonce, why. Nothing was spent
    absent       its reply was lost, and the service's list shows no such batch: nonce. Nothing was spent
    done         all of its results are in the journal: nonce
    asking       a plain question is about to be sent: key, model, ceiling in dollars
    unanswered   it was refused: key, why. Nothing was spent
    doubt        no reply came, so that it may have cost its ceiling: key, why
    reply        of a plain question, or a row of a batch's results (which has the nonce): key, status, sentences, tokens, dollars
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from aireal.core.journal import Journal

from .prices import COUNTED, MODELS, add_usage, cost_usd
from .reply import FINAL, Reply

HOPELESS = 3  # requests refused as invalid, and none that was not: then the fault is not in the rows


@dataclass
class BatchPart:
    """A batch under way. `left` holds the keys whose results are not in the journal yet, `each` the ceiling of one in dollars,
    `since` the time (of the service's clock) of the newest batch before it, `batch` its id, empty while in doubt."""

    nonce: str
    model: str
    left: set[str]
    size: int
    each: float
    since: str
    batch: str = ""


@dataclass
class Ledger:
    """The journal, read once, and kept up to date by `add`. Replies stay on the disk; memory holds where each begins."""

    journal: Journal
    parts: dict[str, BatchPart] = field(default_factory=dict)
    asking: dict[str, float] = field(default_factory=dict)
    doubt_usd: float = 0.0
    factor: float = 1.0  # by which a reply has cost more than its ceiling; 1 as long as none has
    failed_attempts: Counter = field(default_factory=Counter)  # by key: answers of this run that settled nothing
    last_invalid: str = ""  # what the service said of the last request that it refused for good
    last_stop: str = ""  # what it said, in this run, of key, credit or model
    totals: dict[tuple[str, str], dict] = field(default_factory=dict)  # by model and batch id ('' for plain messages)
    _places: dict[str, int] = field(default_factory=dict)
    _invalid: dict[str, set[str]] = field(default_factory=dict)
    _good: Counter = field(default_factory=Counter)

    def __post_init__(self):
        for place, entry in self.journal.read():
            try:
                self._take(place, entry)
            except (KeyError, TypeError, AttributeError):
                raise ValueError(
                    f"{self.journal.path}, byte {place}: a line that this version does not write; move the file away to begin anew"
                ) from None
        self.doubt_usd += sum(self.asking.values())  # asked by a run that was killed: nobody can know what became of it
        self.asking.clear()
        self.failed_attempts.clear()
        self.last_stop = ""

    def add(self, *entries: dict) -> None:
        """Write entries to the journal, wait for the disk, and take them in."""
        for place, entry in zip(self.journal.add(*entries), entries, strict=True):
            self._take(place, entry)

    def reply(self, key: str, model: str) -> Reply | None:
        """The reply that settled a question, None while there is none."""
        if key not in self._places or (self.all_invalid(model) and key in self._invalid[model]):
            return None
        return Reply(**self.journal.at(self._places[key])["reply"])

    def all_invalid(self, model: str) -> bool:
        """Whether requests have been refused as invalid, and none was not."""
        return not self._good[model] and len(self._invalid.get(model, ())) >= HOPELESS

    def entry(self, key: str, reply: Reply, model: str, ceiling: float, nonce: str = "") -> dict:
        """The journal's line for a reply; one whose tokens could not be read counts as dear as it can have been."""
        usd = ceiling if reply.usage is None else cost_usd(reply.usage, model, batch=bool(nonce))
        told = {"event": "reply", "key": key, "model": model, "reply": asdict(reply), "usd": usd, "ceiling": ceiling}
        return told | ({"nonce": nonce} if nonce else {})

    @property
    def spent_usd(self) -> float:
        """What all replies have cost, those of models without a listed price not counted."""
        return sum(total["usd"] or 0.0 for total in self.totals.values())

    @property
    def committed_usd(self) -> float:
        """Spent, in doubt, and the ceilings of what is under way."""
        under_way = sum(part.each * len(part.left) for part in self.parts.values()) + sum(self.asking.values())
        return self.spent_usd + self.doubt_usd + under_way * self.factor

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of all replies; empty when there are none."""
        found: dict[str, int] = {}
        for total in self.totals.values():
            found = add_usage(found, total)
        return found

    @property
    def unpriced(self) -> bool:
        return any(total["usd"] is None for total in self.totals.values())

    def cost(self) -> dict:
        """Tokens and dollars by model and batch, for the file beside the table."""
        places, models = [], {}
        for (model, batch), total in self.totals.items():
            tokens = {name: total[name] for name in ("replies", *COUNTED)}
            places.append({"model": model, "batch": batch or None, **tokens, "usd": _rounded(total["usd"])})
            seen = models.setdefault(model, {**dict.fromkeys(tokens, 0), "usd": 0.0})
            usd = None if total["usd"] is None or seen["usd"] is None else seen["usd"] + total["usd"]
            seen |= {name: seen[name] + count for name, count in tokens.items()} | {"usd": usd}
        models = {name: seen | {"usd": _rounded(seen["usd"])} for name, seen in models.items()}
        prices = {name: MODELS["models"].get(name) for name in models}
        return {
            "usd": None if self.unpriced else _rounded(self.spent_usd),
            "in_doubt_usd": _rounded(self.doubt_usd),
            "models": models,
            "places": places,
            "prices": {"dated": MODELS["dated"], "batch": MODELS["batch"], "usd_per_million_tokens": prices},
        }

    def _take(self, place: int, entry: dict) -> None:
        """Take in one line."""
        event, key, nonce = entry.get("event"), entry.get("key"), entry.get("nonce", "")
        if event == "submitting":
            keys = set(entry["keys"])
            self.parts[nonce] = BatchPart(nonce, entry["model"], keys, len(keys), entry["ceiling"], entry["since"])
        elif event == "submitted":
            self.parts[nonce].batch = entry["batch"]
        elif event in ("refused", "absent", "done"):
            self.parts.pop(nonce, None)
        elif event == "asking":
            self.doubt_usd += self.asking.pop(key, 0.0)  # asked before by a run that was killed
            self.asking[key] = entry["ceiling"]
        elif event == "unanswered":
            self.asking.pop(key, None)
        elif event == "doubt":
            self.doubt_usd += self.asking.pop(key, 0.0)
        elif event == "reply":
            self._take_reply(place, entry, key, self.parts.get(nonce))

    def _take_reply(self, place: int, entry: dict, key: str, part: BatchPart | None) -> None:
        status, model = entry["reply"]["status"], entry["model"]
        if part:
            part.left.discard(key)
        self.asking.pop(key, None)
        self._count(entry, model, part.batch if part else "")
        if status not in FINAL:
            self.failed_attempts[key] += 1
            self.last_stop = entry["reply"]["note"] if status == "stopped" else self.last_stop
            return
        self._places[key] = place
        invalid = self._invalid.setdefault(model, set())
        if status == "invalid":
            invalid.add(key)
            self.last_invalid = entry["reply"]["note"]
        else:
            invalid.discard(key)
            self._good[model] += 1

    def _count(self, entry: dict, model: str, batch: str) -> None:
        usage, usd, ceiling = entry["reply"]["usage"], entry["usd"], entry["ceiling"]
        if usage == {}:  # expired, canceled, errored: such rows cost nothing
            return
        blank = {"replies": 0, **dict.fromkeys(COUNTED, 0), "usd": 0.0}
        total = self.totals.setdefault((model, batch), blank)
        total |= add_usage(total, usage or {}) | {"replies": total["replies"] + 1}
        total["usd"] = None if usd is None or total["usd"] is None else total["usd"] + usd
        if usd and ceiling:
            self.factor = max(self.factor, usd / ceiling)


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)
