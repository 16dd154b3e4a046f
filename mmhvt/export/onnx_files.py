"""ONNX files: by PyTorch's exporter of torch.export graphs, checked and run by ONNX Runtime."""

from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor

from .graphs import Graph, Task


def write(
    graph: Graph,
    inputs: Mapping[str, Tensor],
    task: Task,
    shapes: tuple,
    opset: int,
    path: Path,
    metadata: Mapping[str, str],
) -> None:
    """Export a graph.

    Args:
        graph: The model.
        inputs: Example by the name of the input.
        task: What the file does.
        shapes: Axes that vary, as `torch.export` takes them.
        opset: Version of ONNX's operators.
        path: File to write.
        metadata: Text by key.
    """
    torch.onnx.export(
        graph,
        tuple(inputs.values()),
        path,
        dynamo=True,
        opset_version=opset,
        input_names=list(inputs),
        output_names=list(task.outputs),
        dynamic_shapes=shapes,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(metadata))
    model.producer_name = 'mmhvt'
    for part in (*model.graph.node, *model.graph.value_info, *(node for each in model.functions for node in each.node)):
        del part.metadata_props[:]  # stack traces, with the paths of this machine
    onnx.checker.check_model(model)
    onnx.save(model, path)


def shrink(path: Path, half: bool) -> None:
    """Make the weights of a file float16, or those of its linear layers 8-bit integers."""
    if half:
        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)
    else:
        quantize_dynamic(path, path, weight_type=QuantType.QInt8, op_types_to_quantize=['MatMul', 'Gemm'])


def open_file(path: Path) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    """What computes the outputs of a file from inputs by name, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; not warnings of constants that float16 cannot hold
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return [torch.from_numpy(value) for value in found]

    return run
