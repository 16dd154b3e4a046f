"""MViTv2 for detection from detectron2 (`detectron2.modeling.MViT`): configs and state dicts."""

import math
import re

import torch
from torch import Tensor

from .names import Names
from .pyslowfast import PARAMETERS as MVIT

# names of golden files and of the command line
NAMES = ('detectron2',)

_PARAMETERS = Names(
    "detectron2's MViT",
    ('scale2_norm.{rest}', 'backbone.norm0.{rest}'),
    ('scale3_norm.{rest}', 'backbone.norm1.{rest}'),
    ('scale4_norm.{rest}', 'backbone.norm2.{rest}'),
    ('scale5_norm.{rest}', 'backbone.norm.{rest}'),
    *MVIT.pairs,
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `detectron2.modeling.MViT`.

    Args:
        reference_config: Its arguments; those left out have its defaults.

    Raises:
        ValueError: For a norm that is not known, or outputs that no stage gives.
    """
    cfg = dict(
        img_size=224,
        patch_kernel=(7, 7),
        patch_stride=(4, 4),
        patch_padding=(3, 3),
        in_chans=3,
        embed_dim=96,
        depth=16,
        num_heads=1,
        last_block_indexes=(0, 2, 11, 15),
        qkv_pool_kernel=(3, 3),
        adaptive_kv_stride=4,
        adaptive_window_size=56,
        residual_pooling=True,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.0,
        norm='LN eps=1e-6',
        use_abs_pos=False,
        use_rel_pos=True,
        pretrain_img_size=224,
        out_features=('scale2', 'scale3', 'scale4', 'scale5'),
    ) | dict(reference_config)
    last = cfg['last_block_indexes']
    norm = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', cfg['norm'])
    if norm is None:
        raise ValueError(f'detectron2: norm {cfg["norm"]!r} is not known; LayerNorm is')
    if math.prod(cfg['qkv_pool_kernel']) == 1:
        raise ValueError(f'detectron2: qkv_pool_kernel {cfg["qkv_pool_kernel"]} is not known; a larger one is')
    stages = [int(name.removeprefix('scale')) - 2 for name in cfg['out_features']]
    if cfg['use_abs_pos'] and cfg['img_size'] != cfg['pretrain_img_size']:
        raise ValueError(
            f'detectron2: img_size {cfg["img_size"]} with absolute positions of pretrain_img_size '
            f'{cfg["pretrain_img_size"]} is not known; the two alike are'
        )
    return dict(
        type='mmhvt.MViT',
        arch=dict(
            version=2,
            embed_dims=cfg['embed_dim'],
            num_heads=cfg['num_heads'],
            depths=[end - start for start, end in zip([-1, *last[:-1]], last, strict=True)],
        ),
        input_size=(cfg['img_size'],) * 2,
        in_channels=cfg['in_chans'],
        patch_kernel=cfg['patch_kernel'],
        patch_stride=cfg['patch_stride'],
        patch_padding=cfg['patch_padding'],
        pool_kernel=cfg['qkv_pool_kernel'],
        kv_stride=(cfg['adaptive_kv_stride'],) * 2,
        window_size=cfg['adaptive_window_size'] or None,
        coarse_last_kv=True,
        abs_pos='joint' if cfg['use_abs_pos'] else 'none',
        rel_pos='space' if cfg['use_rel_pos'] else 'none',
        residual_pooling=cfg['residual_pooling'],
        mlp_ratio=cfg['mlp_ratio'],
        qkv_bias=cfg['qkv_bias'],
        drop_path_rate=cfg['drop_path_rate'],
        pos_mode='bicubic',
        norm_cfg=dict(type='LN', eps=float(norm[1] or 1e-5)),
        out_indices=stages,
        out_type='featmap',
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like detectron2's MViT, alone or in a detector of theirs."""
    return any(re.search(r'(?:^|\.)scale[2-5]_norm\.weight$', name) for name in state_dict)


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Backbone parameters of their state dict under our names (`backbone.…`); heads of detectors are left out.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    prefix = next(
        (p for p in ('backbone.bottom_up.', 'backbone.') if any(n.startswith(p) for n in reference_state_dict)), ''
    )
    ours = {
        _PARAMETERS.ours(name.removeprefix(prefix)): value
        for name, value in reference_state_dict.items()
        if name.startswith(prefix)
    }
    positions = ours.get('backbone.pos_embed.joint')
    if positions is not None:
        # the class token of pre-training has a place in the file and none in the model
        side = round((positions.shape[1] - 1) ** 0.5)
        has_cls = side * side == positions.shape[1] - 1
        ours['backbone.pos_embed.joint'] = positions[:, int(has_cls) :]
    return ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict` for the backbone; the place of the class token comes back as zeros.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = {_PARAMETERS.theirs(name): value for name, value in state_dict.items()}
    if 'pos_embed' in theirs:
        theirs['pos_embed'] = torch.cat([torch.zeros_like(theirs['pos_embed'][:, :1]), theirs['pos_embed']], 1)
    return theirs
