"""What the profile `full` needs from outside: looked for in a notebook's first cell, not after an hour of training."""

from __future__ import annotations

from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from aireal.captions.claude.client import KEY, api_key
from aireal.core.run import Run


def check_requirements(run: Run, *needs: str, author: str = "auto") -> None:
    """Stop with the step that mends it if the run's profile needs something that is not there. `smoke` and `sample`
    need nothing.

    Args:
        needs: names of timm architectures, "paligemma", or "claude".
        author: notebook 05's; "offline" needs no key.

    Raises:
        ValueError: weights that can neither be fetched nor are cached, a licence not accepted, or no key.
    """
    for need in needs:
        if need == "claude":
            if run.profile.name == "full" and author != "offline" and not api_key():
                raise ValueError(
                    f"profile full lets Claude write, and there is no {KEY}: put it into the environment or the "
                    f"runtime's secrets, "
                    "or set author = 'offline'"
                )
        elif need == "paligemma":
            if run.profile.paligemma != "embedded" and not Path(run.profile.paligemma).is_dir():
                _reachable(run.profile.paligemma)
        elif run.profile.pretrained:
            _reachable(timm.get_pretrained_cfg(need).hf_hub_id)


def _reachable(repository: str) -> None:
    """Fetch the smallest file of a hub repository, or find it in the cache."""
    try:
        hf_hub_download(repository, "config.json")
    except GatedRepoError:
        raise ValueError(
            f"{repository} is gated: accept its licence on its page on the hub while logged in, and put a token of "
            f"that account "
            "into the environment or the runtime's secrets as HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise ValueError(
            f"{repository} is not on the hub, or only for an account that HF_TOKEN does not name: check both"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        raise ValueError(
            f"{repository} is neither cached nor can the hub be reached: switch internet access on (Kaggle: in the "
            f"settings on the "
            "right), set HF_HOME to a cache that has it, or use profile = 'sample', which downloads nothing"
        ) from None
