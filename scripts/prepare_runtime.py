"""Install what aireal imports into the runtime of a notebook; the first cell of each notebook runs this file.

    python scripts/prepare_runtime.py

A notebook that lies in the repository uses the packages of its own environment, and nothing is installed. Elsewhere,
what the runtime brings stays where it is new enough, above all torch; constraints-notebook.txt pins the rest to the
versions that were tested together. Only the standard library is used here, because nothing else may be there yet.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
RUNS_NOTEBOOKS = ("ipykernel", "jupyter", "nbconvert")  # the runtime has its own
# Modules that load compiled parts bit by bit, and their packages: a kernel that has loaded one must not mix two
# versions of it.
FRAGILE = {
    "PIL": "pillow",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torchvision": "torchvision",
}


def packages(has_gpu: bool) -> list[str]:
    """The requirements to install; without a GPU also those of the 8-bit classifier for CPUs."""
    files = ["requirements-gpu.txt"] if has_gpu else ["requirements-gpu.txt", "requirements.txt"]
    lines = [line for file in files for line in (HOME / file).read_text(encoding="utf-8").splitlines()]
    names = [
        line for line in lines if line and not line.startswith(("#", "-r")) and name_of(line) not in RUNS_NOTEBOOKS
    ]
    # a `datasets` that the runtime brings may refuse the pinned huggingface_hub
    return names + (["datasets"] if importlib.util.find_spec("datasets") else [])


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]


def loaded_versions() -> dict[str, str]:
    """Versions of the fragile packages that this process has loaded, as their modules say them.

    They differ from those on the disk where a cell, or an earlier run of this file, has installed others since.
    """
    return {
        name: sys.modules[module].__version__
        for module, name in FRAGILE.items()
        if hasattr(sys.modules.get(module), "__version__")
    }


def versions_on_disk(names: Iterable[str]) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}


def prepare() -> None:
    """Install, and check that what the running kernel has loaded is what lies on the disk.

    Raises:
        RuntimeError: a loaded package has another version there, of this installation or an earlier one; the message
            says what to do. Without a restart the next import could mix two versions of it.
    """
    loaded = loaded_versions()
    before = versions_on_disk(loaded)
    pins = ["-c", str(HOME / "constraints-notebook.txt")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
    subprocess.run([*command, *packages(shutil.which("nvidia-smi") is not None)], check=True)
    importlib.invalidate_caches()
    after = versions_on_disk(loaded)
    # a build tag behind + may stand in one of the two texts alone
    replaced = [
        f"{name} {version if version != after[name] else before[name]} by {after[name]}"
        for name, version in loaded.items()
        if after[name] != before[name] or after[name].split("+")[0] != version.split("+")[0]
    ]
    if replaced:
        raise RuntimeError(
            f"{', '.join(replaced)}: replaced on the disk while this kernel has the old version loaded. Restart the "
            "kernel (Colab: Runtime → Restart session; Kaggle: Run → Restart) and run the cells from the top again: "
            "nothing is installed twice"
        )


def start() -> None:
    """Install what aireal imports, where the notebook does not lie in the repository."""
    if not Path.cwd().resolve().is_relative_to(HOME):
        prepare()


if __name__ == "__main__":
    start()
