"""`aireal explain | predict | evaluate`: explanations and verdicts of pictures, and metrics of labelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from aireal.config import REPOSITORY
from aireal.core.file_names import shown

from .options import AutoProfile, Keep, Seed, TrustList


@dataclass
class Explain:
    """Explain images and folders of images: verdict, heatmap, superpixels and sentence. The same command resumes a
    stopped one."""

    paths: Positional[list[Path]]
    out: Annotated[Path, arg(help="folder for panels and overlays")] = Path("explained")
    lime: Annotated[bool, arg(help="with superpixels by LIME")] = True
    caption: Annotated[bool, arg(help="with sentences by PaliGemma")] = True
    json: Annotated[Path | None, arg(help="file for one JSON object a line (default: OUT/explain.jsonl)")] = None
    root: Annotated[Path, arg(help="dataset root whose classifier and adapter are used")] = REPOSITORY / "dataset"
    profile: AutoProfile = "auto"
    keep: Keep = ""
    report: Annotated[bool, arg(help="also write OUT/report.html: all pictures in one file that opens offline")] = False
    paligemma: Annotated[str, arg(help="PaliGemma to use: embedded, a hub id or a folder (default: the profile's)")] = (
        ""
    )
    trust_list: TrustList = None

    def __call__(self) -> int:
        from aireal.core.run import start
        from aireal.stages.explain_files import explain_files
        from aireal.stages.explainer import open_explainer

        files = _find_images(self.paths)
        if self.out.is_file():
            raise ValueError(f"{self.out} is a file: give a folder for panels and overlays, e.g. --out explained")
        _require_no_picture(self.json)
        run = start("explain", self.profile, self.root, out=self.out, keep=self.keep, follow_products=True)
        lines = self.json or self.out / "explain.jsonl"
        with open_explainer(run, self.paligemma, self.caption, self.lime, self.trust_list or "") as explainer:
            failed = explain_files(files, self.out, explainer, lines)
        unusable = f"; {failed} could not be used" if failed else ""
        print(f"{len(files) - failed} of {len(files)} explained, panels in {self.out}{unusable}")
        if self.report:
            from aireal.reporting.html.report import metrics_of, write_explained

            print(f"report: {write_explained(self.out, lines, metrics_of(explainer.predictor.config))}")
        return 1 if failed else 0


@dataclass
class Predict:
    """Predict many images fast: a CSV with verdict and probability, a row a file. The same command resumes a stopped
    one."""

    paths: Positional[list[Path]]
    out: Annotated[Path, arg(help="the table; a journal is kept beside it")] = Path("predictions.csv")
    root: Annotated[Path, arg(help="dataset root whose classifier is used")] = REPOSITORY / "dataset"
    profile: AutoProfile = "auto"
    keep: Keep = ""
    exact: Annotated[bool, arg(help="full precision and full decoding: the very numbers of explain, but slower")] = (
        False
    )
    batch_size: Annotated[int | None, arg(help="pictures in a batch (default: 8 on a CPU, 32 on a GPU)")] = None

    def __call__(self) -> int:
        from aireal.core.run import start
        from aireal.stages.predict_table import predict_table
        from aireal.stages.prerequisites import ensure_product

        files = _find_images(self.paths)
        _require_no_picture(self.out)
        run = start("predict", self.profile, self.root, keep=self.keep, follow_products=True)
        ensure_product(run, "classifier")
        rows = predict_table(files, run.data.model, self.out, run.device, exact=self.exact, batch_size=self.batch_size)
        failed = [row for row in rows if row["error"]]
        for row in failed:
            print(f"{shown(row['path'])}: {row['error']}")
        real, fake = (sum(row.get("label") == label for row in rows) for label in ("real", "fake"))
        doubtful = sum(row.get("uncertain") is True for row in rows)
        print(
            f"{len(rows) - len(failed)} of {len(rows)} predicted: {real} real, {fake} fake, {doubtful} of them "
            f"uncertain; "
            f"table in {self.out}"
        )
        return 1 if failed else 0


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
        ensure_product(run, "classifier")
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
        print(f"in {run.save(self.name, report).name}")
        return 1 if failed else 0


def _require_no_picture(out: Path | None) -> None:
    from aireal.core.imagefile import SUFFIXES

    if out and out.suffix.lower() in SUFFIXES:
        raise ValueError(f"{out} has the name of a picture, which would be overwritten: give the name of a table")


def _find_images(paths: list[Path]) -> list[Path]:
    """All image files in the paths; a line tells what was passed over.

    Raises:
        ValueError: there is none.
    """
    from aireal.core.picture_files import search_images

    search = search_images(paths)
    for note in search.notes():
        print(note)
    if search.files:
        return search.files
    raise ValueError(f"no images found in {', '.join(map(str, paths))}: give image files, or a folder that holds some")
