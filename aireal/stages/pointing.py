"""Explanations against a known answer: the grid pointing game, and photographs half of which is a round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from tqdm import tqdm

from aireal.classifier.data import to_batch
from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, open_rgb, sha256, square
from aireal.core.journal import Journal
from aireal.core.run import Run
from aireal.core.statistics import interval
from aireal.dataset.manifest import Item, load_items
from aireal.explain.faithfulness import half, pointing
from aireal.explain.faithfulness.positive_evidence import LIME, PositiveEvidence, Shares, mean_shares
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.lime import seed_from_digest
from aireal.explain.predictor import Predictor
from aireal.explain.prepare_quantized import prepare_quantized

PICTURES_EACH = 8  # test pictures of each class to draw from, for each mosaic of a pool
BATCH = 16
SHARES = {"made_with": str, "key": str, "shares": dict[str, list[float] | None]}  # of an entry of the journal
VERSIONS = ("photograph", "half", "encoded_again", "round_trip")
NO_PAIRS = (
    "Half-and-half was left out, because it needs photographs with their round trips: "
    "name the root that `aireal dataset align` made, with --aligned ROOT."
)


class _SharesJournal:
    """Shares by picture, kept in pointing.jsonl as soon as they are computed, so that a stopped run resumes."""

    def __init__(self, run: Run, predictor: Predictor):
        self._made_with = f"{predictor.config.fingerprint}, LIME {run.profile.lime_samples}"
        self._journal = Journal(run.data.products / "pointing.jsonl", fields=SHARES)
        entries = (entry for entry in self._journal.entries if entry["made_with"] == self._made_with)
        self._stored: dict[str, Shares] = {entry["key"]: entry["shares"] for entry in entries}

    def __enter__(self) -> _SharesJournal:
        return self

    def __exit__(self, *error: object) -> None:
        self._journal.__exit__()

    def recall(self, key: str, compute: Callable[[], Shares]) -> Shares:
        """The stored shares of a key, or those that `compute` gives, which are stored."""
        if key not in self._stored:
            self._stored[key] = compute()
            self._journal.add({"made_with": self._made_with, "key": key, "shares": self._stored[key]})
        return self._stored[key]


class _Explainers:
    """All explanations of pictures of one size, with their journal."""

    def __init__(self, run: Run, evidence: PositiveEvidence, journal: _SharesJournal):
        self.evidence, self._samples, self._journal = evidence, run.profile.lime_samples, journal

    def shares(
        self, test: str, pixels: np.ndarray, label: int, areas: np.ndarray, digest: str, with_lime: bool
    ) -> Shares:
        """The shares of the positive evidence for `label` in the areas, by explanation; LIME's if asked for.

        Args:
            test: names test and areas, for the journal.
            digest: sha256 that random masks and weights follow from.
        """
        of, key = (pixels, label, areas, seed_from_digest(digest)), f"{test}, {label}, {sha256(pixels.tobytes())}"
        shares = self._journal.recall(f"heatmaps, {key}", lambda: self.evidence.heatmaps(*of))
        if with_lime:
            shares = shares | self._journal.recall(f"LIME, {key}", lambda: self.evidence.lime(*of, self._samples))
        return shares

    @property
    def candidates(self) -> dict[str, tuple[str, str]]:
        """Name → (method, layer) of the explanations, LIME last."""
        return self.evidence.candidates | {LIME: (LIME, "")}


def pointing_game(run: Run, count: int, lime_count: int) -> tuple[dict, list[dict]]:
    """Play the grid pointing game with test pictures, for the key "mosaics" of metrics/pointing.json.

    It is played twice: with pictures that the classifier gets right with the highest confidence, as in the paper, and
    with all of them.

    Args:
        count: mosaics of each of the two, both classes together; a multiple of eight is taken.
        lime_count: how many of these LIME explains, too.

    Returns:
        {"size", "quarter" (px), "fully_convolutional", "chance", "lime_samples", "pictures", "confident", "all"}, and a
        list of {"path", "error"} for pictures that could not be used. "confident" and "all" are as of
        `summarise_pointing`; "confident" is {"left_out": reason} if there are too few such pictures.

    Raises:
        ValueError: too few mosaics are asked for, or the pictures come from too few sources.
    """
    with Predictor(run.data.model, run.device) as predictor, _SharesJournal(run, predictor) as journal:
        items, fake, errors = _predict(run, predictor, load_items(run.data, "test", count * PICTURES_EACH))
        side = pointing.quarter_side(predictor.model, predictor.size)
        record = {
            "size": 2 * side,
            "quarter": side,
            "fully_convolutional": pointing.fully_convolutional(predictor.model),
            "chance": pointing.CHANCE,
            "lime_samples": run.profile.lime_samples,
            "pictures": len(items),
        }
        with PositiveEvidence(FastClassifier(predictor), 2 * side) as evidence:
            explainers = _Explainers(run, evidence, journal)
            everything = np.arange(len(items))
            record["all"] = _play(run, explainers, items, everything, count, lime_count)
            chosen = pointing.confident(np.array([item.label for item in items]), fake)
            try:
                record["confident"] = _play(run, explainers, items, chosen, count, lime_count)
            except ValueError as error:
                record["confident"] = {"left_out": f"of the confident and right verdicts: {error}"}
    return record, errors


def _predict(run: Run, predictor: Predictor, items: list[Item]) -> tuple[list[Item], np.ndarray, list[dict]]:
    """The readable pictures, their P(fake) float [N], and what was wrong with the others."""
    readable, fake, errors = [], [], []
    for start in tqdm(range(0, len(items), BATCH), desc="verdicts", unit="batch"):
        pictures = []
        for item in items[start : start + BATCH]:
            try:
                pictures.append(_pixels(run.data, item, predictor.size))
                readable.append(item)
            except ImageError as error:
                errors.append({"path": item.path, "error": str(error)})
        if pictures:
            fake.append(predictor.predict_fake(predictor.tensors(to_batch(pictures))).numpy())
    return readable, np.concatenate(fake) if fake else np.empty(0), errors


def _pixels(data: DatasetRoot, item: Item, side: int) -> np.ndarray:
    """uint8 [side, side, 3]: the largest centred square."""
    return np.asarray(square(open_rgb(data.root / item.path), side))


def _play(
    run: Run, explainers: _Explainers, items: list[Item], pool: Sequence[int], count: int, lime_count: int
) -> dict:
    """`summarise_pointing` of the mosaics of a pool of pictures."""
    members = [items[k] for k in pool]
    groups = [item.group for item in members]
    mosaics = pointing.draw_mosaics([item.label for item in members], groups, count, run.seed)
    evidence, rows = explainers.evidence, []
    side = evidence.size // 2
    areas = pointing.quarter_masks(evidence.size)
    with_lime = min(lime_count, len(mosaics)) // pointing.LEAST_MOSAICS * pointing.LEAST_MOSAICS
    for number, mosaic in enumerate(tqdm(mosaics, desc="mosaics", unit="mosaic")):
        pixels = pointing.compose([_pixels(run.data, members[k], side) for k in mosaic.pictures])
        digest = sha256(pixels.tobytes())
        rows.append((mosaic, explainers.shares("mosaic", pixels, mosaic.label, areas, digest, number < with_lime)))
    return pointing.summarise_pointing(rows, explainers.candidates, evidence.chosen, groups, run.seed)


def half_and_half(run: Run, aligned: DatasetRoot, count: int, lime_count: int) -> dict:
    """Explain photographs half of which is a round trip, for the key "halves" of metrics/pointing.json.

    Args:
        aligned: dataset root of photographs with their round trips, a pair in each group.
        count: the largest number of pairs; a multiple of four is taken.
        lime_count: how many of these LIME explains, too.

    Returns:
        {"chance", "split" (of the pairs), "fake": mean P(fake) with intervals of the "photograph", the photograph with
        "half" replaced, with the half "encoded_again", and of the whole "round_trip"}, and what `summarise_halves`
        gives.

    Raises:
        ValueError: the root has too few pairs, or a picture of a pair cannot be used.
    """
    pairs = half.find_pairs(aligned, count, run.seed)
    groups = [pair.photograph.group for pair in pairs]
    prepare_quantized(run)
    with (
        Predictor(run.data.model, run.device) as predictor,
        _SharesJournal(run, predictor) as journal,
        PositiveEvidence(FastClassifier(predictor), predictor.size) as evidence,
    ):
        explainers, fake, shares, controls = _Explainers(run, evidence, journal), [], [], []
        with_lime = min(lime_count, len(pairs)) // len(half.HALVES) * len(half.HALVES)
        for number, pair in enumerate(tqdm(pairs, desc="half-and-half", unit="pair")):
            name = half.HALVES[number % len(half.HALVES)]
            versions = _versions(aligned, pair, name, predictor.size)
            fake.append(predictor.predict_fake(predictor.tensors(to_batch(list(versions.values())))).numpy())
            areas = half.half_mask(predictor.size, name)[None]
            digest = sha256(
                versions["photograph"].tobytes()
            )  # the same masks for both, which makes the pair comparable
            for version, kept in (("half", shares), ("encoded_again", controls)):
                kept.append(explainers.shares(name, versions[version], 1, areas, digest, number < with_lime))
    return {
        "chance": half.CHANCE,
        "split": ", ".join(sorted({pair.photograph.split for pair in pairs})),
        "fake": mean_shares(dict(zip(VERSIONS, np.stack(fake, axis=1))), [0] * len(pairs), groups, run.seed),
        **half.summarise_halves(shares, controls, explainers.candidates, evidence.chosen, groups, run.seed),
    }


def _versions(data: DatasetRoot, pair: half.Pair, name: str, side: int) -> dict[str, np.ndarray]:
    """The four versions of a photograph, uint8 [side, side, 3] each; nothing is encoded after halves are joined."""
    photograph, round_trip = (_pixels(data, item, side) for item in (pair.photograph, pair.round_trip))
    halves = (half.replace_half(photograph, other, name) for other in (round_trip, half.encoded_again(photograph)))
    return dict(zip(VERSIONS, (photograph, *halves, round_trip)))


def measure_pointing(run: Run, count: int, lime_count: int, aligned: DatasetRoot | None) -> tuple[dict, list[dict]]:
    """Both tests, for metrics/pointing.json.

    Args:
        aligned: root of the pairs; None leaves half-and-half out. The others are as for `pointing_game`.

    Returns:
        {"mosaics": of `pointing_game`, "halves": of `half_and_half` or None}, and a list of {"path", "error"}.
    """
    mosaics, errors = pointing_game(run, count, lime_count)
    halves = half_and_half(run, aligned, count, lime_count) if aligned else None
    return {"mosaics": mosaics, "halves": halves}, errors


def describe_pointing(record: dict) -> list[str]:
    """The main results of both tests, a sentence for each.

    Args:
        record: of `measure_pointing`.
    """
    sentences = []
    for pool, words in (("confident", "that it gets right with high confidence"), ("all", "of every kind")):
        if reason := record["mosaics"][pool].get("left_out"):
            sentences.append(f"The pointing game with confident pictures was left out: {reason}.")
            continue
        sentences += [
            f"{row['name']}: in {row['n']} mosaics of pictures {words}, {interval(row['share'], 100, '%')} of the "
            "positive evidence lies in the odd one's quarter; by chance it is 25%."
            for row in _shown(record["mosaics"][pool]["rows"])
        ]
    halves = record["halves"]
    return sentences + [
        f"{row['name']}: in {row['n']} photographs half of which is a round trip, {interval(row['share'], 100, '%')} "
        "of the evidence for class fake lies in that half; where it is only saved again as a JPEG, "
        f"{interval(row['encoded_again'], 100, '%')}."
        for row in (_shown(halves["rows"]) if halves else ())
    ]


def _shown(rows: Iterable[dict]) -> list[dict]:
    """The rows of the heatmap method in use and of LIME."""
    return [row for row in rows if row["chosen"] or row["name"] == LIME]
