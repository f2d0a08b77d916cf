"""`aireal release cards | publish | push | fullsize-check`: what maintainers do before and when they share results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg, subcommand

from aireal.config import REPOSITORY

from .options import AutoProfile, Keep, Seed


@dataclass
class Cards:
    """Write the model card and the dataset card in the hub's format, from metrics and manifest."""

    metrics: Annotated[Path, arg(help="folder of metrics files, e.g. outputs/metrics")] = REPOSITORY / "metrics"
    root: Annotated[Path, arg(help="dataset root that the dataset card describes")] = REPOSITORY / "dataset"
    out: Annotated[Path, arg(help="folder to write both cards into")] = REPOSITORY / "docs" / "cards"

    def __call__(self) -> int:
        from aireal.reporting.publish import write_cards

        print("\n".join(str(path) for path in write_cards(self.metrics, self.root, self.out)))
        return 0


@dataclass
class Publish:
    """Copy a finished demo's notebooks, figures and metrics into the repository and render READMEs and cards."""

    out: Annotated[Path, arg(help="folder of the finished demo")] = REPOSITORY / "outputs"

    def __call__(self) -> int:
        from aireal.reporting.publish import publish

        return publish(self.out)


@dataclass
class Push:
    """Upload classifier, adapter, processor and model card to the Hugging Face hub."""

    repo: Annotated[str, arg(help="repository on the hub, as owner/name")]
    root: Annotated[Path, arg(help="dataset root with the classifier and the adapter to upload")] = (
        REPOSITORY / "dataset"
    )
    keep: Keep = ""
    metrics: Annotated[
        Path | None,
        arg(
            help="folder with the metrics of that training",
            help_behavior_hint="(default: outputs/metrics, or KEEP/outputs/metrics)",
        ),
    ] = None
    profile: AutoProfile = "auto"
    folder: Annotated[
        Path | None, arg(help="folder to assemble the files in", help_behavior_hint="(default: outputs/push)")
    ] = None
    private: Annotated[bool, arg(help="create the repository as a private one")] = False
    dry_run: Annotated[bool, arg(help="assemble and list the files, and upload nothing")] = False

    def __call__(self) -> int:
        from aireal.core.run import places, start
        from aireal.reporting.push_to_hub import assemble, listing, upload

        run = start("push", self.profile, self.root, keep=self.keep, follow_products=True)
        _, out = places(self.profile, self.root, None, self.keep)
        target = self.folder or out / "push"
        folder = assemble(run.data, self.metrics or out / "metrics", run.profile.paligemma, self.repo, target)
        print(listing(folder))
        if self.dry_run:
            print(f"nothing was uploaded; the folder is {folder}")
            return 0
        seen_by = "you and those whom you let in" if self.private else "everybody (--private hides it)"
        print(f"uploading to {self.repo}, which is seen by {seen_by}", flush=True)
        print(f"uploaded to {upload(folder, self.repo, self.private)}")
        return 0


@dataclass
class FullsizeCheck:
    """Try PaliGemma-3B's exact shape on this machine: one LoRA training step and a short generation.

    The weights are random, so neither hub nor GPU is needed; all cores are busy for some minutes, with as much memory
    as --limit-gib allows. Exit status 1: the step changed no weight, or the peak memory was above the limit.
    """

    root: Annotated[Path, arg(help="dataset root whose overlays are used")] = REPOSITORY / "dataset"
    paligemma: Annotated[
        str | None,
        arg(
            help="real model to use in place of random weights: a hub id or a folder",
            help_behavior_hint="(default: random weights)",
        ),
    ] = None
    rank: Annotated[int, arg(help="rank of LoRA's matrices")] = 8
    rows: Annotated[int, arg(help="overlays in the batch of the training step")] = 1
    tokens: Annotated[int, arg(help="tokens to generate after the step")] = 8
    limit_gib: Annotated[float, arg(help="most memory that the check may take, in GiB")] = 12.0
    seed: Seed = 7
    out: Annotated[
        Path | None, arg(help="folder to write metrics/fullsize.json into", help_behavior_hint="(default: outputs/)")
    ] = None

    def __call__(self) -> int:
        from aireal.core.run import start
        from aireal.paligemma.full_size import check_full_size, trial_rows

        run = start("fullsize", "full", self.root, self.seed, self.out, overrides={"needs_gpu": False})
        rows = trial_rows(run.data, self.rows, self.seed)
        model, processor = self._load(run.device)
        print(f"{model.num_parameters():,} parameters in {str(model.dtype)[6:]} on {run.device}", flush=True)
        metrics = check_full_size(
            model, processor, rows, self.rank, run.profile.lora_learning_rate, self.seed, self.tokens
        )
        source = self.paligemma or "shape of google/paligemma-3b-pt-224, random weights"
        path = run.save("fullsize", {"model": source, "limit_gib": self.limit_gib, **metrics})
        self._print(metrics, path)
        return 0 if 0 < metrics["changed"] and metrics["peak_memory_gib"] <= self.limit_gib else 1

    def _load(self, device):
        """Model and processor: the named ones, or the full shape with random weights, after a memory estimate."""
        from aireal.paligemma.full_size import build_full_size, configuration, make_processor
        from aireal.paligemma.memory_estimate import estimate_finetuning
        from aireal.paligemma.model import load

        if self.paligemma:
            return load(self.paligemma, device)
        processor = make_processor()
        config = configuration(processor)
        print(estimate_finetuning(config, self.rank, self.rows, 1, device).summary(), flush=True)
        return build_full_size(config, device, self.seed), processor

    def _print(self, metrics: dict, path: Path) -> None:
        seconds = metrics["seconds"]
        print(
            f"{metrics['trainable']:,} trainable parameters ({metrics['trainable_share']:.2%}) at rank {self.rank}; "
            f"step {seconds['step']} s with loss {metrics['loss']:.2f}, "
            f"{self.tokens} tokens {seconds['generation']} s, "
            f"peak memory {metrics['peak_memory_gib']} GiB (limit {self.limit_gib}); in {path.name}"
        )


@dataclass
class Release:
    """For maintainers: write cards, publish a demo in the repository, upload to the hub, check the full size."""

    do: Annotated[
        Annotated[Cards, subcommand("cards")]
        | Annotated[Publish, subcommand("publish")]
        | Annotated[Push, subcommand("push")]
        | Annotated[FullsizeCheck, subcommand("fullsize-check")],
        arg(name=""),
    ]

    def __call__(self) -> int:
        return self.do()
