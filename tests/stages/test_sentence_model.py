"""Which PaliGemma writes: decided by the adapter that lies there, before anything is loaded."""

from __future__ import annotations

import dataclasses
import json

import pytest

from aireal.config import PROFILES
from aireal.core.run import Run, start
from aireal.paligemma import model as models
from aireal.stages.explainer import open_explainer
from aireal.stages.requirements import check_requirements
from aireal.stages.sentence_model import choose_sentence_model
from helpers.images import SAMPLE

LARGE = PROFILES["full"].paligemma


@pytest.fixture
def full(smoke_run, tmp_path) -> Run:
    """A run of `full` with the smoke classifier and without an adapter."""
    data = dataclasses.replace(smoke_run.data, products=tmp_path)
    data.model.parent.mkdir(parents=True)
    data.model.symlink_to(smoke_run.data.model)
    return dataclasses.replace(smoke_run, profile=PROFILES["full"], data=data)


def put_adapter(run: Run, base: str) -> None:
    run.data.adapter.mkdir(parents=True)
    (run.data.adapter / "adapter_model.safetensors").write_bytes(b"")
    (run.data.adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))


def test_without_an_adapter_the_embedded_model_writes_and_it_is_said(full, monkeypatch, capsys):
    fetched = []
    monkeypatch.setattr(models, "fetch", lambda loader, source, *rest, **more: fetched.append(source))
    monkeypatch.setattr("aireal.stages.explainer.Writer", lambda *arguments: arguments)
    check_requirements(full, "sentences")
    explainer = open_explainer(full, lime=False)
    assert explainer.writer[0] == "embedded"
    assert not explainer.writer[1].exists()
    assert fetched == []
    printed = capsys.readouterr().out
    assert f"no adapter of {LARGE} here, notebook 06 makes it. The small embedded PaliGemma writes instead" in printed


def test_its_own_adapter_makes_it_write(full):
    put_adapter(full, LARGE)
    chosen = choose_sentence_model(full)
    assert (chosen.name, chosen.adapter, chosen.note) == (LARGE, full.data.adapter, "")
    with pytest.raises(ValueError, match="is not cached, and the hub cannot be reached"):
        check_requirements(full, "sentences")


def test_the_adapter_of_the_embedded_model_is_used_with_it(full):
    put_adapter(full, "embedded")
    chosen = choose_sentence_model(full)
    assert (chosen.name, chosen.adapter) == ("embedded", full.data.adapter)
    assert "only one of embedded" in chosen.note


def test_an_adapter_of_another_base_is_left_out(full):
    put_adapter(full, "google/paligemma2-3b-pt-224")
    chosen = choose_sentence_model(full, "embedded")
    assert chosen.name == "embedded"
    assert not chosen.adapter.exists()


def test_a_folder_is_recognised_by_its_name(full, tmp_path):
    folder = tmp_path / "my-pali"
    folder.mkdir()
    put_adapter(full, "my-pali")
    assert choose_sentence_model(full, str(folder)).name == str(folder)


def test_an_adapter_whose_record_has_a_version_for_a_name_is_used(full):
    """As earlier versions wrote it for a model of Kaggle; the weights tell whether it fits."""
    put_adapter(full, "1")
    assert choose_sentence_model(full).name == LARGE


def test_a_model_that_is_asked_for_by_name_is_never_replaced(full):
    with pytest.raises(ValueError, match="notebook 06_finetune_paligemma, or use --paligemma embedded"):
        choose_sentence_model(full, "google/paligemma2-3b-pt-224")


def test_the_smallest_run_has_nothing_to_say(tmp_path):
    run = start("test", "smoke", SAMPLE, out=tmp_path)
    assert choose_sentence_model(run).note == ""
