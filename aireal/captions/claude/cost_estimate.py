"""What a run will cost, said before anything is spent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import anthropic

from .budget import TokenCeiling
from .client import ClaudeError, call
from .prices import MODELS, cost_usd
from .prompt import COMPLAINT_BYTES, user_text
from .request import LARGEST_EDGE, Question, Request, build_request, image_tokens
from .worklist import Worklist

SAMPLE = 5  # rows whose requests are counted
_COUNTABLE = ("model", "system", "messages", "output_config")


@dataclass(frozen=True)
class CostEstimate:
    """`low`: replies as long as usual, nothing read from or written to the cache, each row asked once. `once`: each row asked once and every
    reply as long as allowed. `ceiling`: every row asked as often as allowed, too. Dollars; None for a model without a listed price."""

    model: str
    batch: bool
    rows: int
    counted: bool
    input_tokens: int
    output_tokens: int
    max_tokens: int
    low: float | None
    once: float | None
    ceiling: float | None

    def told(self) -> str:
        """Rows, tokens and cost in two sentences."""
        if not self.rows:
            return "To ask: 0 rows; nothing would be spent."
        how = (
            f"counted by the service on up to {SAMPLE} rows"
            if self.counted
            else "estimated by formula: without the service's count"
        )
        tokens = (
            f"To ask: {self.rows:,} rows, about {self.rows * self.input_tokens:,} tokens in ({self.input_tokens:,} a row, {how}) and "
            f"{self.rows * self.output_tokens:,} out ({self.output_tokens:,} a row, at most {self.max_tokens:,})."
        )
        if self.low is None:
            return f"{tokens} Cost: unknown, because no price of {self.model} is listed."
        way = f"message batches, {MODELS['batch']:.0%} of the price" if self.batch else "plain messages"
        return (
            f"{tokens} Cost by {way}: about ${self.low:.4f} (low), at most ${self.once:.4f} if each row is asked once, and never more than "
            f"${self.ceiling:.4f} (ceiling: every row asked as often as allowed, every reply as long as allowed; prices of {MODELS['dated']})."
        )


def token_ceiling_for(work: Worklist, client: anthropic.Anthropic | None, batch: bool) -> TokenCeiling:
    """A meter with the service's count of the largest of a few rows' requests, or without one when there is no client or it cannot count."""
    counts = []
    for request in _sample(work, "1h" if batch else "5m") if client else ():
        try:
            arguments = {name: request.params[name] for name in _COUNTABLE}
            counted = call(client, client.messages.count_tokens, anthropic.types.MessageTokensCount, **arguments)
        except ClaudeError as error:
            if error.fatal and error.status != 404:
                raise
            return TokenCeiling(work.model, batch)
        counts.append(counted.input_tokens)
    usable = counts and all(isinstance(count, int) and count > 0 for count in counts)
    return TokenCeiling(work.model, batch, max(counts) if usable else None)


def estimate_cost(
    work: Worklist, client: anthropic.Anthropic | None, batch: bool, meter: TokenCeiling | None = None
) -> CostEstimate:
    """Estimate what the open questions will cost: tokens by a few of them, ceilings by the longest text and the largest picture.

    At worst a row is asked four times: the first question, once more with twice the tokens because the reply was cut off, once more because it
    could not be read, and once more for rejected sentences with the complaint: 4 inputs and 1 + 2 + 2 + 2 outputs.

    Raises:
        ClaudeError: a key is there and is not accepted.
    """
    meter = meter or token_ceiling_for(work, client, batch)
    sample, rows, longest = _sample(work, "5m"), 0, 0
    for item in work.open() if sample else ():
        rows, longest = (
            rows + 1,
            max(longest, len(user_text(item.row, dict(item.ask.wanted), item.ask.complaint).encode())),
        )
    if not rows:
        return CostEstimate(work.model, batch, 0, False, 0, 0, 0, 0.0, 0.0, 0.0)
    into = round(sum(map(meter.input_likely, sample)) / len(sample))
    out, most = _likely_output(work), Question.first(work.n).max_tokens
    low = cost_usd({"input_tokens": into, "output_tokens": out}, work.model, batch)
    if low is None:
        return CostEstimate(work.model, batch, rows, meter.counted is not None, into, out, most, None, None, None)
    bound = (
        max(meter.input_ceiling(request) - request.user_bytes - request.image_tokens for request in sample)
        + longest
        + image_tokens([LARGEST_EDGE] * 2)
    )
    write = "cache_write_1h" if batch else "cache_write_5m"
    once = cost_usd({write: bound, "output_tokens": most}, work.model, batch)
    ceiling = cost_usd({write: 4 * bound + COMPLAINT_BYTES, "output_tokens": 7 * most}, work.model, batch)
    return CostEstimate(
        work.model, batch, rows, meter.counted is not None, into, out, most, rows * low, rows * once, rows * ceiling
    )


def _sample(work: Worklist, cached_for: str) -> list[Request]:
    """Requests of the first rows that can be asked about."""
    found = []
    for item in itertools.islice(work.open(), 4 * SAMPLE):
        try:
            found.append(build_request(item.row, item.overlay, item.ask, work.model, cached_for))
        except ValueError:
            continue  # its overlay is broken: the run will list it
        if len(found) == SAMPLE:
            break
    return found


def _likely_output(work: Worklist) -> int:
    """Output tokens of a reply: what those in the journal took on average, or else what models.json assumes."""
    totals = [total for (model, _), total in work.book.totals.items() if model == work.model]
    if replies := sum(total["replies"] for total in totals):
        return round(sum(total["output_tokens"] for total in totals) / replies)
    return MODELS["assumed"]["output_tokens_per_reply"] + 2 * work.n * MODELS["assumed"]["output_tokens_per_sentence"]
