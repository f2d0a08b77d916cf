"""External requirements of the profile `full`, checked in the first cell of a notebook and not an hour later."""

from __future__ import annotations

from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from aireal.captions.claude.client import KEY, api_key
from aireal.core.run import Run


def check_requirements(run: Run, *needs: str, author: str = "auto") -> None:
    """Check that whatever the run's profile needs is available. `smoke` and `sample` need nothing.

    Args:
        needs: names of timm architectures, "paligemma", or "claude".
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
        elif need == "paligemma":
            if run.profile.paligemma != "embedded" and not Path(run.profile.paligemma).is_dir():
                _fetch_smallest(run.profile.paligemma)
        elif run.profile.pretrained:
            _fetch_smallest(timm.get_pretrained_cfg(need).hf_hub_id)


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
