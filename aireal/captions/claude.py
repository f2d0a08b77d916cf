"""Captions by Claude: one row, one request, and every sentence through the gate.

Written for anthropic 2.12: no sampling parameters, structured output through `output_config`, replies that may begin with a
thinking block. A reply is validated here rather than by `messages.parse`, which loses the usage of a reply that it rejects.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anthropic
from PIL import Image

from ..imagefile import ImageError, open_rgb, read_bytes
from .gate import sift
from .instructions import SYSTEM, fields, schema, user_text
from .lexicon import LANGUAGES
from .table import Row

MODELS = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
DEFAULT_MODEL = MODELS["default"]
KEY = "ANTHROPIC_API_KEY"
SMALLEST_EDGE, LARGEST_EDGE = 512, 768  # long edge of the picture that is sent, px
RETRIES, TIMEOUT = 4, 120.0  # of the SDK: connection errors, 408, 409, 429 and 5xx; seconds a request
_STOPS = {401, 402, 403, 404}  # no later row can fare better
_COUNTED = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class ClaudeError(RuntimeError):
    """A request that brought no reply, told in one sentence without the key. `fatal`: the next row would fail as well."""

    def __init__(self, sentence: str, fatal: bool):
        super().__init__(sentence)
        self.fatal = fatal


@dataclass(frozen=True)
class Result:
    """What one row brought. `status` is ok, refusal, max_tokens or malformed; `note` says more when it is not ok.

    `accepted` holds (language, sentence), `rejected` (language, sentence, reasons); `usage` counts tokens.
    """

    image: str
    model: str
    status: str
    accepted: tuple[tuple[str, str], ...] = ()
    rejected: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    usage: dict[str, int] | None = None
    request_id: str = ""
    note: str = ""

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict) -> Result:
        return cls(**d | {
            "accepted": tuple(tuple(pair) for pair in d["accepted"]),
            "rejected": tuple((language, sentence, tuple(reasons)) for language, sentence, reasons in d["rejected"]),
        })


# --- key and client ----------------------------------------------------------------------------------------------------


def api_key() -> str | None:
    """The key from the environment, Colab's secrets or Kaggle's secrets; None when there is none.

    Raises:
        ValueError: the key cannot be one (it holds blanks, line breaks or letters that no header can carry).
    """
    key = (os.environ.get(KEY) or _secret("google.colab.userdata", "get") or _secret("kaggle_secrets", "get_secret") or "").strip()
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


def make_client(key: str, base_url: str | None = None) -> anthropic.Anthropic:
    """A client whose retries are bounded. An empty key is refused here, because the SDK reports it as a network fault."""
    if not key:
        raise ValueError(f"there is no key: set {KEY} in the environment or in the notebook's secrets")
    return anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=RETRIES, timeout=TIMEOUT)


# --- request -----------------------------------------------------------------------------------------------------------


def encode_overlay(path: str | Path) -> str:
    """An image file as base64 JPEG (quality 90) whose long edge is between 512 and 768 px.

    Raises:
        ValueError: the file is missing or is no image.
    """
    try:
        image = open_rgb(path)
    except ImageError as error:
        raise ValueError(f"the overlay {path} cannot be used ({error}): predict the image again") from None
    scale = min(max(max(image.size), SMALLEST_EDGE), LARGEST_EDGE) / max(image.size)
    if scale != 1:
        image = image.resize(tuple(max(1, round(side * scale)) for side in image.size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()


def request(row: Row, overlay: str | Path, n: int, model: str = DEFAULT_MODEL) -> dict:
    """The parameters of one `messages.create`: picture before text, rules in the cached system prompt.

    Effort is low, and `max_tokens` leaves room for thinking, which is counted in it.
    """
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": encode_overlay(overlay)}}
    output = {"format": {"type": "json_schema", "schema": schema(n)}}
    if effort := MODELS["models"].get(model, {}).get("effort"):
        output["effort"] = effort
    return {
        "model": model,
        "max_tokens": 2000 + 400 * n,
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [picture, {"type": "text", "text": user_text(row, n)}]}],
        "output_config": output,
    }


def prompt_hash(row: Row, overlay: str | Path, n: int, model: str = DEFAULT_MODEL) -> str:
    """SHA-256 of what a request asks: model, rules, row and the overlay's file (not its JPEG, whose bytes vary with the library).

    Raises:
        ValueError: the overlay cannot be read.
    """
    try:
        picture = hashlib.sha256(read_bytes(overlay)).hexdigest()
    except ImageError as error:
        raise ValueError(f"the overlay {overlay} cannot be used ({error}): predict the image again") from None
    asked = [model, SYSTEM, user_text(row, n), schema(n), picture]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


def augment_row(client: anthropic.Anthropic, row: Row, overlay: str | Path, n: int, model: str = DEFAULT_MODEL) -> Result:
    """Ask for `n` sentences a language about one row and pass each through the gate.

    A reply that was cut off by `max_tokens` is asked for once more with twice as many.

    Raises:
        ValueError: the overlay cannot be used.
        ClaudeError: no reply after the SDK's retries; one sentence says why and whether going on makes sense.
    """
    parameters = request(row, overlay, n, model)
    result = _judge(_send(client, parameters), row, model, n)
    if result.status != "max_tokens":
        return result
    longer = _judge(_send(client, parameters | {"max_tokens": 2 * parameters["max_tokens"]}), row, model, n)
    return replace(longer, usage=add_usage(result.usage, longer.usage))


def _send(client: anthropic.Anthropic, parameters: dict) -> anthropic.types.Message:
    failure = None
    try:
        message = client.messages.create(**parameters)
    except (anthropic.AnthropicError, json.JSONDecodeError) as error:
        failure = explain(error, client.api_key)
    if failure:  # raised out here so that it does not drag along the SDK's error, whose text may quote headers
        raise failure
    if not isinstance(message, anthropic.types.Message) or not isinstance(message.content, list):
        raise ClaudeError("the reply is no message: is another server than Anthropic's answering (ANTHROPIC_BASE_URL, proxy)?", fatal=False)
    return message


def explain(error: Exception, key: str | None = None) -> ClaudeError:
    """One clear sentence for an error of the SDK, with the request id and never the key."""
    status, told = getattr(error, "status_code", None), getattr(error, "api_message", None) or ""
    spend = "SpendLimit" in type(error).__name__ or "spend_limit" in (getattr(error, "error_code", None) or "")
    if spend:
        sentence = "the spend limit of the account or workspace is reached; raise it in the console, then run again: finished rows are kept"
    elif status is not None:
        sentence = _SENTENCES.get(status) or (_SENTENCES[500] if status >= 500 else f"the request was refused (HTTP {status})")
    elif isinstance(error, anthropic.APIConnectionError):
        sentence = "Anthropic cannot be reached, or did not answer in time; check the network, then run again: finished rows are kept"
    else:
        sentence = "the reply could not be read; run again: finished rows are kept"
    told = " ".join(told.replace(key, "[key]").split() if key else told.split())[:300]
    request_id = getattr(error, "request_id", None)
    details = "; ".join(part for part in (told, f"request {request_id}" if request_id else "") if part)
    return ClaudeError(f"{sentence} ({details})" if details else sentence, fatal=spend or status in _STOPS)


_SENTENCES = {
    401: f"the key is not valid; set {KEY} to a current one",
    402: "the account has no credit; add some in the console, then run again: finished rows are kept",
    403: "the key may not use this model or service; ask the owner of the workspace",
    404: "the model is not known to the service; choose a current one with model=",
    413: "the request is too large; use smaller overlays or fewer sentences",
    429: "the rate limit is reached and waiting did not help; run again later: finished rows are kept",
    500: "Anthropic's service has a fault or is overloaded; run again later: finished rows are kept",
}


# --- reply -------------------------------------------------------------------------------------------------------------


def _judge(message: anthropic.types.Message, row: Row, model: str, n: int) -> Result:
    blank = Result(row.image, model, "ok", usage=usage_of(message), request_id=message._request_id or "")
    if message.stop_reason == "refusal":
        details = getattr(message, "stop_details", None)
        category = getattr(details, "category", None) or "no category given"
        return replace(blank, status="refusal", note=f"Claude refused ({category})")
    if message.stop_reason == "max_tokens":
        return replace(blank, status="max_tokens", note="the reply was cut off at its token limit")
    text = next((block.text for block in message.content if block.type == "text"), None)
    if message.stop_reason != "end_turn" or text is None:
        return replace(blank, status="malformed", note=f"no finished text (stop reason {message.stop_reason})")
    try:
        answer = json.loads(text)
        sentences = {name: answer[name] for _, name in fields(n)}
    except (ValueError, KeyError, TypeError):
        return replace(blank, status="malformed", note="the reply is not of the form that was asked for")
    return _sorted_out(blank, row, sentences, n)


def _sorted_out(blank: Result, row: Row, sentences: dict[str, str], n: int) -> Result:
    accepted, rejected = [], []
    for language in LANGUAGES:
        mine = [sentences[name] for of, name in fields(n) if of == language]
        good, bad = sift(mine, row.record, language, row.captions[language])
        accepted += [(language, sentence) for sentence in good]
        rejected += [(language, sentence, tuple(reasons)) for sentence, reasons in bad]
    return replace(blank, accepted=tuple(accepted), rejected=tuple(rejected))


# --- money -------------------------------------------------------------------------------------------------------------


def usage_of(message: anthropic.types.Message) -> dict[str, int]:
    """Token counts of a reply; counters that the service leaves out are 0."""
    return {name: getattr(message.usage, name, None) or 0 for name in _COUNTED}


def add_usage(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int]:
    """The sum of two usages."""
    return {name: (one or {}).get(name, 0) + (other or {}).get(name, 0) for name in _COUNTED}


def cost_usd(usage: dict[str, int], model: str) -> float | None:
    """Cost of ordinary (not batch) requests by the dated prices of models.json; None for a model that is not listed there."""
    price = MODELS["models"].get(model)
    if price is None:
        return None
    read = price["input"] if price["cache_read"] is None else price["cache_read"]
    rates = (price["input"], price["output"], price["cache_write_5m"], read)
    return sum(usage.get(name, 0) * rate for name, rate in zip(_COUNTED, rates, strict=True)) / 1e6
