"""Every long stage gets SIGKILL at random steps and ends with the files of an undisturbed run; a second run on the same
files is told.

Training has its own tests of this (tests/classifier/test_training.py), Claude's batches theirs, and so have shards of
many pictures. The steps are those of `helpers.killing`, so that no test looks at a clock.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from aireal.captions.augment import Plan, augment_table
from aireal.captions.language.grammar import prompt, render
from aireal.captions.table import Rows
from aireal.config import REPOSITORY
from aireal.core.files import atomic_path, locked_folder
from aireal.core.journal import Journal
from aireal.core.run import start
from aireal.core.spreadsheet import write_table
from aireal.paligemma.train import finetune
from aireal.reporting.publish import READMES
from aireal.reporting.readme import render_pages
from aireal.stages.predict_table import predict_table
from aireal.stages.predict_testset import predict_test_set
from helpers import killable_stages as stages
from helpers.captions import as_table, make_row
from helpers.images import encoded, noise, write
from helpers.importing import fill
from helpers.killing import moments, run
from helpers.paligemma import PROFILE, examples_  # noqa: F401  (a fixture)

if not hasattr(signal, "SIGKILL"):
    pytest.skip("no kill -9 here", allow_module_level=True)
KILLS = 3
fault = pytest.mark.fault


def contents(folder: Path, without: tuple[str, ...] = ()) -> dict[str, object]:
    """Every file by its path; JSON without what the clock measured."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: _content(path) for name, path in files.items() if path.name not in without}


def _content(path: Path) -> object:
    if path.suffix not in (".json", ".jsonl"):
        return path.read_bytes()
    lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    return [json.loads(line, object_hook=_without_times) for line in lines]


def _without_times(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in ("seconds", "speedup")}


def ends_the_same(
    stage, *arguments: Path, work: Path, seed: int, kills: int = KILLS, prepare=lambda out: None, without=()
) -> None:
    """Kill a stage, the last of whose arguments is the folder that it writes to, again and again; then let it end.

    Args:
        prepare: called with that folder before the first run.
        without: names of files that tell how a run went, and are not compared.
    """
    whole, killed = work / "whole" / "out", work / "killed" / "out"
    for out in (whole, killed):
        out.mkdir(parents=True)
        prepare(out)
    steps = run(stage, *arguments, whole, out=whole)
    died = [run(stage, *arguments, killed, out=killed, kill=moment) < 0 for moment in moments(steps, kills, seed)]
    assert died[0], "it was killed in the middle"
    run(stage, *arguments, killed, out=killed)
    assert contents(killed, without) == contents(whole, without)


@pytest.fixture
def pictures(tmp_path) -> Path:
    for number in range(5):
        write(tmp_path / "in" / f"{number}.png", encoded(noise(number, 60), "PNG"))
    write(tmp_path / "in" / "broken.png", b"no picture")
    return tmp_path / "in"


def with_classifier(smoke_run):
    """Prepares a folder for a smoke run, which keeps its classifier there."""

    def prepare(out: Path) -> None:
        model = start("tests", "smoke", smoke_run.data.root, seed=7, out=out).data.model
        shutil.copytree(smoke_run.data.model, model)

    return prepare


@fault(
    "processes", "`kill -9` of a small import at random steps", "", "the same files, byte for byte, as without the kill"
)
def test_an_import(tmp_path):
    fill(tmp_path / "in/real", 0, 8)
    fill(tmp_path / "in/fake", 100, 8)
    ends_the_same(stages.importing, tmp_path / "in", work=tmp_path, seed=1)


