"""`predict` and `explain` over many pictures: the same bytes by one process, several, and Ray."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")

from aireal.classifier.model import read_config
from aireal.classifier.quantized import made_for
from aireal.cli import main
from aireal.config import DatasetRoot
from aireal.core.files import write_json
from aireal.explain.fast_classifier import QUANTIZED_FILE
from aireal.explain.predictor import Predictor
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from aireal.stages.predict_table import predict_table
from aireal.stages.scale.explain_job import ExplainJob
from aireal.stages.scale.parquet_files import read_rows
from aireal.stages.scale.predict_job import PredictJob
from aireal.stages.scale.ray_engine import RayWorker, Tries
from aireal.stages.scale.run_many import Engine, run_many
from aireal.stages.scale.source import Source
from helpers.images import SAMPLE, encoded, noise, write
from helpers.scale import SEGFAULT, make_pictures, run_digests, written

COUNT, BATCH = 22, 4
with_ray = pytest.mark.skipif(not find_spec("ray"), reason="Ray is missing: pip install 'ray[data]' pyarrow")
rays_own_warnings = pytest.mark.filterwarnings("ignore::Warning:ray")
TABLE = "t.csv"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = [write(folder / f"{n:02d}.jpg", encoded(noise(n, 40 + n), "JPEG")) for n in range(COUNT)]
    write(paths[5], b"no picture")
    return paths


@pytest.fixture(scope="module")
def predicted(smoke_run, pictures, tmp_path_factory):
    """What one process writes."""
    return predict(smoke_run, pictures, tmp_path_factory.mktemp("one"), Engine())


def predict(run, pictures, out, engine) -> dict[str, bytes]:
    job = PredictJob(run.data.model.resolve(), batch_size=BATCH)
    run_many([str(pictures[0].parent)], out, job, engine, 8, out / TABLE)
    return written(out)


def test_the_table_is_that_of_predict_without_shards(smoke_run, pictures, predicted, tmp_path):
    predict_table(pictures, smoke_run.data.model, tmp_path / TABLE, batch_size=BATCH)
    assert predicted[TABLE] == (tmp_path / TABLE).read_bytes()
    assert sum(b"the file is no image" in line for line in predicted[TABLE].splitlines()) == 1


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_write_the_same_bytes(smoke_run, pictures, predicted, tmp_path, count):
    assert predict(smoke_run, pictures, tmp_path, Engine(workers=count)) == predicted


@with_ray
@rays_own_warnings
def test_ray_writes_the_same_bytes(smoke_run, pictures, predicted, tmp_path):
    assert predict(smoke_run, pictures, tmp_path, Engine("ray", 2, "local", 0)) == predicted


@with_ray
@rays_own_warnings
def test_with_ray_a_picture_that_kills_its_worker_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the light job is no part of the package
    paths = make_pictures(tmp_path / "in", 6)
    write(paths[4], SEGFAULT)
    summary = run_digests(str(tmp_path / "in"), tmp_path / "out", 1, name="ray", address="local", gpus=0)
    [(path, error)] = summary.first_errors
    assert path == str(paths[4])
    assert "died 2 times" in error
    assert summary.pictures == 6


@with_ray
@rays_own_warnings
def test_with_ray_a_tar_whose_name_is_not_utf8_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    name = "사진".encode("cp949").decode("utf-8", "surrogateescape")
    [path] = make_pictures(tmp_path / "in", 1)
    with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
        tar.add(path, "a.png")
    given = str(tmp_path / f"{name}.tar")
    summary = run_digests(given, tmp_path / "out", 1, name="ray", address="local", gpus=0)
    assert (summary.pictures, summary.first_errors) == (1, [])


def test_what_was_begun_with_a_chunk_leaves_out_the_picture_that_killed_twice():
    tries, killer = Tries(3), 1
    for death in range(2):  # together, and again
        assert tries.begin(0) == (death, [])
    for _ in range(2):  # one by one
        assert tries.begin(0)[1] == []
        for place in range(killer + 1):
            tries.alone(0, place)
    assert tries.begin(0) == (4, [killer])
    tries.alone(0, None)
    assert tries.begin(0)[1] == [killer]
    assert tries.begin(8) == (0, []), "another chunk has nothing to do with it"


@with_ray
@rays_own_warnings
@pytest.mark.fault(
    "processes",
    "with Ray, a worker that dies again and again while it loads",
    "a process died again and again while it loaded the classifier: free memory, or give fewer --processes",
    "what was finished; Ray alone would restart it for ever",
)
def test_with_ray_workers_that_die_while_they_load_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    make_pictures(tmp_path / "in", 2)
    with pytest.raises(ValueError, match="Ray stopped: .*died again and again while it loaded the classifier"):
        run_digests(str(tmp_path / "in"), tmp_path / "out", 1, name="ray", address="local", gpus=0, dies=True)


def test_loads_that_end_are_not_counted():
    tries = Tries(2)
    assert [tries.load(), tries.load(), tries.load()] == [True, True, False]
    tries.loaded()
    assert tries.load()


def test_with_ray_a_chunk_whose_workers_die_of_nothing_that_is_known_ends():
    sources, asked = [Source("a.png"), Source("b.png")], []
    worker = RayWorker.__new__(RayWorker)
    worker._get, worker._worker = lambda value: value, None
    for before, ends in ((6, False), (7, True)):
        answer = before, [0, 1]
        calls = {"begin": lambda first, answer=answer: answer, "alone": lambda first, place: asked.append(place)}
        worker._tries = SimpleNamespace(**{name: SimpleNamespace(remote=call) for name, call in calls.items()})
        rows = worker._rows(0, sources)
        assert [row["path"] for row in rows] == ["a.png", "b.png"]
        assert all((f"died {before} times" in row["error"]) == ends for row in rows)
    assert asked == [None], "nothing is tried any more"


def test_explain_writes_the_records_of_explain_without_shards(smoke_run, tmp_path, photograph):
    pictures = [write(tmp_path / "in" / f"{n}.png", encoded(photograph.rotate(n), "PNG")) for n in (0, 9)]
    write(tmp_path / "in" / "bad.png", b"x")
    data = DatasetRoot.at(SAMPLE, tmp_path / "products")
    shutil.copytree(smoke_run.data.model, data.model)
    found = {"found": {"used": False, "why": "to save its half a minute"}}
    fingerprint = read_config(data.model).fingerprint
    write_json((data.model / QUANTIZED_FILE).with_suffix(".json"), made_for(fingerprint) | found)
    run = replace(smoke_run, data=data, profile=replace(smoke_run.profile, lime_samples=40))
    job = ExplainJob(run, captions=False, panels=tmp_path / "out" / "panels")
    for out, engine in ((tmp_path / "out", Engine()), (tmp_path / "two", Engine(workers=2))):
        run_many([str(tmp_path / "in")], out, job, engine, 2, out / TABLE)
        assert len(list((tmp_path / "out" / "panels").glob("*.png"))) == 2
    assert all(
        (tmp_path / "out" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        for name in (TABLE, "shard-00000.parquet", "shard-00001.parquet")
    )
    rows = [row for n in (0, 1) for row in read_rows(tmp_path / "out" / f"shard-0000{n}.parquet")]
    with Explainer(Predictor(run.data.model, run.device), lime_samples=40) as explainer:
        explain_files(pictures, tmp_path / "alone", explainer, tmp_path / "lines.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [bool(row["error"]) for row in rows] == [False, False, True]
    for row, line in zip(rows, lines):
        assert json.loads(row["record"]).items() <= line.items()


def test_the_commands_take_tables_and_say_what_they_wrote(smoke_run, small_root, tmp_path, capsys):
    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    make_pictures(tmp_path / "in", 3)
    table = write(tmp_path / "list.csv", b"path\nin/000.png\nin/002.png\nin/none.png\n")
    options = ["--root", str(small_root.root), "--profile", "sample"]
    assert main(["predict", str(table), "--shards", str(tmp_path / "out"), *options]) == 1
    printed = capsys.readouterr().out
    assert "in/none.png: the file does not exist" in printed
    assert "2 of 3 predicted" in printed
    assert (tmp_path / "out" / "predictions.csv").is_file()
    assert main(["predict", str(table), "--out", str(tmp_path / "my.csv"), *options]) == 1
    assert (tmp_path / "my.csv").read_bytes() == (tmp_path / "out" / "predictions.csv").read_bytes()
    assert (tmp_path / "my.shards" / "manifest.json").is_file()


def test_missing_packages_are_named(tmp_path, monkeypatch):
    make_pictures(tmp_path / "in", 1)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'ray\[data\]' pyarrow"):
        run_digests(str(tmp_path / "in"), tmp_path / "out", name="ray")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        run_digests(str(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
