"""Options of backbones: every value builds a model that works, or is refused in one line that names class and option;
every parameter that is trained takes part; batches may be empty.
"""

import inspect
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers.micro_backbones import FAMILIES, INPUTS, MICRO, build, config
from mmhvt.models.backbones import MViT, SMViT, UniFormerV2, VideoSwin, VisionTransformer
from mmhvt.registry import MODELS

SIZES = {'video': (4, 32, 32), 'images': (32, 32)}
# of each kind that a config may have by mistake: strings, numbers of wrong sign, kind and size, flags, sequences, dicts
WRONG: tuple[Any, ...] = (
    'x', '4', '', 'none', 'all', 'x.pth', b'4', -1, -2.5, 0, 1, 2, 0.5, 1.0, 1.5, 10**9, 1e30,
    math.nan, math.inf, -math.inf, True, False, None, (), [], (1,), (2, 2), (2, 2, 2), [1, 2, 2], (0, 1, 1),
    (-1, 1, 1), ('1', '2', '2'), (1.5, 2, 2), (True, True, True), (10**9,) * 3, {}, dict(type='Nope'),
    dict(type='LN', eps=-1), dict(type='LN', epss=1), dict(type='BN'), dict(type='GN', num_groups=2),
    dict(type='Pretrained'), dict(type='Constant'), dict(eps=-1), dict(type=3), [dict(type='Nope')],
    np.int64(2), np.float32(0.25), torch.tensor(2), object(), len,
)  # fmt: skip
COMPACT = ('x', '4', -1, 0, math.nan, 1e30, True, (), (0, 1, 1), {}, object())
SETTINGS = [
    (dict(drop_path_rate=1.0), 'drop_path_rate=1.0 must be a number from 0 to below 1'),
    (dict(drop_path_rate=-0.1), 'drop_path_rate=-0.1 must be'),
    (dict(drop_path_rate=math.nan), 'drop_path_rate=nan must be'),
    (dict(mlp_ratio='4'), "mlp_ratio='4' must be a number above 0"),
    (dict(mlp_ratio=0.01), 'mlp_ratio=0.01 leaves no hidden channel'),
    (dict(in_channels='3'), "in_channels='3' must be"),
    (dict(with_cp='x'), "with_cp='x' must be True or False, or a list of stages"),
    (dict(with_cp=1), 'with_cp=1 must be True or False, or a list'),
    (dict(with_cp=[0, 99]), r'with_cp \[99\]: there are (stage|layer)s 0 to'),
    (dict(input_size=224), r'input_size=224: give \(H, W\) for images or \(T, H, W\) for video'),
    (dict(input_size=()), r'input_size=\(\): give'),
    (dict(init_cfg='x.pth'), "init_cfg='x.pth' must be"),
    (dict(init_cfg=dict(type='Pretrained')), 'it needs checkpoint'),
    (dict(out_indices=(0, 0)), 'names a .* twice'),
    (dict(out_type=0), 'out_type=0'),
    (dict(drop_path=0.1), 'drop_path, .*drop_path_rate|drop_path: an arch .*drop_path_rate'),
]


def owner(family: str) -> type:
    return MODELS.get(MICRO[family].type)


def options(family: str) -> list[str]:
    """All options of a family, those of its architectures included."""
    parameters = dict(inspect.signature(owner(family)).parameters)
    (arch,) = (note.owner for note in parameters.pop('overrides').annotation.__metadata__)
    return [*parameters, *(field.name for field in fields(arch))]


def is_refused(family: str, option: str, value: Any, size: Sequence[int]) -> bool:
    """Whether a value is refused; it must then be in one line, and otherwise the model must work."""
    arguments = config(family, 'video' if len(size) == 3 else 'images') | dict(input_size=size) | {option: value}
    arguments.pop('type')
    arguments = {k: v for k, v in arguments.items() if k not in MICRO[family].per_axis or k == option}
    try:
        model = owner(family)(**arguments)
    except (TypeError, ValueError) as error:
        message = str(error)
        # settings that only fit together are named by what they are
        assert owner(family).__name__ in message and '\n' not in message and len(message) < 600, message
        assert 'argument' not in message and 'object' not in message.replace('<object object', ''), message
        return True
    out = model.train()(torch.rand(2, model.patch_embed.proj.in_channels, *model.input_size))
    assert all(each.isfinite().all() for each in (out if isinstance(out, tuple) else (out,)))
    return False


