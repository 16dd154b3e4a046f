"""Every family leaves PyTorch for any batch: torch.export, TorchScript traces, ONNX by both exporters."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.micro_backbones import FAMILIES, INPUTS, build, inputs

# exported with 2, run with 5
OTHER_BATCH = 5
DYNAMIC = ({0: torch.export.Dim('N', min=1, max=64)},)
# beside the defaults, which test_contract.py exports
OPTIONS = [
    ('SMViT', dict(out_type='featmap', out_indices=(0, 1, 2))),
    ('MViTv2', dict(out_type='featmap', out_indices=(0, 1, 2))),
    ('MViTv2', dict(rel_pos_terms=('q', 'k', 'v'))),
    ('VideoSwin', dict(out_type='featmap', out_indices=(0, 1))),
    ('VideoSwin', dict(window_size=(4, 3, 3))),  # divides no grid
    ('UniFormerV2', dict(out_type='featmap', out_indices=(1, 2))),
    ('UniFormerV2', dict(vit='beit', fusion='parallel')),
]
PLAIN = [(family, {}) for family in FAMILIES]


def name_of(value: str | dict) -> str:
    return value if isinstance(value, str) else ' '.join(value)


def assert_same(found: list[Tensor], model: nn.Module, x: Tensor) -> None:
    """Outputs are the model's own."""
    with torch.no_grad():
        expected = model(x)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.std()


@pytest.mark.parametrize('family, kwargs', OPTIONS, ids=name_of)
def test_torch_export(family: str, kwargs: dict) -> None:
    model = build(family, **kwargs)
    exported = torch.export.export(model, (inputs('video'),), dynamic_shapes=DYNAMIC)
    x = inputs('video', OTHER_BATCH)
    assert_same(exported.module()(x), model, x)


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family', FAMILIES)
def test_trace(family: str, kind: str) -> None:
    model = build(family, kind)
    traced = torch.jit.trace(model, (inputs(kind),))
    x = inputs(kind, OTHER_BATCH)
    assert_same(traced(x), model, x)


def run_onnx(path: Path, x: Tensor) -> list[Tensor]:
    """Outputs of a file."""
    session = pytest.importorskip('onnxruntime').InferenceSession(path)
    return [torch.from_numpy(np.asarray(out)) for out in session.run(None, {'x': x.numpy()})]


@pytest.mark.parametrize('family, kwargs', PLAIN + OPTIONS, ids=name_of)
def test_onnx_by_tracing(family: str, kwargs: dict, tmp_path: Path) -> None:
    """`dynamo=False`, which mmdeploy calls."""
    pytest.importorskip('onnx')
    if 'rel_pos_terms' in kwargs:
        pytest.skip('fixes the batch: docs/guides/export.md')
    model, path = build(family, **kwargs), tmp_path / 'model.onnx'
    axes = {'x': {0: 'N'}} | {f'y{i}': {0: 'N'} for i in range(len(model.out_indices))}
    names = dict(input_names=['x'], output_names=list(axes)[1:], dynamic_axes=axes)
    torch.onnx.export(model, (inputs('video'),), path, dynamo=False, opset_version=17, **names)
    x = inputs('video', OTHER_BATCH)
    assert_same(run_onnx(path, x), model, x)


@pytest.mark.slow
@pytest.mark.parametrize('family', FAMILIES)
def test_onnx_by_export(family: str, tmp_path: Path) -> None:
    """`dynamo=True`."""
    pytest.importorskip('onnxscript')
    model, path = build(family), tmp_path / 'model.onnx'
    example = (inputs('video'),)
    torch.onnx.export(model, example, path, dynamo=True, input_names=['x'], dynamic_shapes=DYNAMIC, verbose=False)
    x = inputs('video', OTHER_BATCH)
    assert_same(run_onnx(path, x), model, x)
