"""How many sentences a second PaliGemma writes: `aireal.paligemma.generate.describe` against one `generate` an overlay, at equal text.

    python benchmarks/caption.py                       # the comparison with the embedded model, about a minute on two cores
    python benchmarks/caption.py --profile full        # with PaliGemma-3B; needs its weights, and a GPU to be of use

The loop is the one of the model's own documentation: for each overlay call the processor, `generate` greedily, decode. Ours gathers overlays with
prompts of like length into batches. A third arm is ours with a static cache (all keys and values in memory that is set aside at the start), which
on GPUs lets the decoding be compiled. Overlays are those of the root's test folder where it was predicted, else made ones; each in Korean and
English. The first round, which warms up, is not counted.
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
from aireal.paligemma.data import encode
from aireal.paligemma.evaluate import some_rows
from aireal.paligemma.generate import describe
from aireal.paligemma.model import load, load_adapter

GOAL = 4.0
OURS, STATIC, LOOP = "ours", "ours, static cache", "one by one"
MOST_TOKENS = 128


@dataclass
class Options(BaseOptions):
    repeats: int = 4  # the first one is not counted
    overlays: int = 48
    batch_size: int = 16  # ours


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    model, processor = load(run.profile.paligemma, run.device, run.profile.four_bit)
    if (run.data.adapter / "adapter_model.safetensors").is_file():
        model = load_adapter(model, run.data.adapter)
    images, prompts = questions(run, options.overlays)
    said: dict[str, list[str]] = {}
    found = alternate(arms(model, processor, images, prompts, options.batch_size, said), options.repeats)
    kept = {name: times[1:] if len(times) > 1 else times for name, times in found.items()}
    problems = unequal(said)
    report = {
        "goal": GOAL,
        "model": run.profile.paligemma,
        "threads": torch.get_num_threads(),
        "batch_size": options.batch_size,
        "sentences": len(prompts),
        "seconds": {name: [round(t, 3) for t in times] for name, times in kept.items()},
        "sentences_per_second": {
            name: round(len(prompts) * len(times) / sum(times), 2) for name, times in kept.items()
        },
        "speedup": {name: speedup(kept[name], kept[OURS]) for name in (LOOP, STATIC)},
    }
    return finish(run, options.out, "benchmark_caption", report, problems)


def questions(run: Run, count: int) -> tuple[list[Image.Image], list[str]]:
    """Overlays and prompts, each overlay in both languages."""
    rows = some_rows(run.data, count, run.seed)
    pairs = [
        replace(row, prompt=row.prompt.replace("answer en", f"answer {language}"))
        for row in rows
        for language in LANGUAGES
    ]
    return [
        row.overlay if isinstance(row.overlay, Image.Image) else Image.open(row.overlay).convert("RGB") for row in pairs
    ], [row.prompt for row in pairs]


def arms(
    model, processor, images: list[Image.Image], prompts: list[str], batch_size: int, said: dict[str, list[str]]
) -> dict[str, Callable]:
    """All ways to write, by name; each leaves its sentences in `said`."""

    def ours(static: bool = False) -> list[str]:
        return describe(model, processor, images, prompts, batch_size, MOST_TOKENS, static_cache=static)

    works = {LOOP: lambda: one_by_one(model, processor, images, prompts), OURS: ours, STATIC: lambda: ours(True)}
    return {
        name: lambda number, name=name, work=work: seconds(lambda: said.__setitem__(name, work()))
        for name, work in works.items()
    }


@torch.inference_mode()
def one_by_one(model, processor, images: list[Image.Image], prompts: list[str]) -> list[str]:
    texts = []
    for image, prompt in zip(images, prompts, strict=True):
        inputs = encode(processor, [image], [prompt]).to(model.device, dtype=model.dtype)
        inputs.pop("labels")
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=MOST_TOKENS)
        texts.append(processor.decode(ids[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    return texts


def unequal(said: dict[str, list[str]]) -> list[str]:
    """Which arms wrote other sentences than the loop, and how many."""
    counts = {name: sum(a != b for a, b in zip(texts, said[LOOP], strict=True)) for name, texts in said.items()}
    return [
        f"{name}: {count} of {len(said[LOOP])} sentences differ from those written one by one"
        for name, count in counts.items()
        if count
    ]


if __name__ == "__main__":
    command(main, Options, __doc__)
