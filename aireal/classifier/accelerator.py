"""Accelerate's part of a training: its processes, and a precision that is verified."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator, DataLoaderConfiguration, PartialState
from accelerate.utils import GradScalerKwargs, ProjectConfiguration, parse_flag_from_env
from torch import nn

from aireal.core.device import best_device, precision
from aireal.core.errors import first_line

# With PyTorch's 2**16 the scaler of fp16 skips the first steps of every training, and a short one has few to spare.
INIT_SCALE = 2.0**12
# One process may train a classifier, draw figures or import pictures while the others wait for it. torch would end them
# after ten minutes on GPUs and half an hour on CPUs. (A process that fails ends the others at once, by the launcher.)
LONGEST_WAIT = timedelta(hours=12)
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "no": torch.float32}


def process_state() -> PartialState:
    """Accelerate's view of the launch: the device and rank of this process, the number of processes, `print` and
    `wait_for_everyone`.

    On a machine with nothing but a CPU, accelerate needs `cpu=True` to recognise several processes.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or best_device().type == "cpu"
    return PartialState(cpu=on_cpu, timeout=LONGEST_WAIT)


def make_accelerator(exact: bool, logs: Path | None) -> Accelerator:
    """An accelerator in the device's fastest precision, or in float32 (`exact`), that logs to TensorBoard in `logs`.

    Processes share the batches of the DataLoader: each computes its part of every batch.
    """
    return Accelerator(
        mixed_precision="no" if exact else precision(process_state().device),
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[GradScalerKwargs(init_scale=INIT_SCALE)],
        log_with="tensorboard" if logs else None,
        project_config=ProjectConfiguration(logging_dir=str(logs)) if logs else None,
    )


def start_logs(accelerator: Accelerator, first_step: int) -> None:
    """Start TensorBoard's logs, if the accelerator has a folder for them; drop entries from `first_step` on.

    Logs are optional. TensorBoard imports a TensorFlow that is installed, and a runtime's TensorFlow may raise anything
    beside newer libraries; then a line says so, and the training goes on without logs.
    """
    try:
        accelerator.init_trackers("", init_kwargs={"tensorboard": {"purge_step": first_step}})
    except Exception as error:  # whatever a broken TensorFlow raises
        accelerator.trackers = []
        accelerator.print(f"no TensorBoard logs: {type(error).__name__}, {first_line(error)}")


def effective_precision(accelerator: Accelerator) -> str:
    """One line on device, processes and precision. The precision is that of a convolution computed under autocast.

    Raises:
        ValueError: autocast has no effect.
    """
    device, mixed_precision = accelerator.device, accelerator.mixed_precision
    with torch.no_grad(), accelerator.autocast():
        dtype = nn.Conv2d(3, 8, 3, device=device)(torch.zeros(1, 3, 8, 8, device=device)).dtype
    if dtype != PRECISIONS[mixed_precision]:
        raise ValueError(
            f"{mixed_precision} precision has no effect: convolutions return {dtype} on this {device.type}. "
            "Update torch."
        )
    reason = " (no fast bfloat16 here)" if mixed_precision == precision(device) == "no" else ""
    count = f"{accelerator.num_processes} processes" if accelerator.num_processes > 1 else "one process"
    return f"convolutions in {str(dtype).removeprefix('torch.')}{reason}, channels last, {device.type}, {count}"
