"""The profile of a run: chosen by the machine, changed by overrides, followed by what uses products."""

from __future__ import annotations

import dataclasses
import shutil
from typing import get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.config import PROFILES, DatasetRoot, Profile
from aireal.core.device import best_device, describe, has_kernels
from aireal.core.profile import parse_overrides, profile_of_products, require_gpu, resolve_profile, with_overrides
from aireal.core.run import start
from helpers.fake_gpu import P100, T4, fake_gpu
from helpers.images import SAMPLE

CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    "capability, compiled, runs",
    [
        ((7, 5), CU130, True),
        ((8, 9), CU130, True),
        ((12, 1), CU130, True),
        ((13, 0), CU130, True),
        ((7, 0), CU130, False),
        ((6, 0), CU130, False),
        ((10, 3), ["sm_90a", "sm_100f"], True),
        ((9, 0), ["gfx942"], True),
        ((9, 0), [], True),
    ],
)
def test_machine_code_runs_within_a_major_version_and_ptx_on_all_later_ones(capability, compiled, runs):
    assert has_kernels(capability, compiled) is runs


def test_a_gpu_without_kernels_counts_as_none_and_is_named(monkeypatch):
    fake_gpu(monkeypatch, P100)
    profile, why = resolve_profile("auto")
    assert best_device().type == "cpu"
    assert profile.name == "sample"
    assert "P100" in why and "sm_60" in why
    with pytest.raises(ValueError, match="profile full needs a GPU, and Tesla P100.*T4 GPU.*'sample'"):
        require_gpu(PROFILES["full"])


def test_a_gpu_with_kernels_takes_full_and_says_its_memory(monkeypatch):
    fake_gpu(monkeypatch, T4)
    assert resolve_profile("auto")[0].name == "full"
    require_gpu(PROFILES["full"])
    assert describe(torch.device("cuda")) == "Tesla T4, 14.5 of 14.6 GiB free, fp16"


def test_full_without_a_gpu_is_refused_before_anything_unless_it_is_a_rehearsal(tmp_path):
    with pytest.raises(ValueError, match="needs a GPU, and this machine has none"):
        start("test", "full", SAMPLE, out=tmp_path)
    run = start("test", "full", SAMPLE, out=tmp_path, overrides={"needs_gpu": False})
    assert run.profile == dataclasses.replace(PROFILES["full"], needs_gpu=False)


@pytest.mark.parametrize("name", [field for field in get_type_hints(Profile) if field != "name"])
def test_every_field_of_a_profile_can_be_set(name):
    value = getattr(PROFILES["full"], name)
    changed = {bool: lambda: not value, str: lambda: "other", type(None): lambda: 3}.get(type(value), lambda: value + 1)
    profile = with_overrides(PROFILES["full"], {name: changed()})
    assert getattr(profile, name) == changed()
    assert dataclasses.replace(profile, **{name: value}) == PROFILES["full"]


@settings(deadline=None)  # a busy machine stops for longer
@given(st.integers(1, 10**6), st.floats(0, 1e6))
def test_numbers_come_through_the_command_line_unchanged(steps, rate):
    texts = [f"lora_steps={steps}", f"learning_rate={rate!r}", "paligemma=google/paligemma2-3b-pt-224"]
    profile = with_overrides(PROFILES["full"], parse_overrides(texts))
    assert (profile.lora_steps, profile.learning_rate) == (steps, rate)
    assert profile.paligemma == "google/paligemma2-3b-pt-224"


def test_an_empty_text_keeps_the_profiles_value():
    assert with_overrides(PROFILES["full"], {"paligemma": ""}) == PROFILES["full"]


@pytest.mark.parametrize(
    "overrides, says",
    [
        ({"lora_step": 3}, "did you mean 'lora_steps'"),
        ({"zzz": 3}, "choose one of"),
        ({"name": "x"}, "has no number 'name'"),
        ({"lora_steps": "many"}, "type str: give int"),
        ({"lora_steps": True}, "type bool: give int"),
        ({"lora_steps": None}, "give int"),
        ({"lora_steps": -1}, "from 0 up"),
        ({"lora_batch": 0}, "at least 1"),
        ({"learning_rate": float("nan")}, "from 0 up"),
    ],
)
def test_an_override_that_cannot_be_is_explained(overrides, says):
    with pytest.raises(ValueError, match=says):
        with_overrides(PROFILES["full"], overrides)
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_overrides(["lora_steps"])


def test_overrides_stand_in_the_first_lines_and_in_the_metrics_without_paths(tmp_path, capsys):
    changes = {"lora_steps": 3, "paligemma": str(tmp_path / "pali")}
    run = start("test", "smoke", SAMPLE, out=tmp_path, overrides=changes)
    assert "with paligemma = " in capsys.readouterr().out
    text = run.save("test", {}).read_text(encoding="utf-8")
    assert '"lora_steps": 3' in text
    assert str(tmp_path) not in text


@pytest.fixture
def products(smoke_run, tmp_path) -> DatasetRoot:
    """A root with the pictures of the sample and a classifier of `smoke`."""
    shutil.copytree(smoke_run.data.model, tmp_path / "kept" / "products" / "data" / "model")
    return DatasetRoot.at(SAMPLE, tmp_path / "kept" / "products")


@pytest.mark.parametrize("recorded", [True, False])
def test_what_uses_products_follows_the_profile_that_made_them(monkeypatch, products, tmp_path, recorded):
    if not recorded:
        (products.model / "profile.json").unlink()
    fake_gpu(monkeypatch, T4)
    monkeypatch.setattr("aireal.core.run.best_device", lambda: torch.device("cpu"))
    assert profile_of_products(products)[0] == "smoke"
    using = {"out": tmp_path, "keep": tmp_path / "kept", "follow_products": True}
    assert start("explain", "auto", SAMPLE, **using).profile.name == "smoke"
    assert start("explain", "full", SAMPLE, **using).profile.name == "full"
    assert start("train", "auto", SAMPLE, out=tmp_path, keep=tmp_path / "kept").profile.name == "full"
    using["keep"] = tmp_path / "nothing"
    assert start("explain", "auto", SAMPLE, **using).profile.name == "full"


def test_the_adapters_base_is_the_model_that_writes(products):
    products.adapter.mkdir(parents=True)
    for base, expected in (
        ("embedded", {}),
        ("google/paligemma2-3b-pt-224", {"paligemma": "google/paligemma2-3b-pt-224"}),
    ):
        (products.adapter / "base.json").write_text(f'{{"base": "{base}"}}', encoding="utf-8")
        assert profile_of_products(products) == ("smoke", expected)


def test_products_of_a_gpu_can_be_used_without_one(products, tmp_path):
    (products.model / "profile.json").write_text('{"profile": "full", "overrides": {}}', encoding="utf-8")
    using = {"out": tmp_path, "keep": tmp_path / "kept", "follow_products": True}
    assert start("predict", "auto", SAMPLE, **using).profile.name == "full"


def test_a_run_says_that_it_replaces_products_of_another_profile(products, tmp_path, capsys):
    start("train", "sample", SAMPLE, out=tmp_path, keep=tmp_path / "kept")
    assert "holds products of profile `smoke`" in capsys.readouterr().out
