"""Train the embedded small PaliGemma from nothing and write aireal/weights/paligemma_small/ and metrics/paligemma_small.json.

    python scripts/train_small_paligemma.py [--dataset ROOT] [--steps N] [--vision-steps N] [--images N] [--seed N] [--work DIR]

First the vision tower learns to see (where the heat is, what lies under it), then the whole model to answer and to write.
Pictures behind the training heatmaps come from the root's split `train`, behind the held-out ones from `val`, whose source
groups are others. The same command goes on after a kill: the overlays and the checkpoints stand in --work.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import TrainerCallback

from aireal.captions.language.grammar import LANGUAGES, prompt
from aireal.config import REPOSITORY, SMALL_PALIGEMMA, DatasetRoot
from aireal.core.files import write_json
from aireal.core.run import seed_everything, versions
from aireal.dataset.manifest import load_items
from aireal.paligemma.consistency import consistency_rates
from aireal.paligemma.generate import describe
from aireal.paligemma.model import load
from aireal.paligemma.small import synthetic as procedural
from aireal.paligemma.small.model import ProceduralDataset, Shape, build_small_paligemma
from aireal.paligemma.small.pretrain_vision import train_vision
from aireal.paligemma.small.probes import fit_probes, make_cam_bank
from aireal.paligemma.train import train_base

BATCH, LEARNING_RATE, VISION_BATCH, VISION_LEARNING_RATE = 32, 2e-3, 64, 2e-3
HELD_OUT = 900
PROBES, VIEWS, HELD_OUT_VIEWS, REAL_SHARE = 48, 2500, 500, 0.6
CLEAR = 0.05  # a peak stands out when it is this much hotter than all outside its cell


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, default=REPOSITORY / "dataset")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--vision-steps", type=int, default=4500)
    parser.add_argument("--images", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--work", type=Path, default=REPOSITORY / "outputs" / "paligemma_small")
    parser.add_argument("--out", type=Path, default=SMALL_PALIGEMMA)
    parser.add_argument("--metrics", type=Path, default=REPOSITORY / "metrics" / "paligemma_small.json")
    return parser.parse_args()


def pool(
    args: argparse.Namespace, split: str, count: int, seed: int, views: int, share: float
) -> procedural.OverlayPool:
    """The split's overlays, from --work if an earlier call made them; a share of them under maps of linear probes over `views` pictures."""
    path = args.work / f"pool_{split}_{count}_{seed}_{share}.npz"
    if not path.exists():
        data = DatasetRoot.at(args.dataset)
        photographs = procedural.read_photographs([data.root / item.path for item in load_items(data, split)])
        print(f"drawing {count} overlays over {len(photographs)} pictures of split {split}", flush=True)
        bank = make_cam_bank(photographs, weights(data, args.seed, split), views, seed) if share else None

        def draw_one(rng: np.random.Generator, region: str) -> procedural.SyntheticExample:
            return bank.draw(rng, region) if rng.random() < share else procedural.draw_example(rng, photographs, region)

        procedural.save_pool(procedural.make_pool(count, Shape().image_size, seed, draw_one), path)
    return procedural.load_pool(path)


def weights(data: DatasetRoot, seed: int, split: str) -> np.ndarray:
    """Probes that are fitted on the training pictures; those of held-out overlays are others than those of training overlays."""
    items = load_items(data, "train")
    labels = np.array([item.label for item in items])
    return fit_probes(
        procedural.read_photographs([data.root / item.path for item in items]),
        labels,
        PROBES,
        seed + (split != "train"),
    )


def measure(model, processor, held_out: procedural.OverlayPool, language: str, count: int, seed: int = 0) -> dict:
    """Rates on the first `count` held-out overlays, and the region's once more on those whose peak stands out."""
    rng = np.random.default_rng(seed)
    records = [held_out.record(index, rng) for index in range(count)]
    images = [held_out.image(index) for index in range(count)]
    texts = describe(model, processor, images, [prompt(record, language) for record in records], batch_size=64)
    clear = np.flatnonzero(held_out.margins[:count] >= CLEAR)
    standing_out = consistency_rates([texts[i] for i in clear], [records[i] for i in clear], language)
    return {
        **consistency_rates(texts, records, language),
        "region_clear": {"n": standing_out["n"], **standing_out["region"]},
    }


class Watch(TrainerCallback):
    """Now and then the held-out rates, to be read, not to choose by."""

    def __init__(self, processor, held_out: procedural.OverlayPool):
        self.processor, self.held_out = processor, held_out

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step % 500 == 0:
            for language in LANGUAGES:
                rates = measure(model, self.processor, self.held_out, language, 270)
                print(state.global_step, language, brief(rates), flush=True)


def brief(rates: dict) -> dict:
    return {name: rate["value"] for name, rate in rates.items() if name != "n"}


def main() -> None:
    args = options()
    seed_everything(args.seed)
    train = pool(args, "train", args.images, args.seed, VIEWS, REAL_SHARE)
    held_out = pool(args, "val", HELD_OUT, args.seed + 1, HELD_OUT_VIEWS, 0.0)
    held_out_real = pool(args, "val", HELD_OUT, args.seed + 1, HELD_OUT_VIEWS, 1.0)
    model, processor = build_small_paligemma(Shape(), args.seed)
    seeing = train_vision(
        model, train, held_out_real, args.vision_steps, VISION_BATCH, VISION_LEARNING_RATE, args.seed, args.work
    )
    print("vision tower:", seeing["held_out"], flush=True)
    dataset = ProceduralDataset(train, args.steps * BATCH, args.seed)
    history = train_base(
        model,
        processor,
        dataset,
        args.steps,
        BATCH,
        LEARNING_RATE,
        args.seed,
        args.work,
        [Watch(processor, held_out_real)],
    )
    model.to(torch.bfloat16).save_pretrained(args.out)
    processor.save_pretrained(args.out)
    model, processor = load(args.out, "cpu")  # what is measured is what was written
    rates, rates_real = (
        {language: measure(model, processor, pool, language, HELD_OUT) for language in LANGUAGES}
        for pool in (held_out, held_out_real)
    )
    write_json(
        args.metrics,
        {
            "stage": "paligemma_small",
            "seed": args.seed,
            "images": args.images,
            "parameters": model.num_parameters(),
            "vision": {"batch": VISION_BATCH, "learning_rate": VISION_LEARNING_RATE, **seeing},
            "steps": history.steps,
            "batch": BATCH,
            "learning_rate": LEARNING_RATE,
            "seconds": history.seconds,
            "resumed_from": history.resumed_from,
            "clear_margin": CLEAR,
            "held_out": rates,
            "held_out_real": rates_real,
            "loss": history.loss,
            "versions": versions(),
        },
    )
    for language in LANGUAGES:
        print(language, "procedural maps", brief(rates[language]), "maps of probes", brief(rates_real[language]))


if __name__ == "__main__":
    main()
