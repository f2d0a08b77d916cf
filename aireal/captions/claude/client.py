"""Claude's service: the key, the client, the check of the model, and faults as one sentence that never holds the key.

Written for anthropic 2.12, which uses the HTTP library httpx2 and sends the key as a bearer token.
"""

from __future__ import annotations

import functools
import getpass
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2

from aireal.core.file_names import shown
from aireal.core.secrets import secret, without_key

from .reply import OUT_OF_MONEY

KEY = "ANTHROPIC_API_KEY"
RETRIES, TIMEOUT = 4, 120.0  # of the SDK: connection errors, 408, 409, 429 and 5xx; seconds a request
# the SDK does not wrap the last three
FAULTS = (anthropic.AnthropicError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError)
ADDRESS = "ANTHROPIC_BASE_URL"  # which the SDK reads
_HERE = ("127.0.0.1", "localhost", "::1")
_STOPS = {401, 402, 403, 404}  # every later request would fail as well
_IN_DOUBT = {408, 409}  # besides 5xx: the service may have carried out the request


class ClaudeError(RuntimeError):
    """A request that brought no answer. The message is one sentence without the key.

    Attributes:
        fatal: the next request would fail as well.
        doubt: the service may have carried out the request.
        wait: seconds that the service names before a retry, None when it names none.
    """

    def __init__(
        self, sentence: str, fatal: bool, status: int | None = None, doubt: bool = False, wait: float | None = None
    ):
        super().__init__(sentence)
        self.fatal, self.status, self.doubt, self.wait = fatal, status, doubt, wait

    @property
    def permanent(self) -> bool:
        """Whether the same request would be refused again, while another one may succeed."""
        return self.status in (400, 413, 422) and not self.fatal


def api_key(ask: bool = False) -> str | None:
    """The key from the environment, Colab's secrets or Kaggle's secrets; None when there is none.

    Args:
        ask: prompt for a missing key, without showing it, where there is a terminal.

    Raises:
        ValueError: the key cannot be one (it holds blanks, line breaks or letters that no header can carry).
    """
    key = secret(KEY) or ""
    if not key and ask and sys.stdin is not None and sys.stdin.isatty():
        key = getpass.getpass(f"{KEY} (not shown, kept only while this runs): ").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(f"{KEY} holds a blank, a line break or a letter outside ASCII: copy the key again")
    return key or None


def make_client(key: str, base_url: str | None = None, proxies: bool = True) -> anthropic.Anthropic:
    """Make a client with bounded retries.

    The SDK's loggers are kept at INFO or above. At DEBUG (ANTHROPIC_LOG=debug) they log whole requests, pictures
    included, and the server's answers, which may quote the key.

    Args:
        base_url: of another server than Anthropic's (default: ANTHROPIC_BASE_URL, if it is set).
        proxies: use the proxies that the environment names; False for a server on this machine.

    Raises:
        ValueError: the key is empty, which the SDK would report as a network fault; or the address would send it in
            clear.
    """
    if not key:
        raise ValueError(f"there is no key: set {KEY} in the environment or in the notebook's secrets")
    _check_address(base_url or os.environ.get(ADDRESS, ""))
    for name in ("anthropic", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    http = None if proxies else anthropic.DefaultHttpxClient(transport=httpx2.HTTPTransport(), trust_env=False)
    return anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=RETRIES, timeout=TIMEOUT, http_client=http)


def _check_address(address: str) -> None:
    """Refuse an address to which the key would go in clear, and say once that it is not Anthropic's."""
    if not address:
        return
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE):
        raise ValueError(f"{ADDRESS} is no https:// address, so the key would be sent in clear; correct or unset it")
    if parts.hostname not in (*_HERE, "api.anthropic.com"):
        _say_once(f"key, pictures and questions go to {shown(parts.hostname)} ({ADDRESS}), not to Anthropic")


@functools.cache
def _say_once(text: str) -> None:
    print(text, flush=True)


