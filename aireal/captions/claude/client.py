"""Claude's service: the key, the client, the model's preflight, and every fault as one clear sentence that never holds the key.

Written for anthropic 2.12, whose HTTP library is httpx2 and whose key travels as a bearer token.
"""

from __future__ import annotations

import getpass
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2

KEY = "ANTHROPIC_API_KEY"
RETRIES, TIMEOUT = 4, 120.0  # of the SDK: connection errors, 408, 409, 429 and 5xx; seconds a request
FAULTS = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    json.JSONDecodeError,
    UnicodeDecodeError,
)  # the last three the SDK lets through
_STOPS = {401, 402, 403, 404}  # no later request can fare better
_IN_DOUBT = {408, 409}  # besides 5xx: the request may have been carried out all the same


class ClaudeError(RuntimeError):
    """A request that brought no answer, told in one sentence without the key.

    `fatal`: the next request would fail as well. `doubt`: the service may have carried the request out. `wait`: seconds after which
    it asks to be asked again, None if it does not say.
    """

    def __init__(
        self, sentence: str, fatal: bool, status: int | None = None, doubt: bool = False, wait: float | None = None
    ):
        super().__init__(sentence)
        self.fatal, self.status, self.doubt, self.wait = fatal, status, doubt, wait

    @property
    def permanent(self) -> bool:
        """The very same request would be refused again, another one need not be."""
        return self.status in (400, 413, 422) and not self.fatal


def api_key(ask: bool = False) -> str | None:
    """The key from the environment, Colab's secrets or Kaggle's secrets; None when there is none.

    Args:
        ask: where there is none and a terminal is there, ask for it without showing it.

    Raises:
        ValueError: the key cannot be one (it holds blanks, line breaks or letters that no header can carry).
    """
    key = (
        os.environ.get(KEY) or _secret("google.colab.userdata", "get") or _secret("kaggle_secrets", "get_secret") or ""
    ).strip()
    if not key and ask and sys.stdin is not None and sys.stdin.isatty():
        key = getpass.getpass(f"{KEY} (not shown, kept only while this runs): ").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(f"{KEY} holds a blank, a line break or a letter outside ASCII: copy the key again")
    return key or None


def _secret(module: str, method: str) -> str | None:
    """Ask a notebook service's secret store; None where it is absent, has no such secret, or access was not granted."""
    try:
        store = importlib.import_module(module)
        store = store.UserSecretsClient() if module == "kaggle_secrets" else store
        return getattr(store, method)(KEY)
    except Exception:  # the services raise classes of their own, which exist only there
        return None


def make_client(key: str, base_url: str | None = None, proxies: bool = True) -> anthropic.Anthropic:
    """A client whose retries are bounded. An empty key is refused here, because the SDK reports it as a network fault.

    Args:
        base_url: of another server than Anthropic's (default: ANTHROPIC_BASE_URL, if it is set).
        proxies: go through the proxies that the environment names; False for a server on this machine.

    The SDK's loggers are kept at INFO or above: at DEBUG (ANTHROPIC_LOG=debug) they write down whole requests, pictures included, and
    whatever a server answers, which may quote the key.
    """
    if not key:
        raise ValueError(f"there is no key: set {KEY} in the environment or in the notebook's secrets")
    for name in ("anthropic", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    http = None if proxies else anthropic.DefaultHttpxClient(transport=httpx2.HTTPTransport(), trust_env=False)
    return anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=RETRIES, timeout=TIMEOUT, http_client=http)


def call(
    client: anthropic.Anthropic, method: Callable[..., Any], expected: type | None = None, **arguments: Any
) -> Any:
    """Call a method of the SDK; faults, and answers that are not `expected`, become a `ClaudeError`.

    Raises:
        ClaudeError: raised outside of the handler, so that it does not drag along the SDK's error, whose text may quote headers.
    """
    try:
        answer = method(**arguments)
    except (*FAULTS, AttributeError, TypeError) as fault:  # the last two: the SDK trips over answers of another shape
        failure = describe_fault(fault, client.api_key)
    else:
        if expected is None or isinstance(answer, expected):
            return answer
        failure = ClaudeError(
            "the answer has not the form it should have: is another server than Anthropic's answering "
            "(ANTHROPIC_BASE_URL, proxy)?",
            fatal=False,
            doubt=True,
        )
    raise failure


