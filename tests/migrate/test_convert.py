"""Conversion of checkpoints: the command, what it reports, and weights of ours that other packages load."""

import os
import subprocess
import sys
from pathlib import Path

import hiera
import pytest
import safetensors.torch
import timm
import torch
from mmaction.models import MViT as MMActionMViT
from mmaction.registry import MODELS as MMACTION
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, load_checkpoint
from mmpretrain.models.backbones import MViT as MMPretrainMViT
from torch import nn
from torchvision.models import video

from mmhvt import migrate
from mmhvt.migrate import LoadReport, TensorReport, adapt_model
from mmhvt.models import RecognitionHead
from mmhvt.registry import MODELS

CLASSES = 7
SMALL = dict(embed_dim=16, num_heads=1, stages=(1, 1, 1, 1), num_classes=CLASSES)


class Runs:
    """Pickles as a command that leaves a file behind."""

    def __init__(self, folder: Path):
        self.mark = folder / 'ran'

    def __reduce__(self):
        return os.system, (f'touch {self.mark}',)


def hiera_model(size: tuple[int, ...], **settings: object) -> nn.Module:
    video = dict(
        sep_pos_embed=True,
        q_stride=(1, 2, 2),
        mask_unit_size=(1, 8, 8),
        patch_kernel=(3, 7, 7),
        patch_stride=(2, 4, 4),
        patch_padding=(1, 3, 3),
    )
    return hiera.Hiera(**SMALL, input_size=size, **(video if len(size) == 3 else {}), **settings).eval()


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    """An image model of the public Hiera code."""
    path = tmp_path / 'hiera_micro.pth'
    torch.save(dict(model_state=hiera_model((64, 64)).state_dict()), path)
    return path


CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), input_size=(8, 96, 96)),
    cls_head=dict(type='mmhvt.RecognitionHead', num_classes={classes}, in_channels=128))
"""


def config(folder: Path, classes: int = CLASSES) -> Path:
    path = folder / f'config_{classes}.py'
    path.write_text(CONFIG.format(classes=classes))
    return path


@pytest.fixture
def convert(load_tool, monkeypatch: pytest.MonkeyPatch, capsys):
    """Runs the tool: exit status, output, errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', ['convert.py', *map(str, arguments)])
        return load_tool('checkpoint/convert.py').main(), *capsys.readouterr()

    return run


def rows(out: str) -> list[tuple[str, int, str]]:
    """Lines of the table: fate, count, what."""
    found = [text.split(maxsplit=2) for text in out.splitlines()[1:-1]]
    joined = [text if text[0] != 'left' else ['left out', *text[2].split(maxsplit=1)] for text in found]
    return [(what, int(count), rest) for what, count, rest in joined]


def test_names_alone(convert, image_file: Path, tmp_path: Path) -> None:
    status, out, err = convert(image_file, tmp_path / 'new/ours.pth', '--safetensors')
    assert (status, err) == (0, '')
    count = len(migrate.read(str(image_file)))
    assert out.splitlines()[0] == f'{image_file}: {count} tensors of hiera.fair'
    assert [row[:2] for row in rows(out)] == [('loaded', count)]
    paths = [tmp_path / f'new/ours{suffix}' for suffix in ('.pth', '.safetensors')]
    assert out.splitlines()[-1] == f'written: {paths[0]}, {paths[1]}' and sorted(paths[0].parent.iterdir()) == paths
    ours = torch.load(paths[0], weights_only=True)
    assert ours['meta'] == dict(source='hiera.fair', file='hiera_micro.pth')
    other = safetensors.torch.load_file(paths[1])
    assert ours['state_dict'].keys() == other.keys() == migrate.load(str(image_file)).keys()
    assert all(torch.equal(other[name], value) for name, value in ours['state_dict'].items())


