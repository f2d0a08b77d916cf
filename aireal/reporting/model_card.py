"""The card of the classifier and PaliGemma's adapter in the hub's format, rendered from `metrics/`, never typed.

The header is the YAML that the hub reads (licence, languages, evaluation results); the body follows
Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from aireal.config import project_url
from aireal.core.statistics import interval
from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.grounding import grounding_table
from aireal.reporting.tables.metrics import error_rate, read_metrics
from aireal.reporting.tables.sentences import sentence_table

EMBEDDED = "embedded"  # the PaliGemma of this repository, as `metrics/paligemma.json` names it
HUB_METRICS = {
    "auroc": ("roc_auc", "AUROC"),
    "average_precision": ("average_precision", "average precision"),
    "accuracy": ("accuracy", "accuracy"),
}


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
    """The hub's id of the PaliGemma that the adapter belongs to, if there is an adapter and it is not the embedded
    one's."""
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
    called_fake, called_real = (interval(error_rate(test[key]), 100, "%") for key in ("accuracy_real", "accuracy_fake"))
    return f"""## Intended use

Research and teaching about detectors and their explanations: comparing explanations, measuring whether they hold, and showing why a detector can be wrong.

## Out of scope

- **Proof.** On the test images {called_fake} of photographs are called AI-made and {called_real} of AI images real. Nobody may be accused, and no content
  removed, on such a verdict.
- Pictures of generators and subjects that were not in training, edited photographs, screenshots, drawings: not known, and likely worse.
- Saying *what* in a picture is artificial. A heatmap tells where the verdict comes from, not where an artefact is.
- People: nothing was measured about faces, or about groups of people.
"""


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
