"""A classifier in 8-bit integers, for the many masked versions of a picture that explanations need.

ONNX Runtime quantises it after training (static quantisation: Jacob et al. 2018; Nagel et al. 2021): weights per
channel, activations per tensor. The ranges of activations come from pictures like those that it will classify. The
first convolution stays in floating point. OpenVINO computes the network; its convolutions use a CPU's 8-bit dot
products and matrices (VNNI, AMX). `prepare_quantized` measures the speedup on the machine, docs/speed.md shows it.
Verdicts and heatmaps always come from the unquantised network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from aireal.core.files import atomic_path

NEEDED = ("onnx", "onnxruntime", "onnxscript", "openvino")
BATCH = 8  # pictures per step when ranges are measured


class QuantizedClassifier:
    """A quantised classifier: normalised pictures float32 [B, 3, S, S] on the CPU → logits float32 [B, 2].

    Args:
        path: file that `quantize` wrote.
    """

    def __init__(self, path: Path):
        import openvino

        threads = torch.get_num_threads()
        how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        # OpenVINO counts cores from the first, so all processes of one thread each would share that one
        how["ENABLE_CPU_PINNING"] = False
        compiled = openvino.Core().compile_model(path, "CPU", how)
        self._request = compiled.create_infer_request()

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._request.infer({0: batch.contiguous().numpy()}, share_inputs=True)[0])


def missing_packages() -> list[str]:
    """Packages of `NEEDED` that are not installed; a GPU needs none of them (requirements.txt)."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def made_for(fingerprint: str) -> dict[str, str]:
    """What a quantised file and its measurements are valid for: the training, this processor, and this runtime."""
    return {
        "fingerprint": fingerprint,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "runtime": "none" if missing_packages() else f"openvino {version('openvino')}",
    }


def quantize(model: nn.Module, images: torch.Tensor, path: Path) -> Path:
    """Write the model in 8-bit integers as ONNX, and return the path.

    Args:
        model: on the CPU, in evaluation mode.
        images: normalised float32 [N, 3, S, S], like those that it will classify; they give the ranges of activations.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        exported, ready = Path(folder) / "exported.onnx", Path(folder) / "ready.onnx"
        torch.onnx.export(
            model,
            (images[:2],),
            exported,
            input_names=["pictures"],
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("pictures")},),
        )
        quant_pre_process(exported, ready)
        # the first convolution: OpenVINO 2026.4 computes it wrongly in 8 bits
        stem = next(node.name for node in onnx.load(ready).graph.node if node.op_type == "Conv")
        with atomic_path(path) as partial:
            quantize_static(
                ready,
                partial,
                _reader(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                nodes_to_exclude=[stem],
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    return path


def _reader(images: torch.Tensor):
    """The quantiser's interface to the pictures."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(images.split(BATCH))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"pictures": batch.contiguous().numpy()}

    return Reader()


@contextlib.contextmanager
def _quiet():
    """Hide the steps that exporter and quantiser print, and deprecation warnings of their dependencies."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
