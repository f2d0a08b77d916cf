"""AI-made image or real photograph: a verdict, and an explanation that can be checked (docs/api.md).

from aireal import load_explainer

with load_explainer() as explainer:
    explanation = explainer.explain("photo.jpg")
print(explanation.record.label, explanation.record.probability, explanation.texts["en"])
explanation.save_panel("explained.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aireal.stages.explainer import Explainer, Explanation, load_explainer

__all__ = ["Explainer", "Explanation", "load_explainer"]


def __getattr__(name: str) -> object:
    """The public API and the version, imported when they are first used, so that `import aireal` stays fast."""
    if name == "__version__":
        from .config import __version__

        return __version__
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .stages import explainer

    return getattr(explainer, name)
