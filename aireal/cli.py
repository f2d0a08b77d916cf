"""The command line: `python -m aireal COMMAND`, one dataclass of `aireal.commands` for each command."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Annotated, Union, get_args

import tyro
from tyro.conf import subcommand

from aireal.commands import faults
from aireal.commands.dataset import Dataset
from aireal.commands.demo import App, Demo, Report
from aireal.commands.images import Evaluate, Explain, Predict
from aireal.commands.release import Release
from aireal.commands.stages import Augment, Finetune, Measure, Train
from aireal.config import __version__
from aireal.core.file_names import shown

DESCRIPTION = """Tell AI images from photographs, with explanations that can be checked.

Each command has its own help, for instance `python -m aireal explain --help`. `--version` prints the version."""
COMMANDS = Union[  # noqa: UP007  (tyro reads the annotated members)
    Annotated[Explain, subcommand("explain")],
    Annotated[Predict, subcommand("predict")],
    Annotated[Evaluate, subcommand("evaluate")],
    Annotated[App, subcommand("app")],
    Annotated[Report, subcommand("report")],
    Annotated[Demo, subcommand("demo")],
    Annotated[Dataset, subcommand("dataset")],
    Annotated[Train, subcommand("train")],
    Annotated[Finetune, subcommand("finetune")],
    Annotated[Measure, subcommand("measure")],
    Annotated[Augment, subcommand("augment")],
    Annotated[Release, subcommand("release")],
]

NAMES = [member.__metadata__[0].name for member in get_args(COMMANDS)]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    A mistake of the user is one sentence on stderr and status 2; a fault of disk or memory is one, too, and status 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show must not end the run
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--version"]:
        print(f"aireal {__version__}")
        return 0
    if given and not given[0].startswith("-") and given[0] not in NAMES:
        near = get_close_matches(given[0], NAMES, 1)
        hint = f" Did you mean {near[0]}?" if near else f" The commands are {', '.join(NAMES)}."
        print(f"aireal: there is no command {shown(given[0])}.{hint}", file=sys.stderr)
        return 2
    command = tyro.cli(COMMANDS, args=arguments, prog="python -m aireal", description=DESCRIPTION)
    try:
        return command()
    except ValueError as error:
        print("\n".join(shown(line) for line in f"aireal: {error}".split("\n")), file=sys.stderr)
        return 2
    except Exception as error:
        if not (words := faults.sentence(error)):
            raise
        print(f"aireal: {words}", file=sys.stderr)
        return 1


def process() -> int:
    """`main` as a whole process, which signals and a closed output end in one line."""
    return faults.run_process(main)
