"""MViTv2 for images from timm (`timm.models.mvitv2`): configs and state dicts.

Its models with a class token (`mvitv2_base_cls` …) add the pooled queries to the class token too, which
PySlowFast, torchvision and mmaction2 do not.
"""

import re
from dataclasses import asdict, is_dataclass
from itertools import accumulate

from torch import Tensor

from . import pyslowfast
from .names import Names

# names of golden files and of the command line
NAMES = ('timm',)

# their names, blocks counted through, -> PySlowFast's
_PARAMETERS = Names(
    "timm's MViTv2",
    ('cls_token', 'cls_token'),
    ('pos_embed', 'pos_embed'),
    ('patch_embed.proj.{leaf}', 'patch_embed.proj.{leaf}'),
    ('blocks.{i}.{rest}', 'blocks.{i}.{rest}'),
    ('norm.{rest}', 'norm.{rest}'),
    ('head.fc.{rest}', 'head.projection.{rest}'),
)

_MODELS = dict(
    mvitv2_tiny=dict(depths=(1, 2, 5, 2)),
    mvitv2_small=dict(depths=(1, 2, 11, 2)),
    mvitv2_base=dict(depths=(2, 3, 16, 3)),
    mvitv2_large=dict(depths=(2, 6, 36, 4), embed_dim=144, num_heads=2, expand_attn=False),
    mvitv2_small_cls=dict(depths=(1, 2, 11, 2), use_cls_token=True),
    mvitv2_base_cls=dict(depths=(2, 3, 16, 3), use_cls_token=True),
    mvitv2_large_cls=dict(depths=(2, 6, 36, 4), embed_dim=144, num_heads=2, use_cls_token=True),
    mvitv2_huge_cls=dict(depths=(4, 8, 60, 8), embed_dim=192, num_heads=3, use_cls_token=True),
)

