# AVA v2.1: the frames and proposals of v2.2, with earlier annotations.
_base_ = 'ava22.py'

anno_root = 'data/ava/annotations'
label_file = f'{anno_root}/ava_action_list_v2.1_for_activitynet_2018.pbtxt'
files_train = dict(
    ann_file=f'{anno_root}/ava_train_v2.1.csv',
    exclude_file=f'{anno_root}/ava_train_excluded_timestamps_v2.1.csv',
    label_file=label_file)
files_val = dict(
    ann_file=f'{anno_root}/ava_val_v2.1.csv',
    exclude_file=f'{anno_root}/ava_val_excluded_timestamps_v2.1.csv',
    label_file=label_file)

train_dataloader = dict(dataset=files_train)
val_dataloader = dict(dataset=files_val)
test_dataloader = dict(dataset=files_val)
val_evaluator = files_val
test_evaluator = files_val
