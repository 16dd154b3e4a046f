"""Who does what: actions of persons whose boxes are given."""

from mmdet.models import FastRCNN

from mmhvt.registry import MODELS


@MODELS.register_module()
class ActionDetector(FastRCNN):
    """mmdet's FastRCNN with mmaction2's AVARoIHead on a backbone of this package (papers/mvit, appendix D.2; papers/
    smvit, appendix A.1).

    The RoI extractor's stride comes from the backbone, so that a config cannot say another.

    Args:
        backbone: With `out_type='featmap'` and one output.
        roi_head: mmaction2's `AVARoIHead` with a `SingleRoIExtractor3D`, which takes the mean over time and then aligns
            (aligning each frame first gives the same, since both are linear), and a `BBoxHeadAVA`.
        kwargs: As mmdet's: train_cfg, test_cfg, neck, data_preprocessor, init_cfg.

    Raises:
        ValueError: If the backbone gives no feature map or more than one.
    """

    def __init__(self, backbone: dict, roi_head: dict, **kwargs) -> None:
        super().__init__(backbone=backbone, roi_head=roi_head, **kwargs)
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
