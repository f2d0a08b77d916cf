"""Tables of the notebooks: metrics and sentences as text, with a name for every column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from aireal.captions.claude.cost_estimate import CostEstimate
from aireal.captions.claude.prices import MODELS
from aireal.captions.language.lexicon import LANGUAGE_NAMES
from aireal.captions.table import Answer
from aireal.core.statistics import interval
from aireal.paligemma.consistency import PALIGEMMA, REGENERATED
from aireal.paligemma.data import Example

WRITERS = {PALIGEMMA: ("PaliGemma", "PaliGemma"), REGENERATED: ("PaliGemma (다시 쓴 문장)", "PaliGemma (regenerated)")}


def show_markdown(text: str) -> None:
    """Show Markdown below a notebook's cell; where only plain text can be shown, its source."""
    from IPython.display import display

    display({"text/markdown": text, "text/plain": text}, raw=True)


def show_table(frame: pd.DataFrame) -> None:
    """Show a table below a notebook's cell, with whole texts and without the index."""
    show_markdown(to_markdown(list(frame.columns), frame.astype(str).to_numpy().tolist()))


def to_markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, of texts as they are."""
    lines = [[escape(cell) for cell in line] for line in (head, *rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], ["---"] * len(head), *lines[1:]))


def escape(text: str) -> str:
    """Text for Markdown: what would end a table's cell or begin HTML is escaped, and a line break becomes a space."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")


def classifier_table(reports: Iterable[dict]) -> pd.DataFrame:
    """A row for each classifier: its quality on the test images with 95% intervals, and its cost.

    Args:
        reports: records of `classifier.evaluate.evaluate_classifier`.
    """
    rows = []
    for report in reports:
        test, cost = report["test"], report["cost"]
        frozen = ", frozen" if report.get("frozen") else ""
        epoch = report.get("kept_epoch")
        kept = "–" if epoch is None else f"epoch {epoch}" if epoch else "linear probe"
        rows.append(
            {
                "classifier": report["architecture"],
                "initial weights": report["initial_weights"] + frozen,
                "kept": kept,
                "test AUROC": interval(test["auroc"]),
                "accuracy, photographs": interval(test["accuracy_real"], 100, "%"),
                "accuracy, AI images": interval(test["accuracy_fake"], 100, "%"),
                "parameters": f"{cost['parameters'] / 1e6:.1f} M",
                "GMACs per image": f"{cost['gmacs']:.2f}",
                "crops in fine-tuning": f"{report['images_seen']:,}",
                "training, probe included": f"{report['training_seconds']:.0f} s",
            }
        )
    return pd.DataFrame(rows)


def comparison_table(comparison: dict) -> pd.DataFrame:
    """A row for each pair of classifiers: the difference of their test AUROCs, and which one it favours.

    Args:
        comparison: record of `classifier.evaluate.compare`.
    """
    classifiers, rows = comparison["classifiers"], []
    for pair in comparison["pairs"]:
        one, other = (classifiers[pair[side]] for side in ("one", "other"))
        rows.append(
            {
                "A": f"{one['architecture']}, from {one['initial_weights']}",
                "B": f"{other['architecture']}, from {other['initial_weights']}",
                "same kind of initial weights": "yes" if one["initial_weights"] == other["initial_weights"] else "no",
                "AUROC of A − AUROC of B": interval(pair["difference"]),
                "favours": _favoured(pair["difference"]),
            }
        )
    return pd.DataFrame(rows)


def _favoured(difference: dict) -> str:
    if difference["value"] is None:
        return "not measured"
    if difference["low"] > 0:
        return "A"
    return "B" if difference["high"] < 0 else "undecided: the interval includes 0"


