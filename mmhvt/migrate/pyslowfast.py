"""MViT and MViTv2 from PySlowFast (facebookresearch/SlowFast): configs and state dicts."""

import torch
from torch import Tensor

from . import beit, vit
from .names import Names

# names of golden files and of the command line
NAMES = ('PySlowFast', 'pyslowfast', 'SlowFast')

PARAMETERS = Names(
    'MViT',
    ('cls_token', 'backbone.cls_token'),
    ('pos_embed_class', 'backbone.pos_embed.cls'),
    ('pos_embed', 'backbone.pos_embed.joint'),
    ('pos_embed_{axis}', 'backbone.pos_embed.{axis}'),
    ('patch_embed.proj.{rest}', 'backbone.patch_embed.proj.{rest}'),
    ('blocks.{i}.attn.rel_pos_{axis}', 'backbone.blocks.{i}.attn.rel_pos.q.{axis}'),
    ('blocks.{i}.attn.norm_{what}.{rest}', 'backbone.blocks.{i}.attn.pool_{what}.norm.{rest}'),
    ('blocks.{i}.mlp.fc1.{rest}', 'backbone.blocks.{i}.mlp.0.{rest}'),
    ('blocks.{i}.mlp.fc2.{rest}', 'backbone.blocks.{i}.mlp.3.{rest}'),
    ('blocks.{i}.attn.{layer}.{leaf}', 'backbone.blocks.{i}.attn.{layer}.{leaf}'),
    ('blocks.{i}.{layer}.{leaf}', 'backbone.blocks.{i}.{layer}.{leaf}'),
    ('norm.{rest}', 'backbone.norm.{rest}'),
    ('head.projection.{rest}', 'cls_head.fc_cls.{rest}'),
)

