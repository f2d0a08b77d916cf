"""Stages at their smallest size, with paths alone as arguments, for processes that are killed (`helpers.killing`)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

from aireal.captions.augment import Plan, augment_table
from aireal.captions.table import Rows
from aireal.config import DatasetRoot
from aireal.core.files import write_json
from aireal.core.picture_files import find_images
from aireal.core.run import start
from aireal.explain.predictor import Predictor
from aireal.paligemma import model as models
from aireal.paligemma.data import Example
from aireal.paligemma.train import finetune
from aireal.reporting import publish, push_to_hub
from aireal.stages.evaluate_explanations import evaluate_test_set, explanation_metrics
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from aireal.stages.predict_table import predict_table
from aireal.stages.predict_testset import predict_test_set
from helpers.importing import run_import
from helpers.paligemma import PROFILE


def importing(source: Path, out: Path) -> None:
    assert run_import(source, out, "--workers", "1") == 0


def predicting(model: Path, pictures: Path, out: Path) -> None:
    predict_table(find_images([pictures]), model, out / "table.csv", torch.device("cpu"))


def predicting_test_set(root: Path, out: Path) -> None:
    predict_test_set(start("tests", "smoke", root, seed=7, out=out), batch=2)


def explaining(model: Path, pictures: Path, out: Path) -> None:
    with Explainer(Predictor(model, torch.device("cpu")), lime_samples=0) as explainer:
        explain_files(find_images([pictures]), out, explainer, out / "explanations.jsonl")


def evaluating(root: Path, out: Path) -> None:
    """The metrics of the explanations of two pictures."""
    run = start("tests", "smoke", root, seed=7, out=out)
    rows, _ = evaluate_test_set(run, 2)
    write_json(out / "metrics.json", explanation_metrics(rows, 7))


def augmenting(table: Path, out: Path) -> None:
    augment_table(Rows(table), out / "data_answer_add.csv", Plan("offline", 2, 7))


def finetuning(pictures: Path, out: Path) -> None:
    """Six steps on the overlays and the sentences (rows.json) of a folder."""
    torch.set_num_threads(1)
    texts = json.loads((pictures / "rows.json").read_text(encoding="utf-8"))
    rows = [Example(pictures / f"{number}.png", *pair) for number, pair in enumerate(texts)]
    model, processor = models.load("embedded", "cpu")
    profile = dataclasses.replace(PROFILE, lora_steps=4)
    finetune(models.attach_lora(model, 2), processor, rows, rows[:2], profile, 7, out)


def assembling(root: Path, metrics: Path, out: Path) -> None:
    push_to_hub.assemble(DatasetRoot.at(root), metrics, "embedded", "jane/detector", out)


def publishing(metrics: Path, out: Path) -> None:
    """Render the pages of a repository, which lies in `out`."""
    publish.REPOSITORY = out
    publish.write_pages(metrics)
