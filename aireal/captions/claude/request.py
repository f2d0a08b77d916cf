"""One question to Claude about a row: its hash, and the parameters of its request.

A request has no sampling parameters (the service refuses them), structured output through `output_config`, the picture
before the text, and the rules in a cached system prompt.
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
    """One question about one row.

    Attributes:
        wanted: language and number of sentences.
        max_tokens: the most tokens that the reply can have.
        attempt: 2 when the reply to the same question could not be read.
        complaint: the faults of earlier sentences; empty in a first question.
    """

    wanted: tuple[tuple[str, int], ...]
    max_tokens: int
    attempt: int = 1
    complaint: str = ""

    @classmethod
    def first(cls, n: int) -> Question:
        """The first question about a row: `n` sentences a language."""
        return cls(tuple((language, n) for language in LANGUAGES), tokens_for(2 * n))

    @property
    def count(self) -> int:
        """Sentences of all languages."""
        return sum(count for _, count in self.wanted)

    def doubled(self) -> Question:
        """The same question with twice the tokens, for a reply that was cut off."""
        return replace(self, max_tokens=2 * self.max_tokens)

    def again(self) -> Question:
        """The same question once more, for a reply that could not be read."""
        return replace(self, attempt=self.attempt + 1)


def tokens_for(sentences: int) -> int:
    """`max_tokens` for a number of sentences: 200 each (400 Korean letters fit), and 2000 for thinking."""
    return 2000 + 200 * sentences


@dataclass(frozen=True)
class Request:
    """The parameters of `messages.create`, and the sizes that their price depends on.

    Attributes:
        size: bytes of the whole request as JSON.
        text_bytes: bytes without the picture, as UTF-8.
        user_bytes: bytes of the text that differs from row to row.
        image_tokens: tokens of the picture.
    """

    params: dict
    size: int
    text_bytes: int
    user_bytes: int
    image_tokens: int


def picture_hash(overlay: str | Path) -> str:
    """SHA-256 of the overlay's file (not of the JPEG that is sent, since its bytes depend on the library's version).

    Raises:
        ValueError: the file is missing or empty.
    """
    try:
        return hashlib.sha256(read_bytes(overlay)).hexdigest()
    except ImageError as error:
        raise ValueError(f"the overlay {overlay} cannot be used ({error}): predict the image again") from None


def question_key(question: Question, row: CaptionRow, picture: str, model: str) -> str:
    """40 hexadecimal digits of the SHA-256 of all that a request holds: model, rules, row, picture, and the question.

    Args:
        picture: `picture_hash` of the overlay.
    """
    wanted = dict(question.wanted)
    text = user_text(row, wanted, question.complaint)
    content = [model, SYSTEM, text, schema(wanted), picture, question.max_tokens, question.attempt]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:40]


def encode_overlay(path: str | Path) -> tuple[str, tuple[int, int]]:
    """Encode an image file as base64 JPEG (quality 90) with a long edge between 512 and 768 px.

    Returns:
        The base64 text, and width and height of the encoded image in px.

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
    """Tokens of a picture of this width and height in px: one for each 28×28 patch, partial ones too.

    Source: the vendor's documentation on vision.
    """
    width, height = size
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)


def build_request(
    row: CaptionRow, overlay: str | Path, question: Question, model: str, cached_for: str = "5m"
) -> Request:
    """Build the request of a question.

    Args:
        cached_for: how long the service caches the rules: 5m, or 1h in batches.

    Raises:
        ValueError: the overlay cannot be used.
    """
    data, size = encode_overlay(overlay)
    wanted = dict(question.wanted)
    text = user_text(row, wanted, question.complaint)
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
    output = {"format": {"type": "json_schema", "schema": schema(wanted)}}
    if effort := MODELS["models"].get(model, {}).get("effort"):
        output["effort"] = effort
    params = {
        "model": model,
        "max_tokens": question.max_tokens,
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": cached_for}}],
        "messages": [{"role": "user", "content": [picture, {"type": "text", "text": text}]}],
        "output_config": output,
    }
    request_bytes = len(json.dumps(params, ensure_ascii=False).encode())
    return Request(params, request_bytes, request_bytes - len(data), len(text.encode()), image_tokens(size))
