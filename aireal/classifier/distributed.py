"""What `accelerate launch` was asked for and did not start. Imports nothing heavy: it runs before there are processes to do the work."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import psutil

PLACES = (
    "WORLD_SIZE",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
)  # a process that has one knows the others


def missing_processes() -> int:
    """How many processes this one should have been, 0 if all is well.

    `accelerate launch --cpu --num_processes N` starts N processes under MPI and a single one otherwise (accelerate's issue 2741).
    That one finds an address to meet others at, but no place among them, and has to look up N in the launcher's command line.
    """
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    if not on_cpu or "MASTER_PORT" not in os.environ or any(name in os.environ for name in PLACES):
        return 0
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num_processes", "--num-processes", type=int, default=0)
    wanted = parser.parse_known_args(psutil.Process().parent().cmdline())[0].num_processes
    return wanted if wanted > 1 else 0


def start_again(count: int) -> int:
    """Run this very command as `count` processes on this machine with torch's launcher; its exit status."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    return subprocess.run([*launcher, "-m", "aireal", *sys.argv[1:]]).returncode
