"""The profile `full` names missing requirements in the first cell; the other profiles need nothing."""

from __future__ import annotations

import dataclasses

import pytest

from aireal.config import PROFILES
from aireal.core.profile import resolve_profile
from aireal.core.run import start
from aireal.stages.requirements import check_requirements
from helpers.images import SAMPLE


@pytest.fixture
def full(tmp_path):
    return dataclasses.replace(start("test", "smoke", SAMPLE, out=tmp_path), profile=PROFILES["full"])


@pytest.mark.parametrize("need", ["resnet34", "rexnet_150", "vit_base_patch16_224", "paligemma"])
def test_weights_that_cannot_be_had_are_named_with_a_way_out(full, need):
    with pytest.raises(ValueError, match="is not cached, and the hub cannot be reached.*profile = 'sample'"):
        check_requirements(full, need)


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