# their defaults, as far as they matter here
_DEFAULTS = dict(
    MODE='conv',
    CLS_EMBED_ON=True,
    PATCH_KERNEL=[3, 7, 7],
    PATCH_STRIDE=[2, 4, 4],
    PATCH_PADDING=[2, 4, 4],
    PATCH_2D=False,
    EMBED_DIM=96,
    NUM_HEADS=1,
    MLP_RATIO=4.0,
    QKV_BIAS=True,
    DROPPATH_RATE=0.1,
    DEPTH=16,
    DIM_MUL=[],
    HEAD_MUL=[],
    POOL_KV_STRIDE=[],
    POOL_KV_STRIDE_ADAPTIVE=None,
    POOL_Q_STRIDE=[],
    POOL_KVQ_KERNEL=None,
    SEP_POS_EMBED=False,
    USE_ABS_POS=True,
    REL_POS_SPATIAL=False,
    REL_POS_TEMPORAL=False,
    RESIDUAL_POOLING=False,
    DIM_MUL_IN_ATT=False,
    USE_MEAN_POOLING=False,
)
# what is only supported as PySlowFast's own recipes have it
_FIXED = dict(
    POOL_FIRST=False,
    NORM='layernorm',
    NORM_STEM=False,
    LAYER_SCALE_INIT_VALUE=0.0,
    DROPOUT_RATE=0.0,
    USE_FIXED_SINCOS_POS=False,
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the `MVIT` section of a config of theirs.

    Args:
        reference_config: The section, what it leaves out having their defaults, with `NUM_FRAMES` and `CROP` (the
            training crop, one number) of its `DATA` section.

    Raises:
        ValueError: For an option that no recipe of theirs uses, or stages that are not alike.
    """
    cfg = _DEFAULTS | reference_config
    missing = [key for key in ('NUM_FRAMES', 'CROP') if key not in cfg]
    if missing:
        raise ValueError(f'PySlowFast: the MVIT section needs {" and ".join(missing)} of the DATA section beside it')
    for key, value in _FIXED.items():
        if cfg.get(key, value) != value:
            raise ValueError(f'PySlowFast: MVIT.{key}={cfg[key]!r} is not known; {value!r} is')
    if cfg.get('REV', {}).get('ENABLE'):
        raise ValueError('PySlowFast: MVIT.REV.ENABLE=True, the reversible MViT, is not known')
    if not isinstance(cfg['CROP'], int | None):
        raise ValueError(f'PySlowFast: CROP={cfg["CROP"]!r} is one number, the side of a square')
    axes = 2 if cfg['PATCH_2D'] else 3
    depth = cfg['DEPTH']
    dims, heads = _per_block(cfg['DIM_MUL'], depth), _per_block(cfg['HEAD_MUL'], depth)
    q_strides = _per_block(cfg['POOL_Q_STRIDE'], depth)
    pooled = {i: stride for i, stride in q_strides.items() if max(stride) > 1}
    starts = sorted({i for i, factor in (*dims.items(), *heads.items()) if factor != [1.0]} | set(pooled))
    # a fixed kernel pools queries in every block that is listed, whatever its stride; ours where stages begin or
    # everywhere
    listed = set(q_strides) if cfg['POOL_KVQ_KERNEL'] else set(pooled)
    full_q_pool = cfg['POOL_KVQ_KERNEL'] is not None and listed == set(range(depth))
    if cfg['POOL_KVQ_KERNEL'] and not full_q_pool and listed != set(starts):
        raise ValueError(
            f'PySlowFast: MVIT.POOL_Q_STRIDE lists blocks {sorted(listed)}, which are neither all {depth} nor those '
            f'that begin a stage, {starts}'
        )
    arch = dict(
        version=2 if cfg['DIM_MUL_IN_ATT'] else 1,
        embed_dims=cfg['EMBED_DIM'],
        num_heads=cfg['NUM_HEADS'],
        depths=[end - start for start, end in zip([0, *starts], [*starts, depth], strict=True)],
    )
    ours = dict(
        type='mmhvt.MViT',
        arch=arch,
        input_size=([cfg['NUM_FRAMES']] if axes == 3 else []) + [cfg['CROP'], cfg['CROP']],
        patch_kernel=cfg['PATCH_KERNEL'],
        patch_stride=cfg['PATCH_STRIDE'],
        patch_padding=cfg['PATCH_PADDING'],
        pool_mode=cfg['MODE'],
        pool_kernel=cfg['POOL_KVQ_KERNEL'][-axes:] if cfg['POOL_KVQ_KERNEL'] else 's+1',
        with_cls_token=cfg['CLS_EMBED_ON'],
        abs_pos=('separate' if cfg['SEP_POS_EMBED'] else 'joint') if cfg['USE_ABS_POS'] else 'none',
        rel_pos={(False, False): 'none', (True, False): 'space', (False, True): 'time', (True, True): 'decomposed'}[
            cfg['REL_POS_SPATIAL'], cfg['REL_POS_TEMPORAL']
        ],
        residual_pooling=cfg['RESIDUAL_POOLING'],
        expand_in='attn' if cfg['DIM_MUL_IN_ATT'] else 'mlp',
        full_q_pool=full_q_pool,
        mlp_ratio=cfg['MLP_RATIO'],
        qkv_bias=cfg['QKV_BIAS'],
        drop_path_rate=cfg['DROPPATH_RATE'],
        mean_before_norm=cfg['USE_MEAN_POOLING'],
        out_type='avg_featmap' if cfg['USE_MEAN_POOLING'] or not cfg['CLS_EMBED_ON'] else 'cls_token',
    )
    if starts:
        ours['q_stride'] = _alike('POOL_Q_STRIDE', pooled, starts, [1] * 3)[-axes:]
        ours['dim_mul'] = _alike('DIM_MUL', dims, starts, [1.0])[0]
        ours['head_mul'] = _alike('HEAD_MUL', heads, starts, [1.0])[0]
    ours |= _kv_stride(cfg, depth, starts, ours.get('q_stride', [1] * axes), axes)
    return ours


def _per_block(rows: list, depth: int) -> dict[int, list]:
    """[[block, value, …], …] -> {block: [value, …]}, without blocks that there are not."""
    return {row[0]: list(row[1:]) for row in rows if row[0] < depth}


def _alike(key: str, values: dict[int, list], starts: list[int], neutral: list) -> list:
    """The one value that all stages begin with."""
    found = [values.get(start, neutral) for start in starts]
    if any(value != found[0] for value in found):
        raise ValueError(f'PySlowFast: MVIT.{key} differs between the stages that begin at blocks {starts}: {found}')
    return found[0]


def _kv_stride(cfg: dict, depth: int, starts: list[int], q_stride: list[int], axes: int) -> dict:
    """Our kv_stride and adaptive_kv, from the adaptive stride or from a stride for each block."""
    if cfg['POOL_KV_STRIDE_ADAPTIVE']:
        return dict(kv_stride=cfg['POOL_KV_STRIDE_ADAPTIVE'][-axes:], adaptive_kv=True)
    listed = {i: stride[-axes:] for i, stride in _per_block(cfg['POOL_KV_STRIDE'], depth).items()}
    if not listed:
        return dict(kv_stride='none')
    first = listed.get(0, [1] * axes)
    adaptive, stride = {}, first
    for i in range(depth):
        if i in starts:
            stride = [max(k // q, 1) for k, q in zip(stride, q_stride, strict=True)]
        adaptive[i] = stride
    for answer, expected in ((True, adaptive), (False, dict.fromkeys(range(depth), first))):
        if listed == expected:
            return dict(kv_stride=first, adaptive_kv=answer)
    raise ValueError(
        f'PySlowFast: MVIT.POOL_KV_STRIDE {cfg["POOL_KV_STRIDE"]} is neither the same for all blocks nor divided '
        'where queries are pooled'
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like an MViT of PySlowFast, or its ViT for video; ViTs for images are :mod:`.vit`'s."""
    return recognise_names(state_dict) and not pools_images(state_dict)


def pools_images(state_dict: dict[str, Tensor]) -> bool:
    """Whether kernels of pooling have two axes, as facebookresearch/mvit has them (:mod:`.mvit`)."""
    return any('.attn.pool_' in name and value.ndim == 4 for name, value in state_dict.items())


def recognise_names(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like an MViT of PySlowFast or of facebookresearch/mvit."""
    return (
        'patch_embed.proj.weight' in state_dict
        and 'blocks.0.mlp.fc1.weight' in state_dict
        and any(name in state_dict for name in ('cls_token', 'blocks.0.attn.pool_k.weight', 'blocks.0.attn.rel_pos_h'))
        and not any(name.endswith('_norm.weight') for name in state_dict)  # of detectron2's scales
        and not (vit.recognise(state_dict) or beit.recognise(state_dict))
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = dict(reference_state_dict)
    if 'cls_token' in theirs and 'pos_embed' in theirs:
        theirs['pos_embed_class'], theirs['pos_embed'] = theirs['pos_embed'].split(
            [1, theirs['pos_embed'].shape[1] - 1], 1
        )
    for name in [name for name in theirs if name.endswith(('.attn.q.weight', '.attn.q.bias'))]:
        block, leaf = name.rsplit('.q.', 1)
        theirs[f'{block}.qkv.{leaf}'] = torch.cat([theirs.pop(f'{block}.{part}.{leaf}') for part in 'qkv'])
    images = theirs['patch_embed.proj.weight'].ndim == 4
    ours = {}
    for name, value in theirs.items():
        # theirs pools images as clips of one frame, of which a kernel sees its centre
        if images and '.attn.pool_' in name and value.ndim == 5:
            value = value[:, :, value.shape[2] // 2]
        ours[PARAMETERS.ours(name)] = value
    return ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = {PARAMETERS.theirs(name): value for name, value in state_dict.items()}
    if 'pos_embed_class' in theirs and 'pos_embed' in theirs:
        theirs['pos_embed'] = torch.cat([theirs.pop('pos_embed_class'), theirs['pos_embed']], 1)
    for name, value in theirs.items():
        if '.attn.pool_' in name and value.ndim == 4:
            theirs[name] = value.unsqueeze(2)
    return theirs
