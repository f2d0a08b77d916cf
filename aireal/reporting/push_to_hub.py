"""Upload the trained classifier and adapter, with processor, cards and metrics, to the Hugging Face hub."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.utils import HFValidationError, validate_repo_id
from safetensors import SafetensorError, safe_open
from transformers import PaliGemmaProcessor

from aireal.classifier.model import require_config
from aireal.config import REPOSITORY, SMALL_PALIGEMMA, DatasetRoot
from aireal.core.file_names import last_part, shown
from aireal.core.files import MACHINE_PATH, locked_folder, to_disk, write_atomic, write_json
from aireal.core.json_text import read_object
from aireal.paligemma.base_record import has_name, read_adapter_config
from aireal.paligemma.loading import EMBEDDED, fetch
from aireal.reporting.tables.metrics import DAMAGED, is_of

from .adapter_card import write_card
from .model_card import model_card

CLASSIFIER, ADAPTER, PROCESSOR = "classifier", "adapter", "processor"
UNFINISHED = ".unfinished_upload"  # a folder in the upload, in which it is assembled
PUSH = "push.json"  # what was assembled; it is not uploaded
PARTS = {
    CLASSIFIER: ("config.json", "model.safetensors", "heatmap.json"),
    ADAPTER: ("adapter_config.json", "adapter_model.safetensors", "base.json"),
}
OPTIONAL = ("heatmap.json", "base.json")
# the Gemma Terms of Use want this text in a notice beside whatever of Gemma is passed on: adapter and tokenizer
NOTICE = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms\n"


def assemble(data: DatasetRoot, metrics: Path, paligemma: str, repo: str, folder: Path) -> Path:
    """Assemble the upload in a folder: README.md, classifier/, adapter/, processor/ and metrics/, and nothing else.

    Where the base is Google's, its notice goes along as NOTICE.

    Args:
        metrics: folder with resnet34.json and paligemma.json.
        paligemma: the base's hub id, a folder, or "embedded".
        repo: owner/name.

    Raises:
        ValueError: the name is not valid on the hub, a part was not trained or measured yet, a file is broken, or a
            text holds a path of this machine.
    """
    _check_name(repo)
    sources = {CLASSIFIER: data.model, ADAPTER: data.adapter}
    missing = [
        f"{part}/{name}"
        for part, names in PARTS.items()
        for name in names
        if name not in OPTIONAL and not (sources[part] / name).is_file()
    ]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} are missing under {data.products.name}/. "
            "Run the notebooks 03 to 06 (or `make demo`) first."
        )
    reports = {name: _read_report(metrics, name) for name in ("resnet34", "paligemma")}
    if not is_of(reports["resnet34"], require_config(data.model)):
        raise ValueError(
            f"{metrics.name}/resnet34.json is of another classifier than {data.products.name}/data/model. Run notebook "
            "03 (or `python -m aireal demo`) again."
        )
    config = read_adapter_config(data.adapter)
    _check_base(paligemma, config["base_model_name_or_path"])
    with locked_folder(folder, f"{shown(folder)} is in use by another run: wait for it, or give another --folder"):
        _clear(folder)
        work = folder / UNFINISHED
        for part, names in PARTS.items():
            for name in names:
                if (sources[part] / name).is_file():
                    (work / part).mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(sources[part] / name, work / part / name)
        _check_weights(work)
        _save_processor(paligemma, work / PROCESSOR)
        if paligemma != EMBEDDED:
            write_atomic(work / "NOTICE", NOTICE.encode())
        for name, record in reports.items():
            write_json(work / "metrics" / f"{name}.json", record)
        write_card(work / ADAPTER, reports["paligemma"])
        write_atomic(work / "README.md", model_card(metrics).encode())
        _check_paths(work, [Path.home(), REPOSITORY, data.root.absolute(), data.products.absolute()])
        _finish(folder, {"repo": repo, "base": config["base_model_name_or_path"]})
    return folder


def _finish(folder: Path, about: dict[str, str]) -> None:
    """Move what was assembled to its place. The record of the files comes first, so that a killed call can be told."""
    work = folder / UNFINISHED
    names = [path.relative_to(work).as_posix() for path in sorted(work.rglob("*")) if path.is_file()]
    write_json(folder / PUSH, {**about, "files": [*names, PUSH]})
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        to_disk(work / name)
        (work / name).replace(folder / name)
    shutil.rmtree(work)


def _clear(folder: Path) -> None:
    """Remove what an earlier call wrote, also one that was killed.

    Raises:
        ValueError: the folder holds something else, which stays there.
    """
    if not folder.exists():
        return
    record = folder / PUSH
    cure = "Give an empty folder with --folder."
    written = set(read_object(record, cure, {"files": list[str]})["files"]) if record.is_file() else set()
    if (folder / UNFINISHED).is_dir() and not (folder / UNFINISHED).is_symlink():
        shutil.rmtree(folder / UNFINISHED)
    (folder / f"{PUSH}.partial").unlink(missing_ok=True)  # of a call that was killed as it wrote the record
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if others := sorted(found - written):
        raise ValueError(f"{folder} holds other files ({shown(others[0])}). Give an empty folder with --folder.")
    # listed on the disk, so that no name leads elsewhere; the record last, for a kill in between
    for name in sorted(found, key=lambda name: name == PUSH):
        (folder / name).unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        path.rmdir()


def _check_name(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except HFValidationError:
        repo = ""
    if repo.count("/") != 1:
        raise ValueError(
            "--repo must be owner/name, with letters, digits, '-', '_' and '.', as in jane/aireal-detector"
        )


def _check_base(paligemma: str, base: str) -> None:
    if last_part(base).isdigit():  # as earlier versions wrote it for a model of Kaggle
        raise ValueError(
            f"The adapter's record has only a version, {base}, for the name of its base. Write the base's id on the "
            "hub into base_model_name_or_path of adapter_config.json."
        )
    if not has_name(base, paligemma):
        raise ValueError(
            f"The adapter was trained on {base} and the profile's PaliGemma is {paligemma}. "
            "Name the profile of the training with --profile."
        )


def _read_report(metrics: Path, name: str) -> dict:
    path = metrics / f"{name}.json"
    if not path.is_file():
        raise ValueError(
            f"{name}.json is not in {metrics.name}/, and a card needs metrics. Run `make demo`, or give --metrics."
        )
    return read_object(path, DAMAGED)


def _save_processor(paligemma: str, folder: Path) -> None:
    """Save the base's tokenizer and picture settings.

    Raises:
        ValueError: they cannot be fetched, for example because the base is gated.
    """
    source = SMALL_PALIGEMMA if paligemma == EMBEDDED else paligemma
    fetch(PaliGemmaProcessor.from_pretrained, source, paligemma).save_pretrained(folder)


def _check_weights(folder: Path) -> None:
    """Open every weights file.

    Raises:
        ValueError: a file is broken; the text names it.
    """
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                list(file.keys())
        except SafetensorError:
            raise ValueError(f"{path.relative_to(folder)} is not a complete safetensors file. Train again.") from None


def _check_paths(folder: Path, private: Sequence[Path]) -> None:
    """Search all texts for absolute paths of this machine.

    Args:
        private: folders whose paths no text may hold, wherever they lie.

    Raises:
        ValueError: there is one; the text names file and path.
    """
    texts = {str(path) for path in private if len(path.parts) > 2}  # not "/" or "/root"
    own = re.compile("|".join(map(re.escape, sorted({*texts, *(json.dumps(text)[1:-1] for text in texts)}))) or "$^")
    for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.md")]):
        text = "" if path.name == "tokenizer.json" else path.read_text(encoding="utf-8")
        if match := MACHINE_PATH.search(text) or own.search(text):
            raise ValueError(
                f"{path.relative_to(folder)} holds a path of this machine ({match[0][:60]}). Remove it before sharing."
            )


def listing(folder: Path) -> str:
    """The folder's files with their sizes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(f"{path.stat().st_size:>12,}  {path.relative_to(folder).as_posix()}" for path in files)


def upload(folder: Path, repo: str, private: bool = False) -> str:
    """Create the repository if needed, upload the folder in one commit and return the repository's address.

    Raises:
        ValueError: there is no token, it may not write to the repository, or the hub cannot be reached.
    """
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            commit_message="Upload classifier, adapter, processor and card",
            ignore_patterns=[PUSH],
            delete_patterns=[f"{part}/*" for part in (CLASSIFIER, ADAPTER, PROCESSOR, "metrics")],
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        advice = {
            401: "Set HF_TOKEN to a token with write access (https://huggingface.co/settings/tokens).",
            403: f"The token may not write to {repo}. Use another token, or another --repo.",
        }
        raise ValueError(
            f"The hub refused the upload ({status}). {advice.get(status, str(error).splitlines()[0])}"
        ) from None
    except (OSError, RuntimeError, HTTPError) as error:  # a lost connection; HTTPError comes from the HTTP library
        raise ValueError(
            f"The hub cannot be reached ({type(error).__name__}). Run the command again when online; it continues. "
            "With --dry-run, the folder is written without the hub."
        ) from None
    return str(address)
