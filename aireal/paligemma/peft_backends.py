"""peft beside the optional quantisation packages of a runtime.

peft asks for each package that could have quantised a layer, for every layer that LoRA goes on. Some of its questions
(`is_torchao_available`, `is_gptqmodel_available`) raise ImportError where the package is installed and too old, instead
of answering no. Colab and Kaggle bring torchao 0.10, and peft wants 0.16, so LoRA fails there on a model that has
nothing to do with torchao (unslothai/notebooks pull request 258, PrunaAI/pruna pull request 630).

A package that peft refuses cannot have quantised these weights: `model.load` quantises by bitsandbytes or not at all.
So the answer is no while peft builds the adapter. The user's packages stay as they are.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import peft.import_utils


@contextmanager
def ignore_old_backends() -> Iterator[None]:
    """A context in which peft takes an optional package that is too old for it as not installed."""
    checks = {
        name: check
        for name, check in vars(peft.import_utils).items()
        if name.startswith("is_") and name.endswith("_available") and callable(check)
    }
    modules = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "peft" and module]
    with ExitStack() as stack:
        for module in modules:  # each has imported the functions that it asks by their names
            for name, check in checks.items():
                if vars(module).get(name) is check:
                    stack.enter_context(patch.object(module, name, _answering(check)))
        yield


def _answering(check: Callable[..., bool]) -> Callable[..., bool]:
    """The check, with the answer no where it raises ImportError."""

    @functools.wraps(check)
    def answer(*args, **kwargs) -> bool:
        try:
            return check(*args, **kwargs)
        except ImportError:
            return False

    return answer
