"""Load PaliGemma (3B from the hub or a folder, or the embedded small one) and attach LoRA: one path for all sizes."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor

from aireal.config import SMALL_PALIGEMMA
from aireal.core.errors import first_line
from aireal.core.files import write_json

from .base_record import (
    BASE,
    RETRAIN,
    base_record,
    has_name,
    is_same_base,
    public_name,
    read_adapter_config,
    read_base_record,
)
from .loading import EMBEDDED, fetch, without_bar
from .number_format import LORA_TARGET, Format, branch, dtype_for
from .overflow import avoid_overflow, trial_examples
from .peft_backends import ignore_old_backends

LINEARS_PER_LAYER = 7  # q, k, v, o and gate, up, down


def load(name_or_path: str | Path, device: torch.device | str, four_bit: bool = False, dtype: str = "auto"):
    """Model in evaluation mode, and processor. `model.weight_format` records the number format for the pre-flight.

    A model in float16 is tried on procedural overlays; parts in which it overflows get a wider format (`overflow`).

    Args:
        name_or_path: "embedded", a hub id (`google/paligemma-3b-pt-224`, `google/paligemma2-3b-pt-224`) or a folder.
        device: the model's device; `dtype_for` selects the number format for it.
        four_bit: NF4 with double quantisation by bitsandbytes (Dettmers et al. 2023, QLoRA) for the language model's
            linear layers; CUDA only.
        dtype: number format, as `Profile.dtype`.

    Raises:
        ValueError: the model is missing, gated, unreachable or no PaliGemma, or 4-bit is requested where it cannot run.
            The message says what to do.
    """
    device, name = torch.device(device), str(name_or_path)
    config, revision = load_config(name, device, dtype)
    source = _source(name)
    processor = fetch(PaliGemmaProcessor.from_pretrained, source, name, revision=revision)
    weight_format = Format(dtype_for(config, device, dtype), four_bit)
    kwargs = {"dtype": weight_format.dtype, "use_safetensors": True, "revision": revision}
    if (
        device.type == "cuda"
    ):  # the weights go to the GPU file by file, and never lie in the machine's memory as a whole
        kwargs["device_map"] = {"": device}
    if four_bit:
        kwargs["quantization_config"] = _four_bit(weight_format.dtype, device)
    with without_bar() if name == EMBEDDED else nullcontext():
        model, info = fetch(
            PaliGemmaForConditionalGeneration.from_pretrained, source, name, output_loading_info=True, **kwargs
        )
    if missing := sorted(info["missing_keys"]):  # transformers only warns, and draws them at random
        raise ValueError(
            f"{len(missing)} weights of {name} are not in its files ({missing[0]}, ...). Update transformers, or fetch "
            "the model again."
        )
    # peft and model cards copy this name into files: it must be a name, never a path of this machine
    model.name_or_path = model.config._name_or_path = public_name(name)
    model.weight_format = weight_format
    if not four_bit:  # Trainer would take a placed model for one that lies on several devices
        vars(model).pop("hf_device_map", None)
    model = (model if device.type == "cuda" else model.to(device)).eval()
    if weight_format.dtype == torch.float16:
        avoid_overflow(model, processor, trial_examples())
    return model, processor


def load_config(name: str, device: torch.device, dtype: str = "auto") -> tuple[PaliGemmaConfig, str]:
    """The configuration of a model, without its weights, and the hub's branch to take both from.

    Where the hub has no branch in the device's number format, or only the main one is cached, it is the main one.

    Raises:
        ValueError: as `load`.
    """
    revision = branch(name, device, dtype)
    try:
        config = fetch(PaliGemmaConfig.from_pretrained, _source(name), name, revision=revision)
    except ValueError as error:
        if revision == "main" or "is gated" in str(error):
            raise
        revision = "main"
        config = fetch(PaliGemmaConfig.from_pretrained, _source(name), name, revision=revision)
    if config.model_type != "paligemma":
        raise ValueError(
            f"{name} is a {config.model_type} model, not PaliGemma. Give google/paligemma-3b-pt-224 or `{EMBEDDED}`."
        )
    return config, revision


def _source(name: str) -> str | Path:
    return SMALL_PALIGEMMA if name == EMBEDDED else name


def require_four_bit(device: torch.device) -> None:
    """Check that weights can be quantised to 4 bits on this device.

    Raises:
        ValueError: it is no CUDA GPU, or bitsandbytes is missing; the message says what to do.
    """
    if device.type != "cuda":
        raise ValueError(f"4-bit weights need a CUDA GPU and this is {device.type}. Set four_bit = False.")
    try:
        import bitsandbytes  # noqa: F401  (imported here, so that its absence gives one clear sentence)
    except ImportError:
        raise ValueError(
            "4-bit weights need bitsandbytes. Run `pip install bitsandbytes`, or set four_bit = False."
        ) from None


# Patterns from the start of a module's name on. A plain "vision_tower" would match nothing: names begin with "model.".
NOT_QUANTISED = (r"(.*\.)?vision_tower", r"(.*\.)?multi_modal_projector", "lm_head")


def _four_bit(dtype: torch.dtype, device: torch.device) -> BitsAndBytesConfig:
    require_four_bit(device)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(NOT_QUANTISED),
    )


def attach_lora(model: PaliGemmaForConditionalGeneration, rank: int, seed: int = 7, dropout: float = 0.0) -> PeftModel:
    """Attach LoRA (Hu et al. 2021; alpha = 2 rank) to the language model's linear layers and the projector.

    All other weights are frozen. The adapter's weights are float32 for every dtype of the model, and their
    initialisation depends on `seed` alone.

    Raises:
        ValueError: the model has LoRA already, or LoRA is not on the intended modules (`check_lora`).
    """
    if isinstance(model, PeftModel):
        raise ValueError("This model has LoRA already. Load a fresh one, or call unload() on it first.")
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules=LORA_TARGET, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        with ignore_peft_warning(), ignore_old_backends():
            wrapped = get_peft_model(model, config)
    # an empty name: else every checkpoint makes a request to the hub; save_adapter writes the name
    wrapped.peft_config["default"].base_model_name_or_path = ""
    check_lora(wrapped)
    return wrapped


@contextmanager
def ignore_peft_warning():
    """peft still reads transformers' `is_gradient_checkpointing` by its old name; a user cannot change that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield


