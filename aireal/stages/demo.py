"""The final demonstration: full explanations of pictures that no stage was trained on."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from aireal.captions.table import Rows
from aireal.core.files import write_atomic
from aireal.core.imagefile import decode, encode, read_bytes
from aireal.core.picture_files import find_images
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES
from aireal.explain.predictor import Predictor
from aireal.explain.trust import overall, trust
from aireal.figures import panel

from .demo_rule import choose_in_turn, kinds_of
from .explainer import Explanation, open_explainer
from .notebook_tables import escape, feature_table, show_markdown, show_table, text_table, trust_table
from .predict_testset import caption_split

CANDIDATES = 8  # pictures that are predicted for each one shown: enough to find a wrong verdict, and done in seconds


def find_candidates(run: Run, folder: str = "") -> list[tuple[Path, str]]:
    """(file, truth) of the pictures that may be shown, in order of name.

    They are all pictures of `folder`, with the truth "unknown". Without a folder they are the first proposal images of
    the manifest, AI and real in turn, with the truth "fake" or "real". A dataset without proposals gives test pictures
    whose sources PaliGemma was not trained on.

    Raises:
        ValueError: there are no such pictures.
    """
    if folder:
        return [(path, "unknown") for path in find_images([Path(folder)])]
    by_label: dict[int, list] = {1: [], 0: []}
    for item in sorted(_unseen_items(run), key=lambda item: item.path):
        by_label[item.label].append((run.data.root / item.path, CLASSES[item.label]))
    alternating = [pair for both in zip_longest(by_label[1], by_label[0]) for pair in both if pair]
    if not alternating:
        raise ValueError(f"{run.data.root.name} has no test pictures to demonstrate on: set images to a folder of some")
    return alternating[: run.profile.demo_images * CANDIDATES]


def select_pictures(candidates: list[tuple[Path, str]], predictor: Predictor, count: int) -> list[tuple[Path, str]]:
    """At most `count` of the candidates, by the verdicts on them (`demo_rule`).

    Raises:
        ValueError: a candidate is no usable picture; the message is one sentence.
    """
    records = [predictor.predict([path.name], [decode(read_bytes(path))])[0].record for path, _ in candidates]
    kinds = kinds_of(records, (truth for _, truth in candidates))
    return [candidates[place] for place in choose_in_turn(kinds, count)]


def _unseen_items(run: Run) -> list[Item]:
    """Proposals, or else test pictures: of sources that PaliGemma was not trained on, if there are any."""
    items = load_items(run.data)
    if proposals := [item for item in items if item.split == "proposal"]:
        return proposals
    splits = {row.image: row.split for row in Rows(run.data.table)} if run.data.table.is_file() else {}
    tests = [item for item in items if item.split == "test"]
    unseen = [item for item in tests if splits.get(item.path, caption_split(item.group)) == "test"]
    which = " that PaliGemma was not trained on" if unseen else ", and PaliGemma was trained on their sources"
    print(f"{run.data.root.name} has no proposal images, so test pictures are shown{which}")
    return unseen or tests


def demonstrate(run: Run, folder: str = "") -> list[dict]:
    """Explain pictures of a folder, or those that the rule chooses; write their figures and return a dict for each.

    The figures are readme_images/N_x.png, N_lime.png, N_overview.png (pictures and sentences) and N_panel.png
    (everything in one), and for the report demo/N_picture.png and demo/N_overlay.png. A picture without a heatmap has
    no overlay, and one that LIME cannot explain has neither N_lime.png nor features.
    """
    entries = []
    with open_explainer(run) as explainer:
        pictures = find_candidates(run, folder)
        if not folder:
            pictures = select_pictures(pictures, explainer.predictor, run.profile.demo_images)
        for number, (path, truth) in enumerate(tqdm(pictures, desc="images", unit="image"), 1):
            explanation = explainer.explain(path)
            _save_figures(explanation, run.out, number)
            entries.append({"number": number, "truth": truth, **_entry(explanation)})
    return entries


def _save_figures(explanation: Explanation, out: Path, number: int) -> None:
    figures, picture = out / "readme_images", explanation.picture
    verdict = (picture.pixels, picture.heatmap, explanation.record, explanation.marked_texts)
    panel.save(panel.result_figure(*verdict), figures / f"{number}_x.png")
    explanation.save_panel(figures / f"{number}_panel.png")
    panel.save(panel.overview_figure(*verdict, explanation.lime), figures / f"{number}_overview.png")
    lime_file, overlay_file = figures / f"{number}_lime.png", out / "demo" / f"{number}_overlay.png"
    for path in (lime_file, overlay_file):
        path.unlink(missing_ok=True)  # of an earlier run
    if explanation.lime:
        panel.save(panel.lime_figure(picture.pixels, explanation.lime), lime_file)
    write_atomic(out / "demo" / f"{number}_picture.png", encode(Image.fromarray(picture.pixels), "PNG"))
    if explanation.overlay:
        write_atomic(overlay_file, encode(explanation.overlay, "PNG"))


def _entry(explanation: Explanation) -> dict:
    """The record and all texts of one picture, with the language at the end of the key."""
    record = explanation.record
    statements = (overall(trust(record)), *trust(record))
    texts = {
        f"{name}_{language}": value
        for language in ("ko", "en")
        for name, value in (
            ("verdict", panel.verdict_line(record, language)),
            ("sentence", explanation.marked_texts[language]),
            ("source", explanation.sentences[language].source),
            ("features", panel.feature_lines(explanation.lime, language) if explanation.lime else []),
            ("trust", [f"{panel.MARKER[s.level][0]} {getattr(s, language)}" for s in statements]),
        )
    }
    figure = {"overview": True}  # N_overview.png is among its figures; runs before it have none
    return {**record.to_dict(), **texts, **figure, **({"note": explanation.note} if explanation.note else {})}


def show(run: Run, entry: dict) -> None:
    """In a notebook: the figures of one picture, and tables of its texts, of LIME's list and of the trust in both."""
    from IPython.display import Image, display

    show_markdown(f"### {entry['number']} · {escape(entry['image'])}")
    display(Image(run.out / "readme_images" / f"{entry['number']}_x.png", width=640))
    show_table(text_table(entry))
    if entry["lime"]:
        display(Image(run.out / "readme_images" / f"{entry['number']}_lime.png", width=640))
        show_table(feature_table(entry))
    if "note" in entry:
        show_markdown(escape(entry["note"]))
    show_table(trust_table(entry))
