"""Model and dataset cards in the hub's format, rendered from `metrics/` and the manifest, never typed.

The header is the YAML that the hub reads (licence, languages, evaluation results); the body follows Mitchell et al. 2019, "Model Cards for Model
Reporting", and Gebru et al. 2021, "Datasheets for Datasets".
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from aireal.config import DatasetRoot, project_url
from aireal.core.files import write_atomic
from aireal.core.statistics import interval
from aireal.dataset.manifest import Item, load_items
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.grounding import grounding_table
from aireal.reporting.tables.table import Table

from .readme import audit_block, classifiers_block, read_metrics, sentence_table

EMBEDDED = "embedded"  # the PaliGemma of this repository, as `metrics/paligemma.json` names it
HUB_METRICS = {
    "auroc": ("roc_auc", "AUROC"),
    "average_precision": ("average_precision", "average precision"),
    "accuracy": ("accuracy", "accuracy"),
}
HUB_LICENCES = {
    "MIT": "mit",
    "GPL-2+": "gpl-2.0",
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-SA-3.0": "cc-by-sa-3.0",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # above: 1M<n<10M


def write_cards(metrics: Path, root: Path, folder: Path) -> list[Path]:
    """Write `model_card.md` and `dataset_card.md` into a folder and return their paths.

    Raises:
        ValueError: as `model_card` and `dataset_card`.
    """
    texts = {"model_card.md": model_card(metrics), "dataset_card.md": dataset_card(root, metrics)}
    return [write_atomic(folder / name, text.encode()) for name, text in texts.items()]


# --- the model ---------------------------------------------------------------------------------------------------------


def model_card(metrics: Path) -> str:
    """The card (the hub's README.md) of the classifier and, where it was trained, of PaliGemma's adapter.

    Args:
        metrics: a folder of metrics files; stages that have none are named with the command that makes them.

    Raises:
        ValueError: the folder has no figures of the classifier.
    """
    found = read_metrics(metrics)
    if "resnet34" not in found:
        raise ValueError(
            f"{metrics} has no resnet34.json, and a model card needs the classifier's figures: run notebook 03 (or `make demo`) first"
        )
    sections = (_what(found), _use(), _scope(found), _figures(found), _limits(found), _made(found), _licence(found))
    return (
        f"---\n{_model_header(found).to_yaml()}\n---\n\n# aireal: {found['resnet34']['architecture']}, explained\n\n"
        + "\n".join(sections)
    )


def _base(found: dict) -> str | None:
    """The hub's id of the PaliGemma that the adapter belongs to, if there is an adapter and it is not the embedded one's."""
    name = found.get("paligemma", {}).get("model", EMBEDDED)
    return None if name == EMBEDDED else name


def _model_header(found: dict) -> ModelCardData:
    base, test = _base(found), found["resnet34"]["test"]
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type="imagefolder",
            dataset_name="test split of the dataset root",
            dataset_split="test",
            metric_type=kind,
            metric_name=f"{name} (95% interval {test[key]['low']:.3f} to {test[key]['high']:.3f})",
            metric_value=test[key]["value"],
        )
        for key, (kind, name) in HUB_METRICS.items()
    ]
    return ModelCardData(
        language=["en", "ko"],
        license="gemma" if base else "mit",
        library_name="aireal",
        pipeline_tag="image-classification",
        base_model=base,
        tags=["ai-generated-image-detection", "explainability", "grad-cam", "lime", "paligemma", "lora"],
        model_name="aireal",
        eval_results=results,
    )


def _what(found: dict) -> str:
    report = found["resnet34"]
    lines = [
        f"- `classifier/`: {report['architecture']} with its calibration, starting from {report['initial_weights']} weights; "
        "it tells AI images (label 1) from photographs (label 0) and gives the verdict's calibrated probability. "
        f"Input: RGB, {report['cost']['image_size']} px square."
    ]
    if "paligemma" in found:
        name = _base(found) or "the embedded small PaliGemma of the project"
        lines.append(
            f"- `adapter/`: LoRA for {name}, which writes one sentence in Korean or English about a Grad-CAM overlay. "
            "Class and number come from the classifier through the prompt; only the region is the model's own reading."
        )
        lines.append("- `processor/`: tokenizer and picture settings of that PaliGemma.")
    lines.append("- `metrics/`: the figures below, with versions, seed and device.")
    return (
        "Tells AI-made images from photographs and explains each verdict in a way that can be checked.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _use() -> str:
    return f"""## How to use it

```
git clone {project_url()} aireal && cd aireal
pip install -r requirements.txt -e .
python -m aireal explain PICTURE --root ROOT
```

ROOT is a dataset root: `classifier/` goes to its `data/model/`, `adapter/` to its `data/paligemma_lora/`. The output is a figure and a JSON line:
verdict, probability, heatmap, LIME's superpixels, the sentence, and how far to trust all that.
"""


def _scope(found: dict) -> str:
    test = found["resnet34"]["test"]
    called_fake, called_real = (_errors(test[key]) for key in ("accuracy_real", "accuracy_fake"))
    return f"""## Intended use

Research and teaching about detectors and their explanations: comparing explanations, measuring whether they hold, and showing why a detector can be wrong.

## Out of scope

- **Proof.** On the test images {called_fake} of photographs are called AI-made and {called_real} of AI images real. Nobody may be accused, and no content
  removed, on such a verdict.
- Pictures of generators and subjects that were not in training, edited photographs, screenshots, drawings: not known, and likely worse.
- Saying *what* in a picture is artificial. A heatmap tells where the verdict comes from, not where an artefact is.
- People: nothing was measured about faces, or about groups of people.
"""


def _errors(accuracy: dict) -> str:
    return interval(
        {"value": 1 - accuracy["value"], "low": 1 - accuracy["high"], "high": 1 - accuracy["low"]}, 100, "%"
    )


def _figures(found: dict) -> str:
    parts = [
        (
            "The classifier beside its baselines",
            ("resnet34",),
            classifiers_block,
            "python -m aireal demo --only 01 02 03",
        ),
        ("What it may be cheating with", ("audit",), audit_block, "python -m aireal demo --only 03"),
        (
            "Do the explanations hold?",
            ("heatmap", "explanations"),
            lambda *of: explanation_table(*of).markdown(),
            "python -m aireal demo --only 04",
        ),
        (
            "Do the sentences say what was measured?",
            ("paligemma",),
            lambda *of: sentence_table(*of).markdown() + "\n" + grounding_table(*of).markdown(),
            "python -m aireal demo --only 05 06",
        ),
    ]
    texts = [
        f"### {title}\n\n"
        + (make(found, "en") if set(needs) <= set(found) else f"Not measured for this model; `{command}` does.\n")
        for title, needs, make, command in parts
    ]
    return "## Figures\n\nIn brackets 95% intervals.\n\n" + "\n".join(texts)


def _limits(found: dict) -> str:
    test = found["resnet34"]["test"]
    return f"""## Limits

- The test has {test["n"]:,} images of {test["groups"]:,} sources; the intervals say what that is worth. They cover the choice of test images, not the
  chance in training.
- What the audit suspects, the network may use: simple statistics of colour or frequency are no traces of AI as such.
- Calibration, threshold and uncertain band were fitted on the validation split of the same dataset and do not carry over to other pictures.
- LIME's weights come from a linear surrogate; each explanation says how much of the probability's variation that holds.
"""


def _made(found: dict) -> str:
    report = found["resnet34"]
    trained = f"{report['images_seen']:,} images seen in {report['training_seconds']:.0f} s on {report['device']}, seed {report['seed']}"
    tools = ", ".join(
        f"{name} {report['versions'][name]}" for name in ("python", "torch", "timm") if name in report["versions"]
    )
    lines = [f"- classifier: {trained}; {tools}; profile `{report['profile']}`"]
    if adapter := found.get("paligemma"):
        lines.append(
            f"- adapter: {adapter['steps']:,} steps in {adapter['training_seconds']:.0f} s on {adapter['device']}, seed {adapter['seed']}"
        )
    return (
        "## How it was made\n\n"
        + "\n".join(lines)
        + "\n\nSelection (epoch, calibration, uncertain band) used validation images alone.\n"
    )


def _licence(found: dict) -> str:
    base = _base(found)
    terms = (
        (
            f"The adapter is a derivative of {base} and falls under the Gemma Terms of Use (https://ai.google.dev/gemma/terms), "
            "which you accept on its page on the hub. The classifier and the code are MIT."
        )
        if base
        else "MIT, code and weights."
    )
    return f"## Licence\n\n{terms} The pictures it was trained on have licences of their own: see the dataset card.\n"


# --- the dataset -------------------------------------------------------------------------------------------------------


def dataset_card(root: Path, metrics: Path | None = None) -> str:
    """The card (the hub's README.md) of a dataset root.

    Args:
        root: a dataset root, with or without a manifest.
        metrics: a folder whose audit.json is about this root; None leaves the audit out.

    Raises:
        ValueError: there are no images in the root.
    """
    items = load_items(DatasetRoot.at(root))
    found = read_metrics(metrics) if metrics else {}
    sections = [_contents(items), _fields(DatasetRoot.at(root)), _sources(items), _audited(found), _consider(items)]
    return f"---\n{_dataset_header(items).to_yaml()}\n---\n\n# Real photographs and AI images\n\n" + "\n".join(
        filter(None, sections)
    )


def _dataset_header(items: list[Item]) -> DatasetCardData:
    licences = sorted({HUB_LICENCES.get(i.licence, "other" if i.licence else "unknown") for i in items})
    size = next((name for limit, name in SIZES if len(items) < limit), "1M<n<10M")
    return DatasetCardData(
        license=licences if len(licences) > 1 else licences[0],
        pretty_name="Real photographs and AI images",
        task_categories=["image-classification"],
        size_categories=[size],
        tags=["ai-generated-image-detection"],
        configs=[
            {
                "config_name": "default",
                "drop_labels": False,
                "data_files": [{"split": "train", "path": "data/train/**"}, {"split": "test", "path": "test/**"}],
            }
        ],
    )


def _contents(items: list[Item]) -> str:
    splits = [s for s in ("train", "val", "test", "proposal") if any(i.split == s for i in items)]
    rows = []
    for split in splits:
        classes = [[i for i in items if i.split == split and i.label == label] for label in (0, 1)]
        rows.append([f"`{split}`", *(f"{len(part):,} of {len({i.group for i in part}):,} sources" for part in classes)])
    shown = sum(i.split == "proposal" for i in items)
    shared = len({(i.group, i.split) for i in items}) - len({i.group for i in items})
    said = (
        f"{shared:,} sources are in more than one split; `dataset check` names them."
        if shared
        else "No source picture or video is in two splits."
    )
    total = f"{len(items) - shown:,} images to train, choose and test with" + (
        f", and {shown:,} to demonstrate" if shown else ""
    )
    return f"{total}. {said}\n\n" + _table(["split", "photographs (`0_real`)", "AI images (`1_fake`)"], rows)


def _fields(data: DatasetRoot) -> str:
    folders = (
        "## How it lies on disk\n\nThe folder is the label: `data/train/{0_real,1_fake}` and `test/{0_real,1_fake}`."
    )
    if not data.manifest.is_file():
        return f"{folders} There is no manifest; a fifth of the training sources is used as `val`.\n"
    return (
        folders
        + """ `manifest.csv` has a row an image: path, sha256, label, split, group (source
picture or video), generator (of an AI image) or author (of a photograph), package, version, file in the package, frame of an animation, licence.
`val` lies in `data/train` and is told by the manifest alone; a loader that goes by folders takes it as training images.
"""
    )


def _sources(items: list[Item]) -> str:
    """Where the pictures come from, by package where the manifest knows one."""
    origin = Counter(
        (i.package or "not stated", i.version, "AI" if i.label else "photographs", i.licence or "not stated")
        for i in items
    )
    rows = [
        [package, version or "–", kind, licence, f"{n:,}"]
        for (package, version, kind, licence), n in sorted(origin.items())
    ]
    generators = Counter(i.generator or "not stated" for i in items if i.label)
    listed = ", ".join(
        f"{_plain(name)} ({n:,})" for name, n in sorted(generators.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return (
        f"## Sources and licences\n\n{_table(['package', 'version', 'class', 'licence', 'images'], rows)}\n"
        f"Generators of the AI images: {listed}.\n\nEach picture stays under the licence of its source.\n"
    )


def _audited(found: dict) -> str:
    return "## What could be cheated with\n\n" + audit_block(found, "en") if "audit" in found else ""


def _consider(items: list[Item]) -> str:
    unseen = {i.generator for i in items if i.label and i.split == "test"} - {
        i.generator for i in items if i.label and i.split in ("train", "val")
    }
    names = f"{len(unseen):,} generators occur in the test split only. " if unseen - {""} else ""
    return f"""## Before you use it

{names}The classes differ in what they show, not only in how they were made: a classifier can be right for reasons that have nothing to do with AI. What a
detector reaches here says little about other pictures. Nothing is recorded about the people in the pictures. To have a picture removed, name its row of
the manifest in an issue: {project_url()}/issues
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    return Table(head, [[_plain(cell) for cell in row] for row in rows]).markdown()


def _plain(text: str) -> str:
    """What a manifest says, unable to break a table."""
    return text.replace("|", "\\|").replace("\n", " ")