@pytest.mark.parametrize('family', FAMILIES)
def test_some_values_of_all_options(family: str) -> None:
    """Those that no option has, for every option; what has a choice takes some."""
    refused = sum(is_refused(family, o, v, SIZES['video']) for o, v in itertools.product(options(family), COMPACT))
    assert refused > 0.8 * len(options(family)) * len(COMPACT)


@pytest.mark.faults
@pytest.mark.parametrize('family', FAMILIES)
def test_all_values_of_all_options(family: str, record_property: Callable) -> None:
    """Builds and runs, or is refused in one line that names the class."""
    tried, wrong = 0, []
    for kind, option, value in itertools.product(SIZES, options(family), WRONG):
        tried += 1
        try:
            is_refused(family, option, value, SIZES[kind])
        except Exception as error:
            wrong.append(f'{option}={value!r} ({kind}): {type(error).__name__} {error}')
    record_property('section', 'E settings of backbones')
    record_property('tried', tried)
    record_property('held', tried - len(wrong))
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize(('setting', 'message'), SETTINGS, ids=[str(each) for each, _ in SETTINGS])
def test_settings_that_were_taken_before(family: str, setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f'^{owner(family).__name__}.*({message})'):
        build(family, **setting)


@pytest.mark.parametrize(
    ('cls', 'setting', 'message'),
    [
        (MViT, dict(norm_cfg=dict(type='Nope')), "norm_cfg={'type': 'Nope'}: type='Nope' is not a norm, use LN"),
        (MViT, dict(norm_cfg=dict(type='LN', eps=-1)), 'eps=-1 must be a number above 0'),
        (MViT, dict(window_size=0), 'window_size=0 must be'),
        (MViT, dict(pos_mode='x'), "pos_mode='x': choose from bilinear, bicubic"),
        (MViT, dict(adaptive_kv='x'), "adaptive_kv='x' must be True or False"),
        (MViT, dict(depths=(0, 1, 1, 1)), r'depths=\(0, 1, 1, 1\): each stage needs'),
        (MViT, dict(q_stride=2), 'q_stride=2 must be'),
        (MViT, dict(head_mul=0), 'head_mul=0 must be a number above 0'),
        (MViT, dict(head_mul=0.5), '0 heads do not divide'),
        (
            MViT,
            dict(pool_kernel='s', full_q_pool=False, coarse_last_kv=True, input_size=(4, 32, 32)),
            'stage 1: a larger',
        ),
        (SMViT, dict(mask_unit_attn='abcd'), "mask_unit_attn='abcd' must be a list of True or False"),
        (SMViT, dict(layer_scale=math.nan), 'layer_scale=nan must be'),
        (VideoSwin, dict(patch_size=4), 'patch_size=4 must be'),
        (VideoSwin, dict(window_size=7), 'window_size=7 must be'),
        (VideoSwin, dict(window_size=0), 'window_size=0 must be'),
        (UniFormerV2, dict(global_drop_path_rate=2), 'global_drop_path_rate=2 must be'),
        (UniFormerV2, dict(global_drop_path_rate=-1), 'global_drop_path_rate=-1 must be'),
        (UniFormerV2, dict(vit=dict(eps=-1)), 'vit: eps=-1 must be a number above 0'),
        (UniFormerV2, dict(frozen='x'), "frozen='x' must be True or False"),
        (UniFormerV2, dict(with_class_token='x'), "with_class_token='x' must be True or False"),
        (UniFormerV2, dict(temporal='transformer', local_layers='all', with_class_token=False), 'mixes class tokens'),
        (UniFormerV2, dict(local_layers='all', local_reduction=0.5), 'local_reduction=0.5 of 768'),
        (VisionTransformer, dict(vit=dict(pre_norm=1)), 'vit: pre_norm=1 must be True or False'),
    ],
)
def test_settings_of_one_family(cls: type, setting: dict, message: str) -> None:
    with torch.device('meta'), pytest.raises(ValueError, match=f'^{cls.__name__}: .*{message}'):
        cls(**setting)


# --------------------------------------------------------------------------------------------------- model faults

