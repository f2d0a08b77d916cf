"""The pre-flight passes on the project's own batches, and names every planted fault and what to do."""

from __future__ import annotations

import pytest
import torch

from aireal.paligemma import model as models
from aireal.paligemma.data import IGNORED
from aireal.paligemma.number_format import Format, check_format
from aireal.paligemma.preflight import check_learning, run_preflight
from aireal.paligemma.training_arguments import training_arguments
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


def types_of_the_prompt_set(batch):
    batch["token_type_ids"][:] = 1


def types_of_one_prompt_token_set(batch):
    batch["token_type_ids"][3, 0] = 1


def types_of_padding_set(batch):
    batch["token_type_ids"][batch["attention_mask"] == 0] = 1


def types_of_half_the_sentence_cleared(batch):
    learned = batch["labels"] != IGNORED
    first_half = learned & (learned.cumsum(1) <= learned.sum(1, keepdim=True) // 2)
    batch["token_type_ids"][first_half] = 0


@pytest.mark.people_have(
    "training rows whose prompt and sentence are not told apart",
    "refused",
    "token_type_ids mark tokens that are not of the sentence, so the prompt would be read causally",
)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (labels_over_the_prompt, "Let the processor make the labels"),
        (labels_over_padding, "covers padding.*Set its labels to -100"),
        (no_end_token, "end token. Do not truncate"),
        (labels_shifted, "Let the processor make the labels"),
        (lambda batch: batch.pop("token_type_ids"), "no token_type_ids.*Pass on everything that the processor returns"),
        (lambda batch: batch["token_type_ids"].zero_(), "mark no sentence.*suffix="),
        (lambda batch: batch.pop("labels"), "no labels.*Collator"),
        (types_of_the_prompt_set, "Row 0: token_type_ids mark .* prompt would be read causally.*processor returns"),
        (types_of_one_prompt_token_set, "Row 3: token_type_ids mark 1 tokens"),
        (types_of_padding_set, "token_type_ids mark .* tokens that are not of the sentence"),
        (types_of_half_the_sentence_cleared, "Row 0: token_type_ids leave out .* see them before it writes them"),
        (an_image_token_too_few, "Set image_seq_length=64"),
    ],
)
def test_preflight_names_a_planted_fault(small, batch, fault, message):
    model, processor = small
    fault(batch)
    with pytest.raises(ValueError, match=message):
        run_preflight(batch, processor, models.attach_lora(model, 4))


def test_preflight_refuses_labels_of_another_sentence(small, batch, rows):
    model, processor = small
    sentences = [row.sentence for row in rows[:6]]
    with pytest.raises(ValueError, match="Row 2: the labels read"):
        sentences[2] += "!"
        run_preflight(batch, processor, models.attach_lora(model, 4), sentences)


def test_preflight_refuses_lora_on_no_module_or_on_others(small, batch):
    from peft import LoraConfig, get_peft_model

    model, processor = small
    with pytest.raises(ValueError, match="LoRA is on no module. Call attach_lora"):
        run_preflight(batch, processor, model)
    with models.ignore_peft_warning():
        everywhere = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    with pytest.raises(ValueError, match="outside language model and projector .*vision_tower.*LORA_TARGET"):
        run_preflight(batch, processor, everywhere)
    with models.ignore_peft_warning():
        partly = get_peft_model(
            everywhere.unload(), LoraConfig(r=2, target_modules=r"model\.language_model\.layers\.0\..*_proj")
        )
    with pytest.raises(ValueError, match="is on 7 modules and should be on 22"):
        run_preflight(batch, processor, partly)


def test_a_key_that_the_model_would_ignore_is_an_error(small, batch):
    model, processor = small
    batch["attention_masks"] = batch["attention_mask"]
    with pytest.raises(ValueError, match="takes no attention_masks .*rename it"):
        run_preflight(batch, processor, models.attach_lora(model, 4))


def test_number_format_and_quantisation_must_be_the_requested_ones(small, batch):
    model, processor = small
    wrapped = models.attach_lora(model, 4)
    check_format(wrapped, model.weight_format)
    with pytest.raises(ValueError, match="is float32 and bfloat16 was requested. Do not cast"):
        run_preflight(batch, processor, wrapped, weight_format=Format(torch.bfloat16))
    with pytest.raises(ValueError, match="4-bit weights were requested .*four_bit=True on a CUDA GPU"):
        run_preflight(batch, processor, wrapped, weight_format=Format(torch.float32, four_bit=True))
    wrapped.bfloat16()
    with pytest.raises(ValueError, match="is bfloat16 and float32 was requested"):
        run_preflight(batch, processor, wrapped, weight_format=model.weight_format)
    with pytest.raises(ValueError, match="lora_.* is bfloat16 and float32 was requested. Attach it with attach_lora"):
        check_format(wrapped, Format(torch.bfloat16))


class Params4bit(torch.nn.Parameter):
    """Has the class name of bitsandbytes' weights."""


def test_unrequested_quantised_weights_are_refused(small):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    layer = wrapped.get_base_model().model.language_model.layers[0].mlp.up_proj.base_layer
    layer.weight = Params4bit(torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False)
    with pytest.raises(ValueError, match="up_proj.* is quantised and this was not requested"):
        check_format(wrapped, Format(torch.float32))
    with pytest.raises(ValueError, match="4-bit weights were requested and .*q_proj"):
        check_format(wrapped, Format(torch.float32, four_bit=True))


def test_the_trial_step_lowers_the_loss_and_restores_everything(small, batch):
    model, processor = small
    wrapped = models.attach_lora(model, 4).train()
    weights = {name: value.clone() for name, value in wrapped.state_dict().items()}
    rng_state = torch.get_rng_state()
    before, after = check_learning(wrapped, batch, 1e-3)
    assert after < before
    assert wrapped.training
    assert torch.equal(torch.get_rng_state(), rng_state)
    for name, value in wrapped.state_dict().items():
        assert torch.equal(value, weights[name]), name
    for parameter in wrapped.parameters():
        assert parameter.grad is None


def test_a_step_that_cannot_lower_the_loss_is_refused(small, batch, monkeypatch):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    with pytest.raises(ValueError, match="does not lower the loss .*lower the learning rate"):
        check_learning(wrapped, batch, -1e-2)  # up the slope
    forward = type(model).forward

    def cut_off(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        output.loss = output.loss.detach().requires_grad_()
        return output

    monkeypatch.setattr(type(model), "forward", cut_off)
    with pytest.raises(ValueError, match="No gradient reaches LoRA"):
        check_learning(wrapped, batch, 1e-3)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"loss of the first batch \(nan\) is not finite.*bfloat16"):
        check_learning(wrapped, batch, 1e-3)


def test_an_unknown_argument_of_the_trainer_is_an_error(small, tmp_path):
    with pytest.raises(ValueError, match="no argument 'weight_deccay' .*did you mean 'weight_decay'"):
        training_arguments(small[0], tmp_path, 4, 2, 1e-3, 7, evaluate=False, weight_deccay=0.1)
    arguments = training_arguments(small[0], tmp_path, 4, 2, 1e-3, 7, evaluate=False, weight_decay=0.1)
    assert arguments.weight_decay == 0.1
