"""A classifier in 8-bit integers, for the many pictures that only differ in what is hidden.

Post-training static quantisation (Jacob et al. 2018; Nagel et al. 2021) by ONNX Runtime's quantiser: weights per channel, activations per tensor, their
ranges from pictures of the kind that will be asked about; the first convolution stays in floating point. It is computed by OpenVINO, whose
convolutions use a CPU's 8-bit dot products and matrices (VNNI, AMX); what that gains here is measured by `int8.prepare_int8` and shown in docs/speed.md.
Verdicts and heatmaps never come from here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from aireal.core.files import atomic_path

PART = 8  # pictures that are calibrated with at a time


class QuantizedClassifier:
    """A quantised classifier: normalised pictures float32 [B, 3, S, S] on the CPU → logits float32 [B, 2]."""

    def __init__(self, path: Path):
        import openvino

        compiled = openvino.Core().compile_model(
            path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        )
        self._request = compiled.create_infer_request()

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._request.infer({0: batch.contiguous().numpy()}, share_inputs=True)[0])


def made_for(fingerprint: str) -> dict[str, str]:
    """What a quantised file, and what was found of it, holds for: the training, this processor, and the runtime that computes it here."""
    return {
        "fingerprint": fingerprint,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "runtime": f"openvino {version('openvino')}",
    }


def quantize(model: nn.Module, images: torch.Tensor, path: Path) -> Path:
    """Write the model in 8-bit integers as ONNX.

    Args:
        model: on the CPU, in evaluation mode.
        images: normalised float32 [N, 3, S, S] like those that it will see; ranges of activations are those of these pictures.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        exact, ready = Path(folder) / "exact.onnx", Path(folder) / "ready.onnx"
        torch.onnx.export(
            model,
            (images[:2],),
            exact,
            input_names=["pictures"],
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("pictures")},),
        )
        quant_pre_process(exact, ready)
        stem = next(
            node.name for node in onnx.load(ready).graph.node if node.op_type == "Conv"
        )  # its 8 bits come out wrong in OpenVINO 2026.4
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
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.parts = iter(images.split(PART))

        def get_next(self):
            part = next(self.parts, None)
            return None if part is None else {"pictures": part.contiguous().numpy()}

    return Reader()


@contextlib.contextmanager
def _quiet():
    """Exporter and quantiser report their inner steps, and the exporter warns of its own dependencies' deprecations."""
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
