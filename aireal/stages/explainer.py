"""Explanation of pictures.

The command line, the page, notebook 07 and `from aireal import load_explainer` share this one flow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from aireal.captions.language.grammar import LANGUAGES, render
from aireal.classifier.model import read_config
from aireal.classifier.train import ensure_classifier
from aireal.core.file_names import shown
from aireal.core.imagefile import decode, read_bytes, sha256
from aireal.core.run import Run, start
from aireal.evidence.record import EvidenceRecord
from aireal.explain import lime
from aireal.explain.complete_record import MEASURES, add_lime, measure_region
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.lime.lime_image import ReportProgress
from aireal.explain.predictor import Predictor
from aireal.explain.prepare_quantized import prepare_quantized
from aireal.explain.trust import NO_HEATMAP, overall, trust
from aireal.explain.working_picture import WorkingPicture
from aireal.figures import panel
from aireal.paligemma.consistency import BASE_CAPTION, CheckedSentence
from aireal.paligemma.writer import Writer
from aireal.provenance import c2pa_library, wording
from aireal.provenance.read_file import read_provenance
from aireal.provenance.trust_list import TrustList, read_trust_list

from .sentence_model import SentenceModel, choose_sentence_model

# mark behind a sentence that replaces one which contradicts the record
BASE_CAPTION_MARK = {"ko": "[기본 설명]", "en": "[base caption]"}


@dataclass(frozen=True)
class Explanation:
    """The complete explanation of one picture.

    Attributes:
        name: of the picture, as records and panels show it.
        digest: sha256 of the file, hexadecimal.
        picture: the pixels, the heatmap and the results that are computed from them.
        record: verdict, probability, region and all measured evidence (docs/evidence_record.md).
        lime: superpixels and their weights; None where LIME was left out or could not run.
        sentences: by language, "ko" and "en"; empty without a writer.
        lime_note: why LIME could not run; "" where it ran or was left out.
    """

    name: str
    digest: str
    picture: WorkingPicture = field(repr=False, compare=False)
    record: EvidenceRecord
    lime: lime.LimeResult | None
    sentences: dict[str, CheckedSentence]
    lime_note: str = ""

    def __repr__(self) -> str:
        record = self.record
        verdict = f"{record.label} {record.probability:.2f}%{' (uncertain)' * record.uncertain}"
        return f"<Explanation of {self.name}: {verdict}, {record.region or 'no heatmap'}>"

    @property
    def note(self) -> str:
        """Why the heatmap or LIME's list is missing, in English; "" where neither is."""
        reasons = ([NO_HEATMAP[1]] if self.record.region is None else []) + ([self.lime_note] if self.lime_note else [])
        return " ".join(reasons)

    @property
    def texts(self) -> dict[str, str]:
        """The sentences by language."""
        return {language: sentence.text for language, sentence in self.sentences.items()}

    @property
    def marked_texts(self) -> dict[str, str]:
        """The sentences as figures show them, with a mark behind one that PaliGemma did not write."""
        return {
            language: sentence.text if sentence.by_model else f"{sentence.text} {BASE_CAPTION_MARK[language]}"
            for language, sentence in self.sentences.items()
        }

    @property
    def from_the_file(self) -> dict[str, str]:
        """What the file says of itself, by language; empty where it was not looked at (docs/provenance.md)."""
        provenance = self.record.provenance
        return dict(zip(("ko", "en"), wording.line(provenance))) if provenance else {}

    @property
    def overlay(self) -> Image.Image | None:
        """The heatmap over the picture, as PaliGemma sees it; None for a picture without a heatmap."""
        return None if self.picture.overlay is None else Image.fromarray(self.picture.overlay)

    def panel(self) -> Figure:
        """Everything in one figure."""
        picture = self.picture
        return panel.panel(picture.pixels, picture.heatmap, self.record, self.marked_texts, self.lime)

    def save_panel(self, path: str | Path) -> Path:
        """Write the panel as a PNG and return its path."""
        return panel.save(self.panel(), Path(path))

    def to_dict(self) -> dict:
        """Record, LIME's list, trust, sentences and what the file says, as JSON lines and downloads hold them."""
        statements = trust(self.record)
        return self.record.to_dict() | {
            "lime": [asdict(feature) for feature in self.record.lime] or None,
            "trust": [asdict(statement) for statement in (overall(statements), *statements)],
            "sentence_ko": self.texts.get("ko"),
            "sentence_en": self.texts.get("en"),
            "sentence_source": {k: sentence.source for k, sentence in self.sentences.items()} or None,
            "from_the_file": self.from_the_file,
            **({"note": self.note} if self.note else {}),
        }


