"""Ablation of the sample's ResNet34: one change at a time, measured on validation, written to metrics/ablation.json.

    python scripts/ablate_classifier.py --earlier FILE --teacher FILE

    python scripts/ablate_classifier.py --teacher FILE --teacher-reference

    python scripts/ablate_classifier.py --upper-bound FILE [FILE ...]

Every row is trained like notebook 03's classifier (profile `sample`, seed 7) with the one change that it names, and
measured on the validation split; the test split is not read. FILEs are an earlier backbone and the teacher's weights
(see pretrain_backbone.py); a row without its file is left out.

The teacher reference measures the frozen teacher on the *test* split. No choice follows from it; it shows which part of
a weak result comes from the pictures and from the teacher. The upper bound measures every network with ImageNet weights
in a package (efficientnet-liteN-*.pth), alone and together, on all pictures but the test split's, out of fold. A
backbone that learns from these networks can hardly be better.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pretrain_backbone import load_teacher
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn
from torch.utils.data import DataLoader

from aireal.classifier import model as models
from aireal.classifier.data import eval_loader, train_loader
from aireal.classifier.linear_probe import fit_probe, pooled_features, probe_head
from aireal.classifier.metrics import with_intervals
from aireal.classifier.trainer import fit
from aireal.classifier.training_config import TrainingConfig
from aireal.classifier.validation import collect_logits
from aireal.config import REPOSITORY, Profile
from aireal.core.run import Run, seed_everything, start
from aireal.dataset.manifest import Item, load_items
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import format_estimate


def fine_tuned(
    run: Run,
    items: dict[str, list[Item]],
    profile: Profile,
    backbone: models.Backbone = "auto",
    all_at_full_rate: bool = False,
    probe: bool = True,
) -> dict:
    """Metrics of ResNet34 trained from `backbone`, also for the mean with the mirrored picture (test-time
    augmentation)."""
    seed_everything(run.seed)
    root = run.data.root
    model, config = models.create("resnet34", profile, backbone)
    if probe:
        probe_head(model, eval_loader(items["train"], root, config, profile.batch_size))
    training = replace(TrainingConfig.of(profile, run.seed), patience=None, from_scratch=all_at_full_rate)
    held_out = eval_loader(items["val"], root, config, profile.batch_size)
    history = fit(model, train_loader(items["train"], root, config, training), held_out, training, "resnet34")
    logits, _ = collect_logits(model, held_out)
    mirrored, _ = collect_logits(model, [(pixels.flip(-1), labels) for pixels, labels in held_out])
    both = selected_metrics(run, (logits + mirrored).softmax(-1)[:, 1].numpy(), items["val"])
    alone = selected_metrics(run, logits.softmax(-1)[:, 1].numpy(), items["val"])
    return alone | {"with_mirrored": both["auroc"], "seconds": history[-1]["seconds"], "history": history}


def probed(run: Run, items: dict[str, list[Item]], network: nn.Module) -> dict:
    """Metrics of logistic regression on the frozen network's pooled features of whole pictures.

    Args:
        items: of the two splits that the regression is fitted to and measured on, in this order.
    """
    (fit_features, fit_labels), (features, _) = (
        pooled_features(network, frozen_loader(run, part, run.profile.image_size)) for part in items.values()
    )
    weights, bias = fit_probe(fit_features, fit_labels)
    return selected_metrics(run, sigmoid(features @ weights + bias), list(items.values())[1])


def upper_bound(run: Run, paths: list[Path]) -> dict[str, dict]:
    """Metrics of logistic regressions on frozen networks: training and validation pictures, out of fold (5 folds, no
    source in two)."""
    items = [item for split in ("train", "val") for item in load_items(run.data, split)]
    features: dict[str, np.ndarray] = {}
    for path in paths:
        number = re.match(r"efficientnet-lite(\d)-", path.name)[1]
        network = load_teacher(path, f"tf_efficientnet_lite{number}")
        for size in (256, 384):
            name = f"EfficientNet-Lite{number}, {size} px"
            features[name] = pooled_features(network, frozen_loader(run, items, size))[0]
            print(f"{name}: features of {len(items)} pictures computed", flush=True)
    features["all of these together"] = np.concatenate(list(features.values()), axis=1)
    return {name: out_of_fold(run, values, items) for name, values in features.items()}


def frozen_loader(run: Run, items: list[Item], size: int) -> DataLoader:
    """Whole pictures of `size` px, normalised as the backbone's."""
    config = models.ClassifierConfig("", size, models.HALF, models.HALF, "")
    return eval_loader(items, run.data.root, config, run.profile.batch_size)