# fields of their `MultiScaleVitCfg`
_DEFAULTS = dict(
    depths=(2, 3, 16, 3),
    embed_dim=96,
    num_heads=1,
    mlp_ratio=4.0,
    pool_first=False,
    expand_attn=True,
    qkv_bias=True,
    use_cls_token=False,
    use_abs_pos=False,
    residual_pooling=True,
    mode='conv',
    kernel_qkv=(3, 3),
    stride_q=((1, 1), (2, 2), (2, 2), (2, 2)),
    stride_kv=None,
    stride_kv_adaptive=(4, 4),
    patch_kernel=(7, 7),
    patch_stride=(4, 4),
    patch_padding=(3, 3),
    pool_type='max',
    rel_pos_type='spatial',
    act_layer='gelu',
    norm_layer='layernorm',
    norm_eps=1e-6,
)
# what is only supported as their own models have it; pool_type is not read
_FIXED = dict(pool_first=False, act_layer='gelu', norm_layer='layernorm')
_POOLED = {'avg': 'avg_featmap', 'token': 'cls_token', '': 'raw'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from a model of theirs.

    Args:
        reference_config: `name`, such as 'mvitv2_tiny' (a tag behind a dot does not matter), or `cfg`, a
            `MultiScaleVitCfg` or a dict of its fields; with the arguments `img_size`, `in_chans`, `global_pool`
            and `drop_path_rate` of their `MultiScaleVit`.

    Raises:
        ValueError: For a name, field or option that is not known, or stages that are not alike.
    """
    given = dict(reference_config)
    name, cfg = given.pop('name', None), given.pop('cfg', {})
    if name is not None:
        if name.split('.')[0] not in _MODELS:
            raise ValueError(f'timm: no MViTv2 {name!r}: choose from {", ".join(_MODELS)}, or give a cfg')
        cfg = _MODELS[name.split('.')[0]]
    cfg = asdict(cfg) if is_dataclass(cfg) else dict(cfg)
    arguments = dict(img_size=224, in_chans=3, global_pool=None, drop_path_rate=0.0)
    wrong = (set(cfg) - set(_DEFAULTS)) | (set(given) - set(arguments) - {'num_classes', 'drop_rate'})
    if wrong:
        raise ValueError(f'timm: settings of MViTv2 that are not known: {", ".join(sorted(wrong))}')
    cfg, arguments = _DEFAULTS | cfg, arguments | given
    for key, value in _FIXED.items():
        if cfg[key] != value:
            raise ValueError(f'timm: {key}={cfg[key]!r} is not known; {value!r} is')
    if cfg['mode'] not in ('conv', 'max', 'avg'):
        raise ValueError(f'timm: mode={cfg["mode"]!r} is not known; conv, max and avg are')
    size, pooled = arguments['img_size'], arguments['global_pool']
    if pooled is None:
        pooled = 'token' if cfg['use_cls_token'] else 'avg'
    try:
        ours = pyslowfast.backbone_cfg(_section(cfg))
    except ValueError as error:
        raise ValueError(f'timm: written as a config of PySlowFast: {error}') from error
    return ours | dict(
        input_size=(size, size) if isinstance(size, int) else tuple(size),
        in_channels=arguments['in_chans'],
        residual_pooling=cfg['residual_pooling'] and 'all',
        drop_path_rate=arguments['drop_path_rate'],
        norm_cfg=dict(type='LN', eps=cfg['norm_eps']),
        out_type=_POOLED[pooled],
    )


def _section(cfg: dict) -> dict:
    """Their config as PySlowFast's, which lists blocks where theirs lists stages."""
    stages = range(len(cfg['depths']))
    dims, heads, kv = cfg['embed_dim'], cfg['num_heads'], cfg['stride_kv']
    starts = [0, *accumulate(cfg['depths'])]
    blocks = [(i, stage) for stage in stages for i in range(starts[stage], starts[stage + 1])]
    return dict(
        PATCH_2D=True,
        PATCH_KERNEL=cfg['patch_kernel'],
        PATCH_STRIDE=cfg['patch_stride'],
        PATCH_PADDING=cfg['patch_padding'],
        DEPTH=len(blocks),
        EMBED_DIM=dims if isinstance(dims, int) else dims[0],
        NUM_HEADS=heads if isinstance(heads, int) else heads[0],
        DIM_MUL=[[starts[s], 2.0 if isinstance(dims, int) else dims[s] / dims[s - 1]] for s in stages[1:]],
        HEAD_MUL=[[starts[s], 2.0 if isinstance(heads, int) else heads[s] / heads[s - 1]] for s in stages[1:]],
        DIM_MUL_IN_ATT=cfg['expand_attn'],
        MODE=cfg['mode'],
        POOL_KVQ_KERNEL=cfg['kernel_qkv'],
        POOL_Q_STRIDE=[[i, *(cfg['stride_q'][stage] if i in starts else (1, 1))] for i, stage in blocks],
        POOL_KV_STRIDE=[[i, *kv[stage]] for i, stage in blocks] if kv else [],
        POOL_KV_STRIDE_ADAPTIVE=None if kv else cfg['stride_kv_adaptive'],
        CLS_EMBED_ON=cfg['use_cls_token'],
        USE_ABS_POS=cfg['use_abs_pos'],
        SEP_POS_EMBED=False,
        REL_POS_SPATIAL=cfg['rel_pos_type'] == 'spatial',
        REL_POS_TEMPORAL=False,
        RESIDUAL_POOLING=cfg['residual_pooling'],
        MLP_RATIO=cfg['mlp_ratio'],
        QKV_BIAS=cfg['qkv_bias'],
        USE_MEAN_POOLING=False,
        # of no matter here
        DROPPATH_RATE=None,
        NUM_FRAMES=None,
        CROP=None,
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like timm's MViTv2."""
    return (
        'patch_embed.proj.weight' in state_dict
        and 'stages.0.blocks.0.attn.qkv.weight' in state_dict
        and 'stages.0.blocks.0.mlp.fc1.weight' in state_dict
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViTv2 does not have.
    """
    places = {match[0] for name in reference_state_dict if (match := re.match(r'stages\.\d+\.blocks\.\d+\.', name))}
    places = sorted(places, key=lambda place: [int(number) for number in re.findall(r'\d+', place)])
    flat = {place: f'blocks.{i}.' for i, place in enumerate(places)}
    theirs = {}
    for name, value in reference_state_dict.items():
        name = re.sub(r'^stages\.\d+\.blocks\.\d+\.', lambda match: flat[match[0]], name)
        name = re.sub(r'\.shortcut_proj_(attn|mlp)\.', '.proj.', name)
        theirs[_PARAMETERS.ours(name)] = value
    return pyslowfast.state_dict(theirs)


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`. Stages are told by the channels that expand where they begin or end.

    Raises:
        ValueError: For a name that MViTv2 does not have.
    """
    flat = {_PARAMETERS.theirs(name): value for name, value in pyslowfast.export(state_dict).items()}
    blocks = range(1 + max(int(name.split('.')[1]) for name in flat if name.startswith('blocks.')))
    expands = [i for i in blocks if f'blocks.{i}.proj.weight' in flat]
    # channels that expand in attention are those of the second norm, and the block begins a stage
    kind = 'attn'
    if expands and flat[f'blocks.{expands[0]}.proj.bias'].shape != flat[f'blocks.{expands[0]}.norm2.bias'].shape:
        kind = 'mlp'
    starts = [0, *(i + (kind == 'mlp') for i in expands)]
    theirs = {}
    for name, value in flat.items():
        if name.startswith('blocks.'):
            _, i, rest = name.split('.', 2)
            stage = max(s for s, start in enumerate(starts) if start <= int(i))
            rest = re.sub(r'^proj\.', f'shortcut_proj_{kind}.', rest)
            name = f'stages.{stage}.blocks.{int(i) - starts[stage]}.{rest}'
            # PySlowFast pools images as clips of one frame
            value = value.squeeze(2) if rest.startswith('attn.pool_') else value
        theirs[name] = value
    return theirs
