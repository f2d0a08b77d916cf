"""What helps the sample's ResNet34: one change at a time, measured on validation, written to metrics/ablation.json.

    python scripts/ablate_classifier.py --earlier FILE --teacher FILE

    python scripts/ablate_classifier.py --teacher FILE --yardstick

    python scripts/ablate_classifier.py --ceiling FILE [FILE ...]

Every row is trained like notebook 03's classifier (profile `sample`, seed 7) with the one change it names, and measured on the validation
split; the test split is not read. FILEs are an earlier backbone and the teacher's weights (see pretrain_backbone.py); a row whose file is
not given is left out. The yardstick is what the frozen teacher is worth on the *test* split: no choice follows from it, it tells how much of a weak
result lies in the pictures and in what there was to learn from. The ceiling asks the same of every network whose ImageNet weights a package holds
(efficientnet-liteN-*.pth), alone and together, on all pictures but the test split's, out of fold: a backbone that learns from them can hardly be better.
"""

from __future__ import annotations

import argparse
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from pretrain_backbone import load_teacher
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from aireal.classifier import model as models
from aireal.classifier.data import loader
from aireal.classifier.linear_probe import features, fit_probe, probe_head
from aireal.classifier.metrics import with_intervals
from aireal.classifier.trainer import collect, fit
from aireal.config import BACKBONE, REPOSITORY, Profile
from aireal.core.run import Run, seed_everything, start
from aireal.dataset.manifest import Item, load_items
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import format_estimate


def fine_tuned(
    run: Run,
    items: dict[str, list[Item]],
    profile: Profile,
    backbone: Path | None = BACKBONE,
    all_at_full_rate: bool = False,
    probe: bool = True,
) -> dict:
    """ResNet34 trained from `backbone`; also what the mean with the mirrored picture would give (test-time augmentation)."""
    seed_everything(run.seed)
    model, config = models.create("resnet34", profile, backbone)
    if probe:
        probe_head(model, loader(items["train"], run.data.root, config, profile, train=False))
    batches = loader(items["train"], run.data.root, config, profile, train=True, seed=run.seed)
    held_out = loader(items["val"], run.data.root, config, profile, train=False)
    history = fit(
        model,
        batches,
        held_out,
        profile.epochs,
        profile.learning_rate,
        all_at_full_rate,
        "resnet34",
        seed=run.seed,
        warmup=profile.warmup,
        ema_decay=profile.ema_decay,
    )
    logits, _ = collect(model, held_out)
    mirrored, _ = collect(model, [(pixels.flip(-1), labels) for pixels, labels in held_out])
    both = figures(run, (logits + mirrored).softmax(-1)[:, 1].numpy(), items["val"])
    alone = figures(run, logits.softmax(-1)[:, 1].numpy(), items["val"])
    return alone | {"with_mirrored": both["auroc"], "seconds": history[-1]["seconds"], "history": history}


def probed(run: Run, items: dict[str, list[Item]], network: nn.Module) -> dict:
    """Logistic regression on the frozen network's pooled features of whole pictures."""
    config = models.ClassifierConfig("", run.profile.image_size, models.HALF, models.HALF, "")
    train, held_out = (
        features(network, loader(part, run.data.root, config, run.profile, train=False)) for part in items.values()
    )
    weights, bias = fit_probe(*train)
    scores = 1 / (1 + np.exp(-(held_out[0] @ weights + bias)))
    return figures(run, scores, list(items.values())[1])


def ceiling(run: Run, weights: list[Path]) -> dict[str, dict]:
    """Figures of logistic regressions on frozen networks: training and validation pictures, out of fold (5 folds, no source in two)."""
    items = [item for split in ("train", "val") for item in load_items(run.data, split)]
    found: dict[str, np.ndarray] = {}
    for path in weights:
        number = re.match(r"efficientnet-lite(\d)-", path.name)[1]
        network = load_teacher(path, f"tf_efficientnet_lite{number}")
        for size in (256, 384):
            config = models.ClassifierConfig("", size, models.HALF, models.HALF, "")
            found[f"EfficientNet-Lite{number}, {size} px"] = features(
                network, loader(items, run.data.root, config, run.profile, train=False)
            )[0]
            print(f"EfficientNet-Lite{number} has seen {len(items)} pictures at {size} px", flush=True)
    found["all of these together"] = np.concatenate(list(found.values()), axis=1)
    return {name: out_of_fold(run, known, items) for name, known in found.items()}


