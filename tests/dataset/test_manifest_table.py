"""A manifest that people have opened and saved in a spreadsheet is still the manifest."""

from __future__ import annotations

import openpyxl
import pytest

from aireal.cli import main
from aireal.dataset.manifest import COLUMNS, Item, read_manifest, write_manifest

have = pytest.mark.people_have
ITEMS = [
    Item("data/train/0_real/a.jpg", "ab" * 32, 0, "train", "사진 여행"),
    Item("data/train/1_fake/b.jpg", "cd" * 32, 1, "train", "=가을", "Kling, O3"),
    Item("test/0_real/c.jpg", "", 0, "test", "-바다", "@photographer"),
]


@pytest.fixture
def manifest(tmp_path):
    write_manifest(tmp_path / "manifest.csv", ITEMS)
    return tmp_path / "manifest.csv"


def semicolons(text: str) -> str:
    return text.replace('"Kling, O3"', "Kling/ O3").replace(",", ";").replace("Kling/", "Kling,")


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param(
            lambda text: text.encode(), marks=have("a manifest without a byte order mark", "read", "as it is")
        ),
        pytest.param(
            lambda text: text.replace("\n", "\r\n").encode("cp949"),
            marks=have("a manifest that Korean Excel saved as plain CSV (cp949)", "read", "as it is"),
        ),
        pytest.param(
            lambda text: ("sep=;\r\n" + semicolons(text)).encode("cp949"),
            marks=have("a manifest with semicolons and a line sep=;", "read", "as it is"),
        ),
        pytest.param(lambda text: text.encode("utf-16"), marks=have("a manifest in UTF-16", "read", "as it is")),
        pytest.param(
            lambda text: (text.replace(",0,", ",0.0,").replace(",1,", ",Fake,") + ",,,,,,,,,,\n").encode(),
            marks=have("a manifest with labels 0.0 or Fake, and empty rows at the end", "read", "as 0 and 1"),
        ),
    ],
)
def test_a_manifest_that_was_saved_anew_is_read(manifest, saved):
    manifest.write_bytes(saved(manifest.read_text("utf-8-sig")))
    assert read_manifest(manifest) == ITEMS


@have("a workbook saved under the name manifest.csv", "read", "its only sheet with content")
def test_a_manifest_that_is_really_a_workbook_is_read(manifest):
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    for item in ITEMS:
        book.active.append(
            [f"'{text}" if str(text).startswith(("=", "-", "@")) else text for text in vars(item).values()]
        )
    book.save(manifest)
    assert read_manifest(manifest) == ITEMS


@have("a manifest opened in Korean Excel", "read", "Korean intact, no cell a formula")
def test_a_manifest_opens_in_excel(manifest):
    content = manifest.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "the mark tells Excel that this is UTF-8"
    assert b",'=" in content
    assert b",'-" in content


@pytest.mark.parametrize(
    "old, new",
    [
        pytest.param(
            ",train,사진",
            ",dev,사진",
            marks=have(
                "a split that there is not", "refused", "line 2: split 'dev' is none of train, val, test, proposal"
            ),
        ),
        pytest.param(
            ",1,train",
            ",AI?,train",
            marks=have("a manifest's label that means nothing", "refused", "line 3: label 'AI?' is none"),
        ),
        pytest.param(
            "test/0_real/c.jpg",
            "",
            marks=have("a manifest's row without a path", "refused", "line 4: there is no path"),
        ),
        pytest.param(
            ",group",
            ",",
            marks=have("a manifest that lost a column", "refused", "has no column group, only path, sha256"),
        ),
    ],
)
def test_a_spoilt_manifest_is_one_sentence(manifest, request, capsys, old, new):
    manifest.write_text(manifest.read_text("utf-8-sig").replace(old, new, 1), "utf-8")
    assert main(["dataset", "check", str(manifest.parent)]) == 2
    error = capsys.readouterr().err
    assert f"{manifest}" in error
    assert request.node.get_closest_marker("people_have").args[2] in error
