"""Pytest plugin that adds the worked example of docs/contributing/ as a family, the way its page says."""

import sys
from importlib import import_module

from helpers import ROOT, micro_backbones

sys.path.insert(0, str(ROOT / 'docs/contributing'))
import_module('poolformer')  # registers it

micro_backbones.MICRO['PoolFormer'] = micro_backbones.Micro(
    type='PoolFormer',
    depths=(1, 1, 2),
    channels=(16, 32, 64),
    strides=(4, 8, 16),
    time_stride=2,
    arguments=dict(arch=dict(embed_dims=(16, 32, 64), depths=(1, 1, 2))),
    per_axis={},
    transitions='downsamples',
)
micro_backbones.FAMILIES = tuple(micro_backbones.MICRO)
