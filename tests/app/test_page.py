"""The sessions of a page: what a browser may choose, and what is kept of it."""

from __future__ import annotations

import pytest

from aireal.app.upload_store import MAX_FILES


def test_the_examples_are_the_proposal_images_with_their_truth(sessions):
    assert [example.truth for example in sessions.examples] == ["fake", "real"] * 4
    with sessions.open("tab", {"example": 1}) as session:
        files = [(file.name, file.truth, file.error) for file in session.files]
    assert files == [(sessions.examples[1].path.name, "real", "")]


@pytest.mark.parametrize(
    "choice",
    [
        None,
        [],
        {},
        {"example": 99},
        {"example": "../../etc/passwd"},
        {"files": "x"},
        {"files": 5},
        {"files": [1, None]},
    ],
)
def test_nonsense_from_a_browser_chooses_nothing(sessions, choice):
    with sessions.open("tab", choice) as session:
        assert session.files == []
    assert len(sessions) == 0


def test_files_are_taken_by_token_alone_and_no_more_than_allowed(sessions):
    token = sessions.store.put(b"content")
    entries = [
        {"name": "a\n\x00<b>.png", "token": token},
        {"name": "again", "token": token},
        {"name": "/etc/passwd"},
        {"name": "big", "error": "large"},
        *({"name": f"{k}", "error": "large"} for k in range(MAX_FILES)),
    ]
    with sessions.open("tab", {"files": entries}) as session:
        files = [(file.name, file.data, file.error) for file in session.files]
    assert files[:4] == [
        ("a<b>.png", b"content", ""),
        ("again", b"", "gone"),
        ("/etc/passwd", b"", "gone"),
        ("big", b"", "large"),
    ]
    assert [error for _, _, error in files[MAX_FILES:]] == ["many"] * 4


def test_a_new_choice_ends_the_session_before(sessions):
    with sessions.open("tab", {"example": 0}) as first, sessions.open("tab", {"example": 1}) as second:
        assert first.left
        assert not second.left
        assert len(sessions) == 1


def test_no_session_is_kept_after_its_end(sessions):
    with sessions.open("tab", {"example": 0}), sessions.open("tab", {"example": 1}):
        pass
    assert len(sessions) == 0
