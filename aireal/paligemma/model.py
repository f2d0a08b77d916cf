"""Load PaliGemma (3B from the hub or a folder, or the embedded small one) and carry LoRA on it: one path for every size."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import BitsAndBytesConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor

from aireal.config import SMALL_PALIGEMMA
from aireal.core.files import write_json

EMBEDDED = "embedded"
BASE = "base.json"  # beside an adapter: which weights it belongs to
# A list of names such as ["q_proj", ...] would also hit SigLIP's attention; a string is matched in full against module names.
LORA_TARGET = r"(model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj)|(model\.multi_modal_projector\.linear)"
LINEARS_A_LAYER = 7  # q, k, v, o and gate, up, down
SMALL_HIDDEN = 512  # a text model narrower than this is small enough for float32 everywhere


@dataclass(frozen=True)
class Format:
    """Number format of the frozen weights, and whether those of the language model are quantised to 4 bits."""

    dtype: torch.dtype
    four_bit: bool = False


def load(name_or_path: str | Path, device: torch.device | str, four_bit: bool = False):
    """Model in evaluation mode and processor. What was asked of the weights stands in `model.asked` for the pre-flight.

    Args:
        name_or_path: "embedded", a hub id (`google/paligemma-3b-pt-224`, `google/paligemma2-3b-pt-224`) or a folder.
        device: where the model goes; with it `dtype_for` chooses the number format.
        four_bit: NF4 with double quantisation by bitsandbytes (Dettmers et al. 2023, QLoRA), language model only; CUDA only.

    Raises:
        ValueError: the model is missing, gated, unreachable or no PaliGemma, or 4-bit was asked where it cannot run; the
            sentence says what to do.
    """
    device, name = torch.device(device), str(name_or_path)
    source = SMALL_PALIGEMMA if name == EMBEDDED else name
    config = _fetch(PaliGemmaConfig.from_pretrained, source, name)
    if config.model_type != "paligemma":
        raise ValueError(
            f"{name} is a {config.model_type} model, not PaliGemma: give google/paligemma-3b-pt-224 or `{EMBEDDED}`"
        )
    processor = _fetch(PaliGemmaProcessor.from_pretrained, source, name)
    kwargs = {"dtype": dtype_for(config, device), "use_safetensors": True}
    if four_bit:
        kwargs |= {"quantization_config": _four_bit(kwargs["dtype"], device), "device_map": {"": device}}
    model = _fetch(PaliGemmaForConditionalGeneration.from_pretrained, source, name, **kwargs)
    # peft and model cards copy this name into files: it must be a name, never a path of this machine
    model.name_or_path = model.config._name_or_path = public_name(name)
    model.asked = Format(kwargs["dtype"], four_bit)
    return (model if four_bit else model.to(device)).eval(), processor


def dtype_for(config: PaliGemmaConfig, device: torch.device) -> torch.dtype:
    """float32 for a small model; else bfloat16, except float16 on GPUs without native bfloat16 (T4, V100)."""
    if config.text_config.hidden_size < SMALL_HIDDEN:
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def public_name(name_or_path: str | Path) -> str:
    """The name to publish: a hub id or "embedded" as it is, a folder by its last part."""
    return Path(name_or_path).resolve().name if Path(name_or_path).exists() else str(name_or_path)


def _four_bit(dtype: torch.dtype, device: torch.device) -> BitsAndBytesConfig:
    if device.type != "cuda":
        raise ValueError(f"4-bit weights need a CUDA GPU and this is {device.type}: call load without four_bit")
    try:
        import bitsandbytes  # noqa: F401  (found here, so that its absence is one sentence)
    except ImportError:
        raise ValueError(
            "4-bit weights need bitsandbytes: run `pip install bitsandbytes`, or call load without four_bit"
        ) from None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=["vision_tower", "multi_modal_projector", "lm_head"],
    )


def _fetch(loader: Callable, source: str | Path, name: str, **kwargs):
    """Call a `from_pretrained`; what can go wrong on the way becomes one sentence with the step that mends it."""
    try:
        return loader(source, **kwargs)
    except (OSError, ValueError) as error:
        raise ValueError(_what_to_do(error, name)) from error


def _what_to_do(error: BaseException, name: str) -> str:
    chain, kinds = error, set()
    while chain is not None:
        kinds |= {kind.__name__ for kind in type(chain).__mro__}
        chain = chain.__cause__ or chain.__context__
    if name == EMBEDDED:
        return (
            f"the embedded PaliGemma in {SMALL_PALIGEMMA.name}/ is missing or not whole: check it out again, or run "
            "`python scripts/train_small_paligemma.py`"
        )
    if Path(name).is_dir():
        return f"the folder {name} holds no PaliGemma that can be read ({_first_line(error)}): save one there with save_pretrained"
    if "GatedRepoError" in kinds or "gated" in str(error):
        return (
            f"{name} is gated: accept its licence on https://huggingface.co/{name} while logged in, then set HF_TOKEN or run "
            "`huggingface-cli login` with a token of the same account"
        )
    if kinds & {"RepositoryNotFoundError", "HFValidationError"} or "not a valid model identifier" in str(error):
        return f"{name} is neither a folder nor a model on the hub that this account may see: check the name, or set HF_TOKEN"
    if kinds & {
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
        "ConnectError",
        "ConnectionError",
    } or "connect" in str(error):
        return f"{name} is not in the local cache and the hub cannot be reached: go online once, give a local folder, or use `{EMBEDDED}`"
    return f"{name} could not be loaded: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def attach_lora(model: PaliGemmaForConditionalGeneration, rank: int, seed: int = 7, dropout: float = 0.0) -> PeftModel:
    """Put LoRA (Hu et al. 2021; alpha = 2 rank) on the language model's linear layers and the projector; all else is frozen.

    The adapter's weights are float32 whatever the model's dtype is, and start from `seed` alone.

    Raises:
        ValueError: the model carries LoRA already, or it did not land where it should.
    """
    if isinstance(model, PeftModel):
        raise ValueError("this model carries LoRA already: load a fresh one, or call unload() on it first")
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules=LORA_TARGET, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        with quiet():
            wrapped = get_peft_model(model, config)
    wrapped.peft_config[
        "default"
    ].base_model_name_or_path = ""  # else every checkpoint asks the hub; save_adapter writes the name
    check_lora(wrapped)
    return wrapped


@contextmanager
def quiet():
    """peft still asks transformers for `is_gradient_checkpointing` by its old name; nothing a user could mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield


