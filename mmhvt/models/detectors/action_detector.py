"""Action detection for persons whose boxes are given.

Papers: MViT (https://arxiv.org/abs/2104.11227), MViTv2 (https://arxiv.org/abs/2112.01526), Hiera
(https://arxiv.org/abs/2306.00989).
"""

import inspect

import torch.nn.functional as F
from mmaction.models import BBoxHeadAVA
from mmaction.structures import ActionDataSample
from mmdet.models import FastRCNN
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from mmhvt.registry import MODELS


@MODELS.register_module()
class ActionDetector(FastRCNN):
    """mmdet's FastRCNN with mmaction2's AVARoIHead on a backbone of mmhvt.

    See MViT, appendix D.2; MViTv2, appendix B.6; Hiera, appendix A.1. The stride of the RoI extractor comes from the
    backbone. Clips may have any height and width. `BBoxHeadAVA` logs the top-3 and top-5 accuracy as far as
    `num_classes` allows, or else top-1.

    Args:
        backbone: Config of a backbone with `out_type='featmap'` and one output.
        roi_head: Config of mmaction2's `AVARoIHead` with a `BBoxHeadAVA` and a `SingleRoIExtractor3D`, which averages
            over time before RoIAlign. Since both are linear, aligning each frame first gives the same.
        kwargs: Arguments of mmdet's FastRCNN: train_cfg, test_cfg, neck, data_preprocessor, init_cfg.

    Raises:
        TypeError: If the backbone has no `out_strides`, like those of other packages.
        ValueError: If the backbone does not return exactly one feature map, or if `topk` in the config exceeds
            `num_classes`.
    """

    def __init__(self, backbone: dict, roi_head: dict, **kwargs) -> None:
        super().__init__(backbone=backbone, roi_head=_with_topk(roi_head), **kwargs)
        if not hasattr(self.backbone, 'out_strides'):
            raise TypeError(
                f'ActionDetector: {type(self.backbone).__name__} has no out_strides: use a backbone of mmhvt, or '
                "type='FastRCNN' with featmap_stride in the bbox_roi_extractor"
            )
        strides = self.backbone.out_strides
        if self.backbone.out_type != 'featmap' or len(strides) != 1:
            raise ValueError(
                f"ActionDetector needs a backbone with out_type='featmap' and one entry in out_indices, got "
                f"out_type='{self.backbone.out_type}' and {len(strides)} outputs"
            )
        *_, height, width = strides[0]
        if height != width:
            raise ValueError(f'ActionDetector: RoIAlign needs equal strides, got a backbone with {height} and {width}')
        extractor = self.roi_head.bbox_roi_extractor
        extractor.featmap_stride = width
        extractor.spatial_scale = extractor.roi_layer.spatial_scale = 1 / width

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Computes feature maps of clips, which are padded to whole patches on the right and at the bottom.

        The padding is zero after normalization, like that of the patch embedding's convolution. Boxes stay valid, since
        their coordinates start at the top left.

        Args:
            batch_inputs: Clips (N, C, T, H, W).

        Returns:
            tuple[Tensor, ...]: Maps (N, C', T', H', W'), float32 under autocast, too: mmcv's RoIAlign does not take
            bfloat16, nor float16 with float32 boxes.
        """
        down, right = (-n % s for n, s in zip(batch_inputs.shape[-2:], self.backbone.patch_stride[-2:], strict=True))
        if down or right:
            batch_inputs = F.pad(batch_inputs, (0, right, 0, down))
        return tuple(feature.float() for feature in super().extract_feat(batch_inputs))

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict:
        """Computes the losses of the key frames that contain a person, or zero if there are none in the batch.

        Raises:
            ValueError: If a sample lacks proposals (they may be empty) or has a box with negative sides.
        """
        self._check_boxes(batch_data_samples, 'gt_instances')
        there = [i for i, sample in enumerate(batch_data_samples) if len(sample.gt_instances)]
        if not there:
            # zero gradients for all parameters, since DistributedDataParallel waits for them
            return dict(loss_action_cls=sum(p.sum() * 0 for p in self.parameters() if p.requires_grad))
        if len(there) < len(batch_data_samples):
            batch_inputs, batch_data_samples = batch_inputs[there], [batch_data_samples[i] for i in there]
        return super().loss(batch_inputs, batch_data_samples)

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Adds `pred_instances` to each sample of a batch.

        They have `scores` (num_boxes, num_classes) in the order of the proposals, and `bboxes` (num_boxes, 4) relative
        to the size of the frame: `whole_proposals` of the metainfo if :class:`mmhvt.KeepWholeProposals` wrote them,
        otherwise what crops left of the proposals.

        Raises:
            ValueError: If a sample lacks proposals (they may be empty) or has a box with negative sides.
        """
        self._check_boxes(batch_data_samples)
        there = [i for i, sample in enumerate(batch_data_samples) if len(sample.proposals)]
        if len(there) < len(batch_data_samples):
            batch_inputs = batch_inputs[there]
        features = self.extract_feat(batch_inputs) if there else ()
        maps = dict(zip(there, zip(*(feature.split(1) for feature in features), strict=True), strict=True))
        found = [self._predict_one(maps.get(i), sample, rescale) for i, sample in enumerate(batch_data_samples)]
        return self.add_pred_to_datasample(batch_data_samples, found)

    def _predict_one(
        self, features: tuple[Tensor, ...] | None, sample: ActionDataSample, rescale: bool
    ) -> InstanceData:
        """Predicts one sample from its maps (1, C, T, H, W), which are None if it has no proposals."""
        if features is None:
            boxes, classes = sample.proposals.bboxes, self.roi_head.bbox_head.num_classes
            return InstanceData(bboxes=boxes.new_zeros(0, 4), scores=boxes.new_zeros(0, classes))
        # AVARoIHead predicts one sample at a time
        (found,) = self.roi_head.predict(features, [sample.proposals], [sample], rescale=rescale)
        found.scores = found.scores.float()  # metrics do not take bfloat16
        if (whole := sample.metainfo.get('whole_proposals')) is not None:
            found.bboxes = found.bboxes.new_tensor(whole)
        return found

    @staticmethod
    def _check_boxes(samples: list, *others: str) -> None:
        """Rejects boxes on which RoIAlign fails or, on a GPU, has undefined results."""
        for sample in samples:
            where = f'key frame {sample.metainfo.get("img_key", "")}'.rstrip()
            if 'proposals' not in sample:
                raise ValueError(
                    f'ActionDetector: {where} has no proposals: set proposal_file of the dataset. For key frames that '
                    'the file lacks, mmaction2 uses the whole frame'
                )
            for kind in others:
                if kind not in sample:
                    raise ValueError(f'ActionDetector: {where} has no {kind} to train on')
            for kind in ('proposals', *others):
                boxes = sample.get(kind).bboxes
                wrong = ~(boxes[:, 2:] >= boxes[:, :2]).all(1)
                if wrong.any():
                    box = [round(side, 2) for side in boxes[wrong][0].tolist()]
                    raise ValueError(
                        f'ActionDetector: {where} has the box {box} among its {kind}, in pixels: a box must be x1, y1, '
                        'x2, y2 with x1 ≤ x2 and y1 ≤ y2'
                    )


