"""The number format of PaliGemma's weights: its choice, and a check that the weights have it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from transformers import PaliGemmaConfig

# A list such as ["q_proj", ...] would also match SigLIP's attention; a string must match a module's full name.
LORA_TARGET = r"(model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj)|(model\.multi_modal_projector\.linear)"
SMALL_HIDDEN = 512  # a text model narrower than this is small enough for float32 everywhere


DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
# Google's first PaliGemma has float32 on its main branch (11.7 GB), and branches of these names with half of that
SIXTEEN_BIT_BRANCHES = "google/paligemma-3b-"


@dataclass(frozen=True)
class Format:
    """Number format of the frozen weights, and whether those of the language model are quantised to 4 bits.

    `float32` names the parts (`overflow.PARTS`) that are kept in float32 because `dtype` overflows in them.
    """

    dtype: torch.dtype
    four_bit: bool = False
    float32: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def dtype_for(config: PaliGemmaConfig, device: torch.device, asked: str = "auto") -> torch.dtype:
    """The number format for a model on a device.

    Args:
        asked: `Profile.dtype`. `auto` is float32 for a small model; else bfloat16, except float16 on GPUs without
            native bfloat16 (T4, V100).

    Raises:
        ValueError: there is no such format.
    """
    if asked == "auto" and config.text_config.hidden_size < SMALL_HIDDEN:
        return torch.float32
    return _large_dtype(device, asked)


def _large_dtype(device: torch.device, asked: str) -> torch.dtype:
    if asked in DTYPES:
        return DTYPES[asked]
    if asked != "auto":
        raise ValueError(f"dtype {asked!r} is no number format. Choose auto, {', '.join(DTYPES)}.")
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def branch(name: str, device: torch.device, asked: str = "auto") -> str:
    """The hub's branch with the weights in the device's format: "main", "float16" or "bfloat16"."""
    dtype = _large_dtype(device, asked)
    if not name.startswith(SIXTEEN_BIT_BRANCHES) or dtype == torch.float32:
        return "main"
    return str(dtype).removeprefix("torch.")


def stored_bytes(name: str, branch_name: str) -> int:
    """Bytes of a weight in the files of a hub's model."""
    return 4 if name.startswith(SIXTEEN_BIT_BRANCHES) and branch_name == "main" else 2


def compute_dtype(model: torch.nn.Module) -> torch.dtype:
    """The format that most of the model computes in. `model.dtype` is that of its first weight alone."""
    weight_format = getattr(model, "weight_format", None)
    return weight_format.dtype if weight_format else model.dtype


def check_format(model: torch.nn.Module, weight_format: Format) -> None:
    """Check that the frozen weights have the given number format and quantisation, and that LoRA's weights are float32.

    Raises:
        ValueError: the first wrong weight and what to do.
    """
    for name, parameter in model.named_parameters():
        quantised = type(parameter).__name__ == "Params4bit"
        module = _module_name(name)
        in_float32 = ".lora_" in name or any(f"model.{part}." in module for part in weight_format.float32)
        expected = torch.float32 if in_float32 else weight_format.dtype
        in_language_model = is_language_linear(module)
        if weight_format.four_bit and in_language_model and not quantised:
            raise ValueError(
                f"4-bit weights were requested and {name} is {parameter.dtype}. "
                "Load with four_bit=True on a CUDA GPU with bitsandbytes."
            )
        if quantised and not (weight_format.four_bit and in_language_model):
            raise ValueError(
                f"{name} is quantised and this was not requested. "
                "Load with four_bit=False, or from a folder that is not quantised."
            )
        if not quantised and parameter.dtype != expected:
            advice = "Attach it with attach_lora." if ".lora_" in name else "Do not cast the model after load."
            raise ValueError(f"{name} is {str(parameter.dtype)[6:]} and {str(expected)[6:]} was requested. {advice}")


def is_language_linear(module: str) -> bool:
    """Whether a module, by its name in the bare model, is one of the linear layers that 4-bit weights quantise."""
    return "language_model" in module and re.fullmatch(LORA_TARGET, module) is not None


def _module_name(name: str) -> str:
    """The name of a parameter's module as in the bare model."""
    return name.removeprefix("base_model.model.").removesuffix(".weight").removesuffix(".base_layer")


def not_finite(what: str) -> str:
    """The sentence for a number that is NaN or infinite, with what to do.

    Args:
        what: the number, with its article, as in "the loss of step 7".
    """
    return (
        f"{what[0].upper()}{what[1:]} is not finite: the number format of the weights overflows, or they are damaged. "
        "Set dtype = 'bfloat16' or 'float32' in the profile; if that does not help, load the weights anew."
    )
