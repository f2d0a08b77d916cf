"""Bases are told apart where their weights can be compared, and adapters go between number formats and 4 bits."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import PaliGemmaForConditionalGeneration
from transformers.quantizers.quantizers_utils import should_convert_module

from aireal.core.file_names import last_part
from aireal.paligemma import full_size
from aireal.paligemma import model as models
from aireal.paligemma.base_record import base_record, has_name, is_same_base, public_name
from aireal.paligemma.number_format import is_language_linear
from aireal.paligemma.writer import Writer, was_trained_in_four_bits
from helpers.paligemma import folder_, small_  # noqa: F401  (fixtures)


def pack(model):
    """The language model's linear layers as bitsandbytes keeps them: bytes, half as many."""
    for name, module in model.named_modules():
        if is_language_linear(name):
            count = module.weight.numel() // 2
            module.weight = torch.nn.Parameter(torch.zeros(count, 1, dtype=torch.uint8), requires_grad=False)
    model.weight_format = dataclasses.replace(model.weight_format, four_bit=True)
    return model


def test_bitsandbytes_is_told_to_quantise_the_language_models_layers_and_no_others():
    config = full_size.configuration(full_size.make_processor())
    with torch.device("meta"):
        model = PaliGemmaForConditionalGeneration(config)
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    converted = [name for name in linear if should_convert_module(name, list(models.NOT_QUANTISED))]
    assert converted == [name for name in linear if is_language_linear(name)]
    assert 0 < len(converted) < len(linear)


def test_the_version_folder_of_a_kaggle_model_is_no_name(tmp_path):
    (tmp_path / "paligemma-3b-pt-224" / "1").mkdir(parents=True)
    assert public_name(tmp_path / "paligemma-3b-pt-224" / "1") == "paligemma-3b-pt-224"
    assert last_part("/kaggle/input/paligemma-3b-pt-224/1") == last_part("google/paligemma-3b-pt-224")
    assert last_part("embedded") == "embedded"


def test_an_adapter_whose_record_has_the_version_alone_belongs_to_its_base_by_its_weights(small):
    """As earlier versions wrote it for a model of Kaggle."""
    record = base_record(small[0]) | {"base": "1"}
    assert is_same_base(record, small[0])
    assert not is_same_base(record | {"sha256": "0"}, small[0])
    assert has_name("google/paligemma-3b-pt-224", "/kaggle/input/paligemma-3b-pt-224/1")
    assert not has_name("google/paligemma2-3b-pt-224", "/kaggle/input/paligemma-3b-pt-224/1")


@pytest.fixture(name="packed")
def packed_(folder):
    return pack(models.load(folder, "cpu")[0])


def test_a_quantised_base_is_that_of_the_same_weights_in_16_bits(small, packed):
    assert is_same_base(base_record(packed), small[0])
    assert is_same_base(base_record(small[0]), packed)


@pytest.mark.parametrize("part", ["vision_tower.embeddings.patch_embedding", "multi_modal_projector.linear"])
def test_other_weights_are_told_apart_in_what_both_have(small, packed, part):
    with torch.no_grad():
        small[0].get_submodule(f"model.{part}").weight.add_(1)
    assert not is_same_base(base_record(packed), small[0])


def test_weights_rounded_to_another_format_count_as_the_same(small, folder):
    assert is_same_base(base_record(small[0]), models.load(folder, "cpu", dtype="bfloat16")[0])


def test_records_of_older_adapters_are_read(small):
    record = {name: base_record(small[0])[name] for name in ("base", "format", "sha256")}
    assert is_same_base(record, small[0])
    assert not is_same_base(record | {"sha256": "0"}, small[0])


def test_the_writer_loads_an_adapter_of_a_quantised_base(folder, tmp_path):
    """On this CPU in 16 bits; on a GPU the record asks for 4 bits again."""
    wrapped = models.attach_lora(models.load(folder, "cpu")[0], 4)
    models.save_adapter(wrapped, tmp_path)
    assert not was_trained_in_four_bits(tmp_path)
    quantised = base_record(pack(models.load(folder, "cpu")[0]))
    models.write_json(tmp_path / "base.json", quantised)
    assert was_trained_in_four_bits(tmp_path)
    writer = Writer(str(folder), tmp_path, torch.device("cpu"))
    assert writer.name.endswith("with adapter")


def test_a_missing_adapter_is_found_before_a_large_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("aireal.paligemma.writer.load", lambda *args: pytest.fail("loaded"))
    with pytest.raises(ValueError, match="not fine-tuned yet"):
        Writer("google/paligemma-3b-pt-224", tmp_path, torch.device("cpu"))
