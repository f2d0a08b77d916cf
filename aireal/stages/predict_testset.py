"""Predict a test folder: a figure, an overlay and a table row for every image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from aireal.captions.language.grammar import render
from aireal.classifier.metrics import curves, with_intervals
from aireal.classifier.one_class import one_class_note
from aireal.core.file_names import result_names
from aireal.core.files import write_atomic
from aireal.core.imagefile import ImageError, digest_of, encode, open_rgb
from aireal.core.journal import Journal
from aireal.core.made_of import remember_dataset
from aireal.core.run import Run
from aireal.core.spreadsheet import write_table
from aireal.dataset.bounds import bounded_test_items, draw_items
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES, EvidenceRecord
from aireal.explain.gradcam import overlay
from aireal.explain.predictor import Prediction, Predictor
from aireal.figures import panel

FIELDS = {  # of an entry of the journal
    "classifier": str,
    "path": str,
    "row": {
        **dict.fromkeys(("image", "group", "label_true", "label", "caption_ko", "caption_en", "overlay"), str),
        **dict.fromkeys(("probability", "probability_fake"), float),
        "evidence": str,
    },
}
COLUMNS = (  # of the table, in order: the journal keeps a row without its order
    *("image", "split", "group", "generator", "label_true", "label", "probability", "probability_fake"),
    *("region", "peak_x", "peak_y", "colour", "brightness", "texture", "edges"),
    *("caption_ko", "caption_en", "overlay", "evidence"),
)
CAPTION_SHARES = (("train", 0.60), ("val", 0.15), ("test", 0.25))  # of the test folder's sources, for PaliGemma


def caption_split(group: str) -> str:
    """PaliGemma's split of a test picture, by a hash of its source, so that no source is in two splits."""
    position = int(hashlib.sha256(f"caption/{group}".encode()).hexdigest(), 16) % 10_000 / 10_000
    for name, share in CAPTION_SHARES:
        if position < share:
            return name
        position -= share
    return CAPTION_SHARES[-1][0]


def caption_splits(items: list[Item], most: int | None, seed: int) -> list[str]:
    """PaliGemma's split of each test picture: `caption_split`, with at most `most` pictures in val and in test.

    Those beyond are for training, whole sources again. Learning from more overlays costs nothing; writing sentences
    about more of them does.
    """
    splits = [caption_split(item.group) for item in items]
    for name in ("val", "test"):
        part = [item for item, split in zip(items, splits) if split == name]
        kept = set(draw_items(part, most, seed))
        moved = {item.group for item in part if item not in kept}
        splits = ["train" if own == name and item.group in moved else own for item, own in zip(items, splits)]
    return splits


def predict_test_set(run: Run, batch: int = 16) -> tuple[pd.DataFrame, list[dict]]:
    """Write result/, gradcam/, data.csv and data.xlsx for the test images of the dataset root (`bounded_test_items`).

    A row is also appended to data.jsonl as soon as its image is done. A stopped run is resumed, unless the classifier
    or the heatmap method has changed since. An image whose file has changed is predicted again. No two pictures share a
    figure or an overlay (`result_names`).

    Returns:
        the table, and a list of {"path", "error"} for images that could not be used.

    Raises:
        ValueError: no image could be used.
    """
    items = bounded_test_items(run, run.profile.limit)
    paths = [item.path for item in load_items(run.data, "test")]  # all, so that a bound changes no name
    names = dict(zip(paths, result_names(paths)))
    digests = {item.path: digest_of(run.data.root / item.path) for item in items}
    errors: list[dict] = []
    with (
        Predictor(run.data.model, run.device) as predictor,
        Journal(run.data.table.with_suffix(".jsonl"), fields=FIELDS) as journal,
    ):
        classifier = f"{predictor.config.fingerprint} {predictor.method} {predictor.layer}".strip()
        done = _finished_rows(journal.entries, classifier, names, digests, run.data.result)
        finished = sum(item.path in done for item in items)
        with tqdm(total=len(items), initial=finished, desc="test images", unit="image") as progress:
            for start in range(0, len(items), batch):
                together = items[start : start + batch]
                todo = [item for item in together if item.path not in done]
                # all of a batch or none: in other company a picture's numbers differ in their last bits
                for item, prediction in _predict(predictor, run.data.root, together, errors) if todo else ():
                    if item.path in done:
                        continue
                    done[item.path] = _save_one(run, item, f"{names[item.path]}.png", prediction)
                    made_of = {"classifier": classifier, "path": item.path, "sha256": digests[item.path]}
                    journal.add(made_of | {"row": done[item.path]})
                progress.update(len(todo))
    items = [item for item in items if item.path in done]
    if not items:
        raise ValueError(
            f"none of the {len(errors)} test images can be used; {errors[0]['path']}: {errors[0]['error']}"
        )
    splits = caption_splits(items, run.profile.overlay_images, run.seed)
    # what the manifest says may have changed since a row was journalled
    rows = [done[item.path] | _about(item) | {"split": split} for item, split in zip(items, splits)]
    write_table(rows, run.data.table, COLUMNS)
    remember_dataset(run.data, "table")
    return pd.DataFrame(rows, columns=COLUMNS), errors