def _with_topk(roi_head: dict) -> dict:
    """Returns the config of an RoI head, with a `topk` in its BBoxHeadAVA that `num_classes` allows."""
    head = roi_head.get('bbox_head')
    if not isinstance(head, dict):
        return roi_head
    kind = head.get('type')
    kind = MMDET_MODELS.get(kind) if isinstance(kind, str) else kind  # the registry in which FastRCNN looks
    if not (inspect.isclass(kind) and issubclass(kind, BBoxHeadAVA)):
        return roi_head
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    num_classes = head['num_classes'] if 'num_classes' in head else defaults['num_classes']
    topk = head.get('topk')
    if topk is None and 'topk' not in head:
        topk = tuple(k for k in defaults['topk'] if k < num_classes) or (1,)
    elif isinstance(topk, list):
        topk = tuple(topk)  # from JSON or --cfg-options
    for k in topk if isinstance(topk, tuple) else [topk]:
        if isinstance(k, int) and not 0 < k < num_classes:
            raise ValueError(
                f'ActionDetector: bbox_head has topk={topk}, but num_classes={num_classes} includes the background: k '
                f'must be from 1 to {num_classes - 1}. Remove topk to log what fits'
            )
    return {**roi_head, 'bbox_head': {**head, 'topk': topk}}
