"""Start the page: models loaded once, a private folder for what Gradio may want to write, and a server on loopback until it is stopped."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

from aireal.core.run import Run
from aireal.stages.explainer import open_explainer


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user may read and that is gone afterwards, as Gradio's own; and nothing of Gradio or the hub tells others.

    The page writes nothing there: it is for whatever a later version of Gradio might. Call it before Gradio is imported.
    """
    with tempfile.TemporaryDirectory(prefix="aireal-app-") as folder:
        ours = {
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(sys.maxsize),
        }  # its statistics of events, which nobody sees here, use what pandas gave up
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def launch_app(
    run: Run,
    port: int | None = None,
    paligemma: str = "",
    caption: bool = True,
    lime: bool = True,
    started: Callable[[str, object], None] | None = None,
) -> None:
    """Serve the page of a run's classifier until the process is interrupted, or `started`'s server told to exit.

    A dataset root without a classifier gets one first, which takes some minutes (the training of `ensure_classifier` says how far it is).

    Args:
        port: of loopback; None takes 7860 or the next free one.
        paligemma: which one writes; "" for the profile's. caption: without, there are no sentences; lime: without, no superpixels.
        started: called with the address and the server (`uvicorn.Server`) once all is loaded.

    Raises:
        ValueError: Gradio is missing, the port taken, or what `Predictor` and `Writer` raise.
    """
    with private_folder():
        try:
            from .server import listen, listening
        except ModuleNotFoundError as error:
            if error.name not in ("gradio", "fastapi", "uvicorn"):
                raise
            raise ValueError(
                f"the page needs {error.name}: use `make app`, or pip install -c constraints.txt -e '.[app]'"
            ) from None
        bound = listen(port)
        matplotlib.use("agg")  # figures are drawn in a thread, where windows cannot be
        with bound, open_explainer(run, paligemma, caption, lime) as explainer:
            listening(bound, run.data, explainer, started)
