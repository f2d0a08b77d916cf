"""The command line: `python -m aireal dataset check | audit | build | import`, and
`train | explain | predict | measure | augment | app | demo | publish | cards | report | fullsize-check | push`."""

from __future__ import annotations

import sys
from typing import Annotated, Union

import tyro
from tyro.conf import subcommand

from aireal.commands.app import App
from aireal.commands.dataset import Dataset
from aireal.commands.demonstration import Cards, Demo, Publish
from aireal.commands.images import Explain, Predict
from aireal.commands.paligemma import FullsizeCheck, Push
from aireal.commands.report import Report
from aireal.commands.stages import Augment, Measure, Train

COMMANDS = Union[  # noqa: UP007  (tyro reads the annotated members)
    Annotated[Dataset, subcommand("dataset")],
    Annotated[Train, subcommand("train")],
    Annotated[Explain, subcommand("explain")],
    Annotated[Predict, subcommand("predict")],
    Annotated[Measure, subcommand("measure")],
    Annotated[Augment, subcommand("augment")],
    Annotated[App, subcommand("app")],
    Annotated[Demo, subcommand("demo")],
    Annotated[Publish, subcommand("publish")],
    Annotated[Cards, subcommand("cards")],
    Annotated[Report, subcommand("report")],
    Annotated[FullsizeCheck, subcommand("fullsize-check")],
    Annotated[Push, subcommand("push")],
]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the user can mend is one sentence on stderr and exit status 2."""
    command = tyro.cli(COMMANDS, args=arguments, prog="python -m aireal", description=__doc__)
    try:
        return command()
    except ValueError as error:
        print(f"aireal: {error}", file=sys.stderr)
        return 2
