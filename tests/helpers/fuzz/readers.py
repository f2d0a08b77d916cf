"""What the package does with each kind of file, called with the folder of a case.

Whatever a reader returns is used as the next step would use it, so that a value of a wrong type is found here.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic

from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.reply import from_message
from aireal.captions.language.grammar import render
from aireal.captions.language.validate import validate
from aireal.captions.rows import ValidRows
from aireal.captions.table import Rows, read_answers, write_answers
from aireal.classifier.model import read_config
from aireal.config import PROFILES, DatasetRoot
from aireal.core.imagefile import decode, open_stored
from aireal.core.inside import Inside
from aireal.core.journal import Journal, read_entries
from aireal.core.json_text import parse_json
from aireal.core.profile import parse_overrides, profile_of_products, with_overrides
from aireal.core.spreadsheet import write_csv
from aireal.dataset import manifest
from aireal.dataset.align import autoencoders
from aireal.dataset.importing.csv_table import csv_entries, is_table
from aireal.dataset.importing.import_dataset import finished_import
from aireal.dataset.importing.read_pictures import read_pictures
from aireal.dataset.resumable_root import begin_or_resume
from aireal.evidence.record import EvidenceRecord
from aireal.explain.trust import overall, trust
from aireal.paligemma.base_record import read_base_record
from aireal.paligemma.training_folder import finished_history, keep_earlier, read_start
from aireal.paligemma.writer import was_trained_in_four_bits
from aireal.provenance.read_file import read_provenance
from aireal.reporting import push_to_hub
from aireal.reporting.html.gallery import explained_entries
from aireal.reporting.tables.metrics import read_metrics as metrics_of
from aireal.stages import evaluate_explanations, pointing, predict_table, predict_testset
from aireal.stages.explain_files import explain_file, read_lines
from aireal.stages.scale.list_sources import SourceList
from aireal.stages.scale.shard_folder import ShardFolder
from aireal.stages.scale.source import Source
from aireal.stages.sentence_model import adapter_base
from helpers.captions import make_record

RECORD = make_record(0)


def picture(data: bytes) -> None:
    """Opened to be shown and to be classified, and asked what it says of itself."""
    read_provenance(data)
    open_stored(data)
    decode(data)


# --- tables ----------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> None:
    """Each path is asked for as a stage would, and the rows are written again."""
    root = folder / "root"
    items = manifest.read_manifest(root / "manifest.csv")
    for item in items:
        os.path.isfile(root / item.path)
    manifest.load_items(DatasetRoot.at(root))
    manifest.write_manifest(folder / "out/manifest.csv", items)


def import_table(folder: Path) -> None:
    (path,) = (folder / "in").iterdir()
    if is_table(path):
        for entry in csv_entries(path):
            Inside(path.parent).path(str(entry.content.relative_to(path.parent)))


def listed_table(folder: Path) -> None:
    names = [source.to_json() for source in SourceList([str(folder / "in/table.csv")])]
    assert [Source.from_json(name).to_json() for name in names] == names


def caption_rows(folder: Path) -> None:
    """Read, checked against its captions, and opened as a fine-tuning would."""
    rows = list(Rows(folder / "data.csv", without_heatmap=True))
    ValidRows([row for row in rows if row.overlay])
    for row in rows:
        os.path.isfile(folder / row.overlay)


def answers(folder: Path) -> None:
    (path,) = folder.glob("answers.*")
    written = read_answers(path)
    write_answers(written, folder / "out/answers.csv")
    for answer in written:
        validate(answer.sentence, answer.record, answer.language)


# --- journals --------------------------------------------------------------------------------------------------------


def journal(folder: Path) -> None:
    read_entries(folder / "any.jsonl")
    with Journal(folder / "any.jsonl") as opened:
        opened.add({"made_with": "m", "path": "a"})
        assert [opened.at(place) for place, _ in opened.read()] == opened.entries


def explained(folder: Path) -> None:
    read_lines(folder / "explanations.jsonl")
    explained_entries(folder, folder / "explanations.jsonl")


def explained_again(folder: Path) -> None:
    """A stopped call goes on with these lines; nobody explains a picture that is no file."""
    earlier = {line["path"]: line for line in read_lines(folder / "explanations.jsonl")}
    for name in list(earlier)[:3]:
        with contextlib.suppress(FileNotFoundError):
            explain_file(
                folder / "no such folder" / "a.png", folder, SimpleNamespace(made_with={}), earlier | {name: {}}
            )


def predicted_table(folder: Path) -> None:
    with Journal(folder / "table.csv.jsonl", fields=predict_table.FIELDS) as opened:
        predicted = predict_table.predicted_files(opened.entries, "m")
    rows = [predict_table.row(path, fake, "", 0.6) for (path, _, _), fake in predicted.items()]
    write_csv(map(predict_table.as_path, rows), folder / "out/table.csv", predict_table.COLUMNS)


def predicted_test_set(folder: Path) -> None:
    with Journal(folder / "data.jsonl", fields=predict_testset.FIELDS) as opened:
        predict_testset._finished_rows(opened.entries, "c", {"a": "a"}, {"a": ""}, folder)


def evaluated(folder: Path) -> None:
    with Journal(folder / "explanations.jsonl", fields=evaluate_explanations.ROW) as opened:
        rows = evaluate_explanations.measured_rows(opened.entries, "m")
    if rows:
        evaluate_explanations.records_of(list(rows.values()))


def heatmap_scores(folder: Path) -> None:
    with Journal(folder / "heatmaps.jsonl", fields=evaluate_explanations.SCORES) as opened:
        evaluate_explanations._JournaledScores(opened, "m")


def pointing_shares(folder: Path) -> None:
    with Journal(folder / "pointing.jsonl", fields=pointing.SHARES) as opened:
        {entry["key"]: entry["shares"] for entry in opened.entries if entry["made_with"] == "m"}


def ledger(folder: Path) -> None:
    with Journal(folder / "captions.jsonl", keep=False) as opened:
        ledger = Ledger(opened)
        ledger.cost(), ledger.committed_usd, ledger.usage, ledger.all_invalid("m")
        for key in "abc":
            ledger.reply(key, "m")


def import_journal(folder: Path) -> None:
    root = folder / "root"
    source = SimpleNamespace(read=lambda: iter(()), total=0)
    with Journal(root / ".import/journal.jsonl") as opened, _quiet():
        begin_or_resume(opened, {"fingerprint": "f", "seed": 7}, root)
        read_pictures(source, root / ".import", None, 1, opened, 10)


def shard_rows(folder: Path) -> None:
    """Shards of two pictures go on with what an interrupted run had done."""
    sources = [Source("a"), Source("b")]
    with ShardFolder(folder / "shards", plain_job(), 2) as shards, _quiet():
        shards.begin(["a"], sources)
        for chunk in shards.chunks():
            shards.add(chunk.first, [{"path": source.name, "error": "x"} for source in chunk.sources])
        list(shards.rows())


def plain_job() -> Any:
    """A job of `predict` as far as its folder asks for it."""
    columns = {"path": str, "label": str, "probability": float, "probability_fake": float, "uncertain": bool}
    return SimpleNamespace(chunk=4, columns=columns | {"error": str}, made_with=lambda: {"classifier": "f"})


# --- records and captions --------------------------------------------------------------------------------------------


def record(folder: Path) -> None:
    """Rendered in both languages, judged, and written again."""
    read = EvidenceRecord.from_dict(parse_json((folder / "record.json").read_bytes()))
    render(read, "ko"), render(read, "en")
    overall(trust(read))
    assert EvidenceRecord.from_dict(parse_json(read.to_json())) == read
    write_csv([read.to_dict()], folder / "out/record.csv", tuple(read.to_dict()))


def sentence(folder: Path) -> None:
    text = (folder / "sentence.txt").read_bytes().decode("utf-8", "surrogateescape")
    for language in ("ko", "en"):
        validate(text, RECORD, language)
    write_csv([{"sentence": text}], folder / "out/sentences.csv", ("sentence",))


def reply(folder: Path) -> None:
    text = (folder / "reply.json").read_bytes().decode("utf-8", "surrogateescape")
    message = anthropic.types.Message.model_construct(
        id="m",
        model="claude",
        role="assistant",
        type="message",
        stop_reason="end_turn",
        usage=None,
        content=[anthropic.types.TextBlock.model_construct(type="text", text=text)],
    )
    for name, words in (from_message(message).sentences or {}).items():
        validate(words, RECORD, name[:2])


# --- configurations --------------------------------------------------------------------------------------------------


def classifier(folder: Path) -> None:
    read_config(folder / "model")


def profile(folder: Path) -> None:
    data = SimpleNamespace(model=folder / "model", adapter=folder / "adapter")
    if found := profile_of_products(data):
        with_overrides(PROFILES[found[0]], found[1])


def adapter(folder: Path) -> None:
    adapter_base(folder / "adapter")
    data = SimpleNamespace(model=folder / "model", adapter=folder / "adapter")
    profile_of_products(data)


def base_of_adapter(folder: Path) -> None:
    read_base_record(folder / "adapter")
    was_trained_in_four_bits(folder / "adapter")


def finished_training(folder: Path) -> None:
    finished_history(folder / "adapter", "another", None)
    with _quiet():
        keep_earlier(folder / "adapter", "another", folder / "adapter")


def started_training(folder: Path) -> None:
    read_start(folder)


def finished_dataset(folder: Path) -> None:
    finished_import(folder / "root", "s", None, 7)


def shards(folder: Path) -> None:
    with ShardFolder(folder / "shards", plain_job(), 4) as opened, _quiet():
        opened.begin(["a"], [])
        opened.done()
        list(opened.chunks())


def shard_inputs(folder: Path) -> None:
    for line in (folder / "shards/inputs.jsonl").read_bytes().decode("utf-8", "surrogateescape").splitlines():
        Source.from_json(line)


def metrics(folder: Path) -> None:
    metrics_of(folder / "metrics")


def autoencoder(folder: Path) -> None:
    autoencoders._config(folder / "vae", "vae")


def pushed(folder: Path) -> None:
    push_to_hub._clear(folder / "push")


def overrides(folder: Path) -> None:
    text = (folder / "overrides.txt").read_bytes().decode("utf-8", "surrogateescape")
    with_overrides(PROFILES["smoke"], parse_overrides(text.splitlines()))


def _quiet() -> Any:
    return contextlib.redirect_stdout(io.StringIO())
