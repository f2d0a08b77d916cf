"""`aireal explain | predict`: what is said about pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from aireal.config import REPOSITORY


@dataclass
class Explain:
    """Verdict, heatmap, superpixels and sentence for images and folders of images."""

    paths: Positional[list[Path]]
    out: Path = Path("explained")
    lime: bool = True
    caption: bool = True
    json: Annotated[Path | None, arg(help="file for one JSON object a line (default: OUT/explain.jsonl)")] = None
    root: Annotated[Path, arg(help="dataset root whose trained classifier and adapter are used")] = (
        REPOSITORY / "dataset"
    )
    profile: str = "auto"
    report: Annotated[bool, arg(help="also write OUT/report.html: all pictures in one file that opens offline")] = False
    paligemma: Annotated[
        str | None, arg(help="PaliGemma to use: embedded, a hub id or a folder (default: the profile's)")
    ] = None

    def __call__(self) -> int:
        from aireal.classifier.model import read_config
        from aireal.classifier.train import ensure_classifier
        from aireal.core.imagefile import find_images
        from aireal.core.run import start
        from aireal.explain.predictor import Predictor
        from aireal.explain.prepare_quantized import prepare_quantized
        from aireal.stages.explain import Writer, explain_paths

        files = find_images(self.paths)
        if not files:
            raise ValueError("there is no image in what you named; give image files, or a folder that holds some")
        run = start("explain", self.profile, self.root, out=self.out)
        if read_config(run.data.model) is None:
            ensure_classifier(run)
            prepare_quantized(run)
        lines = self.json or self.out / "explain.jsonl"
        with Predictor(run.data.model, run.device) as predictor:
            writer = (
                Writer(self.paligemma or run.profile.paligemma, run.data.adapter, run.device) if self.caption else None
            )
            failed = explain_paths(
                files, self.out, predictor, writer, run.profile.lime_samples if self.lime else 0, lines
            )
        print(
            f"{len(files) - failed} of {len(files)} explained, panels in {self.out}"
            + (f"; {failed} could not be used" if failed else "")
        )
        if self.report:
            from aireal.reporting.html.report import metrics_of, write_explained

            print(f"report: {write_explained(self.out, lines, metrics_of(predictor.config))}")
        return 1 if failed else 0


@dataclass
class Predict:
    """Verdict and probability of many images, fast: a CSV with a row a file. The same command goes on where it was stopped."""

    paths: Positional[list[Path]]
    out: Annotated[Path, arg(help="the table; a journal is kept beside it")] = Path("predictions.csv")
    root: Annotated[Path, arg(help="dataset root whose trained classifier is used")] = REPOSITORY / "dataset"
    profile: str = "auto"
    exact: Annotated[bool, arg(help="full precision and full decoding: the very numbers of explain, but slower")] = (
        False
    )
    batch_size: Annotated[int | None, arg(help="pictures at a time (default: 8 on a CPU, 32 on a GPU)")] = None

    def __call__(self) -> int:
        from aireal.classifier.model import read_config
        from aireal.classifier.train import ensure_classifier
        from aireal.core.imagefile import find_images
        from aireal.core.run import start
        from aireal.stages.predict_table import predict_table

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
        real, fake, doubtful = (
            sum(row.get(key) == value for row in rows)
            for key, value in (("label", "real"), ("label", "fake"), ("uncertain", True))
        )
        print(
            f"{len(rows) - len(bad)} of {len(rows)} predicted: {real} real, {fake} fake, {doubtful} of them uncertain; table in {self.out}"
        )
        return 1 if bad else 0
