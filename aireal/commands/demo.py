"""`aireal demo | app | report`: run the notebooks, and look at pictures and results in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from aireal.config import REPOSITORY
from aireal.core.file_names import shown

from .options import (
    AutoProfile,
    BatchMessages,
    Caption,
    Dataset,
    Keep,
    Lime,
    Limit,
    Now,
    PaliGemma,
    Profile,
    Seed,
    Set,
    TrustList,
    at_once,
    command_line,
    root_of,
)


@dataclass
class Demo:
    """Run the seven notebooks and print the main results.

    Notebooks that are done already are reused. The sample dataset takes some minutes.
    """

    profile: Profile = "sample"
    root: Annotated[Path, arg(help="dataset root to run the notebooks on")] = REPOSITORY / "dataset"
    out: Annotated[
        Path | None,
        arg(
            help="folder for executed notebooks, figures, metrics and the report",
            help_behavior_hint="(default: outputs/, or KEEP/outputs)",
        ),
    ] = None
    keep: Keep = ""
    seed: Seed = 7
    only: Annotated[
        list[str], arg(help="numbers of the notebooks to run, e.g. 01 04", help_behavior_hint="(default: all)")
    ] = field(default_factory=list)
    force: Annotated[bool, arg(help="run every notebook again, even those that are done")] = False
    dataset: Dataset = ""
    limit: Limit = None
    author: Annotated[
        Literal["auto", "claude", "offline"] | None,
        arg(
            help="who writes the sentences of notebook 05; auto is Claude where ANTHROPIC_API_KEY is set",
            help_behavior_hint="(default: auto in full, else offline)",
        ),
    ] = None
    max_usd: Annotated[
        float | None,
        arg(help="most dollars that all runs of Claude together may cost", help_behavior_hint="(default: 2)"),
    ] = None
    now: Now = False
    batches: BatchMessages = False
    paligemma: PaliGemma = None
    lora_steps: Annotated[
        int | None, arg(help="steps of PaliGemma's fine-tuning", help_behavior_hint="(default: the profile's)")
    ] = None
    lora_batch: Annotated[
        int | None, arg(help="sentences in a step of it", help_behavior_hint="(default: the profile's)")
    ] = None
    four_bit: Annotated[bool, arg(help="hold PaliGemma's language model in 4 bits (CUDA with bitsandbytes)")] = False
    changes: Set = field(default_factory=list)

    def __call__(self) -> int:
        from aireal.core.profile import parse_overrides
        from aireal.notebooks import run_notebooks

        named = {"paligemma": self.paligemma, "lora_steps": self.lora_steps, "lora_batch": self.lora_batch}
        overrides = {name: value for name, value in named.items() if value is not None}
        overrides |= {"four_bit": True} if self.four_bit else {}
        overrides |= parse_overrides(self.changes)
        return run_notebooks(
            self.profile,
            root_of(self.root, self.dataset, self.limit, self.profile, overrides),
            self.out,
            self.seed,
            self.only,
            self.force,
            command_line("demo", replace(self, force=False)),
            keep=self.keep,
            overrides=overrides,
            author=self.author,
            max_usd=self.max_usd,
            now=at_once(self.now, self.batches),
        )


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
    profile: AutoProfile = "auto"
    keep: Keep = ""
    lime: Lime = True
    caption: Caption = True
    paligemma: PaliGemma = None
    trust_list: TrustList = None

    def __call__(self) -> int:
        from aireal.app.launch import launch_app
        from aireal.core.run import start

        run = start("app", self.profile, self.root, keep=self.keep, follow_products=True)
        launch_app(run, self.port, self.paligemma or "", self.caption, self.lime, trust_list=self.trust_list or "")
        return 0


@dataclass
class Report:
    """Write report.html, one file that opens offline: metrics with intervals and a gallery to filter.

    The report is made from what exists: a run of the notebooks, or the output of `explain`. Whatever is missing is
    listed with the command that makes it.
    """

    out: Annotated[
        Path | None,
        arg(
            help="folder of a run of the notebooks, with metrics/ in it",
            help_behavior_hint="(default: outputs/, or KEEP/outputs)",
        ),
    ] = None
    root: Annotated[Path, arg(help="dataset root of that run")] = REPOSITORY / "dataset"
    keep: Keep = ""
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
        from aireal.core.run import places
        from aireal.reporting.html.report import metrics_of, write_explained

        config = read_config(places("auto", self.root, None, self.keep)[0].model)
        return write_explained(folder, folder / "explain.jsonl", metrics_of(config) if config else None, self.to)

    def _of_run(self) -> Path:
        from aireal.config import DatasetRoot
        from aireal.core.run import places
        from aireal.reporting.html.report import write_report

        data, out = places("auto", self.root, self.out, self.keep)
        if self.out and not (self.out / "metrics").is_dir():
            raise ValueError(
                f"{shown(self.out)} has no metrics/: give the folder of a run, or make one first by `python -m aireal "
                f"demo --out {shown(self.out)}`"
            )
        smoke = out / "products"
        return write_report(out, DatasetRoot.at(self.root, smoke) if smoke.is_dir() else data, self.to)
