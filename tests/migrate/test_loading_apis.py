"""Whoever loads a file into a model with a backbone of ours: it is converted whole, or refused with the reason."""

import copy
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mmpretrain
import pytest
import safetensors.torch
import torch
from mmaction.apis import init_recognizer
from mmaction.apis.inferencers import MMAction2Inferencer
from mmaction.models import BaseRecognizer
from mmaction.registry import MODELS as MMACTION
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import FlexibleRunner, load_checkpoint
from torch import Tensor, nn

from helpers.mvit_references import TORCHVISION, mmaction_case, timm_case, torchvision_case
from helpers.port_references import CASES
from helpers.references import CLASSES, randomize
from helpers.training import start_run
from mmhvt import migrate
from mmhvt.apis.models import load_model
from mmhvt.migrate import get_source
from mmhvt.registry import MODELS

State = dict[str, Tensor]
VIDEO, IMAGE = TORCHVISION['v2'], dict(cfg=dict(depths=(1, 2, 1), embed_dim=16, stride_q=((1, 1), (2, 2), (2, 2))))
PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


def dims(backbone: dict) -> int:
    return MODELS.build(backbone).embed_dims


def recognizer_cfg(path: Path, num_classes: int = CLASSES, **changes: object) -> Config:
    """A recognizer with the backbone of torchvision's micro MViT, as a file for the APIs that want one."""
    settings, _, _ = torchvision_case(VIDEO)
    backbone = get_source('mvit.torchvision').backbone_cfg(settings) | changes
    head = dict(type='mmhvt.RecognitionHead', num_classes=num_classes, in_channels=dims(backbone))
    preprocessor = dict(type='ActionDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3, format_shape='NCTHW')
    cfg = Config(
        dict(
            default_scope='mmaction',
            custom_imports=dict(imports=['mmhvt'], allow_failed_imports=False),
            model=dict(type='Recognizer3D', backbone=backbone, cls_head=head, data_preprocessor=preprocessor),
            test_pipeline=PIPELINE,
            test_dataloader=dict(dataset=dict(type='VideoDataset', pipeline=PIPELINE)),
        )
    )
    cfg.dump(path)
    return Config.fromfile(path)


def classifier_cfg(path: Path, num_classes: int = CLASSES, **changes: object) -> Config:
    """A classifier with the backbone of timm's micro MViTv2."""
    backbone = get_source('mvit.timm').backbone_cfg(timm_case(IMAGE | dict(img_size=64))[0]) | changes
    head = dict(type='LinearClsHead', num_classes=num_classes, in_channels=dims(backbone))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackInputs')]
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            custom_imports=dict(imports=['mmhvt'], allow_failed_imports=False),
            model=dict(type='ImageClassifier', backbone=backbone, head=head),
            data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
            test_dataloader=dict(dataset=dict(type='ImageNet', pipeline=pipeline)),
        )
    )
    cfg.dump(path)
    return Config.fromfile(path)


