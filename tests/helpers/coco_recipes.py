"""Recipes of COCO at the size of a test, on generated images."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from helpers.recipes import fit_heads, read, smaller
from mmhvt.synthetic.shapes_coco import FORMS


def read_coco(name: str) -> Config:
    """The config of a name under configs/coco."""
    return read(f'coco/{name}')


# of no paper
OURS_MVIT = 'mask-rcnn_mvit-base_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'
OURS_UNIFORMERV2 = 'mask-rcnn_uniformerv2-base-p16_clip-pre_sfp_64xb1-amp-lsj-100e_coco'
OURS_SWIN = 'mask-rcnn_video-swin-tiny_in1k-pre_fpn_8xb2-amp-ms-crop-36e_coco'
# without masks
FASTER = 'faster-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'
RETINA = 'retinanet_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'
DINO = 'dino-4scale_mvitv2-tiny_in1k-pre_8xb2-ms-crop-12e_coco'
BOXES = [FASTER, RETINA, DINO]
# MViTv2's system-level comparison
SYSTEM = 'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco'
# one of each backbone, framework and augmentation
COCO_RECIPES = [
    'mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-amp-lsj-100e_coco',
    'mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-amp-lsj-100e_coco',
    'mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-ms-crop-36e_coco',
    SYSTEM,
    OURS_MVIT,
    OURS_UNIFORMERV2,
    OURS_SWIN,
]


def micro_coco(name: str, shapes: Path, work_dir: Path, times: int = 4) -> Config:
    """A recipe with few channels, images of a fraction of the sides, and other data; all else as it stands."""
    config = read_coco(name)
    model, backbone = config.model, config.model.backbone
    sizes = dict(
        SMViT=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)),
        MViT=dict(version=2 if 'mvitv2' in name else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)),
        VideoSwin=dict(embed_dims=16, num_heads=(1, 1, 1, 1), depths=(1, 1, 1, 1)),
        UniFormerV2=dict(embed_dims=32, num_heads=2, depth=4, patch_size=16),
    )
    backbone.arch = sizes[backbone.type.removeprefix('mmhvt.')]
    backbone.update(init_cfg=None, drop_path_rate=0.0)
    fit_heads(config)
    boxes, masks = model.roi_head.bbox_head, model.roi_head.mask_head
    for head in [*(boxes if isinstance(boxes, list) else [boxes]), masks]:
        head.num_classes = len(FORMS)
    if 'tta_model' in config:
        config.tta_model.tta_cfg.max_per_img = 5
        config.tta_pipeline = smaller(config.tta_pipeline, times)
    if model.data_preprocessor.pad_size_divisor == 1024:
        model.data_preprocessor.pad_size_divisor //= times
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        folder = 'train' if split == 'train' else 'val'
        loader.dataset.update(
            data_root=f'{shapes}/',
            ann_file=f'annotations/instances_{folder}.json',
            data_prefix=dict(img=f'{folder}/'),
            metainfo=dict(classes=tuple(FORMS)),
            pipeline=smaller(loader.dataset.pipeline, times),
        )
    config.train_dataloader.dataset.filter_cfg = None
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = f'{shapes}/annotations/instances_val.json'
    config.optim_wrapper.type = 'OptimWrapper'  # mixed precision is for accelerators
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def built_detector(config: Config) -> nn.Module:
    """An initialized detector, in evaluation mode."""
    model = MODELS.build(config.model)
    model.init_weights()
    return model.eval()
