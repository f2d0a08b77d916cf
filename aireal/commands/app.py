"""`aireal app`: the demonstration page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY


@dataclass
class App:
    """A page on this machine: drop pictures, see verdict, heatmap, superpixels and sentence, and how far to trust them. Ctrl-C stops it."""

    port: Annotated[int | None, arg(help="of loopback (default: 7860, or the first free one behind it)")] = None
    root: Annotated[Path, arg(help="dataset root whose trained classifier, adapter and examples are used")] = (
        REPOSITORY / "dataset"
    )
    profile: str = "auto"
    lime: bool = True
    caption: bool = True
    paligemma: Annotated[
        str | None, arg(help="PaliGemma to use: embedded, a hub id or a folder (default: the profile's)")
    ] = None

    def __call__(self) -> int:
        from aireal.app.launch import launch_app
        from aireal.core.run import start

        launch_app(start("app", self.profile, self.root), self.port, self.paligemma or "", self.caption, self.lime)
        return 0