def lora_modules(model: torch.nn.Module) -> set[str]:
    """Names of the modules that LoRA sits on, as in the bare model."""
    return {
        name.removeprefix("base_model.model.")
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def check_lora(model: torch.nn.Module) -> None:
    """LoRA is on all linear layers of the language model and on the projector, nowhere else, and is alone in being trained.

    Raises:
        ValueError: with the modules that are wrong and the mend.
    """
    found = lora_modules(model)
    if not found:
        raise ValueError("LoRA sits on no module: call attach_lora(model, rank) before training")
    stray = sorted(name for name in found if not re.fullmatch(LORA_TARGET, name))
    if stray:
        raise ValueError(
            f"LoRA sits on {len(stray)} modules outside language model and projector ({stray[0]}, ...): "
            "use target_modules=LORA_TARGET"
        )
    wanted = LINEARS_A_LAYER * model.config.text_config.num_hidden_layers + 1
    if len(found) != wanted:
        raise ValueError(
            f"LoRA sits on {len(found)} modules and should on {wanted} (all language layers and the projector): "
            "use target_modules=LORA_TARGET"
        )
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trained or any(".lora_" not in name for name in trained):
        raise ValueError(
            "other weights than LoRA's are trained, or none: attach LoRA with attach_lora and leave requires_grad alone"
        )


def check_format(model: torch.nn.Module, asked: Format) -> None:
    """The frozen weights have the number format and quantisation that were asked, and LoRA's are float32.

    Raises:
        ValueError: the first weight that has not, and the mend.
    """
    for name, parameter in model.named_parameters():
        quantised = type(parameter).__name__ == "Params4bit"
        wanted = torch.float32 if ".lora_" in name else asked.dtype
        if asked.four_bit and re.fullmatch(LORA_TARGET, _bare(name)) and "language_model" in name and not quantised:
            raise ValueError(
                f"4-bit weights were asked and {name} is {parameter.dtype}: load with four_bit=True on a CUDA GPU with bitsandbytes"
            )
        if quantised and not asked.four_bit:
            raise ValueError(
                f"{name} is quantised and this was not asked: load with four_bit=False, or from a folder that is not quantised"
            )
        if not quantised and parameter.dtype != wanted:
            mend = "attach it with attach_lora" if ".lora_" in name else "do not cast the model after load"
            raise ValueError(f"{name} is {str(parameter.dtype)[6:]} and {str(wanted)[6:]} was asked: {mend}")


def _bare(name: str) -> str:
    """A parameter's module as in the bare model."""
    return name.removeprefix("base_model.model.").removesuffix(".weight").removesuffix(".base_layer")


def base_digest(model: PaliGemmaForConditionalGeneration) -> str:
    """SHA-256 over the first weights of every frozen tensor: a base that was trained anew under the same name is another one."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if ".lora_" not in name:
            sample = parameter.detach().flatten()[:64].float().cpu().numpy()
            digest.update(name.replace(".base_layer", "").encode() + sample.tobytes())
    return digest.hexdigest()


def save_adapter(model: PeftModel, folder: str | Path) -> Path:
    """Write the adapter alone: adapter_model.safetensors, adapter_config.json, base.json (the weights it belongs to) and a
    README of one line, all with the base's public name. `reporting.adapter_card.write_card` writes the whole card."""
    folder, base = Path(folder), public_name(model.get_base_model().name_or_path)
    model.save_pretrained(folder, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    write_json(
        folder / BASE,
        {"base": base, "format": str(model.get_base_model().dtype), "sha256": base_digest(model.get_base_model())},
    )
    (folder / "README.md").write_text(f"LoRA adapter of {base}, rank {config['r']}.\n", encoding="utf-8")
    return folder


def load_adapter(model: PaliGemmaForConditionalGeneration, folder: str | Path, trainable: bool = False) -> PeftModel:
    """Put a saved adapter on its base model.

    Raises:
        ValueError: no adapter there, or it belongs to another base, or to other weights of this one.
    """
    folder = Path(folder)
    if not (folder / "adapter_model.safetensors").is_file() or not (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"{folder} holds no LoRA adapter (adapter_model.safetensors and its config): fine-tune first, or give its folder"
        )
    base = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if Path(base).name != Path(model.name_or_path).name:
        raise ValueError(
            f"the adapter in {folder.name} was trained on {base} and this model is {model.name_or_path}: load the same base"
        )
    of = json.loads((folder / BASE).read_text(encoding="utf-8")) if (folder / BASE).is_file() else {}
    if of.get("format") == str(model.dtype) and of["sha256"] != base_digest(
        model
    ):  # in another number format the digest says nothing
        raise ValueError(
            f"the adapter in {folder.name} was trained on other weights of {base} than these: run notebook 06_finetune_paligemma again"
        )
    with quiet():
        wrapped = PeftModel.from_pretrained(model, folder, is_trainable=trainable)
    return wrapped if trainable else wrapped.eval()
