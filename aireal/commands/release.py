"""`aireal fullsize-check | push`: the true size tried on this machine, and what was trained to the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY


@dataclass
class FullsizeCheck:
    """Build PaliGemma-3B's exact shape with random weights, attach LoRA, run one training step and a short generation, and say what they take.

    Needs no hub and no GPU, but some minutes of all cores and the memory that --limit-gib names. Exit status 1: the step did not train, or took
    more memory than the limit.
    """

    root: Annotated[Path, arg(help="dataset root whose overlays are used")] = REPOSITORY / "dataset"
    paligemma: Annotated[str | None, arg(help="a real model instead, a hub id or a folder")] = None
    rank: int = 8
    rows: Annotated[int, arg(help="overlays in the step's batch")] = 1
    tokens: Annotated[int, arg(help="to generate")] = 8
    limit_gib: float = 12.0
    seed: int = 7
    out: Annotated[Path | None, arg(help="folder for metrics/ (default: outputs/)")] = None

    def __call__(self) -> int:
        from aireal.core.run import start
        from aireal.paligemma.evaluate import some_rows
        from aireal.paligemma.fullsize import build_full_size, check_full_size, configuration, make_processor
        from aireal.paligemma.memory_estimate import estimate_finetuning
        from aireal.paligemma.model import load

        run = start("fullsize", "full", self.root, self.seed, self.out)
        rows = some_rows(run.data, self.rows, self.seed)
        if self.paligemma:
            model, processor = load(self.paligemma, run.device)
        else:
            processor = make_processor()
            config = configuration(processor)
            print(estimate_finetuning(config, self.rank, self.rows, 1, run.device).words(), flush=True)
            model = build_full_size(config, run.device, self.seed)
        print(f"{model.num_parameters():,} parameters in {str(model.dtype)[6:]} on {run.device}", flush=True)
        found = check_full_size(
            model, processor, rows, self.rank, run.profile.lora_learning_rate, self.seed, self.tokens
        )
        good = 0 < found["changed"] and found["peak_memory_gib"] <= self.limit_gib
        path = run.save(
            "fullsize",
            {
                "model": self.paligemma or "shape of google/paligemma-3b-pt-224, random weights",
                "limit_gib": self.limit_gib,
                **found,
            },
        )
        print(
            f"{found['trainable']:,} trainable ({found['trainable_share']:.2%}) at rank {self.rank}; step {found['seconds']['step']} s with loss "
            f"{found['loss']:.2f}, {self.tokens} tokens {found['seconds']['generation']} s, peak {found['peak_memory_gib']} GiB "
            f"of {self.limit_gib}; in {path.name}"
        )
        return 0 if good else 1


@dataclass
class Push:
    """Upload classifier, adapter, processor and model card to the Hugging Face hub; --dry-run only writes the folder and lists it."""

    repo: Annotated[str, arg(help="owner/name on the hub")]
    root: Annotated[Path, arg(help="dataset root whose classifier and adapter are uploaded")] = REPOSITORY / "dataset"
    metrics: Annotated[Path, arg(help="folder with the run's figures")] = REPOSITORY / "outputs" / "metrics"
    profile: str = "auto"
    folder: Annotated[Path | None, arg(help="where the files are put together (default: outputs/push)")] = None
    private: bool = False
    dry_run: Annotated[bool, arg(help="upload nothing")] = False

    def __call__(self) -> int:
        from aireal.config import DatasetRoot, resolve_profile
        from aireal.reporting.push_to_hub import assemble, listing, upload

        profile, _ = resolve_profile(self.profile)
        folder = assemble(
            DatasetRoot.at(self.root),
            self.metrics,
            profile.paligemma,
            self.repo,
            self.folder or REPOSITORY / "outputs" / "push",
        )
        print(listing(folder))
        if self.dry_run:
            print(f"nothing was uploaded; the folder is {folder}")
            return 0
        print(f"uploaded to {upload(folder, self.repo, self.private)}")
        return 0
