"""Secrets of notebook services reach the environment, and so every subprocess; no value is ever printed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from aireal.core import secrets
from aireal.core.run import start
from aireal.core.secrets import export_secrets
from helpers.images import SAMPLE
from helpers.runtimes import KEYS, Store, colab, forget_silence, kaggle

SHOW = "import os; print(os.environ.get('HF_TOKEN'), os.environ.get('ANTHROPIC_API_KEY'))"


@pytest.mark.parametrize("service", [colab, kaggle])
def test_a_run_exports_them_to_subprocesses_and_prints_only_names(monkeypatch, capsys, tmp_path, service):
    service(monkeypatch, Store(KEYS))
    start("test", "smoke", SAMPLE, out=tmp_path)
    child = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert child.stdout.split() == list(KEYS.values())
    printed = capsys.readouterr().out
    assert "HF_TOKEN was found" in printed
    assert "must-never-show" not in printed


def test_the_environment_goes_before_the_store(monkeypatch):
    store = colab(monkeypatch, Store(KEYS))
    monkeypatch.setenv("HF_TOKEN", "mine")
    export_secrets()
    assert os.environ["HF_TOKEN"] == "mine"
    assert store.asked == ["ANTHROPIC_API_KEY"]


def test_on_kaggle_colabs_store_is_not_asked(monkeypatch):
    vault = colab(monkeypatch, Store(hangs=True))
    kaggle(monkeypatch, Store(KEYS))
    export_secrets()
    assert vault.asked == []
    assert os.environ["HF_TOKEN"] == KEYS["HF_TOKEN"]


@pytest.mark.fault(
    "notebooks", "a secret store that does not answer", "did not answer, once", "the run goes on without its keys"
)
def test_a_store_that_hangs_is_waited_for_once(monkeypatch, tmp_path, capsys):
    store = colab(monkeypatch, Store(KEYS, hangs=True))
    monkeypatch.setattr(secrets, "TIMEOUT", 0.2)
    began = time.monotonic()
    start("test", "smoke", SAMPLE, out=tmp_path)
    start("test", "smoke", SAMPLE, out=tmp_path)
    assert time.monotonic() - began < 10
    assert store.asked == ["HF_TOKEN"]
    assert capsys.readouterr().out.count("did not answer") == 1


@pytest.mark.fault("notebooks", "a secret store that answers late", "", "the next call asks again, and finds every key")
def test_a_store_that_answers_late_is_asked_again_for_every_key(monkeypatch):
    store = colab(monkeypatch, Store(KEYS, hangs=True))
    monkeypatch.setattr(secrets, "TIMEOUT", 0.2)
    export_secrets()
    store.allowed.set()  # the user allows access after the time-out, and runs the cell again
    secrets._open_questions["google.colab.userdata"].join()
    export_secrets()
    assert {name: os.environ[name] for name in KEYS} == KEYS


def test_the_line_about_a_store_that_hangs_names_every_key_that_was_not_read(monkeypatch):
    colab(monkeypatch, Store(KEYS, hangs=True))
    monkeypatch.setattr(secrets, "TIMEOUT", 0.2)
    (line,) = export_secrets()
    assert all(name in line for name in KEYS)


@pytest.mark.parametrize("store", [Store(), Store(KEYS, refuses=True)], ids=["empty", "refuses"])
def test_a_store_without_an_answer_counts_as_empty_and_is_asked_again(monkeypatch, store):
    colab(monkeypatch, store)
    assert export_secrets() == []
    assert not os.environ["HF_TOKEN"]
    store.values, store.refuses = KEYS, False
    export_secrets()
    assert os.environ["HF_TOKEN"] == KEYS["HF_TOKEN"]


def test_kernels_that_run_notebooks_starts_ask_no_store(monkeypatch):
    store = colab(monkeypatch, Store(KEYS))
    monkeypatch.setenv(secrets.EXPORTED, "1")
    assert export_secrets() == []
    assert store.asked == []


def test_without_a_service_nothing_happens(monkeypatch):
    forget_silence(monkeypatch)
    assert export_secrets() == []
