"""The command line itself: which commands exist, and what its help says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import get_type_hints

import pytest

from aireal.cli import main
from aireal.commands.demo import App, Demo, Report
from aireal.commands.images import Evaluate
from aireal.commands.release import Cards, FullsizeCheck, Publish, Push
from aireal.commands.stages import Measure
from aireal.config import REPOSITORY, __version__
from helpers.images import write

COMMANDS = "explain predict evaluate app report demo dataset train finetune measure augment release".split()
RELEASE = ["cards", "publish", "push", "fullsize-check"]


def help_of(command: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


def listed(text: str) -> list[str]:
    """The subcommands of a help text, in its order."""
    return re.search(r"\{([\w,-]+)\}", text)[1].split(",")


@pytest.mark.people_have(
    "a call that names a picture as its output, as in --out *.jpg", "refused", "which would be overwritten"
)
@pytest.mark.parametrize("option", [["predict", "--out"], ["explain", "--json"], ["explain", "--out"]])
def test_no_picture_is_overwritten(tmp_path, capsys, option):
    picture = write(tmp_path / "a.jpg", b"mine")
    assert main([option[0], str(tmp_path), option[1], str(picture)]) == 2
    assert picture.read_bytes() == b"mine"
    assert f"{picture} " in capsys.readouterr().err


@pytest.mark.parametrize("command", [["dataset", "import"], ["evaluate"], ["dataset", "check"]])
def test_no_message_gives_commands_to_a_terminal(tmp_path, capsys, command):
    """Folders that say neither class, of which one has a name that would colour the terminal."""
    for name in ("\x1b[31mred", "blue"):
        write(tmp_path / name / "\x1b]0;title\x07.png", b"no picture")
    to = ["--to", str(tmp_path / "root")] if command[-1] == "import" else []
    assert main([*command, str(tmp_path), *to]) == 2
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert "\ufffd[31mred" in output.err or command[-1] == "check"  # which asks for a manifest


def test_the_help_lists_every_command(capsys):
    assert listed(help_of([], capsys)) == COMMANDS


def test_the_verbs_of_maintainers_are_under_release(capsys):
    assert listed(help_of(["release"], capsys)) == RELEASE


@pytest.mark.parametrize("verb", RELEASE)
def test_a_verb_of_maintainers_is_no_command_of_its_own(verb, capsys):
    assert main([verb]) == 2
    assert f"there is no command {verb}." in capsys.readouterr().err


def test_a_mistyped_command_is_corrected_and_the_version_is_told(capsys):
    assert main(["explian", "a.png"]) == 2
    assert capsys.readouterr().err == "aireal: there is no command explian. Did you mean explain?\n"
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"aireal {__version__}\n"


SLIP = """
import sys
from aireal.cli import main
for paths in ([], ["nosuch.jpg", "nor this"]):
    assert main([sys.argv[1], *paths]) == 2
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("command", ["explain", "predict"])
def test_a_slip_in_a_path_is_told_before_anything_is_loaded_or_written(command, tmp_path):
    words = [sys.executable, "-c", SLIP, command]
    here = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(words, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "no pictures are named" in run.stderr
    assert "nosuch.jpg, nor this: there is no such file or folder" in run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [App, Report, Demo, Cards, Publish, Push, FullsizeCheck, Measure, Evaluate])
def test_every_option_has_a_phrase_of_help(command):
    hints = get_type_hints(command, include_extras=True)
    assert hints
    for name, hint in hints.items():
        phrase = next((extra.help for extra in getattr(hint, "__metadata__", ()) if getattr(extra, "help", None)), "")
        assert len(phrase.split()) >= 3, f"{command.__name__}.{name}"
