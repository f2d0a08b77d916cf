"""`aireal train | finetune | measure | augment`: one stage of the pipeline on its own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from aireal.config import REPOSITORY
from aireal.core.file_names import shown

from .options import (
    AutoProfile,
    BatchMessages,
    Dataset,
    Keep,
    Limit,
    Now,
    PaliGemma,
    Profile,
    Seed,
    Set,
    at_once,
    root_of,
)

if TYPE_CHECKING:
    from aireal.core.run import Run


@dataclass
class Train:
    """Train a classifier of a dataset root. A finished one that matches is used again; an interrupted one resumes.

    For several GPUs put `accelerate launch -m aireal train` in place of `python -m aireal train`, for several processes
    on a CPU `torchrun --nproc_per_node N -m aireal train`.
    """

    root: Annotated[Path, arg(help="dataset root to train on")] = REPOSITORY / "dataset"
    profile: Profile = "auto"
    keep: Keep = ""
    changes: Set = field(default_factory=list)
    seed: Seed = 7
    architecture: Annotated[
        str, arg(help="any of timm's; later stages use resnet34, the others are stored under OUT/checkpoints")
    ] = "resnet34"
    epochs: Annotated[int | None, arg(help="number of epochs", help_behavior_hint="(default: the profile's)")] = None
    out: Annotated[
        Path | None, arg(help="folder for logs and other architectures", help_behavior_hint="(default: outputs/)")
    ] = None
    retrain: Annotated[bool, arg(help="train even if a matching classifier exists")] = False
    exact: Annotated[
        bool, arg(help="compute in float32, so that machines with and without fast bfloat16 agree up to rounding")
    ] = False
    dataset: Dataset = ""
    limit: Limit = None

    def __call__(self) -> int:
        from aireal.classifier.accelerator import process_state
        from aireal.classifier.train import model_folder, train_architecture
        from aireal.classifier.training_config import TrainingConfig
        from aireal.core.profile import parse_overrides
        from aireal.core.run import start

        if not process_state().is_main_process:
            sys.stdout = open(os.devnull, "w")  # only the first process prints
        overrides = parse_overrides(self.changes)
        with process_state().main_process_first():  # one process imports, the others find it done
            root = root_of(self.root, self.dataset, self.limit, self.profile, overrides)
        run = start("train", self.profile, root, self.seed, self.out, self.keep, overrides)
        training = TrainingConfig.of(run.profile, run.seed, self.epochs, self.exact)
        trained = train_architecture(run, self.architecture, training, retrain=self.retrain)
        best, config = trained.best, trained.config
        print(
            f"{self.architecture}, from {config.initial_weights} weights: "
            f"{trained.images_seen} images seen in {trained.seconds:.0f} s"
        )
        print(
            f"kept: epoch {best['epoch']} of {trained.history[-1]['epoch']}, validation AUROC {best['val_auroc']:.3f}, "
            f"accuracy {best['val_accuracy']:.1%}; temperature {config.temperature}, bias {config.bias}"
        )
        print(f"in {model_folder(run, self.architecture)}; curves: tensorboard --logdir {run.out / 'tensorboard'}")
        return 0


@dataclass
class Finetune:
    """Fine-tune PaliGemma with LoRA on a dataset root's overlays.

    A finished training is not repeated, and a stopped one resumes.

    For several GPUs put `accelerate launch -m aireal finetune` in place of `python -m aireal finetune`, for several
    processes on a CPU `torchrun --nproc_per_node N -m aireal finetune`. Notebook 06 then finds the adapter, and only
    measures it.
    """

    root: Annotated[Path, arg(help="dataset root; overlays and sentences are made if they are missing")] = (
        REPOSITORY / "dataset"
    )
    profile: Profile = "auto"
    keep: Keep = ""
    changes: Set = field(default_factory=list)
    seed: Seed = 7
    out: Annotated[Path | None, arg(help="folder for metrics", help_behavior_hint="(default: outputs/)")] = None
    paligemma: PaliGemma = None
    steps: Annotated[int | None, arg(help="training steps", help_behavior_hint="(default: the profile's)")] = None
    batch: Annotated[
        int | None, arg(help="rows of a step, over all GPUs", help_behavior_hint="(default: the profile's)")
    ] = None
    four_bit: Annotated[bool, arg(help="quantise the frozen language model to 4 bits (CUDA with bitsandbytes)")] = False
    dtype: Annotated[
        Literal["auto", "float16", "bfloat16", "float32"],
        arg(help="number format of the frozen weights; auto is what the device is fast in"),
    ] = "auto"

    def __call__(self) -> int:
        from aireal.classifier.accelerator import process_state
        from aireal.core.run import start
        from aireal.stages.finetune import finetune_root

        if not process_state().is_main_process:
            sys.stdout = open(os.devnull, "w")  # only the first process prints
        run = start("finetune", self.profile, self.root, self.seed, self.out, self.keep, self._overrides())
        history = finetune_root(run)
        kept = f"weights of step {history.best_step}" if history.best_step else "the last weights"
        print(f"{history.steps} steps in {history.seconds:.0f} s; kept: {kept}, in {run.data.adapter}")
        return 0

    def _overrides(self) -> dict[str, Any]:
        """The numbers of the profile that the command line changes."""
        given = {"paligemma": self.paligemma, "lora_steps": self.steps, "lora_batch": self.batch}
        given |= {"four_bit": self.four_bit or None, "dtype": None if self.dtype == "auto" else self.dtype}
        from aireal.core.profile import parse_overrides

        return {name: value for name, value in given.items() if value is not None} | parse_overrides(self.changes)


@dataclass
class Measure:
    """Measure the explanations of the test set: occlusion of the named areas, agreement of heatmap and LIME, and
    whether the evidence lies where it is known to be.

    An interrupted run resumes where it stopped.
    """

    root: Annotated[Path, arg(help="dataset root with the trained classifier and the test pictures")] = (
        REPOSITORY / "dataset"
    )
    profile: AutoProfile = "auto"
    keep: Keep = ""
    images: Annotated[
        int,
        arg(help="number of test pictures, half of them of each class; 0 takes all, within test_images of the profile"),
    ] = 0
    sanity: Annotated[
        bool, arg(help="also run the sanity check: do the heatmaps change when weights are randomised, block by block?")
    ] = True
    heatmaps: Annotated[
        int,
        arg(
            help="number of validation pictures, half of them of each class, to score all heatmap methods on; "
            "0 skips this step"
        ),
    ] = 128
    mosaics: Annotated[
        int,
        arg(
            help="number of mosaics of the pointing game, once of confident and once of all test pictures, and of the "
            "pairs of half-and-half; 0 skips both"
        ),
    ] = 64
    mosaics_lime: Annotated[int, arg(help="how many of these LIME explains, too; by far the slowest part")] = 8
    aligned: Annotated[
        Path | None,
        arg(
            help="root of photographs with their round trips through an autoencoder, for half-and-half",
            help_behavior_hint="(default: without half-and-half)",
        ),
    ] = None
    seed: Seed = 7
    out: Annotated[
        Path | None, arg(help="folder for metrics/ and figures", help_behavior_hint="(default: outputs/)")
    ] = None

    def __call__(self) -> int:
        from aireal.classifier.model import require_config
        from aireal.core.run import start
        from aireal.figures.explanations import plot_heatmap_choice, plot_sanity
        from aireal.figures.panel import save
        from aireal.stages.evaluate_explanations import (
            check_sanity,
            describe_metrics,
            evaluate_test_set,
            explanation_metrics,
            rescore_heatmap_methods,
        )

        run = start("explanations", self.profile, self.root, self.seed, self.out, self.keep, follow_products=True)
        config = require_config(run.data.model)
        of = {"classifier": {"architecture": config.architecture, "fingerprint": config.fingerprint}}
        if self.sanity:
            sanity = check_sanity(run)
            run.save("sanity", of | sanity)
            print(f"figure: {save(plot_sanity(sanity), run.out / 'readme_images' / 'sanity.png').name}")
        rows, errors = evaluate_test_set(run, self.images)
        for error in errors:
            print(f"{shown(error['path'])}: {error['error']}")
        if not rows:
            raise ValueError("no explanation could be measured; the lines above say why")
        metrics = explanation_metrics(rows, self.seed)
        path = run.save("explanations_all", of | metrics | {"failed": len(errors)})
        print("\n".join([*describe_metrics(metrics), f"in {path.name}"]))
        if self.heatmaps:
            scored = rescore_heatmap_methods(run, self.heatmaps)
            print("\n".join([*scored["words"].values(), f"in {run.save('heatmap_all', of | scored).name}"]))
            print(f"figure: {save(plot_heatmap_choice(scored), run.out / 'readme_images' / 'heatmaps.png').name}")
        errors += self._pointing(run, of) if self.mosaics else []
        return 1 if errors else 0

    def _pointing(self, run: Run, of: dict) -> list[dict]:
        """Pointing game and half-and-half; what was wrong with pictures that could not be used."""
        from aireal.config import DatasetRoot
        from aireal.figures.panel import save
        from aireal.figures.pointing import plot_pointing
        from aireal.stages.pointing import NO_PAIRS, describe_pointing, measure_pointing

        aligned = DatasetRoot.at(self.aligned) if self.aligned else None
        record, errors = measure_pointing(run, self.mosaics, self.mosaics_lime, aligned)
        path = run.save("pointing", of | record)
        missing = [f"{error['path']}: {error['error']}" for error in errors] + ([] if aligned else [NO_PAIRS])
        print("\n".join([*missing, *describe_pointing(record), f"in {path.name}"]))
        print(f"figure: {save(plot_pointing(record), run.out / 'readme_images' / 'pointing.png').name}")
        return errors


@dataclass
class Augment:
    """Write varied training sentences (data_answer_add) from data.csv, by Claude or by the offline grammar.

    Every sentence is validated against its evidence record. Claude works through message batches. An interrupted
    command resumes when it is run again: no row is lost, and none is paid for twice. Exit status 0: all rows are done,
    1: some rows are missing or the run stopped early, 2: bad usage.
    """

    root: Annotated[Path, arg(help="dataset root with data.csv; the tables are written there, too")] = (
        REPOSITORY / "dataset"
    )
    keep: Keep = ""
    author: Annotated[
        Literal["auto", "claude", "offline"],
        arg(help="who writes the sentences; auto is Claude where ANTHROPIC_API_KEY is set, else the offline grammar"),
    ] = "auto"
    n: Annotated[int, arg(help="number of sentences for each image and language")] = 4
    seed: Annotated[int, arg(help="seed of the offline author")] = 7
    model: Annotated[
        str | None, arg(help="Claude model", help_behavior_hint="(default: that of aireal/captions/claude/models.json)")
    ] = None
    dry_run: Annotated[
        bool, arg(help="only print rows, tokens and cost; needs neither key nor network and costs nothing")
    ] = False
    max_usd: Annotated[
        float | None,
        arg(
            help="most dollars that all runs for this root together may cost; Claude needs this or --yes",
            help_behavior_hint="(default: no limit given)",
        ),
    ] = None
    yes: Annotated[bool, arg(help="let Claude write without a limit on cost")] = False
    now: Now = False
    batches: BatchMessages = False
    mock: Annotated[
        bool,
        arg(help="rehearse the whole flow at no cost against a server on this machine; writes data_answer_add.mock.*"),
    ] = False

    def __call__(self) -> int:
        from aireal.captions.augment import augment_table, dry_run
        from aireal.captions.claude.client import ClaudeError
        from aireal.captions.table import Rows
        from aireal.core.made_of import remember_dataset
        from aireal.core.run import places
        from aireal.core.secrets import export_secrets

        export_secrets()
        data, _ = places("auto", self.root, None, self.keep)
        plan, target = self._plan(data.products), data.answers.with_suffix(".mock.csv") if self.mock else data.answers
        rows = Rows(data.table)
        try:
            if self.dry_run:
                dry_run(rows, plan)
                return 0
            complete = augment_table(rows, target, plan).complete
            if not self.mock:
                remember_dataset(data, "answers", "table")
            return 0 if complete else 1
        except ClaudeError as error:
            print(f"aireal: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("aireal: interrupted. Run the same command again to resume.", file=sys.stderr)
        return 1

    def _plan(self, folder: Path):
        from aireal.captions.augment import MOCK, Plan
        from aireal.captions.claude.prices import DEFAULT_MODEL
        from aireal.captions.claude.retry import RetryPolicy

        author, journal = (
            (MOCK, "captions_journal.mock.jsonl") if self.mock else (self.author, "captions_journal.jsonl")
        )
        retry = RetryPolicy(first=0.2, longest=1.0, settle=0.2) if self.mock else RetryPolicy()
        return Plan(
            author,
            self.n,
            self.seed,
            folder,
            folder / journal,
            self.model or DEFAULT_MODEL,
            self.max_usd,
            self.yes,
            at_once(self.now, self.batches),
            retry=retry,
        )