def lora_modules(model: torch.nn.Module) -> set[str]:
    """Names of the modules with LoRA, as in the bare model."""
    return {
        name.removeprefix("base_model.model.")
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def check_lora(model: torch.nn.Module) -> None:
    """Check that LoRA is on the language model's linear layers and the projector, and that only LoRA is trained.

    Raises:
        ValueError: with the wrong modules and what to do.
    """
    modules = lora_modules(model)
    if not modules:
        raise ValueError("LoRA is on no module. Call attach_lora(model, rank) before training.")
    stray = sorted(name for name in modules if not re.fullmatch(LORA_TARGET, name))
    if stray:
        raise ValueError(
            f"LoRA is on {len(stray)} modules outside language model and projector ({stray[0]}, ...). "
            "Use target_modules=LORA_TARGET."
        )
    expected = LINEARS_PER_LAYER * model.config.text_config.num_hidden_layers + 1
    if len(modules) != expected:
        raise ValueError(
            f"LoRA is on {len(modules)} modules and should be on {expected} (all language layers and the projector). "
            "Use target_modules=LORA_TARGET."
        )
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trained or any(".lora_" not in name for name in trained):
        raise ValueError(
            "Weights other than LoRA's would be trained, or none. "
            "Attach LoRA with attach_lora and do not change requires_grad."
        )


def save_adapter(model: PeftModel, folder: str | Path) -> Path:
    """Write the adapter alone, with the base's public name in all files; `reporting.adapter_card` writes the whole
    card.

    The files: adapter_model.safetensors, adapter_config.json, base.json (the weights that the adapter belongs to) and a
    README.md of one line.
    """
    folder, base = Path(folder), public_name(model.get_base_model().name_or_path)
    model.save_pretrained(folder, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    write_json(folder / BASE, base_record(model.get_base_model()))
    (folder / "README.md").write_text(f"LoRA adapter of {base}, rank {config['r']}.\n", encoding="utf-8")
    return folder


def load_adapter(model: PaliGemmaForConditionalGeneration, folder: str | Path, trainable: bool = False) -> PeftModel:
    """Attach a saved adapter to its base model.

    Raises:
        ValueError: the folder holds no adapter, the adapter belongs to another base or to other weights of this one, or
            its weights do not fit the model (peft alone would only warn, and the base would write).
    """
    folder = Path(folder)
    if not (folder / "adapter_model.safetensors").is_file() or not (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"{folder} holds no LoRA adapter (adapter_model.safetensors and its config). "
            "Fine-tune first, or give the adapter's folder."
        )
    base = read_adapter_config(folder)["base_model_name_or_path"]
    if not has_name(base, model.name_or_path):
        raise ValueError(
            f"The adapter in {folder.name} was trained on {base} and this model is {model.name_or_path}. "
            "Load the same base."
        )
    record = read_base_record(folder)
    if record and not is_same_base(record, model):
        raise ValueError(
            f"The adapter in {folder.name} was trained on other weights of {base} than these. "
            "Run notebook 06_finetune_paligemma again."
        )
    wrapped = _load_weights(model, folder, trainable)
    return wrapped if trainable else wrapped.eval()


def _load_weights(model: PaliGemmaForConditionalGeneration, folder: Path, trainable: bool) -> PeftModel:
    """Attach the adapter and check that all its weights, and no others, were loaded.

    Names of older versions of transformers are translated by peft.
    """
    names = getattr(model, "_checkpoint_conversion_mapping", None)
    with ignore_peft_warning(), ignore_old_backends(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found missing adapter keys")  # refused below, in a sentence
        try:
            wrapped = PeftModel.from_pretrained(model, folder, is_trainable=trainable, key_mapping=names)
            # once more, because only this call tells what was loaded
            loaded = wrapped.load_adapter(str(folder), "default", is_trainable=trainable, key_mapping=names)
        except (RuntimeError, ValueError, SafetensorError, KeyError, TypeError) as error:
            # torch puts the reason into the second line, behind a title that ends in a colon
            lines = str(error).splitlines()
            reason = lines[1].strip()[:120] if len(lines) > 1 else first_line(error, 120)
            raise ValueError(f"The adapter in {folder.name} does not fit this model ({reason}). {RETRAIN}") from error
    check_loaded(loaded.missing_keys, loaded.unexpected_keys, folder)
    return wrapped


def check_loaded(missing: Sequence[str], unexpected: Sequence[str], folder: Path) -> None:
    """Refuse an adapter whose weights were loaded in part or not at all.

    Args:
        missing: names of the model's weights that the file lacks; those of the base do not count.
        unexpected: names in the file that the model lacks.

    Raises:
        ValueError: with a name of each kind, and what to do.
    """
    missing = [name for name in missing if ".lora_" in name]
    if not missing and not unexpected:
        return
    parts = [
        f"{len(names)} {words} ({names[0]}{', ...' * (len(names) > 1)})"
        for names, words in (
            (missing, "weights of the model are not in it"),
            (unexpected, "of its weights have no place"),
        )
        if names
    ]
    raise ValueError(
        f"The adapter in {folder.name} does not fit this model: {' and '.join(parts)}. It was made with other versions "
        f"or for another model, and the base would write as if it were tuned. {RETRAIN}"
    )
