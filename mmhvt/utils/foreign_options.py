"""Types of options that our classes inherit from other packages, by the names that these packages share.

Their own annotations are incomplete (``None`` is missing, a number has no range) or mean another thing. A key with a
class, such as ``'LayerNorm.bias'``, stands for the option of that class only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from torch import nn

from .option_types import (
    Built,
    Channels,
    Check,
    Count,
    Eps,
    Length,
    Number,
    Pipeline,
    Positive,
    Range,
    Rate,
    Says,
    Share,
    Side,
)

_Config, _Configs = dict | None, dict | list | tuple | None
_Value = Annotated[float, Range(-1e6, 1e6)]
_Weight = Annotated[float, Range(0, 1e6)]
_NotNegative = Annotated[int, Range(0)]
_Rule = Literal['greater', 'less']
_FromMinusOne = Annotated[int, Range(-1)]
_TopK = Annotated[int, Range(1)]
_Names = str | Sequence[str]
_Folders = Annotated[Mapping[str, str], Says(" must be a dict of folders, such as data_prefix=dict(video='videos')")]


def _init_problem(cfg: dict | list[dict] | None) -> str | None:
    from .option_configs import init_problem  # which imports this module

    return None if cfg is None else init_problem(cfg)


def _has_no_video(prefix: Mapping) -> str | None:
    return None if 'video' in prefix else " must have 'video', the folder of the videos"


def _is_no_template(template: str | None) -> str | None:
    try:
        if template is not None:
            template.format(1)
    except (IndexError, KeyError, ValueError):
        return " must have one place for the number, such as 'epoch_{}.pth'"
    return None


FOREIGN_OPTIONS: dict[str, Any] = {
    # strategies
    'BaseStrategy.auto_scale_lr': _Config,
    'BaseStrategy.env_kwargs': _Config,
    'BaseStrategy.experiment_name': str | None,
    'BaseStrategy.log_kwargs': _Config,
    'BaseStrategy.work_dir': str,
    'DDPStrategy.sync_bn': Literal['torch', 'mmcv'] | None,
    'FSDPStrategy.activation_checkpointing': _Config,
    'FSDPStrategy.skip_init_weights': bool,
    'FSDPStrategy.state_dict_cfg': Literal['full'],
    # norms
    'normalized_shape': Channels | Annotated[Sequence[Channels], Length(1, 1)],
    'eps': Eps,
    'momentum': Share | None,
    'affine': bool,
    'elementwise_affine': bool,
    'track_running_stats': bool,
    'num_groups': Number,
    'LayerNorm.bias': bool,
    'device': Any,  # torch's
    'dtype': Any,
    # initialization
    'init_cfg': Annotated[dict | list[dict] | None, Check(_init_problem)],
    'val': _Value,
    'mean': _Value,
    'std': _Weight,
    'a': _Value,
    'b': _Value,
    'gain': _Value,
    'BaseInit.bias': _Value,
    'bias_prob': Annotated[float, Range(0, 1, above=True, below=True)] | None,
    'layer': _Names | None,
    'distribution': Literal['normal', 'uniform'],
    'mode': Literal['fan_in', 'fan_out'],
    'nonlinearity': str,
    'checkpoint': Annotated[str, Length(1), Says(' must be a file')] | Path,
    # heads and losses
    'num_classes': Number | None,
    'in_channels': Channels | None,
    'RPNHead.num_classes': Annotated[int, Range(1, 1), Says(': regions have one class, use 1')],
    'RPNHead.in_channels': Channels,
    'loss': Built,
    'loss_cls': Built,
    'loss_bbox': Built,
    'loss_weight': _Weight,
    'class_weight': Sequence[_Weight] | str | None,
    'label_smooth_eps': Rate | None,
    'label_smooth_val': Rate,
    'topk': _TopK | Sequence[_TopK],
    'multi_class': bool,
    'average_clips': Literal['score', 'prob'] | None,
    'cal_acc': bool,
    'use_sigmoid': bool,
    'spatial_type': Literal['avg', 'max'] | None,
    'temporal_type': Literal['avg', 'max'] | None,
    'backbone_name': str | None,
    'num_segments': Number | None,
    # detectors and their parts
    'neck': Built | None,
    'data_preprocessor': Built | nn.Module | None,
    'module': Built | nn.Module,
    'tta_cfg': _Config,
    'train_cfg': _Configs,
    'AnchorHead.train_cfg': _Config,
    'test_cfg': _Config,
    'num_convs': Count,
    'feat_channels': Channels,
    'anchor_generator': Built,
    'bbox_coder': Built,
    'reg_decoded_bbox': bool,
    'num_stages': Count,
    'stage_loss_weights': Sequence[_Weight],
    'bbox_head': _Configs,
    'bbox_roi_extractor': _Configs,
    'mask_head': _Configs,
    'mask_roi_extractor': _Configs,
    'shared_head': _Config,
    # datasets
    'ann_file': str | Path | None,
    'data_root': str | Path | None,
    'data_prefix': _Folders,
    'VideoDataset.data_prefix': Annotated[_Folders, Check(_has_no_video)],
    'CustomDataset.data_prefix': str | _Folders,
    'pipeline': Pipeline,
    'filter_cfg': _Config,
    'indices': Annotated[int, Range(1, 10**9)]
    | Annotated[int, Range(-(10**9), -1)]
    | Sequence[Annotated[int, Range(-1e9, 1e9)]]
    | None,
    'lazy_init': bool,
    'serialize_data': bool,
    'test_mode': bool,
    'max_refetch': _NotNegative,
    'start_index': _NotNegative,
    'VideoDataset.start_index': Annotated[int, Range(0, 0), Says(': frames of a video are counted from 0')],
    'modality': Literal['RGB', 'Flow'],
    'delimiter': Annotated[str, Length(1), Says(' must not be empty')] | None,
    'filename_tmpl': str | None,
    'CheckpointHook.filename_tmpl': Annotated[str, Check(_is_no_template)] | None,
    'backend_args': _Config,
    'file_client_args': _Config,
    'seg_map_suffix': str,
    'return_classes': bool,
    'caption_prompt': _Config,
    'classes': str | Sequence[str] | None,
    'extensions': Sequence[str],
    'with_label': bool,
    'proposal_file': str | Path | None,
    'person_det_score_thr': Share,
    'num_max_proposals': Number,
    'timestamp_start': _NotNegative,
    'timestamp_end': _NotNegative,
    'fps': Number,
    'use_frames': bool,
    'multilabel': bool,
    # transforms
    'io_backend': str,
    'num_threads': _NotNegative,
    'crop_size': Side | tuple[Side, Side],
    'scale': Annotated[int, Range(0, 65536)] | tuple[Side, Side] | None,  # RandomResize builds it with 0
    'scale_factor': Positive | tuple[Positive, Positive] | None,
    'keep_ratio': bool,
    'clip_object_border': bool,
    'backend': Literal['cv2', 'pillow'],
    'interpolation': Literal['nearest', 'bilinear', 'bicubic', 'area', 'lanczos', 'box', 'hamming'],
    # metrics
    'metric': _Names,
    'metric_options': _Config,
    'metric_items': Sequence[str] | None,
    'collect_device': Literal['cpu', 'gpu'],
    'collect_dir': str | Path | None,
    'prefix': str | None,
    'action_thr': Share,
    'classwise': bool,
    'proposal_nums': Sequence[Number],
    'iou_thrs': Share | Sequence[Share] | None,
    'format_only': bool,
    'outfile_prefix': str | Path | None,
    'sort_categories': bool,
    'use_mp_eval': bool,
    # hooks, optimizers and schedules
    'interval': _FromMinusOne,
    'by_epoch': bool,
    'save_optimizer': bool,
    'save_param_scheduler': bool,
    'out_dir': str | Path | None,
    'max_keep_ckpts': _FromMinusOne,
    'save_last': bool,
    'save_best': _Names | None,
    'rule': _Rule | Annotated[list[_Rule], Length(1)] | None,
    'greater_keys': Sequence[str] | None,
    'less_keys': Sequence[str] | None,
    'published_keys': _Names | None,
    'save_begin': _NotNegative,
    'optim_wrapper_cfg': dict,
    'paramwise_cfg': _Config,
    'param_name': str,
    'begin': _NotNegative,
    'end': Annotated[int, Range(1)],
    'last_step': _FromMinusOne,
    'verbose': bool,
}
