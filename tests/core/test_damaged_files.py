"""Damaged files of every format, made by mutation: each is read or refused with a sentence, soon, and memory stays.

A longer run by hand: AIREAL_MUTATIONS=10000 python -m pytest tests/core/test_damaged_files.py
"""

from __future__ import annotations

import os
import time
from collections import Counter

import psutil
import pytest

from aireal.core.imagefile import ImageError, decode, open_stored
from helpers.mutations import mutated, seeds

COUNT = int(os.environ.get("AIREAL_MUTATIONS", "480"))
SECONDS = 20.0  # for one file: a header may ask for 100 megapixels
GROWTH = 150 * 2**20  # bytes: what decoders and the allocator keep


def outcome(data: bytes) -> str:
    """ "read" or the sentence; any other exception fails the test that asks."""
    try:
        image = decode(data)
    except ImageError as error:
        return str(error)
    assert image.mode == "RGB"
    return "read"


@pytest.fixture(scope="module")
def run() -> dict:
    """One pass over the mutations, with the slowest file and the growth of memory after the first tenth."""
    process, outcomes, slowest, settled = psutil.Process(), Counter(), (0.0, -1), 0
    for number in range(COUNT):
        if number == COUNT // 10:
            settled = process.memory_info().rss
        began = time.perf_counter()
        outcomes[outcome(mutated(number))] += 1
        slowest = max(slowest, (time.perf_counter() - began, number))
    grown = process.memory_info().rss - settled
    seconds, worst = slowest
    print(f"\n{COUNT} files: {outcomes['read']} read; slowest {seconds:.2f} s (number {worst}); {grown:+} bytes")
    return {"outcomes": outcomes, "slowest": slowest, "grown": grown}


def test_the_seeds_are_read():
    assert {outcome(data) for data in seeds()} == {"read"}


@pytest.mark.people_have("a damaged file of any format", "refused", "one sentence; the other files go on")
def test_every_damaged_file_is_read_or_refused_in_one_sentence(run):
    assert all("\n" not in words and len(words) < 250 for words in run["outcomes"])


def test_some_are_read_and_some_are_refused(run):
    assert 0.05 < run["outcomes"]["read"] / COUNT < 0.95


@pytest.mark.fault(
    "files",
    "hundreds of files with random damage",
    "one sentence each",
    "none takes long, so that no file holds up the others",
)
def test_no_damaged_file_takes_long(run):
    assert run["slowest"][0] < SECONDS, f"mutated({run['slowest'][1]})"


@pytest.mark.fault("files", "hundreds of damaged files in one process", "", "the memory does not grow")
def test_memory_does_not_grow(run):
    assert run["grown"] < GROWTH


def test_questions_about_a_damaged_file_are_answered_or_refused_in_one_sentence():
    for number in range(0, min(COUNT, 1000), 3):
        try:
            open_stored(mutated(number))
        except ImageError as error:
            assert "\n" not in str(error)
