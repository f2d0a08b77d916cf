"""Run the tests for `make test`, and write how long they took and how many passed into outputs/metrics/tests.json.

    python scripts/time_tests.py [paths of tests]

`make publish` copies the file, and the READMEs then state the time of `make test`. Nothing is written where a test
fails, or where only some of the tests are run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aireal.config import REPOSITORY

OPTIONS = ("-q", "-n", "logical", "--maxprocesses", "4", "--dist", "loadfile")


def read_counts(report: Path) -> dict[str, int]:
    """ "passed", "failed" and "skipped" tests of pytest's JUnit XML; errors count as failed."""
    suite = next(ElementTree.parse(report).iter("testsuite"))
    tests, failures, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    return {"passed": tests - failures - errors - skipped, "failed": failures + errors, "skipped": skipped}


def main(paths: list[str]) -> int:
    from aireal.core.run import start

    run = start("tests", "sample")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *OPTIONS, f"--junitxml={report}", *paths]
        status = subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode
        counts = read_counts(report) if report.exists() else {}
    if status == 0 and not paths:
        print(f"in {run.save('tests', counts).name}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
