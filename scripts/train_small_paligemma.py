"""Train the small PaliGemma from scratch; write aireal/weights/paligemma_small/ and metrics/paligemma_small.json.

    python scripts/train_small_paligemma.py [--dataset ROOT] [--steps N] [--vision-steps N] [--images N]
        [--seed N] [--work DIR] [--out DIR] [--metrics FILE]

First the vision tower is pretrained (where the heat is, what lies under it), then the whole model on questions and
sentences. The pictures under the training heatmaps come from the root's split `train`, those under the held-out ones
from `val`, which has other source groups. The same command resumes after a kill:
overlays and checkpoints lie in --work.
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
from aireal.paligemma.small import synthetic
from aireal.paligemma.small.model import Shape, SyntheticDataset, build_small_paligemma
from aireal.paligemma.small.pretrain_vision import train_vision
from aireal.paligemma.small.probes import fit_probes, make_cam_bank
from aireal.paligemma.train import train_base

BATCH, LEARNING_RATE, VISION_BATCH, VISION_LEARNING_RATE = 32, 2e-3, 64, 2e-3
HELD_OUT = 900
PROBES, VIEWS, HELD_OUT_VIEWS, REAL_SHARE = 48, 2500, 500, 0.6
CLEAR_MARGIN = 0.05  # a peak is clear when it is this much hotter than all points outside its region


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


def make_or_load_pool(
    args: argparse.Namespace, split: str, count: int, seed: int, views: int, share: float
) -> synthetic.OverlayPool:
    """The split's overlays, from --work if an earlier call made them.

    Args:
        views: crops of pictures in the bank of probe maps.
        share: of overlays with a map of a linear probe; the others have procedural maps.
    """
    path = args.work / f"pool_{split}_{count}_{seed}_{share}.npz"
    if not path.exists():
        data = DatasetRoot.at(args.dataset)
        photographs = synthetic.read_photographs([data.root / item.path for item in load_items(data, split)])
        print(f"making {count} overlays over {len(photographs)} pictures of split {split}", flush=True)
        bank = make_cam_bank(photographs, probe_weights(data, args.seed, split), views, seed) if share else None

        def draw_one(rng: np.random.Generator, region: str) -> synthetic.SyntheticExample:
            return bank.draw(rng, region) if rng.random() < share else synthetic.draw_example(rng, photographs, region)

        synthetic.save_pool(synthetic.make_pool(count, Shape().image_size, seed, draw_one), path)
    return synthetic.load_pool(path)


def probe_weights(data: DatasetRoot, seed: int, split: str) -> np.ndarray:
    """Probes fitted on the training pictures; the held-out overlays use other probes than the training overlays."""
    items = load_items(data, "train")
    labels = np.array([item.label for item in items])
    photographs = synthetic.read_photographs([data.root / item.path for item in items])
    return fit_probes(photographs, labels, PROBES, seed + (split != "train"))


def evaluate(model, processor, held_out: synthetic.OverlayPool, language: str, count: int, seed: int = 0) -> dict:
    """Rates on the first `count` held-out overlays, and the region's rate on those with a clear peak."""
    rng = np.random.default_rng(seed)
    records = [held_out.record(index, rng) for index in range(count)]
    images = [held_out.image(index) for index in range(count)]
    texts = describe(model, processor, images, [prompt(record, language) for record in records], batch_size=64)
    clear = np.flatnonzero(held_out.margins[:count] >= CLEAR_MARGIN)
    clear_rates = consistency_rates([texts[i] for i in clear], [records[i] for i in clear], language)
    return {
        **consistency_rates(texts, records, language),
        "region_clear": {"n": clear_rates["n"], **clear_rates["region"]},
    }


class HeldOutRatesCallback(TrainerCallback):
    """Print held-out rates every 500 steps. They are for information and select nothing."""

    def __init__(self, processor, held_out: synthetic.OverlayPool):
        self.processor, self.held_out = processor, held_out

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step % 500 == 0:
            for language in LANGUAGES:
                rates = evaluate(model, self.processor, self.held_out, language, 270)
                print(state.global_step, language, values_only(rates), flush=True)


def values_only(rates: dict) -> dict:
    """The rates without their intervals."""
    return {name: rate["value"] for name, rate in rates.items() if isinstance(rate, dict)}


def main() -> None:
    args = options()
    seed_everything(args.seed)
    train = make_or_load_pool(args, "train", args.images, args.seed, VIEWS, REAL_SHARE)
    held_out = make_or_load_pool(args, "val", HELD_OUT, args.seed + 1, HELD_OUT_VIEWS, 0.0)
    held_out_real = make_or_load_pool(args, "val", HELD_OUT, args.seed + 1, HELD_OUT_VIEWS, 1.0)
    model, processor = build_small_paligemma(Shape(), args.seed)
    vision = train_vision(
        model, train, held_out_real, args.vision_steps, VISION_BATCH, VISION_LEARNING_RATE, args.seed, args.work
    )
    print("vision tower:", vision["held_out"], flush=True)
    dataset = SyntheticDataset(train, args.steps * BATCH, args.seed)
    history = train_base(
        model,
        processor,
        dataset,
        args.steps,
        BATCH,
        LEARNING_RATE,
        args.seed,
        args.work,
        [HeldOutRatesCallback(processor, held_out_real)],
    )
    model.to(torch.bfloat16).save_pretrained(args.out)
    processor.save_pretrained(args.out)
    model, processor = load(args.out, "cpu")  # evaluates the written files
    rates, rates_real = (
        {language: evaluate(model, processor, pool, language, HELD_OUT) for language in LANGUAGES}
        for pool in (held_out, held_out_real)
    )
    write_json(
        args.metrics,
        {
            "stage": "paligemma_small",
            "seed": args.seed,
            "images": args.images,
            "parameters": model.num_parameters(),
            "vision": {"batch": VISION_BATCH, "learning_rate": VISION_LEARNING_RATE, **vision},
            "steps": history.steps,
            "batch": BATCH,
            "learning_rate": LEARNING_RATE,
            "seconds": history.seconds,
            "resumed_from": history.resumed_from,
            "clear_margin": CLEAR_MARGIN,
            "held_out": rates,
            "held_out_real": rates_real,
            "loss": history.loss,
            "versions": versions(),
        },
    )
    for language in LANGUAGES:
        print(
            language,
            "procedural maps",
            values_only(rates[language]),
            "maps of probes",
            values_only(rates_real[language]),
        )


if __name__ == "__main__":
    main()
