"""`python -m aireal explain`: verdict, heatmap, superpixels and sentence for any image or folder, without a notebook."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from aireal.core.imagefile import decode, read_bytes, sha256
from aireal.evidence.record import EvidenceRecord
from aireal.explain import lime
from aireal.explain.gradcam import overlay
from aireal.explain.lime.lime_image import ReportProgress
from aireal.explain.predictor import Prediction, Predictor
from aireal.explain.trust import overall, trust
from aireal.figures import panel
from aireal.paligemma.consistency import CheckedSentence, generate_checked
from aireal.paligemma.model import EMBEDDED, load, load_adapter

from .evaluate_explanations import measure

OVERLAYS = "overlays"  # folder beside the panels
MARK = {"ko": "[기본 설명]", "en": "[base caption]"}  # stands behind a sentence that replaced a contradicting one


@dataclass(frozen=True)
class Explanation:
    """All that is said about one picture; `sentences` has the languages as keys, `note` says why LIME was left out where it had
    nothing to compare."""

    seen: Prediction
    lime: lime.LimeResult | None
    sentences: dict[str, CheckedSentence]
    note: str = ""

    @property
    def texts(self) -> dict[str, str]:
        return {language: sentence.text for language, sentence in self.sentences.items()}

    @property
    def marked(self) -> dict[str, str]:
        """The texts as figures show them: one that PaliGemma did not write says so."""
        return {
            language: sentence.text if sentence.by_model else f"{sentence.text} {MARK[language]}"
            for language, sentence in self.sentences.items()
        }

    @property
    def overlay(self) -> Image.Image:
        """The heatmap alone over the picture, as PaliGemma sees it and the report shows it."""
        return Image.fromarray(overlay(self.seen.pixels, self.seen.heatmap))

    def figure(self):
        return panel.panel(self.seen.pixels, self.seen.heatmap, self.seen.record, self.marked, self.lime)


class Writer:
    """PaliGemma with its adapter: overlay and record in, one checked sentence a language out."""

    def __init__(self, name: str, adapter: Path, device: torch.device):
        """Load PaliGemma (see `paligemma.model.load`) and the adapter of notebook 06 if there is one.

        Without an adapter the embedded model writes all the same, since it knows the task; a larger one does not.

        Raises:
            ValueError: the model, or the adapter that it needs, is missing.
        """
        self.model, self.processor = load(name, device)
        self.name = name
        if (adapter / "adapter_model.safetensors").exists():
            self.model = load_adapter(self.model, adapter)
            self.name += " with adapter"
        elif name != EMBEDDED:
            raise ValueError(
                f"{name} was not fine-tuned yet: run notebook 06_finetune_paligemma, or use --paligemma embedded, or --no-caption"
            )

    def write(self, overlays: list[Image.Image], records: list[EvidenceRecord]) -> list[dict[str, CheckedSentence]]:
        """A sentence in Korean and one in English for each overlay. Class and number shown are always the classifier's."""
        out: list[dict[str, CheckedSentence]] = [{} for _ in records]
        for language in ("ko", "en"):
            _, shown = generate_checked(self.model, self.processor, overlays, records, language)
            for sentences, sentence in zip(out, shown, strict=True):
                sentences[language] = sentence
        return out


def explain_image(
    name: str, digest: str, image: Image.Image, predictor: Predictor, writer: Writer | None, samples: int
) -> Explanation:
    """One RGB picture, all the way.

    Args:
        digest: sha256 of the file; LIME's sampler is seeded from it.
        samples: the most that LIME may draw; 0 leaves LIME out.

    Raises:
        ValueError: there is no heatmap for this picture, because it is flat.
    """
    found = without_lime(name, digest, image, predictor, writer)
    return with_lime(found, digest, predictor, samples) if samples else found


def without_lime(
    name: str, digest: str, image: Image.Image, predictor: Predictor, writer: Writer | None
) -> Explanation:
    """What is known within a second or two: verdict, heatmap, what hiding the named region does, and the sentences, which LIME adds nothing to.

    Raises:
        ValueError: as `explain_image`.
    """
    seen = predictor.look([name], [image])[0]
    seen = replace(seen, record=measure(seen, digest, predictor, 0).record)
    sentences = writer.write([Image.fromarray(overlay(seen.pixels, seen.heatmap))], [seen.record])[0] if writer else {}
    return Explanation(seen, None, sentences)


