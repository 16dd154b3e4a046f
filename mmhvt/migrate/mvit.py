"""MViTv2 for images from facebookresearch/mvit: configs and state dicts.

Its names are PySlowFast's, but it pools images as images: kernels have two axes, and its config has no options of
video. A model that does not pool by convolutions is taken for PySlowFast's, which comes to the same.
"""

from torch import Tensor

from . import pyslowfast

# names of golden files and of the command line
NAMES = ('mvit',)

# where theirs differ from PySlowFast's
_DEFAULTS = dict(
    CLS_EMBED_ON=False,
    PATCH_KERNEL=[7, 7],
    PATCH_STRIDE=[4, 4],
    PATCH_PADDING=[3, 3],
    USE_ABS_POS=False,
    REL_POS_SPATIAL=True,
    RESIDUAL_POOLING=True,
    DIM_MUL_IN_ATT=True,
)
_OF_VIDEO = ('PATCH_2D', 'SEP_POS_EMBED', 'REL_POS_TEMPORAL', 'NUM_FRAMES')
# numbers an axis, and whether they are in rows behind the number of a block
_PER_AXIS = dict(
    PATCH_KERNEL=False,
    PATCH_STRIDE=False,
    PATCH_PADDING=False,
    POOL_KVQ_KERNEL=False,
    POOL_KV_STRIDE_ADAPTIVE=False,
    POOL_Q_STRIDE=True,
    POOL_KV_STRIDE=True,
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the `MVIT` section of a config of theirs.

    Args:
        reference_config: The section, what it leaves out having their defaults, with `CROP`, the training crop (one
            number) of its `DATA` section.

    Raises:
        ValueError: For an option of video or one that no recipe of theirs uses, or stages that are not alike.
    """
    cfg = _DEFAULTS | reference_config
    video = [key for key in _OF_VIDEO if key in cfg]
    if video:
        raise ValueError(f'mvit: {", ".join(video)}: options of PySlowFast, which facebookresearch/mvit does not have')
    for key, in_rows in _PER_AXIS.items():
        for row in cfg.get(key) or [] if in_rows else [cfg.get(key)]:
            if row is not None and len(row) != 2 + in_rows:
                numbers = 'a block and two strides a row' if in_rows else 'two numbers'
                raise ValueError(f'mvit: MVIT.{key}={cfg[key]!r}: images have {numbers}; video is PySlowFast')
    if 'CROP' not in cfg:
        raise ValueError('mvit: the MVIT section needs CROP, the crop of the DATA section, beside it')
    try:
        return pyslowfast.backbone_cfg(cfg | dict(PATCH_2D=True, NUM_FRAMES=None))
    except ValueError as error:
        raise ValueError(f'mvit: as a config of PySlowFast: {error}') from error


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names and kernels look like an MViT for images of theirs."""
    return pyslowfast.recognise_names(state_dict) and pyslowfast.pools_images(state_dict)


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViT does not have.
    """
    return pyslowfast.state_dict(reference_state_dict)


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    theirs = pyslowfast.export(state_dict)
    return {name: value.squeeze(2) if '.attn.pool_' in name else value for name, value in theirs.items()}
