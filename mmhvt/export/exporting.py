"""Models as files that run without mmhvt: ONNX, and PyTorch's own packages (.pt2).

`tools/export.py` calls :func:`export_model`; docs/guides/export.md has what can be exported and what it costs.
"""

import copy
import importlib.util
import logging
import math
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.config import Config
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor
from torch._inductor.exc import InductorError

from mmhvt.apis.models import find_model, load_config, load_model
from mmhvt.apis.writing import check_outputs, whole_file
from mmhvt.utils.configs import merge_options, naming_config

from .graphs import OUTPUTS, Graph, Normalize, Task, choose_task
from .metadata import describe, encode, normalization, takes_bgr, view_size
from .sizes import DYNAMIC, dynamic_shapes, example_size, other_sizes, why_fixed

Format = Literal['onnx', 'pt2']

FORMATS = ('onnx', 'pt2')
# the first one with an operator for attention, and the last one whose RoIAlign ONNX Runtime 1.32 has
OPSET, ROI_ALIGN_OPSET = 23, 21
OLDEST_OPSET = 18
PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')
# of outputs to the model's own, relative to their standard deviation
TOLERANCE, HALF_TOLERANCE = 1e-4, 5e-2
# protobuf holds no more in one file
LARGEST_FILE = 2**31
# clips at once, of which the first number is that of the example that is traced
BATCHES = (2, 1)
EXPORTER_ERRORS = (torch.onnx.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, InductorError)


class ExportError(ValueError):
    """A model cannot be exported as asked, or the file does not compute what the model does."""


def export_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
    *,
    format: Format = 'onnx',
    outputs: str = 'scores',
    dynamic: Sequence[str] | None = None,
    shape: Sequence[int] | None = None,
    half: bool = False,
    int8: bool = False,
    preprocess: bool = True,
    compiled: bool = True,
    opset: int | None = None,
    dataset: str | None = None,
    options: dict | None = None,
    say: Any = print,
) -> Path:
    """Write a model to a file that runs without mmhvt, and check that it computes what the model does.

    Args:
        config: Path of a config, its name, or a config.
        checkpoint: File or URL of the weights. Defaults to None: the published ones if `config` is the name of a model
            that has them, or else the config's initialization.
        out: File to write. Defaults to the config's name in the current folder.
        format: 'onnx', or 'pt2' for a package of PyTorch. Defaults to 'onnx'.
        outputs: 'scores': logits of clips or images, or probabilities of boxes; 'features' of the backbone, of COCO
            detectors with the neck. Defaults to 'scores'.
        dynamic: Axes of the input that may vary: 'batch', 'frames', 'size'. Defaults to 'batch', and for COCO detectors
            to none: they take one image.
        shape: ([T,] H, W) of the input. Defaults to `input_size` of the backbone.
        half: Whether weights and arithmetic of an ONNX file are float16; its inputs and outputs stay as they are.
        int8: Whether weights of linear layers of an ONNX file are 8-bit integers.
        preprocess: Whether the input is uint8 RGB, (N, [T,] H, W, 3), which the file normalizes, rather than
            normalized float32, (N, 3, [T,] H, W). Defaults to True.
        compiled: Whether a .pt2 is machine code by AOTInductor rather than a graph. Defaults to True.
        opset: Version of ONNX's operators. Defaults to 23, and to 21 for detectors.
        dataset: Name of the head of a co-trained model.
        options: Settings that override those of the config.
        say: Takes a line of what the user should know.

    Returns:
        Path: The file.

    Raises:
        ExportError: If the model, the options or the machine do not allow it; says what would do. If the outputs differ
            from the model's; nothing is written then.
        ValueError: If the config or the checkpoint cannot be read.
    """
    _check_options(format, outputs, dynamic or (), half, int8, opset, compiled)
    cfg, model, weights = _load(config, checkpoint, options, say)
    name = Path(cfg.filename or 'model').stem
    path = Path(f'{name}.{format}' if out is None else out)
    if path.suffix != f'.{format}':
        raise ExportError(f'{path}: a file of the format {format} ends with .{format}')
    check_outputs(dict(file=path), [weights, cfg.filename])
    task = choose_task(model, outputs, name, dataset)
    if dynamic is None:
        dynamic = () if task.single else ('batch',)
    if task.single and dynamic:
        raise ExportError(
            f'{name}, --dynamic {",".join(dynamic)}: a detector takes one image of one size; --shape sets it'
        )
    latest = ROI_ALIGN_OPSET if task.aligns else OPSET
    if opset is not None and opset > latest:
        raise ExportError(f'{name}, --opset {opset}: ONNX Runtime has no RoIAlign above opset {latest}')
    size = _input_shape(model, shape, name)
    if reason := why_fixed(model.backbone, dynamic, format):
        raise ExportError(f'{name}, --dynamic {",".join(dynamic)}: {reason}')
    size = example_size(model.backbone, size, dynamic)
    scale = normalization(model) if preprocess else None
    graph = Graph(task.part, Normalize(*scale) if scale else None, takes_bgr(model)).eval()
    inputs = _example(task, size, preprocess, BATCHES[0] if 'batch' in dynamic else 1, name)
    metadata, unknown = describe(cfg, model, task.name, size, next(iter(inputs)), dataset)
    metadata['precision'] = 'fp16' if half else 'int8' if int8 else 'fp32'
    if unknown:
        say(f'{name}: the file does not say what {", ".join(unknown)} of the test pipeline does')
        metadata['sampling'] = None
    made = view_size(metadata)
    if 'size' not in dynamic and made not in (None, size[-2:]):
        ours, theirs = ('x'.join(map(str, sides)) for sides in (size[-2:], made))
        say(
            f'{name}: the file takes {ours} pixels and the test pipeline makes {theirs}: set --shape, or the pipeline '
            'by --cfg-options'
        )
    _check_size(graph, format)
    shapes = dynamic_shapes(model.backbone, inputs, size, dynamic, 1 if preprocess else 2, format)
    # exporters warn of sizes that they fix, which is meant
    with whole_file(path) as unfinished, _quiet(logging.WARNING):
        if format == 'onnx':
            from . import onnx_files

            with _as_export_error(name, dynamic):
                onnx_files.write(graph, inputs, task, shapes, opset or latest, unfinished, encode(metadata))
            if half or int8:
                onnx_files.shrink(unfinished, half)
            with _as_export_error(name, dynamic, 'the file does not run', (Exception,)):
                run = onnx_files.open_file(unfinished)
        else:
            from . import pt2_files

            with _as_export_error(name, dynamic):
                pt2_files.write(graph, inputs, shapes, compiled, unfinished, encode(metadata))
            with _as_export_error(name, dynamic, 'the file does not run', (Exception,)):
                run = pt2_files.open_file(unfinished, compiled)
        if not int8:
            examples = [
                _example(task, each, preprocess, batch, name)
                for each in other_sizes(model.backbone, size, dynamic, format)
                for batch in (BATCHES if 'batch' in dynamic else (1,))
            ]
            _check_outputs(graph, run, task, examples, HALF_TOLERANCE if half else TOLERANCE, name)
    return path


