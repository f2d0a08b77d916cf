"""The pre-flight of a fine-tuning: it passes on what the project makes, and names the mend of every planted fault."""

from __future__ import annotations

import pytest
import torch

from aireal.paligemma import model as models
from aireal.paligemma.arguments import training_arguments
from aireal.paligemma.data import IGNORED
from aireal.paligemma.model import Format, check_format
from aireal.paligemma.preflight import check_learning, run_preflight
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


def test_preflight_passes_on_the_real_collator(small, batch, rows):
    model, processor = small
    wrapped = models.attach_lora(model, 4)
    run_preflight(batch, processor, wrapped, [row.sentence for row in rows[:6]])
    run_preflight(batch, processor, wrapped)


def labels_over_the_prompt(batch):
    batch["labels"] = torch.where(batch["attention_mask"].bool(), batch["input_ids"], IGNORED)


def labels_over_padding(batch):
    batch["labels"] = torch.where(batch["attention_mask"].bool(), batch["labels"], batch["input_ids"])


def no_end_token(batch):
    last = (batch["labels"] != IGNORED).long().cumsum(1).argmax(1)
    batch["labels"][torch.arange(len(last)), last] = IGNORED


def labels_shifted(batch):
    batch["labels"] = batch["labels"].roll(-1, dims=1)


def an_image_token_too_few(batch):
    batch["input_ids"][0, 0] = batch["input_ids"][0, -1]


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        (labels_over_the_prompt, "let the processor make the labels"),
        (labels_over_padding, "covers padding.*set its labels to -100"),
        (no_end_token, "end token: do not truncate"),
        (labels_shifted, "let the processor make the labels"),
        (lambda batch: batch.pop("token_type_ids"), "no token_type_ids.*pass on all that the processor returns"),
        (lambda batch: batch["token_type_ids"].zero_(), "mark no sentence.*suffix="),
        (lambda batch: batch.pop("labels"), "no labels.*Collator"),
        (an_image_token_too_few, "set image_seq_length=64"),
    ],
)
def test_preflight_names_the_mend_of_a_planted_fault(small, batch, fault, mend):
    model, processor = small
    fault(batch)
    with pytest.raises(ValueError, match=mend):
        run_preflight(batch, processor, models.attach_lora(model, 4))


def test_preflight_refuses_a_sentence_that_is_not_the_rows(small, batch, rows):
    model, processor = small
    sentences = [row.sentence for row in rows[:6]]
    with pytest.raises(ValueError, match="row 2: the labels read"):
        run_preflight(
            batch, processor, models.attach_lora(model, 4), sentences[:2] + [sentences[2] + "!"] + sentences[3:]
        )


def test_preflight_refuses_lora_on_nothing_or_elsewhere(small, batch):
    from peft import LoraConfig, get_peft_model

    model, processor = small
    with pytest.raises(ValueError, match="LoRA sits on no module: call attach_lora"):
        run_preflight(batch, processor, model)
    with models.quiet():
        everywhere = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    with pytest.raises(ValueError, match="outside language model and projector .*vision_tower.*LORA_TARGET"):
        run_preflight(batch, processor, everywhere)
    with models.quiet():
        partly = get_peft_model(
            everywhere.unload(), LoraConfig(r=2, target_modules=r"model\.language_model\.layers\.0\..*_proj")
        )
    with pytest.raises(ValueError, match="sits on 7 modules and should on 22"):
        run_preflight(batch, processor, partly)


def test_a_key_that_the_model_would_swallow_is_an_error(small, batch):
    model, processor = small
    batch["attention_masks"] = batch["attention_mask"]
    with pytest.raises(ValueError, match="takes no attention_masks .*mend its name"):
        run_preflight(batch, processor, models.attach_lora(model, 4))


def test_number_format_and_quantisation_must_be_what_was_asked(small, batch):
    model, processor = small
    wrapped = models.attach_lora(model, 4)
    check_format(wrapped, model.asked)
    with pytest.raises(ValueError, match="is float32 and bfloat16 was asked: do not cast"):
        run_preflight(batch, processor, wrapped, asked=Format(torch.bfloat16))
    with pytest.raises(ValueError, match="4-bit weights were asked .*four_bit=True on a CUDA GPU"):
        run_preflight(batch, processor, wrapped, asked=Format(torch.float32, four_bit=True))
    wrapped.bfloat16()
    with pytest.raises(ValueError, match="is bfloat16 and float32 was asked"):
        run_preflight(batch, processor, wrapped, asked=model.asked)
    with pytest.raises(ValueError, match="lora_.* is bfloat16 and float32 was asked: attach it with attach_lora"):
        check_format(wrapped, Format(torch.bfloat16))


class Params4bit(torch.nn.Parameter):
    """As bitsandbytes calls its weights."""


def test_weights_that_are_quantised_unasked_are_refused(small):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    layer = wrapped.get_base_model().model.language_model.layers[0].mlp.up_proj.base_layer
    layer.weight = Params4bit(torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False)
    with pytest.raises(ValueError, match="up_proj.* is quantised and this was not asked"):
        check_format(wrapped, Format(torch.float32))
    with pytest.raises(ValueError, match="4-bit weights were asked and .*q_proj"):
        check_format(wrapped, Format(torch.float32, four_bit=True))


def test_one_step_lowers_the_loss_and_leaves_no_trace(small, batch):
    model, processor = small
    wrapped = models.attach_lora(model, 4).train()
    kept, chance = {name: value.clone() for name, value in wrapped.state_dict().items()}, torch.get_rng_state()
    before, after = check_learning(wrapped, batch, 1e-3)
    assert after < before and wrapped.training and torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(value, kept[name]) for name, value in wrapped.state_dict().items())
    assert all(parameter.grad is None for parameter in wrapped.parameters())


def test_a_step_that_cannot_help_is_refused_with_the_mend(small, batch, monkeypatch):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    with pytest.raises(ValueError, match="does not lower the loss .*lower learning rate"):
        check_learning(wrapped, batch, -1e-2)  # up the slope
    forward = type(model).forward

    def cut_off(self, *args, **kwargs):
        found = forward(self, *args, **kwargs)
        found.loss = found.loss.detach().requires_grad_()
        return found

    monkeypatch.setattr(type(model), "forward", cut_off)
    with pytest.raises(ValueError, match="no gradient reaches LoRA"):
        check_learning(wrapped, batch, 1e-3)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="loss of the first batch is nan"):
        check_learning(wrapped, batch, 1e-3)


def test_an_unknown_argument_of_the_trainer_is_an_error(small, tmp_path):
    with pytest.raises(ValueError, match="no argument 'weight_deccay' .*did you mean 'weight_decay'"):
        training_arguments(small[0], tmp_path, 4, 2, 1e-3, 7, evaluate=False, weight_deccay=0.1)
    assert training_arguments(small[0], tmp_path, 4, 2, 1e-3, 7, evaluate=False, weight_decay=0.1).weight_decay == 0.1
