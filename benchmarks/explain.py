"""How much one working object a picture saves: `Explainer.explain` against the same steps that each prepare the picture
again.

    python benchmarks/explain.py [--images 24]

Both arms give the same records. In the second arm each step prepares what it needs, as separate calls do: the occlusion
test of the region, LIME's classifier and LIME each compute superpixels, the first two also try the 8-bit classifier,
and PaliGemma's input and the panel's heatmap are composed one by one. Sentences and drawing cost the same in both and
are left out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from common import BaseOptions, alternate, command, in_turn, seconds, speedup
from report import finish

from aireal.core.device import precision
from aireal.core.imagefile import decode, read_bytes, sha256
from aireal.core.run import start
from aireal.dataset.manifest import load_items
from aireal.evidence.record import EvidenceRecord
from aireal.explain.complete_record import add_lime, measure_region
from aireal.explain.gradcam import overlay
from aireal.explain.lime.perturb import superpixels_or_none
from aireal.explain.working_picture import WorkingPicture
from aireal.stages.explainer import Explainer, open_explainer

ONCE, AGAIN = "prepared once", "prepared for each step"


@dataclass
class Options(BaseOptions):
    images: int = 24  # test pictures, of both classes in turn
    repeats: int = 2  # rounds of both arms on each picture


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    items = in_turn(load_items(run.data, "test", -(-options.images // 2)))[: options.images]
    timings: dict[str, list[float]] = {ONCE: [], AGAIN: []}
    problems = []
    with open_explainer(run, captions=False) as explainer:
        eight_bit = explainer.fast.quantized is not None
        explainer.explain(run.data.root / items[0].path)  # the first picture allocates
        for item in items:
            records, taken = compare(explainer, run.data.root / item.path, options.repeats)
            for name in timings:
                timings[name].append(taken[name])
            if asdict(records[ONCE]) != asdict(records[AGAIN]):
                problems.append(f"the records of {item.path} differ")
    metrics = {
        "precision": precision(run.device),
        "images": len(items),
        "repeats": options.repeats,
        "int8": eight_bit,
        "seconds": {name: round(float(np.mean(values)), 3) for name, values in timings.items()},
        "speedup": {AGAIN: speedup(timings[AGAIN], timings[ONCE])},
    }
    return finish(run, options.out, "benchmark_explain", metrics, problems)


def compare(explainer: Explainer, path: Path, repeats: int) -> tuple[dict[str, EvidenceRecord], dict[str, float]]:
    """The records of one picture by both arms, and each arm's least seconds."""
    records: dict[str, EvidenceRecord] = {}

    def run_arm(name: str) -> float:
        arm = prepared_once if name == ONCE else prepared_again
        return seconds(lambda: records.update({name: arm(explainer, path)}))

    rounds = alternate({name: lambda _, name=name: run_arm(name) for name in (ONCE, AGAIN)}, repeats)
    return records, {name: min(values) for name, values in rounds.items()}


def prepared_once(explainer: Explainer, path: Path) -> EvidenceRecord:
    explanation = explainer.explain(path)
    _ = explanation.picture.overlay  # for the panel
    return explanation.record


def prepared_again(explainer: Explainer, path: Path) -> EvidenceRecord:
    data = read_bytes(path)
    prediction = explainer.predictor.predict([path.name], [decode(data)])[0]

    def prepare() -> WorkingPicture:
        return WorkingPicture(prediction, sha256(data), explainer.fast)

    record = measure_region(prepare())
    for _ in range(3):  # for PaliGemma, for the panel, and for the file beside it
        overlay(prediction.pixels, prediction.heatmap)
    superpixels_or_none(prediction.pixels)  # LIME's own, beside those of its classifier's trial
    return add_lime(prepare(), record, explainer.lime_samples).record


if __name__ == "__main__":
    command(main, Options, __doc__)
