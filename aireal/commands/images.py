"""`aireal explain | predict | evaluate`: explanations and verdicts of pictures, and metrics of labelled ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from aireal.config import REPOSITORY
from aireal.core.file_names import shown

from .options import AutoProfile, Keep, Many, PaliGemma, Paths, Seed, TrustList

if TYPE_CHECKING:
    from aireal.core.run import Run
    from aireal.stages.scale.jobs import Job
    from aireal.stages.scale.run_many import Summary


TABLE = Path("predictions.csv")
FEW = 20  # sources; a bootstrap over fewer is hardly an interval


@dataclass
class Explain:
    """Explain images and folders of images: verdict, heatmap, superpixels and sentence. The same command resumes a
    stopped one. With --shards also tables of paths, WebDataset tars and addresses (docs/scale.md)."""

    paths: Paths
    out: Annotated[Path, arg(help="folder for panels and overlays")] = Path("explained")
    lime: Annotated[bool, arg(help="with superpixels by LIME")] = True
    caption: Annotated[bool, arg(help="with sentences by PaliGemma")] = True
    json: Annotated[
        Path | None, arg(help="file for one JSON object a line", help_behavior_hint="(default: OUT/explain.jsonl)")
    ] = None
    root: Annotated[Path, arg(help="dataset root whose classifier and adapter are used")] = REPOSITORY / "dataset"
    profile: AutoProfile = "auto"
    keep: Keep = ""
    report: Annotated[bool, arg(help="also write OUT/report.html: all pictures in one file that opens offline")] = False
    paligemma: PaliGemma = None
    trust_list: TrustList = None
    many: OmitArgPrefixes[Many] = field(default_factory=Many)
    panels: Annotated[bool, arg(help="with shards: also draw panels and overlays, into SHARDS/panels")] = False

    def __call__(self) -> int:
        _require_paths(self.paths)
        if self.many.asked(self.paths):
            return self._explain_many()
        files = _find_images(self.paths)
        if self.out.is_file():
            raise ValueError(f"{self.out} is a file: give a folder for panels and overlays, e.g. --out explained")
        _require_no_picture(self.json)
        from aireal.core.run import start
        from aireal.stages.explain_files import explain_files
        from aireal.stages.explainer import open_explainer

        run = start("explain", self.profile, self.root, out=self.out, keep=self.keep, follow_products=True)
        lines = self.json or self.out / "explain.jsonl"
        with open_explainer(run, self.paligemma or "", self.caption, self.lime, self.trust_list or "") as explainer:
            failed = explain_files(files, self.out, explainer, lines)
        unusable = f"; {failed} could not be used" if failed else ""
        panels = f", panels in {self.out}" if failed < len(files) else ""
        print(f"{len(files) - failed} of {len(files)} explained{panels}{unusable}")
        if self.report:
            from aireal.reporting.html.report import metrics_of, write_explained

            print(f"report: {write_explained(self.out, lines, metrics_of(explainer.predictor.config))}")
        _say_how_good(run, self.keep, len(files) - failed)
        return 1 if failed else 0

    def _explain_many(self) -> int:
        from aireal.classifier.model import read_config
        from aireal.classifier.train import ensure_classifier
        from aireal.core.run import start
        from aireal.explain.prepare_quantized import prepare_quantized
        from aireal.stages.scale.explain_job import ExplainJob

        if self.report or self.json:
            raise ValueError("--report and --json are for single pictures: leave them out where shards are written")
        shards = self.many.shards or self.out
        run = start("explain", self.profile, self.root, keep=self.keep, follow_products=True)
        if read_config(run.data.model) is None:
            ensure_classifier(run)
        if self.lime:
            prepare_quantized(run)
        trusted = str(self.trust_list.resolve()) if self.trust_list else ""
        panels = shards.resolve() / "panels" if self.panels else None
        job = ExplainJob(run, self.paligemma or "", self.caption, self.lime, trusted, panels)
        summary = _run_many(self.paths, shards, job, self.many, shards / "explanations.csv")
        return _told(summary, "explained", run, self.keep)


@dataclass
class Predict:
    """Predict many images fast: a CSV with verdict and probability, a row a file. The same command resumes a stopped
    one. With --shards by several processes and machines, and also from tables of paths, WebDataset tars and addresses
    (docs/scale.md)."""

    paths: Paths
    out: Annotated[
        Path | None,
        arg(
            help="the table; a journal is kept beside it",
            help_behavior_hint="(default: predictions.csv, with shards in their folder)",
        ),
    ] = None
    root: Annotated[Path, arg(help="dataset root whose classifier is used")] = REPOSITORY / "dataset"
    profile: AutoProfile = "auto"
    keep: Keep = ""
    exact: Annotated[bool, arg(help="full precision and full decoding: the very numbers of explain, but slower")] = (
        False
    )
    batch_size: Annotated[
        int | None, arg(help="pictures in a batch", help_behavior_hint="(default: 8 on a CPU, 32 on a GPU)")
    ] = None
    many: OmitArgPrefixes[Many] = field(default_factory=Many)

    def __call__(self) -> int:
        _require_paths(self.paths)
        _require_no_picture(self.out)
        if self.many.asked(self.paths):
            return self._predict_many()
        files, out = _find_images(self.paths), self.out or TABLE
        from aireal.stages.predict_table import predict_table

        run, how = self._start(), {"exact": self.exact, "batch_size": self.batch_size}
        rows = predict_table(files, run.data.model, out, run.device, **how)
        failed = [row for row in rows if row["error"]]
        for row in failed:
            print(f"{shown(row['path'])}: {row['error']}")
        real, fake = (sum(row.get("label") == label for row in rows) for label in ("real", "fake"))
        doubtful = sum(row.get("uncertain") is True for row in rows)
        print(
            f"{len(rows) - len(failed)} of {len(rows)} predicted: {real} real, {fake} fake, {doubtful} of them "
            f"uncertain; table in {out}"
        )
        _say_how_good(run, self.keep, len(rows) - len(failed))
        return 1 if failed else 0

    def _start(self) -> Run:
        from aireal.core.run import start
        from aireal.stages.prerequisites import ensure_product

        run = start("predict", self.profile, self.root, keep=self.keep, follow_products=True)
        ensure_product(run, "classifier", same_dataset=False)
        return run

    def _predict_many(self) -> int:
        from aireal.stages.scale.predict_job import PredictJob, usual_batch

        shards = self.many.shards or (self.out or TABLE).with_suffix(".shards")
        table = self.out or (shards / TABLE if self.many.shards else TABLE)
        run = self._start()
        on_gpu = run.device.type != "cpu" or bool(self.many.gpus_each)
        job = PredictJob(run.data.model.resolve(), self.exact, self.batch_size or usual_batch(on_gpu))
        return _told(_run_many(self.paths, shards, job, self.many, table), "predicted", run, self.keep)


@dataclass
class Evaluate:
    """Measure the trained classifier on a labelled folder of pictures from elsewhere; nothing is fitted to them.

    The folder has 0_real and 1_fake, or another layout that `dataset import` knows. Calibration, threshold and
    uncertain band stay frozen. The same command resumes a stopped one.
    """

    folder: Annotated[Positional[Path], arg(help="folder of labelled pictures, or a .csv with path and label")]
    name: Annotated[str, arg(help="the metrics are written to OUT/metrics/NAME.json")] = "external"
    sources: Annotated[
        tuple[str, ...], arg(help="public names of where the pictures come from, for README and model card")
    ] = ()
    used_for_choosing: Annotated[
        bool, arg(help="state that settings were chosen by these pictures, so that the figures are optimistic")
    ] = False
    real_folder: Annotated[
        tuple[str, ...], arg(help="names of folders of photographs; the folders beside them hold AI images")
    ] = ()
    real_label: Annotated[str | None, arg(help="of a .csv, the label that means real; every other is fake")] = None
    root: Annotated[Path, arg(help="dataset root whose classifier is used")] = REPOSITORY / "dataset"
    profile: AutoProfile = "auto"
    keep: Keep = ""
    seed: Seed = 7
    out: Annotated[Path | None, arg(help="folder for metrics/", help_behavior_hint="(default: outputs/)")] = None

    def __call__(self) -> int:
        from aireal.classifier.one_class import one_class_note
        from aireal.core.run import start
        from aireal.core.statistics import interval
        from aireal.stages.evaluate_folder import STAGE, evaluate_folder, require_name
        from aireal.stages.prerequisites import ensure_product

        run = start(STAGE, self.profile, self.root, self.seed, self.out, self.keep, follow_products=True)
        require_name(run, self.name, self.sources)
        ensure_product(run, "classifier", same_dataset=False)
        meant = {"real_folders": self.real_folder, "real_label": self.real_label}
        report, failed = evaluate_folder(run, self.folder, self.name, self.sources, self.used_for_choosing, **meant)
        for row in failed:
            print(f"{shown(row['path'])}: {row['error']}")
        metrics = report["metrics"]
        print(
            f"{metrics['n']} pictures: AUROC {interval(metrics['auroc'])}, ECE {interval(metrics['ece'])}, "
            f"{interval(metrics['accuracy_real'], 100, '%')} of photographs called real, "
            f"{interval(metrics['accuracy_fake'], 100, '%')} of AI images called AI-made, "
            f"{interval(report['uncertain'], 100, '%')} uncertain"
        )
        if note := one_class_note(metrics):
            print(note)
        if metrics["groups"] < FEW:
            print(f"There are fewer than {FEW} sources: these intervals say next to nothing.")
        print(f"in {shown(run.save(self.name, report))}")
        return 1 if failed else 0


def _run_many(paths: list[str], shards: Path, job: Job, many: Many, table: Path) -> Summary:
    from aireal.stages.scale.run_many import Engine, run_many

    engine = Engine(many.engine, many.processes, many.address, many.gpus_each)
    return run_many(paths, shards, job, engine, many.shard_size, table, many.base)


def _told(summary: Summary, done: str, run: Run, keep: str) -> int:
    """Print what was written, and return the exit status."""
    for path, error in summary.first_errors:
        print(f"{shown(path)}: {shown(error)}")
    if more := summary.failed - len(summary.first_errors):
        print(f"... and {more:,} more; the column error of the table has them")
    good, (real, fake) = summary.pictures - summary.failed, summary.labels.values()
    print(
        f"{good:,} of {summary.pictures:,} {done}: {real:,} real, {fake:,} fake, {summary.uncertain:,} of them "
        f"uncertain; table in {summary.table}"
    )
    _say_how_good(run, keep, good)
    return 1 if summary.failed else 0


def _require_no_picture(out: Path | None) -> None:
    from aireal.core.imagefile import SUFFIXES

    if out and out.suffix.lower() in SUFFIXES:
        raise ValueError(f"{out} has the name of a picture, which would be overwritten: give the name of a table")


def _require_paths(paths: list[str]) -> None:
    """Refuse at once, before libraries and models are loaded, what cannot be meant."""
    if not paths:
        raise ValueError("no pictures are named: give picture files, or a folder of them, e.g. my_pictures")
    if missing := [path for path in paths if "://" not in path and not os.path.lexists(path)]:
        if len(missing) == len(paths):
            raise ValueError(f"{', '.join(map(shown, missing[:3]))}: there is no such file or folder; check the path")


def _say_how_good(run: Run, keep: str, verdicts: int) -> None:
    """Say what the verdicts of the run's classifier were worth elsewhere, where that was measured."""
    from aireal.classifier.model import require_config
    from aireal.core.run import places
    from aireal.stages.elsewhere import elsewhere_lines, measured_elsewhere

    out = places(run.profile.name, run.data.root, None, keep)[1]
    if verdicts and (record := measured_elsewhere(require_config(run.data.model).fingerprint, out)):
        print(elsewhere_lines(record)[1])


def _find_images(paths: list[str]) -> list[Path]:
    """All image files in the paths; a line tells what was passed over.

    Raises:
        ValueError: there is none.
    """
    from aireal.core.picture_files import search_images

    search = search_images([Path(path) for path in paths])
    for note in search.notes():
        print(note)
    if search.files:
        return search.files
    raise ValueError(f"no images found in {', '.join(map(str, paths))}: give image files, or a folder that holds some")
