"""MViT and MViTv2 from torchvision (`torchvision.models.video`): configs and state dicts.

Theirs has a class token always, and absolute positions where it has no relative ones. It can add pooled
queries to the class token too (`residual_with_cls_embed`), which neither of its published models does.
On a few odd grids (39 queries over 10 keys along an axis, 47 over 12) it rounds a relative place to the neighbour
of PySlowFast's and ours, by another order of the same sum.
"""

import math
import re
from dataclasses import asdict, is_dataclass

from torch import Tensor

from . import pyslowfast
from .names import Names

# names of golden files and of the command line
NAMES = ('torchvision',)

# their names -> PySlowFast's
_PARAMETERS = Names(
    "torchvision's MViT",
    ('pos_encoding.class_token', 'cls_token'),
    ('pos_encoding.class_pos', 'pos_embed_class'),
    ('pos_encoding.{axis}_pos', 'pos_embed_{axis}'),
    ('conv_proj.{rest}', 'patch_embed.proj.{rest}'),
    ('blocks.{i}.attn.project.0.{leaf}', 'blocks.{i}.attn.proj.{leaf}'),
    ('blocks.{i}.attn.pool_{what}.pool.{leaf}', 'blocks.{i}.attn.pool_{what}.{leaf}'),
    ('blocks.{i}.attn.pool_{what}.norm_act.0.{leaf}', 'blocks.{i}.attn.norm_{what}.{leaf}'),
    ('blocks.{i}.mlp.0.{leaf}', 'blocks.{i}.mlp.fc1.{leaf}'),
    ('blocks.{i}.mlp.3.{leaf}', 'blocks.{i}.mlp.fc2.{leaf}'),
    ('blocks.{i}.project.{leaf}', 'blocks.{i}.proj.{leaf}'),
    ('blocks.{i}.{rest}', 'blocks.{i}.{rest}'),
    ('norm.{rest}', 'norm.{rest}'),
    ('head.1.{leaf}', 'head.projection.{leaf}'),
)

_MODELS = dict(
    mvit_v1_b=dict(arch='base', rel_pos_embed=False),
    mvit_v2_s=dict(arch='v2_small', rel_pos_embed=True),
)

