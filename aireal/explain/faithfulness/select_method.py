"""Selection of the heatmap: every method and layer is scored against controls that know nothing of the verdict."""

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
from .scores import ends, insertion_deletion, road

GRID = 8  # cells a side, as the last layer of a ResNet or rexnet has them at 256 px


def blurred_random(count: int, size: int, seed: int) -> np.ndarray:
    """Maps float32 [count, size, size] in 0..1 of uniform random numbers on an 8×8 grid, enlarged as the library enlarges its maps.

    Blurrier maps score better, in ROAD too, without telling more (2304.13836), so a control must be as smooth as the maps it controls.
    """
    cells = np.random.default_rng(seed).uniform(size=(count, GRID, GRID)).astype(np.float32)
    maps = np.stack([cv2.resize(c, (size, size)) for c in cells])
    low, high = (pick(maps, axis=(1, 2), keepdims=True) for pick in (np.min, np.max))
    return (maps - low) / (high - low)


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """numpy's global generator, which the library's RandomCAM draws from, seeded inside and as before outside."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


ALIKE = 1e-3  # of a map's range: maps that differ by less come from the same formula, rounded otherwise


@dataclass
class _Candidate:
    """A method at a layer (a control has no layer of its own to choose), its maps, which of them are no maps, and seconds a picture."""

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
    known: MutableMapping[str, list] | None = None,
) -> dict:
    """Score each method at each layer by ROAD combined and by insertion and deletion, beside RandomCAM and a blurred random map.

    Plain Grad-CAM at the default layer stays unless another one's ROAD is higher by more than chance explains: the paired 95% interval
    of the difference lies above 0; of several such, the one with the highest ROAD is taken. A picture whose map is flat is scored with the
    blurred random map, since who is shown nothing can only guess; then a method gains nothing where it says nothing. A candidate whose maps
    equal an earlier one's (HiResCAM and XGradCAM before global pooling) is not scored again.

    Args:
        model: two outputs (real, fake); images: validation pictures, normalised float [B, 3, S, S]; predict: P(fake) of such pictures.
        labels: the verdicts [B], which the maps explain; groups: the pictures' sources [B], for the bootstrap.
        methods, layers: of `gradcam.METHODS` and `gradcam.candidate_layers` (empty: all).
        known: scores of candidates by name, which are not computed again; new ones are put in as they come.

    Returns:
        "rows": [{"method", "layer", "control", "same_as", "road", "insertion", "deletion", "gap" (insertion less deletion), "difference"
            (ROAD less the better control's), "over_plain" (ROAD less plain Grad-CAM's), "flat" (pictures), "seconds" (a picture)}],
            estimates with 95% intervals; "winner": {"method", "layer"}; "beats_controls"; "words"; "n", "groups", "seed".
        In each draw of the bootstrap the better control is looked for anew, so that having two of them is not held for knowledge.
    """
    candidates = _candidates(model, images, labels, seed, methods, layers or candidate_layers(model))
    scored = [c for c in candidates if c.same_as is None]
    scores = _scores(predict, images, labels, scored, seed, {} if known is None else known)
    found = _estimates(scores, scored, labels, groups, seed)
    by_name = {c.name: f for c, f in zip(scored, found)}
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
    beats = winner["difference"]["low"] > 0
    return {
        "rows": rows,
        "winner": {"method": winner["method"], "layer": winner["layer"]},
        "beats_controls": beats,
        "words": _words(rows, winner),
        "n": len(images),
        "groups": len(set(groups)),
        "seed": seed,
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
    wanted = dict.fromkeys([plain, *((method, layer) for layer in layers for method in methods)])
    found = [_Candidate(method, layer, *_timed(model, images, labels, method, layer)) for method, layer in wanted]
    with numpy_seed(seed):
        found.append(
            _Candidate("randomcam", plain[1], *_timed(model, images, labels, "randomcam", plain[1]), control=True)
        )
    guess = blurred_random(len(images), images.shape[-1], seed)
    found.append(_Candidate("blurred random", "", guess, np.ones(len(images), bool), 0.0, control=True))
    for k, candidate in enumerate(found):
        candidate.maps = np.where(candidate.usable[:, None, None], candidate.maps, guess)
        twins = [
            c.name
            for c in found[:k]
            if c.same_as is None
            and (c.usable == candidate.usable).all()
            and np.abs(c.maps - candidate.maps).max() < ALIKE
        ]
        candidate.same_as = twins[0] if twins else None
    return found


def _timed(
    model: nn.Module, images: torch.Tensor, labels: Sequence[int], method: str, layer: str
) -> tuple[np.ndarray, np.ndarray, float]:
    began = time.perf_counter()
    maps, usable = heatmaps_of(model, images, labels, images.shape[-1], method, layer)
    return maps, usable, (time.perf_counter() - began) / len(images)


def _scores(
    predict: Predict,
    images: torch.Tensor,
    labels: Sequence[int],
    candidates: list[_Candidate],
    seed: int,
    known: MutableMapping[str, list],
) -> dict[str, np.ndarray]:
    """Each score, float [candidates, B]."""
    ended = ends(predict, images, labels)
    for candidate in tqdm(candidates, desc="heatmaps scored", unit="map"):
        if candidate.name not in known:
            insertion, deletion = insertion_deletion(predict, images, candidate.maps, labels, known=ended)
            known[candidate.name] = [
                s.tolist()
                for s in (
                    road(predict, images, candidate.maps, labels, seed=seed),
                    insertion,
                    deletion,
                    insertion - deletion,
                )
            ]
    return dict(
        zip(
            ("road", "insertion", "deletion", "gap"),
            np.swapaxes([known[candidate.name] for candidate in candidates], 0, 1),
        )
    )


def _estimates(
    scores: dict[str, np.ndarray], candidates: list[_Candidate], labels: Sequence[int], groups: Sequence[str], seed: int
) -> list[dict]:
    """The figures of each candidate; all are drawn together, in one bootstrap, so that differences are paired."""
    controls = [k for k, c in enumerate(candidates) if c.control]
    figures = (*scores, "difference", "over_plain")

    def statistic(index: np.ndarray) -> dict[tuple[int, str], float]:
        means = {name: values[:, index].mean(axis=1) for name, values in scores.items()}
        means["difference"] = means["road"] - means["road"][controls].max()
        means["over_plain"] = means["road"] - means["road"][0]
        return {(k, name): means[name][k] for k in range(len(candidates)) for name in figures}

    found = bootstrap(statistic, np.asarray(labels), groups, seed)
    return [{name: found[k, name] for name in figures} for k in range(len(candidates))]


def _winner(rows: list[dict]) -> dict:
    better = [row for row in rows if not row["control"] and row["same_as"] is None and row["over_plain"]["low"] > 0]
    return max(better, key=lambda row: row["road"]["value"], default=rows[0])


def _words(rows: list[dict], winner: dict) -> dict[str, str]:
    """One sentence about the choice and one about the controls."""
    name, compared = (
        f"{winner['method']} at {winner['layer']}",
        sum(not r["control"] and r["same_as"] is None for r in rows),
    )
    if winner is rows[0]:
        choice = f"Plain Grad-CAM at {winner['layer']} stays: of {compared} candidates no other has a higher ROAD by more than its 95% interval explains."
    else:
        choice = f"{name} is chosen: its ROAD is higher than plain Grad-CAM's by {interval(winner['over_plain'])}."
    gain = interval(winner["difference"])
    if winner["difference"]["low"] > 0:
        return {
            "choice": choice,
            "controls": f"It beats both controls: its ROAD is higher than the better one's by {gain}.",
        }
    return {
        "choice": choice,
        "controls": f"It does not beat the controls: its ROAD less the better one's is {gain}; read the heatmap as a hint only.",
    }