def _check_options(
    format: str, outputs: str, dynamic: Sequence[str], half: bool, int8: bool, opset: int | None, compiled: bool
) -> None:
    """Raises an ExportError for options that contradict each other, and packages or compilers that are missing."""
    if format not in FORMATS:
        raise ExportError(f'--format {format}: choose from {", ".join(FORMATS)}')
    if outputs not in OUTPUTS:
        raise ExportError(f'--outputs {outputs}: choose from {", ".join(OUTPUTS)}')
    if isinstance(dynamic, str):
        raise ExportError(f'dynamic={dynamic!r} is a string: give a sequence, ({dynamic!r},)')
    if wrong := [axis for axis in dynamic if axis not in DYNAMIC]:
        raise ExportError(f'--dynamic {",".join(wrong)}: choose from {", ".join(DYNAMIC)}')
    if half and int8:
        raise ExportError('--half and --int8 exclude each other')
    if format == 'onnx':
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise ExportError(f"ONNX needs {', '.join(missing)}: pip install 'mmhvt[export]'")
        if opset is not None and not OLDEST_OPSET <= opset <= OPSET:
            raise ExportError(f'--opset {opset}: from {OLDEST_OPSET} to {OPSET}')
        return
    given = dict(half=half, int8=int8, opset=opset is not None)
    if wrong := [f'--{option}' for option, is_given in given.items() if is_given]:
        raise ExportError(f'{", ".join(wrong)} is for --format onnx')
    if compiled and not any(shutil.which(name) for name in ('c++', 'g++', 'clang++')):
        raise ExportError('a compiled .pt2 needs a C++ compiler, and there is none: --no-compile writes the graph')


def _load(
    config: str | Path | Config, checkpoint: str | Path | None, options: dict | None, say: Any
) -> tuple[Config, BaseModel, str | None]:
    """Config and model, and where the weights come from."""
    weights: str | None = None
    if checkpoint is not None or not (isinstance(config, Config) or Path(config).is_file()):
        config, weights = find_model(config, checkpoint)
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)
        merge_options(cfg, options, config.filename or 'config')
    else:
        cfg = load_config(str(config), options, for_tests=False)
    if 'data_preprocessor' in cfg and 'data_preprocessor' not in cfg.model:  # as mmpretrain's runner
        cfg.model.data_preprocessor = cfg.data_preprocessor
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        if weights is not None:
            return cfg, load_model(cfg, weights, 'cpu', BaseModel), weights
        say(f'{cfg.filename}: no checkpoint is given, so the weights are those that training starts from')
        with naming_config(cfg.filename):
            model = revert_sync_batchnorm(MODELS.build(cfg.model))
        with _quiet(logging.INFO):
            model.init_weights()
    return cfg, model.eval(), None


