"""External requirements of the profile `full`, checked in the first cell of a notebook and not an hour later."""

from __future__ import annotations

import shutil
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from aireal.captions.claude.client import KEY, api_key
from aireal.core.run import Run
from aireal.core.secrets import gated_advice, how_to_set
from aireal.paligemma.loading import EMBEDDED

from .sentence_model import choose_sentence_model

DISK_MARGIN = 1.05  # checkpoints and the adapter come on top


def check_requirements(run: Run, *needs: str, author: str = "auto") -> None:
    """Check that whatever the run's profile needs is available. `smoke` and `sample` need nothing.

    Args:
        needs: names of timm architectures, "paligemma", "sentences" (PaliGemma where its adapter is there), or
            "claude".
        author: of notebook 05; "offline" needs no key.

    Raises:
        ValueError: weights can neither be fetched nor are cached, a licence is not accepted, a key is missing, or 4-bit
            weights cannot be had here. The message gives the step that solves it.
    """
    for need in needs:
        if need == "claude":
            if run.profile.name == "full" and author != "offline" and not api_key():
                raise ValueError(
                    f"profile full lets Claude write, and there is no {KEY}. Put it in ({how_to_set(KEY)}), "
                    "or set author = 'offline'"
                )
        elif need in ("paligemma", "sentences"):
            name = run.profile.paligemma if need == "paligemma" else choose_sentence_model(run).name
            if need == "paligemma" and run.profile.four_bit:
                _require_four_bit(run)
            if name != EMBEDDED and not Path(name).is_dir():
                _check_paligemma(run)
        elif run.profile.pretrained:
            _fetch_smallest(timm.get_pretrained_cfg(need).hf_hub_id)


def _require_four_bit(run: Run) -> None:
    from aireal.paligemma.model import require_four_bit  # imported here, as in `_check_paligemma`

    require_four_bit(run.device)


def _check_paligemma(run: Run) -> None:
    """Check that PaliGemma can be fetched, and that the disk has room for its weights.

    Raises:
        ValueError: it cannot, or the disk has not.
    """
    # imported here: the notebooks of the classifiers check requirements, too, and need neither transformers nor peft
    from aireal.paligemma.memory_estimate import sizes
    from aireal.paligemma.model import load_config
    from aireal.paligemma.number_format import branch, stored_bytes

    profile = run.profile
    revision = branch(profile.paligemma, run.device, profile.dtype)
    try:
        _fetch_smallest(profile.paligemma, revision)
    except ValueError as error:
        if revision == "main" or "is gated" in str(error):
            raise
        revision = "main"
        _fetch_smallest(profile.paligemma, revision)
    if is_cached(profile.paligemma, revision):
        return
    config, _ = load_config(profile.paligemma, run.device, profile.dtype)
    needed = sizes(config, profile.lora_rank).weights * stored_bytes(profile.paligemma, revision)
    cache = _existing(Path(HF_HUB_CACHE))
    free = shutil.disk_usage(cache).free
    print(f"{profile.paligemma} ({revision}): {needed / 1e9:.1f} GB are fetched once, {free / 1e9:.0f} GB are free")
    if free < DISK_MARGIN * needed:
        raise ValueError(
            f"{profile.paligemma} takes {needed / 1e9:.1f} GB of disk and {cache} has {free / 1e9:.1f} GB left. Free "
            "some, or set HF_HOME to a folder of a larger disk"
        )


def is_cached(repository: str, revision: str) -> bool:
    """Whether the cache of the hub has the weights of a repository's branch."""
    names = ("model.safetensors.index.json", "model.safetensors")
    return any(isinstance(try_to_load_from_cache(repository, name, revision=revision), str) for name in names)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _fetch_smallest(repository: str, revision: str = "main") -> None:
    """Fetch the smallest file of a hub repository, unless it is in the cache.

    Raises:
        ValueError: the repository is gated, unknown or out of reach.
    """
    try:
        hf_hub_download(repository, "config.json", revision=revision)
    except HFValidationError:
        raise ValueError(f"{repository} is no folder on this machine and no name on the hub (owner/name)") from None
    except GatedRepoError:
        raise ValueError(f"{repository} is gated: {gated_advice(repository)}") from None
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
