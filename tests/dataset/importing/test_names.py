"""Imports of files with unusual names."""

from __future__ import annotations

import json
import unicodedata

import pytest

from helpers.images import encoded, write
from helpers.importing import fill, items, left_out, picture, run_import


@pytest.mark.people_have(
    "a table with composed Hangul and files that macOS stored decomposed", "read", "found by the normalised name"
)
@pytest.mark.parametrize("stored, written", [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_table_finds_files_in_the_other_unicode_form(tmp_path, stored, written):
    names = [f"폴더/사진_{n}.png" for n in range(12)]
    for number, name in enumerate(names):
        write(tmp_path / unicodedata.normalize(stored, name), encoded(picture(number), "PNG"))
    rows = [f"{unicodedata.normalize(written, name)},{n % 2}" for n, name in enumerate(names)]
    write(tmp_path / "t.csv", "\n".join(["path,label", *rows]).encode())
    assert run_import(tmp_path / "t.csv", tmp_path / "root") == 0
    assert len(items(tmp_path / "root")) == 12


@pytest.mark.people_have(
    "files and folders with names that are not UTF-8, as a Korean zip unpacked on Linux has them",
    "read",
    "shown with replacement characters",
)
def test_names_that_are_not_utf8_are_imported(tmp_path, capsys):
    raw = "사진".encode("cp949").decode("utf-8", "surrogateescape")
    source = tmp_path / f"in-{raw}"
    for label in ("nature", "ai"):
        for number in range(5):
            name = source / raw / label / f"{raw}{number}.png"
            write(name, encoded(picture(number + 50 * (label == "ai")), "PNG"))
    write(source / raw / "ai" / f"{raw}.jpg", b"no picture")
    assert run_import(source, tmp_path / "root") == 1
    imported = items(tmp_path / "root")
    assert len(imported) == 10
    assert {item.generator for item in imported if item.label} == {"\ufffd\ufffd\ufffd\ufffd"}
    assert list(left_out(tmp_path / "root")) == ["\ufffd\ufffd\ufffd\ufffd/ai/\ufffd\ufffd\ufffd\ufffd.jpg"]
    assert "\ufffd" in json.loads((tmp_path / "root/import.json").read_text(encoding="utf-8"))["layout"]


@pytest.mark.people_have(
    "names of 255 bytes, with emoji, leading dashes, dollar signs and markup",
    "read",
    "imported under names of their own",
)
def test_odd_names_are_imported(tmp_path):
    odd = ["🙂" * 60, "-rf", "$HOME", "<b>x</b>", "a'b\"c", "new\nline", "가" * 80, "a,b;c", "=1+1"]
    for number, name in enumerate(odd):
        for k, label in enumerate(("real", "fake")):
            write(tmp_path / "in" / label / f"{name}.png", encoded(picture(number + 50 * k), "PNG"))
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    assert {item.file for item in items(tmp_path / "root")} == {
        f"{c}/{name}.png" for c in ("real", "fake") for name in odd
    }


def test_a_path_of_a_table_that_is_too_long_is_listed(tmp_path):
    fill(tmp_path, 0, 4)
    long = "가" * 300
    write(tmp_path / "t.csv", f"path,label\n0.png,0\n1.png,1\n2.png,0\n3.png,1\n{long},1\n".encode())
    assert run_import(tmp_path / "t.csv", tmp_path / "root") == 1
    assert list(left_out(tmp_path / "root")) == [long]


def test_a_link_to_itself_costs_itself_alone(tmp_path):
    fill(tmp_path / "in/real", 0, 6)
    fill(tmp_path / "in/fake", 100, 6)
    (tmp_path / "in/real/loop.png").symlink_to("loop.png")
    assert run_import(tmp_path / "in", tmp_path / "root") == 1
    assert len(items(tmp_path / "root")) == 12
    assert list(left_out(tmp_path / "root")) == ["real/loop.png"]
