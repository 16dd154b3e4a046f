# Clips of 32 frames with stride 2, for Video Swin on Kinetics (video_swin, section 4.1). How clips are augmented:
# Video-Swin-Transformer configs/recognition/swin. A recipe with another clip joins the same parts.
clip = dict(type='SampleFrames', clip_len=32, frame_interval=2)

random_crop = dict(type='RandomResizedCrop', area_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3))

# what follows the decoding
augment = [
    dict(type='Resize', scale=(-1, 256)),
    random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
center_crop = [
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# crops as high as the frame
three_crops = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *augment
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]
# 4 temporal × 3 spatial views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **clip),
    dict(type='DecordDecode'), *three_crops
]
