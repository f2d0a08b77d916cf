"""The final demonstration: pictures nobody has trained on, with everything that is said about them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from aireal.core.imagefile import decode, find_images, read_bytes, sha256
from aireal.core.run import Run
from aireal.dataset.manifest import load_items
from aireal.evidence.record import CLASSES
from aireal.explain.predictor import Predictor
from aireal.explain.trust import overall, trust
from aireal.figures import panel

from .explain import Explanation, Writer, explain_image


def choose(run: Run, folder: str = "") -> list[tuple[Path, str]]:
    """(file, truth) of the images to show: all of `folder`, else the manifest's proposal images, AI and real in turn.

    The truth is "fake", "real", or "unknown" for a folder of one's own.
    """
    if folder:
        return [(path, "unknown") for path in find_images([Path(folder)])]
    classes: dict[int, list] = {1: [], 0: []}
    for item in load_items(run.data, "proposal"):
        classes[item.label].append((run.data.root / item.path, CLASSES[item.label]))
    turns = [pair for both in zip(classes[1], classes[0]) for pair in both]
    return turns[: run.profile.demo_images]


def demonstrate(run: Run, folder: str = "") -> list[dict]:
    """Explain the images and return a record for each.

    Written are readme_images/N_x.png, N_lime.png and N_panel.png (everything in one), and for the report demo/N_picture.png and N_overlay.png.
    """
    shown = []
    writer = Writer(run.profile.paligemma, run.data.adapter, run.device)
    with Predictor(run.data.model, run.device) as predictor:
        for number, (path, truth) in enumerate(tqdm(choose(run, folder), desc="images", unit="image"), 1):
            data = read_bytes(path)
            found = explain_image(path.name, sha256(data), decode(data), predictor, writer, run.profile.lime_samples)
            figures = run.out / "readme_images"
            panel.save(
                panel.result_figure(found.seen.pixels, found.seen.heatmap, found.seen.record, found.marked),
                figures / f"{number}_x.png",
            )
            if found.lime is None:
                raise ValueError(f"{path.name} cannot be demonstrated: {found.note}; take another picture")
            panel.save(found.figure(), figures / f"{number}_panel.png")
            panel.save(panel.lime_figure(found.seen.pixels, found.lime), figures / f"{number}_lime.png")
            _keep(found, run.out / "demo", number)
            shown.append({"number": number, "truth": truth, **_record(found)})
    return shown


def _keep(found: Explanation, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in (("picture", Image.fromarray(found.seen.pixels)), ("overlay", found.overlay)):
        image.save(folder / f"{number}_{name}.png")


def _record(found: Explanation) -> dict:
    record = found.seen.record
    statements = (overall(trust(record)), *trust(record))
    spoken = {
        f"{name}_{language}": value
        for language in ("ko", "en")
        for name, value in (
            ("verdict", panel.verdict_line(record, language)),
            ("sentence", found.marked[language]),
            ("source", found.sentences[language].source),
            ("features", panel.feature_lines(found.lime, language)),
            ("trust", [f"{panel.MARKER[s.level][0]} {getattr(s, language)}" for s in statements]),
        )
    }
    return {**asdict(record), **spoken}


def show(run: Run, image: dict) -> None:
    """In a notebook: the two figures of one image and what is said about it."""
    from IPython.display import Image, display

    display(Image(run.out / "readme_images" / f"{image['number']}_x.png", width=640))
    for language in ("ko", "en"):
        print(image[f"verdict_{language}"])
        print(f"{image[f'sentence_{language}']}  [{image[f'source_{language}']}]")
    display(Image(run.out / "readme_images" / f"{image['number']}_lime.png", width=640))
    print("\n".join([*image["features_ko"], *image["trust_ko"], *image["trust_en"]]))
