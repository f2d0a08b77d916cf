"""The check of the full size, its command, and PaliGemma 2 through the same code path."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForImageTextToText, PaliGemmaForConditionalGeneration

from aireal.captions.language.grammar import prompt, render
from aireal.paligemma import full_size
from aireal.paligemma.generate import describe
from aireal.paligemma.memory_estimate import sizes
from aireal.paligemma.model import attach_lora, load, load_adapter, lora_modules
from aireal.paligemma.region_words import alternatives
from aireal.paligemma.rerank import likelihood
from aireal.paligemma.train import finetune
from helpers.paligemma import PROFILE, batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)

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


@pytest.fixture(name="paligemma2", scope="module")
def paligemma2_(tmp_path_factory):
    """A folder of PaliGemma 2's shape: Gemma 2 as language model, sliding windows and soft caps included."""
    processor = full_size.make_processor(TINY)
    config = full_size.configuration(processor, TINY)
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
    folder = tmp_path_factory.mktemp("hub") / "paligemma2-3b-pt-224"
    for part in (PaliGemmaForConditionalGeneration(config), processor):
        part.save_pretrained(folder)
    return folder


def test_paligemma_2_is_fine_tuned_saved_and_loaded_by_the_same_path(paligemma2, rows, tmp_path):
    model, processor = load(paligemma2, "cpu")
    assert model.config.text_config.model_type == "gemma2"
    assert type(model.model.language_model).__name__ == "Gemma2Model"
    wrapped = attach_lora(model, 4)
    assert len(lora_modules(wrapped)) == 7 * 2 + 1
    profile = dataclasses.replace(PROFILE, lora_steps=20, lora_batch=4, lora_learning_rate=1e-2)
    history = finetune(wrapped, processor, rows[:4], rows[4:6], profile, 7, tmp_path)
    assert history.loss[-1][1] < history.loss[0][1]
    assert history.best_step in [step for step, _ in history.val_region]
    text = describe(wrapped, processor, [rows[0].overlay], [rows[0].prompt], max_new_tokens=8)
    loaded = load_adapter(load(paligemma2, "cpu")[0], tmp_path)
    assert describe(loaded, processor, [rows[0].overlay], [rows[0].prompt], max_new_tokens=8) == text
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "paligemma2-3b-pt-224"


def test_paligemma_2_is_the_class_that_the_hubs_configuration_names(paligemma2):
    """`google/paligemma2-3b-pt-224` is loaded by model type, as here by transformers' own choice of the class."""
    automatic = AutoModelForImageTextToText.from_pretrained(paligemma2)
    model, _ = load(paligemma2, "cpu")
    assert type(automatic) is type(model) is PaliGemmaForConditionalGeneration
    assert automatic.config.text_config.final_logit_softcapping == model.config.text_config.final_logit_softcapping > 0
    for (name, weight), (_, other) in zip(automatic.named_parameters(), model.named_parameters(), strict=True):
        assert torch.equal(weight.float(), other.float()), name


def test_paligemma_2_is_reranked_and_tried_in_float16(paligemma2, examples):
    model, processor = load(paligemma2, "cpu", dtype="float16")
    assert model.weight_format.dtype in (torch.float16, torch.bfloat16)
    image, record = examples[0]
    candidates = alternatives(render(record, "en"))[:3]
    scores = likelihood(model, processor, [image] * 3, [prompt(record, "en")] * 3, candidates)
    assert len(scores) == 3
    assert max(scores) < 0


def test_a_model_of_the_full_size_has_random_finite_weights_and_neutral_norms():
    processor = full_size.make_processor(TINY)
    model = full_size.build_full_size(full_size.configuration(processor, TINY), torch.device("cpu"), 7)
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter).all(), name
        if "norm" not in name:
            assert parameter.std() > 0.01, name
        elif "vision_tower" not in name:
            assert (parameter == 0).all(), name
        elif name.endswith("weight"):
            assert (parameter == 1).all(), name
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_the_check_trains_one_step_and_leaves_the_base_unchanged(rows):
    processor = full_size.make_processor(TINY)
    model = full_size.build_full_size(full_size.configuration(processor, TINY), torch.device("cpu"), 7)
    frozen = {name: parameter.clone() for name, parameter in model.named_parameters()}
    report = full_size.check_full_size(model, processor, rows[:2], 4, 1e-3, 7, tokens=3)
    assert report["parameters"] == sum(parameter.numel() for parameter in frozen.values())
    assert report["lora_tensors"] == 2 * (7 * 2 + 1)
    assert 0 < report["changed"] <= report["lora_tensors"]
    assert report["trainable"] == sizes(model.config, 4).adapter
    assert report["loss"] > 0
    assert set(report["seconds"]) == {"preflight", "step", "generation"}
    for name, parameter in model.named_parameters():
        if ".lora_" not in name:
            assert torch.equal(parameter, frozen[name.replace(".base_layer", "")]), name


def test_the_command_writes_its_metrics_and_fails_above_its_limit(small_root, tmp_path, monkeypatch, capsys):
    from aireal.cli import main

    monkeypatch.setattr(full_size, "FULL", TINY)
    command = [
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
    assert main([*command, "--limit-gib", "64"]) == 0
    report = json.loads((tmp_path / "metrics" / "fullsize.json").read_text(encoding="utf-8"))
    assert report["trainable"] > 0
    assert report["limit_gib"] == 64
    assert {"versions", "seed", "device"} <= set(report)
    assert "trainable" in capsys.readouterr().out
    assert main([*command, "--limit-gib", "0.01"]) == 1
