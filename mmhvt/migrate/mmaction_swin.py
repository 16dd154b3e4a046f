"""Video Swin from mmaction2 (`mmaction.models.SwinTransformer3D` in a `Recognizer3D`): configs and state dicts.

Its norms are numbered by stages, the last one's too. Positions in windows (`relative_position_index`), which are no
parameters, are left out and not exported: load what is exported with `strict=False`.
"""

import re
from collections.abc import Iterable

from torch import Tensor

from . import video_swin

# names of golden files and of the command line
NAMES = ('mmaction2-swin', 'mmaction-swin')

_ARCHS = dict(t='tiny', s='small', b='base', l='large')
_DEFAULTS = dict(
    arch=None,
    patch_size=(2, 4, 4),
    in_channels=3,
    window_size=(8, 7, 7),
    mlp_ratio=4.0,
    qkv_bias=True,
    drop_path_rate=0.1,
    norm_cfg=dict(type='LN'),
    patch_norm=True,
    frozen_stages=-1,
    with_cp=False,
    out_indices=(3,),
)
_FIXED = video_swin.FIXED | dict(act_cfg=dict(type='GELU'), out_after_downsample=False)
# initialisation is no business of weights that are there
_IGNORED = {'type', 'pretrained', 'pretrained2d', 'init_cfg'}

_LAYER = re.compile(r'backbone\.layers\.(\d+)\.')
_NORM = re.compile(r'backbone\.norm(\d+)\.')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `mmaction.models.SwinTransformer3D`.

    Args:
        reference_config: Its arguments; those left out have its defaults, `arch` has none.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = video_swin.settings('mmaction2', reference_config, _DEFAULTS, _FIXED, _IGNORED)
    arch = cfg['arch']
    if not isinstance(arch, dict):
        arch = str(arch).lower()
        arch = _ARCHS.get(arch, arch)
        if arch not in _ARCHS.values():
            raise ValueError(
                f'mmaction2: no Video Swin {cfg["arch"]!r}: choose from {", ".join(_ARCHS.values())}, or give a dict'
            )
    return cfg | dict(
        type='mmhvt.VideoSwin',
        arch=arch,
        patch_size=tuple(cfg['patch_size']),
        window_size=tuple(cfg['window_size']),
        norm_cfg=dict(cfg['norm_cfg']),
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a recognizer of mmaction2 with a Video Swin."""
    return video_swin.recognise_axes(state_dict, 3, 'backbone.') and any(map(_NORM.match, state_dict))


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Video Swin does not have.
    """
    last = _last_norm(reference_state_dict)
    inner = {k: v for k, v in reference_state_dict.items() if _NORM.match(k) and not k.startswith(last)}
    theirs = {k.replace(last, 'backbone.norm.'): v for k, v in reference_state_dict.items() if k not in inner}
    return video_swin.state_dict(theirs) | inner  # inner norms are alike in ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that Video Swin does not have.
    """
    inner = {name: value for name, value in state_dict.items() if _NORM.match(name)}
    theirs = video_swin.export_recognizer({k: v for k, v in state_dict.items() if k not in inner})
    last = _last_norm(theirs)
    return {name.replace('backbone.norm.', last): value for name, value in theirs.items()} | inner


def _last_norm(names: Iterable[str]) -> str:
    """Their name of the last stage's norm."""
    return f'backbone.norm{max((int(match[1]) for match in map(_LAYER.match, names) if match), default=0)}.'
