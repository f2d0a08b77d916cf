"""Evaluation of explanations: the selection of the heatmap method, the sanity check, and metrics over the test set."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from aireal.classifier.data import to_batch
from aireal.core.files import write_json
from aireal.core.imagefile import digest_of, open_rgb, read_bytes, sha256, square
from aireal.core.journal import Journal
from aireal.core.run import Run
from aireal.core.statistics import grouped_rate, interval
from aireal.dataset.bounds import bounded_test_items, some_items
from aireal.dataset.manifest import Item
from aireal.dataset.readable import open_item
from aireal.evidence.record import CLASSES, EvidenceRecord
from aireal.explain.complete_record import MEASURES, complete_record
from aireal.explain.faithfulness.sanity import cascading_randomisation, passes_sanity
from aireal.explain.faithfulness.select_method import keep_plain, select_heatmap
from aireal.explain.faithfulness.summary import summarise
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.lime.lime_image import LEAST_R2
from aireal.explain.lime.perturb import superpixels_or_none
from aireal.explain.predictor import METHOD_FILE, Predictor
from aireal.explain.prepare_quantized import prepare_quantized
from aireal.explain.working_picture import WorkingPicture

# of an entry of a journal: of one method's scores, and of one picture's record
SCORES = {"made_with": str, "candidate": str, "scores": list[list]}
ROW = {"made_with": str, "path": str, "group": str, "truth": str, "record": dict}


def select_heatmap_method(run: Run) -> dict:
    """Score methods and layers on validation pictures and store the winner beside the classifier's weights.

    A winner other than plain Grad-CAM also has to pass the sanity check.

    Returns:
        the record of `select_heatmap` and "int8", whether the 8-bit classifier was used, for metrics/heatmap.json.
    """
    prepare_quantized(run)
    with Predictor(run.data.model, run.device) as predictor:
        images, labels, selection = _score_methods(run, predictor, run.profile.heatmap_images)
        winner, plain = selection["winner"], {name: selection["rows"][0][name] for name in ("method", "layer")}
        if winner != plain and not passes_sanity(
            cascading_randomisation(predictor.model, images, labels, predictor.size, **winner, seed=run.seed)
        ):
            selection = keep_plain(selection)
        write_json(run.data.model / METHOD_FILE, {"fingerprint": predictor.config.fingerprint, **selection["winner"]})
    return selection


def rescore_heatmap_methods(run: Run, count: int) -> dict:
    """Repeat the scoring of `select_heatmap_method` on more pictures; the stored selection does not change.

    Scores are kept in a journal (heatmaps.jsonl), so a stopped run is resumed.

    Args:
        count: validation pictures, half of each class.

    Returns:
        the record of `select_heatmap` and "in_use", the method and layer in use, for metrics/heatmap_all.json.
    """
    with (
        Predictor(run.data.model, run.device) as predictor,
        Journal(run.data.products / "heatmaps.jsonl", fields=SCORES) as journal,
    ):
        scored = _score_methods(run, predictor, count, journal)[-1]
        return scored | {"in_use": {"method": predictor.method, "layer": predictor.layer_in_use}}


def _are_scores(scores: list[list]) -> bool:
    """Whether they are lists of equally many numbers."""
    numbers = [number for part in scores for number in part]
    return len(set(map(len, scores))) == 1 and all(type(number) in (int, float) for number in numbers)


class _JournaledScores(dict):
    """Scores of heatmap methods by the name of the candidate; each new entry is also written to the journal."""

    def __init__(self, journal: Journal, made_with: str):
        mine = (entry for entry in journal.entries if entry["made_with"] == made_with)
        super().__init__({entry["candidate"]: entry["scores"] for entry in mine if _are_scores(entry["scores"])})
        self._journal, self._made_with = journal, made_with

    def __setitem__(self, candidate: str, scores: list) -> None:
        super().__setitem__(candidate, scores)
        self._journal.add({"made_with": self._made_with, "candidate": candidate, "scores": scores})


def _score_methods(
    run: Run, predictor: Predictor, count: int, journal: Journal | None = None
) -> tuple[torch.Tensor, list[int], dict]:
    """Score the methods on `count` validation pictures.

    Returns:
        the pictures as the classifier takes them, its verdicts, and the record of `select_heatmap` with "int8".
    """
    items = some_items(run, "val", count)
    pictures, images, labels = _batch(predictor, run, items)
    classify = FastClassifier(predictor).choose(pictures, [superpixels_or_none(pixels) for pixels in pictures])
    batch = f"{len(items)} pictures {sha256(b''.join(pixels.tobytes() for pixels in pictures))}"
    made_with = f"{predictor.config.fingerprint}, {batch}, seed {run.seed}{', int8' * classify.quantized}"
    scores = _JournaledScores(journal, made_with) if journal else None
    groups = [item.group for item in items]
    selection = select_heatmap(predictor.model, images, classify, labels, groups, run.seed, stored_scores=scores)
    return images, labels, {"int8": classify.quantized} | selection


def check_sanity(run: Run, count: int = 16) -> dict:
    """Check that the heatmaps depend on the learnt weights, for metrics/sanity.json.

    Args:
        count: validation pictures, half of each class.

    Returns:
        the record of `cascading_randomisation` with the selected method.
    """
    items = some_items(run, "val", count)
    with Predictor(run.data.model, run.device) as predictor:
        _, images, labels = _batch(predictor, run, items)
        method = (predictor.method, predictor.layer)
        return cascading_randomisation(predictor.model, images, labels, predictor.size, *method, run.seed)


def _batch(predictor: Predictor, run: Run, items: list[Item]) -> tuple[list[np.ndarray], torch.Tensor, list[int]]:
    """The pictures uint8 [S, S, 3], the normalised batch float [B, 3, S, S], and the classifier's verdicts."""
    pictures = [np.asarray(square(open_item(run.data.root, item), predictor.size)) for item in items]
    batch = predictor.tensors(to_batch(pictures))
    return pictures, batch, [int(fake >= 0.5) for part in batch.split(16) for fake in predictor.predict_fake(part)]


