"""Fine-tune PaliGemma on the overlays of a dataset root: notebook 06's training as one call, for one GPU or several."""

from __future__ import annotations

import torch
from peft import PeftModel
from transformers import PaliGemmaProcessor

from aireal.classifier.accelerator import process_state
from aireal.core.device import release_memory
from aireal.core.run import Run
from aireal.paligemma.data import overlay_rows
from aireal.paligemma.memory_estimate import estimate_profile
from aireal.paligemma.model import attach_lora, load
from aireal.paligemma.train import finetune
from aireal.paligemma.training_folder import History
from aireal.paligemma.training_rows import selection_rows, training_rows

from .prerequisites import ensure_product
from .requirements import check_requirements


def finetune_root(run: Run) -> History:
    """Make what is missing, load PaliGemma and train LoRA on the root's overlays; the adapter is in `run.data.adapter`.

    With several processes (`accelerate launch`, `torchrun`) every process calls this, and the first one writes.

    Raises:
        ValueError: PaliGemma cannot be had, the training does not fit into memory, or what `finetune` raises.
    """
    state, device = process_state(), _device_of(run)
    check_requirements(run, "paligemma")
    estimate = estimate_profile(run.profile, device, state.num_processes)
    print(estimate.summary(), flush=True)
    estimate.require_fit()
    ensure_product(run, "classifier")  # by all processes, because they share its training
    if state.is_main_process:
        ensure_product(run, "answers")
    state.wait_for_everyone()
    release_memory()  # of a classifier that was trained just now
    model, processor = load(run.profile.paligemma, device, run.profile.four_bit, run.profile.dtype)
    return train_on_overlays(run, attach_lora(model, run.profile.lora_rank), processor)


def train_on_overlays(run: Run, model: PeftModel, processor: PaliGemmaProcessor) -> History:
    """Train an attached LoRA on the root's overlays, with the mirrored and procedural ones of the profile.

    Arguments and errors as for `finetune`.
    """
    data, profile, seed = run.data, run.profile, run.seed
    val = overlay_rows(data, "val")
    train = training_rows(data, overlay_rows(data, "train"), profile, seed)
    selection = selection_rows(data, val, profile, seed) if val else []
    history = finetune(model, processor, train, val, profile, seed, data.adapter, rows_selection=selection)
    if process_state().is_main_process:
        run.remember_profile()
    return history


def _device_of(run: Run) -> torch.device:
    """The device of this process: each has a GPU of its own."""
    return process_state().device if process_state().num_processes > 1 else run.device
