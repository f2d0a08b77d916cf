"""Limits on what requests to Claude cost: a ceiling for each request before it is sent, and a budget for all runs."""

from __future__ import annotations

from .ledger import Ledger
from .prices import MODELS, cost_usd
from .request import Request

OVERHEAD = 1000  # tokens that a request may hold besides its text and picture (roles, the form of the answer)


class RunStopped(RuntimeError):
    """A run must end early, for the reason given in one sentence. Finished rows are kept."""


class TokenCeiling:
    """Ceilings on the tokens of requests, and so on their cost.

    A token is at least one byte of UTF-8, and the part of a request that differs between rows is known. With a count of
    the service, the ceiling is that count plus all bytes of the row's own text plus the tokens of its picture. Without
    one, it is all bytes of the request's text plus the tokens of its picture plus `OVERHEAD`.

    Args:
        counted: input tokens of one request of this run as the service counted them, or None.
    """

    def __init__(self, model: str, batch: bool, counted: int | None = None):
        self.model, self.batch, self.counted = model, batch, counted

    def input_ceiling(self, request: Request) -> int:
        """The most input tokens that a request can have."""
        bound = request.text_bytes + OVERHEAD if self.counted is None else self.counted + request.user_bytes
        return bound + request.image_tokens

    def input_estimate(self, request: Request) -> int:
        """The input tokens that a request is likely to have."""
        if self.counted is not None:
            return self.counted
        return round(request.text_bytes * MODELS["assumed"]["tokens_per_byte"]) + request.image_tokens

    def ceiling_usd(self, request: Request) -> float:
        """The most that a request can cost: all input cached anew at the dearer rate, all of `max_tokens` used.

        0 for a model without a listed price.
        """
        usage = {
            ("cache_write_1h" if self.batch else "cache_write_5m"): self.input_ceiling(request),
            "output_tokens": request.params["max_tokens"],
        }
        return cost_usd(usage, self.model, self.batch) or 0.0


class Budget:
    """The limit in dollars on all runs of a journal together: spent, under way and in doubt, the last two at ceilings.

    Should a reply ever cost more than its ceiling, later ceilings are raised by the same factor.

    Raises:
        ValueError: the limit is negative, or there is one and the model has no listed price.
    """

    def __init__(self, max_usd: float | None, model: str, ledger: Ledger):
        if max_usd is not None and not max_usd >= 0:
            raise ValueError(f"the limit of {max_usd} dollars makes no sense: give a number from 0 up")
        if max_usd is not None and model not in MODELS["models"]:
            raise ValueError(
                f"no price of {model!r} is listed, so a limit cannot be kept: add it to models.json, "
                "or use --yes (yes=True) without a limit"
            )
        self.max_usd, self.ledger = max_usd, ledger

    @property
    def left_usd(self) -> float:
        return float("inf") if self.max_usd is None else self.max_usd - self.ledger.committed_usd

    def fits(self, ceiling_usd: float) -> bool:
        """Whether a request of this ceiling can be sent."""
        return ceiling_usd * self.ledger.factor <= self.left_usd

    def exceeded(self, ceiling_usd: float) -> RunStopped:
        """The exception for a request that does not fit."""
        return RunStopped(
            f"the limit of ${self.max_usd:.2f} leaves ${max(0, self.left_usd):.4f}, and the next request may cost "
            f"up to ${ceiling_usd * self.ledger.factor:.4f}; raise --max-usd (max_usd=) to go on"
        )
