"""The card of a dataset root in the hub's format, rendered from the manifest and the audit, never typed.

The header is the YAML that the hub reads (licence, size, splits); the body follows
Gebru et al. 2021, "Datasheets for Datasets".
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from huggingface_hub import DatasetCardData

from aireal.config import DatasetRoot, has_address, project_url
from aireal.dataset.manifest import Item, load_items
from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.metrics import read_metrics
from aireal.reporting.tables.table import Table

HUB_LICENCES = {
    "MIT": "mit",
    "GPL-2+": "gpl-2.0",
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-SA-3.0": "cc-by-sa-3.0",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # above: 1M<n<10M


def dataset_card(root: Path, metrics_folder: Path | None = None) -> str:
    """The card (the hub's README.md) of a dataset root.

    Args:
        root: a dataset root, with or without a manifest.
        metrics_folder: a folder whose audit.json is about this root; None omits the audit.

    Raises:
        ValueError: there are no images in the root.
    """
    items = load_items(DatasetRoot.at(root))
    metrics = read_metrics(metrics_folder) if metrics_folder else {}
    sections = [_contents(items), _fields(DatasetRoot.at(root)), _sources(items), _audited(metrics), _consider(items)]
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
    demonstration = sum(i.split == "proposal" for i in items)
    shared = len({(i.group, i.split) for i in items}) - len({i.group for i in items})
    overlap = (
        f"{shared:,} sources are in more than one split; `dataset check` names them."
        if shared
        else "No source picture or video is in two splits."
    )
    total = f"{len(items) - demonstration:,} images to train, choose and test with" + (
        f", and {demonstration:,} to demonstrate" if demonstration else ""
    )
    return f"{total}. {overlap}\n\n" + _table(["split", "photographs (`0_real`)", "AI images (`1_fake`)"], rows)


def _fields(data: DatasetRoot) -> str:
    folders = "## Files\n\nThe folder is the label: `data/train/{0_real,1_fake}` and `test/{0_real,1_fake}`."
    if not data.manifest.is_file():
        return f"{folders} There is no manifest; a fifth of the training sources is used as `val`.\n"
    return (
        folders
        + """ `manifest.csv` has a row for each image: path, sha256, label, split, group
(source picture or video), generator (of an AI image) or author (of a photograph), package, version, file in the
package, frame of an animation, licence. `val` lies in `data/train`; only the manifest marks it, and a loader that
goes by folders takes it as training images.
"""
    )


def _sources(items: list[Item]) -> str:
    """The pictures' sources, by package where the manifest names one."""
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


def _audited(metrics: dict) -> str:
    return "## Shortcuts in the dataset\n\n" + audit_block(metrics, "en") if "audit" in metrics else ""


def _consider(items: list[Item]) -> str:
    unseen = {i.generator for i in items if i.label and i.split == "test"} - {
        i.generator for i in items if i.label and i.split in ("train", "val")
    }
    where = f" at {project_url()}/issues" if has_address() else ""
    names = f"{len(unseen):,} generators occur in the test split only. " if unseen - {""} else ""
    return f"""## Before you use it

{names}The classes differ in content, not only in how they were made: a classifier can be right for reasons that have
nothing to do with AI. A detector's score on this dataset says little about other pictures. The manifest records nothing
about the people in the pictures. To have a picture removed, name its row of the manifest in an issue{where}.
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    return Table(head, [[_plain(cell) for cell in row] for row in rows]).markdown()


def _plain(text: str) -> str:
    """A manifest's text with the characters escaped that would break a table."""
    return text.replace("|", "\\|").replace("\n", " ")
