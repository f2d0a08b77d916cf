"""pyproject.toml: an installation has the command `aireal`, every file that the package reads, and a stated Python."""

from __future__ import annotations

import fnmatch
import importlib
import sys
import tomllib

from aireal.config import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE = REPOSITORY / "aireal"


def test_the_command_is_a_function_of_the_package():
    module, name = PYPROJECT["project"]["scripts"]["aireal"].split(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_this_python_is_one_of_those_that_are_stated():
    stated = [c.rsplit(" ", 1)[1] for c in PYPROJECT["project"]["classifiers"] if "Python :: 3." in c]
    assert stated == ["3.11", "3.12", "3.13"]
    assert PYPROJECT["project"]["requires-python"] == f">={stated[0]}"
    assert sys.version_info >= (3, 11)


def test_every_file_that_is_no_code_is_installed_with_the_package():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["aireal"]
    files = [p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*") if p.is_file()]
    data = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert len(data) > 10
    assert [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []
