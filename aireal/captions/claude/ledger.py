"""The ledger of questions to Claude: which are answered, which are under way, and what all of them have cost.

It is computed from the lines of the journal. By `event`:

    planned      a run began: rows, sentences a language, model
    submitting   a batch is about to be sent: nonce, model, keys of its questions, cost ceiling of each in dollars,
                 time of the newest batch
    submitted    the service has the batch: nonce, batch id
    refused      the service refused the batch: nonce, why. Nothing was spent
    absent       the reply to a submission was lost, and the service lists no such batch: nonce. Nothing was spent
    done         all results of the batch are in the journal: nonce
    asking       a plain message is about to be sent: key, model, cost ceiling in dollars
    unanswered   the service refused the message: key, why. Nothing was spent
    doubt        no reply came, so the message may have cost its ceiling: key, why
    reply        of a plain message, or a row of a batch's results (with its nonce): key, status, sentences, tokens,
    dollars
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from aireal.core.journal import Journal
from aireal.evidence.value_types import fits, misfit

from .prices import COUNTED, MODELS, add_usage, cost_usd
from .reply import FINAL, OUT_OF_MONEY, Reply

EVENT = {"event": str}  # field of every line
HOPELESS = 3  # so many invalid requests to a model, and no valid one, mean that the fault is not in the rows


@dataclass
class BatchPart:
    """A batch under way.

    Attributes:
        open_keys: keys of the questions whose results are not in the journal yet.
        ceiling_usd: the most that one question can cost.
        since: the time of the newest batch before this one, by the service's clock; empty when there was none.
        batch: its id; empty while it is in doubt whether the service has it.
    """

    nonce: str
    model: str
    open_keys: set[str]
    size: int
    ceiling_usd: float
    since: str
    batch: str = ""


@dataclass
class Ledger:
    """The state of a journal, read once and kept up to date by `add`.

    Replies stay on the disk; memory holds the byte at which each begins.

    Attributes:
        parts: batches under way, by nonce.
        pending_usd: cost ceilings of plain messages under way, by key.
        doubt_usd: cost ceilings of messages that may have been answered and paid without a reply that arrived.
        factor: how many times its ceiling the dearest reply has cost; 1 as long as none has exceeded it.
        failed_attempts: how many answers in this run have settled nothing, by key.
        last_invalid: the service's message about the latest invalid request.
        last_stop: the service's message, in this run, about key, credit or model.
        totals: replies, tokens and dollars by model and batch id ('' for plain messages).
    """

    journal: Journal
    parts: dict[str, BatchPart] = field(default_factory=dict)
    pending_usd: dict[str, float] = field(default_factory=dict)
    doubt_usd: float = 0.0
    factor: float = 1.0
    failed_attempts: Counter = field(default_factory=Counter)
    last_invalid: str = ""
    last_stop: str = ""
    totals: dict[tuple[str, str], dict] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    _invalid: dict[str, set[str]] = field(default_factory=dict)
    _valid: Counter = field(default_factory=Counter)

    def __post_init__(self):
        for place, entry in self.journal.read():
            try:
                self._take(place, entry)
            except (KeyError, TypeError, AttributeError):
                raise ValueError(
                    f"{self.journal.path}, byte {place}: a line that this version does not write; "
                    "move the file away to begin anew"
                ) from None
        self.doubt_usd += sum(self.pending_usd.values())  # sent by a run that was killed: their outcome is unknown
        self.pending_usd.clear()
        self.failed_attempts.clear()
        self.last_stop = ""

    def add(self, *entries: dict) -> None:
        """Write entries to the journal, wait for the disk, and update the ledger."""
        for place, entry in zip(self.journal.add(*entries), entries, strict=True):
            self._take(place, entry)

    def reply(self, key: str, model: str) -> Reply | None:
        """The reply that settled a question, None while there is none."""
        if key not in self._places or (self.all_invalid(model) and key in self._invalid[model]):
            return None
        return Reply(**self.journal.at(self._places[key])["reply"])

    def all_invalid(self, model: str) -> bool:
        """Whether at least `HOPELESS` requests to a model were invalid, and none was valid."""
        return not self._valid[model] and len(self._invalid.get(model, ())) >= HOPELESS

    def entry(self, key: str, reply: Reply, model: str, ceiling_usd: float, nonce: str = "") -> dict:
        """The journal's line for a reply. A reply whose tokens could not be read counts at its ceiling."""
        usd = ceiling_usd if reply.usage is None else cost_usd(reply.usage, model, batch=bool(nonce))
        entry = {"event": "reply", "key": key, "model": model, "reply": asdict(reply), "usd": usd}
        return entry | {"ceiling": ceiling_usd} | ({"nonce": nonce} if nonce else {})

    @property
    def spent_usd(self) -> float:
        """Cost of all replies, without those of models that have no listed price."""
        return sum(total["usd"] or 0.0 for total in self.totals.values())

    @property
    def committed_usd(self) -> float:
        """Spent, in doubt, and the ceilings of the requests under way."""
        batches_usd = sum(part.ceiling_usd * len(part.open_keys) for part in self.parts.values())
        return self.spent_usd + self.doubt_usd + (batches_usd + sum(self.pending_usd.values())) * self.factor

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of all replies; empty when there are none."""
        usage: dict[str, int] = {}
        for total in self.totals.values():
            usage = add_usage(usage, total)
        return usage

    @property
    def unpriced(self) -> bool:
        """Whether a model without a listed price has answered."""
        return any(total["usd"] is None for total in self.totals.values())

    def cost(self) -> dict:
        """Tokens and dollars by model and batch, for the file beside the table."""
        places, models = [], {}
        for (model, batch), total in self.totals.items():
            tokens = {name: total[name] for name in ("replies", *COUNTED)}
            places.append({"model": model, "batch": batch or None, **tokens, "usd": _rounded(total["usd"])})
            sums = models.setdefault(model, {**dict.fromkeys(tokens, 0), "usd": 0.0})
            usd = None if total["usd"] is None or sums["usd"] is None else sums["usd"] + total["usd"]
            sums |= {name: sums[name] + count for name, count in tokens.items()} | {"usd": usd}
        models = {name: sums | {"usd": _rounded(sums["usd"])} for name, sums in models.items()}
        prices = {name: MODELS["models"].get(name) for name in models}
        return {
            "usd": None if self.unpriced else _rounded(self.spent_usd),
            "in_doubt_usd": _rounded(self.doubt_usd),
            "models": models,
            "places": places,
            "prices": {"dated": MODELS["dated"], "batch": MODELS["batch"], "usd_per_million_tokens": prices},
        }

    def _take(self, place: int, entry: dict) -> None:
        """Update the ledger by one line of the journal, which begins at byte `place`."""
        event, key, nonce = entry.get("event"), entry.get("key"), entry.get("nonce", "")
        if event == "submitting":
            keys = set(entry["keys"])
            self.parts[nonce] = BatchPart(
                nonce, entry["model"], keys, len(keys), _amount(entry["ceiling"]), entry["since"]
            )
        elif event == "submitted":
            self.parts[nonce].batch = entry["batch"]
        elif event in ("refused", "absent", "done"):
            self.parts.pop(nonce, None)
        elif event == "asking":
            self.doubt_usd += self.pending_usd.pop(key, 0.0)  # sent before by a run that was killed
            self.pending_usd[key] = _amount(entry["ceiling"])
        elif event == "unanswered":
            self.pending_usd.pop(key, None)
        elif event == "doubt":
            self.doubt_usd += self.pending_usd.pop(key, 0.0)
        elif event == "reply":
            self._take_reply(place, entry, key, self.parts.get(nonce))

    def _take_reply(self, place: int, entry: dict, key: str, part: BatchPart | None) -> None:
        reply, model = Reply(**entry["reply"]), entry["model"]
        if name := misfit(reply):
            raise TypeError(f"the reply's {name} is of another type")
        if part:
            part.open_keys.discard(key)
        self.pending_usd.pop(key, None)
        self._count(entry, model, part.batch if part else "")
        # a version before took used up money for a fault of the row
        if reply.status not in FINAL or (reply.status == "invalid" and OUT_OF_MONEY.search(reply.note)):
            self.failed_attempts[key] += 1
            self.last_stop = reply.note if reply.status == "stopped" else self.last_stop
            return
        self._places[key] = place
        invalid = self._invalid.setdefault(model, set())
        if reply.status == "invalid":
            invalid.add(key)
            self.last_invalid = reply.note
        else:
            invalid.discard(key)
            self._valid[model] += 1

    def _count(self, entry: dict, model: str, batch: str) -> None:
        """Add the tokens and dollars of a reply to the totals."""
        usage, ceiling_usd = entry["reply"]["usage"], _amount(entry["ceiling"])
        usd = None if entry["usd"] is None else _amount(entry["usd"])
        if usage == {}:  # expired, canceled, errored: such rows cost nothing
            return
        for count in (usage or {}).values():
            _amount(count)
        # an edited line must not make a reply cheaper than its tokens, or than its ceiling where these are not known
        least = cost_usd(usage or {}, model, batch=bool(entry.get("nonce")))
        if least is not None:
            usd = max(usd or 0.0, least if usage else ceiling_usd)
        blank = {"replies": 0, **dict.fromkeys(COUNTED, 0), "usd": 0.0}
        total = self.totals.setdefault((model, batch), blank)
        total |= add_usage(total, usage or {}) | {"replies": total["replies"] + 1}
        total["usd"] = None if usd is None or total["usd"] is None else total["usd"] + usd
        if usd and ceiling_usd:
            self.factor = max(self.factor, usd / ceiling_usd)


def _amount(value: float) -> float:
    """Dollars or tokens of a line, which somebody may have edited.

    Raises:
        TypeError: it is no finite number from 0 up.
    """
    if not fits(value, float) or value < 0:
        raise TypeError("no amount")
    return value


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)
