"""Keys of the hub and of Claude: from the environment, or from the secrets of Colab or Kaggle.

A notebook service hands its secrets to the interactive kernel alone. `export_secrets` therefore puts them into the
environment once, where subprocesses, notebooks that are executed by `run_notebooks`, and all libraries find them. A
value is never printed, logged or written to a file.
"""

from __future__ import annotations

import contextvars
import importlib
import os
import re
import threading

from .notebook_service import notebook_service

CLAUDE_KEY = "ANTHROPIC_API_KEY"
NAMES = ("HF_TOKEN", CLAUDE_KEY)
LIKE_A_KEY = re.compile(r"\b(?:sk-|hf_)[\w-]{4,}")
TIMEOUT = 30.0  # seconds; Colab may first ask the user whether this notebook may read the secret
EXPORTED = "AIREAL_SECRETS_EXPORTED"  # set for kernels that `run_notebooks` starts: they cannot ask the stores
COLAB, KAGGLE = ("google.colab.userdata", "get"), ("kaggle_secrets", "get_secret")
# by store, the question that was not answered in time: no other is asked before that one is settled, because it would
# wait as long, and Colab's two answers could be mistaken for each other
_open_questions: dict[str, threading.Thread] = {}


def export_secrets() -> list[str]:
    """Put `NAMES` that the environment lacks and a secret store has into `os.environ`.

    A store that did not answer is asked again as soon as it has settled the open question, for instance because the
    user allowed access late and runs the cell again.

    Returns:
        a line for each secret that was found, and for each store that did not answer; no line holds a value.
    """
    lines, missing, silent = [], [], set(_open_questions)
    for name in NAMES:
        if os.environ.get(name, "").strip():
            continue
        if secret(name):
            lines.append(f"{name} was found in the secrets of this runtime")
        else:
            missing.append(name)
    settings = " and ".join(f"os.environ[{name!r}]" for name in missing)
    lines += [
        f"the secrets of {store.split('.')[-1]} did not answer within {TIMEOUT:.0f} s, so {' and '.join(missing)} "
        "could not be read. They answer in the notebook that is open in the browser: allow access there and run this "
        f"cell again; elsewhere set {settings}"
        for store in sorted(set(_open_questions) - silent)
    ]
    return lines


def secret(name: str) -> str | None:
    """A secret from the environment, else from a store, which also puts it into `os.environ`; None where none has it.

    A store that is absent, has no such secret, refuses access or does not answer within `TIMEOUT` counts as empty.
    """
    if value := os.environ.get(name, "").strip():
        return value
    for module, method in _stores():
        if not _is_silent(module) and (value := _ask(module, method, name)):
            os.environ[name] = value
            return value
    return None


def without_key(message: str, key: str | None) -> str:
    """The message without the key, without its beginning (which some services quote), and without what looks like
    one."""
    for length in range(len(key or ""), 7, -1):
        message = message.replace(key[:length], "[key]")
    return LIKE_A_KEY.sub("[key]", message)


def _is_silent(module: str) -> bool:
    """Whether the store has a question that it has not answered yet."""
    question = _open_questions.get(module)
    if question and not question.is_alive():
        del _open_questions[module]
    return module in _open_questions


def gated_advice(repository: str) -> str:
    """What to do about a gated repository of the hub: whether a token was found here, and where one is put in."""
    from huggingface_hub import get_token  # imported here, because nothing else in this file needs it

    page = f"https://huggingface.co/{repository}"
    if get_token():
        return (
            f"accept its licence on {page} while logged in with the account of the token HF_TOKEN that was found here, "
            "which has not accepted it or may not read gated repositories"
        )
    return f"accept its licence on {page} while logged in, and let a token of that account be found: {how_to_set()}"


def how_to_set(name: str = "HF_TOKEN") -> str:
    """Where to put in a secret: the steps of the notebook service that this process runs on, or a cell."""
    service = notebook_service()
    if service == "Kaggle":
        return f"Add-ons → Secrets, add {name} and tick it for this notebook, then run this cell again"
    if service == "Colab":
        return f"the key symbol on the left, add {name} and switch on notebook access, then run this cell again"
    login = " or `hf auth login`" if name == "HF_TOKEN" else ""
    return f"run `export {name}=...`{login} in a shell, or in a notebook: import os; os.environ['{name}'] = '...'"


def _stores() -> tuple[tuple[str, str], ...]:
    """The stores to ask. Kaggle's image descends from Colab's, whose store would only wait there."""
    if os.environ.get(EXPORTED):
        return ()
    return (KAGGLE,) if notebook_service() == "Kaggle" else (COLAB, KAGGLE)


def _ask(module: str, method: str, name: str) -> str:
    """The store's answer, stripped; empty where there is none.

    The question runs in a thread of its own, because some versions of the stores wait without limit. The thread has
    the caller's context, in which Colab finds the cell that asks.
    """
    try:
        store = importlib.import_module(module)
    except Exception:  # absent, or broken outside its service
        return ""
    answers: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_read, store, method, name, answers), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    if thread.is_alive():
        _open_questions[module] = thread
    return answers[0] if answers else ""


def _read(store, method: str, name: str, answers: list[str]) -> None:
    try:
        client = store.UserSecretsClient() if hasattr(store, "UserSecretsClient") else store
        answers.append(str(getattr(client, method)(name) or "").strip())
    except BaseException:  # the services raise classes of their own, which exist only there; some quote the secret
        return
