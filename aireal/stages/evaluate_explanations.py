"""Whether explanations hold: which heatmap is used, what hiding the named places does, and figures of that over the test set."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from tqdm import tqdm

from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb, read_bytes, sha256, square
from aireal.core.journal import Journal
from aireal.core.run import Run
from aireal.core.statistics import interval, wilson
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES, EvidenceRecord
from aireal.explain import lime
from aireal.explain.faithfulness.agreement import chance_iou, heatmap_lime_iou
from aireal.explain.faithfulness.occlusion import occlusion_test, region_mask
from aireal.explain.faithfulness.sanity import cascading_randomisation, passes_sanity
from aireal.explain.faithfulness.select_method import select_heatmap
from aireal.explain.faithfulness.summary import summarise
from aireal.explain.lime.lime_image import LEAST_R2, ReportProgress
from aireal.explain.predictor import CHOICE, Prediction, Predictor
from aireal.explain.prepare_quantized import prepare_quantized


@dataclass(frozen=True)
class Measured:
    """The completed record of one picture and LIME's whole result; `note` says why LIME was left out where it was."""

    record: EvidenceRecord
    lime: lime.LimeResult | None = None
    note: str = ""


def measure(
    seen: Prediction, digest: str, predictor: Predictor, samples: int, progress: ReportProgress | None = None
) -> Measured:
    """Complete the record of a picture: LIME's list, its agreement with the heatmap, and what hiding the named region, or the five superpixels
    that it weighs most for the verdict, does. What the record says of the region already is kept.

    Args:
        digest: sha256 of the file; masks and random areas are seeded from it, so that the same picture gives the same record.
        samples: the most that LIME may draw; 0 leaves LIME out.
        progress: as in `lime.explain`.
    """
    seed, label = lime.seed_of(digest), int(seen.record.label == "fake")
    image = predictor.tensors(seen.pixels.transpose(2, 0, 1)[None].copy())[0]
    region, record, classify = (
        region_mask(seen.record.region, predictor.size),
        seen.record,
        predictor.versions_of([seen.pixels]),
    )
    if record.region_removal is None:
        record = replace(record, region_removal=occlusion_test(classify, image, region, label, seed))
    if not samples:
        return Measured(record)
    try:
        found = lime.explain(seen.pixels, predictor.hide(seen.pixels, classify), samples, seed, progress)
    except ValueError as error:  # verdict and heatmap stand without it
        return Measured(record, note=str(error))
    record = replace(
        record,
        lime=found.top,
        lime_r2=round(found.r2, 4),
        lime_samples=found.samples,
        lime_settled=found.settled,
        agreement=round(heatmap_lime_iou(seen.heatmap, found.segments, found.features, label), 4),
        agreement_chance=round(chance_iou(seen.heatmap, found.segments, found.features, label, seed), 4),
    )
    named = np.isin(found.segments, supporting(found, label))
    if named.any():
        record = replace(record, lime_removal=occlusion_test(classify, image, named, label, seed))
    return Measured(record, found)


def supporting(found: lime.LimeResult, label: int) -> list[int]:
    """Numbers of the five superpixels (fewer where there are fewer) that LIME weighs most for the verdict, 0 real or 1 fake."""
    return [f.superpixel for f in found.features if f.weight and (f.weight > 0) == (label == 1)][: len(found.top)]


def choose_heatmap(run: Run) -> dict:
    """Score methods and layers on validation pictures (`faithfulness.choice`) and keep the winner beside the classifier's weights; another
    one than plain Grad-CAM has to pass the sanity gate, too.

    Returns:
        the record of `select_heatmap`, and whether the 8-bit classifier was asked ("int8"); also for metrics/heatmap.json.
    """
    prepare_quantized(run)
    with Predictor(run.data.model, run.device) as predictor:
        images, labels, found = _score_heatmaps(run, predictor, run.profile.heatmap_images)
        plain = {name: found["rows"][0][name] for name in ("method", "layer")}
        if found["winner"] != plain and not passes_sanity(
            cascading_randomisation(predictor.model, images, labels, predictor.size, **found["winner"], seed=run.seed)
        ):
            found["words"]["choice"] += (
                " But its maps depend too little on what was learnt (the sanity gate), so plain Grad-CAM stays."
            )
            found["winner"] = plain
        write_json(run.data.model / CHOICE, {"fingerprint": predictor.config.fingerprint, **found["winner"]})
    return found


def check_heatmaps(run: Run, count: int) -> dict:
    """Would `choose_heatmap` find the same on more pictures? The same record of `count` validation pictures, half of each class, for
    metrics/heatmap_all.json; the choice stays as it is. What a stopped run has scored (heatmaps.jsonl) is not scored again."""
    with Predictor(run.data.model, run.device) as predictor, Journal(run.data.products / "heatmaps.jsonl") as journal:
        return _score_heatmaps(run, predictor, count, journal)[-1]


class _Scores(dict):
    """Scores of heatmaps by the candidate's name; each is in the journal as soon as it is here."""

    def __init__(self, journal: Journal, made_with: str):
        super().__init__(
            {entry["candidate"]: entry["scores"] for entry in journal.entries if entry["made_with"] == made_with}
        )
        self._journal, self._made_with = journal, made_with

    def __setitem__(self, candidate: str, scores: list) -> None:
        super().__setitem__(candidate, scores)
        self._journal.add({"made_with": self._made_with, "candidate": candidate, "scores": scores})


