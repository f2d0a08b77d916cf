"""Stand-ins for what notebook runtimes do to a run: secret stores that answer, refuse or hang, disks without locks."""

from __future__ import annotations

import errno
import sys
import threading
import types
from collections.abc import Mapping

import pytest

from aireal.core import files, secrets

KEYS = {"HF_TOKEN": "hub-token-that-must-never-show", "ANTHROPIC_API_KEY": "anthropic-key-that-must-never-show"}


class Store:
    """A secret store of a notebook service.

    Attributes:
        asked: names of the secrets that were asked for.
        allowed: until it is set, a store that hangs does not answer.
    """

    def __init__(self, values: Mapping[str, str] | None = None, hangs: bool = False, refuses: bool = False):
        self.values, self.hangs, self.refuses, self.asked = values or {}, hangs, refuses, []
        self.allowed = threading.Event()

    def get(self, name: str) -> str:
        self.asked.append(name)
        if self.hangs:
            self.allowed.wait()
        if self.refuses:
            raise RuntimeError(f"access to {name} is not granted: {self.values.get(name)}")
        return self.values[name]


def colab(monkeypatch: pytest.MonkeyPatch, store: Store) -> Store:
    """Let `google.colab.userdata` be this store."""
    forget_silence(monkeypatch)
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    userdata = types.ModuleType("google.colab.userdata")
    userdata.get = store.get
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    return store


def kaggle(monkeypatch: pytest.MonkeyPatch, store: Store) -> Store:
    """Let `kaggle_secrets` be this store, in a kernel of Kaggle."""
    forget_silence(monkeypatch)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    module = types.ModuleType("kaggle_secrets")
    module.UserSecretsClient = lambda: types.SimpleNamespace(get_secret=store.get)
    monkeypatch.setitem(sys.modules, "kaggle_secrets", module)
    return store


def forget_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no store count as one that did not answer, and no secret be in the environment, until the test ends."""
    monkeypatch.setattr(secrets, "_open_questions", {})
    for name in (*KEYS, secrets.EXPORTED):
        monkeypatch.setenv(name, "")  # set first, so that what the code exports is undone, too


def disk_without_locks(monkeypatch: pytest.MonkeyPatch, error: int = errno.ENOTSUP) -> None:
    """Let flock fail as on a disk that has no locks."""

    def flock(handle: int, operation: int) -> None:
        raise OSError(error, "no locks here")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    files._say_without_locks.cache_clear()
