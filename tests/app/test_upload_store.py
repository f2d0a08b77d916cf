"""The store of uploads: one taker, limited capacity, expiry."""

from __future__ import annotations

import time

import pytest

from aireal.app.upload_store import StoreFull, UploadStore


def test_a_file_is_taken_once_and_by_its_token_only():
    store = UploadStore()
    token = store.put(b"12345")
    assert store.take("made up") is None
    assert store.take(token) == b"12345"
    assert store.take(token) is None


def test_the_capacity_is_limited():
    store = UploadStore(capacity=10)
    store.put(b"12345")
    with pytest.raises(StoreFull):
        store.put(b"123456")


def test_a_file_that_nobody_takes_is_removed():
    store = UploadStore(seconds=0.05)
    token = store.put(b"1234567890")
    assert len(store) == 1
    time.sleep(0.5)
    assert len(store) == 0, "removed without a call of take"
    assert store.take(token) is None