STAGES = dict(embed_dims=8, num_heads=1, depths=(1, 2, 1))
PLAIN = dict(embed_dims=16, num_heads=2, depth=4, patch_size=8)
CHOICES: dict[type, dict[str, tuple]] = {
    MViT: dict(
        version=(1, 2),
        pool_mode=('max', 'avg', 'conv'),
        pool_kernel=('s', 's+1', (3, 3, 3)),
        kv_stride=('none', (1, 4, 4)),
        full_q_pool=(True, False),
        residual_pooling=(True, False, 'all'),
        with_cls_token=(True, False),
        abs_pos=('none', 'space', 'joint', 'separate'),
        rel_pos=('none', 'time', 'space', 'decomposed', 'joint_space', 'joint'),
        rel_pos_terms=(('q',), ('q', 'k'), ('v',), ('q', 'k', 'v')),
        expand_in=('mlp', 'attn'),
        transition_skip=('norm', 'plain', 'none'),
        dim_mul=(1.0, 2.0),
        head_mul=(1.0, 2.0),
        out_type=(None, 'avg_featmap', 'featmap', 'raw'),
        mean_before_norm=(True, False),
        out_indices=(-1, (0, 1), (0, 2), 1),
    ),
    SMViT: dict(
        q_pool=(0, 1, 2),
        mask_unit_attn=((True, False, False), (False,) * 3, (True, True, False)),
        pos_embed=('joint', 'separate', 'windowed'),
        dim_mul=(1.0, 2.0),
        layer_scale=(None, 0.1),
        expand=('linear', 'pool'),
        out_type=('avg_featmap', 'featmap', 'raw'),
        out_indices=(-1, (0, 1), (0, 2), 1),
    ),
    VideoSwin: dict(
        design=('joint', 'split', 'factorized'),
        shift=('all', 'space', 'none'),
        patch_norm=(True, False),
        window_size=((2, 3, 3), (1, 2, 2)),
        out_type=('avg_featmap', 'featmap', 'raw'),
        out_indices=(-1, (0, 1), 0),
    ),
    VisionTransformer: dict(
        vit=('clip', 'open_clip', 'vit', 'deit3', 'beit'),
        out_type=('cls_token', 'avg_featmap', 'featmap', 'raw'),
        out_indices=(-1, (0, 1), 1),
    ),
    UniFormerV2: dict(
        vit=('clip', 'vit', 'deit3', 'beit'),
        local_layers=(None, 'all', '1-2', 'last 1'),
        global_layers=(None, 'all', '1-2', 'last 2', '3'),
        temporal=('none', 'local_mhra', 'conv', 'divided', 'st_adapter', 'shift', 'joint', 'transformer'),
        local_times=(1, 2),
        fusion=('sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q'),
        num_queries=(1, 3),
        local_dpe=(True, False),
        global_dpe=(True, False),
        with_class_token=(None, True, False),
        out_type=('cls_token', 'cls_token', 'cls_token', 'avg_featmap', 'featmap', 'raw'),
        out_indices=(-1, -1, -1, 1),
        temporal_downsample=(True, False),
    ),
}
ARCHS = {
    MViT: STAGES,
    SMViT: STAGES,
    VideoSwin: dict(embed_dims=8, num_heads=(1, 2), depths=(2, 2)),
    VisionTransformer: PLAIN,
    UniFormerV2: PLAIN,
}


def combinations(cls: type, count: int) -> Iterator[nn.Module]:
    """Models of `count` random combinations of options that fit together."""
    rng, built = random.Random(0), 0
    while built < count:
        chosen = {name: rng.choice(values) for name, values in CHOICES[cls].items()}
        size = rng.choice(tuple(SIZES.values()))
        if len(size) == 2:
            per_axis = ('pool_kernel', 'kv_stride', 'window_size')
            chosen = {k: v[-2:] if k in per_axis and isinstance(v, tuple) else v for k, v in chosen.items()}
        arch = ARCHS[cls] | ({'version': chosen.pop('version')} if 'version' in chosen else {})
        try:
            model = cls(arch, input_size=size, **chosen)
        except ValueError as error:
            assert str(error).startswith(cls.__name__) or 'position' in str(error)
            continue
        built += 1
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
        yield model