_DEFAULTS = dict(
    spatial_size=(224, 224),
    temporal_size=16,
    patch_embed_kernel=(3, 7, 7),
    patch_embed_stride=(2, 4, 4),
    patch_embed_padding=(1, 3, 3),
    stochastic_depth_prob=0.0,
)
# what does not change the backbone
_IGNORED = {'weights', 'progress', 'num_classes', 'dropout'}
# what is only supported as their own models have it
_FIXED = dict(attention_dropout=0.0, block=None, norm_layer=None)
_STRUCTURE = {'block_setting', 'residual_pool', 'residual_with_cls_embed', 'rel_pos_embed', 'proj_after_attn'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of a model of theirs.

    Args:
        reference_config: Either `name`, 'mvit_v1_b' or 'mvit_v2_s', with arguments beside it; or the arguments of
            `torchvision.models.video.mvit.MViT`, the `block_setting` as a list of `MSBlockConfig` or of dicts of
            its fields. Sizes that are left out are 16×224².

    Raises:
        ValueError: For a name or an argument that is not known, or blocks that do not form stages that are alike.
    """
    given = dict(reference_config)
    name = given.pop('name', None)
    if name is not None and name not in _MODELS:
        raise ValueError(f'torchvision: no MViT {name!r}: choose from {", ".join(_MODELS)}, or give a block_setting')
    structure = set() if name else _STRUCTURE
    wrong = (structure - set(given)) | (set(given) - structure - set(_DEFAULTS) - set(_FIXED) - _IGNORED)
    if wrong:
        raise ValueError(f'torchvision: arguments of {name or "MViT"} missing or not known: {", ".join(sorted(wrong))}')
    for key, value in _FIXED.items():
        if given.get(key, value) != value:
            raise ValueError(f'torchvision: {key}={given[key]!r} is not known; {value!r} is')
    default_rate = 0.2 if name else 0.0
    cfg = _DEFAULTS | dict(stochastic_depth_prob=default_rate) | given
    if name:
        rel_pos = _MODELS[name]['rel_pos_embed']
        ours = dict(type='mmhvt.MViT', arch=_MODELS[name]['arch'], with_cls_token=True)
    else:
        rel_pos = cfg['rel_pos_embed']
        ours = _from_blocks(cfg)
    height, width = cfg['spatial_size']
    if rel_pos:
        # their tables of a rectangle are those of a square of its longer side, and nothing else has a size
        height = width = max(height, width)
    return ours | dict(
        input_size=(cfg['temporal_size'], height, width),
        patch_kernel=cfg['patch_embed_kernel'],
        patch_stride=cfg['patch_embed_stride'],
        patch_padding=cfg['patch_embed_padding'],
        drop_path_rate=cfg['stochastic_depth_prob'],
    )


def _from_blocks(cfg: dict) -> dict:
    """Config from a `block_setting`, by way of PySlowFast's, which lists its blocks too."""
    if cfg['residual_pool'] and cfg['residual_with_cls_embed']:
        raise ValueError(
            'torchvision: residual_pool=True with residual_with_cls_embed=True is not known; '
            'residual_with_cls_embed=False is, as in mvit_v2_s'
        )
    blocks = [asdict(block) if is_dataclass(block) else block for block in cfg['block_setting']]
    dims, heads = {}, {}
    for i, block in enumerate(blocks):
        if block['output_channels'] != block['input_channels']:
            # channels that expand in an MLP are those of the next block
            dims[i if cfg['proj_after_attn'] else i + 1] = block['output_channels'] / block['input_channels']
        if i and block['num_heads'] != blocks[i - 1]['num_heads']:
            heads[i] = block['num_heads'] / blocks[i - 1]['num_heads']
    q, kv = (_pooled(blocks, what) for what in ('q', 'kv'))
    kernel = _kernel([*q.values(), *kv.values()])
    if kernel is None and kv:
        # a kernel of s+1 pools nothing where the stride is 1
        kv = {i: kv.get(i, (None, [1, 1, 1])) for i in range(len(blocks))}
    elif list(q) not in ([i for i, (_, stride) in q.items() if max(stride) > 1], list(range(len(blocks)))):
        raise ValueError('torchvision: block_setting pools queries with stride 1 in some blocks, not in all')
    section = dict(
        PATCH_2D=False,
        DEPTH=len(blocks),
        EMBED_DIM=blocks[0]['input_channels'],
        NUM_HEADS=blocks[0]['num_heads'],
        DIM_MUL=list(dims.items()),
        HEAD_MUL=list(heads.items()),
        DIM_MUL_IN_ATT=cfg['proj_after_attn'],
        MODE='conv',
        POOL_KVQ_KERNEL=kernel,
        POOL_Q_STRIDE=[[i, *stride] for i, (_, stride) in q.items()],
        POOL_KV_STRIDE=[[i, *stride] for i, (_, stride) in kv.items()],
        POOL_KV_STRIDE_ADAPTIVE=None,
        CLS_EMBED_ON=True,
        USE_ABS_POS=not cfg['rel_pos_embed'],
        SEP_POS_EMBED=True,
        REL_POS_SPATIAL=cfg['rel_pos_embed'],
        REL_POS_TEMPORAL=cfg['rel_pos_embed'],
        RESIDUAL_POOLING=cfg['residual_pool'],
        MLP_RATIO=4.0,
        QKV_BIAS=True,
        USE_MEAN_POOLING=False,
        # of no matter here
        PATCH_KERNEL=None,
        PATCH_STRIDE=None,
        PATCH_PADDING=None,
        DROPPATH_RATE=None,
        NUM_FRAMES=None,
        CROP=None,
    )
    try:
        return pyslowfast.backbone_cfg(section)
    except ValueError as error:
        raise ValueError(f'torchvision: block_setting, written as a config of PySlowFast: {error}') from error


def _pooled(blocks: list[dict], what: str) -> dict[int, tuple[list[int], list[int]]]:
    """{block: (kernel, stride)} of the blocks that pool queries ('q') or keys and values ('kv')."""
    pools = {i: (list(block[f'kernel_{what}']), list(block[f'stride_{what}'])) for i, block in enumerate(blocks)}
    return {i: (kernel, stride) for i, (kernel, stride) in pools.items() if math.prod((*kernel, *stride)) > 1}


def _kernel(pools: list[tuple[list[int], list[int]]]) -> list[int] | None:
    """The kernel of all poolings; None if it is s+1 for a stride s."""
    if all(kernel == [s + 1 if s > 1 else s for s in stride] for kernel, stride in pools):
        return None
    if any(kernel != pools[0][0] for kernel, _ in pools):
        raise ValueError('torchvision: block_setting has kernels that neither are alike nor follow the strides as s+1')
    return pools[0][0]


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like torchvision's MViT."""
    return 'conv_proj.weight' in state_dict and 'pos_encoding.class_token' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = {}
    for name, value in reference_state_dict.items():
        if name.startswith('pos_encoding.'):
            value = value[None, None] if value.ndim == 1 else value[None]
        theirs[_PARAMETERS.ours(name)] = value
    return pyslowfast.state_dict(theirs)


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = {}
    for name, value in pyslowfast.export(state_dict).items():
        name = _PARAMETERS.theirs(name)
        if name.startswith('pos_encoding.'):
            value = value[0, 0] if re.search(r'class_\w+$', name) else value[0]
        theirs[name] = value
    return theirs
