"""Names of files as text, and names of results that never share a file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.core.file_names import find_by_name, path_fields, recorded_path, result_names, shown
from helpers.images import write

ANY_NAME = st.binary(min_size=1, max_size=250).filter(lambda b: b"\0" not in b).map(os.fsdecode)
ORDINARY = st.sampled_from(
    ["0000", "0000-1a2b3c4d", "A", "a", "é", "e\N{COMBINING ACUTE ACCENT}", "사진", "🙂" * 60, "--"]
)
FOLDERS = st.sampled_from(["0_real", "1_fake", "1_fake/sdxl", "x"])
SUFFIXES = st.sampled_from([".jpg", ".png", ""])


@pytest.mark.people_have(
    "pictures of one name in several folders, or in two formats", "read", "each has figures of its own"
)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(FOLDERS, ORDINARY | ANY_NAME, SUFFIXES).map(lambda p: f"{p[0]}/{p[1]}{p[2]}"), unique=True))
def test_no_two_pictures_share_a_result(paths):
    names = result_names(paths)
    on_a_mac = {unicodedata.normalize("NFC", name).casefold() for name in names}
    assert len(on_a_mac) == len(paths)
    for name in names:
        assert len(f"{name}.png.partial".encode()) <= 255
        assert "/" not in name
        assert name[0] not in "-."


def test_a_name_that_nobody_shares_stays_as_it_is():
    assert result_names(["test/0_real/real_0301.jpg", "test/1_fake/fake_0301.jpg"]) == ["real_0301", "fake_0301"]


def test_names_in_two_classes_are_told_apart_and_do_not_depend_on_the_order():
    paths = ["test/0_real/0000.jpg", "test/1_fake/0000.jpg", "test/1_fake/0001.jpg"]
    first, second, alone = result_names(paths)
    assert first != second
    assert alone == "0001"
    assert result_names(paths[::-1]) == [alone, second, first]


@given(ANY_NAME)
def test_a_record_keeps_every_byte_of_a_name_and_shows_text(name):
    fields = path_fields(PurePath(name))
    assert all(text.encode() for text in fields.values())
    assert recorded_path(fields) == str(PurePath(name))


def test_bytes_that_are_not_utf8_are_shown_as_replacement_characters():
    assert shown(os.fsdecode("사진".encode("cp949")) + ".jpg") == "\ufffd\ufffd\ufffd\ufffd.jpg"
    assert shown("사진 🙂.jpg") == "사진 🙂.jpg"


@pytest.mark.parametrize("stored, asked", [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_name_is_found_in_the_other_unicode_form(tmp_path, stored, asked):
    write(tmp_path / unicodedata.normalize(stored, "폴더/사진_a.jpg"), b"x")
    assert find_by_name(tmp_path, unicodedata.normalize(asked, "폴더/사진_a.jpg")).read_bytes() == b"x"
    missing = unicodedata.normalize(asked, "폴더/사진_b.jpg")
    assert find_by_name(tmp_path, missing) == tmp_path / missing
    late = write(tmp_path / unicodedata.normalize(stored, "폴더/사진_b.jpg"), b"y")
    os.utime(late.parent, ns=(1, 1))
    assert find_by_name(tmp_path, missing).read_bytes() == b"y"


def test_a_name_that_is_too_long_is_no_error_before_it_is_read(tmp_path):
    assert find_by_name(tmp_path, "사" * 300) == tmp_path / ("사" * 300)


@pytest.mark.people_have("a file name with control characters", "read", "shown with replacement characters")
def test_a_name_cannot_give_commands_to_a_terminal_and_is_kept(tmp_path):
    assert shown("a\x1b[31m\nb\u202egpj.png") == "a\ufffd[31m\ufffdb\ufffdgpj.png"
    path = tmp_path / "a\nb.png"
    assert recorded_path(path_fields(path)) == str(path)
