"""The request to Claude: prompt, picture, tokens and key of a question."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest
from PIL import Image

from aireal.captions.claude.prices import DEFAULT_MODEL
from aireal.captions.claude.prompt import COMPLAINT_BYTES, SYSTEM, complaint_text
from aireal.captions.claude.request import Question, build_request, encode_overlay, image_tokens, question_key
from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.captions.language.validate import violations
from aireal.evidence.record import Cues, EvidenceRecord
from helpers.claude import make_rows


def test_the_request_is_what_the_service_expects(tmp_path):
    row = make_rows(tmp_path, side=300)[0]
    request = build_request(row, tmp_path / row.overlay, Question.first(2), DEFAULT_MODEL, "1h")
    params = request.params
    assert not {"temperature", "top_p", "top_k", "output_format"} & set(params)
    assert params["output_config"]["effort"] == "low"
    assert params["system"] == [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert params["output_config"]["format"]["schema"]["required"] == ["ko_1", "ko_2", "en_1", "en_2"]
    picture, text = params["messages"][0]["content"]
    sent = Image.open(io.BytesIO(base64.b64decode(picture["source"]["data"])))
    assert (picture["type"], picture["source"]["media_type"], sent.format, sent.size) == (
        "image",
        "image/jpeg",
        "JPEG",
        (512, 512),
    )
    assert row.captions["ko"] in text["text"]
    assert '"60.01%"' in text["text"]
    whole = json.dumps(params, ensure_ascii=False)
    assert "비밀" not in whole, "a file's name may say its label"
    assert request.size == len(whole.encode())
    assert request.image_tokens == 19 * 19
    assert request.user_bytes == len(text["text"].encode())


@pytest.mark.parametrize("size, sent", [((100, 50), (512, 256)), ((600, 600), (600, 600)), ((3000, 1000), (768, 256))])
def test_overlays_are_sent_between_512_and_768_pixels(tmp_path, size, sent):
    Image.new("RGB", size).save(tmp_path / "o.png")
    data, encoded_size = encode_overlay(tmp_path / "o.png")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == sent
    assert encoded_size == sent


@pytest.mark.people_have("an overlay whose name says JPEG and whose bytes are PNG", "read", "it is sent as a JPEG")
def test_the_media_type_is_that_of_the_bytes_whatever_the_files_name(tmp_path):
    rows = make_rows(tmp_path, side=300)
    Image.new("RGBA", (300, 300), (9, 9, 9, 90)).save(tmp_path / "wrong.jpg", "PNG")
    content = build_request(rows[0], tmp_path / "wrong.jpg", Question.first(2), DEFAULT_MODEL).params["messages"][0]
    source = content["content"][0]["source"]
    assert Image.open(io.BytesIO(base64.b64decode(source["data"]))).get_format_mimetype() == source["media_type"]


@pytest.mark.parametrize(
    "size, tokens", [((224, 224), 64), ((512, 512), 361), ((768, 768), 784), ((1024, 1024), 1369), ((29, 28), 2)]
)
def test_tokens_of_a_picture(size, tokens):
    assert image_tokens(size) == tokens


def test_a_key_names_the_whole_question(tmp_path):
    rows, ask = make_rows(tmp_path, 2), Question.first(2)
    keys = [
        question_key(*question)
        for question in (
            (ask, rows[0], "a", "m"),
            (ask, rows[1], "a", "m"),
            (ask, rows[0], "b", "m"),
            (ask, rows[0], "a", "n"),
            (Question.first(3), rows[0], "a", "m"),
            (ask.doubled(), rows[0], "a", "m"),
            (ask.again(), rows[0], "a", "m"),
            (Question(ask.wanted, ask.max_tokens, 1, "why"), rows[0], "a", "m"),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == question_key(Question.first(2), rows[0], "a", "m")


def test_the_rules_list_every_region_and_its_examples_obey_them():
    assert all(
        phrase in SYSTEM
        for language in ("ko", "en")
        for phrases in REGION_WRITTEN[language].values()
        for phrase in phrases
    )
    record = EvidenceRecord(
        "x", "fake", 98.67, 0.9867, "top-left", (0, 0), Cues("white", "bright", "smooth", "moderate")
    )
    examples = [line.split(": ", 1) for line in SYSTEM.splitlines() if line.startswith(("Good", "Bad"))]
    assert len(examples) == 8
    for verdict, sentence in examples:
        language = "ko" if re.search("[가-힣]", sentence) else "en"
        assert bool(violations(sentence, record, language)) == (verdict != "Good") or "denies" in verdict, sentence


def test_a_complaint_names_what_was_wrong_and_never_grows_without_bound():
    rejected = [("ko", "문장" * 500, ("the number is 1%",))] * 50
    text = complaint_text(rejected, [("en", "It stands.")])
    assert "the number is 1%" in text
    assert len(text.encode()) <= COMPLAINT_BYTES
    assert "It stands." in complaint_text(rejected[:1], [("en", "It stands.")])
