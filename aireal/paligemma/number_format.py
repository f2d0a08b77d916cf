"""The number format of PaliGemma's weights: its choice, and a check that the weights have it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from transformers import PaliGemmaConfig

# A list such as ["q_proj", ...] would also match SigLIP's attention; a string must match a module's full name.
LORA_TARGET = r"(model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj)|(model\.multi_modal_projector\.linear)"
SMALL_HIDDEN = 512  # a text model narrower than this is small enough for float32 everywhere


@dataclass(frozen=True)
class Format:
    """Number format of the frozen weights, and whether those of the language model are quantised to 4 bits."""

    dtype: torch.dtype
    four_bit: bool = False


def dtype_for(config: PaliGemmaConfig, device: torch.device) -> torch.dtype:
    """float32 for a small model; else bfloat16, except float16 on GPUs without native bfloat16 (T4, V100)."""
    if config.text_config.hidden_size < SMALL_HIDDEN:
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def check_format(model: torch.nn.Module, weight_format: Format) -> None:
    """Check that the frozen weights have the given number format and quantisation, and that LoRA's weights are float32.

    Raises:
        ValueError: the first wrong weight and what to do.
    """
    for name, parameter in model.named_parameters():
        quantised = type(parameter).__name__ == "Params4bit"
        expected = torch.float32 if ".lora_" in name else weight_format.dtype
        in_language_model = "language_model" in name and re.fullmatch(LORA_TARGET, _module_name(name))
        if weight_format.four_bit and in_language_model and not quantised:
            raise ValueError(
                f"4-bit weights were requested and {name} is {parameter.dtype}. "
                "Load with four_bit=True on a CUDA GPU with bitsandbytes."
            )
        if quantised and not weight_format.four_bit:
            raise ValueError(
                f"{name} is quantised and this was not requested. "
                "Load with four_bit=False, or from a folder that is not quantised."
            )
        if not quantised and parameter.dtype != expected:
            advice = "Attach it with attach_lora." if ".lora_" in name else "Do not cast the model after load."
            raise ValueError(f"{name} is {str(parameter.dtype)[6:]} and {str(expected)[6:]} was requested. {advice}")


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
