"""A notebook that is opened alone finds what the earlier ones would have left."""

from __future__ import annotations

import shutil

from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers, read_rows
from aireal.core.run import start
from aireal.stages.prerequisites import ensure_product
from helpers.images import SAMPLE


def test_everything_before_the_sentences_is_made_once_and_announced(smoke_run, tmp_path, capsys):
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path)
    shutil.copytree(smoke_run.data.model, run.data.model)
    capsys.readouterr()
    ensure_product(run, "answers")
    printed = capsys.readouterr().out
    assert "classifier" not in printed
    assert "Making the missing table, as in notebook 04" in printed
    assert "Making the missing answers, as in notebook 05 (offline author)" in printed
    answers = read_answers(run.data.answers)
    assert {answer.author for answer in answers} == {"base", "offline"}
    assert {answer.image for answer in answers} == {row.image for row in read_rows(run.data.table)}
    for answer in answers:
        assert contradictions(answer.sentence, answer.record, answer.language) == []
    changed = run.data.answers.stat().st_mtime_ns
    ensure_product(run, "answers")
    assert run.data.answers.stat().st_mtime_ns == changed
    assert "missing" not in capsys.readouterr().out


def test_what_is_not_asked_for_is_not_made(smoke_run, tmp_path):
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path)
    shutil.copytree(smoke_run.data.model, run.data.model)
    ensure_product(run, "classifier")
    assert not run.data.table.exists()
    assert not run.data.answers.exists()
