"""The time left of notebooks: from earlier runs, corrected by the speed of this machine."""

from __future__ import annotations

import pytest

from aireal.core.notebook_times import NotebookTimes, duration, time_bar


def test_the_expected_times_follow_the_speed_of_this_machine():
    times = NotebookTimes({"a": 10, "b": 20, "c": 30}, ["a", "b", "c"])
    assert times.left() == 60
    times.finish("a", 40)
    assert times.expected("b") == pytest.approx(80)
    assert times.left() == pytest.approx(200)
    assert times.about("b") == ", about 1 min of 3 min"


def test_what_was_never_measured_is_not_guessed():
    times = NotebookTimes({"a": 10}, ["a", "b"])
    assert times.left() is None
    assert times.about("a") == ", about 10 s"
    assert times.about("b") == ""
    times.finish("a", 10)
    times.finish("b", 5)
    assert times.left() == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (480, "8 min"), (4200, "1 h 10 min")]
)
def test_a_duration_is_short(seconds, words):
    assert duration(seconds) == words


def test_a_bar_says_what_comes_later_and_is_removed_on_errors(capsys):
    with pytest.raises(KeyError), time_bar("03_train", 100, 300):
        raise KeyError
    told = capsys.readouterr().err
    assert "03_train" in told
    assert "then 5 min" in told
    assert told.endswith("\r")
