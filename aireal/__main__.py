"""`python -m aireal`: the command line of `aireal.cli`."""

from .cli import process

raise SystemExit(process())