def call(
    client: anthropic.Anthropic, method: Callable[..., Any], expected: type | None = None, **arguments: Any
) -> Any:
    """Call a method of the SDK.

    Raises:
        ClaudeError: the SDK raised a fault, or the answer is not of type `expected`. It is raised outside of the
            handler, so that it does not carry the SDK's error, whose text may quote headers.
    """
    try:
        answer = method(**arguments)
    except (*FAULTS, AttributeError, TypeError) as fault:  # the last two: the SDK fails on answers of another shape
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
    """Describe a fault of the SDK in one sentence, with the request id and without the key."""
    status, message = getattr(fault, "status_code", None), getattr(fault, "api_message", None) or ""
    spend = "SpendLimit" in type(fault).__name__ or "spend_limit" in (getattr(fault, "error_code", None) or "")
    spend = spend or status == 400 and bool(OUT_OF_MONEY.search(message))
    if spend:
        sentence = f"the credit or the spend limit of the account is used up; raise it in the console, {_RUN_AGAIN}"
    elif status is not None:
        sentence = _SENTENCES.get(status) or (
            _SENTENCES[500] if status >= 500 else f"the request was refused (HTTP {status})"
        )
    elif isinstance(fault, anthropic.APIConnectionError | httpx2.HTTPError):
        sentence = f"Anthropic cannot be reached, or did not answer in time; check the network, {_RUN_AGAIN}"
    else:
        sentence = "the reply could not be read; run again: finished rows are kept"
    message = shown(" ".join(without_key(message, key).split()))[:300]
    request_id = getattr(fault, "request_id", None)
    details = "; ".join(part for part in (message, f"request {request_id}" if request_id else "") if part)
    doubt = not spend and (status is None or status >= 500 or status in _IN_DOUBT)
    text = f"{sentence} ({details})" if details else sentence
    return ClaudeError(text, spend or status in _STOPS, status, doubt, _retry_after(fault))


def _retry_after(fault: Exception) -> float | None:
    """Seconds in the header retry-after-ms or retry-after, at most ten minutes; None without one."""
    headers = getattr(getattr(fault, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return min(max(float(headers[name]) * unit, 0.0), 600.0)
        except (KeyError, ValueError):
            continue
    return None


_RUN_AGAIN = "then run again: finished rows are kept"
_SENTENCES = {
    401: f"the key is not valid; set {KEY} to a current one",
    402: f"the account has no credit; add some in the console, {_RUN_AGAIN}",
    403: "the key may not use this model or service; ask the owner of the workspace",
    404: "the service does not know the model, or the batch belongs to another workspace's key; check model and key",
    413: "the request is too large; use smaller overlays or fewer sentences",
    429: "the rate limit is reached and waiting did not help; run again later: finished rows are kept",
    500: "Anthropic's service has a fault or is overloaded; run again later: finished rows are kept",
}


def check_model(client: anthropic.Anthropic, model: str, batch: bool) -> None:
    """Check, before anything is spent, that the model exists, is not retired, and has the capabilities that are needed.

    Raises:
        ClaudeError: it does not exist (the message lists the key's models), is retired or lacks a capability; or the
            service cannot be reached.
    """
    info = _model_info(client, model)
    advice = "choose another with --model (model= in Python)"
    if getattr(info, "lifecycle", None) == "retired":
        raise ClaudeError(f"the model {model!r} is retired; {advice}", fatal=True)
    capabilities = getattr(info, "capabilities", None)
    needed = ("image_input", "structured_outputs", *(("batch",) if batch else ()))
    lacking = [name for name in needed if getattr(getattr(capabilities, name, None), "supported", None) is False]
    if lacking:
        raise ClaudeError(f"the model {model!r} lacks {', '.join(lacking)}; {advice}", fatal=True)


def _model_info(client: anthropic.Anthropic, model: str) -> anthropic.types.ModelInfo:
    """Retrieve a model, or find it in the list where the server does not answer for single models."""
    try:
        return call(client, client.models.retrieve, anthropic.types.ModelInfo, model_id=model)
    except ClaudeError as error:
        if error.status != 404:
            raise
    models = call(client, lambda: list(client.models.list(limit=100)))
    for info in models:
        if info.id == model:
            return info
    names = ", ".join(str(info.id) for info in models if getattr(info, "lifecycle", None) != "retired") or "none"
    raise ClaudeError(
        f"the service knows no model {model!r}; choose one with --model (model= in Python): {names}", fatal=True
    )
