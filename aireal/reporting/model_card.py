"""The card of the classifier and PaliGemma's adapter in the hub's format, rendered from `metrics/`, never typed.

The header is the YAML that the hub reads (licence, languages, evaluation results); the body follows
Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from aireal.classifier.one_class import missing_class
from aireal.config import has_address, project_url
from aireal.core.statistics import interval
from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.external import external_block, plain_words
from aireal.reporting.tables.grounding import grounding_table
from aireal.reporting.tables.metrics import error_rate, read_metrics
from aireal.reporting.tables.sentences import sentence_table

EMBEDDED = "embedded"  # the PaliGemma of this repository, as `metrics/paligemma.json` names it
HUB_METRICS = {
    "auroc": ("roc_auc", "AUROC"),
    "average_precision": ("average_precision", "average precision"),
    "accuracy": ("accuracy", "accuracy"),
}


def model_card(folder: Path) -> str:
    """The card (the hub's README.md) of the classifier and, where it was trained, of PaliGemma's adapter.

    Args:
        folder: the metrics files; for a stage that has none, the card names the command that measures it.

    Raises:
        ValueError: the folder has no metrics of the classifier.
    """
    metrics = read_metrics(folder)
    if "resnet34" not in metrics:
        raise ValueError(
            f"{folder} has no resnet34.json, and a model card needs the classifier's metrics. "
            "Run notebook 03 (or `make demo`) first."
        )
    sections = (
        _what(metrics),
        _use(),
        _scope(metrics),
        _figures(metrics),
        _limits(metrics),
        _made(metrics),
        _licence(metrics),
    )
    title = f"# aireal: {metrics['resnet34']['architecture']}, explained"
    return f"---\n{_model_header(metrics).to_yaml()}\n---\n\n{title}\n\n" + "\n".join(sections)


def _base(metrics: dict) -> str | None:
    """The hub's id of the adapter's PaliGemma; None without an adapter, or with the embedded PaliGemma."""
    name = metrics.get("paligemma", {}).get("model", EMBEDDED)
    return None if name == EMBEDDED else name


def _model_header(metrics: dict) -> ModelCardData:
    base = _base(metrics)
    results = _eval_results("test split of the dataset root", "test", metrics["resnet34"]["test"])
    if external := metrics.get("external"):
        name = ", ".join(external["sources"]) or "not named"
        results += _eval_results(f"pictures from elsewhere: {name}", "external", external["metrics"])
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


def _eval_results(dataset: str, split: str, test: dict) -> list[EvalResult]:
    """The hub's results of a classifier on one set of pictures; a metric that the set does not define is left out.

    The hub tells sets apart by type and split, not by name.
    """
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type="imagefolder",
            dataset_name=dataset,
            dataset_split=split,
            metric_type=kind,
            metric_name=f"{name} (95% interval {test[key]['low']:.3f} to {test[key]['high']:.3f})",
            metric_value=test[key]["value"],
        )
        for key, (kind, name) in HUB_METRICS.items()
        if test[key]["value"] is not None
    ]


def _what(metrics: dict) -> str:
    report = metrics["resnet34"]
    lines = [
        f"- `classifier/`: {report['architecture']} with its calibration, trained from {report['initial_weights']} "
        "weights; "
        "it separates AI images (label 1) from photographs (label 0), with a calibrated probability. "
        f"Input: RGB, {report['cost']['image_size']} px square."
    ]
    if "paligemma" in metrics:
        name = _base(metrics) or "the embedded small PaliGemma of the project"
        lines.append(
            f"- `adapter/`: LoRA for {name}, which writes one sentence in Korean or English about a Grad-CAM overlay. "
            "Class and number come from the classifier through the prompt; only the region is read off the overlay."
        )
        lines.append("- `processor/`: tokenizer and picture settings of that PaliGemma.")
    lines.append("- `metrics/`: the figures below, with versions, seed and device.")
    return (
        "Tells AI-made images from photographs and explains each verdict in a way that can be checked.\n\n"
        + plain_words(metrics, "en")
        + "\n"
        + "\n".join(lines)
        + "\n"
    )


def _use() -> str:
    clone = f"git clone {project_url()} aireal && cd aireal\n" if has_address() else ""
    return f"""## How to use it

In the folder of the repository `aireal`:

```
{clone}pip install -r requirements.txt -e .
python -m aireal explain PICTURE --root ROOT
```

ROOT is a dataset root: `classifier/` goes to its `data/model/`, `adapter/` to its `data/paligemma_lora/`. The output is
a figure and a JSON line: verdict, probability, heatmap, LIME's superpixels, the sentence, and how far to trust them.
"""


def _scope(metrics: dict) -> str:
    test = metrics["resnet34"]["test"]
    real, fake = (interval(error_rate(test[key]), 100, "%") for key in ("accuracy_real", "accuracy_fake"))
    wrong = {
        None: f"{real} of photographs are called AI-made and {fake} of AI images real",
        "real": f"{fake} of AI images are called real",
        "fake": f"{real} of photographs are called AI-made",
    }
    elsewhere = (
        "Generators and subjects that were not in training: see the pictures from elsewhere under Figures."
        if "external" in metrics
        else "Generators and subjects that were not in training: not measured, and likely worse."
    )
    return f"""## Intended use

Research and teaching about detectors and their explanations: comparing explanations, measuring their faithfulness, and
showing why a detector can be wrong.

## Out of scope

- **Proof.** On the test images {wrong[missing_class(test)]}.
  Such a verdict is no ground to accuse anybody or to remove content.
- {elsewhere} Edited photographs, screenshots and drawings: not measured, and likely worse.
- Naming *what* in a picture is artificial. A heatmap shows where the verdict comes from, not where an artefact is.
- People: nothing was measured about faces, or about groups of people.
"""


def _figures(metrics: dict) -> str:
    parts = [
        (
            "The classifier beside its baselines",
            ("resnet34",),
            classifiers_block,
            "python -m aireal demo --only 01 02 03",
        ),
        (
            "The classifier on pictures from elsewhere",
            ("external",),
            lambda of, language: external_block(of),
            "python -m aireal evaluate DIR",
        ),
        ("Shortcuts in the dataset", ("audit",), audit_block, "python -m aireal demo --only 03"),
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
        + (make(metrics, "en") if set(needs) <= set(metrics) else f"Not measured for this model; `{command}` does.\n")
        for title, needs, make, command in parts
    ]
    return "## Figures\n\nBrackets: 95% intervals.\n\n" + "\n".join(texts)


def _limits(metrics: dict) -> str:
    test = metrics["resnet34"]["test"]
    return f"""## Limits

- The test has {test["n"]:,} images of {test["groups"]:,} sources. The intervals cover the choice of test images, not
  the randomness of training.
- The network may use the shortcuts that the audit suspects: simple statistics of colour or frequency, which are no
  traces of AI as such.
- Calibration, threshold and uncertain band were fitted on the validation split of the same dataset and do not carry
  over to other pictures.
- LIME's weights come from a linear surrogate; each explanation states how much of the probability's variation it
  explains.
"""


def _made(metrics: dict) -> str:
    report = metrics["resnet34"]
    trained = (
        f"{report['images_seen']:,} images seen in {report['training_seconds']:.0f} s on {report['device']}, "
        f"seed {report['seed']}"
    )
    tools = ", ".join(
        f"{name} {report['versions'][name]}" for name in ("python", "torch", "timm") if name in report["versions"]
    )
    lines = [f"- classifier: {trained}; {tools}; profile `{report['profile']}`"]
    if adapter := metrics.get("paligemma"):
        lines.append(
            f"- adapter: {adapter['steps']:,} steps in {adapter['training_seconds']:.0f} s on {adapter['device']}, "
            f"seed {adapter['seed']}"
        )
    return (
        "## How it was made\n\n"
        + "\n".join(lines)
        + "\n\nSelection (epoch, calibration, uncertain band) used validation images alone.\n"
    )


def _licence(metrics: dict) -> str:
    base = _base(metrics)
    terms = (
        (
            f"The adapter is a derivative of {base} and falls under the Gemma Terms of Use "
            "(https://ai.google.dev/gemma/terms), which you accept on its page on the hub. "
            "The classifier and the code are MIT."
        )
        if base
        else "MIT, code and weights."
    )
    return f"## Licence\n\n{terms} The pictures it was trained on have licences of their own: see the dataset card.\n"
