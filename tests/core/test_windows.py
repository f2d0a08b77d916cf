"""Modules that only Unix has are not needed: here they are taken away, as on Windows."""

from __future__ import annotations

import subprocess
import sys

from aireal.config import REPOSITORY

PROGRAM = """
import sys
import accelerate, psutil, torch, torchvision, transformers  # libraries take what their system has
sys.modules.update(dict.fromkeys(("fcntl", "resource")))
import aireal.cli
import aireal.core.run
import aireal.stages.explain_files
import aireal.stages.finetune
import aireal.stages.scale.predict_job
"""


def test_the_package_needs_no_module_of_unix():
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
