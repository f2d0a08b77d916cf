"""`python -m aireal`: the command line of `aireal.cli`."""

from .cli import main

raise SystemExit(main())
