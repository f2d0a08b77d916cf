"""Record, superpixels and sentences of many pictures."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from aireal.classifier.model import read_config
from aireal.core.device import best_device
from aireal.core.file_names import as_text, path_digest, result_stem, shown
from aireal.core.files import write_atomic
from aireal.core.imagefile import encode, sha256
from aireal.core.run import Run
from aireal.explain.complete_record import MEASURES
from aireal.explain.predictor import selected_method
from aireal.paligemma.writer import version
from aireal.provenance import c2pa_library
from aireal.stages.explain_files import OVERLAYS
from aireal.stages.explainer import Explanation, open_explainer
from aireal.stages.sentence_model import choose_sentence_model

from .jobs import Job, Worker, classifier, failed
from .source import Source


@dataclass(frozen=True)
class ExplainJob(Job):
    """Record, superpixels and sentences, as `explain_files` writes them; panels only where a folder for them is given.

    Attributes:
        run, paligemma, captions, lime, trust_list: as for `open_explainer`.
        panels: folder for panels and overlays, on a disk that all processes see; None for none.
    """

    columns = {
        "path": str,
        "sha256": str,
        "label": str,
        "probability": float,
        "probability_fake": float,
        "uncertain": bool,
        "region": str,
        "sentence_ko": str,
        "sentence_en": str,
        "panel": str,
        "record": str,
        "error": str,
    }
    shown_columns = [name for name in columns if name != "record"]
    chunk = 1

    run: Run
    paligemma: str = ""
    captions: bool = True
    lime: bool = True
    trust_list: str = ""
    panels: Path | None = None

    def made_with(self) -> dict[str, Any]:
        config = read_config(self.run.data.model)
        chosen = choose_sentence_model(self.run, self.paligemma) if self.captions else None
        return classifier(self.run.data.model) | {
            "heatmap": " ".join(selected_method(self.run.data.model, config.fingerprint)).strip(),
            "sentences": version(chosen.name, chosen.adapter) if chosen else "none",
            "lime_samples": self.run.profile.lime_samples if self.lime else 0,
            "measures": MEASURES,
            "c2pa": c2pa_library.version() or "none",
            "trust_list": sha256(Path(self.trust_list).read_bytes()) if self.trust_list else "none",
            "panels": self.panels is not None,
        }

    def open(self, folder: Path, threads: int) -> Worker:
        return ExplainWorker(self, folder, threads)


class ExplainWorker(Worker):
    """The explainer, loaded once."""

    def __init__(self, job: ExplainJob, folder: Path, threads: int):
        self.job, self.folder, self._threads = job, folder, torch.get_num_threads()
        torch.set_num_threads(threads)
        run = replace(job.run, device=best_device())
        with contextlib.redirect_stdout(io.StringIO()):  # the command has said it
            self.explainer = open_explainer(run, job.paligemma, job.captions, job.lime, job.trust_list)

    def __enter__(self) -> Worker:
        self.explainer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.explainer.__exit__(*error)
        torch.set_num_threads(self._threads)

    def rows(self, sources: Sequence[Source]) -> list[dict]:
        return [self._row(source) for source in sources]

    def _row(self, source: Source) -> dict:
        try:
            data = source.read(self.folder)
            explanation = self.explainer.explain(data, shown(PurePosixPath(source.name).name))
        except ValueError as error:
            return failed(source, str(error))
        record = explanation.to_dict()
        panel = self._draw(source, explanation) if self.job.panels else None
        text = json.dumps(record, ensure_ascii=False, sort_keys=True)
        known = {name: record[name] for name in self.job.columns if name in record}
        own = {"path": as_text(source.name), "sha256": explanation.digest, "record": text, "error": ""}
        return known | own | {"panel": panel}

    def _draw(self, source: Source, explanation: Explanation) -> str:
        """Draw panel and overlay, and return the panel's name."""
        name = f"{result_stem(source.name)}-{path_digest(source.name)[:10]}.png"
        if explanation.overlay:
            write_atomic(self.job.panels / OVERLAYS / name, encode(explanation.overlay, "PNG"))
        explanation.save_panel(self.job.panels / name)
        return name
