"""The true size, proved where no hub and no GPU is: PaliGemma-3B's exact shape with random weights through the project's own path.

LoRA, pre-flight, collator, Trainer and generation are those of every other fine-tuning. Only the weights are not learnt, so the sentence says
nothing; parameters, seconds and memory are those of the real model.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor, SiglipImageProcessor
from transformers.initialization import no_init_weights

from aireal.core.device import peak_memory_gib

from .arguments import training_arguments
from .data import Collator, Example, OverlayDataset
from .generate import describe
from .model import EMBEDDED, Format, attach_lora, dtype_for, load
from .preflight import run_preflight
from .train import run_trainer

BLOCK = 2**22  # random numbers that are drawn once and repeated through all weights
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


def configuration(processor: PaliGemmaProcessor, shape: dict[str, dict] = FULL) -> PaliGemmaConfig:
    """The shape as a configuration, with the special tokens of the processor."""
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


def make_processor(shape: dict[str, dict] = FULL) -> PaliGemmaProcessor:
    """The embedded model's tokenizer (the real one lies behind the hub's licence) with pictures of the shape's size."""
    side, patch = shape["vision"]["image_size"], shape["vision"]["patch_size"]
    images = SiglipImageProcessor(size={"height": side, "width": side}, image_seq_length=(side // patch) ** 2)
    return PaliGemmaProcessor(image_processor=images, tokenizer=load(EMBEDDED, "cpu")[1].tokenizer)


def build_full_size(config: PaliGemmaConfig, device: torch.device, seed: int) -> PaliGemmaForConditionalGeneration:
    """A model of the configuration with random weights, in the number format that the device would get.

    Initialising billions of weights takes minutes; here one block of random numbers is repeated through all of them. Memory that was never
    written would not count.
    """
    before, dtype = torch.get_default_dtype(), dtype_for(config, device)
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights(), torch.device(device):
            model = PaliGemmaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.tie_weights()
    _fill(model, seed)
    model.asked = Format(dtype)
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
    """One training step on the rows and a short sentence, by the project's own path, and what both took.

    Args:
        model: from `build_full_size`, or a real one from `model.load`.
        tokens: how many are generated.

    Returns:
        parameters, trainable and its share, loss, seconds of pre-flight, step and generation, changed (LoRA weights that the step changed),
        peak_memory_gib, sentence.

    Raises:
        ValueError: the pre-flight's.
    """
    wrapped, seconds = attach_lora(model, rank, seed), {}
    collator, dataset = Collator(processor), OverlayDataset(rows)
    with _timed(seconds, "preflight"):
        run_preflight(
            collator([dataset[i] for i in range(len(dataset))]),
            processor,
            wrapped,
            [row.sentence for row in rows],
            model.asked,
        )
    kept = [parameter.detach().clone() for parameter in wrapped.parameters() if parameter.requires_grad]
    scratch = Path(tempfile.mkdtemp())
    try:
        arguments = training_arguments(
            wrapped, scratch, 1, len(rows), learning_rate, seed, evaluate=False, save_strategy="no", warmup_steps=0
        )
        with _timed(seconds, "step"):
            history = run_trainer(wrapped, arguments, dataset, None, collator)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    learned = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]
    with _timed(seconds, "generation"):
        said = describe(wrapped, processor, [dataset[0]["image"]], [rows[0].prompt], max_new_tokens=tokens)[0]
    total, trainable = (sum(p.numel() for p in found) for found in (wrapped.get_base_model().parameters(), learned))
    total -= trainable
    return {
        "parameters": total,
        "trainable": trainable,
        "trainable_share": round(trainable / total, 6),
        "rank": rank,
        "rows": len(rows),
        "loss": history.loss[-1][1],
        "changed": sum(not torch.equal(a, b) for a, b in zip(kept, learned, strict=True)),
        "lora_tensors": len(learned),
        "seconds": seconds,
        "tokens": tokens,
        "sentence": said,
        "peak_memory_gib": round(peak_memory_gib(wrapped.device), 2),
    }


class _timed:
    """Seconds of a block into a dictionary."""

    def __init__(self, seconds: dict[str, float], name: str):
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *error) -> None:
        self.seconds[self.name] = round(time.perf_counter() - self.began, 1)
