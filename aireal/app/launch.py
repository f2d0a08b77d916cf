"""Start the page: load the models once, give Gradio a private folder, and serve on loopback until it is stopped."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

from aireal.core.notebook_service import notebook_service
from aireal.core.run import Run
from aireal.stages.explainer import open_explainer

from .reachable import how_to_open


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
    trust_list: str | Path = "",
) -> None:
    """Serve the page of a run's classifier until the process is interrupted or the server is told to exit.

    A dataset root without a classifier is trained first, which takes some minutes.

    Args:
        port: port on loopback; None takes 7860 or the next free one.
        paligemma: PaliGemma that writes the sentences; "" for the profile's.
        caption: whether there are sentences.
        lime: whether there are superpixels.
        started: called with the address and the server (`uvicorn.Server`) once everything is loaded.
        trust_list: as for `open_explainer`.

    Raises:
        ValueError: Gradio is missing, the port is taken, or `Predictor` or `Writer` cannot be loaded; or no port was
            named in Colab or Kaggle, where a browser cannot open the page.
    """
    if port is None and (service := notebook_service()):
        raise ValueError(how_to_open(service))
    with private_folder():
        try:
            from .server import listen, serve_page
        except ModuleNotFoundError as error:
            if error.name not in ("gradio", "fastapi", "uvicorn"):
                raise
            raise ValueError(
                f"the page needs {error.name}. Use `make app`, or "
                "pip install -c constraints.txt -e '.[app,heif,provenance]'"
            ) from None
        bound = listen(port)
        matplotlib.use("agg")  # figures are drawn in the worker thread, which cannot open windows
        with bound, open_explainer(run, paligemma, caption, lime, trust_list) as explainer:
            serve_page(bound, run.data, explainer, started, run.out)
