"""A file of each kind that authors publish, written as their trainers do, loads from disk with all that is in it."""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from helpers.checkpoints import build_from_file
from helpers.published_files import (
    Shapes,
    detectron2_swin,
    mask_rcnn,
    moby,
    pyslowfast_mvit,
    pytorchvideo_mvit,
    simmim,
    swin_classifier,
    tensors,
    twice,
    uniformerv2,
    upernet,
    video_swin,
)
from helpers.recipes import read
from helpers.references import OUTPUTS, assert_close, randomize
from helpers.video_swin_references import microsoft_names
from mmhvt import migrate
from mmhvt.migrate import get_source
from mmhvt.models import RecognitionHead
from mmhvt.registry import MODELS

CLASSES = 5
MVIT = dict(
    type='mmhvt.MViT',
    arch=dict(version=1, embed_dims=16, num_heads=1, depths=(1, 2, 1)),
    input_size=(4, 32, 32),
    kv_stride=(1, 4, 4),
    with_cls_token=True,
    abs_pos='separate',
    out_type='cls_token',
)
MVIT_FILE = dict(frames=4, side=32, classes=CLASSES, starts=(1, 3), depth=4, dims=16, kv_stride=4)
IMAGES = dict(input_size=(32, 32), kv_stride=(4, 4), abs_pos='joint')
ARCH = (8, (2, 1), (1, 2))
SWIN = dict(
    type='mmhvt.VideoSwin',
    arch=dict(embed_dims=8, depths=(2, 1), num_heads=(1, 2)),
    input_size=(32, 32),
    window_size=(4, 4),
)
OUTPUT_NORMS = dict(out_indices=(0, 1), out_type='featmap')
UNIFORMERV2 = dict(
    type='mmhvt.UniFormerV2',
    arch=dict(embed_dims=24, num_heads=1, depth=2, patch_size=16),
    input_size=(4, 32, 32),
    global_layers=[2],
    vit=dict(act='quick_gelu', pre_norm=True, patch_bias=False),
)


def settings(module: str) -> Any:
    """A CfgNode of a package that need not be there, with its class in that package."""

    class CfgNode(dict):
        def __init__(self, values: dict):
            super().__init__(values)
            self.__dict__['__immutable__'] = True

    CfgNode.__module__, CfgNode.__qualname__ = module, 'CfgNode'
    return CfgNode


def pyslowfast(state: dict) -> dict:
    return dict(epoch=199, model_state=state, optimizer_state=dict(state={}), cfg='MVIT:\n  DEPTH: 4\n')


def microsoft(state: dict) -> dict:
    node = settings('yacs.config')
    return dict(
        model=state, optimizer={}, max_accuracy=84.0, epoch=299, config=node(dict(MODEL=node(dict(TYPE='swin'))))
    )


def openmmlab(state: dict) -> dict:
    return dict(meta=dict(mmdet_version='2.11.0', CLASSES=('person',), config='model = dict()'), state_dict=state)


class Kind(NamedTuple):
    """A kind of file.

    Args:
        source: The source that it is of.
        shapes: Names and shapes of its tensors.
        content: What is written with a state dict.
        backbone: A backbone that it fits.
        classifies: Whether there is a classifier.
        left_out: Beginnings of names of tensors that are left out.
        kept: Beginnings of names that are neither the backbone's nor a classifier's, such as of heads.
    """

    source: str
    shapes: Shapes
    content: Callable[[dict], dict]
    backbone: dict
    classifies: bool = True
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


