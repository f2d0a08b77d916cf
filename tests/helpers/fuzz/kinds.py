"""The kinds of files that are fuzzed: whole files to begin from, and what reads each of them in the package."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from aireal.core.spreadsheet import write_table
from helpers.captions import make_record
from helpers.mutations import mutated

from . import readers
from .mutate import Generator, mutate_json, mutate_lines, mutate_text, mutate_workbook


@dataclass(frozen=True)
class Seed:
    """A whole file, how it is damaged, and what reads it.

    Attributes:
        name: the file's path in the folder of a case.
        content: its bytes.
        mutate: bytes, generator → damaged bytes.
        read: called with the folder of the case; the file lies in it.
        beside: other files of the folder, by path.
    """

    name: str
    content: bytes
    mutate: Callable[[bytes, Generator], bytes]
    read: Callable[[Path], Any]
    beside: tuple[tuple[str, bytes], ...] = ()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(*values: Any) -> bytes:
    return b"".join(_json(value) + b"\n" for value in values)


def _csv(rows: list[list[Any]], delimiter: str = ",") -> bytes:
    return "".join(delimiter.join(map(str, row)) + "\r\n" for row in rows).encode()


def _quoted(cell: Any) -> str:
    return '"' + str(cell).replace('"', '""') + '"'


def _workbook(rows: list[list[Any]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_table([dict(zip(rows[0], row, strict=True)) for row in rows[1:]], Path(folder, "a.csv"), rows[0])
        return Path(folder, "a.xlsx").read_bytes()  # without times, so that each call gives the same bytes


SHA = "0123456789abcdef" * 4
MANIFEST = [
    ["path", "sha256", "label", "split", "group", "generator", "licence"],
    ["data/train/0_real/a.jpg", SHA, "0", "train", "a", "", "CC0"],
    ["data/train/1_fake/나무.jpg", SHA, "1", "val", "b", "FLUX", ""],
    ["test/1_fake/c.jpg", SHA, "fake", "test", "c", "Kling", ""],
    ["../proposal_images/d.jpg", SHA, "real", "proposal", "d", "", ""],
]


@cache
def manifests() -> list[Seed]:
    """A manifest as it is written, with semicolons, and as a workbook under the same name."""
    return [
        Seed("root/manifest.csv", _csv(MANIFEST), mutate_text, readers.read_manifest),
        Seed("root/manifest.csv", _csv(MANIFEST, ";"), mutate_text, readers.read_manifest),
        Seed("root/manifest.csv", _workbook(MANIFEST), mutate_workbook, readers.read_manifest),
    ]


IMPORTED = [
    ["path", "label", "split", "group"],
    ["a.png", "real", "train", "1"],
    ["b.png", "fake", "test", "2"],
    ["b/c.png", "1", "", ""],
]
YES_NO = [["filename", "is_ai"], ["a.png", "true"], ["b.png", "no"]]


def _caption_rows() -> tuple[list[list[str]], list[dict[str, Any]]]:
    """data.csv, and rows of answers."""
    columns, answers = ["image", "split", "overlay", "caption_ko", "caption_en", "evidence"], []
    rows = [columns]
    for number in range(3):
        record = make_record(number)
        quoted = _quoted(record.to_json())
        rows.append([f"{number}.png", "train", f"gradcam/{number}.png", "문장.", "A sentence.", quoted])
        answer = {"image": f"{number}.png", "overlay": "gradcam/a.png", "split": "train", "language": "en"}
        answer |= {"sentence": "A sentence.", "author": "offline", "request_id": "", "label": record.label}
        answer |= {"probability": record.probability, "region": record.region, "evidence": record.to_json()}
        answers.append(answer)
    return rows, answers


@cache
def tables() -> list[Seed]:
    """Tables of pictures to import or predict, and tables of captions: CSV, workbooks and JSON lines."""
    captions, answers = _caption_rows()
    plain = [[cell if cell[:1] != '"' else cell[1:-1].replace('""', '"') for cell in row] for row in captions]
    answer_table = [[_quoted(cell) for cell in row] for row in (answers[0], *(answer.values() for answer in answers))]
    return [
        Seed("in/table.csv", _csv(IMPORTED), mutate_text, readers.import_table),
        Seed("in/table.csv", _csv(YES_NO, "\t"), mutate_text, readers.import_table),
        Seed("in/table.csv", _csv(IMPORTED), mutate_text, readers.listed_table),
        Seed("in/table.xlsx", _workbook(IMPORTED), mutate_workbook, readers.import_table),
        Seed("data.csv", _csv(captions), mutate_text, readers.caption_rows),
        Seed("data.csv", _workbook(plain), mutate_workbook, readers.caption_rows),
        Seed("answers.jsonl", _lines(*answers), mutate_lines, readers.answers),
        Seed("answers.csv", _csv(answer_table), mutate_text, readers.answers),
    ]


def _explained(number: int) -> dict:
    record = make_record(number).to_dict()
    figures = {"panel": "a.png", "overlay": "overlays/a.png", "seconds": 1.5, "sentence_en": "A sentence."}
    source = {"sentence_source": {"en": "model"}}
    return {"path": f"in/{number}.png", "sha256": SHA, "made_with": {"classifier": "x"}} | record | figures | source


LEDGER = (
    {"event": "planned", "rows": 2, "n": 2, "model": "claude-opus-4-6", "now": False, "prices": "2026-01-01"},
    {"event": "submitting", "nonce": "n1", "model": "m", "keys": ["a", "b"], "ceiling": 0.1, "since": "2026"},
    {"event": "submitted", "nonce": "n1", "batch": "b1"},
    {
        "event": "reply",
        "key": "a",
        "model": "m",
        "nonce": "n1",
        "usd": 0.05,
        "ceiling": 0.1,
        "reply": {
            "status": "ok",
            "model": "m",
            "sentences": {"ko_1": "문장.", "en_1": "A sentence."},
            "usage": {"input_tokens": 10, "output_tokens": 5},
            "request_id": "r",
            "note": "",
        },
    },
    {"event": "asking", "key": "c", "model": "m", "ceiling": 0.1},
    {"event": "doubt", "key": "c", "why": "no answer"},
    {"event": "done", "nonce": "n1"},
)


@cache
def journals() -> list[Seed]:
    """Journals and JSON lines of every stage that resumes."""
    verdict = {"image": "a", "group": "g", "label_true": "real", "label": "real", "probability": 71.2}
    verdict |= {"probability_fake": 0.288, "caption_ko": "k", "caption_en": "e", "overlay": "gradcam/a.png"}
    verdict |= {"evidence": make_record(1).to_json()}
    predicted = {"classifier": "c", "path": "a", "row": verdict}
    completed = {"made_with": "m", "path": "a", "group": "g", "truth": "real", "record": make_record(1).to_dict()}
    scores = {"made_with": "m", "candidate": "gradcam", "scores": [[0.5, 0.25], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2]]}
    shares = {"made_with": "m", "key": "k", "shares": {"gradcam": [0.5, 0.5], "lime": None}}
    table = {"made_with": "m", "files": [["a.png", 10, 20, 0.75], ["b.png", 10, 20, 0.25]]}
    rows = [
        {"path": "a", "label": "real", "probability": 70.0, "probability_fake": 0.3, "uncertain": False, "error": ""},
        {"path": "b", "label": None, "probability": None, "probability_fake": None, "uncertain": None, "error": "x"},
    ]
    imported = _lines({"fingerprint": "f", "seed": 7}, {"pictures": 1, "bytes": 11, "end": False})
    explained = _lines(_explained(0), {"path": "in/b.png", "error": "it is empty"}, _explained(1))
    return [
        Seed("any.jsonl", _lines(predicted, completed, table), mutate_lines, readers.journal),
        Seed("explanations.jsonl", explained, mutate_lines, readers.explained),
        Seed("explanations.jsonl.journal", explained, mutate_lines, readers.explained),
        Seed("explanations.jsonl.journal", explained, mutate_lines, readers.explained_again),
        Seed("table.csv.jsonl", _lines(table, table), mutate_lines, readers.predicted_table),
        Seed("data.jsonl", _lines(predicted, predicted), mutate_lines, readers.predicted_test_set),
        Seed("explanations.jsonl", _lines(completed, completed), mutate_lines, readers.evaluated),
        Seed("heatmaps.jsonl", _lines(scores, scores), mutate_lines, readers.heatmap_scores),
        Seed("pointing.jsonl", _lines(shares, shares), mutate_lines, readers.pointing_shares),
        Seed("captions.jsonl", _lines(*LEDGER), mutate_lines, readers.ledger),
        Seed(
            "root/.import/journal.jsonl",
            imported,
            mutate_lines,
            readers.import_journal,
            (("root/.import/rows.jsonl", b'{"row": 1}\n'),),
        ),
        Seed("shards/unfinished/00000.jsonl", _lines({"first": 0, "rows": rows}), mutate_lines, readers.shard_rows),
    ]


@cache
def records() -> list[Seed]:
    """Evidence records, with and without a region, an explanation and provenance."""
    plain, full = make_record(0).to_dict(), make_record(1).to_dict()
    hiding = {"drop": 0.2, "random": 0.1, "random_low": 0.0, "random_high": 0.2, "beats": 0.9}
    full |= {"region_removal": hiding, "lime_removal": hiding, "agreement": 0.4, "agreement_chance": 0.1}
    full["peak_contradicted"] = True
    full |= {"lime_samples": 384, "lime_settled": True, "uncertain": True}
    full["provenance"] = {
        "credentials": {"state": "valid", "signer": "A", "source_types": ["digitalCapture"], "problems": ["p"]}
        | {"trust_list": {"name": "t", "date": "2026-01-01", "certificates": 3}},
        "marks": [{"kind": "generator", "place": "XMP", "text": "a cat"}],
    }
    flat = plain | {"region": None, "peak": None, "cues": None, "lime": []}
    return [Seed("record.json", _json(value), mutate_json, readers.record) for value in (plain, full, flat)]


@cache
def captions() -> list[Seed]:
    """Sentences of both languages, and replies of Claude."""
    from aireal.captions.language.grammar import render

    sentences = [
        Seed("sentence.txt", render(make_record(number), language, number).encode(), mutate_text, readers.sentence)
        for number in range(12)
        for language in ("ko", "en")
    ]
    reply = _json({"ko_1": render(make_record(0), "ko"), "en_1": render(make_record(0), "en")})
    return [*sentences, *[Seed("reply.json", reply, mutate_json, readers.reply)] * 8]


CLASSIFIER = {
    "architecture": "resnet34",
    "image_size": 96,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "temperature": 1.2,
    "bias": 0.1,
    "uncertain_below": 0.6,
    "fingerprint": "f" * 16,
    "initial_weights": "random",
    "history": [],
    "seconds": 1.0,
}


@cache
def configurations() -> list[Seed]:
    """Configurations, settings and records of finished work that lie beside weights, shards and datasets."""
    weights = (("model/model.safetensors", b"x"),)
    adapter = (("adapter/adapter_model.safetensors", b"x"),)
    base = {"base": "embedded", "format": "torch.float32", "four_bit": False, "float32": [], "sha256": SHA}
    history = {"steps": 3, "loss": [[1, 0.5]], "val_loss": [], "seconds": 1.0}
    arguments = {"source": "s", "limit": None, "seed": 7, "size": 96, "fingerprint": "f"}
    report = {"layout": "l", "form": "f", "counts": {"train": [1, 1]}, "groups": 2, "broken": 0, "left_out": 0}
    report |= {"notes": [], "arguments": arguments}
    shards = {"given": ["a"], "made_with": {"classifier": "f"}, "shard_size": 4, "pictures": 2, "inputs_sha256": SHA}
    shards |= {"folder": ".", "shards": [{"number": 0, "file": "shard-00000.parquet", "rows": 2, "sha256": SHA}]}
    inputs = (("shards/inputs.jsonl", _lines({"path": "a"}, {"path": "b"})),)
    overrides = "lora_steps=500\nlora_learning_rate=1e-3\ndtype=float16\npaligemma=google/paligemma-3b-pt-224\n"
    form = mutate_json
    return [
        Seed("model/config.json", _json(CLASSIFIER), form, readers.classifier, weights),
        Seed("model/config.json", _json(CLASSIFIER), form, readers.profile, weights),
        Seed(
            "model/profile.json",
            _json({"profile": "smoke", "overrides": {"epochs": 2}}),
            form,
            readers.profile,
            (*weights, ("model/config.json", _json(CLASSIFIER))),
        ),
        Seed(
            "adapter/adapter_config.json",
            _json({"base_model_name_or_path": "x/y", "r": 4}),
            form,
            readers.adapter,
            adapter,
        ),
        Seed("adapter/base.json", _json(base), form, readers.base_of_adapter, adapter),
        Seed(
            "adapter/training.json",
            _json({"fingerprint": "k", "history": history}),
            form,
            readers.finished_training,
            (*adapter, ("adapter/base.json", _json(base))),
        ),
        Seed("start.json", _json({"base": base, "before": ["A sentence."]}), form, readers.started_training),
        Seed("root/import.json", _json(report), form, readers.finished_dataset),
        Seed("shards/manifest.json", _json(shards), form, readers.shards, inputs),
        Seed("shards/inputs.jsonl", inputs[0][1], mutate_lines, readers.shard_inputs),
        Seed("metrics/predict.json", _json({"stage": "predict", "test": {"n": 3}}), form, readers.metrics),
        Seed("vae/config.json", _json({"_class_name": "AutoencoderKL"}), form, readers.autoencoder),
        Seed("push/push.json", _json({"files": ["a.txt", "push.json"]}), form, readers.pushed),
        Seed("overrides.txt", overrides.encode(), mutate_text, readers.overrides),
    ]


KINDS: dict[str, Callable[[], list[Seed]]] = {
    "manifests": manifests,
    "tables": tables,
    "journals": journals,
    "records": records,
    "captions": captions,
    "configurations": configurations,
}
NAMES = ("pictures", *KINDS)


def make_case(kind: str, number: int, seed: int, folder: Path) -> Callable[[], Any]:
    """Write the damaged file of a case into an empty folder, and return what reads it.

    The same kind, number and seed give the same bytes.
    """
    if kind == "pictures":
        data = mutated(number, seed)
        (folder / "picture.bin").write_bytes(data)
        return lambda: readers.picture(data)
    seeds = KINDS[kind]()
    chosen = seeds[number % len(seeds)]
    for name, content in chosen.beside:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    rng = np.random.default_rng([seed, NAMES.index(kind), number])
    path = folder / chosen.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chosen.mutate(chosen.content, rng))
    return lambda: chosen.read(folder)