def _score_heatmaps(
    run: Run, predictor: Predictor, count: int, journal: Journal | None = None
) -> tuple[torch.Tensor, list[int], dict]:
    """`count` validation pictures as the classifier sees them, its verdicts, and the record of `select_heatmap` with "int8"."""
    items = load_items(run.data, "val", max(1, count // 2))
    pictures, images, labels = _batch(predictor, run, items)
    classify = predictor.versions_of(pictures)
    int8 = classify == predictor.predict_fake_quantized
    known = (
        _Scores(journal, f"{predictor.config.fingerprint}, {len(items)} pictures, seed {run.seed}{', int8' * int8}")
        if journal
        else None
    )
    return (
        images,
        labels,
        {"int8": int8}
        | select_heatmap(predictor.model, images, classify, labels, [i.group for i in items], run.seed, known=known),
    )


def check_sanity(run: Run, count: int = 16) -> dict:
    """Do the heatmaps depend on what the classifier learnt? A record of `faithfulness.sanity.cascading_randomisation` on `count` validation
    pictures with the chosen method; metrics/sanity.json holds it."""
    items = load_items(run.data, "val", count // 2)
    with Predictor(run.data.model, run.device) as predictor:
        _, images, labels = _batch(predictor, run, items)
        return cascading_randomisation(
            predictor.model, images, labels, predictor.size, predictor.method, predictor.layer, run.seed
        )


def _batch(predictor: Predictor, run: Run, items: list[Item]) -> tuple[list[np.ndarray], torch.Tensor, list[int]]:
    """The pictures uint8 [S, S, 3], as the classifier sees them, float [B, 3, S, S], and its verdicts."""
    pictures = [np.asarray(square(open_rgb(run.data.root / i.path), predictor.size)) for i in items]
    batch = predictor.tensors(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    return pictures, batch, [int(p >= 0.5) for part in batch.split(16) for p in predictor.predict_fake(part)]


def measure_test_set(run: Run, count: int = 0) -> tuple[list[dict], list[dict]]:
    """Complete the records of test pictures, as many of each class and of as many sources as can be.

    Each is kept in a journal (explanations.jsonl) as soon as it is done; a run that was stopped goes on from there, unless the classifier or the heatmap's
    method has changed since. LIME's faster classifier is prepared first (`int8.prepare_int8`).

    Args:
        count: pictures; 0 takes all.

    Returns:
        a dict a picture: path, group, truth ("real" or "fake"), record (`EvidenceRecord` as a dict); and a list of {"path", "error"} for
        those that could not be used.
    """
    items = load_items(run.data, "test", max(1, count // 2) if count else None)
    done, errors = {}, []
    prepare_quantized(run)
    with (
        Predictor(run.data.model, run.device) as predictor,
        Journal(run.data.products / "explanations.jsonl") as journal,
    ):
        made_with = (
            f"{predictor.config.fingerprint}, {predictor.method} {predictor.layer}, LIME {run.profile.lime_samples}"
        )
        done = {entry["path"]: entry for entry in journal.entries if entry["made_with"] == made_with}
        for item in tqdm(items, desc="explanations", unit="image"):
            if item.path in done:
                continue
            try:
                found = _measured(run, item, predictor)
            except ValueError as error:
                errors.append({"path": item.path, "error": str(error)})
                continue
            done[item.path] = {
                "made_with": made_with,
                "path": item.path,
                "group": item.group,
                "truth": CLASSES[item.label],
                "record": json.loads(found.record.to_json()),
            }
            journal.add(done[item.path])
    return [done[i.path] for i in items if i.path in done], errors


def _measured(run: Run, item: Item, predictor: Predictor) -> Measured:
    path = run.data.root / item.path
    return measure(
        predictor.look([item.name], [open_rgb(path)])[0], sha256(read_bytes(path)), predictor, run.profile.lime_samples
    )


def records_of(rows: list[dict]) -> list[EvidenceRecord]:
    """The records of what `measure_test_set` returned."""
    return [EvidenceRecord.from_dict(row["record"]) for row in rows]


def report(rows: list[dict], seed: int) -> dict:
    """Figures with intervals of what `measure_test_set` returned (`faithfulness.summary`), and of LIME's lists: how many settled, their R², samples."""
    records = records_of(rows)
    listed = [r for r in records if r.lime]
    lists = (
        {
            "n": len(listed),
            "settled": wilson(sum(r.lime_settled for r in listed), len(listed)),
            "rankable": wilson(sum(r.lime_settled and r.lime_r2 >= LEAST_R2 for r in listed), len(listed)),
            "median_r2": float(np.median([r.lime_r2 for r in listed])),
            "median_samples": int(np.median([r.lime_samples for r in listed])),
        }
        if listed
        else None
    )
    return {"n": len(rows), **summarise(records, [row["group"] for row in rows], seed), "lists": lists}


def words(found: dict) -> list[str]:
    """The main figures of `report`, a sentence each."""
    said, all_of = [f"{found['n']} test pictures."], found["all"]
    for area, name in (("region", "the named region"), ("lime", "LIME's five superpixels for the verdict")):
        if part := all_of[area]:
            said.append(
                f"Hiding {name} lowers the verdict's probability by {interval(part['drop'], 100)} points, random areas of the same size by "
                f"{interval(part['random'], 100)}; it does more than the mean random area in "
                f"{interval(part['beats_random'], 100, '%')} of {part['n']}."
            )
    if part := all_of["agreement"]:
        said.append(
            f"Heatmap and LIME share (IoU of their strongest fifths) {interval(part)}; by chance it would be {part['chance']:.3f}."
        )
    if part := found["lists"]:
        said.append(
            f"LIME's list settled for {interval(part['settled'], 100, '%')} of {part['n']}, with {part['median_samples']} samples in the median; "
            f"the surrogate's R² is {part['median_r2']:.2f} in the median, and {interval(part['rankable'], 100, '%')} of the lists may be ranked."
        )
    return said
