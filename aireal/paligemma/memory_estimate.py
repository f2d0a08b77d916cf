"""Estimate a fine-tuning before it starts: memory by part, time, whether it fits, and what to change where it does not.

Memory. Frozen weights: counted from the configuration, two bytes each (four in float32; 4.13 bits for the language
model's linear layers in NF4 with double quantisation, Dettmers et al. 2023). LoRA: 16 bytes per weight (float32 weight,
gradient, two moments of Adam). Logits: 14 bytes per token and vocabulary entry (16-bit, float32, and their gradients).
Activations: ACTIVATION_BYTES per token, layer and unit of width, from measured peaks of PaliGemma-3B on a CPU (one
sequence of 320 tokens: 3.0 GiB without checkpointed activations and 1.5 GiB with them; the logits are 1.1 GiB of each).
Nothing was measured on a GPU.

Time. A frozen model needs 2 operations per weight and token in the forward pass, as many in the backward pass, and 2
more with checkpointed activations (Kaplan et al. 2020, section 2.1, without the gradients of weights). The device's
speed is measured on a matrix product; training reaches EFFICIENCY of it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import psutil
import torch
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from .number_format import LORA_TARGET, SMALL_HIDDEN, dtype_for

GIB = 2**30
ACTIVATION_BYTES = {True: 41, False: 178}  # per token, layer and unit of width; with and without checkpointing
LOGIT_BYTES, ADAPTER_BYTES, NF4_BITS = 14, 16, 4.13
CONTEXT = {"cuda": 0.6, "cpu": 0.6, "mps": 0.6}  # GiB: libraries, driver, workspace
DEQUANTISED = 0.3  # additional GiB with 4-bit weights: the layer that is dequantised
TEXT_TOKENS = 64  # of prompt and sentence
EFFICIENCY = 0.5
USABLE = 0.95  # usable share of the free memory: allocators fragment


@dataclass(frozen=True)
class Sizes:
    """Numbers of weights: all, of the language model's linear layers, of the adapter; and the shape of a sequence."""

    weights: int
    language_linear: int
    adapter: int
    tokens: int
    layers: int
    width: int
    words: int


@dataclass(frozen=True)
class FinetuneEstimate:
    """GiB by part, free GiB, seconds of the training, and the advice what to change (empty where the training fits)."""

    parts: dict[str, float]
    available: float
    seconds: float
    advice: str

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.total <= USABLE * self.available

    def summary(self) -> str:
        unit, scale, digits = ("GiB", 1, 2) if self.total >= 1 else ("MiB", 1024, 0)
        parts = ", ".join(f"{name} {value * scale:.{digits}f}" for name, value in self.parts.items())
        total = f"{self.total * scale:.{min(digits, 1)}f} {unit}"
        duration = f"{self.seconds / 60:.0f} minutes" if self.seconds >= 120 else f"{self.seconds:.0f} s"
        fits = "fits" if self.fits else "does NOT fit"
        advice = f". {self.advice[0].upper()}{self.advice[1:]}." if self.advice else ""
        return (
            f"estimate: about {total} ({parts}) and {duration} of training; {fits} into the {self.available:.1f} GiB "
            f"of free memory{advice}"
        )