def _finished_rows(
    entries: list[dict], classifier: str, names: dict[str, str], digests: dict[str, str], figures: Path
) -> dict[str, dict]:
    """path → row of the pictures whose figures need not be drawn again.

    Args:
        names: path → name of its figures today. A figure whose name another picture has used since is drawn again.
        digests: path → sha256 of its file today.
        figures: folder of the figures; a missing one is drawn again.
    """
    last = {entry["row"]["overlay"]: entry["path"] for entry in entries}
    last.pop("", None)  # of pictures without a heatmap, which share none
    newest = {entry["path"]: entry for entry in entries}  # whose figures lie on the disk, whatever fits better
    return {
        entry["path"]: entry["row"]
        for entry in newest.values()
        if entry["classifier"] == classifier
        and entry.get("sha256") == digests.get(entry["path"])
        and (figures / f"{names.get(entry['path'])}.png").exists()
        and entry["row"]["overlay"] in ("", f"gradcam/{names.get(entry['path'])}.png")
        and last.get(entry["row"]["overlay"], entry["path"]) == entry["path"]
    }


def _predict(predictor: Predictor, root: Path, items: list[Item], errors: list[dict]) -> list[tuple[Item, Prediction]]:
    """Predictions of one batch. A picture that cannot be used is added to `errors`, and the others are predicted."""
    opened = []
    for item in items:
        try:
            opened.append((item, open_rgb(root / item.path)))
        except ImageError as error:
            errors.append({"path": item.path, "error": str(error)})
    if not opened:
        return []
    usable, images = zip(*opened)
    try:
        return list(zip(usable, predictor.predict([item.name for item in usable], list(images))))
    except ValueError as error:  # an output is not finite: predict one by one to learn which
        if len(items) == 1:
            errors.append({"path": items[0].path, "error": str(error)})
            return []
        return [pair for item in usable for pair in _predict(predictor, root, [item], errors)]


def _about(item: Item) -> dict[str, str]:
    """What the dataset says of a picture."""
    return {"group": item.group, "generator": item.generator, "label_true": CLASSES[item.label]}


def _save_one(run: Run, item: Item, name: str, prediction: Prediction) -> dict:
    """Write the figure and the overlay of one image under a file name and return its row.

    A picture without a heatmap has neither overlay nor region, and its cells for them are empty.
    """
    record = prediction.record
    captions = {language: render(record, language) for language in ("ko", "en")}
    panel.save(panel.result_figure(prediction.pixels, prediction.heatmap, record, captions), run.data.result / name)
    if prediction.heatmap is not None:
        painted = Image.fromarray(overlay(prediction.pixels, prediction.heatmap))
        write_atomic(run.data.gradcam / name, encode(painted, "PNG"))
    return {
        "image": item.path,
        "split": caption_split(item.group),
        **_about(item),
        "label": record.label,
        "probability": record.probability,
        "probability_fake": record.probability_fake,
        **_where(record),
        "caption_ko": captions["ko"],
        "caption_en": captions["en"],
        "overlay": "" if prediction.heatmap is None else f"gradcam/{name}",
        "evidence": record.to_json(),
    }


def _where(record: EvidenceRecord) -> dict:
    """The columns about the region; None in each for a record without one."""
    peak, cues = record.peak or (None, None), record.cues
    words = {name: getattr(cues, name, None) for name in ("colour", "brightness", "texture", "edges")}
    return {"region": record.region, "peak_x": peak[0], "peak_y": peak[1], **words}


def table_metrics(table: pd.DataFrame, seed: int) -> dict:
    """Metrics with intervals, ROC and confusion of a predicted table, and the accuracy for each generator.

    What needs a class that the table does not have is None, and a line says so.
    """
    fake = table["probability_fake"].to_numpy()
    labels = (table["label_true"] == "fake").astype(int).to_numpy()
    correct = table["label"] == table["label_true"]
    generators = {
        str(name): {"n": int(len(part)), "accuracy": round(float(part.mean()), 4)}
        for name, part in correct[labels == 1].groupby(table.loc[labels == 1, "generator"])
    }
    test = with_intervals(fake, labels, table["group"].tolist(), seed)
    if note := one_class_note(test):
        print(note)
    return {"test": test, **curves(fake, labels), "by_generator": generators}
