"""Does a number overflow in float16? A look at the largest activations, and a wider format for the part where it does.

float16 ends at 65,504. Google's own notebook trains PaliGemma's first version in it on a T4, but its relatives with
Gemma 2 or 3 overflow. The vision tower is a seventh of the weights and can be kept in float32; the language model
cannot on 16 GB, so a model that overflows there is computed in bfloat16, which a T4 emulates slowly.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import PaliGemmaProcessor

from aireal.captions.language.grammar import prompt, render

from .data import Example, OverlayDataset, encode
from .number_format import not_finite
from .small.synthetic import draw_example, read_photographs

LIMIT = 3e4  # less than half of float16's range, because LoRA changes the activations
PARTS = ("vision_tower", "multi_modal_projector", "language_model")
LOOKED_AT = 8  # overlays


@dataclass(frozen=True)
class Peak:
    """The largest absolute activation of one part of the model (of `PARTS`), and the module that computed it."""

    part: str
    module: str
    value: float

    @property
    def overflows(self) -> bool:
        return not self.value < LIMIT


def trial_examples(count: int = 4, seed: int = 7) -> list[Example]:
    """Procedural overlays over sample photographs, for a look before any overlay of the root is at hand."""
    rng, photographs = np.random.default_rng(seed), read_photographs(None)
    drawn = [draw_example(rng, photographs) for _ in range(count)]
    return [Example(Image.fromarray(one.overlay), prompt(one.record, "en"), render(one.record, "en")) for one in drawn]


def avoid_overflow(model: nn.Module, processor: PaliGemmaProcessor, rows: Sequence[Example]) -> None:
    """Give the parts of a float16 model in which the rows' activations come near its limit a wider format.

    Models in other formats are left alone. What was changed is printed, and stands in `model.weight_format`.

    Raises:
        ValueError: the language model overflows and is quantised, or the numbers are not finite in any format.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if base.weight_format.dtype != torch.float16:
        return
    for part in PARTS[:2]:
        peak = largest_activations(model, processor, rows)[part]
        if peak.overflows and part not in base.weight_format.float32:
            keep_in_float32(base, part)
            print(f"{_describe(peak)}: the {part} is kept in float32.", flush=True)
    peak = largest_activations(model, processor, rows)["language_model"]
    if not peak.overflows:
        return
    if base.weight_format.four_bit:
        raise ValueError(f"{_describe(peak)}. Set dtype = 'bfloat16' in the profile.")
    _to_bfloat16(base)
    print(f"{_describe(peak)}: the model computes in bfloat16, slowly where the GPU emulates it.", flush=True)
    for left in largest_activations(model, processor, rows).values():
        if not np.isfinite(left.value):
            raise ValueError(not_finite(f"an activation in {left.module}"))


def _describe(peak: Peak) -> str:
    value = f"{peak.value:,.0f}" if np.isfinite(peak.value) else "not finite"
    return f"float16 ends at 65,504, and the largest activation of the first overlays is {value} in {peak.module}"


@torch.no_grad()
def largest_activations(model: nn.Module, processor: PaliGemmaProcessor, rows: Sequence[Example]) -> dict[str, Peak]:
    """The largest activation of each part, over the prompts and sentences of the first `LOOKED_AT` rows."""
    dataset, training = OverlayDataset(rows[:LOOKED_AT]), model.training
    model.eval()
    try:
        with _watched(model) as largest:
            for item in (dataset[i] for i in range(len(dataset))):
                batch = encode(processor, [item["image"]], [item["prompt"]], [item["sentence"]])
                batch.pop("labels")
                model(**batch.to(model.device, dtype=model.dtype), logits_to_keep=1)
    finally:
        model.train(training)
    return {part: _peak(part, largest) for part in PARTS}


@contextmanager
def _watched(model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """A dictionary that fills with the largest absolute output of each module, by name, while the block runs."""
    largest: dict[str, torch.Tensor] = {}

    def watch(name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        tensor = output[0] if isinstance(output, tuple | list) else output
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            # NaN counts as infinite, so that the first module with one is found
            value = tensor.detach().abs().amax().float().nan_to_num(nan=float("inf"), posinf=float("inf"))
            largest[name] = torch.maximum(largest[name], value) if name in largest else value

    hooks = [
        module.register_forward_hook(functools.partial(watch, name))
        for name, module in model.named_modules()
        if any(f"{part}." in f"{name}." for part in PARTS) and ".lora_" not in name
    ]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()


def _peak(part: str, largest: dict[str, torch.Tensor]) -> Peak:
    """The part's module with the largest activation; the first one where it is infinite in several."""
    values = {name: float(value) for name, value in largest.items() if f"{part}." in f"{name}."}
    name = max(values, key=values.__getitem__)
    return Peak(part, name.removeprefix("base_model.model."), values[name])


def keep_in_float32(base: nn.Module, part: str) -> None:
    """Convert a part (of `PARTS`) to float32 and let it compute so, also under autocast.

    Its outputs have the format of the rest of the model.
    """
    module = getattr(base.model, part)
    forward = module.float().forward

    @functools.wraps(forward)
    def in_float32(inputs: torch.Tensor, *args, **kwargs):
        with torch.autocast(inputs.device.type, enabled=False):
            output = forward(inputs.float(), *args, **kwargs)
        dtype = base.weight_format.dtype
        if isinstance(output, torch.Tensor):
            return output.to(dtype)
        for name, value in output.items():
            if isinstance(value, torch.Tensor):
                output[name] = value.to(dtype)
        return output

    module.forward = in_float32
    base.weight_format = replace(base.weight_format, float32=(*base.weight_format.float32, part))


def _to_bfloat16(base: nn.Module) -> None:
    """Convert all float16 weights to bfloat16; parts in float32 and LoRA's weights stay."""
    for parameter in base.parameters():
        if parameter.dtype == torch.float16:
            parameter.data = parameter.data.to(torch.bfloat16)
    for buffer in base.buffers():
        if buffer.dtype == torch.float16:
            buffer.data = buffer.data.to(torch.bfloat16)
    base.weight_format = replace(base.weight_format, dtype=torch.bfloat16)