def test_for_the_model_of_a_config(convert, image_file: Path, tmp_path: Path) -> None:
    target = tmp_path / 'ours.pth'
    status, out, err = convert(image_file, target, '--config', config(tmp_path))
    assert (status, err) == (0, '')
    found = rows(out)
    assert [row[0] for row in found] == ['loaded', 'inflated', 'derived', 'derived']
    assert found[1][2] == 'backbone.patch_embed.proj.weight (16, 3, 7, 7) → (16, 3, 3, 7, 7)'
    assert [row[2] for row in found[2:]] == [
        'backbone.pos_embed.spatial (new, derived)',
        'backbone.pos_embed.temporal (new, zero)',
    ]
    # what a runner loads: everything is there
    model_cfg = Config.fromfile(config(tmp_path)).model
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(model_cfg)
    load_checkpoint(model, str(target), strict=True)
    init_cfg = dict(type='Pretrained', checkpoint=str(image_file))
    direct = MODELS.build(model_cfg.backbone | dict(init_cfg=init_cfg))
    direct.init_weights()
    for name, value in direct.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name


def test_classifier_of_other_classes_is_left_out(convert, image_file: Path, tmp_path: Path) -> None:
    status, out, _ = convert(image_file, tmp_path / 'ours.pth', '--config', config(tmp_path, 5))
    left, missing = rows(out)[-2:]
    assert status == 0 and left[:2] == ('left out', 2) and missing[:2] == ('missing', 2)
    assert 'torch.Size([7, 128]) from checkpoint, the shape in current model is torch.Size([5, 128])' in left[2]
    assert missing[2] == 'cls_head.fc_cls.bias, cls_head.fc_cls.weight'
    assert not any(name.startswith('cls_head') for name in migrate.read(str(tmp_path / 'ours.pth')))


def test_same_size_is_resized_in_space(convert, tmp_path: Path) -> None:
    torch.save(hiera_model((4, 64, 64)).state_dict(), tmp_path / 'theirs.pth')
    status, out, _ = convert(tmp_path / 'theirs.pth', tmp_path / 'ours.pth', '--config', config(tmp_path))
    assert status == 0 and [row[2] for row in rows(out) if row[0] == 'resized'] == [
        'backbone.pos_embed.spatial (1, 256, 16) → (1, 576, 16)',
        'backbone.pos_embed.temporal (1, 2, 16) → (1, 4, 16)',
    ]


def test_names_of_mmpretrain(convert, image_file: Path, tmp_path: Path) -> None:
    (tmp_path / 'image.py').write_text(
        CONFIG.format(classes=CLASSES)
        .replace("'mmaction'", "'mmpretrain'")
        .replace('Recognizer3D', 'ImageClassifier')
        .replace('(8, 96, 96)', '(64, 64)')
        .replace('cls_head', 'head')
        .replace('mmhvt.RecognitionHead', 'mmhvt.ImageHead')
    )
    status, out, err = convert(image_file, tmp_path / 'ours.pth', '--config', tmp_path / 'image.py')
    assert (status, err) == (0, '') and [row[0] for row in rows(out)] == ['loaded']
    assert migrate.read(str(tmp_path / 'ours.pth'))['head.fc.weight'].shape == (CLASSES, 128)


def test_what_a_source_drops_is_told(convert, tmp_path: Path) -> None:
    theirs = video.swin3d_t(num_classes=CLASSES).state_dict()
    torch.save(theirs, tmp_path / 'swin.pth')
    status, out, _ = convert(tmp_path / 'swin.pth', tmp_path / 'ours.pth')
    count = sum(name.endswith('relative_position_index') for name in theirs)
    assert status == 0 and [row[:2] for row in rows(out)] == [('loaded', len(theirs) - count), ('left out', count)]
    assert rows(out)[1][2].endswith(': computed, not learned')


def test_what_has_another_name_is_not_left_out() -> None:
    model = timm.create_model('vit_tiny_patch16_224', img_size=32, global_pool='avg', num_classes=0)
    theirs = model.state_dict() | {'decoder_embed.weight': torch.ones(2, 2)}
    ours, source, left_out = migrate.convert(theirs, 'file')
    assert source is migrate.get_source('vit.timm') and 'backbone.norm.weight' in ours and 'norm.weight' not in theirs
    assert left_out == {}