def evaluate_test_set(run: Run, count: int = 0) -> tuple[list[dict], list[dict]]:
    """Complete the records of test pictures, half of each class and from as many sources as possible.

    Each record is written to a journal (explanations.jsonl) as soon as it is complete. A stopped run is resumed, unless
    the classifier or the heatmap method has changed since.

    Args:
        count: number of pictures; 0 takes all, within the profile's `test_images`.

    Returns:
        a dict for each picture: path, sha256 of its file, group, truth ("real" or "fake"), record (`EvidenceRecord` as
        a dict); and a list of {"path", "error"} for pictures that could not be used.
    """
    items = some_items(run, "test", count) if count else bounded_test_items(run)
    prepare_quantized(run)
    rows, errors = {}, []
    with (
        Predictor(run.data.model, run.device) as predictor,
        Journal(run.data.products / "explanations.jsonl", fields=ROW) as journal,
    ):
        heatmap = f"{predictor.method} {predictor.layer}"
        made_with = f"{predictor.config.fingerprint}, {heatmap}, LIME {run.profile.lime_samples}, measures {MEASURES}"
        measured = measured_rows(journal.entries, made_with)
        fast = FastClassifier(predictor)
        for item in tqdm(items, desc="explanations", unit="image"):
            # what the manifest says may have changed since a row was journalled, and so may the file
            about = {"group": item.group, "truth": CLASSES[item.label]}
            digest, earlier = digest_of(run.data.root / item.path), measured.get(item.path, {})
            if digest and earlier.get("sha256") == digest:
                rows[item.path] = earlier | about
                continue
            try:
                record = _completed(run, item, fast)
            except ValueError as error:
                errors.append({"path": item.path, "error": str(error)})
                continue
            row = {"made_with": made_with, "path": item.path, "sha256": digest, **about, "record": record}
            rows[item.path] = row
            journal.add(row)
    return [rows[item.path] for item in items if item.path in rows], errors


