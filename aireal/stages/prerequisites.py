"""What earlier notebooks leave, made where it is missing: a notebook that is opened alone, in Colab say, still runs
from top to bottom."""

from __future__ import annotations

from aireal.captions.augment import Plan, augment_table
from aireal.captions.table import Rows
from aireal.classifier.model import read_config
from aireal.classifier.train import ensure_classifier
from aireal.core.run import Run

from .predict_testset import predict_test_set


def ensure_product(run: Run, product: str) -> None:
    """Make a product of the notebooks, and what it needs itself, unless it is there; a line says what is being made.

    Args:
        product: "classifier" (notebook 03), "table" (data.csv with its overlays, notebook 04) or "answers"
            (data_answer_add, notebook 05; written here by the offline author).

    Raises:
        ValueError: there are no images to make it from.
    """
    for name, (is_there, make, notebook) in PRODUCTS.items():
        if not is_there(run):
            print(f"{name}: not there yet, so it is made now as {notebook} does", flush=True)
            make(run)
        if name == product:
            return


def _write_answers(run: Run) -> None:
    augment_table(
        Rows(run.data.table),
        run.data.answers,
        Plan("offline", run.profile.captions_per_image, run.seed, folder=run.data.products),
    )


PRODUCTS = {  # in the order in which they need each other: whether it is there, what makes it, and where that is shown
    "classifier": (lambda run: read_config(run.data.model) is not None, ensure_classifier, "notebook 03"),
    "table": (lambda run: run.data.table.is_file(), predict_test_set, "notebook 04"),
    "answers": (lambda run: run.data.answers.is_file(), _write_answers, "notebook 05 with its offline author"),
}
