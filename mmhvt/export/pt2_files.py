"""PyTorch's packages: graphs of torch.export, or machine code by AOTInductor. Both load without mmhvt."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch._inductor import aoti_compile_and_package, aoti_load_package

from .graphs import Graph

# of a graph; machine code has its metadata by `load_metadata` of its loader
METADATA_FILE = 'metadata.json'


def write(
    graph: Graph,
    inputs: Mapping[str, Tensor],
    shapes: tuple,
    compiled: bool,
    path: Path,
    metadata: Mapping[str, str],
) -> None:
    """Export a graph.

    Args:
        graph: The model.
        inputs: Example by the name of the input.
        shapes: Axes that vary, as `torch.export` takes them.
        compiled: Whether to compile it by AOTInductor.
        path: File to write.
        metadata: Text by key.
    """
    with torch.no_grad():
        program = torch.export.export(graph, tuple(inputs.values()), dynamic_shapes=shapes)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop('stack_trace', None)  # with the paths of this machine
    if compiled:
        settings = {'aot_inductor.metadata': dict(metadata)}
        aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
    else:
        torch.export.save(program, path, extra_files={METADATA_FILE: json.dumps(metadata)})


def open_file(path: Path, compiled: bool) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    """What computes the outputs of a file from inputs by name."""
    model = aoti_load_package(str(path)) if compiled else torch.export.load(path).module()

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        with torch.no_grad():
            found = model(*inputs.values())
        return list(found) if isinstance(found, tuple | list) else [found]

    return run
