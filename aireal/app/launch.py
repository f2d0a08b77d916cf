"""Start the page: load the models once, give Gradio a private folder, and serve on loopback until it is stopped."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

from aireal.classifier.model import read_config
from aireal.classifier.train import ensure_classifier
from aireal.core.run import Run
from aireal.explain.predictor import Predictor
from aireal.stages.explain import Writer


@contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder for Gradio that only this user may read; telemetry of Gradio and the hub is off.

    The page itself writes nothing there; a later version of Gradio might. Enter the context before importing Gradio.
    """
    with tempfile.TemporaryDirectory(prefix="aireal-app-") as folder:
        settings = {
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            # never: Gradio's statistics of events are not shown here, and computing them uses a deprecated pandas call
            "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(sys.maxsize),
        }
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
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
    """Serve the page of a run's classifier until the process is interrupted or the server is told to exit.

    A dataset root without a classifier is trained first, which takes some minutes.

    Args:
        port: port on loopback; None takes 7860 or the next free one.
        paligemma: PaliGemma that writes the sentences; "" for the profile's.
        caption: whether there are sentences.
        lime: whether there are superpixels.
        started: called with the address and the server (`uvicorn.Server`) once everything is loaded.

    Raises:
        ValueError: Gradio is missing, the port is taken, or `Predictor` or `Writer` cannot be loaded.
    """
    with private_folder():
        try:
            from .server import listen, serve_page
        except ModuleNotFoundError as error:
            if error.name not in ("gradio", "fastapi", "uvicorn"):
                raise
            raise ValueError(
                f"the page needs {error.name}. Use `make app`, or pip install -c constraints.txt -e '.[app]'"
            ) from None
        bound = listen(port)
        matplotlib.use("agg")  # figures are drawn in the worker thread, which cannot open windows
        if read_config(run.data.model) is None:
            print(f"{run.data.root.name} has no trained classifier yet. Training one now, once.")
            ensure_classifier(run)
        with bound, Predictor(run.data.model, run.device) as predictor:
            writer = Writer(paligemma or run.profile.paligemma, run.data.adapter, run.device) if caption else None
            serve_page(bound, run.data, predictor, writer, run.profile.lime_samples if lime else 0, started)
