"""The tables of the published run lie in the repository, beside a page of twenty rows; no run changes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest

from aireal.config import REPOSITORY, DatasetRoot
from aireal.evidence.record import Cues, EvidenceRecord
from aireal.reporting.published_tables import ROWS, TABLES, evenly_spaced, publish_tables
from helpers.images import SAMPLE, write

TEST = sorted(path.relative_to(SAMPLE).as_posix() for path in (SAMPLE / "test").rglob("*.jpg"))[::5][:30]
HOSTILE = "</p><script>x</script> | # **a** `b` \n\n## c"


def row(number: int, path: str) -> dict:
    p = 0.02 + 0.03 * number
    label = "fake" if p >= 0.5 else "real"
    record = EvidenceRecord(
        "x", label, round(100 * max(p, 1 - p), 2), p, "top-left", (0.1, 0.2), Cues("red", "dark", "smooth", "soft")
    )
    captions = {"caption_ko": "문장입니다.", "caption_en": HOSTILE if number == 0 else "A sentence."}
    overlay = {"overlay": "" if number == 3 else "gradcam/one.png"}
    return {"image": path, "split": "test", **overlay, **captions, "evidence": record.to_json()}


@pytest.fixture
def finished(tmp_path) -> DatasetRoot:
    """A root with 30 test pictures and the tables of a run; one picture is flat and has no overlay."""
    data = DatasetRoot.at(tmp_path / "root")
    for path in TEST:
        (data.root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / path, data.root / path)
    write(data.gradcam / "one.png", (REPOSITORY / "readme_images" / "1_x.png").read_bytes())
    for name in TABLES:
        write(data.products / name, b"{}")
    pd.DataFrame([row(number, path) for number, path in enumerate(TEST)]).to_csv(data.table, index=False)
    return data


class Tags(HTMLParser):
    """The tags of a page and its pictures' addresses."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.pictures = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.pictures += [dict(attrs)["src"]] if tag == "img" else []


def test_the_page_shows_twenty_rows_with_small_pictures(finished, tmp_path):
    folder = tmp_path / "published"
    write(folder / "images/99_picture.webp", b"of an earlier publication")
    write(folder / "data_old.csv", b"of an earlier publication")
    written = publish_tables(finished, folder)
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written)
    assert all((folder / name).read_bytes() == (finished.products / name).read_bytes() for name in TABLES)
    text = (folder / "README.md").read_text(encoding="utf-8")
    page = Tags(text[text.index("<h3>") :])
    assert page.tags == {"h3", "code", "p", "img", "b", "br"}
    assert len(page.pictures) == len(set(page.pictures)) == 2 * ROWS
    assert sum((folder / name).stat().st_size for name in page.pictures) < 1_000_000
    assert "20 of 30 rows" in text
    assert "문장입니다." in text
    blocks = text[text.index("<h3>") :].strip().split("\n\n")
    assert len(blocks) == ROWS  # an empty line inside a block would end its HTML, and what follows would be Markdown
    assert TEST[0] in blocks[0]
    assert TEST[-1] in blocks[-1]
    assert f"<code>{TEST[3]}</code>" not in text
    for link in re.findall(r"\]\((\.\./[^)]+)\)", text):
        assert (REPOSITORY / "dataset" / "published" / link).resolve().is_file(), link


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_is_one_sentence_and_nothing_is_written(finished, tmp_path, name):
    (finished.products / name).unlink()
    with pytest.raises(ValueError, match=f"There is no {name}.*make demo"):
        publish_tables(finished, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_no_path_of_this_machine_is_published(finished, tmp_path):
    write(finished.products / "data_answer_add.jsonl", json.dumps({"image": "/home/somebody/a.png"}).encode())
    with pytest.raises(ValueError, match="path of this machine"):
        publish_tables(finished, tmp_path / "published")


def test_a_lost_overlay_is_one_sentence(finished, tmp_path):
    (finished.gradcam / "one.png").unlink()
    with pytest.raises(ValueError, match="the overlay of .* cannot be read"):
        publish_tables(finished, tmp_path / "published")


def test_few_rows_are_all_shown_and_many_at_equal_distances():
    assert evenly_spaced([1, 2, 3]) == [1, 2, 3]
    assert evenly_spaced(range(20)) == list(range(20))
    chosen = evenly_spaced(range(208))
    assert (len(chosen), chosen[0], chosen[-1]) == (20, 0, 207)
    assert {b - a for a, b in zip(chosen, chosen[1:])} <= {10, 11}


def test_git_ignores_the_tables_of_a_run_and_keeps_the_published_ones():
    if not shutil.which("git") or not (REPOSITORY / ".git").exists():
        pytest.skip("needs git and a clone")
    both = [f"{folder}/{name}" for folder in ("dataset", "dataset/published") for name in TABLES]
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", *both], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == [f"dataset/{name}" for name in TABLES]
