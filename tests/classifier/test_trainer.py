"""The parts of a training: loaders, schedule, averaged weights, early stopping, and a precision that is verified."""

from __future__ import annotations

import platform
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from aireal.classifier import accelerator
from aireal.classifier.data import ImageDataset, train_loader
from aireal.classifier.model import create
from aireal.classifier.optimizer import parameter_groups, rate
from aireal.classifier.trainer import fit
from aireal.classifier.validation import collect_logits
from aireal.config import DatasetRoot
from aireal.core.device import precision
from aireal.dataset.manifest import load_items
from helpers.training import BATCH_NORM, TINY, make_root, model_and_loaders, tiny_config


@pytest.fixture
def root(tmp_path) -> Path:
    return make_root(tmp_path / "root")


def test_it_stops_early_and_keeps_the_best(root, capsys):
    model, batches, held_out = model_and_loaders(root)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    training = tiny_config(9, learning_rate=0.0, patience=2)  # learns nothing
    history = fit(model, batches, held_out, training, "still")
    assert len(history) == 3
    assert "stops after 3 of 9" in capsys.readouterr().out
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_averaged_weights_lag_behind_and_are_the_result(root):
    states = []
    for decay in (0.0, 0.9):
        model, batches, held_out = model_and_loaders(root, BATCH_NORM)
        fit(model, batches, held_out, tiny_config(1, learning_rate=1e-2, seed=5, ema_decay=decay))
        states.append(model.state_dict())
    raw, averaged = states
    assert any(not torch.allclose(raw[name], averaged[name]) for name in raw if name.endswith("running_mean"))
    start = model_and_loaders(root, BATCH_NORM)[0].state_dict()
    weight = "fc.weight" if "fc.weight" in raw else next(name for name in raw if raw[name].ndim > 1)
    assert (averaged[weight] - start[weight]).norm() < (raw[weight] - start[weight]).norm()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_the_same_with_any_number_of_workers(root, workers):
    _, batches, _ = model_and_loaders(root)
    batches.sampler.set_epoch(2)
    again = DataLoader(batches.dataset, 8, sampler=batches.sampler, num_workers=workers)
    torch.manual_seed(99)
    epoch = list(batches)
    for (pixels, labels), (pixels_again, labels_again) in zip(epoch, again):
        assert torch.equal(pixels, pixels_again)
        assert torch.equal(labels, labels_again)
    batches.sampler.set_epoch(3)
    assert not torch.equal(epoch[0][0], next(iter(batches))[0])


@pytest.mark.people_have(
    "so many training pictures that the last batch would have one", "read", "that batch is left out of the epoch"
)
def test_no_batch_of_one_reaches_batch_norm(root):
    items = load_items(DatasetRoot.at(root), "train")[: TINY.batch_size + 1]
    _, config = create(BATCH_NORM, TINY)
    batches = train_loader(items, root, config, tiny_config(1))
    assert [len(labels) for _, labels in batches] == [TINY.batch_size]
    few = train_loader(items[:3], root, config, tiny_config(1))
    assert [len(labels) for _, labels in few] == [3]


def test_pictures_stay_in_memory_while_those_of_all_copies_fit(root):
    items = load_items(DatasetRoot.at(root), "val")
    two_copies = 2 * len(items) * 3 * 40 * 40
    for copies, expected in ((1, True), (2, True), (3, False)):
        dataset = ImageDataset(items, root, 40, copies=copies, cache_bytes=two_copies)
        assert torch.equal(dataset[0][0], dataset[0][0])
        assert bool(dataset.cache) is expected


def test_the_learning_rate_warms_up_and_falls():
    rates = [rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 1e-3
    assert np.argmax(rates) in (9, 10)
    assert rate(0, 1, 0.1) == 1.0


def test_the_body_learns_slowly_and_norms_and_biases_do_not_decay():
    model, _ = create("resnet34", replace(TINY, pretrained=False))
    groups = parameter_groups(model, 1e-3, from_scratch=False)
    numbers = {id(p): (g["peak"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert len(numbers) == len(list(model.parameters()))
    assert numbers[id(model.fc.weight)] == (1e-3, 0.05)
    assert numbers[id(model.fc.bias)] == (1e-3, 0.0)
    assert numbers[id(model.conv1.weight)] == (1e-4, 0.05)
    assert numbers[id(model.bn1.weight)] == (1e-4, 0.0)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists() or torch.cuda.is_available(),
    reason="reads the flags of an x86 processor on Linux",
)
def test_bfloat16_only_where_the_processor_has_it():
    flags = Path("/proc/cpuinfo").read_text()
    assert precision(torch.device("cpu")) == ("bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "no")


def test_reduced_precision_is_used_in_training_only(root, monkeypatch, capsys):
    monkeypatch.setattr(accelerator, "precision", lambda device: "bf16")
    model, batches, held_out = model_and_loaders(root)
    dtypes = []
    handle = model.conv_stem.register_forward_hook(
        lambda module, arguments, output: dtypes.append((module.training, output.dtype))
    )
    fit(model, batches, held_out, tiny_config(1), "fast")
    assert "convolutions in bfloat16" in capsys.readouterr().out
    assert set(dtypes) == {(True, torch.bfloat16), (False, torch.float32)}, "validation is in full precision"
    dtypes.clear()
    collect_logits(model, held_out)
    handle.remove()
    assert set(dtypes) == {(False, torch.float32)}, "prediction is in full precision again"


def test_a_precision_without_effect_is_refused():
    broken = SimpleNamespace(device=torch.device("cpu"), mixed_precision="bf16", num_processes=1, autocast=nullcontext)
    with pytest.raises(ValueError, match="bf16 precision has no effect: convolutions return torch.float32"):
        accelerator.effective_precision(broken)


def test_the_scaler_of_fp16_starts_low_enough_not_to_skip_the_first_steps(monkeypatch):
    handlers = []
    monkeypatch.setattr(accelerator, "Accelerator", lambda **options: handlers.extend(options["kwargs_handlers"]))
    accelerator.make_accelerator(exact=True, logs=None)
    assert [handler.init_scale for handler in handlers] == [2**12]
