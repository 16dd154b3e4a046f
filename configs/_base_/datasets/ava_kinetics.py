# AVA-Kinetics as mmaction2's preparation leaves it: AVA v2.2, and key frames of Kinetics-700 merged into the training
# annotations and proposals. Frames of Kinetics are in folders named VIDEO_START_END, in seconds.
_base_ = 'ava22.py'

anno_root = 'data/ava_kinetics/annotations'
label_file = f'{anno_root}/ava_action_list_v2.2_for_activitynet_2019.pbtxt'
frames = dict(
    type='mmhvt.AVAKineticsDataset',
    data_prefix=dict(img='data/ava_kinetics/rawframes'))
files_train = dict(
    ann_file=f'{anno_root}/ava_train_v2.2.csv',
    exclude_file=f'{anno_root}/ava_train_excluded_timestamps_v2.2.csv',
    label_file=label_file)
files_val = dict(
    ann_file=f'{anno_root}/ava_val_v2.2.csv',
    exclude_file=f'{anno_root}/ava_val_excluded_timestamps_v2.2.csv',
    label_file=label_file)
proposal_file_train = f'{anno_root}/ava_dense_proposals_train.FAIR.recall_93.9.pkl'
proposal_file_val = f'{anno_root}/ava_dense_proposals_val.FAIR.recall_93.9.pkl'

train_dataloader = dict(dataset=dict(proposal_file=proposal_file_train, **frames, **files_train))
val_dataloader = dict(dataset=dict(proposal_file=proposal_file_val, **frames, **files_val))
test_dataloader = dict(dataset=dict(proposal_file=proposal_file_val, **frames, **files_val))
val_evaluator = files_val
test_evaluator = files_val
