"""Estimate a fine-tuning before it starts: memory by part, time, whether it fits, and what to change where it does not.

Memory. Frozen weights: counted from the configuration, two bytes each (four in float32; 4.13 bits for the language
model's linear layers in NF4 with double quantisation, Dettmers et al. 2023). LoRA: 16 bytes per weight (float32 weight,
gradient, two moments of Adam). Logits: 14 bytes per token and vocabulary entry (16-bit, float32, and their gradients).
Activations: ACTIVATION_BYTES per token, layer and unit of width, from measured peaks of PaliGemma-3B on a CPU (one
sequence of 320 tokens: 3.0 GiB without checkpointed activations and 1.5 GiB with them; the logits are 1.1 GiB of each).
Nothing was measured on a GPU. With several processes each has its share of the batch. Reranking scores the sentences of
`RERANKED` rows after the training, without what the training held (`rerank_gib`).

Free memory. The estimate is of all that the process will hold, so what it holds already counts as free: the words are
the same before and after the model is loaded.

Time. `EXAMPLES_PER_SECOND` has what was published for a GPU. Elsewhere it is computed: a frozen model needs 2
operations per weight and token in the forward pass, as many in the backward pass, and 2 more with checkpointed
activations (Kaplan et al. 2020, section 2.1, without the gradients of weights). The device's speed is measured on a
matrix product; training reaches EFFICIENCY of it. Evaluations come on top.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import psutil
import torch
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from aireal.config import Profile

from .model import load_config
from .number_format import LORA_TARGET, SMALL_HIDDEN, dtype_for
from .rerank import BATCH as RERANKED

GIB = 2**30
ACTIVATION_BYTES = {True: 41, False: 178}  # per token, layer and unit of width; with and without checkpointing
LOGIT_BYTES, ADAPTER_BYTES, NF4_BITS = 14, 16, 4.13
CONTEXT = {"cuda": 0.6, "cpu": 1.3, "mps": 0.6}  # GiB: libraries, driver, workspace; on a CPU measured in notebook 06
DEQUANTISED = 0.3  # additional GiB with 4-bit weights: the layer that is dequantised
TEXT_TOKENS = 64  # of prompt and sentence
EFFICIENCY = 0.5
USABLE = 0.95  # usable share of the free memory: allocators fragment
# Training PaliGemma-3B at 224 pixels, by a part of the GPU's name. T4: from a public log of a training in JAX; nothing
# was measured here.
EXAMPLES_PER_SECOND = {"T4": 0.76}


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
    """GiB by part, free GiB, seconds of the training, and the advice what to change (empty where the training fits).

    `rerank` is the GiB that reranking needs after the training, on top of weights and libraries.
    """

    parts: dict[str, float]
    available: float
    seconds: float
    advice: str
    rerank: float = 0.0

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
        rerank = f"{self.rerank * scale:.{digits}f}"
        duration = f"{self.seconds / 60:.0f} minutes" if self.seconds >= 120 else f"{self.seconds:.0f} s"
        fits = "fits" if self.fits else "does NOT fit"
        advice = f". {self.advice[0].upper()}{self.advice[1:]}." if self.advice else ""
        return (
            f"estimate: about {total} ({parts}; reranking afterwards {rerank}) and {duration} of training without its "
            f"evaluations; {fits} into the {self.available:.1f} GiB of memory that this process can have{advice}"
        )

    def require_fit(self) -> None:
        """Stop before anything is loaded.

        Raises:
            ValueError: the training does not fit; the text is the summary with its advice.
        """
        if not self.fits:
            raise ValueError(self.summary())


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


def rerank_gib(counts: Sizes) -> float:
    """GiB of the scores in reranking: 16-bit for all rows of a batch, and two float32 copies of one row."""
    return TEXT_TOKENS * counts.words * (2 * RERANKED + 2 * 4) / GIB


def estimate_profile(profile: Profile, device: torch.device, processes: int = 1, **measured) -> FinetuneEstimate:
    """Estimate the fine-tuning of a profile. Only the model's configuration is read, not its weights.

    Args:
        processes: GPUs that share each batch.
        measured: `available` and `speed`, as for `estimate_finetuning`.

    Raises:
        ValueError: the configuration cannot be had (`model.load`).
    """
    config, _ = load_config(profile.paligemma, device, profile.dtype)
    batch = -(-profile.lora_batch // processes)
    numbers = (profile.lora_rank, batch, profile.lora_steps, device, profile.four_bit, profile.dtype)
    return estimate_finetuning(config, *numbers, processes=processes, **measured)


def estimate_finetuning(
    config: PaliGemmaConfig,
    rank: int,
    batch: int,
    steps: int,
    device: torch.device,
    four_bit: bool = False,
    dtype: str = "auto",
    available: float | None = None,
    speed: float | None = None,
    processes: int = 1,
) -> FinetuneEstimate:
    """Estimate the memory and time of fine-tuning this configuration on the device.

    Args:
        batch: rows of a step that one process computes.
        dtype: number format, as `Profile.dtype`.
        available: GiB that this process can have; None: measured.
        speed: operations per second of a matrix product; None: measured, unless a throughput is published.
        processes: GPUs that share each batch; the advice names the batch of all.
    """
    counts, number_format = sizes(config, rank), dtype_for(config, device, dtype)
    checkpointing = config.text_config.hidden_size >= SMALL_HIDDEN
    parts = memory(counts, batch, number_format.itemsize, device.type, four_bit, checkpointing)
    free = available_gib(device) if available is None else available
    published = published_rate(device) if checkpointing and speed is None else None
    if published:
        seconds = batch * steps / published
    else:
        operations = (6 if checkpointing else 4) * counts.weights * counts.tokens * batch * steps
        seconds = operations / (EFFICIENCY * (speed or product_speed(device, number_format, counts, batch)))
    fits = sum(parts.values()) <= USABLE * free
    shape = (number_format.itemsize, device.type, four_bit, checkpointing)
    advice = "" if fits else _advice(counts, batch, processes, *shape, free)
    return FinetuneEstimate(parts, free, seconds, advice, rerank_gib(counts))


def published_rate(device: torch.device) -> float | None:
    """The published examples per second of training on this device; None where there are none."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((rate for gpu, rate in EXAMPLES_PER_SECOND.items() if gpu in name.split()), None)


def _advice(
    counts: Sizes,
    batch: int,
    processes: int,
    weight_bytes: int,
    device: str,
    four_bit: bool,
    checkpointing: bool,
    free: float,
) -> str:
    """The smallest change that fits: a smaller batch, then 4-bit weights, then another machine."""
    for quantised in dict.fromkeys((four_bit, device == "cuda" or four_bit)):
        for smaller in range(batch, 0, -1):
            parts = memory(counts, smaller, weight_bytes, device, quantised, checkpointing)
            if sum(parts.values()) <= USABLE * free:
                changes = [f"lora_batch = {smaller * processes}"] if smaller < batch else []
                changes += ["four_bit = True"] if quantised and not four_bit else []
                return f"set {' and '.join(changes)} in the profile"
    least = sum(memory(counts, 1, weight_bytes, device, device == "cuda", checkpointing).values())
    machine = "GPU" if device == "cuda" else "machine"
    return (
        f"it needs at least {least / USABLE:.0f} GiB: take a larger {machine}, "
        "or the embedded model (profile = 'sample')"
    )


def available_gib(device: torch.device) -> float:
    """GiB that this process can have in all: what is free, and what it holds already."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    else:
        free = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    return free / GIB


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
