# Video Swin-B with windows of 16 tokens in time on Kinetics-400 from ImageNet-21K: what Something-Something V2 starts
# from (section 4.1). The paper has no result; the settings are those of windows of 8.
_base_ = [
    '../_base_/models/video_swin_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/video_swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(window_size=(16, 7, 7)),
    test_cfg=dict(max_testing_views=2))  # Video-Swin-Transformer configs/recognition/swin

train_dataloader = dict(
    batch_size=8,  # 64 in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
