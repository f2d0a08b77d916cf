"""A float16 model that overflows gets a wider format where it overflows, and only there."""

from __future__ import annotations

import pytest
import torch

from aireal.captions.language.grammar import prompt
from aireal.paligemma import model as models
from aireal.paligemma.generate import describe
from aireal.paligemma.number_format import check_format
from aireal.paligemma.overflow import PARTS, avoid_overflow, largest_activations, trial_examples
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@pytest.fixture(name="half")
def half_(folder):
    """The embedded model in float16."""
    return models.load(folder, "cpu", dtype="float16")


def test_a_model_that_fits_into_float16_stays_in_it(half, capsys):
    model, processor = half
    avoid_overflow(model, processor, trial_examples())
    assert model.weight_format.float32 == ()
    check_format(model, model.weight_format)
    assert capsys.readouterr().out == ""
    peaks = largest_activations(model, processor, trial_examples())
    assert set(peaks) == set(PARTS)
    assert all(0 < peak.value < 3e4 for peak in peaks.values())


def test_an_infinite_activation_is_not_taken_for_a_number(half):
    model, processor = half
    with torch.no_grad():
        model.model.vision_tower.encoder.layers[1].mlp.fc2.bias[3] = float("inf")
    assert largest_activations(model, processor, trial_examples(1))["vision_tower"].value == float("inf")


def test_weights_that_no_format_can_mend_are_an_error(half):
    model, processor = half
    with torch.no_grad():
        model.model.language_model.layers[0].mlp.down_proj.weight[0] = float("inf")
    with pytest.raises(ValueError, match="is not finite"):
        avoid_overflow(model, processor, trial_examples(1))


def test_the_look_finds_the_module_with_the_largest_activation(half):
    model, processor = half
    with torch.no_grad():
        model.model.vision_tower.encoder.layers[1].mlp.fc2.bias[3] = 20000
    peak = largest_activations(model, processor, trial_examples(1))["vision_tower"]
    assert peak.module.startswith("model.vision_tower.encoder.layers.1")
    assert peak.value == pytest.approx(20000, rel=0.1)


def blow_up(linear: torch.nn.Linear, factor: float) -> None:
    """Scale a layer so that its outputs leave float16 and not float32."""
    with torch.no_grad():
        linear.weight.mul_(factor)


def test_a_vision_tower_that_overflows_is_kept_in_float32(half, examples, capsys):
    model, processor = half
    blow_up(model.model.vision_tower.encoder.layers[1].mlp.fc2, 3e4)
    image, record = examples[0]
    avoid_overflow(model, processor, trial_examples(2))
    assert model.weight_format.float32 == ("vision_tower",)
    assert "in model.vision_tower.encoder.layers" in capsys.readouterr().out
    assert model.model.language_model.layers[0].mlp.up_proj.weight.dtype == torch.float16
    check_format(model, model.weight_format)
    assert describe(model, processor, [image], [prompt(record, "en")], max_new_tokens=3)


def test_training_after_it_checks_the_formats_again(half, rows):
    model, processor = half
    blow_up(model.model.vision_tower.encoder.layers[1].mlp.fc2, 3e4)
    wrapped = models.attach_lora(model, 4)
    avoid_overflow(wrapped, processor, rows)
    check_format(wrapped, model.weight_format)
    assert wrapped.weight_format.float32 == ("vision_tower",)


def test_a_language_model_that_overflows_goes_to_bfloat16(half, capsys):
    model, processor = half
    blow_up(model.model.language_model.layers[1].mlp.down_proj, 6e4)
    wrapped = models.attach_lora(model, 4)
    avoid_overflow(wrapped, processor, trial_examples(2))
    assert wrapped.weight_format.dtype == torch.bfloat16
    check_format(wrapped, wrapped.weight_format)
    assert "in model.language_model.layers" in capsys.readouterr().out


def test_numbers_that_no_format_holds_name_their_module(half):
    model, processor = half
    with torch.no_grad():
        model.model.vision_tower.encoder.layers[0].mlp.fc1.weight[0] = float("inf")
    with pytest.raises(
        ValueError, match=r"activation in model\.vision_tower\.encoder\.layers\.0\.mlp\.fc1 is not finite"
    ):
        avoid_overflow(model, processor, trial_examples(1))


def test_models_in_other_formats_are_left_alone(small):
    model, processor = small
    blow_up(model.model.vision_tower.encoder.layers[1].mlp.fc2, 1e5)
    avoid_overflow(model, processor, trial_examples(1))
    assert model.dtype == torch.float32
