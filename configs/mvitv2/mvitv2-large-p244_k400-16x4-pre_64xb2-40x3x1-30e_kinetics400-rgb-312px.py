# MViTv2-L 40×3 on Kinetics-400 at 312², from 16×4 at 224² (B.4: "For long-term models with 40×3
# sampling").
_base_ = [
    '../_base_/models/mvitv2_large.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit_40x3_312px.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

# relative positions are resized as the file is loaded
pretrained = 'work_dirs/mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics400-rgb/epoch_75.pth'

model = dict(
    # mixup is disabled, and with it CutMix: SlowFast configs/Kinetics/MVITv2_L_40x3_test.yaml, which recomputes
    # activations and has no repeated augmentation
    data_preprocessor=dict(blending=None),
    backbone=dict(
        input_size=(40, 312, 312),
        with_cp=True,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # the classifier is also loaded from the file
    cls_head=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='cls_head.')),
    # of the 15 views of a video at a time; for batches of one video
    test_cfg=dict(max_testing_views=5))

train_dataloader = dict(
    batch_size=2,  # 128 in all with 64 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        lr=1.6e-5,  # for 128 clips
        weight_decay=1e-8))
# no warm-up: no code for it is released
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=30,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=128)
