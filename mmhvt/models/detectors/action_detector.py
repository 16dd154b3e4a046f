"""Who does what: actions of persons whose boxes are given."""

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
    """mmdet's FastRCNN with mmaction2's AVARoIHead on a backbone of this package (papers/mvit, appendix D.2; papers/
    mvitv2, appendix B.6; papers/smvit, appendix A.1).

    The RoI extractor's stride comes from the backbone, so that a config cannot say another. Clips may have any height
    and width. Of the top 3 and top 5 that `BBoxHeadAVA` logs in training, what `num_classes` allows is left, or top 1.

    Args:
        backbone: With `out_type='featmap'` and one output.
        roi_head: mmaction2's `AVARoIHead` with a `SingleRoIExtractor3D`, which takes the mean over time and then aligns
            (aligning each frame first gives the same, since both are linear), and a `BBoxHeadAVA`.
        kwargs: As mmdet's: train_cfg, test_cfg, neck, data_preprocessor, init_cfg.

    Raises:
        TypeError: If the backbone is another package's, which does not tell its stride.
        ValueError: If the backbone gives no feature map or more than one, or the config's own `topk` is beyond
            `num_classes`.
    """

    def __init__(self, backbone: dict, roi_head: dict, **kwargs) -> None:
        super().__init__(backbone=backbone, roi_head=_with_topk(roi_head), **kwargs)
        if not hasattr(self.backbone, 'out_strides'):
            raise TypeError(
                f"ActionDetector: {type(self.backbone).__name__} does not tell its stride, mmhvt's backbones do; "
                "others go into type='FastRCNN' with featmap_stride in the bbox_roi_extractor"
            )
        strides = self.backbone.out_strides
        if self.backbone.out_type != 'featmap' or len(strides) != 1:
            raise ValueError(
                f"ActionDetector: the backbone has out_type='{self.backbone.out_type}' and {len(strides)} outputs; "
                "boxes need out_type='featmap' and one of out_indices"
            )
        *_, height, width = strides[0]
        if height != width:
            raise ValueError(f'ActionDetector: RoIAlign needs one stride, the backbone has {height} and {width}')
        extractor = self.roi_head.bbox_roi_extractor
        extractor.featmap_stride = width
        extractor.spatial_scale = extractor.roi_layer.spatial_scale = 1 / width

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(N, C, T, H, W) of any H and W -> feature maps, filled up to whole patches at the right and the bottom.

        Zeros, behind the normalisation, are what the convolution of a patch embedding sees there anyway. Boxes, which
        count from the left and the top, stay where they are. Maps are of 32 bits under autocast too: mmcv's RoIAlign
        takes no bfloat16, and no float16 beside boxes of 32 bits.
        """
        down, right = (-n % s for n, s in zip(batch_inputs.shape[-2:], self.backbone.patch_stride[-2:], strict=True))
        if down or right:
            batch_inputs = F.pad(batch_inputs, (0, right, 0, down))
        return tuple(feature.float() for feature in super().extract_feat(batch_inputs))

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict:
        """Losses of those key frames in which there is a person; zero if there is none in the whole batch.

        Raises:
            ValueError: If a sample has no proposals (an empty list will do), or a box with negative sides.
        """
        self._check_boxes(batch_data_samples, 'gt_instances')
        there = [i for i, sample in enumerate(batch_data_samples) if len(sample.gt_instances)]
        if not there:
            # of all parameters, for which DistributedDataParallel waits
            return dict(loss_action_cls=sum(p.sum() * 0 for p in self.parameters() if p.requires_grad))
        if len(there) < len(batch_data_samples):
            batch_inputs, batch_data_samples = batch_inputs[there], [batch_data_samples[i] for i in there]
        return super().loss(batch_inputs, batch_data_samples)

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Adds `pred_instances` to each sample of a batch: `scores` (boxes, num_classes) of the proposals in their
        order, and `bboxes` (boxes, 4), shares of the whole picture: `whole_proposals` of the sample's metainfo if it
        has them (:class:`mmhvt.KeepWholeProposals`), otherwise what crops left.

        Raises:
            ValueError: If a sample has no proposals (an empty list will do), or a box with negative sides.
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
        """Boxes and scores of a sample, of (1, C, T, H, W); None of a sample without proposals."""
        if features is None:
            boxes, classes = sample.proposals.bboxes, self.roi_head.bbox_head.num_classes
            return InstanceData(bboxes=boxes.new_zeros(0, 4), scores=boxes.new_zeros(0, classes))
        # AVARoIHead takes one sample at a time
        (found,) = self.roi_head.predict(features, [sample.proposals], [sample], rescale=rescale)
        found.scores = found.scores.float()  # metrics take no bfloat16
        if (whole := sample.metainfo.get('whole_proposals')) is not None:
            found.bboxes = found.bboxes.new_tensor(whole)
        return found

    @staticmethod
    def _check_boxes(samples: list, *others: str) -> None:
        """Refuses boxes that RoIAlign fails at, or reads on the GPU as it likes."""
        for sample in samples:
            where = f'key frame {sample.metainfo.get("img_key", "")}'.rstrip()
            if 'proposals' not in sample:
                raise ValueError(
                    f'ActionDetector: {where} has no proposals: give the dataset a proposal_file, which may lack key '
                    'frames (mmaction2 takes the whole picture for them)'
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
                        f'ActionDetector: {where} has {box} among its {kind}, in pixels: a box is x1, y1, x2, y2 with '
                        'x1 ≤ x2 and y1 ≤ y2'
                    )


def _with_topk(roi_head: dict) -> dict:
    """The config of a RoI head whose BBoxHeadAVA logs what its number of classes allows."""
    head = roi_head.get('bbox_head')
    kind = head.get('type') if isinstance(head, dict) else None
    kind = MMDET_MODELS.get(kind) if isinstance(kind, str) else kind  # which is where FastRCNN looks
    if not (inspect.isclass(kind) and issubclass(kind, BBoxHeadAVA)):
        return roi_head
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    num_classes, topk = head.get('num_classes', defaults.get('num_classes')), head.get('topk')
    if topk is None and 'topk' not in head:
        topk = tuple(k for k in defaults['topk'] if k < num_classes) or (1,)
    elif isinstance(topk, list):
        topk = tuple(topk)  # of JSON and of --cfg-options
    for k in topk if isinstance(topk, tuple) else [topk]:
        if isinstance(k, int) and not 0 < k < num_classes:
            raise ValueError(
                f'ActionDetector: bbox_head has topk={topk}, but num_classes={num_classes} with class 0 of nobody: k '
                f'goes from 1 to {num_classes - 1}. Leave topk out, and what fits is logged'
            )
    return {**roi_head, 'bbox_head': {**head, 'topk': topk}}
