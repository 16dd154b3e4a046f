"""What comes after the backbone in detectors of detectron2, in mmdet's names.

FPN, RPN, Mask R-CNN and Cascade Mask R-CNN (`detectron2.modeling`). Both libraries agree on the order of anchors, on
class-wise boxes, on the background as the last class and on layers after flattening (C, H, W), so that only names
differ. A cascade's one mask head is that of `mmhvt.OneMaskCascadeRoIHead`.
"""

import re
from collections.abc import Iterable

from ..names import prefixed
from ..source import StateDict

# beginnings of names that are translated
PARTS = (
    'backbone.fpn_', 'proposal_generator.rpn_head.', 'roi_heads.box_head.', 'roi_heads.box_predictor.',
    'roi_heads.mask_head.',
)  # fmt: skip
# what detectors compute themselves
COMPUTED = ('pixel_mean', 'pixel_std', 'proposal_generator.anchor_generator.cell_anchors.')

_BOXES = (
    ('box_head.{i}conv.{k}.{leaf}', 'bbox_head.{i}shared_convs.{k}.conv.{leaf}'),
    ('box_head.{i}conv.{k}.{norm}.{leaf}', 'bbox_head.{i}shared_convs.{k}.{norm}.{leaf}'),
    ('box_head.{i}fc.{k}.{leaf}', 'bbox_head.{i}shared_fcs.{k}.{leaf}'),
    ('box_predictor.{i}cls_score.{leaf}', 'bbox_head.{i}fc_cls.{leaf}'),
    ('box_predictor.{i}bbox_pred.{leaf}', 'bbox_head.{i}fc_reg.{leaf}'),
    ('mask_head.{i}mask_fcn.{k}.{leaf}', 'mask_head.{i}convs.{k}.conv.{leaf}'),
    ('mask_head.{i}mask_fcn.{k}.{norm}.{leaf}', 'mask_head.{i}convs.{k}.{norm}.{leaf}'),
    ('mask_head.{i}deconv.{leaf}', 'mask_head.{i}upsample.{leaf}'),
    ('mask_head.{i}predictor.{leaf}', 'mask_head.{i}conv_logits.{leaf}'),
)
# after `unpack_heads`; with the stages of a cascade, and without
TABLE = (
    ('backbone.fpn_lateral.{k}.{leaf}', 'neck.lateral_convs.{k}.conv.{leaf}'),
    ('backbone.fpn_lateral.{k}.{norm}.{leaf}', 'neck.lateral_convs.{k}.{norm}.{leaf}'),
    ('backbone.fpn_output.{k}.{leaf}', 'neck.fpn_convs.{k}.conv.{leaf}'),
    ('backbone.fpn_output.{k}.{norm}.{leaf}', 'neck.fpn_convs.{k}.{norm}.{leaf}'),
    ('proposal_generator.rpn_head.conv.{leaf}', 'rpn_head.rpn_conv.{leaf}'),
    ('proposal_generator.rpn_head.conv.{k}.{leaf}', 'rpn_head.rpn_conv.{k}.conv.{leaf}'),
    ('proposal_generator.rpn_head.objectness_logits.{leaf}', 'rpn_head.rpn_cls.{leaf}'),
    ('proposal_generator.rpn_head.anchor_deltas.{leaf}', 'rpn_head.rpn_reg.{leaf}'),
    *prefixed('roi_heads.', 'roi_head.', *((a.replace('{i}', ''), b.replace('{i}', '')) for a, b in _BOXES)),
    *prefixed('roi_heads.', 'roi_head.', *((a.replace('{i}', '{i}.'), b.replace('{i}', '{i}.')) for a, b in _BOXES)),
)
# layers with numbers, and the first number: theirs is part of the name, ours comes after a dot
_NUMBERED = {
    r'(backbone\.fpn_(?:lateral|output))': 2,
    r'(proposal_generator\.rpn_head\.conv\.conv)': 0,
    r'(roi_heads\.(?:box_head|mask_head)\.(?:\d+\.)?(?:conv|fc|mask_fcn))': 1,
}


def spare_reasons(names: Iterable[str], backbone: str) -> dict[str, str]:
    """Names of a detector that are not translated, and why.

    Args:
        names: Names in the file.
        backbone: Prefix of its backbone.
    """
    others = [name for name in names if not name.startswith((backbone, *PARTS))]
    return {n: 'computed, not learned' if n.startswith(COMPUTED) else 'no part of a Mask R-CNN' for n in others}


def unpack_heads(theirs: StateDict) -> StateDict:
    """Names of the parts after the backbone as :data:`TABLE` has them: layers numbered from 0, norms by their kind, and
    the mask head of a cascade as that of its first stage.
    """
    is_cascade = any(name.startswith('roi_heads.box_head.0.') for name in theirs)
    renamed = {}
    for name, value in theirs.items():
        # only BatchNorm has statistics
        kind = 'bn' if re.sub(r'\.norm\.\w+$', '.norm.running_mean', name) in theirs else 'ln'
        new = name.replace('.norm.', f'.{kind}.') if name.startswith(PARTS) else name
        for pattern, first in _NUMBERED.items():
            if match := re.match(rf'{pattern}(\d+)\.', new):
                new = f'{match[1]}.{int(match[2]) - first}.{new[match.end() :]}'
        new = new.replace('rpn_head.conv.conv.', 'rpn_head.conv.')
        renamed[re.sub(r'^roi_heads\.mask_head\.', '\\g<0>0.', new) if is_cascade else new] = value
    return renamed


def pack_heads(theirs: StateDict) -> StateDict:
    """Inverse of :func:`unpack_heads`."""
    renamed = {}
    for name, value in theirs.items():
        new = re.sub(r'\.(?:bn|ln)\.', '.norm.', name) if name.startswith(PARTS) else name
        new = re.sub(r'^roi_heads\.mask_head\.0\.', 'roi_heads.mask_head.', new)
        new = re.sub(r'(rpn_head\.conv)\.(\d+\.)', r'\1.conv.\2', new)
        for pattern, first in _NUMBERED.items():
            if match := re.match(rf'{pattern}\.(\d+)\.', new):
                new = f'{match[1]}{int(match[2]) + first}.{new[match.end() :]}'
        renamed[new] = value
    return renamed
