"""Which dataset the products in a `keep` folder were made of, so that those of another one are refused."""

from __future__ import annotations

from aireal.config import DatasetRoot

from .files import write_json
from .imagefile import digest_of
from .json_text import read_object

DATASETS = "datasets.json"  # beside the products
REMOVE = "Remove the file: it only says which dataset the products were made of."


def remember_dataset(data: DatasetRoot, product: str, source: str = "") -> None:
    """Write down, beside products in `keep`, the manifest that one was made of (`require_same_dataset`).

    Args:
        source: the product that this one was made of, where it was; it may be of another dataset than `data`.
    """
    if data.products == data.root:
        return
    path = data.products / DATASETS
    known = read_object(path, REMOVE) if path.is_file() else {}
    write_json(path, known | {product: known.get(source) or digest_of(data.manifest)})


def require_same_dataset(data: DatasetRoot, product: str, notebook: str) -> None:
    """Refuse a product in `keep` that was made of another dataset.

    In the dataset's own folder, where nothing is written down, it may be used for pictures that were added later.

    Raises:
        ValueError: it was made of another manifest.
    """
    path, now = data.products / DATASETS, digest_of(data.manifest)
    made_of = read_object(path, REMOVE).get(product, "") if path.is_file() else ""
    if made_of and now and made_of != now:
        raise ValueError(
            f"the {product} in {data.products} was made of another dataset than {data.root}. "
            f"Take a `keep` of its own for each dataset, or run {notebook} again"
        )
