"""Which notebook service the process runs on: its disk, its secrets and its browser are not those of a server."""

from __future__ import annotations

import os
import sys

SIGNS = {"Kaggle": "KAGGLE_KERNEL_RUN_TYPE", "Colab": "COLAB_RELEASE_TAG"}  # variables that these services set


def notebook_service() -> str:
    """Give "Colab" or "Kaggle" if the process runs there, else "". Kaggle's image descends from Colab's, so its own
    sign counts first."""
    found = next((name for name, sign in SIGNS.items() if os.environ.get(sign)), "")
    return found or ("Colab" if "google.colab" in sys.modules else "")