def build(cfg: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return randomize(MODELS.build(cfg.model))


def assert_loaded(model: nn.Module, expected: State) -> None:
    """Every tensor of a model is that of a state dict, in mmaction's or mmpretrain's names."""
    renamed = {name.replace('cls_head.fc_cls', 'head.fc'): value for name, value in expected.items()}
    expected = expected if set(model.state_dict()) <= set(expected) else renamed
    assert all(torch.equal(value.cpu(), expected[name]) for name, value in model.state_dict().items())


# ------------------------------------------------------------------------------------------------- who loads what


def by_recognizer(cfg: Config, path: str) -> nn.Module:
    return init_recognizer(cfg, path, device='cpu')


def by_inferencer(cfg: Config, path: str) -> nn.Module:
    return MMAction2Inferencer(rec=cfg.filename, rec_weights=path, device='cpu').actionrecog_inferencer.model


def by_load_model(cfg: Config, path: str) -> nn.Module:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return load_model(cfg, path, 'cpu', BaseRecognizer)


def by_load_checkpoint(cfg: Config, path: str) -> nn.Module:
    model = build(cfg)
    load_checkpoint(model, path)
    return model


def by_get_model(cfg: Config, path: str) -> nn.Module:
    return mmpretrain.get_model(cfg, pretrained=path)


def by_load_from(cfg: Config, path: str) -> nn.Module:
    cfg = copy.deepcopy(cfg)
    cfg.load_from = path
    return mmpretrain.get_model(cfg, pretrained=True)


def by_image_inferencer(cfg: Config, path: str) -> nn.Module:
    return mmpretrain.ImageClassificationInferencer(cfg.filename, pretrained=path).model


def by_model_inferencer(cfg: Config, path: str) -> nn.Module:
    model = mmpretrain.get_model(cfg)
    return mmpretrain.ImageClassificationInferencer(model, pretrained=path).model


VIDEO_APIS = [by_recognizer, by_inferencer, by_load_model, by_load_checkpoint]
IMAGE_APIS = [by_get_model, by_load_from, by_image_inferencer, by_model_inferencer]
names = partial(pytest.mark.parametrize, ids=lambda value: getattr(value, '__name__', str(value)))


def torchvision_file(path: Path, num_classes: int = CLASSES) -> tuple[str, State]:
    """A file of torchvision's MViT, which has a class token, and its tensors in our names."""
    theirs = randomize(torchvision_case(VIDEO)[1])
    if num_classes != CLASSES:
        theirs.head[1] = nn.Linear(theirs.head[1].in_features, num_classes)
    torch.save(theirs.state_dict(), path)
    return str(path), get_source('mvit.torchvision').state_dict(theirs.state_dict())


def pyslowfast_file(path: Path) -> tuple[str, State]:
    """The same model as PySlowFast's runs save it."""
    ours = torchvision_file(path)[1]
    theirs = get_source('mvit.pyslowfast').export(ours)
    torch.save(dict(model_state=theirs, epoch=1, cfg='MVIT: …'), path)
    return str(path), ours


def mmaction_file(path: Path) -> tuple[str, State]:
    """The same model of another seed as mmaction2's runner saves it, wrapped for several processes."""
    model = randomize(mmaction_case(dict(size=(4, 32, 32)))[1])
    state = {f'module.{name}': value for name, value in model.state_dict().items()}
    torch.save(dict(meta=dict(epoch=1), state_dict=state), path)
    return str(path), get_source('mvit.mmaction').state_dict(model.state_dict())


def own_file(path: Path) -> tuple[str, State]:
    """A file of our names without anything around it."""
    ours = torchvision_file(path)[1]
    torch.save(ours, path)
    return str(path), ours


def ema_file(path: Path) -> tuple[str, State]:
    """What a runner with EMAHook saves: averaged weights as state dict, the others beside them."""
    ours = torchvision_file(path)[1]
    state = {f'module.{name}': value + 1 for name, value in ours.items()} | dict(steps=torch.tensor(3))
    torch.save(dict(meta={}, state_dict=ours, ema_state_dict=state), path)
    return str(path), ours


def safetensors_file(path: Path) -> tuple[str, State]:
    """Torchvision's in the other format."""
    path = path.with_suffix('.safetensors')
    theirs = randomize(torchvision_case(VIDEO)[1]).state_dict()
    safetensors.torch.save_file(theirs, path)
    return str(path), get_source('mvit.torchvision').state_dict(theirs)


@names('api', VIDEO_APIS)
@names('write', [torchvision_file, pyslowfast_file, mmaction_file, own_file, ema_file, safetensors_file])
def test_videos(write: Callable, api: Callable, tmp_path: Path) -> None:
    path, expected = write(tmp_path / 'weights.pth')
    cfg = recognizer_cfg(tmp_path / 'config.py')
    if write is mmaction_file:  # it has all queries pooled by kernels of its own
        backbone = get_source('mvit.mmaction').backbone_cfg(mmaction_case(dict(size=(4, 32, 32)))[0])
        cfg = recognizer_cfg(tmp_path / 'config.py', **backbone)
    assert_loaded(api(cfg, path), expected)


def timm_file(path: Path, num_classes: int = CLASSES) -> tuple[str, State]:
    """A file of timm's MViTv2, without a class token."""
    theirs = randomize(timm_case(IMAGE | dict(img_size=64))[1])
    if num_classes != CLASSES:
        theirs.head.fc = nn.Linear(theirs.head.fc.in_features, num_classes)
    torch.save(theirs.state_dict(), path)
    return str(path), get_source('mvit.timm').state_dict(theirs.state_dict())


def own_image_file(path: Path) -> tuple[str, State]:
    """One of ours by the names of mmaction's recognizers, as `convert.py` writes it without a config."""
    ours = timm_file(path)[1]
    torch.save(dict(state_dict=ours), path)
    return str(path), ours


@pytest.fixture
def mmpretrain_scope() -> Iterator[None]:
    """Inferencers read images by it, and recognizers leave another one."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


@pytest.mark.usefixtures('mmpretrain_scope')
@names('api', IMAGE_APIS)
@names('write', [timm_file, own_image_file])
def test_images(write: Callable, api: Callable, tmp_path: Path) -> None:
    path, expected = write(tmp_path / 'weights.pth')
    assert_loaded(api(classifier_cfg(tmp_path / 'config.py'), path), expected)


def test_meta_of_a_checkpoint_is_handed_on(tmp_path: Path) -> None:
    path, expected = timm_file(tmp_path / 'weights.pth')
    meta = dict(dataset_meta=dict(classes=[f'class {i}' for i in range(CLASSES)]))
    torch.save(dict(meta=meta, model=torch.load(path)), path)
    model = by_get_model(classifier_cfg(tmp_path / 'config.py'), path)
    assert_loaded(model, expected)
    assert model._dataset_meta == meta['dataset_meta']


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Serves a folder, and downloads into another one."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    handler = type('Quiet', (SimpleHTTPRequestHandler,), dict(log_message=lambda *_: None))
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@names('write', [torchvision_file, safetensors_file])
def test_urls(write: Callable, served: str, tmp_path: Path) -> None:
    path, expected = write(tmp_path / 'weights.pth')
    cfg = recognizer_cfg(tmp_path / 'config.py')
    assert_loaded(init_recognizer(cfg, f'{served}/{Path(path).name}', device='cpu'), expected)


def test_urls_run_nothing(served: str, tmp_path: Path) -> None:
    torch.save(dict(state_dict={}, extra=partial(print, 'ran')), tmp_path / 'runs.pth')
    with pytest.raises(ValueError, match=r'cannot be read as a checkpoint: it wants to import '):
        init_recognizer(recognizer_cfg(tmp_path / 'config.py'), f'{served}/runs.pth', device='cpu')


# ---------------------------------------------------------------------------------------------------- what is refused


def other_arch(path: Path) -> str:
    """Torchvision's MViT of the first version, another model's."""
    torch.save(torchvision_case(TORCHVISION['v1'])[1].state_dict(), path)
    return str(path)


def resnet_like(path: Path) -> str:
    torch.save({'conv1.weight': torch.ones(8, 3, 7, 7), 'fc.weight': torch.ones(4, 8)}, path)
    return str(path)


REFUSED = {
    'other model': (other_arch, {}, r'It is a file of mvit\.torchvision\. The config that it was trained with'),
    'unknown': (
        resnet_like,
        {},
        r"0 of the \d+ tensors .* from no library whose MViT is known: it has names such as 'conv1\.weight'",
    ),
    'other classes': (
        lambda path: torchvision_file(path, 400)[0],
        {},
        r'It is a file of mvit\.torchvision\. The file has 400 classes, the head 7: num_classes=400 would fit',
    ),
    'no token': (
        lambda path: torchvision_file(path)[0],
        dict(with_cls_token=False, out_type='avg_featmap'),
        r'classifier was trained on a class token, which the model lacks: with_cls_token=True would fit',
    ),
    'own without token': (
        lambda path: own_file(path)[0],
        dict(with_cls_token=False, out_type='avg_featmap'),
        r'classifier was trained on a class token, which the model lacks: with_cls_token=True would fit',
    ),
    'token not read': (
        lambda path: torchvision_file(path)[0],
        dict(out_type='avg_featmap'),
        r"trained on a class token, not on the mean of the tokens: out_type='cls_token' would fit",
    ),
    'other kernel': (
        lambda path: torchvision_file(path)[0],
        dict(pool_kernel=(1, 3, 3)),
        r'pool_[qkv]\.weight: \(\d+, 1, 3, 3, 3\) in the checkpoint, \(\d+, 1, 1, 3, 3\) in the model',
    ),
}


@names('api', VIDEO_APIS)
@pytest.mark.parametrize('case', REFUSED)
def test_refused(case: str, api: Callable, tmp_path: Path) -> None:
    write, changes, message = REFUSED[case]
    path = write(tmp_path / 'weights.pth')
    cfg = recognizer_cfg(tmp_path / 'config.py', **changes)
    with pytest.raises(ValueError, match=message) as caught:
        api(cfg, path)
    verb = 'is no checkpoint of' if api is by_load_model else 'does not fit the model: '
    assert str(caught.value).startswith(f'{path} {verb}') and '\n' not in str(caught.value)


@pytest.mark.usefixtures('mmpretrain_scope')
@names('api', IMAGE_APIS)
def test_refused_of_images(api: Callable, tmp_path: Path) -> None:
    cfg = classifier_cfg(tmp_path / 'config.py')
    for path, message in {
        resnet_like(tmp_path / 'resnet.pth'): 'from no library whose MViT is known',
        timm_file(tmp_path / 'large.pth', 1000)[0]: 'The file has 1000 classes, the head 7',
        torchvision_file(tmp_path / 'video.pth')[
            0
        ]: r'the model has .* patches of 7×7, but the file .* patches of 3×7×7',
    }.items():
        with pytest.raises(ValueError, match=message):
            api(cfg, path)


VIT_CASES = {'vit': 'cls_token', 'vit averaged': 'avg_featmap'}


@pytest.mark.parametrize('case', VIT_CASES)
def test_what_a_vit_classifies_from(case: str, tmp_path: Path) -> None:
    """Tensors tell: another norm follows the mean of the patches."""
    source, config, reference, _, _ = CASES[case]()
    torch.save(randomize(reference).state_dict(), tmp_path / 'vit.pth')
    cfg = classifier_cfg(tmp_path / 'config.py')
    cfg.model.backbone = source.backbone_cfg(config)
    cfg.model.head.in_channels = 32
    for out_type in VIT_CASES.values():
        cfg.model.backbone.out_type = out_type
        load = partial(by_get_model, cfg, str(tmp_path / 'vit.pth'))
        if out_type == VIT_CASES[case]:
            assert_loaded(load(), source.state_dict(reference.state_dict()))
            continue
        with pytest.raises(ValueError, match=f"trained on .*, not on .*: out_type='{VIT_CASES[case]}' would fit"):
            load()


def uniformerv2_cfg(path: Path, **changes: object) -> Config:
    cfg = recognizer_cfg(path)
    arch = dict(embed_dims=24, num_heads=3, depth=2, patch_size=16, global_layers='last 1')
    cfg.model.backbone = dict(type='mmhvt.UniFormerV2', arch=arch, input_size=(4, 32, 32)) | changes
    cfg.model.cls_head.in_channels = 24
    return cfg


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(global_layers=None), 'the video token of global UniBlocks, which the model lacks'),
        (dict(with_class_token=False), 'the class token beside the video token, .*: with_class_token=True would fit'),
        (dict(out_type='avg_featmap'), "not on the mean of the tokens: out_type='cls_token' would fit"),
    ],
)
def test_what_uniformerv2_classifies_from(changes: dict, message: str, tmp_path: Path) -> None:
    model = build(uniformerv2_cfg(tmp_path / 'config.py'))
    theirs = get_source('uniformerv2.opengvlab').export(model.state_dict())
    torch.save(theirs, tmp_path / 'theirs.pth')
    assert_loaded(
        by_recognizer(uniformerv2_cfg(tmp_path / 'config.py'), str(tmp_path / 'theirs.pth')), model.state_dict()
    )
    with pytest.raises(ValueError, match=message):
        by_recognizer(uniformerv2_cfg(tmp_path / 'config.py', **changes), str(tmp_path / 'theirs.pth'))


# ---------------------------------------------------------------------------------- what is as it has always been


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """What MMEngine's logger is told."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_sizes_are_resized_with_a_warning(log: list[logging.LogRecord], tmp_path: Path) -> None:
    path, expected = torchvision_file(tmp_path / 'weights.pth')
    cfg = recognizer_cfg(tmp_path / 'config.py', input_size=(8, 64, 64))
    model = by_recognizer(cfg, path)
    same = {name for name, value in model.state_dict().items() if torch.equal(value, expected.get(name, value[:0]))}
    assert 'cls_head.fc_cls.weight' in same
    assert {name.split('.')[4] for name in set(model.state_dict()) - same} == {'rel_pos'}
    (record,) = [record for record in log if 'a file of' in record.getMessage()]
    message = record.getMessage()
    assert record.levelname == 'WARNING' and message.startswith(f'{path}, a file of mvit.torchvision, MViT: loaded ')
    assert message.count('rel_pos') == len(set(model.state_dict()) - same)


def test_one_line_says_what_was_loaded(log: list[logging.LogRecord], tmp_path: Path) -> None:
    path, expected = torchvision_file(tmp_path / 'weights.pth')
    by_recognizer(recognizer_cfg(tmp_path / 'config.py'), path)
    (record,) = [record for record in log if 'a file of' in record.getMessage()]
    assert record.getMessage() == f'{path}, a file of mvit.torchvision, MViT: loaded {len(expected)} parameters'
    assert record.levelname == 'INFO'


def test_a_model_of_features_takes_the_backbone(tmp_path: Path) -> None:
    path, expected = timm_file(tmp_path / 'weights.pth')
    cfg = classifier_cfg(tmp_path / 'config.py')
    cfg.model.head = None
    assert_loaded(by_get_model(cfg, path), expected)


@names('write', [torchvision_file, own_file])
def test_a_backbone_alone(write: Callable, tmp_path: Path) -> None:
    """As by `init_cfg`: nothing classifies, so that a token may be left out."""
    path, expected = write(tmp_path / 'weights.pth')
    for changes in ({}, dict(with_cls_token=False, out_type='avg_featmap')):
        cfg = recognizer_cfg(tmp_path / 'config.py', **changes)
        backbone = MODELS.build(cfg.model.backbone)
        load_checkpoint(backbone, path, strict=True)
        assert all(torch.equal(value, expected[f'backbone.{name}']) for name, value in backbone.state_dict().items())


def test_names_are_revised_once(tmp_path: Path) -> None:
    path, expected = torchvision_file(tmp_path / 'weights.pth')
    torch.save({f'net.{name}': value for name, value in torch.load(path).items()}, path)
    model = build(recognizer_cfg(tmp_path / 'config.py'))
    with pytest.raises(ValueError, match="names such as 'net"):
        load_checkpoint(model, path)
    load_checkpoint(model, path, strict=True, revise_keys=[(r'^net\.', '')])
    assert_loaded(model, expected)
    # a replacement that would match again, were it made twice
    torch.save({name.removeprefix('backbone.'): v for name, v in expected.items() if 'cls_head' not in name}, path)
    headless = recognizer_cfg(tmp_path / 'config.py', input_size=(8, 32, 32))
    del headless.model['cls_head']
    model = build(headless)
    load_checkpoint(model, path, strict=True, revise_keys=[(r'^', 'backbone.')])
    assert torch.equal(model.backbone.cls_token, expected['backbone.cls_token'])


class Elsewhere(nn.Module):
    """A model of somebody else, whose backbone is not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.head = nn.Linear(2, 3)


def test_models_without_a_backbone_of_ours_are_left_alone(tmp_path: Path) -> None:
    model, before = Elsewhere(), copy.deepcopy(Elsewhere().state_dict())
    weights = torch.ones(2, 2)
    torch.save({'backbone.weight': weights, 'other': torch.ones(1)}, tmp_path / 'part.pth')
    content = load_checkpoint(model, str(tmp_path / 'part.pth'))
    assert torch.equal(model.backbone.weight, weights) and model.head.weight.shape == before['head.weight'].shape
    assert set(content) == {'backbone.weight', 'other'}


def test_our_head_on_another_backbone_is_left_alone(tmp_path: Path) -> None:
    cfg = dict(
        type='Recognizer3D',
        backbone=dict(type='ResNet3dSlowOnly', depth=18, pretrained=None, base_channels=8, norm_eval=False),
        cls_head=dict(type='mmhvt.RecognitionHead', num_classes=3, in_channels=8),
    )
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MMACTION.build(cfg)
    torch.save(dict(state_dict={'cls_head.fc_cls.bias': torch.ones(3)}), tmp_path / 'part.pth')
    load_checkpoint(model, str(tmp_path / 'part.pth'))
    assert torch.equal(model.cls_head.fc_cls.bias, torch.ones(3))


# ------------------------------------------------------------------------------------------------------------ runners


def runner_cfg(config: Config, path: Path, hook: bool, **kwargs: object) -> Config:
    """The training of `config` with our recognizer, in a runner that has our hook or MMEngine's own hooks alone."""
    cfg = copy.deepcopy(config)
    cfg.model = recognizer_cfg(path, **kwargs).model
    cfg.model.cls_head.average_clips = 'prob'
    cfg.experiment_name = uuid.uuid4().hex
    if not hook:
        for name in ('checkpoint_check', 'num_classes_check', 'unreadable_video', 'schedule_check'):
            cfg.default_hooks.pop(name, None)
    return cfg


@pytest.mark.parametrize('hook', [True, False], ids=['with our hook', 'without'])
@pytest.mark.parametrize('how', ['train', 'test'])
def test_runners(how: str, hook: bool, config: Config, tmp_path: Path) -> None:
    path, expected = torchvision_file(tmp_path / 'weights.pth')
    cfg = runner_cfg(config, tmp_path / 'config.py', hook)
    cfg.load_from = path
    runner = start_run(cfg, how)
    assert_loaded(runner.model, expected)

    # another number of classes starts a training, with a warning, and is no test
    cfg = runner_cfg(config, tmp_path / 'config.py', hook, num_classes=4)
    cfg.load_from = path
    if how == 'test':
        with pytest.raises(ValueError, match='The file has 7 classes, the head 4: num_classes=7 would fit'):
            start_run(cfg, how)
    else:
        state = start_run(cfg, how).model.state_dict()
        assert all(torch.equal(v, expected[name]) for name, v in state.items() if name.startswith('backbone.'))

    # so does a classifier that reads a token which the model lacks
    cfg = runner_cfg(config, tmp_path / 'config.py', hook, with_cls_token=False, out_type='avg_featmap')
    cfg.load_from = path
    if how == 'test':
        with pytest.raises(ValueError, match='with_cls_token=True would fit'):
            start_run(cfg, how)
    else:
        state = start_run(cfg, how).model.state_dict()
        assert all(torch.equal(v, expected[name]) for name, v in state.items() if name.startswith('backbone.'))
        assert not torch.equal(state['cls_head.fc_cls.weight'], expected['cls_head.fc_cls.weight'])

    cfg = runner_cfg(config, tmp_path / 'config.py', hook)
    cfg.load_from = other_arch(tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other\.pth does not fit the model: .*a file of mvit\.torchvision'):
        start_run(cfg, how)


@pytest.mark.parametrize('hook', [True, False], ids=['with our hook', 'without'])
def test_averaged_weights_start_from_the_converted(hook: bool, config: Config, tmp_path: Path) -> None:
    cfg = runner_cfg(config, tmp_path / 'config.py', hook)
    cfg.load_from, expected = torchvision_file(tmp_path / 'weights.pth')
    cfg.custom_hooks = [dict(type='EMAHook')]
    runner = start_run(cfg)
    (ema,) = (hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
    assert_loaded(ema.ema_model.module, expected)


@pytest.mark.parametrize('hook', [True, False], ids=['with our hook', 'without'])
def test_flexible_runner(hook: bool, config: Config, tmp_path: Path) -> None:
    cfg = runner_cfg(config, tmp_path / 'config.py', hook)
    cfg.load_from, _ = torchvision_file(tmp_path / 'weights.pth')
    runner = FlexibleRunner.from_cfg(cfg)
    runner.test()
    assert runner._has_loaded
    assert_loaded(runner.model, get_source('mvit.torchvision').state_dict(torch.load(cfg.load_from)))


def test_a_model_that_is_initialized_begins_a_training(tmp_path: Path) -> None:
    """`init_cfg` of a whole model, which MMEngine loads."""
    path, expected = timm_file(tmp_path / 'weights.pth', 1000)
    cfg = classifier_cfg(tmp_path / 'config.py')
    cfg.model.init_cfg = dict(type='Pretrained', checkpoint=path)
    model = build(cfg)
    model.init_weights()
    state = model.state_dict()
    assert all(torch.equal(v, expected[name]) for name, v in state.items() if name.startswith('backbone.'))


# ---------------------------------------------------------------------------------------------------------- detectors


def detector_cfg(path: Path, backbone: dict, dims: list[int]) -> Config:
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    anchors = dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[4, 8, 16, 32])
    head = dict(type='RetinaHead', num_classes=2, in_channels=8, feat_channels=8, anchor_generator=anchors)
    cfg = Config(
        dict(
            default_scope='mmdet',
            custom_imports=dict(imports=['mmhvt'], allow_failed_imports=False),
            model=dict(
                type='RetinaNet',
                data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
                backbone=backbone,
                neck=dict(type='FPN', in_channels=dims, out_channels=8, num_outs=4),
                bbox_head=head,
                test_cfg=dict(nms_pre=10, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='CocoDataset',
                    metainfo=dict(classes=('a', 'b')),
                    lazy_init=True,
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='Resize', scale=(64, 64)),
                        dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor')),
                    ],
                )
            ),
            test_evaluator=dict(type='CocoMetric'),
            visualizer=dict(type='DetLocalVisualizer', name=uuid.uuid4().hex),
        )
    )
    cfg.dump(path)
    return Config.fromfile(path)


