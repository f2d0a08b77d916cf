"""A table whose labels most paths contradict stops the import until the user says which label is real."""

from __future__ import annotations

import pytest

from helpers.images import write
from helpers.importing import fill, items, run_import


def table(tmp_path, rows: list[str]):
    fill(tmp_path / "fake", 0, 6)
    fill(tmp_path / "real", 100, 6)
    fill(tmp_path / "x", 200, 12)
    return write(tmp_path / "t.csv", "\n".join(["path,label", *rows]).encode())


ALPHABETICAL = [f"fake/{n}.png,0" for n in range(6)] + [f"real/{n}.png,1" for n in range(100, 106)]


@pytest.mark.people_have(
    "a table with 0 and 1 in alphabetical order: fake/a.jpg,0 and real/a.jpg,1",
    "asked",
    "the labels contradict the paths; say which label of the table is real, e.g. --real-label 1",
)
def test_labels_in_alphabetical_order_are_asked_about(tmp_path, capsys):
    assert run_import(table(tmp_path, ALPHABETICAL), tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert "12 of 12 names say the other class" in error
    assert "fake/0.png is labelled real" in error
    assert "--real-label 1" in error
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("answer, is_right", [("1", True), ("0", False)])
def test_the_answer_is_taken(tmp_path, answer, is_right):
    assert run_import(table(tmp_path, ALPHABETICAL), tmp_path / "root", "--real-label", answer) == 0
    assert {item.label for item in items(tmp_path / "root") if item.file.startswith("real")} == {0 if is_right else 1}


def test_labels_of_many_words_have_one_that_is_real(tmp_path):
    rows = [f"x/{200 + n}.png,{('camera', 'sdxl', 'Flux')[n % 3]}" for n in range(12)]
    assert run_import(table(tmp_path, rows), tmp_path / "root", "--real-label", "Camera") == 0
    assert sum(item.label == 0 for item in items(tmp_path / "root")) == 4


@pytest.mark.parametrize(
    "rows",
    [
        [f"fake/{n}.png,1" for n in range(6)] + [f"real/{n}.png,0" for n in range(100, 106)],
        [f"fake/{n}.png,1" for n in range(6)] + [f"fake/../real/{n}.png,0" for n in range(100, 106)],
        [f"x/{200 + n}.png,{n % 2}" for n in range(12)],
        ["real/100.png,1", *(f"x/{200 + n}.png,{n % 2}" for n in range(12))],
    ],
)
def test_tables_that_agree_or_say_little_are_taken(tmp_path, rows):
    assert run_import(table(tmp_path, rows), tmp_path / "root") == 0


@pytest.mark.people_have(
    "a table whose paths lie in a folder that names both classes, as human_ai/human/a.jpg",
    "read",
    "that folder says no class",
)
@pytest.mark.parametrize("top", ["human_ai", "real_vs_fake", "AIvsHuman", "photo-vs-generated"])
def test_a_folder_that_names_both_classes_contradicts_no_label(tmp_path, top):
    fill(tmp_path / top / "human", 0, 8)
    fill(tmp_path / top / "ai", 100, 4)
    rows = [f"{top}/human/{n}.png,0" for n in range(8)] + [f"{top}/ai/{n}.png,1" for n in range(100, 104)]
    assert run_import(write(tmp_path / "t.csv", "\n".join(["path,label", *rows]).encode()), tmp_path / "root") == 0
