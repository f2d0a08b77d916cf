"""Sentences per second of PaliGemma: `aireal.paligemma.generate.describe` against one `generate` per overlay.

    python benchmarks/caption.py                       # with the embedded model, about a minute on two cores
    python benchmarks/caption.py --profile full        # with PaliGemma-3B; needs its weights, and in practice a GPU

The loop is that of the model's documentation: for each overlay call the processor, `generate` greedily, decode. Ours
batches overlays with prompts of similar length. A third arm is ours with a static cache: memory for all keys and values
is allocated at the start, so that GPUs can compile the decoding. The overlays are those of the root's predicted test
folder, or synthetic ones where nothing was predicted; each in Korean and English. The first round warms up and is not
counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from common import BaseOptions, alternate, command, seconds, speedup
from PIL import Image
from report import finish

from aireal.captions.language.grammar import LANGUAGES
from aireal.core.run import Run, start
from aireal.paligemma.data import OverlayDataset, encode
from aireal.paligemma.full_size import trial_rows
from aireal.paligemma.generate import describe
from aireal.paligemma.model import load, load_adapter

GOAL = 4.0
OURS, STATIC, LOOP = "ours", "ours, static cache", "one by one"
MAX_TOKENS = 128


@dataclass
class Options(BaseOptions):
    repeats: int = 4  # the first round is not counted
    overlays: int = 48
    batch_size: int = 16  # ours


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    model, processor = load(run.profile.paligemma, run.device, run.profile.four_bit, run.profile.dtype)
    if (run.data.adapter / "adapter_model.safetensors").is_file():
        model = load_adapter(model, run.data.adapter)
    images, prompts = overlays_and_prompts(run, options.overlays)
    sentences: dict[str, list[str]] = {}
    rounds = alternate(arms(model, processor, images, prompts, options.batch_size, sentences), options.repeats)
    timed = {name: times[1:] if len(times) > 1 else times for name, times in rounds.items()}
    report = {
        "goal": GOAL,
        "model": run.profile.paligemma,
        "threads": torch.get_num_threads(),
        "batch_size": options.batch_size,
        "sentences": len(prompts),
        "seconds": {name: [round(t, 3) for t in times] for name, times in timed.items()},
        "sentences_per_second": {
            name: round(len(prompts) * len(times) / sum(times), 2) for name, times in timed.items()
        },
        "speedup": {name: speedup(timed[name], timed[OURS]) for name in (LOOP, STATIC)},
    }
    return finish(run, options.out, "benchmark_caption", report, differences(sentences))


def overlays_and_prompts(run: Run, count: int) -> tuple[list[Image.Image], list[str]]:
    """Overlays and prompts, each overlay in both languages."""
    rows = trial_rows(run.data, count, run.seed)
    pairs = [
        replace(row, prompt=row.prompt.replace("answer en", f"answer {language}"))
        for row in rows
        for language in LANGUAGES
    ]
    dataset = OverlayDataset(pairs)
    return [dataset[i]["image"] for i in range(len(dataset))], [row.prompt for row in pairs]


def arms(
    model, processor, images: list[Image.Image], prompts: list[str], batch_size: int, sentences: dict[str, list[str]]
) -> dict[str, Callable]:
    """The arms by name; each returns its seconds and writes its texts into `sentences`."""

    def ours(static: bool = False) -> list[str]:
        return describe(model, processor, images, prompts, batch_size, MAX_TOKENS, static_cache=static)

    generate_fns = {LOOP: lambda: one_by_one(model, processor, images, prompts), OURS: ours, STATIC: lambda: ours(True)}
    return {
        name: lambda number, name=name, generate_fn=generate_fn: seconds(
            lambda: sentences.__setitem__(name, generate_fn())
        )
        for name, generate_fn in generate_fns.items()
    }


@torch.inference_mode()
def one_by_one(model, processor, images: list[Image.Image], prompts: list[str]) -> list[str]:
    texts = []
    for image, prompt in zip(images, prompts, strict=True):
        inputs = encode(processor, [image], [prompt]).to(model.device, dtype=model.dtype)
        inputs.pop("labels")
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_TOKENS)
        texts.append(processor.decode(ids[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    return texts


def differences(sentences: dict[str, list[str]]) -> list[str]:
    """The arms whose sentences differ from the loop's, with the number of different sentences."""
    reference = sentences[LOOP]
    counts = {name: sum(a != b for a, b in zip(texts, reference, strict=True)) for name, texts in sentences.items()}
    return [
        f"{name}: {count} of {len(reference)} sentences differ from those written one by one"
        for name, count in counts.items()
        if count
    ]


if __name__ == "__main__":
    command(main, Options, __doc__)
