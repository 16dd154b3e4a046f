"""UniFormerV2 from mmaction2 (`mmaction.models.UniFormerV2` in a `Recognizer3D`): configs and state dicts."""

from torch import Tensor

from . import uniformerv2
from .names import Names

# names of golden files and of the command line
NAMES = ('mmaction2-uniformerv2', 'mmaction-uniformerv2')

# their names -> the authors'
_PARAMETERS = Names(
    "mmaction2's UniFormerV2",
    ('backbone.transformer.norm.{leaf}', 'transformer.proj.0.{leaf}'),
    ('cls_head.fc_cls.{leaf}', 'transformer.proj.2.{leaf}'),
    ('backbone.{rest}', '{rest}'),
)

_DEFAULTS = dict(
    temporal_downsample=False,
    no_lmhra=True,
    double_lmhra=False,
    t_size=8,
    n_layers=4,
    n_dim=768,
    n_head=12,
    kernel_size=3,
)
# initialisation is no business of weights that are there
_IGNORED = ('type', 'clip_pretrained', 'pretrained', 'init_cfg')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of their `UniFormerV2`.

    Args:
        reference_config: Its arguments; those left out have its defaults.

    Raises:
        ValueError: For an argument that is not known or that our class does not have.
    """
    cfg = _DEFAULTS | {key: value for key, value in reference_config.items() if key not in _IGNORED}
    if 'input_resolution' in cfg:
        cfg['resolution'] = cfg.pop('input_resolution')
    return uniformerv2.backbone_cfg(cfg)


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a recognizer of mmaction2 with a UniFormerV2."""
    return 'backbone.transformer.balance' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that UniFormerV2 does not have.
    """
    return uniformerv2.state_dict({_PARAMETERS.ours(name): value for name, value in reference_state_dict.items()})


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that their UniFormerV2 does not have.
    """
    return {_PARAMETERS.theirs(name): value for name, value in uniformerv2.export(state_dict).items()}