def test_wrong_guesses_are_overridden(convert, image_file: Path, tmp_path: Path) -> None:
    status, out, _ = convert(image_file, tmp_path / 'ours.pth', '--source', 'hiera.fair')
    assert status == 0 and 'of hiera.fair' in out
    for source, message in (
        ('mvit.timm', 'it looks like a file of hiera.fair'),
        ('mvit.torchvision', 'hiera_micro.pth cannot be converted as a file of mvit.torchvision:'),
        ('timm', "no source 'timm': choose from hiera.timm (timm's Hiera), mvit.timm (timm's MViTv2), vit.timm"),
        ('hiera-transformer', "no source 'hiera-transformer': write hiera.fair (Hiera of facebookresearch/hiera)"),
        (
            'tensorflow',
            "no source 'tensorflow': choose from hiera.fair (Hiera of facebookresearch/hiera), hiera.timm",
        ),
    ):
        status, out, err = convert(image_file, tmp_path / 'no.pth', '--source', source)
        assert status == 1 and out == '' and message in err and err.count('\n') == 1
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / 'linear.pth')
    status, _, err = convert(tmp_path / 'linear.pth', tmp_path / 'no.pth')
    assert status == 1 and "linear.pth is from no known repository (it has names such as 'bias'): set --source" in err
    assert not (tmp_path / 'no.pth').exists()


def test_wrong_arguments(convert, image_file: Path, tmp_path: Path) -> None:
    wide = tmp_path / 'wide.py'
    wide.write_text(CONFIG.format(classes=CLASSES).replace('embed_dims=16', 'embed_dims=24'))
    bare = tmp_path / 'bare.py'
    bare.write_text('a = 1')
    other = tmp_path / 'other.py'
    other.write_text("default_scope = 'mmaction'\nmodel = dict(type='Recognizer3D', backbone=dict(type='ResNet3d'))")
    broken = tmp_path / 'broken.py'
    broken.write_text('model = dict(')
    argument = tmp_path / 'argument.py'
    argument.write_text(CONFIG.format(classes=CLASSES).replace('arch=', 'depth=2, arch='))
    (tmp_path / 'folder.safetensors').mkdir()
    weights = tmp_path / 'weights.safetensors'
    safetensors.torch.save_file(migrate.read(str(image_file)), weights)
    unknown = tmp_path / 'unknown.py'
    unknown.write_text("model = dict(type='mmhvt.Nothing')")
    before = sorted(tmp_path.iterdir())
    content = image_file.read_bytes()
    for arguments, message in (
        ([image_file, tmp_path / 'no.ckpt'], "no.ckpt: the suffix '.ckpt' is not .pth"),
        ([image_file, image_file], 'is the checkpoint that is read'),
        ([weights, tmp_path / 'weights.pth', '--safetensors'], 'weights.safetensors is the checkpoint that is read'),
        ([image_file, tmp_path / 'folder.pth', '--safetensors'], 'folder.safetensors is a folder'),
        ([image_file, '/proc/no.pth'], '/proc/no.pth cannot be written'),
        ([image_file, tmp_path / 'no.pth', '--config', broken], 'broken.py: '),
        ([image_file, tmp_path / 'no.pth', '--config', argument], 'argument.py: SMViT has no option depth: '),
        ([tmp_path / 'none.pth', tmp_path / 'no.pth'], 'none.pth'),
        ([image_file, tmp_path / 'no.pth', '--config', tmp_path / 'none.py'], 'none.py: no such config file'),
        ([image_file, tmp_path / 'no.pth', '--config', bare], 'bare.py: it has no model'),
        ([image_file, tmp_path / 'no.pth', '--config', other], 'is Recognizer3D without a backbone of mmhvt'),
        (
            [image_file, tmp_path / 'no.pth', '--config', unknown],
            'unknown.py: mmhvt.Nothing is not in the mmengine::model',
        ),
        ([image_file, tmp_path / 'no.pth', '--config', wide], 'does not fit SMViT: '),
        ([image_file, tmp_path / 'no.pth', '--labels', 'k710', 'k400'], 'cls_head.fc_cls.weight is (7, 128)'),
    ):
        status, _, err = convert(*arguments)
        assert status == 1 and message in err and err.count('\n') == 1, err
    assert sorted(tmp_path.iterdir()) == before and image_file.read_bytes() == content


def test_malicious_files_do_nothing(convert, tmp_path: Path) -> None:
    torch.save(dict(state_dict={}, extra=Runs(tmp_path)), tmp_path / 'runs.pth')
    status, _, err = convert(tmp_path / 'runs.pth', tmp_path / 'no.pth')
    assert status == 1 and 'it wants to import posix.system, which is not allowed' in err
    assert [path.name for path in tmp_path.iterdir()] == ['runs.pth']


