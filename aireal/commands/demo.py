"""`aireal demo | app | report`: run the notebooks, and look at pictures and results in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY

from .options import Caption, Dataset, Lime, Limit, PaliGemma, Profile, Seed, root_of


@dataclass
class Demo:
    """Run the seven notebooks and print the main results.

    Notebooks that are done already are reused. The sample dataset takes some minutes.
    """

    profile: Profile = "sample"
    root: Annotated[Path, arg(help="dataset root to run the notebooks on")] = REPOSITORY / "dataset"
    out: Annotated[Path, arg(help="folder for executed notebooks, figures, metrics and the report")] = (
        REPOSITORY / "outputs"
    )
    seed: Seed = 7
    only: Annotated[
        list[str], arg(help="numbers of the notebooks to run, e.g. 01 04", help_behavior_hint="(default: all)")
    ] = field(default_factory=list)
    force: Annotated[bool, arg(help="run every notebook again, even those that are done")] = False
    dataset: Dataset = ""
    limit: Limit = None

    def __call__(self) -> int:
        from aireal.notebooks import run_notebooks

        root = root_of(self.root, self.dataset, self.limit, self.profile)
        return run_notebooks(self.profile, root, self.out, self.seed, self.only, self.force)


@dataclass
class App:
    """Serve a page on this machine that explains the pictures you drop on it. Ctrl-C stops it.

    The page shows verdict, heatmap, superpixels and sentence, and how far to trust them.
    """

    port: Annotated[
        int | None, arg(help="port on loopback", help_behavior_hint="(default: 7860, or the next free one up to 7869)")
    ] = None
    root: Annotated[Path, arg(help="dataset root with the trained classifier, the adapter and the examples")] = (
        REPOSITORY / "dataset"
    )
    profile: Profile = "auto"
    lime: Lime = True
    caption: Caption = True
    paligemma: PaliGemma = None

    def __call__(self) -> int:
        from aireal.app.launch import launch_app
        from aireal.core.run import start

        launch_app(start("app", self.profile, self.root), self.port, self.paligemma or "", self.caption, self.lime)
        return 0


@dataclass
class Report:
    """Write report.html, one file that opens offline: metrics with intervals and a gallery to filter.

    The report is made from what exists: a run of the notebooks, or the output of `explain`. Whatever is missing is
    listed with the command that makes it.
    """

    out: Annotated[Path, arg(help="folder of a run of the notebooks, with metrics/ in it")] = REPOSITORY / "outputs"
    root: Annotated[Path, arg(help="dataset root of that run")] = REPOSITORY / "dataset"
    explained: Annotated[
        Path | None,
        arg(
            help="folder that `aireal explain` wrote; the report is then about its pictures",
            help_behavior_hint="(default: report on the notebooks' run)",
        ),
    ] = None
    to: Annotated[Path | None, arg(help="file to write", help_behavior_hint="(default: report.html in the folder)")] = (
        None
    )

    def __call__(self) -> int:
        path = self._of_explained(self.explained) if self.explained else self._of_run()
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
        return 0

    def _of_explained(self, folder: Path) -> Path:
        from aireal.classifier.model import read_config
        from aireal.config import DatasetRoot
        from aireal.reporting.html.report import metrics_of, write_explained

        config = read_config(DatasetRoot.at(self.root).model)
        return write_explained(folder, folder / "explain.jsonl", metrics_of(config) if config else None, self.to)

    def _of_run(self) -> Path:
        from aireal.config import DatasetRoot
        from aireal.reporting.html.report import write_report

        smoke = self.out / "products"
        return write_report(self.out, DatasetRoot.at(self.root, smoke if smoke.is_dir() else None), self.to)
