"""Configs by path and by name."""

import pytest

from helpers import ROOT
from mmhvt.apis.models import load_config


def test_configs_by_name() -> None:
    assert load_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py').model.type == 'FasterRCNN'
    with pytest.raises(ValueError, match='has no test_dataloader'):
        load_config(str(ROOT / 'configs/_base_/default_runtime.py'))
