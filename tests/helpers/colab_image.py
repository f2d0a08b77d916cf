"""Stand-ins for what Colab's image brings and what breaks there, as a folder to put in front of `sys.path`."""

from __future__ import annotations

from pathlib import Path

# Colab's flock works, and that of a mounted Drive does not; here no disk has one.
WITHOUT_LOCKS = """
import errno
import fcntl


def flock(*_):
    raise OSError(errno.ENOTSUP, "this disk has no locks")


fcntl.flock = flock
"""
# It asks the browser, which has the notebook open that was started there, and no other kernel.
STORE_THAT_HANGS = """
import sys
import threading

sys.modules["aireal.core.secrets"].TIMEOUT = 0.5  # the tests have less patience


def get(name):
    print("the store was asked for", name, file=sys.stderr)
    threading.Event().wait()
"""
STORE = """
def get(name):
    return {values!r}[name]
"""
BROKEN_TENSORFLOW = 'raise RuntimeError("this TensorFlow was built for another protobuf")\n'


def make_image(folder: Path, secrets: dict[str, str] | None = None) -> Path:
    """An old torchao, a TensorFlow that raises, no file locks, and Colab's secret store; the folder.

    Args:
        secrets: what the store has; None: it never answers.
    """
    store = STORE_THAT_HANGS if secrets is None else STORE.format(values=secrets)
    files = {
        "sitecustomize.py": WITHOUT_LOCKS,
        "google/colab/__init__.py": "",
        "google/colab/userdata.py": store,
        "tensorflow/__init__.py": BROKEN_TENSORFLOW,
        "tensorflow-2.19.0.dist-info/METADATA": metadata("tensorflow", "2.19.0"),
        "torchao/__init__.py": "",
        "torchao-0.10.0.dist-info/METADATA": metadata("torchao", "0.10.0"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def metadata(name: str, version: str) -> str:
    """The file METADATA of an installed package."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
