"""Check PaliGemma-3B's full size where neither hub nor GPU is available: its exact shape, with random weights.

LoRA, pre-flight, collator, Trainer and generation are those of every other fine-tuning. Only the weights are random, so
the sentence means nothing; parameters, seconds and memory are those of the real model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor, SiglipImageProcessor
from transformers.initialization import no_init_weights

from aireal.captions.language.grammar import prompt, render
from aireal.captions.table import read_rows
from aireal.config import DatasetRoot
from aireal.core.device import peak_memory_gib
from aireal.dataset.manifest import load_items
from aireal.paligemma.small.synthetic import draw_example, read_photographs

from .data import Collator, Example, OverlayDataset
from .generate import describe
from .loading import EMBEDDED
from .model import attach_lora, load
from .number_format import Format, dtype_for
from .preflight import run_preflight
from .train import run_trainer
from .training_arguments import training_arguments

BLOCK = 2**22  # random numbers, sampled once and repeated in all weights
FULL = {
    "vision": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 224,
    },
    "text": {
        "hidden_size": 2048,
        "intermediate_size": 16384,
        "num_hidden_layers": 18,
        "num_attention_heads": 8,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "vocab_size": 257216,
    },
}  # of google/paligemma-3b-pt-224


def trial_rows(data: DatasetRoot, count: int, seed: int) -> list[Example]:
    """Overlays with prompts and base captions for a trial of memory or speed.

    They are the root's predicted overlays. Where nothing was predicted yet, they are synthetic: random heatmaps over
    the root's test pictures.
    """
    if data.table.is_file():
        rows = read_rows(data.table)[:count]
        return [Example(data.products / row.overlay, prompt(row.record, "en"), row.captions["en"]) for row in rows]
    rng = np.random.default_rng(seed)
    photographs = read_photographs([data.root / item.path for item in load_items(data, "test", count)])
    drawn = [draw_example(rng, photographs) for _ in range(count)]
    return [Example(Image.fromarray(one.overlay), prompt(one.record, "en"), render(one.record, "en")) for one in drawn]


def configuration(processor: PaliGemmaProcessor, shape: dict[str, dict] | None = None) -> PaliGemmaConfig:
    """The shape (None: `FULL`) as a configuration, with the special tokens of the processor."""
    shape = shape or FULL
    ids = {f"{name}_token_id": getattr(processor.tokenizer, f"{name}_token_id") for name in ("pad", "eos", "bos")}
    text, width = shape["text"], shape["text"]["hidden_size"]
    return PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "vision_use_head": False,
            "projection_dim": width,
            **shape["vision"],
        },
        text_config={"model_type": "gemma", **text, **ids},
        image_token_index=processor.image_token_id,
        vocab_size=text["vocab_size"],
        projection_dim=width,
        hidden_size=width,
        **ids,
    )


def make_processor(shape: dict[str, dict] | None = None) -> PaliGemmaProcessor:
    """The embedded model's tokenizer (the real one lies behind a licence), with pictures of the shape's size."""
    shape = shape or FULL
    side, patch = shape["vision"]["image_size"], shape["vision"]["patch_size"]
    images = SiglipImageProcessor(size={"height": side, "width": side}, image_seq_length=(side // patch) ** 2)
    return PaliGemmaProcessor(image_processor=images, tokenizer=load(EMBEDDED, "cpu")[1].tokenizer)


def build_full_size(config: PaliGemmaConfig, device: torch.device, seed: int) -> PaliGemmaForConditionalGeneration:
    """A model of the configuration with random weights, in the number format that the device would get.

    Initialising billions of weights takes minutes, so one block of random numbers is repeated in all of them. Memory
    must be written to, else it would not count.
    """
    default, dtype = torch.get_default_dtype(), dtype_for(config, device)
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights(), torch.device(device):
            model = PaliGemmaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    model.tie_weights()
    _fill(model, seed)
    model.weight_format = Format(dtype)
    return model.eval()


@torch.no_grad()
def _fill(model: torch.nn.Module, seed: int) -> None:
    block = torch.randn(BLOCK, generator=torch.Generator().manual_seed(seed)) * 0.02
    for name, parameter in model.named_parameters():
        if "norm" in name:  # identity: Gemma's norms keep 1 + weight, SigLIP's the weight
            parameter.fill_(1.0 if "vision_tower" in name and name.endswith("weight") else 0.0)
            continue
        flat, source = parameter.flatten(), block.to(parameter)
        for start in range(0, len(flat), BLOCK):
            flat[start : start + BLOCK] = source[: len(flat) - start]


def check_full_size(
    model,
    processor: PaliGemmaProcessor,
    rows: Sequence[Example],
    rank: int,
    learning_rate: float,
    seed: int,
    tokens: int = 8,
) -> dict:
    """Run one training step on the rows and generate a short sentence, and measure time and memory.

    Args:
        model: from `build_full_size`, or a real one from `model.load`.
        tokens: number of generated tokens.

    Returns:
        parameters, trainable and its share, rank, rows, loss, changed (LoRA tensors that the step changed) of
        lora_tensors, seconds of pre-flight, step and generation, tokens, sentence, peak_memory_gib.

    Raises:
        ValueError: from the pre-flight.
    """
    wrapped, seconds = attach_lora(model, rank, seed), {}
    collator, dataset = Collator(processor), OverlayDataset(rows)
    with _timed(seconds, "preflight"):
        batch = collator([dataset[i] for i in range(len(dataset))])
        run_preflight(batch, processor, wrapped, [row.sentence for row in rows], model.weight_format)
    learned = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in learned]
    with _timed(seconds, "step"):
        loss = _train_one_step(wrapped, collator, dataset, learning_rate, seed)
    with _timed(seconds, "generation"):
        sentence = describe(wrapped, processor, [dataset[0]["image"]], [rows[0].prompt], max_new_tokens=tokens)[0]
    trainable = sum(parameter.numel() for parameter in learned)
    total = sum(parameter.numel() for parameter in wrapped.get_base_model().parameters()) - trainable
    return {
        "parameters": total,
        "trainable": trainable,
        "trainable_share": round(trainable / total, 6),
        "rank": rank,
        "rows": len(rows),
        "loss": loss,
        "changed": sum(not torch.equal(old, new) for old, new in zip(before, learned, strict=True)),
        "lora_tensors": len(learned),
        "seconds": seconds,
        "tokens": tokens,
        "sentence": sentence,
        "peak_memory_gib": round(peak_memory_gib(wrapped.device), 2),
    }


def _train_one_step(
    model: torch.nn.Module, collator: Collator, dataset: OverlayDataset, learning_rate: float, seed: int
) -> float:
    """Train one step on all rows as one batch; returns its loss."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        arguments = training_arguments(
            model,
            Path(folder),
            1,
            len(dataset),
            learning_rate,
            seed,
            evaluate=False,
            save_strategy="no",
            warmup_steps=0,
        )
        return run_trainer(model, arguments, dataset, None, collator).loss[-1][1]


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Write the seconds of a block into a dictionary."""
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 1)
