"""Every size by one path: PaliGemma 2's shape, the estimate before a training, the check of the true size, and its command."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from transformers import PaliGemmaForConditionalGeneration

from aireal.paligemma import fullsize
from aireal.paligemma.generate import describe
from aireal.paligemma.memory_estimate import Sizes, estimate_finetuning, memory, sizes
from aireal.paligemma.model import attach_lora, load, load_adapter, lora_modules
from aireal.paligemma.small import model as small
from aireal.paligemma.train import finetune
from helpers.paligemma import NUMBERS, batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)

TINY = {
    "vision": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 14,
        "image_size": 56,
    },
    "text": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": 4000,
    },
}


@pytest.fixture(name="second", scope="module")
def second_(tmp_path_factory):
    """A folder of PaliGemma 2's shape: Gemma 2 as language model, sliding windows and soft caps included."""
    processor = fullsize.make_processor(TINY)
    config = fullsize.configuration(processor, TINY)
    text = {
        **TINY["text"],
        "model_type": "gemma2",
        "query_pre_attn_scalar": 16,
        "sliding_window": 64,
        "num_key_value_heads": 2,
        **{f"{name}_token_id": getattr(processor.tokenizer, f"{name}_token_id") for name in ("pad", "eos", "bos")},
    }
    config = type(config)(**{**config.to_dict(), "text_config": text})
    torch.manual_seed(3)
    place = tmp_path_factory.mktemp("hub") / "paligemma2-3b-pt-224"
    for part in (PaliGemmaForConditionalGeneration(config), processor):
        part.save_pretrained(place)
    return place


def test_paligemma_2_is_loaded_trained_saved_and_speaks_like_any_other(second, rows, tmp_path):
    model, processor = load(second, "cpu")
    assert (
        model.config.text_config.model_type == "gemma2" and type(model.model.language_model).__name__ == "Gemma2Model"
    )
    wrapped = attach_lora(model, 4)
    assert len(lora_modules(wrapped)) == 7 * 2 + 1
    numbers = dataclasses.replace(NUMBERS, lora_steps=20, lora_batch=4, lora_learning_rate=1e-2)
    history = finetune(wrapped, processor, rows[:4], rows[4:6], numbers, 7, tmp_path)
    assert history.loss[-1][1] < history.loss[0][1] and history.best_step in [step for step, _ in history.val_region]
    text = describe(wrapped, processor, [rows[0].overlay], [rows[0].prompt], max_new_tokens=8)
    again = load_adapter(load(second, "cpu")[0], tmp_path)
    assert describe(again, processor, [rows[0].overlay], [rows[0].prompt], max_new_tokens=8) == text
    assert (
        json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
        == "paligemma2-3b-pt-224"
    )


# --- estimates ---------------------------------------------------------------------------------------------------------


@pytest.fixture(name="full", scope="module")
def full_():
    return fullsize.configuration(fullsize.make_processor())


def test_counts_are_those_of_paligemma_3b(full):
    found = sizes(full, 8)
    assert found.weights == 2_923_466_480 and found.adapter == 9_831_424 and found.tokens == 320


def test_counts_are_those_of_a_built_model(small):
    model, _ = small
    assert sizes(model.config, 4).weights == model.num_parameters()
    wrapped = attach_lora(model, 4)
    assert sizes(model.config, 4).adapter == sum(p.numel() for p in wrapped.parameters() if p.requires_grad)


def test_an_estimate_grows_with_the_batch_and_shrinks_with_four_bits(full):
    gpu = torch.device("cuda")
    one, four = (estimate_finetuning(full, 8, batch, 100, gpu, available=14.7, speed=2e13) for batch in (1, 4))
    quantised = estimate_finetuning(full, 8, 4, 100, gpu, four_bit=True, available=14.7, speed=2e13)
    assert one.total < four.total and quantised.total < four.total - 2.4 and four.fits
    assert four.seconds == pytest.approx(4 * one.seconds)
    assert 7 < one.total < 8.5  # the peak that one step reached on a CPU was 7.75 GiB


