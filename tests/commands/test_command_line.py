"""The command line that a message names is read back as the same command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import tyro

from aireal.commands.demo import Demo
from aireal.commands.options import command_line


@pytest.mark.parametrize(
    "command",
    [
        Demo(),
        Demo(profile="full", root=Path("/data/my pictures"), only=["01", "04"], author="offline", max_usd=3.5),
        Demo(keep="it's", now=True, four_bit=True, lora_steps=9, changes=["epochs=1", "limit=None"], seed=8),
    ],
    ids=["defaults", "values", "flags"],
)
def test_a_command_line_is_read_back_as_the_command(command):
    words = shlex.split(command_line("demo", command))
    assert words[:4] == ["python", "-m", "aireal", "demo"]
    assert tyro.cli(Demo, args=words[4:]) == command