def _input_shape(model: BaseModel, shape: Sequence[int] | None, where: str) -> tuple[int, ...]:
    """([T,] H, W) of the input."""
    backbone = model.backbone
    if shape is None:
        return backbone.input_size
    try:
        backbone.token_grid(shape)
    except ValueError as error:
        raise ExportError(f'{where}, --shape {" ".join(map(str, shape))}: {error}') from None
    return tuple(shape)


def _check_size(graph: Graph, format: str) -> None:
    """Raises an ExportError for weights that do not fit into one ONNX file."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in graph.state_dict().values())
    if format == 'onnx' and size >= LARGEST_FILE:
        raise ExportError(
            f'weights of {size / 2**30:.1f} GiB do not fit into an ONNX file, which holds 2: --format pt2 holds more'
        )


def _example(task: Task, size: Sequence[int], preprocess: bool, batch: int, where: str) -> dict[str, Tensor]:
    """Random inputs by name."""
    generator = torch.Generator().manual_seed(batch)
    names = ('clips', 'frames') if len(size) == 3 else ('pixels', 'images')
    try:
        if preprocess:
            pixels = torch.randint(0, 256, (batch, *size, 3), generator=generator, dtype=torch.uint8)
        else:
            pixels = torch.randn(batch, 3, *size, generator=generator)
    except RuntimeError:  # of PyTorch's allocator
        shape = ' '.join(map(str, size))
        raise ExportError(f'{where}, --shape {shape}: inputs of this size do not fit into memory') from None
    inputs = {names[preprocess]: pixels}
    if task.boxes:
        height, width = size[-2:]
        corners = torch.rand(3 + batch, 2, 2, generator=generator).sort(1).values
        numbers = torch.arange(len(corners)).sort().values % batch
        inputs['boxes'] = torch.cat([numbers[:, None].float(), (corners * torch.tensor([width, height])).flatten(1)], 1)
    return inputs


def _check_outputs(
    graph: Graph, run: Any, task: Task, examples: Sequence[dict[str, Tensor]], tolerance: float, where: str
) -> None:
    """Compare a file with its model.

    Args:
        graph: The model.
        run: What computes the outputs of the file.
        task: What it does.
        examples: Inputs.
        tolerance: Largest difference, relative to the standard deviation of the output.
        where: Name of the config.

    Raises:
        ExportError: If outputs differ.
    """
    for inputs in examples:
        with torch.inference_mode():
            expected = graph(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        shape = tuple(next(iter(inputs.values())).shape)
        try:
            found = run(inputs)
        except Exception as error:  # of the library that runs the file
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise ExportError(f'{where}: the file does not run for an input of {shape}: {reason}') from error
        for name, ours, theirs in zip(task.outputs, found, expected, strict=True):
            if task.single and name != 'scores':
                continue  # boxes of almost the same score may change places
            difference = math.inf
            if ours.shape == theirs.shape and not ours.numel():
                difference = 0.0
            elif ours.shape == theirs.shape:
                difference = float((ours - theirs).abs().max() / theirs.float().std(correction=0).clamp(min=1e-6))
            if not difference <= tolerance:
                advice = '; --half is what changes them' if tolerance > TOLERANCE else ''
                raise ExportError(
                    f'{where}: {name} of the file differ from the model by {difference:.1e} of their deviation for '
                    f'an input of {shape}: nothing was written{advice}'
                )


@contextmanager
def _as_export_error(
    where: str,
    dynamic: Sequence[str],
    what: str = 'PyTorch cannot export it',
    kinds: tuple[type[Exception], ...] = EXPORTER_ERRORS,
) -> Iterator[None]:
    """Makes one line of what PyTorch's exporters, or other `kinds` of errors, say."""
    try:
        yield
    except ExportError:
        raise
    except kinds as error:
        cause = error.__cause__ or error
        reason = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        fixed = '' if set(dynamic) <= {'batch'} else '; it may work with --dynamic batch and --shape'
        raise ExportError(f'{where}: {what}: {reason[:500]}{fixed}') from error


@contextmanager
def _quiet(level: int) -> Iterator[None]:
    """Hides warnings and what is logged up to a level."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logging.disable(level)
        try:
            yield
        finally:
            logging.disable(before)
