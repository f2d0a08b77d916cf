"""`aireal demo | publish | cards`: the notebooks, and their results where readers find them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY


@dataclass
class Demo:
    """Run the seven notebooks on the sample dataset and print what was measured."""

    profile: str = "sample"
    root: Path = REPOSITORY / "dataset"
    out: Path = REPOSITORY / "outputs"
    seed: int = 7
    only: Annotated[list[str], arg(help="numbers of notebooks, e.g. 01 04; all when empty")] = field(
        default_factory=list
    )
    force: Annotated[bool, arg(help="run even what is done")] = False

    def __call__(self) -> int:
        from aireal.notebooks import run_notebooks

        return run_notebooks(self.profile, self.root, self.out, self.seed, self.only, self.force)


@dataclass
class Publish:
    """Copy a finished demo's notebooks, figures and metrics into the repository and render the READMEs from them."""

    out: Path = REPOSITORY / "outputs"

    def __call__(self) -> int:
        from aireal.reporting.publish import publish

        return publish(self.out)


@dataclass
class Cards:
    """Write the model card and the dataset card in the hub's format, from metrics and manifest."""

    metrics: Annotated[Path, arg(help="folder of metrics files, e.g. outputs/metrics")] = REPOSITORY / "metrics"
    root: Annotated[Path, arg(help="dataset root that the dataset card is about")] = REPOSITORY / "dataset"
    out: Annotated[Path, arg(help="folder for both cards")] = REPOSITORY / "docs" / "cards"

    def __call__(self) -> int:
        from aireal.reporting.publish import write_cards

        print("\n".join(str(path) for path in write_cards(self.metrics, self.root, self.out)))
        return 0
