"""Loading PaliGemma, its number format, and adapters that load as they were saved."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from aireal.paligemma import model as models
from aireal.paligemma.number_format import dtype_for
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


def test_loading_errors_say_what_to_do(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no readable PaliGemma"):
        models.load(tmp_path / "empty", "cpu")
    with pytest.raises(ValueError, match="4-bit weights need a CUDA GPU"):
        models.load(folder, "cpu", four_bit=True)
    gemma = tmp_path / "gemma"
    gemma.mkdir()
    (gemma / "config.json").write_text(json.dumps({"model_type": "gemma", "hidden_size": 8}), encoding="utf-8")
    with pytest.raises(ValueError, match="not PaliGemma"):
        models.load(gemma, "cpu")


@pytest.mark.fault(
    "network",
    "the hub refuses a model, knows none of this name, or cannot be reached",
    "one line: accept the licence, check the name, or connect once",
    "nothing is begun",
)
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            "GatedRepoError",
            "accept its licence on https://huggingface.co/google/paligemma-3b-pt-224 .*HF_TOKEN.*hf auth login",
        ),
        ("RepositoryNotFoundError", "Check the name"),
        ("LocalEntryNotFoundError", "Connect to the internet once"),
    ],
)
def test_an_error_of_the_hub_becomes_one_line_with_advice(monkeypatch, error, advice):
    def refuse(*args, **kwargs):
        raise OSError("from the hub") from type(error, (Exception,), {})()

    monkeypatch.setattr(models.PaliGemmaConfig, "from_pretrained", refuse)
    with pytest.raises(ValueError, match=advice) as caught:
        models.load("google/paligemma-3b-pt-224", "cpu")
    assert "\n" not in str(caught.value)


def test_number_format_follows_size_and_device(small, monkeypatch):
    config = small[0].config
    assert dtype_for(config, torch.device("cuda")) == torch.float32
    large = type(config)()
    assert dtype_for(large, torch.device("cpu")) == torch.bfloat16
    for native, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True, native=native: native or including_emulation,
        )
        assert dtype_for(large, torch.device("cuda")) == expected


def test_a_loaded_adapter_computes_the_same_and_names_no_path(small, folder, batch, tmp_path):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(0, 0.02, generator=torch.Generator().manual_seed(1))
        expected = wrapped.eval()(**batch).logits
    models.save_adapter(wrapped, tmp_path / "adapter")
    loaded = models.load_adapter(models.load(folder, "cpu")[0], tmp_path / "adapter")
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, expected)
        with loaded.disable_adapter():
            assert not torch.allclose(loaded(**batch).logits, expected)
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "base.json",
        "README.md",
    }
    for path in ("adapter_config.json", "README.md"):
        text = (tmp_path / "adapter" / path).read_text(encoding="utf-8")
        assert folder.name in text
        assert str(folder.parent) not in text
        assert str(tmp_path) not in text
    assert models.lora_modules(loaded) == models.lora_modules(wrapped)


@pytest.mark.fault(
    "weights",
    "an adapter that was trained on another base, or on changed weights of it",
    "trained on other weights ... Run notebook 06",
    "no sentence is written by a model that does not fit",
)
def test_an_adapter_is_refused_on_another_base(small, folder, tmp_path):
    model, _ = small
    with pytest.raises(ValueError, match="holds no LoRA adapter"):
        models.load_adapter(model, tmp_path)
    models.save_adapter(models.attach_lora(model, 4), tmp_path)
    changed = models.load(folder, "cpu")[0]
    with torch.no_grad():
        changed.get_input_embeddings().weight[0] += 1
    with pytest.raises(ValueError, match="trained on other weights .*Run notebook 06"):
        models.load_adapter(changed, tmp_path)
    renamed = models.load(folder, "cpu")[0]
    renamed.name_or_path = "google/paligemma-3b-pt-224"
    with pytest.raises(ValueError, match="Load the same base"):
        models.load_adapter(renamed, tmp_path)


def trained_adapter(model, place: Path) -> dict[str, torch.Tensor]:
    """Save an adapter whose weights change the sentences; its tensors."""
    wrapped = models.attach_lora(model, 4)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(0, 0.02, generator=torch.Generator().manual_seed(1))
    models.save_adapter(wrapped, place)
    return load_file(place / "adapter_model.safetensors")


def renamed(weights: dict[str, torch.Tensor], old: str, new: str) -> dict[str, torch.Tensor]:
    return {name.replace(old, new): value for name, value in weights.items()}


@pytest.mark.fault(
    "weights",
    "an adapter with other names or shapes than the model's",
    "the adapter does not fit this model ... Run notebook 06",
    "no weight is left at random",
)
@pytest.mark.people_have(
    "an adapter whose weights have other names than the model's, or lack some",
    "refused",
    "The adapter does not fit this model: ... weights of the model are not in it",
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: renamed(w, "language_model.layers", "text_model.layers"),
            "42 weights .* and 42 of its weights have",
        ),
        (lambda w: renamed(w, "layers.1.", "layers.7."), "14 weights of the model are not in it .*layers.1"),
        (lambda w: {n: v for n, v in w.items() if "layers.1." not in n}, "14 weights of the model are not in it"),
        (lambda w: w | {"base_model.model.x.lora_A.weight": torch.zeros(1)}, "1 of its weights have no place"),
        (lambda w: {n: v[:2].contiguous() for n, v in w.items()}, "does not fit this model .*size mismatch"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(small, folder, tmp_path, change, message):
    weights = trained_adapter(small[0], tmp_path)
    save_file(change(weights), tmp_path / "adapter_model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"{message}.*Run notebook 06"):
            models.load_adapter(models.load(folder, "cpu")[0], tmp_path)


@pytest.mark.fault(
    "weights",
    "an adapter that was cut off while it was copied",
    "the adapter does not fit this model ... Run notebook 06",
    "nothing is loaded in part",
)
@pytest.mark.people_have(
    "an adapter that was cut off while it was copied", "refused", "The adapter does not fit this model"
)
def test_an_adapter_that_is_cut_off_is_refused(small, folder, tmp_path):
    trained_adapter(small[0], tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="does not fit this model .*Run notebook 06"):
        models.load_adapter(models.load(folder, "cpu")[0], tmp_path)


@pytest.mark.people_have(
    "an adapter with the module names of transformers before 4.52", "read", "the same weights are loaded"
)
def test_an_adapter_with_older_names_is_translated(small, folder, tmp_path):
    weights = trained_adapter(small[0], tmp_path)
    older = renamed(weights, "model.language_model.layers", "language_model.model.layers")
    assert older.keys() != weights.keys()
    save_file(older, tmp_path / "adapter_model.safetensors")
    loaded = get_peft_model_state_dict(models.load_adapter(models.load(folder, "cpu")[0], tmp_path))
    assert {name for name in weights if torch.equal(loaded[name], weights[name])} == set(weights)


@pytest.mark.fault(
    "weights",
    "weights of PaliGemma that lack tensors",
    "1 weights of ... are not in its files",
    "no weight is left at random",
)
def test_weights_that_are_missing_from_the_files_are_an_error_and_not_random(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "damaged")
    weights = load_file(tmp_path / "damaged" / "model.safetensors")
    gone = next(name for name in weights if "vision_tower" in name)
    del weights[gone]
    save_file(weights, tmp_path / "damaged" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="1 weights of .*damaged are not in its files.*Update transformers"):
        models.load(tmp_path / "damaged", "cpu")
