# MViTv2-L 16×4 on Kinetics-400 from scratch (B.4): 80.5 top-1 in SMViT's paper (table 1), which has it from Wei et al.
# (MaskFeat). Channels expand as in their SlowFast configs/masked_ssl/k400_MVITv2_L_16x4_FT.yaml, which gives the 218 M
# parameters of SMViT's table 4; it does not have the stronger pooling of keys, by a factor of 2, of their supervised
# model (section 3.2).
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='v2_large',
        expand_in='mlp',
        # as from ImageNet-21K: SlowFast configs/Kinetics/MVITv2_L_40x3_test.yaml
        drop_path_rate=0.75),
    cls_head=dict(in_channels=1152))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
