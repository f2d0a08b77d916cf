"""What requests to Claude may cost: ceilings before anything is sent, and the budget that no run goes over."""

from __future__ import annotations

from .ledger import Ledger
from .prices import MODELS, cost_usd
from .request import Request

OVERHEAD = 1000  # tokens that a request may hold besides its text and picture (roles, the form of the answer)


class RunStopped(RuntimeError):
    """A run must end early, for the reason given in one sentence; what is done is kept."""


class TokenCeiling:
    """How many tokens requests hold, and so what they may cost.

    Args:
        counted: input tokens of one request of this run as the service counted them, or None. A token is at least one byte of UTF-8
            and what differs between rows is known, so that both ways give a true ceiling: with a count, that count plus all bytes of
            the row's own text plus the picture; without one, all bytes of the request's text plus the picture plus `OVERHEAD`.
    """

    def __init__(self, model: str, batch: bool, counted: int | None = None):
        self.model, self.batch, self.counted = model, batch, counted

    def input_ceiling(self, request: Request) -> int:
        bound = request.text_bytes + OVERHEAD if self.counted is None else self.counted + request.user_bytes
        return bound + request.image_tokens

    def input_likely(self, request: Request) -> int:
        if self.counted is not None:
            return self.counted
        return round(request.text_bytes * MODELS["assumed"]["tokens_per_byte"]) + request.image_tokens

    def ceiling_usd(self, request: Request) -> float:
        """The most that a request can cost: all input newly cached at the dearer rate, all of `max_tokens` used. 0 without a price."""
        usage = {
            ("cache_write_1h" if self.batch else "cache_write_5m"): self.input_ceiling(request),
            "output_tokens": request.params["max_tokens"],
        }
        return cost_usd(usage, self.model, self.batch) or 0.0


class Budget:
    """Whether there is money for a request. Counted are all runs that the journal knows: spent, under way and in doubt, at their ceilings.

    Should a reply ever have cost more than its ceiling, later ceilings are raised by the same factor.

    Raises:
        ValueError: the limit is negative, or there is one and the model has no listed price.
    """

    def __init__(self, max_usd: float | None, model: str, book: Ledger):
        if max_usd is not None and not max_usd >= 0:
            raise ValueError(f"the limit of {max_usd} dollars makes no sense: give a number from 0 up")
        if max_usd is not None and model not in MODELS["models"]:
            raise ValueError(
                f"no price of {model!r} is listed, so a limit cannot be kept: add it to models.json, or use --yes (yes=True) without a limit"
            )
        self.max_usd, self.book = max_usd, book

    @property
    def left(self) -> float:
        return float("inf") if self.max_usd is None else self.max_usd - self.book.committed_usd

    def fits(self, ceiling: float) -> bool:
        return ceiling * self.book.factor <= self.left

    def stop(self, ceiling: float) -> RunStopped:
        return RunStopped(
            f"the limit of ${self.max_usd:.2f} leaves ${max(0, self.left):.4f}, and the next request may cost up to "
            f"${ceiling * self.book.factor:.4f}; raise --max-usd (max_usd=) to go on"
        )