KINDS = {
    'PySlowFast, 2021': Kind(
        'mvit.pyslowfast', pyslowfast_mvit(**MVIT_FILE, last_kv=False), pyslowfast, MVIT | dict(full_kv_pool=False)
    ),
    'PySlowFast, kernels of stride + 1': Kind(
        'mvit.pyslowfast', pyslowfast_mvit(**MVIT_FILE, kernel=None), pyslowfast, MVIT | dict(pool_kernel='s+1')
    ),
    'PySlowFast, images': Kind(
        'mvit.pyslowfast', pyslowfast_mvit(**MVIT_FILE | dict(frames=1), kernel=(1, 3, 3)), pyslowfast, MVIT | IMAGES
    ),
    'PyTorchVideo, 2021': Kind('mvit.pytorchvideo', pytorchvideo_mvit(**MVIT_FILE), pyslowfast, MVIT),
    'PyTorchVideo, poolings twice': Kind(
        'mvit.pytorchvideo', twice(pytorchvideo_mvit(**MVIT_FILE)), pyslowfast, MVIT, left_out=('blocks.',)
    ),
    'PyTorchVideo, images': Kind(
        'mvit.pytorchvideo',
        pytorchvideo_mvit(**MVIT_FILE | dict(frames=1), kernel=(1, 3, 3)),
        pyslowfast,
        MVIT | IMAGES,
    ),
    'Video Swin': Kind(
        'swin.video_swin',
        video_swin(ARCH, (2, 4, 4), CLASSES),
        openmmlab,
        SWIN | dict(input_size=(4, 32, 32), window_size=(2, 4, 4)),
    ),
    'Swin': Kind('swin.microsoft', swin_classifier(ARCH, 4, 32, CLASSES), microsoft, SWIN),
    'Swin, a stage smaller than its window': Kind(
        'swin.microsoft', swin_classifier(ARCH, 8, 32, CLASSES), microsoft, SWIN | dict(window_size=(8, 8))
    ),
    'SimMIM': Kind('swin.microsoft', simmim(ARCH, 4, 32), microsoft, SWIN, False, ('encoder.mask_token', 'decoder.')),
    'MoBY': Kind('swin.microsoft', moby(ARCH, 4, 32), microsoft, SWIN, False, ('encoder_k.', 'proj', 'pred', 'queue')),
    'Mask R-CNN of Swin': Kind(
        'swin.detection', mask_rcnn(ARCH, 4, 8, 8), openmmlab, SWIN | OUTPUT_NORMS, False, (), ('neck.', 'rpn_', 'roi_')
    ),
    'UPerNet of Swin': Kind(
        'swin.detection', upernet(ARCH, 4), openmmlab, SWIN | OUTPUT_NORMS, False, (), ('decode_', 'auxiliary_')
    ),
    'Swin in detectron2': Kind(
        'swin.detectron2',
        detectron2_swin(ARCH, 4),
        lambda state: dict(model={name: value.numpy() for name, value in state.items()}, __author__='Detectron2'),
        SWIN | OUTPUT_NORMS,
        False,
        ('backbone.fpn_', 'roi_heads.'),
    ),
    'UniFormerV2': Kind('uniformerv2.opengvlab', uniformerv2(2, 24, 16, 32, CLASSES, 1), dict, UNIFORMERV2),
    'UniFormerV2, local blocks': Kind(
        'uniformerv2.opengvlab',
        uniformerv2(2, 24, 16, 32, CLASSES, 1, local=True),
        dict,
        UNIFORMERV2 | dict(local_layers='all', local_times=2, local_reduction=1.5, temporal_downsample=True),
    ),
    'UniFormerV2, frozen': Kind(
        'uniformerv2.opengvlab',
        uniformerv2(2, 24, 16, 32, CLASSES, 1, frozen=True),
        lambda state: dict(model_state=state),
        UNIFORMERV2 | dict(frozen=True),
    ),
}


def written(kind: Kind, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Tensor]]:
    """Path of a file, whose configs are of a package that is not there when it is read; and its tensors."""
    torch.manual_seed(0)
    state = tensors(kind.shapes)
    content = kind.content(state)
    if '__author__' in content:
        path = path.with_suffix('.pkl')
        path.write_bytes(pickle.dumps(content))
        return str(path), state
    with monkeypatch.context() as patch:
        if 'config' in content:
            node = type(content['config'])
            for name in ('yacs', node.__module__):
                patch.setitem(sys.modules, name, ModuleType(name))
            patch.setattr(sys.modules[node.__module__], 'CfgNode', node, raising=False)
        torch.save(content, path)
    return str(path), state


@pytest.mark.parametrize('kind', KINDS)
def test_a_file_of_the_kind_loads_with_all_its_tensors(kind, tmp_path, monkeypatch) -> None:
    kind = KINDS[kind]
    path, state = written(kind, tmp_path / 'file.pth', monkeypatch)
    content = migrate.read(path)
    assert content.keys() == state.keys()
    converted, source, left_out = migrate.convert(content, path)
    assert source is get_source(kind.source)
    computed = {name for name, reason in left_out.items() if reason == 'computed, not learned'}
    assert all(name.endswith(('relative_position_index', 'attn_mask')) for name in computed)
    assert all(name.startswith(kind.left_out) for name in left_out.keys() - computed)
    others = {name for name in converted if not name.startswith(('backbone.', 'cls_head.'))}
    assert all(name.startswith(kind.kept) for name in others) if kind.kept else not others

    backbone = build_from_file(kind.backbone, path)
    loaded = backbone.state_dict()
    ours = {name.removeprefix('backbone.'): value for name, value in converted.items() if name.startswith('backbone.')}
    assert ours.keys() == loaded.keys()
    assert all(torch.equal(loaded[name], value) for name, value in ours.items())
    if kind.classifies:
        head = RecognitionHead(CLASSES, backbone.embed_dims)
        classifier = {
            name.removeprefix('cls_head.'): v for name, v in converted.items() if name.startswith('cls_head.')
        }
        head.load_state_dict(classifier)
    else:
        assert not any(name.startswith('cls_head.') for name in converted)


