"""What the tests took is read from pytest's own report."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

from aireal.config import REPOSITORY

spec = spec_from_file_location("time_tests", REPOSITORY / "scripts" / "time_tests.py")
script = module_from_spec(spec)
spec.loader.exec_module(script)

TESTS = """
import pytest

def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip
def test_left_out(): pass
@pytest.fixture
def broken(): raise ValueError
def test_error(broken): pass
"""


def test_passed_failed_and_skipped_are_counted(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert script.read_counts(report) == {"passed": 1, "failed": 2, "skipped": 1}


def test_make_test_runs_it():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert "$(PY) scripts/time_tests.py" in makefile.split("\ntest:")[1].split("\n\n")[0]
