"""Shared by the tests of `dataset import`: small pictures, the command, and its results."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

from PIL import Image

from aireal.cli import main
from aireal.dataset.manifest import Item, read_manifest
from helpers.images import encoded, noise, write

SMALL = ["--no-audit", "--size", "48"]


def run_import(source, root, *options: str) -> int:
    return main(["dataset", "import", str(source), "--to", str(root), *SMALL, *options])


def picture(seed: int, side: int = 40) -> Image.Image:
    """Coarse noise, so that scaling and compression leave a picture like itself."""
    return noise(seed, 8).resize((side, side), Image.Resampling.BICUBIC)


def fill(folder: Path, first: int, count: int, name: str = "{}.png", side: int = 40) -> None:
    for number in range(first, first + count):
        path = folder / name.format(number)
        write(
            path,
            encoded(
                picture(number, side), "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else path.suffix[1:].upper()
            ),
        )


def items(root) -> list[Item]:
    return read_manifest(Path(root) / "manifest.csv")


def counts(root) -> dict:
    return dict(Counter((i.split, i.label) for i in items(root)))


def tree(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def left_out(root: Path) -> dict[str, str]:
    with (root / "import_left_out.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}
