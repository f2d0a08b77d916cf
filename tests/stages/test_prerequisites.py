"""A notebook that is opened alone finds what the earlier ones would have left."""

from __future__ import annotations

import shutil

from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers, read_rows
from aireal.core.run import start
from aireal.stages.prerequisites import ensure_product
from helpers.images import SAMPLE


def test_everything_before_the_sentences_is_made_once_and_said(smoke_run, tmp_path, capsys):
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path)
    shutil.copytree(smoke_run.data.model, run.data.model)
    capsys.readouterr()
    ensure_product(run, "answers")
    said = capsys.readouterr().out
    assert (
        "classifier" not in said
        and "as notebook 04 does" in said
        and "as notebook 05 with its offline author does" in said
    )
    answers = read_answers(run.data.answers)
    assert {a.author for a in answers} == {"base", "offline"} and {a.image for a in answers} == {
        row.image for row in read_rows(run.data.table)
    }
    assert all(contradictions(a.sentence, a.record, a.language) == [] for a in answers)
    before = run.data.answers.stat().st_mtime_ns
    ensure_product(run, "answers")
    assert run.data.answers.stat().st_mtime_ns == before and "not there yet" not in capsys.readouterr().out


def test_what_is_not_asked_for_is_not_made(smoke_run, tmp_path):
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path)
    shutil.copytree(smoke_run.data.model, run.data.model)
    ensure_product(run, "classifier")
    assert not run.data.table.exists() and not run.data.answers.exists()