class Model(BaseModel):
    """What the runner asks for."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, *_) -> None:
        raise AssertionError('training has begun')


def test_runners_do_not_resume_malicious_files(tmp_path: Path) -> None:
    torch.save(dict(state_dict={}, meta=dict(epoch=1), extra=Runs(tmp_path)), tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    data = torch.utils.data.TensorDataset(torch.randn(2, 2))
    runner = Runner(
        model=Model(),
        work_dir=str(tmp_path),
        train_dataloader=dict(dataset=data, sampler=dict(type='DefaultSampler'), batch_size=1),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        resume=True,
        experiment_name='resume',
    )
    with pytest.raises(ValueError, match=r'epoch_1\.pth cannot be read as a checkpoint: it wants to import posix'):
        runner.train()
    assert not (tmp_path / 'ran').exists()


@pytest.mark.slow
def test_mim_runs_it(image_file: Path, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name('mim'), 'run', 'mmhvt', 'convert', image_file, tmp_path / 'ours.pth']
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 'tensors of hiera.fair' in result.stdout and (tmp_path / 'ours.pth').is_file()


def test_reports() -> None:
    report = LoadReport(
        [
            TensorReport('a.x', 'loaded'),
            TensorReport('a.y', 'resized', '(1,) → (2,)'),
            TensorReport('z', 'left out', 'why'),
            *(TensorReport(f'backbone.blocks.{i}', 'missing') for i in range(9)),
        ]
    )
    assert report.summary() == (
        'loaded 2 parameters; resized or derived 1: a.y (1,) → (2,); left out 1: z; not in the file and left as '
        'initialized: 9 of backbone.blocks'
    )
    assert [text.split(maxsplit=2)[-1] for text in report.format_table().splitlines()] == [
        'a.x',
        'a.y (1,) → (2,)',
        '1  z: why',
        '9 of backbone.blocks',
    ]


def test_positions_of_a_decoder_are_resized() -> None:
    def build(side: int) -> nn.Module:
        backbone = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), q_pool=2)
        decoder = dict(embed_dims=16, depth=1, num_heads=1)
        return MODELS.build(dict(type='mmhvt.MAE', backbone=backbone | dict(input_size=(side, side)), decoder=decoder))

    state, report = adapt_model(build(128), build(64).state_dict(), 'file')
    assert state.keys() == build(128).state_dict().keys()
    build(128).load_state_dict(state)
    changed = {tensor.name: tensor.detail for tensor in report.select('resized')}
    assert changed['decoder.pos_embed.joint'] == '(1, 16, 16) → (1, 64, 16)'
    assert not report.unexpected_keys and not report.missing_keys


def test_parts_that_the_model_has_not() -> None:
    model = nn.Module()
    model.backbone = MODELS.build(
        dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), input_size=(64, 64))
    )
    model.cls_head = RecognitionHead(CLASSES, 128)
    content = migrate.get_source('hiera.fair').state_dict(hiera_model((64, 64)).state_dict())
    extra = {'text_tower.weight': torch.ones(1), 'cls_head.scale': torch.ones(1)}
    state, report = adapt_model(model, content | extra, 'file')
    assert state.keys() == content.keys()
    left = {tensor.name: tensor.detail for tensor in report.select('left out')}
    assert left == {'cls_head.scale': 'cls_head has no such parameter', 'text_tower.weight': 'Module has no text_tower'}
    with pytest.raises(ValueError, match='file has no backbone: none of its 2 names'):
        adapt_model(model, extra, 'file')


def in_recognizer(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f'backbone.{name}': value for name, value in state_dict.items()}


def first(outputs: object) -> torch.Tensor:
    """The feature of mm* backbones, which return tuples, MViTs of lists of tokens."""
    while isinstance(outputs, tuple | list):
        outputs = outputs[-1]
    return outputs


SIZE = (8, 64, 64)
MVIT = dict(arch='tiny', out_scales=-1)
MMACTION_MVIT = MVIT | dict(spatial_size=64, temporal_size=8, output_cls_token=False, with_cls_token=False)
MMACTION_UNIFORMER = dict(
    input_resolution=64,
    patch_size=16,
    width=64,
    layers=4,
    heads=2,
    t_size=8,
    temporal_downsample=False,
    return_list=[2, 3],
    n_layers=2,
    n_dim=64,
    n_head=2,
    backbone_drop_path_rate=0.0,
    mlp_dropout=[0.0, 0.0],
    pretrained=None,
)
# source, config of the reference, reference, size of the input, its names in the file
REFERENCES = {
    'hiera-transformer': lambda: (
        migrate.get_source('hiera.fair'),
        {k: v for k, v in SMALL.items() if k != 'num_classes'} | dict(input_size=(64, 64)),
        hiera_model((64, 64)),
        (64, 64),
        dict,
    ),
    'torchvision MViT': lambda: (
        migrate.get_source('mvit.torchvision'),
        dict(name='mvit_v2_s'),
        video.mvit_v2_s(num_classes=CLASSES),
        (16, 224, 224),
        dict,
    ),
    'torchvision Swin': lambda: (
        migrate.get_source('swin.torchvision'),
        dict(name='swin3d_t'),
        video.swin3d_t(num_classes=CLASSES),
        SIZE,
        dict,
    ),
    'timm': lambda: (
        migrate.get_source('mvit.timm'),
        dict(name='mvitv2_tiny', img_size=64),
        timm.create_model('mvitv2_tiny', img_size=64, num_classes=CLASSES),
        (64, 64),
        dict,
    ),
    'mmaction2 MViT': lambda: (
        migrate.get_source('mvit.mmaction'),
        MMACTION_MVIT,
        MMActionMViT(**MMACTION_MVIT),
        SIZE,
        in_recognizer,
    ),
    'mmaction2 Swin': lambda: (
        migrate.get_source('swin.mmaction'),
        dict(arch='tiny'),
        MMACTION.get('SwinTransformer3D')('tiny', pretrained2d=False),
        SIZE,
        in_recognizer,
    ),
    'mmaction2 UniFormerV2': lambda: (
        migrate.get_source('uniformerv2.mmaction'),
        MMACTION_UNIFORMER,
        MMACTION.get('UniFormerV2')(**MMACTION_UNIFORMER),
        SIZE,
        in_recognizer,
    ),
    'mmpretrain': lambda: (
        migrate.get_source('mvit.mmpretrain'),
        MVIT | dict(img_size=64),
        MMPretrainMViT(**MVIT, img_size=64),
        (64, 64),
        in_recognizer,
    ),
}


@pytest.mark.parametrize('case', REFERENCES)
@torch.no_grad()
def test_references_load_what_is_exported(case: str) -> None:
    """Weights of our model, which the reference has never seen, give the same there."""
    source, settings, reference, size, in_file = REFERENCES[case]()
    backbone = MODELS.build(source.backbone_cfg(settings)).eval()
    names = source.state_dict(in_file(reference.state_dict()))
    with_head = 'cls_head.fc_cls.weight' in names
    head = RecognitionHead(CLASSES, backbone.embed_dims, dropout_ratio=0.0).eval()
    for module in (backbone, head):
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                noise = 0.05 * torch.randn_like(value)
                value.copy_(noise.abs() + 1 if name.endswith(('norm.weight', 'running_var')) else noise)
    ours = in_recognizer(backbone.state_dict())
    if with_head:
        ours |= {f'cls_head.{name}': value for name, value in head.state_dict().items()}
    # of mmaction2's MViT, whose files have a class token that it does not use
    ours = {name: value for name, value in names.items() if name not in ours and name.startswith('backbone.')} | ours
    theirs = {
        name.removeprefix('backbone.') if in_file is in_recognizer else name: value
        for name, value in source.export(ours).items()
    }
    missing, unknown = reference.load_state_dict(theirs, strict=False)
    assert not unknown and all(name.endswith('relative_position_index') for name in missing)
    reference.eval()
    if case == 'hiera-transformer':
        reference.head.act_func = nn.Identity()  # else probabilities in evaluation
    x = torch.randn(1, 3, *size)
    expected, feature = first(reference(x)), first(backbone(x))
    if with_head:
        feature = head(feature)
    elif expected.ndim > 2:  # a map of features
        expected = expected.flatten(2).mean(2)
    torch.testing.assert_close(feature, expected, rtol=1e-4, atol=1e-4 * expected.std().item())
