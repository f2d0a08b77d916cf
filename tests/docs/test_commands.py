"""Every command in READMEs and docs/ is one that the real command line takes; cheap ones are executed as written."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import runpy
import shutil
import sys
import textwrap
import tomllib

import pytest
import tyro

from aireal.cli import COMMANDS, main
from aireal.config import REPOSITORY
from helpers import doc_commands
from helpers.doc_commands import PAGES, Command
from helpers.importing import fill

IN_BLOCKS = [command for page in PAGES for command in doc_commands.commands(page)]
IN_SENTENCES = [command for page in PAGES for command in doc_commands.spans(page)]
OF_AIREAL = list(dict.fromkeys(c for c in IN_BLOCKS if c.arguments_of("-m", "aireal")))
WITH_OPTIONS = list(dict.fromkeys(c for c in IN_SENTENCES if any(word.startswith("--") for word in c.words)))
SCRIPT = re.compile(r"^(scripts|benchmarks)/\w+\.py$")
OF_SCRIPTS = list(dict.fromkeys(c for c in IN_BLOCKS if any(SCRIPT.match(word) for word in c.words)))
OF_MODULES = list(dict.fromkeys(c for c in IN_BLOCKS if c.arguments_of("-m", "scripts.pretraining")))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHON = [(page, block) for page in PAGES for block in doc_commands.blocks(page, ("python",))]
EXECUTED = [
    "dataset import SOURCE --to my_dataset",
    "dataset check ROOT",
    "dataset audit ROOT --limit 2000 --seed 7 --json FILE --no-duplicates",
    "dataset manifest ROOT",
    "report",
]


class Parsed(Exception):
    """Raised when a script has read its arguments, in place of its work."""


def test_there_are_commands_of_each_kind():
    assert len(OF_AIREAL) > 20
    assert len(WITH_OPTIONS) > 10
    assert OF_SCRIPTS
    assert OF_MODULES


@pytest.mark.parametrize("command", OF_AIREAL, ids=str)
def test_the_command_line_takes_every_command_of_a_block(command: Command):
    tyro.cli(COMMANDS, args=list(command.arguments_of("-m", "aireal")))


@pytest.mark.parametrize("command", WITH_OPTIONS, ids=str)
def test_the_command_line_knows_every_option_of_a_sentence(command: Command, capsys):
    words = list(command.arguments_of("-m", "aireal"))
    path = words[: 2 if words[0] in ("dataset", "release") else 1]
    with pytest.raises(SystemExit):
        main([*path, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("command", [*OF_SCRIPTS, *OF_MODULES], ids=str)
def test_a_script_takes_the_arguments_that_stand_behind_it(command: Command, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def only_parse(parser, *arguments):
        parse(parser, *arguments)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    monkeypatch.setattr(tyro, "cli", lambda *_, **__: (_ for _ in ()).throw(Parsed))
    module = command.arguments_of("-m", "scripts.pretraining")
    if module is not None:
        monkeypatch.setattr(sys, "argv", ["scripts.pretraining", *module])
        monkeypatch.syspath_prepend(REPOSITORY)
        with pytest.raises(Parsed):
            runpy.run_module("scripts.pretraining", run_name="__main__")
        return
    place = next(place for place, word in enumerate(command.words) if SCRIPT.match(word))
    path = REPOSITORY / command.words[place]
    assert path.is_file()
    if "argparse" in path.read_text(encoding="utf-8"):
        monkeypatch.setattr(sys, "argv", list(command.words[place:]))
        monkeypatch.syspath_prepend(path.parent)
        with pytest.raises(Parsed):
            runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("command", [c for c in IN_BLOCKS if c.words[0] == "make"], ids=str)
def test_make_has_every_target(command: Command):
    targets = re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for word in command.words[1:] if "=" not in word} <= set(targets[1].split())


@pytest.mark.parametrize("command", [c for c in IN_BLOCKS if "install" in c.words], ids=str)
def test_an_installation_names_files_and_extras_that_exist(command: Command):
    for word in command.words:
        own = re.match(r"^(?:\.|aireal)\[([\w,]+)\]$", word)
        assert not own or set(own[1].split(",")) <= set(PROJECT["optional-dependencies"])
        assert not re.match(r"^(requirements|constraints)[\w-]*\.txt$", word) or (REPOSITORY / word).is_file()


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=lambda value: getattr(value, "name", "block"))
def test_every_name_that_a_block_of_python_imports_from_us_exists(page, block):
    for node in ast.walk(ast.parse(textwrap.dedent(block))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "aireal":
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_the_cheap_commands_run_as_they_are_written(tmp_path, monkeypatch, capsys):
    written = {" ".join(c.arguments_of("-m", "aireal") or ()) for c in [*IN_BLOCKS, *IN_SENTENCES]}
    assert set(EXECUTED) <= written
    fill(tmp_path / "SOURCE" / "0_real", 0, 12, "r_{}x.png")
    fill(tmp_path / "SOURCE" / "1_fake", 50, 12, "f_{}x.png")
    for split in ("data/train", "test"):
        fill(tmp_path / "ROOT" / split / "0_real", 100, 6, split[0] + "{}a.png")
        fill(tmp_path / "ROOT" / split / "1_fake", 150, 6, split[0] + "{}b.png")
    shutil.copytree(REPOSITORY / "metrics", tmp_path / "out" / "metrics")
    monkeypatch.chdir(tmp_path)
    results = {line: main([*line.split(), *(["--out", "out"] if line == "report" else [])]) for line in EXECUTED}
    assert set(results.values()) <= {0, 1}  # 1: the made-up pictures have shortcuts
    assert (tmp_path / "my_dataset" / "manifest.csv").is_file()
    assert (tmp_path / "ROOT" / "manifest.csv").is_file()
    assert (tmp_path / "FILE").is_file()
    assert (tmp_path / "out" / "report.html").is_file()
