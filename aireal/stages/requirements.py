"""External requirements of the profile `full`, checked in the first cell of a notebook and not an hour later."""

from __future__ import annotations

import shutil
from pathlib import Path

import timm
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from aireal.captions.claude.client import KEY, api_key
from aireal.core.run import Run
from aireal.paligemma.model import EMBEDDED

from .sentence_model import choose_sentence_model


def check_requirements(run: Run, *needs: str, author: str = "auto") -> None:
    """Check that whatever the run's profile needs is available. `smoke` and `sample` need nothing.

    Args:
        needs: names of timm architectures, "paligemma", "sentences" (PaliGemma where its adapter is there), or
            "claude".
        author: of notebook 05; "offline" needs no key.

    Raises:
        ValueError: weights can neither be fetched nor are cached, a licence is not accepted, or a key is missing. The
            message gives the step that solves it.
    """
    for need in needs:
        if need == "claude":
            if run.profile.name == "full" and author != "offline" and not api_key():
                raise ValueError(
                    f"profile full lets Claude write, and there is no {KEY}. Put it into the environment or the "
                    "runtime's secrets, or set author = 'offline'"
                )
        elif need in ("paligemma", "sentences"):
            name = run.profile.paligemma if need == "paligemma" else choose_sentence_model(run).name
            if name != EMBEDDED and not Path(name).is_dir():
                _fetch_smallest(name)
                _check_disk(name)
        elif run.profile.pretrained:
            _fetch_smallest(timm.get_pretrained_cfg(need).hf_hub_id)


def _check_disk(repository: str) -> None:
    """Check that the weights fit onto the disk of the hub's cache. Without an answer of the hub nothing is checked.

    Raises:
        ValueError: they do not fit; the message names the sizes and the folder.
    """
    needed = _missing_bytes(repository)
    folder = next(path for path in (Path(HF_HUB_CACHE), *Path(HF_HUB_CACHE).parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{repository} takes {needed / 1e9:.1f} GB on the disk, and {HF_HUB_CACHE} has {free / 1e9:.1f} GB free. "
            "Delete something, or set HF_HOME to a folder on another disk"
        )


def _missing_bytes(repository: str) -> int:
    """Bytes of the safetensors that are not in the cache yet: of the 16-bit branch where there is one."""
    for revision in ("float16", "main"):
        try:
            files = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings or []
        except RevisionNotFoundError:
            continue
        except (HfHubHTTPError, HTTPError, OSError, ValueError):
            return 0
        total = sum(file.size or 0 for file in files if file.rfilename.endswith(".safetensors"))
        blobs = Path(HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"), "blobs")
        return max(0, total - sum(path.stat().st_size for path in blobs.glob("*")))
    return 0


def _fetch_smallest(repository: str) -> None:
    """Fetch the smallest file of a hub repository, unless it is in the cache.

    Raises:
        ValueError: the repository is gated, unknown or out of reach.
    """
    try:
        hf_hub_download(repository, "config.json")
    except GatedRepoError:
        raise ValueError(
            f"{repository} is gated: accept its licence on its page on the hub while logged in. Then put a token of "
            "that account into the environment or the runtime's secrets as HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise ValueError(
            f"{repository} is not on the hub, or is private and HF_TOKEN belongs to another account. Check both"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        raise ValueError(
            f"{repository} is not cached, and the hub cannot be reached. Switch internet access on (Kaggle: in the "
            "settings on the right), set HF_HOME to a cache that has it, or use profile = 'sample', "
            "which downloads nothing"
        ) from None