def cost_table(estimate: CostEstimate) -> pd.DataFrame:
    """The tokens and the cost of letting Claude write: a row each, with how it was estimated."""
    way = "message batches" if estimate.batch else "plain messages"
    source = "counted by the service on a few images" if estimate.counted else "estimated by a formula"
    dollars = [
        "unknown: no listed price" if amount is None else f"${amount:.4f}"
        for amount in (estimate.low, estimate.once, estimate.ceiling)
    ]
    rows = [
        ("model", estimate.model, f"prices of {MODELS['dated']}"),
        ("images to write about", f"{estimate.rows:,}", way),
        ("input tokens per image", f"{estimate.input_tokens:,}", source),
        ("output tokens per image", f"{estimate.output_tokens:,}", f"typical; at most {estimate.max_tokens:,}"),
        ("expected cost", dollars[0], "one request per image, replies of typical length"),
        ("cost with replies of maximum length", dollars[1], "one request per image, as large as the largest, uncached"),
        ("ceiling without max_usd", dollars[2], "every retry used, every reply of maximum length"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "basis"])


def answer_table(answers: Iterable[Answer]) -> pd.DataFrame:
    """Sentences with their language and author."""
    rows = [(LANGUAGE_NAMES[answer.language], answer.author, answer.sentence) for answer in answers]
    return pd.DataFrame(rows, columns=["language", "author", "sentence"])


def example_table(examples: Iterable[Example]) -> pd.DataFrame:
    """Prompts of training examples with the sentences to learn."""
    rows = [(example.prompt, example.sentence) for example in examples]
    return pd.DataFrame(rows, columns=["prompt", "sentence to learn"])


def before_after_table(samples: Iterable[dict]) -> pd.DataFrame:
    """Generated sentences before and after LoRA, with their prompts (`paligemma.training_folder.History.samples`)."""
    rows = [(sample["prompt"], sample["before"], sample["after"]) for sample in samples]
    return pd.DataFrame(rows, columns=["prompt", "before LoRA", "after LoRA"])


def verdict_table(entries: Iterable[dict]) -> pd.DataFrame:
    """A row for each picture of the demonstration (`stages.demo.demonstrate`): verdict, probability and truth."""
    rows = [
        {
            "picture": entry["image"],
            "verdict": entry["label"],
            "probability": f"{entry['probability']:.2f}%",
            "uncertain": "yes" if entry["uncertain"] else "no",
            "truth": entry["truth"],
            "correct": "–" if entry["truth"] == "unknown" else "yes" if entry["truth"] == entry["label"] else "no",
        }
        for entry in entries
    ]
    return pd.DataFrame(rows)


def text_table(entry: dict) -> pd.DataFrame:
    """Verdict, sentence and writer of one picture of the demonstration in both languages."""
    rows = [(name, entry[f"{name}_ko"], entry[f"{name}_en"]) for name in ("verdict", "sentence")]
    base = ("기본 설명", entry["source_en"])  # the English one says why
    rows.append(("written by", WRITERS.get(entry["source_ko"], base)[0], WRITERS.get(entry["source_en"], base)[1]))
    return pd.DataFrame(rows, columns=["text", *LANGUAGE_NAMES.values()])


def feature_table(entry: dict) -> pd.DataFrame:
    """LIME's strongest superpixels of one picture of the demonstration, with their weights for the class 1_fake."""
    rows = [
        (
            str(rank),
            str(feature["superpixel"]),
            f"{feature['weight']:+.4f}",
            "–" if feature["low"] is None else f"[{feature['low']:+.3f}, {feature['high']:+.3f}]",
            "fake" if feature["weight"] > 0 else "real",
        )
        for rank, feature in enumerate(entry["lime"], 1)
    ]
    return pd.DataFrame(rows, columns=["rank", "superpixel", "weight for 1_fake", "95% interval", "speaks for"])


def trust_table(entry: dict) -> pd.DataFrame:
    """How far to trust the explanation of one picture of the demonstration: a row for each check, the summary first."""
    rows = [
        (ko.split(" ", 1)[0], *(line.split(" ", 1)[1] for line in (ko, en)))
        for ko, en in zip(entry["trust_ko"], entry["trust_en"], strict=True)
    ]
    return pd.DataFrame(rows, columns=["level", *LANGUAGE_NAMES.values()])