def sizes(config: PaliGemmaConfig, rank: int) -> Sizes:
    """Count the weights of a model without memory (torch's meta device)."""
    with torch.device("meta"):
        model = PaliGemmaForConditionalGeneration(config)
    model.tie_weights()
    linear = {name: module for name, module in model.named_modules() if re.fullmatch(LORA_TARGET, name)}
    vision, text = config.vision_config, config.text_config
    return Sizes(
        weights=sum(parameter.numel() for parameter in model.parameters()),
        language_linear=sum(module.weight.numel() for name, module in linear.items() if "language_model" in name),
        adapter=sum(rank * (module.in_features + module.out_features) for module in linear.values()),
        tokens=(vision.image_size // vision.patch_size) ** 2 + TEXT_TOKENS,
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        words=text.vocab_size,
    )


def memory(
    counts: Sizes, batch: int, weight_bytes: int, device: str, four_bit: bool, checkpointing: bool
) -> dict[str, float]:
    """GiB by part: weights, adapter, logits, activations, libraries."""
    quantised = counts.language_linear if four_bit else 0
    tokens = batch * counts.tokens
    return {
        "weights": (weight_bytes * (counts.weights - quantised) + NF4_BITS / 8 * quantised) / GIB,
        "adapter": ADAPTER_BYTES * counts.adapter / GIB,
        "logits": tokens * counts.words * LOGIT_BYTES / GIB,
        "activations": tokens * counts.layers * counts.width * ACTIVATION_BYTES[checkpointing] / GIB,
        "libraries": CONTEXT.get(device, 0.6) + DEQUANTISED * four_bit,
    }


def estimate_finetuning(
    config: PaliGemmaConfig,
    rank: int,
    batch: int,
    steps: int,
    device: torch.device,
    four_bit: bool = False,
    available: float | None = None,
    speed: float | None = None,
) -> FinetuneEstimate:
    """Estimate the memory and time of fine-tuning this configuration on the device.

    Args:
        available: free GiB; None: measured.
        speed: operations per second of a matrix product; None: measured.
    """
    counts, dtype = sizes(config, rank), dtype_for(config, device)
    checkpointing = config.text_config.hidden_size >= SMALL_HIDDEN
    parts = memory(counts, batch, dtype.itemsize, device.type, four_bit, checkpointing)
    free = free_gib(device) if available is None else available
    operations = (6 if checkpointing else 4) * counts.weights * counts.tokens * batch * steps
    product_rate = product_speed(device, dtype, counts, batch) if speed is None else speed
    fits = sum(parts.values()) <= USABLE * free
    advice = "" if fits else _advice(counts, batch, dtype.itemsize, device.type, four_bit, checkpointing, free)
    return FinetuneEstimate(parts, free, operations / (EFFICIENCY * product_rate), advice)


def _advice(
    counts: Sizes, batch: int, weight_bytes: int, device: str, four_bit: bool, checkpointing: bool, free: float
) -> str:
    """The smallest change that fits: a smaller batch, then 4-bit weights, then another machine."""
    for quantised in dict.fromkeys((four_bit, device == "cuda" or four_bit)):
        for smaller in range(batch, 0, -1):
            parts = memory(counts, smaller, weight_bytes, device, quantised, checkpointing)
            if sum(parts.values()) <= USABLE * free:
                changes = [f"lora_batch = {smaller}"] if smaller < batch else []
                changes += ["four_bit = True"] if quantised and not four_bit else []
                return f"set {' and '.join(changes)} in the profile"
    least = sum(memory(counts, 1, weight_bytes, device, device == "cuda", checkpointing).values())
    machine = "GPU" if device == "cuda" else "machine"
    return (
        f"it needs at least {least / USABLE:.0f} GiB: take a larger {machine}, "
        "or the embedded model (profile = 'sample')"
    )


def free_gib(device: torch.device) -> float:
    """Free memory in GiB: the GPU's, or the machine's."""
    return (torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available) / GIB


@torch.inference_mode()
def product_speed(device: torch.device, dtype: torch.dtype, counts: Sizes, batch: int) -> float:
    """Operations per second of a matrix product of the training's shape, measured for a quarter of a second."""
    rows, width = min(batch * counts.tokens, 4096), counts.width
    a, b = torch.ones(rows, width, device=device, dtype=dtype), torch.ones(width, 4 * width, device=device, dtype=dtype)
    float((a @ b)[0, 0])  # the first product loads libraries
    repeats, began = 0, time.perf_counter()
    while time.perf_counter() - began < 0.25:
        float((a @ b)[0, 0])  # reading a number waits for a GPU
        repeats += 1
    return repeats * 8 * rows * width**2 / (time.perf_counter() - began)