def out_of_fold(run: Run, known: np.ndarray, items: list[Item]) -> dict:
    labels, groups, scores = np.array([i.label for i in items]), [i.group for i in items], np.zeros(len(items))
    for learnt, asked in StratifiedGroupKFold(5, shuffle=True, random_state=run.seed).split(labels, labels, groups):
        weights, bias = fit_probe(known[learnt], labels[learnt])
        scores[asked] = 1 / (1 + np.exp(-(known[asked] @ weights + bias)))
    return figures(run, scores, items)


def figures(run: Run, scores: np.ndarray, items: list[Item]) -> dict:
    found = with_intervals(scores, np.array([i.label for i in items]), [i.group for i in items], run.seed)
    return {name: found[name] for name in ("n", "groups", "auroc", "average_precision")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earlier", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--yardstick", action="store_true")
    parser.add_argument("--ceiling", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    run = start("ablation", "sample")
    if args.ceiling:
        reached = ceiling(run, args.ceiling)
        return publish(run, "ceiling", {"split": "train and val, out of fold", "rows": reached}, table(reached))
    if args.yardstick:
        items = {split: load_items(run.data, split) for split in ("train", "test")}
        yardstick = {
            f"{size} px": probed(replace_size(run, size), items, load_teacher(args.teacher)) for size in (192, 256)
        }
        return publish(run, "yardstick", {"split": "test", "rows": yardstick}, table(yardstick))
    items = {split: load_items(run.data, split) for split in ("train", "val")}
    p = run.profile
    rows = {
        f"fine-tuned for {p.epochs} epochs from the linear probe": lambda: fine_tuned(run, items, p),
        "its classification layer random at first": lambda: fine_tuned(run, items, p, probe=False),
        "without averaged weights (EMA)": lambda: fine_tuned(run, items, replace(p, ema_decay=0.0)),
        "the body at the full learning rate": lambda: fine_tuned(run, items, p, all_at_full_rate=True),
        "the linear probe itself: frozen backbone, logistic regression": lambda: probed(
            run, items, models.create("resnet34", p)[0].eval()
        ),
    }
    if args.earlier:
        rows["from an earlier backbone"] = lambda: fine_tuned(run, items, p, args.earlier)
        rows["an earlier backbone frozen, logistic regression"] = lambda: probed(
            run, items, models.create("resnet34", p, args.earlier)[0].eval()
        )
    if args.teacher:
        rows["frozen teacher (EfficientNet-Lite0 with ImageNet weights), logistic regression"] = lambda: probed(
            run, items, load_teacher(args.teacher)
        )
    found = {}
    for name, measure in rows.items():
        found[name] = measure()
        print(f"{name}: {found[name]['auroc']}", flush=True)
    publish(run, "ablation", {"split": "val", "epochs": p.epochs, "rows": found}, table(found))


def replace_size(run: Run, size: int) -> Run:
    return replace(run, profile=replace(run.profile, image_size=size))


def publish(run: Run, name: str, record: dict, block: str) -> None:
    """Write metrics/NAME.json and the block of docs/backbone.md that shows it."""
    shutil.copy(run.save(name, record), REPOSITORY / "metrics" / f"{name}.json")
    page = REPOSITORY / "docs" / "backbone.md"
    page.write_text(update(page.read_text(encoding="utf-8"), {name: block}), encoding="utf-8")


def table(found: dict[str, dict]) -> str:
    """The rows as Markdown."""
    lines = ["| | AUROC | with the mirrored picture | average precision |", "| --- | --- | --- | --- |"]
    for name, row in found.items():
        mirrored = format_estimate(row["with_mirrored"]) if "with_mirrored" in row else "–"
        lines.append(
            f"| {name} | {format_estimate(row['auroc'])} | {mirrored} | {format_estimate(row['average_precision'])} |"
        )
    any_row = next(iter(found.values()))
    return "\n".join(
        [*lines, "", f"{any_row['n']} images of {any_row['groups']} sources, 95% intervals over sources, one seed.", ""]
    )


if __name__ == "__main__":
    main()
