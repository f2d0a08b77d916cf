"""Selection of the heatmap method: methods and layers are scored beside controls that do not depend on the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from aireal.core.statistics import bootstrap, interval
from aireal.explain.gradcam import METHODS, candidate_layers, heatmaps_of

from .occlusion import Predict
from .scores import curve_ends, insertion_deletion, road

GRID = 8  # cells a side, as in the last layer of a ResNet or rexnet at 256 px
SAME_MAPS = 1e-3  # of a map's range; maps that differ by less come from the same formula with other rounding


def blurred_random(count: int, size: int, seed: int) -> np.ndarray:
    """Maps float32 [count, size, size] in 0..1 of uniform random numbers on an 8×8 grid.

    They are enlarged as pytorch-grad-cam enlarges its maps. Blurrier maps score better without holding more
    information, also in ROAD (arXiv:2304.13836), so a control has to be as smooth as the maps that it is compared
    with.
    """
    cells = np.random.default_rng(seed).uniform(size=(count, GRID, GRID)).astype(np.float32)
    maps = np.stack([cv2.resize(grid, (size, size)) for grid in cells])
    low, high = (pick(maps, axis=(1, 2), keepdims=True) for pick in (np.min, np.max))
    return (maps - low) / (high - low)


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which the library's RandomCAM draws, and restore its state afterwards."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


@dataclass
class _Candidate:
    """A method at a layer, with its maps.

    Attributes:
        layer: "" for the blurred random control.
        maps: float32 [B, S, S]; flat maps are replaced by those of the blurred random control.
        usable: bool [B], False where the map was flat.
        seconds: for a picture.
        control: whether it is a control, which cannot be selected.
        same_as: name of an earlier candidate with the same maps.
    """

    method: str
    layer: str
    maps: np.ndarray
    usable: np.ndarray
    seconds: float
    control: bool = False
    same_as: str | None = None

    @property
    def name(self) -> str:
        return f"{self.method} at {self.layer}" if self.layer else self.method


def select_heatmap(
    model: nn.Module,
    images: torch.Tensor,
    predict: Predict,
    labels: Sequence[int],
    groups: Sequence[str],
    seed: int,
    methods: Sequence[str] = tuple(METHODS),
    layers: Sequence[str] = (),
    stored_scores: MutableMapping[str, list] | None = None,
) -> dict:
    """Score each method at each layer by ROAD combined and by insertion and deletion, beside two controls.

    The controls are RandomCAM and a blurred random map. Plain Grad-CAM at the default layer stays unless the ROAD of
    another candidate is higher beyond chance: the paired 95% interval of the difference lies above 0. Of several such
    candidates the one with the highest ROAD is selected. A picture whose map is flat is scored with the blurred random
    map, so that a method gains nothing where its map holds nothing. A candidate whose maps equal those of an earlier
    one (HiResCAM and XGradCAM before global pooling) is not scored again.

    Args:
        model: with two outputs (real, fake).
        images: validation pictures, normalised float [B, 3, S, S].
        predict: P(fake) of such pictures.
        labels: [B], the verdicts that the maps explain.
        groups: [B], the sources of the pictures, for the bootstrap.
        methods: keys of `gradcam.METHODS`.
        layers: of `gradcam.candidate_layers`; empty for all.
        stored_scores: scores by the name of the candidate. They are not computed again, and new ones are added as soon
            as they are computed.

    Returns:
        {"rows": [{"method", "layer", "control", "same_as", "road", "insertion", "deletion", "gap" (insertion less
        deletion), "difference" (ROAD less that of the better control), "over_plain" (ROAD less that of plain Grad-CAM),
        "flat" (number of pictures), "seconds" (for a picture)}], "winner": {"method", "layer"}, "beats_controls",
        "words", "n", "groups", "seed"}. Scores are estimates with 95% intervals. Each draw of the bootstrap picks the
        better control anew, because the better of two controls is higher than either by chance alone.
    """
    candidates = _candidates(model, images, labels, seed, methods, layers or candidate_layers(model))
    scored = [candidate for candidate in candidates if candidate.same_as is None]
    scores = _scores(predict, images, labels, scored, seed, {} if stored_scores is None else stored_scores)
    estimates = _estimates(scores, scored, labels, groups, seed)
    by_name = {candidate.name: estimate for candidate, estimate in zip(scored, estimates)}
    rows = [
        {
            "method": c.method,
            "layer": c.layer,
            "control": c.control,
            "same_as": c.same_as,
            **by_name[c.same_as or c.name],
            "flat": int((~c.usable).sum()),
            "seconds": round(c.seconds, 4),
        }
        for c in candidates
    ]
    winner = _winner(rows)
    return {
        "rows": rows,
        "winner": {"method": winner["method"], "layer": winner["layer"]},
        "beats_controls": winner["difference"]["low"] > 0,
        "words": {"choice": _choice_words(rows, winner), "controls": _controls_words(winner, len(images))},
        "n": len(images),
        "groups": len(set(groups)),
        "seed": seed,
    }


def keep_plain(selection: dict) -> dict:
    """A record of `select_heatmap` with plain Grad-CAM in place of its winner, which failed the sanity check."""
    plain, words = selection["rows"][0], selection["words"]
    why = " But its maps depend too little on the learnt weights (sanity check), so plain Grad-CAM stays."
    return selection | {
        "winner": {"method": plain["method"], "layer": plain["layer"]},
        "beats_controls": plain["difference"]["low"] > 0,
        "words": {"choice": words["choice"] + why, "controls": _controls_words(plain, selection["n"])},
    }


def _candidates(
    model: nn.Module,
    images: torch.Tensor,
    labels: Sequence[int],
    seed: int,
    methods: Sequence[str],
    layers: Sequence[str],
) -> list[_Candidate]:
    """All candidates, plain Grad-CAM first, and the controls last."""
    plain = ("gradcam", candidate_layers(model)[0])
    pairs = dict.fromkeys([plain, *((method, layer) for layer in layers for method in methods)])
    candidates = [_Candidate(*pair, *_timed(model, images, labels, *pair)) for pair in pairs]
    with numpy_seed(seed):
        random_cam = ("randomcam", plain[1])
        candidates.append(_Candidate(*random_cam, *_timed(model, images, labels, *random_cam), control=True))
    blurred = blurred_random(len(images), images.shape[-1], seed)
    candidates.append(_Candidate("blurred random", "", blurred, np.ones(len(images), bool), 0.0, control=True))
    for k, candidate in enumerate(candidates):
        candidate.maps = np.where(candidate.usable[:, None, None], candidate.maps, blurred)
        candidate.same_as = next((c.name for c in candidates[:k] if _same_maps(c, candidate)), None)
    return candidates


def _same_maps(earlier: _Candidate, candidate: _Candidate) -> bool:
    """Whether the earlier candidate is scored and both have the same maps."""
    if earlier.same_as is not None or (earlier.usable != candidate.usable).any():
        return False
    return bool(np.abs(earlier.maps - candidate.maps).max() < SAME_MAPS)


def _timed(
    model: nn.Module, images: torch.Tensor, labels: Sequence[int], method: str, layer: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Maps, which of them are usable, and the seconds for a picture."""
    began = time.perf_counter()
    maps, usable = heatmaps_of(model, images, labels, images.shape[-1], method, layer)
    return maps, usable, (time.perf_counter() - began) / len(images)


