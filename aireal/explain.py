"""`python -m aireal explain`: verdict, heatmap, superpixels and sentence for any image or folder, without a notebook."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image

from . import lime, panel
from .captions.language import prompt
from .evidence import EvidenceRecord
from .gradcam import overlay
from .imagefile import ImageError, decode, read_bytes, sha256
from .paligemma.generate import Sentence, bind, describe
from .paligemma.model import EMBEDDED, load, load_adapter
from .predict import Predictor, Seen


@dataclass(frozen=True)
class Explanation:
    """All that is said about one picture; `sentences` has the languages as keys."""

    seen: Seen
    lime: lime.LimeResult | None
    sentences: dict[str, Sentence]

    @property
    def texts(self) -> dict[str, str]:
        return {language: sentence.text for language, sentence in self.sentences.items()}

    def figure(self):
        return panel.panel(self.seen.pixels, self.seen.heatmap, self.seen.record, self.texts, self.lime)


class Writer:
    """PaliGemma with its adapter: overlay and record in, one checked sentence a language out."""

    def __init__(self, name: str, adapter: Path, device: torch.device):
        """Load PaliGemma (see `paligemma.model.load`) and the adapter of notebook 06 if there is one.

        Without an adapter the embedded model writes all the same, since it knows the task; a larger one does not.

        Raises:
            ValueError: the model, or the adapter that it needs, is missing.
        """
        self.model, self.processor = load(name, device)
        if (adapter / "adapter_model.safetensors").exists():
            self.model = load_adapter(self.model, adapter)
        elif name != EMBEDDED:
            raise ValueError(f"{name} was not fine-tuned yet: run notebook 06_finetune_paligemma, or use --paligemma embedded, or --no-caption")

    def write(self, overlays: list[Image.Image], records: list[EvidenceRecord]) -> list[dict[str, Sentence]]:
        """A sentence in Korean and one in English for each overlay. Class and number shown are always the classifier's."""
        out: list[dict[str, Sentence]] = [{} for _ in records]
        for language in ("ko", "en"):
            texts = describe(self.model, self.processor, overlays, [prompt(r, language) for r in records])
            for sentences, sentence in zip(out, bind(texts, records, [language] * len(texts))):
                sentences[language] = sentence
        return out


def explain_image(name: str, digest: str, image: Image.Image, predictor: Predictor, writer: Writer | None, samples: int) -> Explanation:
    """One RGB picture, all the way.

    Args:
        digest: sha256 of the file; LIME's sampler is seeded from it.
        samples: LIME's; 0 leaves LIME out.

    Raises:
        ValueError: a stage has no answer for this picture (a flat heatmap, a single superpixel).
    """
    seen = predictor.look([name], [image])[0]
    found = lime.explain(seen.pixels, predictor.probabilities, samples, lime.seed_of(digest)) if samples else None
    sentences = writer.write([Image.fromarray(overlay(seen.pixels, seen.heatmap))], [seen.record])[0] if writer else {}
    return Explanation(seen, found, sentences)


def explain_file(path: Path, out: Path, predictor: Predictor, writer: Writer | None, samples: int) -> dict:
    """Write the panel of one file and return its JSON line; a file that cannot be used gives {"path", "error"}."""
    began = time.time()
    line: dict = {"path": str(path)}
    try:
        data = read_bytes(path)
        digest = line["sha256"] = sha256(data)
        found = explain_image(path.name, digest, decode(data), predictor, writer, samples)
    except (ImageError, ValueError) as error:
        return line | {"error": str(error)}
    record = found.seen.record
    target = panel.save(found.figure(), out / f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}.png")
    return line | {
        "label": record.label, "probability": record.probability, "probability_fake": round(record.probability_fake, 6),
        "region": record.region, "cues": asdict(record.cues),
        "lime": [asdict(f) for f in found.lime.top] if found.lime else None, "lime_r2": round(found.lime.r2, 4) if found.lime else None,
        "sentence_ko": found.texts.get("ko"), "sentence_en": found.texts.get("en"),
        "sentence_source": {k: s.source for k, s in found.sentences.items()} or None,
        "panel": target.name, "seconds": round(time.time() - began, 2),
    }


def explain_paths(paths: list[Path], out: Path, predictor: Predictor, writer: Writer | None, samples: int, lines: Path | None) -> int:
    """Explain each file in turn, printing a line each and appending its JSON to `lines`; return the number that failed."""
    failed = 0
    out.mkdir(parents=True, exist_ok=True)
    if lines:
        lines.parent.mkdir(parents=True, exist_ok=True)
        lines.write_text("", encoding="utf-8")
    for number, path in enumerate(paths, 1):
        line = explain_file(path, out, predictor, writer, samples)
        failed += "error" in line
        said = "error: {error}" if "error" in line else "{label} {probability:.2f}%  {region}  {seconds} s  {panel}"
        print(f"[{number}/{len(paths)}] {path.name}: {said.format(**line)}", flush=True)
        if lines:
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return failed
