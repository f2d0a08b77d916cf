"""The loaded models: explain one picture in two steps, and make the files that a visitor may download."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt

from aireal import __version__
from aireal.core.imagefile import decode, sha256
from aireal.evidence.record import EvidenceRecord
from aireal.explain.lime.explain import ReportProgress
from aireal.explain.predictor import Predictor
from aireal.figures.html import picture as picture_html
from aireal.figures.html.data_uris import data_uri, photo_uri
from aireal.figures.html.views import lime_view, overlay_view, shown_square
from aireal.stages.explain import Explanation, Writer, circumstances, said_of, with_lime, without_lime

THUMBNAIL = 88  # px, twice the size in the list of files


@dataclass(frozen=True)
class PartialExplanation:
    """One picture with what has been computed so far.

    Attributes:
        digest: SHA-256 of the file.
        photo, thumbnail: data URIs of the square that the classifier sees.
        truth: "real", "fake", or "" where it is not known.
    """

    name: str
    digest: str
    photo: str
    thumbnail: str
    explanation: Explanation
    uncertain_below: float
    truth: str = ""

    @property
    def record(self) -> EvidenceRecord:
        """The evidence record as far as it is complete."""
        return self.explanation.seen.record

    @property
    def note(self) -> str:
        """Why there is no LIME view, or ""."""
        return self.explanation.note

    def parts(self, key: str) -> dict[str, str]:
        """HTML of head, overlay, LIME's view ("" before LIME has run) and trust strip; ids are made from `key`."""
        explanation = self.explanation
        return {
            "head": picture_html.head(
                self.name, self.record, self.uncertain_below, explanation.marked, self.truth, key
            ),
            "overlay": overlay_view(self.photo, explanation.seen.heatmap, self.record, key),
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
    """A classifier, a writer and the most samples that LIME may draw.

    The service is not thread-safe: call it from jobs of a `job_queue.JobQueue`.
    """

    def __init__(self, predictor: Predictor, writer: Writer | None, samples: int):
        self.predictor, self.writer, self.samples = predictor, writer, samples

    def explain_without_lime(self, name: str, data: bytes, truth: str = "") -> PartialExplanation:
        """Compute verdict, heatmap and sentence of a file's bytes.

        Raises:
            ValueError: the file cannot be used; the message is that of `aireal explain`.
        """
        image, digest = decode(data), sha256(data)
        explanation = without_lime(name, digest, image, self.predictor, self.writer)
        photo = shown_square(image)
        return PartialExplanation(
            name,
            digest,
            photo_uri(photo),
            photo_uri(photo, THUMBNAIL),
            explanation,
            self.predictor.config.uncertain_below,
            truth,
        )

    def complete(
        self, partial: PartialExplanation, report_progress: ReportProgress | None = None
    ) -> tuple[PartialExplanation, Downloads]:
        """Add LIME, if it may draw any samples, and make the downloads."""
        if self.samples:
            explanation = with_lime(partial.explanation, partial.digest, self.predictor, self.samples, report_progress)
            partial = replace(partial, explanation=explanation)
        return partial, self._downloads(partial)

    def _downloads(self, partial: PartialExplanation) -> Downloads:
        figure, png = partial.explanation.figure(), io.BytesIO()
        figure.savefig(png, format="png")
        plt.close(figure)
        page = picture_html.document(partial.name, "".join(partial.parts("p").values()))
        return Downloads(
            file_stem(partial.name),
            data_uri(png.getvalue(), "image/png"),
            data_uri(json.dumps(self._to_dict(partial), ensure_ascii=False, indent=1).encode(), "application/json"),
            data_uri(page.encode(), "text/html;charset=utf-8"),
        )

    def _to_dict(self, partial: PartialExplanation) -> dict:
        return {
            "aireal": __version__,
            "name": partial.name,
            "sha256": partial.digest,
            "made_with": circumstances(self.predictor, self.writer, self.samples),
            "uncertain_below": partial.uncertain_below,
            **said_of(partial.explanation),
        }


def file_stem(name: str) -> str:
    """`aireal-` and the name without its suffix, in characters that are safe in file systems and headers."""
    return "aireal-" + (re.sub(r"[^\w-]+", "_", name.rsplit(".", 1)[0]).strip("_")[:60] or "picture")
