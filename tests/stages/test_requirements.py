"""The profile `full` names missing requirements in the first cell; the other profiles need nothing."""

from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace

import httpx
import pytest
import torch
from huggingface_hub.errors import GatedRepoError

from aireal.config import PROFILES
from aireal.core.profile import resolve_profile
from aireal.core.run import start
from aireal.paligemma import full_size, model
from aireal.stages import requirements
from aireal.stages.requirements import check_requirements
from helpers.fake_gpu import t4_  # noqa: F401  (a fixture)
from helpers.images import SAMPLE
from helpers.runtimes import KEYS, Store, colab, kaggle


@pytest.fixture
def full(tmp_path):
    return dataclasses.replace(start("test", "smoke", SAMPLE, out=tmp_path), profile=PROFILES["full"])


@pytest.mark.fault(
    "network",
    "no network, and weights that are not in the cache",
    "is not cached, and the hub cannot be reached; profile = 'sample' needs none",
    "it is said before any work",
)
@pytest.mark.parametrize("need", ["resnet34", "rexnet_150", "vit_base_patch16_224", "paligemma"])
def test_weights_that_cannot_be_had_are_named_with_a_way_out(full, need):
    with pytest.raises(ValueError, match="is not cached, and the hub cannot be reached.*profile = 'sample'"):
        check_requirements(full, need)


def test_four_bits_without_a_gpu_or_bitsandbytes_are_refused_before_anything_is_made(full, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # not installed
    run = dataclasses.replace(full, profile=dataclasses.replace(PROFILES["full"], four_bit=True))
    with pytest.raises(ValueError, match="4-bit weights need a CUDA GPU"):
        check_requirements(run, "paligemma")
    with pytest.raises(ValueError, match="pip install bitsandbytes"):
        check_requirements(dataclasses.replace(run, device=torch.device("cuda")), "paligemma")


def gated(*names, **options):
    raise GatedRepoError("401 Client Error", response=httpx.Response(401, request=httpx.Request("GET", "https://hub")))


@pytest.mark.fault(
    "network",
    "a gated model, and no token of the hub",
    "... is gated: accept its licence, and where this notebook service takes the token",
    "it is said before any work",
)
@pytest.mark.people_have(
    "PaliGemma's licence not accepted, and HF_TOKEN in no secret store",
    "asked",
    "to accept the licence, and where this notebook service takes the token",
)
@pytest.mark.parametrize(
    "service, words",
    [(kaggle, "Add-ons → Secrets, add HF_TOKEN and tick it"), (colab, "key symbol on the left, add HF_TOKEN")],
)
def test_where_to_put_the_hubs_token_is_said_for_the_service(full, monkeypatch, service, words):
    service(monkeypatch, Store())
    monkeypatch.setattr(requirements, "hf_hub_download", gated)
    with pytest.raises(ValueError, match=f"is gated: accept its licence on https://huggingface.co/google/.*{words}"):
        check_requirements(full, "paligemma")


@pytest.mark.fault(
    "network",
    "a gated model, and a token of an account that has not accepted its licence",
    "the token that was found here has not accepted it",
    "it is said before any work; the token is not shown",
)
@pytest.mark.people_have(
    "HF_TOKEN in Kaggle's secrets, of an account that has not accepted PaliGemma's licence",
    "asked",
    "to accept the licence with the account of the token that was found",
)
def test_a_token_of_kaggles_secrets_is_found_and_the_licence_is_what_lacks(tmp_path, monkeypatch):
    kaggle(monkeypatch, Store(KEYS))
    run = dataclasses.replace(start("test", "smoke", SAMPLE, out=tmp_path), profile=PROFILES["full"])
    monkeypatch.setattr(requirements, "hf_hub_download", gated)
    with pytest.raises(ValueError, match="token HF_TOKEN that was found here, which has not accepted it") as caught:
        check_requirements(run, "paligemma")
    assert "must-never-show" not in str(caught.value)


@pytest.mark.fault(
    "network",
    "no key for Claude",
    "there is no ANTHROPIC_API_KEY; author = 'offline' needs none",
    "it is said before any work",
)
def test_claude_needs_a_key_unless_the_author_is_offline(full, monkeypatch):
    with pytest.raises(ValueError, match="there is no ANTHROPIC_API_KEY.*author = 'offline'"):
        check_requirements(full, "claude")
    check_requirements(full, "claude", author="offline")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    check_requirements(full, "claude")


@pytest.mark.parametrize("profile", ["smoke", "sample"])
def test_the_other_profiles_need_nothing(full, profile):
    check_requirements(
        dataclasses.replace(full, profile=PROFILES[profile]), "resnet34", "rexnet_150", "paligemma", "claude"
    )


def test_auto_says_which_profile_it_is_and_why():
    profile, why = resolve_profile("auto")
    assert profile.name in why
    assert "GPU" in why


@pytest.fixture
def hub_with_config(full, monkeypatch):
    """A hub that gives PaliGemma's configuration alone, and records the branch that it was asked for."""
    asked, config = [], full_size.configuration(full_size.make_processor())
    monkeypatch.setattr(requirements, "hf_hub_download", lambda name, file, revision: asked.append(revision))
    monkeypatch.setattr(model, "load_config", lambda *args: (config, "main"))
    return dataclasses.replace(full, device=torch.device("cuda")), asked


def test_half_of_the_float32_branch_is_fetched(hub_with_config, monkeypatch, t4, capsys):
    run, asked = hub_with_config
    monkeypatch.setattr(requirements.shutil, "disk_usage", lambda path: SimpleNamespace(free=50e9))
    check_requirements(run, "paligemma")
    assert asked == ["float16"]
    assert "5.8 GB are fetched once, 50 GB are free" in capsys.readouterr().out


@pytest.mark.fault(
    "disk",
    "too little room for the weights of a large model",
    "takes 5.8 GB of disk and ... has 5.0 GB left",
    "it is said before the download",
)
def test_a_disk_that_is_too_small_is_said_before_the_download(hub_with_config, monkeypatch, t4):
    run, _ = hub_with_config
    monkeypatch.setattr(requirements.shutil, "disk_usage", lambda path: SimpleNamespace(free=5e9))
    with pytest.raises(ValueError, match="takes 5.8 GB of disk and .* has 5.0 GB left.*HF_HOME"):
        check_requirements(run, "paligemma")
    in_float32 = dataclasses.replace(run, profile=dataclasses.replace(run.profile, dtype="float32"))
    with pytest.raises(ValueError, match="takes 11.7 GB"):
        check_requirements(in_float32, "paligemma")


def test_cached_weights_need_no_room(hub_with_config, monkeypatch, t4):
    run, _ = hub_with_config
    monkeypatch.setattr(requirements.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    monkeypatch.setattr(requirements, "is_cached", lambda name, revision: revision == "float16")
    check_requirements(run, "paligemma")
