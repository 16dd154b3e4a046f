# UniFormerV2-B/16 on images, which is its ViT, Mask R-CNN: ours, the paper has no detection. The recipe is ViTDet's for
# ViT-B, whose heads and simple feature pyramid these are; all layers attend globally.
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    # those of CLIP's weights
    data_preprocessor=dict(mean=[122.771, 116.746, 104.094], std=[68.501, 66.632, 70.323]),
    backbone=dict(
        _delete_=True,
        type='mmhvt.UniFormerV2',
        arch='base',
        input_size=(224, 224),
        vit='clip',
        # the plain ViT: there is no time to model, and maps do not use global blocks
        local_layers=None,
        global_layers=None,
        drop_path_rate=0.1,
        out_type='featmap',
        init_cfg=dict(
            type='Pretrained',
            checkpoint=('https://openaipublic.azureedge.net/clip/models/'
                        '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt'))),
    neck=dict(
        _delete_=True,
        type='mmhvt.SimpleFeaturePyramid',
        in_channels=768,
        out_channels=256,
        num_outs=5))

optim_wrapper = dict(
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    optimizer=dict(lr=1e-4),  # for 64 images
    paramwise_cfg=dict(layer_decay_rate=0.7))