def measured_rows(entries: list[dict], made_with: str) -> dict[str, dict]:
    """The entries of a journal by path; those whose record cannot be read are left out, to be measured again."""
    return {entry["path"]: entry for entry in entries if entry["made_with"] == made_with and _is_readable(entry)}


def _is_readable(entry: dict) -> bool:
    try:
        return bool(EvidenceRecord.from_dict(entry["record"]))
    except ValueError:
        return False


def _completed(run: Run, item: Item, fast: FastClassifier) -> dict:
    """The complete record of one picture, as a dict."""
    data = read_bytes(run.data.root / item.path)
    prediction = fast.predictor.predict([item.name], [open_rgb(run.data.root / item.path)])[0]
    picture = WorkingPicture(prediction, sha256(data), fast)
    return complete_record(picture, run.profile.lime_samples).record.to_dict()


def records_of(rows: list[dict]) -> list[EvidenceRecord]:
    """The records of `evaluate_test_set`'s rows."""
    return [EvidenceRecord.from_dict(row["record"]) for row in rows]


def explanation_metrics(rows: list[dict], seed: int) -> dict:
    """Metrics with intervals of the rows of `evaluate_test_set`.

    They cover the occlusion tests and the agreement (`faithfulness.summary`), and LIME's lists ("lists").
    """
    records = records_of(rows)
    groups = [row["group"] for row in rows]
    return {"n": len(rows), **summarise(records, groups, seed), "lists": _list_metrics(records, groups)}


def _list_metrics(records: list[EvidenceRecord], groups: list[str]) -> dict | None:
    """Shares of LIME's lists that settled and that can be ranked, median R² and samples; None without lists."""
    if not (listed := [(record, group) for record, group in zip(records, groups) if record.lime]):
        return None
    records, groups = zip(*listed)
    rankable = [record.lime_settled and record.lime_r2 >= LEAST_R2 for record in records]
    return {
        "n": len(records),
        "settled": grouped_rate([record.lime_settled for record in records], groups),
        "rankable": grouped_rate(rankable, groups),
        "median_r2": float(np.median([record.lime_r2 for record in records])),
        "median_samples": int(np.median([record.lime_samples for record in records])),
    }


def describe_metrics(metrics: dict) -> list[str]:
    """The main results of `explanation_metrics`, a sentence for each."""
    sentences, overall = [f"{metrics['n']} test pictures were explained."], metrics["all"]
    for area, name in (("region", "the named region"), ("lime", "the five superpixels that support the verdict most")):
        if test := overall[area]:
            sentences += [
                f"Masking {name} lowers the verdict's probability by {interval(test['drop'], 100)} points; "
                f"masking random areas of the same size lowers it by {interval(test['random'], 100)}.",
                f"It exceeds that of {interval(test['beats'], 100, '%')} of the random areas ({test['n']} pictures).",
            ]
    if iou := overall["agreement"]:
        sentences.append(
            f"The strongest fifths of heatmap and LIME overlap with an IoU of {interval(iou)}; "
            f"by chance it is {iou['chance']:.3f}."
        )
    if share := overall["contradicted"]:
        sentences.append(
            f"LIME counts the heatmap's peak as evidence against the verdict in {interval(share, 100, '%')} of "
            f"{share['n']} pictures."
        )
    if lists := metrics["lists"]:
        sentences += [
            f"LIME's list settled for {interval(lists['settled'], 100, '%')} of {lists['n']} pictures, "
            f"with a median of {lists['median_samples']} samples.",
            f"The surrogate's median R² is {lists['median_r2']:.2f}; the order of the list is meaningful "
            f"for {interval(lists['rankable'], 100, '%')} of the pictures.",
        ]
    return sentences
