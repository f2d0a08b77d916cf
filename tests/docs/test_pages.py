"""Each page of docs/ is short, opens with what it is for, and ends with what to read or do next."""

from __future__ import annotations

import re

import pytest

from aireal.config import REPOSITORY

DOCS = REPOSITORY / "docs"
MOST_LINES = 200
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("path", [*PAGES, DOCS / "README.md"], ids=lambda path: path.name)
def test_a_page_is_short_enough_to_be_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_opens_with_what_it_is_for(path):
    text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    title, opening = [part for part in re.split(r"\n{2,}", text) if part.strip()][:2]
    assert title.startswith("# ")
    assert re.match(r"^[\w`*“]", opening), "a sentence, and no code, table, list or heading"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_ends_with_what_comes_next(path):
    last = re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip())[-1]
    assert last.startswith(("Next: ", "이어서: "))
    assert re.search(r"\]\([\w./#-]+\)", last)