class Explainer:
    """A classifier, a writer and LIME, loaded once for any number of pictures.

    Use it in a `with` statement, and in one thread at a time.
    """

    def __init__(
        self,
        predictor: Predictor,
        writer: Writer | None = None,
        lime_samples: int = 1000,
        trust_list: TrustList | None = None,
    ):
        """Combine the parts.

        Args:
            predictor: the classifier with its heatmaps.
            writer: None for explanations without sentences.
            lime_samples: the largest number of samples that LIME may draw for a picture; 0 leaves LIME out.
            trust_list: whose signatures under Content Credentials are called trusted.
        """
        self.predictor, self.writer, self.lime_samples = predictor, writer, lime_samples
        self.trust_list = trust_list
        self.fast = FastClassifier(predictor)

    def __enter__(self) -> Explainer:
        self.predictor.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.predictor.__exit__(*error)

    @property
    def made_with(self) -> str:
        """Classifier, heatmap, writer, LIME samples, measures, C2PA's reader; an explanation is outdated if one
        differs."""
        predictor = self.predictor
        heatmap = f"{predictor.method} {predictor.layer}".strip()
        writer = self.writer.version if self.writer else "none"
        classifier = f"{predictor.config.architecture} {predictor.config.fingerprint}"
        credentials = ", ".join(
            [c2pa_library.version() or "no c2pa", *([self.trust_list.name] if self.trust_list else [])]
        )
        measured = f"LIME {self.lime_samples}, measures {MEASURES}"
        return f"{classifier}, {heatmap}, sentences {writer}, {measured}, {credentials}"

    def explain(
        self, picture: str | Path | bytes, name: str | None = None, progress: ReportProgress | None = None
    ) -> Explanation:
        """Verdict, heatmap, occlusion tests, LIME and sentences of one picture.

        Args:
            picture: a file, or the content of one.
            name: for records and panels; the file's own by default.
            progress: as in `lime.explain`.

        Raises:
            ValueError: the file is no usable picture; the message is one sentence.
        """
        return self.add_lime(self.explain_without_lime(picture, name), progress)

    def explain_without_lime(self, picture: str | Path | bytes, name: str | None = None) -> Explanation:
        """Verdict, heatmap, the occlusion test of the named region, and the sentences, in a second or two.

        Arguments and errors as for `explain`.
        """
        data = picture if isinstance(picture, bytes) else read_bytes(Path(picture))
        name = shown(name or ("picture" if isinstance(picture, bytes) else Path(picture).name))
        digest, image = sha256(data), decode(data)
        working = WorkingPicture(self.predictor.predict([name], [image])[0], digest, self.fast)
        record = measure_region(working)
        sentences = self._sentences(working, record)
        # last, so that neither a measurement nor a sentence can depend on it
        record = replace(record, provenance=read_provenance(data, self.trust_list))
        return Explanation(name, digest, working, record, None, sentences)

    def _sentences(self, working: WorkingPicture, record: EvidenceRecord) -> dict[str, CheckedSentence]:
        if self.writer is None:
            return {}
        if working.overlay is None:  # PaliGemma writes about overlays
            source = f"{BASE_CAPTION} (there is no heatmap)"
            return {language: CheckedSentence(render(record, language), source) for language in LANGUAGES}
        return self.writer.write([Image.fromarray(working.overlay)], [record])[0]

    def add_lime(self, explanation: Explanation, progress: ReportProgress | None = None) -> Explanation:
        """The explanation with LIME's list and the measurements that need it; `progress` as in `lime.explain`."""
        if not self.lime_samples:
            return explanation
        completed = add_lime(explanation.picture, explanation.record, self.lime_samples, progress)
        return replace(explanation, record=completed.record, lime=completed.lime, lime_note=completed.note)


def open_explainer(
    run: Run, paligemma: str = "", captions: bool = True, lime: bool = True, trust_list: str | Path = ""
) -> Explainer:
    """The explainer of a run's dataset root.

    If the root has no classifier yet, it is trained first, which takes some minutes. The 8-bit classifier for LIME is
    prepared likewise, where it is fast enough.

    Args:
        paligemma: embedded, a hub id or a folder; "" for that of the profile, or the embedded one where that has no
            adapter yet (`choose_sentence_model`).
        captions: False for explanations without sentences; lime: False for explanations without superpixels.
        trust_list: file of certificates whose signatures under Content Credentials are called trusted; "" for none.

    Raises:
        ValueError: there is nothing to train from, PaliGemma or its adapter is missing, or the trust list is no such
            file.
    """
    trusted = read_trust_list(trust_list) if trust_list else None
    chosen = choose_sentence_model(run, paligemma) if captions else None
    if read_config(run.data.model) is None:
        print(f"{run.data.root.name} has no trained classifier yet: it is trained now, once")
        ensure_classifier(run)
    if lime:
        prepare_quantized(run)
    writer = _open_writer(run, chosen) if chosen else None
    return Explainer(Predictor(run.data.model, run.device), writer, run.profile.lime_samples if lime else 0, trusted)


def _open_writer(run: Run, chosen: SentenceModel) -> Writer:
    if chosen.note:
        print(chosen.note, flush=True)
    return Writer(chosen.name, chosen.adapter, run.device, run.profile.four_bit, run.profile.dtype)


def load_explainer(
    root: str | Path | None = None,
    profile: str = "auto",
    *,
    paligemma: str = "",
    captions: bool = True,
    lime: bool = True,
    seed: int = 7,
    keep: str | Path = "",
    trust_list: str | Path = "",
) -> Explainer:
    """The explainer of a dataset root, for use from Python (docs/api.md).

    Args:
        root: dataset root whose classifier and adapter are used; the repository's `dataset/` when empty.
        profile: smoke, sample, full, or auto: the profile that made the classifier there.
        keep: folder of the products, as for `core.run.start`. The other arguments are as for `open_explainer`.

    Raises:
        ValueError: as `core.run.start` and `open_explainer`.
    """
    run = start("explain", profile, root, seed, keep=keep, follow_products=True)
    return open_explainer(run, paligemma, captions, lime, trust_list)
