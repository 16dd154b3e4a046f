# Video Swin-L on Kinetics-600 from ImageNet-21K: the paper has no result. Numbers are those of section
# 4.1.
_base_ = [
    '../_base_/models/video_swin_large.py',
    '../_base_/datasets/kinetics600.py',
    '../_base_/pipelines/video_swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

model = dict(
    cls_head=dict(num_classes=600),
    test_cfg=dict(max_testing_views=2))  # ours, for memory

train_dataloader = dict(
    batch_size=8,  # 64 in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# Swin-B's: paper and authors' code are silent; as in mmaction2
optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
