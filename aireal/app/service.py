"""The loaded models: what the page asks of them for one picture, in two steps, and the files that a visitor may take along."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt

from aireal import __version__
from aireal.core.imagefile import decode, sha256
from aireal.explain.lime.lime_image import ReportProgress
from aireal.explain.predictor import Predictor
from aireal.figures.html import picture as pages
from aireal.figures.html.data_uris import data_uri, photo_uri
from aireal.figures.html.views import lime_view, overlay_view, shown_square
from aireal.stages.explain import Explanation, Writer, circumstances, said_of, with_lime, without_lime

THUMBNAIL = 88  # px, twice what a list shows


@dataclass(frozen=True)
class PartialExplanation:
    """One picture with what has been found so far; `photo` and `thumbnail` are data URIs of the square that was seen, `truth` "real" or "fake"
    where it is known."""

    name: str
    digest: str
    photo: str
    thumbnail: str
    found: Explanation
    uncertain_below: float
    truth: str = ""

    def parts(self, key: str) -> dict[str, str]:
        """HTML of head, overlay, LIME's view ("" where there is none) and the strip of trust; ids are made from `key`."""
        record = self.found.seen.record
        return {
            "head": pages.head(self.name, record, self.uncertain_below, self.found.marked, self.truth, key),
            "overlay": overlay_view(self.photo, self.found.seen.heatmap, record, key),
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
    """A classifier, a writer and the most that LIME may draw. Not for two threads at a time: ask through a `desk.Desk`."""

    def __init__(self, predictor: Predictor, writer: Writer | None, samples: int):
        self.predictor, self.writer, self.samples = predictor, writer, samples

    def look(self, name: str, data: bytes, truth: str = "") -> PartialExplanation:
        """All that is known without LIME.

        Raises:
            ValueError: the sentence of `aireal explain` on a file that cannot be used.
        """
        image, digest = decode(data), sha256(data)
        found = without_lime(name, digest, image, self.predictor, self.writer)
        shown = shown_square(image)
        return PartialExplanation(
            name,
            digest,
            photo_uri(shown),
            photo_uri(shown, THUMBNAIL),
            found,
            self.predictor.config.uncertain_below,
            truth,
        )

    def complete(
        self, looked: PartialExplanation, progress: ReportProgress | None = None
    ) -> tuple[PartialExplanation, Downloads]:
        """LIME's part, if any may be drawn, and the downloads."""
        if self.samples:
            looked = replace(
                looked, found=with_lime(looked.found, looked.digest, self.predictor, self.samples, progress)
            )
        return looked, self._downloads(looked)

    def _downloads(self, looked: PartialExplanation) -> Downloads:
        figure, picture = looked.found.figure(), io.BytesIO()
        figure.savefig(picture, format="png")
        plt.close(figure)
        line = {
            "aireal": __version__,
            "name": looked.name,
            "sha256": looked.digest,
            "made_with": circumstances(self.predictor, self.writer, self.samples),
            "uncertain_below": looked.uncertain_below,
            **said_of(looked.found),
        }
        return Downloads(
            file_stem(looked.name),
            data_uri(picture.getvalue(), "image/png"),
            data_uri(json.dumps(line, ensure_ascii=False, indent=1).encode(), "application/json"),
            data_uri(
                pages.document(looked.name, "".join(looked.parts("p").values())).encode(), "text/html;charset=utf-8"
            ),
        )


def file_stem(name: str) -> str:
    """`aireal-` and the name without suffix, with nothing in it that a file system or a header minds."""
    return "aireal-" + (re.sub(r"[^\w-]+", "_", name.rsplit(".", 1)[0]).strip("_")[:60] or "picture")