@fault(
    "processes",
    "`kill -9` of `aireal predict` at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_a_table_of_predictions(smoke_run, pictures, tmp_path):
    ends_the_same(stages.predicting, smoke_run.data.model, pictures, work=tmp_path, seed=2)


@fault(
    "processes",
    "`kill -9` of the prediction of a test set at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_a_predicted_test_set(smoke_run, small_root, tmp_path):
    prepare = with_classifier(smoke_run)
    ends_the_same(stages.predicting_test_set, small_root.root, work=tmp_path, seed=3, prepare=prepare)


@fault(
    "processes",
    "`kill -9` of `aireal explain` at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_explanations(smoke_run, pictures, tmp_path):
    ends_the_same(stages.explaining, smoke_run.data.model, pictures, work=tmp_path, seed=4)


@fault(
    "processes",
    "`kill -9` of an evaluation of explanations at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_evaluated_explanations(smoke_run, small_root, tmp_path):
    prepare = with_classifier(smoke_run)
    ends_the_same(stages.evaluating, small_root.root, work=tmp_path, seed=5, kills=2, prepare=prepare)


@pytest.fixture
def table(tmp_path) -> Path:
    return write_table([as_table(make_row(number)) for number in range(6)], tmp_path / "data.csv")[0]


@fault(
    "processes",
    "`kill -9` of an augmentation without Claude at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_augmented_captions(table, tmp_path):
    ends_the_same(stages.augmenting, table, work=tmp_path, seed=6)


@fault(
    "processes", "`kill -9` of a fine-tuning at random steps", "", "the same files, byte for byte, as without the kill"
)
def test_a_fine_tuning(examples, tmp_path):
    texts = []
    for number, (overlay, record) in enumerate(examples[:4]):
        overlay.save(write(tmp_path / "in" / f"{number}.png", b""))
        texts.append([prompt(record, "en"), render(record, "en")])
    (tmp_path / "in/rows.json").write_text(json.dumps(texts))
    ends_the_same(stages.finetuning, tmp_path / "in", work=tmp_path, seed=7, kills=2, without=("training.json",))


@fault(
    "processes",
    "`kill -9` of the rendering of READMEs and pages for a publication at random steps",
    "",
    "the same files, byte for byte, as without the kill",
)
def test_published_pages(tmp_path):
    metrics = REPOSITORY / "metrics"

    def prepare(out: Path) -> None:
        for name in [*READMES.values(), *render_pages(metrics)]:
            write(out / name, (REPOSITORY / name).read_bytes().replace(b"0.9", b"0.1"))

    ends_the_same(stages.publishing, metrics, work=tmp_path, seed=8, prepare=prepare)


# --- two runs at once ------------------------------------------------------------------------------------------------


@fault(
    "processes",
    "two runs at once of `aireal predict` that write one table",
    "in use by another run",
    "the first run goes on",
)
def test_a_second_table_of_predictions_is_told(smoke_run, pictures, tmp_path):
    with Journal(tmp_path / "table.csv.jsonl"), pytest.raises(ValueError, match="in use by another run"):
        predict_table(sorted(pictures.iterdir()), smoke_run.data.model, tmp_path / "table.csv")


@fault(
    "processes", "two runs at once of the prediction of one test set", "in use by another run", "the first run goes on"
)
def test_a_second_prediction_of_a_test_set_is_told(smoke_run, small_root, tmp_path):
    with_classifier(smoke_run)(tmp_path / "out")
    own = start("tests", "smoke", small_root.root, seed=7, out=tmp_path / "out")
    with Journal(own.data.table.with_suffix(".jsonl")), pytest.raises(ValueError, match="in use by another run"):
        predict_test_set(own)


@fault(
    "processes",
    "two runs at once of an augmentation into one table",
    "is being written by another run",
    "the first run goes on",
)
def test_a_second_augmentation_is_told(table, tmp_path):
    with atomic_path(tmp_path / "out.csv"), pytest.raises(ValueError, match="is being written by another run"):
        augment_table(Rows(table), tmp_path / "out.csv", Plan("offline", 1, 7))


@fault(
    "processes",
    "two runs at once of a fine-tuning of one root",
    "another fine-tuning is running in",
    "the first run goes on",
)
def test_a_second_fine_tuning_is_told(tmp_path):
    with locked_folder(tmp_path, "-"), pytest.raises(ValueError, match="another fine-tuning is running in"):
        finetune(None, None, [], [], PROFILE, 7, tmp_path)
