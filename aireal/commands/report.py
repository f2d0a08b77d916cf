"""`aireal report`: everything that was measured, and every picture, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY


@dataclass
class Report:
    """Write report.html, one file that opens offline: metrics with intervals and a gallery to filter.

    It is made from what is there (a run of the notebooks, or what `explain` wrote) and names what is missing with the command that makes it.
    """

    out: Annotated[Path, arg(help="folder of a run of the notebooks, with metrics/")] = REPOSITORY / "outputs"
    root: Annotated[Path, arg(help="dataset root of that run")] = REPOSITORY / "dataset"
    explained: Annotated[Path | None, arg(help="instead: the folder that `aireal explain` wrote")] = None
    to: Annotated[Path | None, arg(help="the file (default: report.html in the folder)")] = None

    def __call__(self) -> int:
        from aireal.classifier.model import read_config
        from aireal.config import DatasetRoot
        from aireal.reporting.html.report import metrics_of, write_explained, write_report

        if self.explained:
            config = read_config(DatasetRoot.at(self.root).model)
            path = write_explained(
                self.explained, self.explained / "explain.jsonl", metrics_of(config) if config else None, self.to
            )
        else:
            smoke = self.out / "products"
            path = write_report(self.out, DatasetRoot.at(self.root, smoke if smoke.is_dir() else None), self.to)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
        return 0