def with_lime(
    found: Explanation, digest: str, predictor: Predictor, samples: int, progress: ReportProgress | None = None
) -> Explanation:
    """The same with LIME's list and the checks that need it; `progress` as in `lime.explain`."""
    measured = measure(found.seen, digest, predictor, samples, progress)
    return replace(found, seen=replace(found.seen, record=measured.record), lime=measured.lime, note=measured.note)


def said_of(found: Explanation) -> dict:
    """Record, LIME's list, trust and sentences of one picture, as JSON lines and downloads have them."""
    record, statements = found.seen.record, trust(found.seen.record)
    return asdict(record) | {
        "lime": [asdict(f) for f in record.lime] or None,
        "trust": [asdict(s) for s in (overall(statements), *statements)],
        "sentence_ko": found.texts.get("ko"),
        "sentence_en": found.texts.get("en"),
        "sentence_source": {k: s.source for k, s in found.sentences.items()} or None,
        **({"note": found.note} if found.note else {}),
    }


def explain_file(
    path: Path, out: Path, predictor: Predictor, writer: Writer | None, samples: int, known: dict[str, dict]
) -> dict:
    """Write the panel and the overlay of one file and return its JSON line; a file that cannot be used gives {"path", "error"}.

    A line of `known` is returned as it is when file and circumstances are the same and its figures are still there.
    """
    began = time.time()
    line: dict = {"path": str(path)}
    try:
        data = read_bytes(path)
        line |= {"sha256": sha256(data), "made_with": circumstances(predictor, writer, samples)}
        before = known.get(line["path"], {})
        if line.items() <= before.items() and all(
            (out / before.get(name, "-")).is_file() for name in ("panel", "overlay")
        ):
            return before
        found = explain_image(path.name, line["sha256"], decode(data), predictor, writer, samples)
    except ValueError as error:
        return line | {"error": str(error)}
    target = panel.save(found.figure(), out / f"{path.stem[:80]}-{sha256(str(path).encode())[:6]}.png")
    found.overlay.save(out / OVERLAYS / target.name)
    return (
        line
        | said_of(found)
        | {"panel": target.name, "overlay": f"{OVERLAYS}/{target.name}", "seconds": round(time.time() - began, 2)}
    )


def circumstances(predictor: Predictor, writer: Writer | None, samples: int) -> str:
    """Classifier, heatmap, writer and LIME samples of a line; a later call makes a line again when they differ."""
    heatmap = f"{predictor.method} {predictor.layer}".strip()
    return f"{predictor.config.architecture} {predictor.config.fingerprint}, {heatmap}, sentences {writer.name if writer else 'none'}, LIME {samples}"


def explain_paths(
    paths: list[Path], out: Path, predictor: Predictor, writer: Writer | None, samples: int, lines: Path
) -> int:
    """Explain each file in turn, printing a line each and writing its JSON line to `lines` at once; return the number that failed.

    What an earlier call with the same `out` and `lines` has done is kept and not done again.
    """
    known = read_lines(lines)
    (out / OVERLAYS).mkdir(parents=True, exist_ok=True)
    lines.parent.mkdir(parents=True, exist_ok=True)
    failed, partial = 0, lines.with_name(lines.name + ".partial")
    if partial.exists():  # of a call that was stopped: this one may be, too
        lines.write_text(
            "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in known.values()), encoding="utf-8"
        )
    with partial.open("w", encoding="utf-8") as file:
        for number, path in enumerate(paths, 1):
            line = explain_file(path, out, predictor, writer, samples, known)
            failed += "error" in line
            said = (
                "error: {error}"
                if "error" in line
                else "{label} {probability:.2f}%{doubt}  {region}  {seconds} s  {panel}"
            )
            print(
                f"[{number}/{len(paths)}] {path.name}: {said.format(**line, doubt=' (uncertain)' * line.get('uncertain', False))}",
                flush=True,
            )
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
    partial.replace(lines)
    return failed


def read_lines(lines: Path) -> dict[str, dict]:
    """JSON lines by path, of a finished call and of one that was stopped; half a line is left out."""
    found = {}
    for file in (lines, lines.with_name(lines.name + ".partial")):
        for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                line = json.loads(text)
                found[line["path"]] = line
            except (json.JSONDecodeError, KeyError):
                continue
    return found
