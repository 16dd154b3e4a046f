"""Video Swin from torchvision (`torchvision.models.video`): configs and state dicts.

Positions in windows (`relative_position_index`), which are no parameters, are left out and not exported: load what is
exported with `strict=False`.
"""

import re

from torch import Tensor

from . import video_swin
from .names import Names

# names of golden files and of the command line
NAMES = ('torchvision-swin3d',)

# their names, stages and mergings as Video Swin's -> Video Swin's
_PARAMETERS = Names(
    "torchvision's Video Swin",
    ('head.{leaf}', 'cls_head.fc_cls.{leaf}'),
    ('patch_embed.{rest}', 'backbone.patch_embed.{rest}'),
    ('layers.{i}.blocks.{i_block}.mlp.0.{leaf}', 'backbone.layers.{i}.blocks.{i_block}.mlp.fc1.{leaf}'),
    ('layers.{i}.blocks.{i_block}.mlp.3.{leaf}', 'backbone.layers.{i}.blocks.{i_block}.mlp.fc2.{leaf}'),
    ('layers.{rest}', 'backbone.layers.{rest}'),
    ('norm.{leaf}', 'backbone.norm.{leaf}'),
)

_MODELS = dict(swin3d_t='tiny', swin3d_s='small', swin3d_b='base')
_STRUCTURE = ('patch_size', 'embed_dim', 'depths', 'num_heads', 'window_size')
# what is only supported as their own models have it
_FIXED = dict(dropout=0.0, attention_dropout=0.0, norm_layer=None, block=None, patch_embed=None)
# what does not change the backbone
_IGNORED = {'name', 'weights', 'progress', 'num_classes'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of a model of theirs.

    Args:
        reference_config: Either `name`, 'swin3d_t', 'swin3d_s' or 'swin3d_b', with arguments beside it; or the
            arguments of `torchvision.models.video.swin_transformer.SwinTransformer3d`.

    Raises:
        ValueError: For a name or an argument that is not known or that is missing.
    """
    name = reference_config.get('name')
    if name is not None and name not in _MODELS:
        raise ValueError(f'torchvision: no Video Swin {name!r}: choose from {", ".join(_MODELS)}, or give a structure')
    structure = () if name else _STRUCTURE
    missing = [key for key in structure if key not in reference_config]
    if missing:
        raise ValueError(f'torchvision: arguments of Video Swin missing: {", ".join(missing)}; or give a name')
    defaults = dict.fromkeys(structure) | dict(mlp_ratio=4.0, stochastic_depth_prob=0.1)
    cfg = video_swin.settings('torchvision', reference_config, defaults, _FIXED, _IGNORED)
    ours = dict(type='mmhvt.VideoSwin', mlp_ratio=cfg['mlp_ratio'], drop_path_rate=cfg['stochastic_depth_prob'])
    if name:
        return ours | dict(arch=_MODELS[name])
    return ours | dict(
        arch=dict(embed_dims=cfg['embed_dim'], depths=tuple(cfg['depths']), num_heads=tuple(cfg['num_heads'])),
        patch_size=tuple(cfg['patch_size']),
        window_size=tuple(cfg['window_size']),
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like torchvision's Video Swin."""
    return 'patch_embed.proj.weight' in state_dict and 'features.0.0.attn.relative_position_bias_table' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Video Swin does not have.
    """

    def layer(match: re.Match) -> str:
        stage, merges = divmod(int(match[1]), 2)
        return f'layers.{stage}.{"downsample" if merges else "blocks"}.'

    return video_swin.state_dict(
        {
            _PARAMETERS.ours(re.sub(r'^features\.(\d+)\.', layer, name)): value
            for name, value in reference_state_dict.items()
        }
    )


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that Video Swin does not have.
    """

    def feature(match: re.Match) -> str:
        return f'features.{2 * int(match[1]) + (match[2] == "downsample")}.'

    return {
        re.sub(r'^layers\.(\d+)\.(blocks|downsample)\.', feature, _PARAMETERS.theirs(name)): value
        for name, value in video_swin.export_recognizer(state_dict).items()
    }
