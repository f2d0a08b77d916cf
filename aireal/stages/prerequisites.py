"""Products of earlier notebooks, made where they are missing.

With them a notebook that is opened alone, for example in Colab, still runs from top to bottom.
"""

from __future__ import annotations

from aireal.captions.augment import Plan, augment_table
from aireal.classifier.model import read_config
from aireal.classifier.train import ensure_classifier
from aireal.core.made_of import remember_dataset, require_same_dataset
from aireal.core.run import Run

from .caption_rows import rows_to_augment
from .predict_testset import predict_test_set


def ensure_product(run: Run, product: str, same_dataset: bool = True) -> None:
    """Make a product of the notebooks and the products that it needs, unless they exist. A line is printed for each.

    Args:
        product: "classifier" (notebook 03), "table" (data.csv with its overlays, notebook 04) or "answers"
            (data_answer_add, notebook 05; written here by the offline author).
        same_dataset: refuse a product of another dataset; not needed where it is used for pictures of no dataset.

    Raises:
        ValueError: there are no images to make it from, or a product in `keep` is of another dataset.
    """
    for name, (exists, make, notebook) in PRODUCTS.items():
        if exists(run):
            if same_dataset:
                require_same_dataset(run.data, name, notebook)
        else:
            print(f"Making the missing {name}, as in {notebook} ...", flush=True)
            make(run)
        if name == product:
            return


def _write_answers(run: Run) -> None:
    plan = Plan("offline", run.profile.captions_per_image, run.seed, folder=run.data.products)
    augment_table(rows_to_augment(run), run.data.answers, plan)
    remember_dataset(run.data, "answers", "table")


PRODUCTS = {  # each needs those before it: (whether it exists, the function that makes it, the notebook that shows it)
    "classifier": (lambda run: read_config(run.data.model) is not None, ensure_classifier, "notebook 03"),
    "table": (lambda run: run.data.table.is_file(), predict_test_set, "notebook 04"),
    "answers": (lambda run: run.data.answers.is_file(), _write_answers, "notebook 05 (offline author)"),
}
