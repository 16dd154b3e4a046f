# The smallest UniFormerV2 without its local UniBlocks: an image ViT on each frame, whose class tokens are
# averaged (uniformerv2, table 15, "mean pooling"). Of videos whose classes no frame shows it learns nothing.
_base_ = 'uniformerv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'

model = dict(backbone=dict(local_layers=None))
