"""Colab and Kaggle: the page answers only browsers on its own machine, and theirs is not the visitor's."""

from __future__ import annotations

FETCH = {
    "Colab": "run `from google.colab import files; files.download('explained/report.html')`",
    "Kaggle": "download explained/report.html from the panel Output",
}
ONLY_HERE = (  # the answer to a request that names another host
    "This page answers only browsers on the machine that it runs on, at 127.0.0.1 or localhost. "
    "From another machine, forward its port: ssh -L 7860:127.0.0.1:7860 MACHINE. "
    "In Colab or Kaggle, run `python -m aireal explain FOLDER --report`, and download and open explained/report.html.\n"
)

NEEDS_KEY = (  # the answer to whoever does not know the key
    "Open the address that the command printed, with its ?key=...: other users of this machine do not know it.\n"
)


def how_to_open(service: str) -> str:
    """What to do in Colab or Kaggle, where no browser can open the page."""
    return (
        f"the page answers only browsers on its own machine, and {service}'s machine is not yours. "
        f"Run `!python -m aireal explain FOLDER --report` in a cell, then {FETCH[service]}, and open that file: it "
        "shows verdicts, heatmaps and sentences without a server. To open the page itself, run `make app` on your "
        "computer; for a tunnel of your own to this machine, name the port with --port"
    )
