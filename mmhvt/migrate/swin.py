"""Swin for images from the papers' own code (microsoft/Swin-Transformer): configs and state dicts.

Where a whole stage is smaller than its window, theirs has smaller tables of relative positions, which ours does not
have; no published model is such. Positions in windows (`relative_position_index`) and masks (`attn_mask`), which are
no parameters, are left out and not exported: load what is exported with `strict=False`.
"""

from torch import Tensor

from . import video_swin
from .names import Names

# names of golden files and of the command line
NAMES = ('Swin-Transformer', 'swin')

# their names -> Video Swin's
_PARAMETERS = Names(
    'Swin',
    ('head.{leaf}', 'cls_head.fc_cls.{leaf}'),
    ('patch_embed.{rest}', 'backbone.patch_embed.{rest}'),
    ('layers.{rest}', 'backbone.layers.{rest}'),
    ('norm.{leaf}', 'backbone.norm.{leaf}'),
)

_DEFAULTS = dict(
    img_size=224,
    patch_size=4,
    in_chans=3,
    embed_dim=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    mlp_ratio=4.0,
    qkv_bias=True,
    drop_path_rate=0.1,
    norm_layer='LN',
    patch_norm=True,
    use_checkpoint=False,
)
# what does not change the backbone
_IGNORED = {'type', 'num_classes', 'fused_window_process'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of their `SwinTransformer`.

    Args:
        reference_config: Its arguments; those left out have its defaults. `norm_layer` is 'LN' or 'LN eps=…'.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = video_swin.settings('Swin', reference_config, _DEFAULTS, video_swin.FIXED | dict(ape=False), _IGNORED)
    pairs = {
        ours: (cfg[theirs],) * 2 if isinstance(cfg[theirs], int) else tuple(cfg[theirs])
        for ours, theirs in dict(input_size='img_size', patch_size='patch_size', window_size='window_size').items()
    }
    return video_swin.common_cfg('Swin', cfg) | pairs


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like their classifier; timm's begin stages with a merging, not end them."""
    return video_swin.recognise_axes(state_dict, 2, '') and 'layers.0.downsample.reduction.weight' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Swin does not have.
    """
    return video_swin.state_dict({_PARAMETERS.ours(name): value for name, value in reference_state_dict.items()})


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that Swin does not have.
    """
    return {_PARAMETERS.theirs(name): value for name, value in video_swin.export_recognizer(state_dict).items()}
