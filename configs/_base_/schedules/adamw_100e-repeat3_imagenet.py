# AdamW with linear warm-up and cosine decay, as MViT trains on ImageNet-1K (mvit, D.5), which refers to DeiT: main.py
# of facebookresearch/deit. 100 epochs with 3 repeated augmentation repetitions. mmpretrain's sampler is DeiT's: an
# epoch of it has as many samples as the dataset has images, from a third of them, so 300 are 100 of the paper.
_base_ = 'adamw_300e_imagenet.py'

optim_wrapper = dict(optimizer=dict(lr=4e-3))  # 0.0005 for 512 images: for 4096
# 5 epochs from 1e-6, to 1e-5
param_scheduler = [
    dict(_base_.warmup, start_factor=1e-6 / 4e-3, end=5),
    dict(_base_.cosine, eta_min_ratio=1e-5 / 4e-3, begin=5)
]

auto_scale_lr = dict(base_batch_size=4096)