SWIN = dict(embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))


def swin_detector(folder: Path) -> tuple[Config, Config]:
    """Of mmdet's Swin, and of ours."""
    theirs = dict(type='SwinTransformer', **SWIN, out_indices=(0, 1, 2, 3))
    source = get_source('swin.mmpretrain')
    ours = source.backbone_cfg(theirs | dict(window_size=7)) | dict(out_type='featmap')
    sizes = [8, 16, 32, 64]
    return detector_cfg(folder / 'theirs.py', theirs, sizes), detector_cfg(folder / 'ours.py', ours, sizes)


def by_detector(cfg: Config, path: str) -> nn.Module:
    from mmdet.apis import init_detector

    return init_detector(cfg, path, device='cpu')


def by_detection_inferencer(cfg: Config, path: str) -> nn.Module:
    from mmdet.apis import DetInferencer

    return DetInferencer(cfg.filename, path, device='cpu', show_progress=False).model


@names('api', [by_detector, by_detection_inferencer, by_load_checkpoint])
def test_detectors(api: Callable, tmp_path: Path) -> None:
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    theirs, ours = swin_detector(tmp_path)
    state = build(theirs).state_dict()
    path = str(tmp_path / 'detector.pth')
    torch.save(dict(meta=dict(dataset_meta=dict(classes=('a', 'b'))), state_dict=state), path)
    loaded = api(ours, path).state_dict()
    expected = get_source('swin.mmpretrain').state_dict(state)
    assert all(torch.equal(value, expected[name]) for name, value in loaded.items())
    assert any(name.startswith('bbox_head.') for name in loaded)

    # a classifier's file begins a training of a detector, whose own parts no file would give
    backbone = {name: value for name, value in state.items() if name.startswith('backbone.')}
    torch.save(dict(state_dict=backbone | {'head.fc.weight': torch.ones(5, 64), 'head.fc.bias': torch.ones(5)}), path)
    with pytest.raises(
        ValueError, match=r"a file of swin\.mmpretrain\. Its backbone fits, but the rest is another model's"
    ):
        api(ours, path)


