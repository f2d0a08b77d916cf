"""docs/inputs.md is rendered from the tests' marks, and says so when it is stale."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from aireal.config import REPOSITORY

spec = importlib.util.spec_from_file_location("render_inputs", REPOSITORY / "scripts" / "render_inputs.py")
script = sys.modules["render_inputs"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

TEST = "@pytest.mark.people_have({})\ndef test_it():\n    pass\n"


def written(folder, name: str, arguments: str):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEST.format(arguments), encoding="utf-8")
    return path


def test_the_page_is_up_to_date():
    rendered = script.render(script.collect(REPOSITORY / "tests"))
    assert script.PAGE.read_text(encoding="utf-8") == rendered, "run python scripts/render_inputs.py"


def test_every_mark_has_its_row_under_its_topic(tmp_path):
    written(tmp_path, "app/test_a.py", '"a folder", "read", "its pictures "\n    "are taken"')
    written(tmp_path, "core/test_b.py", '"a|b <i>", "refused", "one\\nline"')
    written(tmp_path, "newroom/deep/test_c.py", '"c", "asked", "before"')
    page = script.render(script.collect(tmp_path))
    assert re.findall("^## (.+)$", page, re.MULTILINE) == ["Files and tables", "The page in the browser", "Newroom"]
    assert "| a folder | read | its pictures are taken |" in page
    assert "| a\\|b &lt;i> | refused | one line |" in page


def test_marks_of_parameters_are_found_and_equal_ones_stand_once(tmp_path):
    path = written(tmp_path, "core/test_a.py", '"x", "read", "y"')
    twice = 'CASES = [pytest.param(1, marks=pytest.mark.people_have("p", "read", "q"))] * 2\n'
    path.write_text(twice + 2 * path.read_text(encoding="utf-8"), encoding="utf-8")
    assert [mark.what for mark in script.collect(tmp_path)] == ["p", "x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"x", "read"', "three literal texts"),
        ('"x", "read", WORDS', "three literal texts"),
        ('"x", "read", f"{1}"', "three literal texts"),
        ('"x", "eaten", "y"', "'eaten' is unknown"),
    ],
)
def test_a_mark_that_cannot_be_rendered_names_file_and_line(tmp_path, arguments, message):
    path = written(tmp_path, "core/test_a.py", arguments)
    with pytest.raises(ValueError, match=message) as error:
        script.collect(tmp_path)
    assert f"{path}, line 1" in str(error.value)
