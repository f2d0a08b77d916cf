"""A notebook that is opened alone finds what the earlier ones would have left."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers, read_rows
from aireal.config import DatasetRoot
from aireal.core.made_of import remember_dataset
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
    assert json.loads((tmp_path / "products" / "datasets.json").read_text()).keys() == {"table", "answers"}
    changed = run.data.answers.stat().st_mtime_ns
    ensure_product(run, "answers")
    assert run.data.answers.stat().st_mtime_ns == changed
    assert "missing" not in capsys.readouterr().out


def test_a_keep_folder_with_products_of_another_dataset_is_refused(smoke_run, small_root, tmp_path):
    run = start("tests", "smoke", small_root.root, seed=7, out=tmp_path / "out")
    shutil.copytree(smoke_run.data.model, run.data.model)
    ensure_product(run, "classifier")
    remember_dataset(run.data, "classifier")
    ensure_product(run, "classifier")
    manifest = run.data.manifest.read_text(encoding="utf-8")
    run.data.manifest.write_text("\n".join(manifest.splitlines()[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="classifier in .* was made of another dataset .* run notebook 03 again"):
        ensure_product(run, "classifier")
    ensure_product(run, "classifier", same_dataset=False)
    own = replace(run, data=DatasetRoot.at(tmp_path))
    remember_dataset(own.data, "classifier")
    assert not (tmp_path / "datasets.json").exists(), "in a dataset's own folder pictures may be added"


def test_what_is_not_asked_for_is_not_made(smoke_run, tmp_path):
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path)
    shutil.copytree(smoke_run.data.model, run.data.model)
    ensure_product(run, "classifier")
    assert not run.data.table.exists()
    assert not run.data.answers.exists()
