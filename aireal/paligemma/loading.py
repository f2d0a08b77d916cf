"""Calls of `from_pretrained`: their errors in one sentence that says what to do, and their progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from aireal.config import SMALL_PALIGEMMA
from aireal.core.errors import first_line
from aireal.core.secrets import gated_advice

EMBEDDED = "embedded"


def fetch(loader: Callable, source: str | Path, name: str, **kwargs):
    """Call a `from_pretrained`; an error becomes one message that says what to do."""
    try:
        return loader(source, **kwargs)
    except (OSError, ValueError) as error:
        raise ValueError(_loading_message(error, name)) from error


@contextmanager
def without_bar() -> Iterator[None]:
    """No progress bar of transformers: loading the embedded model takes a moment."""
    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()


def _loading_message(error: BaseException, name: str) -> str:
    """What is wrong, by the types in the error's chain of causes, and what to do."""
    types = _error_types(error)
    if name == EMBEDDED:
        return (
            f"The embedded PaliGemma in {SMALL_PALIGEMMA.name}/ is missing or incomplete. Check it out again, or run "
            "`python scripts/train_small_paligemma.py`."
        )
    if Path(name).is_dir():
        return f"The folder {name} holds no readable PaliGemma ({first_line(error)}). Save one with save_pretrained."
    if "GatedRepoError" in types or "gated" in str(error):
        return f"{name} is gated: {gated_advice(name)}."
    if types & {"RepositoryNotFoundError", "HFValidationError"} or "not a valid model identifier" in str(error):
        return (
            f"{name} is neither a folder nor a model on the hub that this account can see. "
            "Check the name, or set HF_TOKEN."
        )
    offline = {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError", "ConnectionError"}
    if types & offline or "connect" in str(error):
        return (
            f"{name} is not in the local cache and the hub cannot be reached. "
            f"Connect to the internet once, give a local folder, or use `{EMBEDDED}`."
        )
    return f"{name} could not be loaded. {first_line(error)}"


def _error_types(error: BaseException | None) -> set[str]:
    """Class names of the error and its causes, with their base classes."""
    names: set[str] = set()
    while error is not None:
        names |= {cls.__name__ for cls in type(error).__mro__}
        error = error.__cause__ or error.__context__
    return names
