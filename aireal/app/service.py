"""The loaded models: explain one picture in two steps, and make the files that a visitor may download."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt

from aireal.config import __version__
from aireal.core.imagefile import decode
from aireal.evidence.record import EvidenceRecord
from aireal.explain.lime.lime_image import ReportProgress
from aireal.figures.html import picture as picture_html
from aireal.figures.html.data_uris import data_uri, photo_uri
from aireal.figures.html.views import lime_view, overlay_view, shown_square
from aireal.stages.explainer import Explainer, Explanation

THUMBNAIL = 88  # px, twice the size in the list of files


@dataclass(frozen=True)
class PartialExplanation:
    """One picture with what has been computed so far.

    Attributes:
        photo, thumbnail: data URIs of the square that the classifier sees.
        truth: "real", "fake", or "" where it is not known.
    """

    photo: str
    thumbnail: str
    explanation: Explanation
    uncertain_below: float
    truth: str = ""

    @property
    def record(self) -> EvidenceRecord:
        """The evidence record as far as it is complete."""
        return self.explanation.record

    def parts(self, key: str) -> dict[str, str]:
        """HTML of head, overlay, LIME's view ("" before LIME has run) and trust strip; ids are made from `key`."""
        explanation = self.explanation
        return {
            "head": picture_html.head(
                explanation.name, self.record, self.uncertain_below, explanation.marked_texts, self.truth, key
            ),
            "overlay": overlay_view(self.photo, explanation.picture.heatmap, self.record, key),
            "lime": lime_view(self.photo, explanation.lime, key) if explanation.lime else "",
            "trust": picture_html.trust_strip(self.record, key),
        }


@dataclass(frozen=True)
class Downloads:
    """Data URIs of the panel (PNG), the explanation (JSON) and the picture's page (HTML); `stem` begins their names."""

    stem: str
    png: str
    json: str
    html: str


class ExplanationService:
    """An explainer, and its explanations as the page shows them.

    The service is not thread-safe: call it from jobs of a `job_queue.JobQueue`.
    """

    def __init__(self, explainer: Explainer):
        self.explainer = explainer

    @property
    def lime_samples(self) -> int:
        """The most that LIME may draw for a picture; 0 leaves LIME out."""
        return self.explainer.lime_samples

    def explain_without_lime(self, name: str, data: bytes, truth: str = "") -> PartialExplanation:
        """Compute verdict, heatmap and sentence of a file's bytes.

        Raises:
            ValueError: the file cannot be used; the message is that of `aireal explain`.
        """
        explanation = self.explainer.explain_without_lime(data, name)
        photo, limit = shown_square(decode(data)), self.explainer.predictor.config.uncertain_below
        return PartialExplanation(photo_uri(photo), photo_uri(photo, THUMBNAIL), explanation, limit, truth)

    def complete(
        self, partial: PartialExplanation, report_progress: ReportProgress | None = None
    ) -> tuple[PartialExplanation, Downloads]:
        """Add LIME, if it may draw any samples, and make the downloads."""
        partial = replace(partial, explanation=self.explainer.add_lime(partial.explanation, report_progress))
        return partial, self._downloads(partial)

    def complete_without_lime(self, partial: PartialExplanation) -> tuple[PartialExplanation, Downloads]:
        """Make the downloads of a picture for which LIME failed."""
        note = "LIME was left out: an error occurred, and the command's output shows it"
        partial = replace(partial, explanation=replace(partial.explanation, lime_note=note))
        return partial, self._downloads(partial)

    def _downloads(self, partial: PartialExplanation) -> Downloads:
        figure, png = partial.explanation.panel(), io.BytesIO()
        figure.savefig(png, format="png")
        plt.close(figure)
        page = picture_html.document(partial.explanation.name, "".join(partial.parts("p").values()))
        return Downloads(
            file_stem(partial.explanation.name),
            data_uri(png.getvalue(), "image/png"),
            data_uri(json.dumps(self._to_dict(partial), ensure_ascii=False, indent=1).encode(), "application/json"),
            data_uri(page.encode(), "text/html;charset=utf-8"),
        )

    def _to_dict(self, partial: PartialExplanation) -> dict:
        return {
            "aireal": __version__,
            "name": partial.explanation.name,
            "sha256": partial.explanation.digest,
            "made_with": self.explainer.made_with,
            "uncertain_below": partial.uncertain_below,
            **partial.explanation.to_dict(),
        }


def file_stem(name: str) -> str:
    """`aireal-` and the name without its suffix, in characters that are safe in file systems and headers."""
    return "aireal-" + (re.sub(r"[^\w-]+", "_", name.rsplit(".", 1)[0]).strip("_")[:60] or "picture")
