"""Four pages of docs/ are rendered from the tests' marks, and say so when they are stale."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from aireal.config import REPOSITORY

spec = importlib.util.spec_from_file_location("render_marks", REPOSITORY / "scripts" / "render_marks.py")
script = sys.modules["render_marks"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

TEST = "@pytest.mark.{}({})\ndef test_it():\n    pass\n"
FEWEST_FAULTS = 60


def written(folder, name: str, arguments: str, mark: str = "people_have"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEST.format(mark, arguments), encoding="utf-8")
    return path


@pytest.mark.parametrize("page", script.PAGES, ids=lambda page: page.path)
def test_a_page_is_up_to_date(page):
    rendered = script.render(script.collect(REPOSITORY / "tests", page), page)
    assert page.file.read_text(encoding="utf-8") == rendered, "run python scripts/render_marks.py"


def test_there_are_many_faults_and_some_of_each_kind():
    pages = (script.FAULTS, script.FAULTS_RUNNING)
    marks = [mark for page in pages for mark in script.collect(REPOSITORY / "tests", page)]
    assert len(marks) >= FEWEST_FAULTS
    assert {mark.topic for mark in marks} == set(script.FAULTS.topics.values())


def test_every_mark_has_its_row_under_its_topic(tmp_path):
    written(tmp_path, "app/test_a.py", '"a folder", "read", "its pictures "\n    "are taken"')
    written(tmp_path, "core/test_b.py", '"a|b <i>", "refused", "one\\nline"')
    written(tmp_path, "newroom/deep/test_c.py", '"c", "asked", "before"')
    page = script.render(script.collect(tmp_path, script.INPUTS), script.INPUTS)
    assert re.findall("^## (.+)$", page, re.MULTILINE) == ["Files and tables", "The page in the browser", "Newroom"]
    assert "| a folder | read | its pictures are taken |" in page
    assert "| a\\|b &lt;i> | refused | one line |" in page


def test_a_fault_stands_under_the_topic_that_it_names_and_on_no_other_page(tmp_path):
    written(tmp_path, "core/test_a.py", '"page", "a taken port", "name another", "nothing is lost"', "fault")
    written(tmp_path, "core/test_b.py", '"disk", "a full disk", "it is full", "all before"', "fault")
    page, running = (script.render(script.collect(tmp_path, p), p) for p in (script.FAULTS, script.FAULTS_RUNNING))
    assert re.findall("^## (.+)$", page, re.MULTILINE) == ["Disk and folders"]
    assert re.findall("^## (.+)$", running, re.MULTILINE) == ["The page in the browser"]
    assert "| a taken port | name another | nothing is lost |" in running
    assert script.collect(tmp_path, script.INPUTS) == []


def test_every_mark_stands_on_one_page_alone():
    for mark in {page.mark for page in script.PAGES}:
        pages = [page for page in script.PAGES if page.mark == mark]
        topics = [*pages[0].topics.values(), "Newroom"]
        assert [sum(page.shows(topic) for page in pages) for topic in topics] == [1] * len(topics)


def test_marks_of_parameters_are_found_and_equal_ones_stand_once(tmp_path):
    path = written(tmp_path, "core/test_a.py", '"x", "read", "y"')
    twice = 'CASES = [pytest.param(1, marks=pytest.mark.people_have("p", "read", "q"))] * 2\n'
    path.write_text(twice + 2 * path.read_text(encoding="utf-8"), encoding="utf-8")
    assert [mark.texts[0] for mark in script.collect(tmp_path, script.INPUTS)] == ["p", "x"]


@pytest.mark.parametrize(
    ("page", "arguments", "message"),
    [
        (script.INPUTS, '"x", "read"', "three literal texts"),
        (script.INPUTS, '"x", "read", WORDS', "three literal texts"),
        (script.INPUTS, '"x", "read", f"{1}"', "three literal texts"),
        (script.INPUTS, '"x", "eaten", "y"', "'eaten' is unknown"),
        (script.FAULTS, '"disk", "x", "y"', "four literal texts"),
        (script.FAULTS, '"weather", "x", "y", "z"', "'weather' is unknown"),
    ],
)
def test_a_mark_that_cannot_be_rendered_names_file_and_line(tmp_path, page, arguments, message):
    path = written(tmp_path, "core/test_a.py", arguments, page.mark)
    with pytest.raises(ValueError, match=message) as error:
        script.collect(tmp_path, page)
    assert f"{path}, line 1" in str(error.value)
