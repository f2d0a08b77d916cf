"""The loaded models: what the page asks of them for one picture, in two steps, and the files that a visitor may take along."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt

from aireal import __version__
from aireal.core.imagefile import decode
from aireal.explain.lime.lime_image import ReportProgress
from aireal.figures.html import picture as pages
from aireal.figures.html.data_uris import data_uri, photo_uri
from aireal.figures.html.views import lime_view, overlay_view, shown_square
from aireal.stages.explainer import Explainer, Explanation

THUMBNAIL = 88  # px, twice what a list shows


@dataclass(frozen=True)
class PartialExplanation:
    """One picture with what has been found so far; `photo` and `thumbnail` are data URIs of the square that was seen, `truth` "real" or "fake"
    where it is known."""

    photo: str
    thumbnail: str
    found: Explanation
    uncertain_below: float
    truth: str = ""

    def parts(self, key: str) -> dict[str, str]:
        """HTML of head, overlay, LIME's view ("" where there is none) and the strip of trust; ids are made from `key`."""
        record = self.found.record
        return {
            "head": pages.head(self.found.name, record, self.uncertain_below, self.found.marked_texts, self.truth, key),
            "overlay": overlay_view(self.photo, self.found.picture.heatmap, record, key),
            "lime": lime_view(self.photo, self.found.lime, key) if self.found.lime else "",
            "trust": pages.trust_strip(record, key),
        }


@dataclass(frozen=True)
class Downloads:
    """Data URIs of the panel (PNG), of all that was found (JSON) and of the picture's page (HTML), and the name that their files begin with."""

    stem: str
    png: str
    json: str
    html: str


class ExplanationService:
    """An explainer and the page's views of its explanations. Not for two threads at a time: use it through a `JobQueue`."""

    def __init__(self, explainer: Explainer):
        self.explainer = explainer

    @property
    def lime_samples(self) -> int:
        """The most that LIME may draw for a picture; 0 leaves LIME out."""
        return self.explainer.lime_samples

    def look(self, name: str, data: bytes, truth: str = "") -> PartialExplanation:
        """All that is known without LIME.

        Raises:
            ValueError: the sentence of `aireal explain` on a file that cannot be used.
        """
        explanation = self.explainer.explain_without_lime(data, name)
        photo, limit = shown_square(decode(data)), self.explainer.predictor.config.uncertain_below
        return PartialExplanation(photo_uri(photo), photo_uri(photo, THUMBNAIL), explanation, limit, truth)

    def complete(
        self, looked: PartialExplanation, progress: ReportProgress | None = None
    ) -> tuple[PartialExplanation, Downloads]:
        """LIME's part, if any may be drawn, and the downloads."""
        looked = replace(looked, found=self.explainer.add_lime(looked.found, progress))
        return looked, self._downloads(looked)

    def _downloads(self, looked: PartialExplanation) -> Downloads:
        figure, picture = looked.found.panel(), io.BytesIO()
        figure.savefig(picture, format="png")
        plt.close(figure)
        line = {
            "aireal": __version__,
            "name": looked.found.name,
            "sha256": looked.found.digest,
            "made_with": self.explainer.made_with,
            "uncertain_below": looked.uncertain_below,
            **looked.found.to_dict(),
        }
        return Downloads(
            file_stem(looked.found.name),
            data_uri(picture.getvalue(), "image/png"),
            data_uri(json.dumps(line, ensure_ascii=False, indent=1).encode(), "application/json"),
            data_uri(
                pages.document(looked.found.name, "".join(looked.parts("p").values())).encode(),
                "text/html;charset=utf-8",
            ),
        )


def file_stem(name: str) -> str:
    """`aireal-` and the name without suffix, with nothing in it that a file system or a header minds."""
    return "aireal-" + (re.sub(r"[^\w-]+", "_", name.rsplit(".", 1)[0]).strip("_")[:60] or "picture")