def _scores(
    predict: Predict,
    images: torch.Tensor,
    labels: Sequence[int],
    candidates: list[_Candidate],
    seed: int,
    stored_scores: MutableMapping[str, list],
) -> dict[str, np.ndarray]:
    """The scores by name, float [candidates, B] each."""
    ends = curve_ends(predict, images, labels)
    for candidate in tqdm(candidates, desc="heatmaps scored", unit="map"):
        if candidate.name not in stored_scores:
            road_scores = road(predict, images, candidate.maps, labels, seed=seed)
            insertion, deletion = insertion_deletion(predict, images, candidate.maps, labels, ends=ends)
            scores = (road_scores, insertion, deletion, insertion - deletion)
            stored_scores[candidate.name] = [score.tolist() for score in scores]
    by_score = np.swapaxes([stored_scores[candidate.name] for candidate in candidates], 0, 1)
    return dict(zip(("road", "insertion", "deletion", "gap"), by_score))


def _estimates(
    scores: dict[str, np.ndarray], candidates: list[_Candidate], labels: Sequence[int], groups: Sequence[str], seed: int
) -> list[dict]:
    """The estimates of each candidate, from one bootstrap of all, so that differences are paired."""
    controls = [k for k, candidate in enumerate(candidates) if candidate.control]
    names = (*scores, "difference", "over_plain")

    def statistic(index: np.ndarray) -> dict[tuple[int, str], float]:
        means = {name: values[:, index].mean(axis=1) for name, values in scores.items()}
        means["difference"] = means["road"] - means["road"][controls].max()
        means["over_plain"] = means["road"] - means["road"][0]
        return {(k, name): means[name][k] for k in range(len(candidates)) for name in names}

    estimates = bootstrap(statistic, np.zeros(len(groups), int), groups, seed)
    return [{name: estimates[k, name] for name in names} for k in range(len(candidates))]


def _winner(rows: list[dict]) -> dict:
    """The row of the highest ROAD among those that exceed plain Grad-CAM beyond chance; else plain Grad-CAM's row."""
    better = [row for row in rows if not row["control"] and row["same_as"] is None and row["over_plain"]["low"] > 0]
    return max(better, key=lambda row: row["road"]["value"], default=rows[0])


def _choice_words(rows: list[dict], winner: dict) -> str:
    """A sentence about the selection."""
    if winner is rows[0]:
        count = sum(not row["control"] and row["same_as"] is None for row in rows)
        return (
            f"Plain Grad-CAM at {winner['layer']} stays: no other of {count} candidates has a ROAD that is higher "
            "beyond its 95% interval."
        )
    return (
        f"{winner['method']} at {winner['layer']} is selected: its ROAD is higher than that of plain Grad-CAM "
        f"by {interval(winner['over_plain'])}."
    )


def _controls_words(row: dict, n: int) -> str:
    """A sentence about a candidate and its controls, as `n` pictures show them."""
    gain = interval(row["difference"])
    if row["difference"]["low"] > 0:
        return f"It beats both controls: its ROAD is higher than that of the better one by {gain}."
    return (
        f"{n} pictures do not show that it beats the controls: its ROAD less that of the better one is {gain}. "
        "Read the heatmap as a hint only."
    )
