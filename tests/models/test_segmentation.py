"""Our backbones under UPerNet of mmsegmentation, by the config of docs/guides/mixing.md."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from torch import nn

from helpers import ROOT
from helpers.detection import FAMILIES

pytest.importorskip('mmseg', reason='mmsegmentation is not installed: pip install onedl-mmsegmentation')

CLASSES = 5


def upernet(tmp_path: Path, family: str, **outputs) -> nn.Module:
    """The config of the page with a backbone of few channels."""
    from mmseg.registry import MODELS as MMSEG_MODELS

    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/guides/mixing.md').read_text(), re.S)
    (text,) = (block for block in blocks if "default_scope = 'mmseg'" in block)
    (tmp_path / 'config.py').write_text(text)
    config = Config.fromfile(tmp_path / 'config.py')
    init_default_scope('mmseg')
    backbone, dims = FAMILIES[family]
    model = config.model
    model.backbone = backbone | dict(input_size=(64, 64), out_indices=(0, 1, 2, 3), out_type='featmap') | outputs
    batch_norm = dict(type='BN')  # of one process
    model.data_preprocessor.size = (64, 64)
    model.decode_head.update(in_channels=dims, channels=16, num_classes=CLASSES, norm_cfg=batch_norm)
    model.auxiliary_head.update(in_channels=dims[2], channels=8, num_classes=CLASSES, norm_cfg=batch_norm)
    return MMSEG_MODELS.build(model)


@pytest.mark.parametrize('family', ['MViTv2', 'SMViT', 'Video Swin'])
def test_upernet_learns_and_predicts(family: str, tmp_path: Path) -> None:
    from mmseg.structures import SegDataSample

    model = upernet(tmp_path, family)
    model.init_weights()
    inputs = [torch.randint(256, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    samples = []
    for _ in inputs:
        sample = SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64), pad_shape=(64, 64)))
        sample.gt_sem_seg = PixelData(data=torch.randint(CLASSES, (1, 64, 64)))
        samples.append(sample)
    first = model.backbone.patch_embed.proj.weight
    before = first.detach().clone()
    log = model.train_step(
        dict(inputs=inputs, data_samples=samples), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    )
    assert log['loss'].isfinite() and {'decode.loss_ce', 'aux.loss_ce'} <= set(log)
    assert not torch.equal(first, before)
    with torch.no_grad():
        found = model.eval().test_step(dict(inputs=inputs, data_samples=samples))
    assert all(sample.seg_logits.data.shape == (CLASSES, 64, 64) for sample in found)


@pytest.mark.parametrize(
    'outputs, message',
    [
        (dict(out_indices=-1), r'UPerHead with in_index=\[0, 1, 2, 3\] takes maps, .*set out_indices=\(0, 1, 2, 3\)'),
        (dict(out_type='avg_featmap'), "UPerHead .*set out_type='featmap' in the backbone"),
        (dict(out_type='avg_featmap', out_indices=-1), r"set out_type='featmap', out_indices=\(0, 1, 2, 3\)"),
    ],
)
def test_forgotten_options_are_named(outputs: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        upernet(tmp_path, 'MViTv2', **outputs)


def test_wrong_widths_are_named(tmp_path: Path) -> None:
    text = r'UPerHead has in_channels=\[16, 32, 64, 128\], but .* 8, 16, 32, 64 channels: set in_channels=\[8, 16, 32'
    narrow = dict(arch=dict(version=2, embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)))
    with pytest.raises(ValueError, match=text):
        upernet(tmp_path, 'MViTv2', **narrow)


def test_registry_finds_mmseg() -> None:
    init_default_scope('mmseg')
    assert MODELS.get('mmseg.UPerHead').__name__ == 'UPerHead'