def check_gradients(model: nn.Module) -> None:
    """All parameters that are trained have gradients, and an empty batch gives empty outputs."""
    outs = model(torch.randn(2, 3, *model.input_size))
    sum(out.square().sum() for out in outs).backward()
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, f'{idle} of {model.arch if hasattr(model, "arch") else model.name}'
    model.zero_grad()
    empty = model(torch.randn(0, 3, *model.input_size))
    assert [each.shape for each in empty] == [(0, *each.shape[1:]) for each in outs]
    sum(out.square().sum() for out in empty).backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('cls', CHOICES)
def test_trained_parameters_take_part(cls: type) -> None:
    for model in combinations(cls, 6):
        check_gradients(model)


@pytest.mark.faults
@pytest.mark.parametrize('cls', CHOICES)
def test_trained_parameters_take_part_in_all_combinations(cls: type, record_property: Callable) -> None:
    tried, wrong = 0, []
    for model in combinations(cls, 150):
        tried += 1
        try:
            check_gradients(model)
        except Exception as error:
            wrong.append(str(error))
    record_property('section', 'E combinations of options')
    record_property('tried', tried)
    record_property('held', tried - len(wrong))
    assert not wrong, '\n'.join(wrong)


def test_blocks_after_the_last_global_one_are_idle_without_class_token() -> None:
    model = UniFormerV2(PLAIN, input_size=(4, 32, 32), global_layers='1-2', with_class_token=False)
    trained = {name.split('.')[0] for name, p in model.blocks.named_parameters() if p.requires_grad}
    assert trained == {'0', '1'}


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family', FAMILIES)
def test_empty_batches(family: str, kind: str) -> None:
    """Of the size of the model, and of another one, in training and evaluation, as PyTorch's layers."""
    model, size = build(family, kind), INPUTS[kind]
    for shape in (size, (*size[:-2], 48, 64)):
        outs = model(torch.rand(1, 3, *shape))
        for mode in (True, False):
            empty = model.train(mode)(torch.rand(0, 3, *shape, requires_grad=True))
            assert [each.shape for each in empty] == [(0, *each.shape[1:]) for each in outs]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('kind', SIZES)
@pytest.mark.parametrize('fusion', ['sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q'])
def test_fusions_run_under_autocast(fusion: str, kind: str, dtype: torch.dtype) -> None:
    model = UniFormerV2(PLAIN, input_size=SIZES[kind], vit='vit', global_layers='all', fusion=fusion)
    x = torch.rand(2, 3, *SIZES[kind])
    with torch.autocast('cpu', dtype):
        (out,) = model(x)
        out.float().square().sum().backward()
    assert out.isfinite().all() and model.alpha_logit.grad is not None
    with torch.no_grad():
        assert torch.allclose(out.float(), model(x)[0], atol=0.05)


def test_stages_of_equal_channels_pool_their_shortcut() -> None:
    model = SMViT(STAGES, input_size=(32, 32), q_pool=2, mask_unit_attn=(True, False, False), dim_mul=1.0, head_mul=1.0,
                  out_type='featmap', out_indices=(0, 1, 2))  # fmt: skip
    assert [tuple(out.shape) for out in model(torch.rand(2, 3, 32, 32))] == [(2, 8, 8, 8), (2, 8, 4, 4), (2, 8, 2, 2)]
    # the branches of the block that pools add nothing: what is left is the maximum of each 2×2 tokens
    block = model.blocks[1]
    nn.init.zeros_(block.attn.proj.weight), nn.init.zeros_(block.attn.proj.bias)
    nn.init.zeros_(block.mlp.fc2.weight), nn.init.zeros_(block.mlp.fc2.bias)
    x = torch.rand(2, 64, 8)
    assert torch.equal(block(x), x.view(2, 16, 4, 8).amax(2))


@pytest.mark.parametrize('mode', ['max', 'avg', 'conv'])
def test_poolings_that_are_larger_than_the_map_are_named(mode: str) -> None:
    model = MViT(STAGES | dict(version=1), input_size=(4, 64, 64), pool_kernel='s', pool_mode=mode)
    assert model(torch.rand(1, 3, 4, 32, 32))[0].shape == (1, 32)
    for size in ((4, 16, 16), (2, 4, 4), (2, 20, 12), (4, 64, 28)):
        with pytest.raises(ValueError, match=r"^MViT: pool_kernel='s' with kv_stride=\(1, 8, 8\) .*would do$"):
            model(torch.rand(1, 3, *size))