def out_of_fold(run: Run, features: np.ndarray, items: list[Item]) -> dict:
    labels, groups, scores = np.array([i.label for i in items]), [i.group for i in items], np.zeros(len(items))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=run.seed).split(labels, labels, groups)
    for train, test in folds:
        weights, bias = fit_probe(features[train], labels[train])
        scores[test] = sigmoid(features[test] @ weights + bias)
    return selected_metrics(run, scores, items)


def sigmoid(margin: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-margin))


def selected_metrics(run: Run, scores: np.ndarray, items: list[Item]) -> dict:
    metrics = with_intervals(scores, np.array([i.label for i in items]), [i.group for i in items], run.seed)
    return {name: metrics[name] for name in ("n", "groups", "auroc", "average_precision")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earlier", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--teacher-reference", action="store_true")
    parser.add_argument("--upper-bound", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    run = start("ablation", "sample")
    if args.upper_bound:
        rows = upper_bound(run, args.upper_bound)
        return publish(run, "upper_bound", {"split": "train and val, out of fold", "rows": rows})
    if args.teacher_reference:
        items = {split: load_items(run.data, split) for split in ("train", "test")}
        teacher = load_teacher(args.teacher)
        rows = {f"{size} px": probed(with_size(run, size), items, teacher) for size in (192, 256)}
        return publish(run, "teacher_reference", {"split": "test", "rows": rows})
    rows = {}
    for name, measure in ablations(run, args.earlier, args.teacher).items():
        rows[name] = measure()
        print(f"{name}: {rows[name]['auroc']}", flush=True)
    publish(run, "ablation", {"split": "val", "epochs": run.profile.epochs, "rows": rows})


def ablations(run: Run, earlier: Path | None, teacher: Path | None) -> dict[str, Callable[[], dict]]:
    """What each row of the ablation measures, by name; rows whose file is None are left out."""
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
    if earlier:
        rows["from an earlier backbone"] = lambda: fine_tuned(run, items, p, earlier)
        rows["an earlier backbone frozen, logistic regression"] = lambda: probed(
            run, items, models.create("resnet34", p, earlier)[0].eval()
        )
    if teacher:
        rows["frozen teacher (EfficientNet-Lite0 with ImageNet weights), logistic regression"] = lambda: probed(
            run, items, load_teacher(teacher)
        )
    return rows


def with_size(run: Run, size: int) -> Run:
    return replace(run, profile=replace(run.profile, image_size=size))


def publish(run: Run, name: str, metrics: dict) -> None:
    """Write metrics/NAME.json and the block of docs/backbone.md that shows its rows."""
    shutil.copy(run.save(name, metrics), REPOSITORY / "metrics" / f"{name}.json")
    page = REPOSITORY / "docs" / "backbone.md"
    page.write_text(update(page.read_text(encoding="utf-8"), {name: table(metrics["rows"])}), encoding="utf-8")


def table(rows: dict[str, dict]) -> str:
    """The rows as Markdown."""
    lines = ["| | AUROC | with the mirrored picture | average precision |", "| --- | --- | --- | --- |"]
    for name, row in rows.items():
        mirrored = format_estimate(row["with_mirrored"]) if "with_mirrored" in row else "–"
        lines.append(
            f"| {name} | {format_estimate(row['auroc'])} | {mirrored} | {format_estimate(row['average_precision'])} |"
        )
    any_row = next(iter(rows.values()))
    return "\n".join(
        [*lines, "", f"{any_row['n']} images of {any_row['groups']} sources, 95% intervals over sources, one seed.", ""]
    )


if __name__ == "__main__":
    main()
