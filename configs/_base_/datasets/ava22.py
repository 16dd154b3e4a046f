# AVA v2.2 as mmaction2's preparation leaves it: frames, extracted at 30 a second from minutes 15 to 30 of a film, in
# data/ava/rawframes/VIDEO/img_00001.jpg and on.
dataset_type = 'mmhvt.AVADataset'
data_root = 'data/ava/rawframes'
anno_root = 'data/ava/annotations'

ann_file_train = f'{anno_root}/ava_train_v2.2.csv'
ann_file_val = f'{anno_root}/ava_val_v2.2.csv'
exclude_file_train = f'{anno_root}/ava_train_excluded_timestamps_v2.2.csv'
exclude_file_val = f'{anno_root}/ava_val_excluded_timestamps_v2.2.csv'
# the 60 classes that count in the mAP
label_file = f'{anno_root}/ava_action_list_v2.2_for_activitynet_2019.pbtxt'
# "The region proposals are identical to the ones used in [30]" (mvit, D.2), which is SlowFast. SlowFast takes those
# with a confidence above 0.8; where there is none, mmaction2 takes the most confident one, and SlowFast takes none.
proposal_file_train = f'{anno_root}/ava_dense_proposals_train.FAIR.recall_93.9.pkl'
proposal_file_val = f'{anno_root}/ava_dense_proposals_val.FAIR.recall_93.9.pkl'
person_det_score_thr = 0.8

clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=16, frame_interval=4)

# what follows the decoding
augment = [
    # SlowFast configs/AVA/SLOWFAST_32x2_R50_SHORT.yaml, whose framework the papers follow
    dict(type='RandomRescale', scale_range=(256, 320)),
    dict(type='RandomCrop', size=224),
    # SlowFast slowfast/datasets/ava_dataset.py
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')
]
pack = dict(
    type='PackActionInputs',
    meta_keys=('img_shape', 'img_key', 'video_id', 'timestamp', 'whole_proposals'))
# "center": short side 224 and a 224² center crop (mvitv2, table A.2)
center_crop = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    pack
]
# "full"
whole_picture = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    pack
]

train_pipeline = [clip, dict(type='RawFrameDecode'), *augment]
test_pipeline = [
    clip,
    # boxes keep their actions even if a crop shows only a part of them
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *center_crop
]

train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_train,
        exclude_file=exclude_file_train,
        label_file=label_file,
        # all 80
        metainfo=dict(classes='ava'),
        proposal_file=proposal_file_train,
        person_det_score_thr=person_det_score_thr,
        data_prefix=dict(img=data_root),
        pipeline=train_pipeline))
val_dataloader = dict(
    # whole pictures, which "full" tests, differ in size
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_val,
        exclude_file=exclude_file_val,
        label_file=label_file,
        # all 80
        metainfo=dict(classes='ava'),
        proposal_file=proposal_file_val,
        person_det_score_thr=person_det_score_thr,
        data_prefix=dict(img=data_root),
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='mmhvt.AVAMetric',
    ann_file=ann_file_val,
    label_file=label_file,
    exclude_file=exclude_file_val)
test_evaluator = val_evaluator
