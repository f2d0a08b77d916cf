"""Work that is stopped in the middle, as a closed notebook or Ctrl-C stops it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest


@contextlib.contextmanager
def stopped_after(
    calls: int,
    owner: type,
    name: str,
    error: type[BaseException] = KeyboardInterrupt,
    counts: Callable[..., bool] = lambda *_: True,
) -> Iterator[None]:
    """Let method `name` of `owner` work `calls` times and raise `error` at the next call. The block must raise it, too.

    Args:
        counts: which calls count, by their arguments; the others work.
    """
    method, made = getattr(owner, name), []

    def stop(self, *args, **kwargs):
        if counts(self, *args):
            if len(made) == calls:
                raise error
            made.append(args)
        return method(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stop)
        with pytest.raises(error):
            yield