# -------------------------------------------------------------------------------------------------------------- convert


def test_convert_refuses_a_classifier_without_its_token(
    load_tool: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    path, expected = torchvision_file(tmp_path / 'weights.pth')
    cfg = recognizer_cfg(tmp_path / 'config.py', with_cls_token=False, out_type='avg_featmap')

    def convert(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr('sys.argv', ['convert.py', path, str(tmp_path / 'ours.pth'), *arguments])
        return load_tool('checkpoint/convert.py').main(), *capsys.readouterr()

    status, _, err = convert('--config', cfg.filename)
    assert status != 0 and err.count('\n') == 1 and not (tmp_path / 'ours.pth').exists()
    assert re.search(r'trained on a class token, .*with_cls_token=True would fit, and --backbone-only would', err)

    status, out, err = convert('--config', cfg.filename, '--backbone-only')
    assert (status, err) == (0, '') and 'cls_head.fc_cls.bias, cls_head.fc_cls.weight: not asked for' in out
    state = migrate.read(str(tmp_path / 'ours.pth'))
    assert state and all(name.startswith('backbone.') and torch.equal(v, expected[name]) for name, v in state.items())

    recognizer_cfg(tmp_path / 'config.py')
    assert convert('--config', cfg.filename)[0] == 0
    assert_loaded(by_recognizer(Config.fromfile(cfg.filename), str(tmp_path / 'ours.pth')), expected)

    status, _, err = convert('--labels', 'k710', 'k400', '--backbone-only')
    assert status == 1 and '--backbone-only leaves out: give one of them' in err