@pytest.mark.parametrize(
    ("available", "mend"),
    [
        (9.0, "set lora_batch = 1 in the profile"),
        (5.6, "set lora_batch = 1 and four_bit = True"),
        (3.0, "a larger GPU"),
    ],
)
def test_what_does_not_fit_names_the_least_change_that_does(full, available, mend):
    found = estimate_finetuning(full, 8, 4, 100, torch.device("cuda"), available=available, speed=2e13)
    assert not found.fits and mend in found.words() and "does NOT fit" in found.words()


def test_on_a_cpu_nothing_is_quantised_and_the_speed_is_tried(full):
    found = estimate_finetuning(full, 8, 64, 1, torch.device("cpu"), available=5.0, speed=1e11)
    assert "four_bit" not in found.mend and "larger machine" in found.mend
    tried = estimate_finetuning(small.build_small_paligemma()[0].config, 4, 4, 10, torch.device("cpu"))
    assert 0 < tried.seconds < 600 and tried.fits and "fits into" in tried.words()


def test_memory_counts_every_part_once():
    found = memory(
        Sizes(1000, 600, 10, 2, 3, 4, 5), batch=1, weight_bytes=2, device="cuda", four_bit=True, checkpointing=True
    )
    assert found["weights"] * 2**30 == pytest.approx(2 * 400 + 600 * 4.13 / 8) and found[
        "adapter"
    ] * 2**30 == pytest.approx(160)
    assert set(found) == {"weights", "adapter", "logits", "activations", "libraries"}


# --- the true size -----------------------------------------------------------------------------------------------------


def test_a_filled_model_is_random_and_finite_and_its_norms_do_nothing():
    processor = fullsize.make_processor(TINY)
    model = fullsize.build_full_size(fullsize.configuration(processor, TINY), torch.device("cpu"), 7)
    state = dict(model.named_parameters())
    assert all(torch.isfinite(p).all() for p in state.values())
    assert all((p == 0).all() for name, p in state.items() if "norm" in name and "vision_tower" not in name)
    assert all(
        (p == 1).all()
        for name, p in state.items()
        if "norm" in name and "vision_tower" in name and name.endswith("weight")
    )
    assert all(p.std() > 0.01 for name, p in state.items() if "norm" not in name)
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_the_check_trains_one_step_and_leaves_the_base_alone(rows):
    processor = fullsize.make_processor(TINY)
    model = fullsize.build_full_size(fullsize.configuration(processor, TINY), torch.device("cpu"), 7)
    frozen = {name: parameter.clone() for name, parameter in model.named_parameters()}
    found = fullsize.check_full_size(model, processor, rows[:2], 4, 1e-3, 7, tokens=3)
    assert found["parameters"] == sum(p.numel() for p in frozen.values()) and 0 < found["changed"] <= found[
        "lora_tensors"
    ] == 2 * (7 * 2 + 1)
    assert (
        found["trainable"] == sizes(model.config, 4).adapter
        and found["loss"] > 0
        and set(found["seconds"]) == {"preflight", "step", "generation"}
    )
    assert all(
        torch.equal(parameter, frozen[name.replace(".base_layer", "")])
        for name, parameter in model.named_parameters()
        if ".lora_" not in name
    )


def test_the_command_writes_its_figures_and_knows_its_limit(small_root, tmp_path, monkeypatch, capsys):
    from aireal.cli import main

    monkeypatch.setattr(fullsize, "FULL", TINY)
    monkeypatch.setattr(fullsize.configuration, "__defaults__", (TINY,))
    monkeypatch.setattr(fullsize.make_processor, "__defaults__", (TINY,))
    asked = [
        "release",
        "fullsize-check",
        "--root",
        str(small_root.root),
        "--out",
        str(tmp_path),
        "--tokens",
        "2",
        "--rank",
        "2",
    ]
    assert main([*asked, "--limit-gib", "64"]) == 0
    found = json.loads((tmp_path / "metrics" / "fullsize.json").read_text(encoding="utf-8"))
    assert found["trainable"] > 0 and found["limit_gib"] == 64 and {"versions", "seed", "device"} <= set(found)
    assert "trainable" in capsys.readouterr().out
    assert main([*asked, "--limit-gib", "0.01"]) == 1