def test_configs_in_files_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are dicts of plain values, without their package."""
    path, _ = written(KINDS['SimMIM'], tmp_path / 'file.pth', monkeypatch)
    config = migrate.reading.load(path)['config']
    assert config == dict(MODEL=dict(TYPE='swin')) and type(config) is OrderedDict
    assert 'yacs' not in sys.modules


@torch.no_grad()
def test_a_position_in_time_of_an_image_is_added_to_those_in_space() -> None:
    state = tensors(KINDS['PyTorchVideo, images'].shapes)
    positions = {
        name.removeprefix('cls_positional_encoding.pos_embed_'): v for name, v in state.items() if 'pos_' in name
    }
    ours = migrate.convert(state, 'file').state_dict
    assert torch.equal(ours['backbone.pos_embed.joint'], positions['spatial'] + positions['temporal'])
    assert torch.equal(ours['backbone.pos_embed.cls'], positions['class'])
    # theirs computes the same with what is exported, a position in time of zero
    again = migrate.convert(get_source('mvit.pytorchvideo').export(ours), 'file').state_dict
    assert all(torch.equal(again[name], value) for name, value in ours.items())


@torch.no_grad()
def test_stages_smaller_than_a_window_compute_what_theirs_do() -> None:
    """As the authors' code, that of timm makes such windows small."""
    theirs = timm.models.swin_transformer.SwinTransformer(
        img_size=32, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=8, num_classes=CLASSES
    )
    randomize(theirs).eval()
    tables = {name: len(value) for name, value in theirs.state_dict().items() if 'bias_table' in name}
    assert set(tables.values()) == {15**2, 7**2}
    converted = migrate.convert(microsoft_names(theirs.state_dict()), 'file')
    assert converted.source is get_source('swin.microsoft')
    cfg = SWIN | dict(arch=dict(embed_dims=8, depths=(2, 2), num_heads=(1, 2)), window_size=(8, 8))
    backbone: nn.Module = MODELS.build(cfg).eval()
    backbone.load_state_dict(
        {name.removeprefix('backbone.'): v for name, v in converted.state_dict.items() if name.startswith('backbone.')}
    )
    x = torch.randn(2, 3, 32, 32)
    expected = theirs.forward_features(x).flatten(1, 2).mean(1)
    assert_close(backbone(x)[-1], expected, OUTPUTS, 'features')


def test_a_detector_of_swin_is_tested_from_the_authors_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MMEngine's runners and mmdet's APIs load a checkpoint."""
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    kind = KINDS['Mask R-CNN of Swin']
    path, state = written(kind, tmp_path / 'file.pth', monkeypatch)
    config = read('coco/mask-rcnn_video-swin-tiny_in1k-pre_fpn_8xb2-amp-ms-crop-36e_coco')
    model = config.model
    model.backbone = dict(kind.backbone, init_cfg=None)
    model.neck.update(in_channels=[8, 16], out_channels=8)
    model.rpn_head.update(in_channels=8, feat_channels=8)
    for extractor in (model.roi_head.bbox_roi_extractor, model.roi_head.mask_roi_extractor):
        extractor.out_channels = 8
    model.roi_head.bbox_head.update(in_channels=8, fc_out_channels=8)
    model.roi_head.mask_head.update(in_channels=8, conv_out_channels=8)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(model)
    load_checkpoint(detector, path, map_location='cpu', strict=True)
    loaded = detector.state_dict()
    heads = {name: value for name, value in state.items() if not name.startswith('backbone.')}
    assert heads and all(torch.equal(loaded[name], value) for name, value in heads.items())
    merging = state['backbone.layers.0.downsample.reduction.weight']
    assert torch.equal(loaded['backbone.merges.0.reduction.weight'], merging)
    assert torch.equal(loaded['backbone.norm.weight'], state['backbone.norm1.weight'])
