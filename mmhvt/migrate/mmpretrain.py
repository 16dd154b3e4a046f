"""MViT for images from mmpretrain (`mmpretrain.models.MViT` in an `ImageClassifier`): configs and state dicts.

Several scales are not comparable, see :mod:`mmhvt.migrate.mmaction`.
"""

from torch import Tensor

from . import mmaction
from .names import Names

# names of golden files and of the command line
NAMES = ('mmpretrain', 'mmcls')

# their names -> mmaction2's
_PARAMETERS = Names(
    "mmpretrain's MViT",
    ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
    ('backbone.{rest}', 'backbone.{rest}'),
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `mmpretrain.models.MViT`.

    Args:
        reference_config: Its arguments; those left out have its defaults.

    Raises:
        ValueError: For an argument that is not known, or several scales.
    """
    cfg = dict(
        arch='base',
        img_size=224,
        in_channels=3,
        out_scales=-1,
        drop_path_rate=0.0,
        use_abs_pos_embed=False,
        interpolate_mode='bicubic',
        pool_kernel=(3, 3),
        dim_mul=2,
        head_mul=2,
        adaptive_kv_stride=4,
        rel_pos_spatial=True,
        residual_pooling=True,
        dim_mul_in_attention=True,
        mlp_ratio=4.0,
        qkv_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6),
        patch_cfg=dict(kernel_size=7, stride=4, padding=3),
    )
    ours = mmaction.common_cfg('mmpretrain', cfg, reference_config, 2, q_stride=(2, 2))
    cfg |= reference_config
    size = cfg['img_size']
    return ours | dict(
        input_size=(size, size) if isinstance(size, int) else tuple(size),
        kv_stride=(cfg['adaptive_kv_stride'],) * 2,
        rel_pos='space' if cfg['rel_pos_spatial'] else 'none',
        out_type='avg_featmap',
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a classifier of mmpretrain with an MViT."""
    return mmaction.recognise_axes(state_dict, 2)


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViT does not have.
    """
    return mmaction.state_dict({_PARAMETERS.ours(name): value for name, value in reference_state_dict.items()})


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    return {_PARAMETERS.theirs(name): value for name, value in mmaction.export(state_dict).items()}
