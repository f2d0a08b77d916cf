"""The cost of a run, estimated before anything is spent."""

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

SAMPLE = 5  # rows whose tokens the service counts
_COUNTABLE = ("model", "system", "messages", "output_config")


@dataclass(frozen=True)
class CostEstimate:
    """Rows, tokens a row and dollars of a run. Dollars are None for a model without a listed price.

    Attributes:
        counted: whether the service counted the input tokens; otherwise a formula estimates them.
        input_tokens: of a row.
        output_tokens: of a row, as usual; `max_tokens` is the most.
        low: each row asked once, replies of usual length, no use of the cache.
        once: each row asked once, every reply as long as allowed.
        ceiling: every row asked as often as allowed, every reply as long as allowed.
    """

    model: str
    batch: bool
    rows: int
    counted: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    max_tokens: int = 0
    low: float | None = 0.0
    once: float | None = 0.0
    ceiling: float | None = 0.0

    def summary(self) -> str:
        """Rows, tokens and cost in two sentences."""
        if not self.rows:
            return "To ask: 0 rows; nothing would be spent."
        how = (
            "counted by the service on a few rows"
            if self.counted
            else "estimated by formula: not counted by the service"
        )
        tokens = (
            f"To ask: {self.rows:,} rows, about {self.rows * self.input_tokens:,} tokens in "
            f"({self.input_tokens:,} a row, {how}) and {self.rows * self.output_tokens:,} out "
            f"({self.output_tokens:,} a row, at most {self.max_tokens:,})."
        )
        if self.low is None:
            return f"{tokens} Cost: unknown, because no price of {self.model} is listed."
        way = f"message batches, {MODELS['batch']:.0%} of the price" if self.batch else "plain messages"
        return (
            f"{tokens} Cost by {way}: about ${self.low:.4f} (low), at most ${self.once:.4f} if each row is asked once, "
            f"and never more than ${self.ceiling:.4f} (ceiling: every row asked as often as allowed, every reply as "
            f"long as allowed; prices of {MODELS['dated']})."
        )


def token_ceiling_for(
    worklist: Worklist, client: anthropic.Anthropic | None, batch: bool, sample: int = SAMPLE
) -> TokenCeiling:
    """The ceilings for a run, by the service's count of the largest of `sample` requests.

    The ceilings do without a count when there is no client or the service cannot count.
    """
    counts = []
    for request in _sample(worklist, "1h" if batch else "5m", sample) if client else ():
        try:
            arguments = {name: request.params[name] for name in _COUNTABLE}
            count = call(client, client.messages.count_tokens, anthropic.types.MessageTokensCount, **arguments)
        except ClaudeError as error:
            if error.fatal and error.status != 404:
                raise
            return TokenCeiling(worklist.model, batch)
        counts.append(count.input_tokens)
    usable = counts and all(isinstance(count, int) and count > 0 for count in counts)
    return TokenCeiling(worklist.model, batch, max(counts) if usable else None)


def estimate_cost(
    worklist: Worklist,
    client: anthropic.Anthropic | None,
    batch: bool,
    token_ceiling: TokenCeiling | None = None,
    sample: int = SAMPLE,
) -> CostEstimate:
    """Estimate the cost of the open questions: tokens from a few of them, ceilings from the longest text and largest
    picture.

    At worst a row is asked four times: the first question, the same with twice the tokens because the reply was cut
        off,
    the same again because it could not be read, and once for the rejected sentences, with the complaint. These are
    4 inputs and 1 + 2 + 2 + 2 outputs.

    Raises:
        ClaudeError: there is a key and the service does not accept it.
    """
    token_ceiling = token_ceiling or token_ceiling_for(worklist, client, batch, sample)
    requests, rows, longest = _sample(worklist, "5m", sample), 0, 0
    for item in worklist.open_items() if requests else ():
        text = user_text(item.row, dict(item.question.wanted), item.question.complaint)
        rows, longest = rows + 1, max(longest, len(text.encode()))
    if not rows:
        return CostEstimate(worklist.model, batch, 0)
    input_tokens = round(sum(map(token_ceiling.input_estimate, requests)) / len(requests))
    output_tokens, max_tokens = _usual_output(worklist), Question.first(worklist.n).max_tokens
    estimate = (worklist.model, batch, rows, token_ceiling.counted is not None, input_tokens, output_tokens, max_tokens)
    low = cost_usd({"input_tokens": input_tokens, "output_tokens": output_tokens}, worklist.model, batch)
    if low is None:
        return CostEstimate(*estimate, None, None, None)
    rules = max(token_ceiling.input_ceiling(one) - one.user_bytes - one.image_tokens for one in requests)
    bound = rules + longest + image_tokens([LARGEST_EDGE] * 2)
    cache_write = "cache_write_1h" if batch else "cache_write_5m"
    once = cost_usd({cache_write: bound, "output_tokens": max_tokens}, worklist.model, batch)
    worst = {cache_write: 4 * bound + COMPLAINT_BYTES, "output_tokens": 7 * max_tokens}
    ceiling = cost_usd(worst, worklist.model, batch)
    return CostEstimate(*estimate, rows * low, rows * once, rows * ceiling)


def _sample(worklist: Worklist, cached_for: str, count: int) -> list[Request]:
    """The first `count` requests whose overlays can be used."""
    requests = []
    for item in itertools.islice(worklist.open_items(), 4 * count):
        try:
            requests.append(build_request(item.row, item.overlay, item.question, worklist.model, cached_for))
        except ValueError:
            continue  # the overlay is broken: the run will list it
        if len(requests) == count:
            break
    return requests


def _usual_output(worklist: Worklist) -> int:
    """Output tokens of a reply: the mean of those in the journal, or else the assumption of models.json."""
    totals = [total for (model, _), total in worklist.ledger.totals.items() if model == worklist.model]
    if replies := sum(total["replies"] for total in totals):
        return round(sum(total["output_tokens"] for total in totals) / replies)
    assumed = MODELS["assumed"]
    return assumed["output_tokens_per_reply"] + 2 * worklist.n * assumed["output_tokens_per_sentence"]
