"""Faults of the server on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

STATUSES = {  # kind: HTTP status, type and message of the error, its code
    "400": (400, "invalid_request_error", "bad request", None),
    "401": (401, "authentication_error", "invalid key", None),
    "402": (402, "billing_error", "no credit", None),
    "403": (403, "permission_error", "not allowed", None),
    "404": (404, "not_found_error", "not found", None),
    "413": (413, "request_too_large", "too large", None),
    "429": (429, "rate_limit_error", "slow down", None),
    "500": (500, "api_error", "internal fault", None),
    "529": (529, "overloaded_error", "overloaded", None),
    "spend_limit": (400, "invalid_request_error", "the limit is reached", "enforced_spend_limit_reached"),
}
SOCKET = ("timeout", "close", "cut", "garbage", "html", "lost")
RESULTS = ("cut_line", "short")
LIES = ("wrong_class", "wrong_number", "wrong_region", "wrong_language", "says_more")
ROWS = ("refusal", "max_tokens", "expired", "canceled", "errored", "invalid", "billing", "malformed", "few", *LIES)
ROUTES = ("messages", "create", "list", "retrieve", "results", "cancel", "models", "model", "count_tokens")


@dataclass
class Fault:
    """One fault.

    Args:
        on: a route of `ROUTES`, 'any', or 'row' for one question, by message or in a batch.
        kind: on a route a status ('429', ..., 'spend_limit'), 'timeout' (no answer for `seconds`), 'close' (socket
            closed unread), 'cut' (half of the body), 'garbage' (no JSON), 'html', or 'lost' (carried out, and no
            answer); on 'results' also 'cut_line' (the last line broken) and 'short' (the last line missing). On 'row':
            refusal, max_tokens, expired, canceled, errored, invalid, billing, malformed, few (a sentence missing), or
            one of `LIES`.
        skip: calls before it begins.
        times: calls that it strikes.
        headers: further headers of a status, e.g. retry-after-ms.
        about: on 'row', only questions whose text holds this.

    Raises:
        ValueError: the server has no such fault.
    """

    on: str
    kind: str
    skip: int = 0
    times: int = 1
    seconds: float = 1.0
    headers: dict[str, str] | None = None
    about: str = ""

    def __post_init__(self):
        kinds = ROWS if self.on == "row" else (*STATUSES, *SOCKET, *(RESULTS if self.on == "results" else ()))
        if self.on not in (*ROUTES, "any", "row") or self.kind not in kinds:
            raise ValueError(f"the server knows no fault {self.kind!r} on {self.on!r}: choose {', '.join(kinds)}")


class Faults:
    """The faults that have not struck yet."""

    def __init__(self, faults: Iterable[Fault]):
        self._pending, self._lock = [[fault, fault.skip, fault.times] for fault in faults], threading.Lock()

    def strike(self, on: str, text: str = "") -> Fault | None:
        """The fault that strikes this call (or the question `text`), None when none does."""
        with self._lock:
            for pending in self._pending:
                fault, skip, times = pending
                if fault.on not in (on, "any" if on != "row" else on) or not times or fault.about not in text:
                    continue
                if skip:
                    pending[1] -= 1
                    continue
                pending[2] -= 1
                return fault
        return None
