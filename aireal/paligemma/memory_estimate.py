"""What a fine-tuning will take, estimated before it starts: memory by part, time, whether it fits, and what to change where it does not.

Memory. Frozen weights: counted from the configuration, two bytes each (four in float32; 4.13 bits for the language model's linear layers in
NF4 with double quantisation, Dettmers et al. 2023). LoRA: 16 bytes a weight (float32 weight, gradient, two moments of Adam). Logits: 14 bytes
for each token and word (16-bit, float32, and their gradients). Activations: BYTES for each token, layer and width, from the measured peaks of
PaliGemma-3B on a CPU (one sequence of 320 tokens: 3.0 GiB without checkpointed activations and 1.5 GiB with, of which the logits are 1.1).
Nothing of this was measured on a GPU.

Time. A frozen model costs 2 operations a weight and token forwards, as many backwards, and once more with checkpointed activations (Kaplan et
al. 2020, section 2.1, without the gradients of weights). The device's speed is that of a matrix product tried for a moment; training reaches
EFFICIENCY of it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import psutil
import torch
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from .model import LORA_TARGET, SMALL_HIDDEN, dtype_for

GIB = 2**30
BYTES = {True: 41, False: 178}  # of activations a token, layer and unit of width, with and without checkpointing
LOGIT_BYTES, ADAPTER_BYTES, NF4_BITS = 14, 16, 4.13
CONTEXT = {"cuda": 0.6, "cpu": 0.6, "mps": 0.6}  # GiB: libraries, driver, workspace
DEQUANTISED = 0.3  # GiB more with 4-bit weights: the layer at work
TEXT_TOKENS = 64  # of prompt and sentence
EFFICIENCY = 0.5
SPARE = 0.95  # of the free memory may be used: allocators fragment


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
    """GiB by part and in all, GiB that are free, seconds of the training, and what to change (empty where it fits)."""

    parts: dict[str, float]
    available: float
    seconds: float
    mend: str

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.total <= SPARE * self.available

    def words(self) -> str:
        unit, times, digits = ("GiB", 1, 2) if self.total >= 1 else ("MiB", 1024, 0)
        parts = ", ".join(f"{name} {value * times:.{digits}f}" for name, value in self.parts.items())
        minutes = f"{self.seconds / 60:.0f} minutes" if self.seconds >= 120 else f"{self.seconds:.0f} s"
        verdict = f"{'fits' if self.fits else 'does NOT fit'} into the {self.available:.1f} GiB that are free" + (
            f": {self.mend}" if self.mend else ""
        )
        return f"estimate: about {self.total * times:.{min(digits, 1)}f} {unit} ({parts}) and {minutes} of training; {verdict}"


def sizes(config: PaliGemmaConfig, rank: int) -> Sizes:
    """Counted on a model without memory (torch's meta device)."""
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
    found: Sizes, batch: int, weight_bytes: int, device: str, four_bit: bool, checkpointing: bool
) -> dict[str, float]:
    """GiB by part."""
    quantised = found.language_linear if four_bit else 0
    return {
        "weights": (weight_bytes * (found.weights - quantised) + NF4_BITS / 8 * quantised) / GIB,
        "adapter": ADAPTER_BYTES * found.adapter / GIB,
        "logits": batch * found.tokens * found.words * LOGIT_BYTES / GIB,
        "activations": batch * found.tokens * found.layers * found.width * BYTES[checkpointing] / GIB,
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
    """What training this configuration will take on the device.

    Args:
        available: GiB that are free; looked up when None.
        speed: operations a second of a matrix product; tried when None.
    """
    found, dtype, checkpointing = (
        sizes(config, rank),
        dtype_for(config, device),
        config.text_config.hidden_size >= SMALL_HIDDEN,
    )
    width = dtype.itemsize
    parts = memory(found, batch, width, device.type, four_bit, checkpointing)
    free = free_gib(device) if available is None else available
    operations = (6 if checkpointing else 4) * found.weights * found.tokens * batch * steps
    fast = product_speed(device, dtype, found, batch) if speed is None else speed
    mend = (
        ""
        if sum(parts.values()) <= SPARE * free
        else _mend(found, batch, width, device.type, four_bit, checkpointing, free)
    )
    return FinetuneEstimate(parts, free, operations / (EFFICIENCY * fast), mend)


def _mend(found: Sizes, batch: int, width: int, device: str, four_bit: bool, checkpointing: bool, free: float) -> str:
    """The least change that fits: a smaller batch, then 4-bit weights, then another machine."""
    for quantised in dict.fromkeys((four_bit, device == "cuda" or four_bit)):
        for smaller in range(batch, 0, -1):
            if sum(memory(found, smaller, width, device, quantised, checkpointing).values()) <= SPARE * free:
                changes = [f"lora_batch = {smaller}"] * (smaller < batch) + ["four_bit = True"] * (
                    quantised and not four_bit
                )
                return f"set {' and '.join(changes)} in the profile"
    least = sum(memory(found, 1, width, device, device == "cuda", checkpointing).values())
    return f"it needs at least {least / SPARE:.0f} GiB; take a larger {'GPU' if device == 'cuda' else 'machine'}, or the embedded model (profile = 'sample')"


def free_gib(device: torch.device) -> float:
    """Memory that is free now, in GiB: the GPU's, or the machine's."""
    return (torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available) / GIB


@torch.inference_mode()
def product_speed(device: torch.device, dtype: torch.dtype, found: Sizes, batch: int) -> float:
    """Operations a second of a matrix product of the training's shape, tried for a quarter of a second."""
    rows, width = min(batch * found.tokens, 4096), found.width
    a, b = torch.ones(rows, width, device=device, dtype=dtype), torch.ones(width, 4 * width, device=device, dtype=dtype)
    float((a @ b)[0, 0])  # the first one starts libraries
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < 0.25:
        float((a @ b)[0, 0])  # reading a number waits for a GPU
        count += 1
    return count * 8 * rows * width**2 / (time.perf_counter() - began)