def describe_fault(fault: Exception, key: str | None = None) -> ClaudeError:
    """One clear sentence for a fault of the SDK, with the request id and never the key."""
    status, told = getattr(fault, "status_code", None), getattr(fault, "api_message", None) or ""
    spend = "SpendLimit" in type(fault).__name__ or "spend_limit" in (getattr(fault, "error_code", None) or "")
    if spend:
        sentence = "the spend limit of the account or workspace is reached; raise it in the console, then run again: finished rows are kept"
    elif status is not None:
        sentence = _SENTENCES.get(status) or (
            _SENTENCES[500] if status >= 500 else f"the request was refused (HTTP {status})"
        )
    elif isinstance(fault, anthropic.APIConnectionError | httpx2.HTTPError):
        sentence = "Anthropic cannot be reached, or did not answer in time; check the network, then run again: finished rows are kept"
    else:
        sentence = "the reply could not be read; run again: finished rows are kept"
    told = " ".join(told.replace(key, "[key]").split() if key else told.split())[:300]
    request_id = getattr(fault, "request_id", None)
    details = "; ".join(part for part in (told, f"request {request_id}" if request_id else "") if part)
    doubt = not spend and (status is None or status >= 500 or status in _IN_DOUBT)
    return ClaudeError(
        f"{sentence} ({details})" if details else sentence, spend or status in _STOPS, status, doubt, _wait(fault)
    )


def _wait(fault: Exception) -> float | None:
    """Seconds named by the headers retry-after-ms or retry-after, as a number; at most ten minutes."""
    headers = getattr(getattr(fault, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return min(max(float(headers[name]) * unit, 0.0), 600.0)
        except (KeyError, ValueError):
            continue
    return None


_SENTENCES = {
    401: f"the key is not valid; set {KEY} to a current one",
    402: "the account has no credit; add some in the console, then run again: finished rows are kept",
    403: "the key may not use this model or service; ask the owner of the workspace",
    404: "the service does not know what was asked for: the model, or a batch that another workspace's key has made; check model and key",
    413: "the request is too large; use smaller overlays or fewer sentences",
    429: "the rate limit is reached and waiting did not help; run again later: finished rows are kept",
    500: "Anthropic's service has a fault or is overloaded; run again later: finished rows are kept",
}


def check_model(client: anthropic.Anthropic, model: str, batch: bool) -> None:
    """Make sure, before anything is spent, that the model exists, is not retired, and can do what is needed.

    Raises:
        ClaudeError: it does not or cannot; the sentence names models that the key may use. Or the service cannot be asked.
    """
    try:
        found = call(client, client.models.retrieve, anthropic.types.ModelInfo, model_id=model)
    except ClaudeError as error:
        if error.status != 404:
            raise
        found = None
    if found is None:
        known = call(client, lambda: list(client.models.list(limit=100)))
        found = next((info for info in known if info.id == model), None)
        if found is None:
            names = ", ".join(str(info.id) for info in known if getattr(info, "lifecycle", None) != "retired") or "none"
            raise ClaudeError(
                f"the service knows no model {model!r}; choose one with --model (model= in Python): {names}", fatal=True
            )
    if getattr(found, "lifecycle", None) == "retired":
        raise ClaudeError(f"the model {model!r} is retired; choose another with --model (model= in Python)", fatal=True)
    needed = ("image_input", "structured_outputs", *(("batch",) if batch else ()))
    lacking = [
        name
        for name in needed
        if getattr(getattr(getattr(found, "capabilities", None), name, None), "supported", None) is False
    ]
    if lacking:
        raise ClaudeError(
            f"the model {model!r} lacks {', '.join(lacking)}; choose another with --model (model= in Python)",
            fatal=True,
        )
