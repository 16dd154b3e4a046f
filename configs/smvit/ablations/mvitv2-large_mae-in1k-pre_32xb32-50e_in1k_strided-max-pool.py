# Step 3 of 6 from MViTv2-L to SMViT-L on ImageNet-1K (table 1): relative positions replaced by absolute ones;
# convolutions replaced by max pools; max pools of stride 1 deleted. 85.4 top-1 in the paper.
_base_ = '../smvit-large_mae-in1k-pre_32xb32-50e_in1k.py'

pretrained = 'work_dirs/mae_mvitv2-large_64xb64-400e_in1k_strided-max-pool/epoch_400.pth'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_large',
        input_size=(224, 224),
        rel_pos='none',
        abs_pos='joint',
        pool_mode='max',
        full_q_pool=False,
        full_kv_pool=False,
        # "during both training and inference" (section 3.2)
        mask_unit_size=(8, 8),
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))
