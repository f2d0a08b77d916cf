"""One question to Claude: what is asked about a row, its hash, and the parameters of the request.

No sampling parameters (the service refuses them), structured output through `output_config`, picture before text, rules in a cached
system prompt.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from aireal.captions.language.lexicon import LANGUAGES
from aireal.captions.table import CaptionRow
from aireal.core.imagefile import ImageError, open_rgb, read_bytes

from .prices import MODELS
from .prompt import SYSTEM, schema, user_text

SMALLEST_EDGE, LARGEST_EDGE = 512, 768  # long edge of the picture that is sent, px
PATCH = 28  # px a side of what counts as one token of a picture


@dataclass(frozen=True)
class Question:
    """One question about one row: how many sentences of each language, in how many tokens at most.

    `attempt` is 2 when the reply to the same question could not be read; `complaint` says what was wrong with earlier sentences.
    """

    wanted: tuple[tuple[str, int], ...]
    max_tokens: int
    attempt: int = 1
    complaint: str = ""

    @classmethod
    def first(cls, n: int) -> Question:
        """`n` sentences a language. The tokens leave room for thinking, which is counted among them."""
        return cls(tuple((language, n) for language in LANGUAGES), tokens_for(2 * n))

    def doubled(self) -> Question:
        return replace(self, max_tokens=2 * self.max_tokens)

    def again(self) -> Question:
        return replace(self, attempt=self.attempt + 1)


def tokens_for(sentences: int) -> int:
    """`max_tokens` for so many sentences: 200 each (a sentence of 400 Korean letters fits) and 2000 for thinking."""
    return 2000 + 200 * sentences


@dataclass(frozen=True)
class Request:
    """What is sent: `params` of `messages.create`, and what its price depends on (bytes of text as UTF-8, tokens of the picture).

    `size` is the bytes of the whole as JSON; `user_bytes` are those of the text that differs from row to row.
    """

    params: dict
    size: int
    text_bytes: int
    user_bytes: int
    image_tokens: int


def picture_hash(overlay: str | Path) -> str:
    """SHA-256 of the overlay's file (not of the JPEG that is sent, whose bytes vary with the library).

    Raises:
        ValueError: the file is missing or empty.
    """
    try:
        return hashlib.sha256(read_bytes(overlay)).hexdigest()
    except ImageError as error:
        raise ValueError(f"the overlay {overlay} cannot be used ({error}): predict the image again") from None


def key_of(ask: Question, row: CaptionRow, picture: str, model: str) -> str:
    """SHA-256 (40 hexadecimal digits of it) of all that a request asks: model, rules, row, picture and the question itself."""
    wanted = dict(ask.wanted)
    asked = [model, SYSTEM, user_text(row, wanted, ask.complaint), schema(wanted), picture, ask.max_tokens, ask.attempt]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()[:40]


def encode_overlay(path: str | Path) -> tuple[str, tuple[int, int]]:
    """An image file as base64 JPEG (quality 90) whose long edge is between 512 and 768 px, and its width and height as sent.

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
    return base64.b64encode(buffer.getvalue()).decode(), image.size


def image_tokens(size: Sequence[int]) -> int:
    """Tokens of a picture of that width and height in px: one for each 28×28 patch, begun ones too (the vendor's page on vision)."""
    width, height = size
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)


def build_request(row: CaptionRow, overlay: str | Path, ask: Question, model: str, cached_for: str = "5m") -> Request:
    """The request of a question. `cached_for` is how long the service shall keep the rules: 5m, or 1h in batches.

    Raises:
        ValueError: the overlay cannot be used.
    """
    data, size = encode_overlay(overlay)
    wanted = dict(ask.wanted)
    text = user_text(row, wanted, ask.complaint)
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
    output = {"format": {"type": "json_schema", "schema": schema(wanted)}}
    if effort := MODELS["models"].get(model, {}).get("effort"):
        output["effort"] = effort
    params = {
        "model": model,
        "max_tokens": ask.max_tokens,
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": cached_for}}],
        "messages": [{"role": "user", "content": [picture, {"type": "text", "text": text}]}],
        "output_config": output,
    }
    whole = len(json.dumps(params, ensure_ascii=False).encode())
    return Request(params, whole, whole - len(data), len(text.encode()), image_tokens(size))
