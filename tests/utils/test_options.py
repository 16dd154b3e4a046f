"""Options of all registered classes have types and ranges, and wrong values are named in one line."""

import copy
import inspect
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule

import mmhvt.registry
from mmhvt.registry import DATASETS, HOOKS, METRICS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS, TRANSFORMS
from mmhvt.utils import OptionError, check_options
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import Channels, Length, Range, Says
from mmhvt.utils.options import describe, options_of, problem

# options that no type can describe, and why
UNTYPED = {
    'device': 'of torch',
    'dtype': 'of torch',
    'frozen_stages': 'Backbone.freeze says which there are',
    'num_repeats': 'check_repeats, which RawframeDataset calls as well, says that it must be a positive integer',
    'optimizer': 'an optimizer or a wrapper, which MMEngine adds',
}


def registered() -> Iterator[tuple[str, type]]:
    """All registered classes by their names."""
    for name in mmhvt.registry.__all__:
        registry = getattr(mmhvt.registry, name)
        registry.import_from_location()
        # tests register some of their own
        yield from (item for item in registry.module_dict.items() if item[1].__module__.startswith('mmhvt.'))


def is_unlimited(hint: Any) -> bool:
    """Whether a number has no range."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in (int, float):
        return True
    if origin is Annotated and args[0] in (int, float):
        return not any(isinstance(note, Range) for note in args[1:])
    return origin is not Literal and any(is_unlimited(each) for each in args[: 1 if origin is Annotated else None])


def test_every_option_has_a_type_and_every_number_a_range() -> None:
    wrong = []
    for name, cls in registered():
        for option, hint in options_of(cls).hints.items():
            if (hint is None or hint is Any) and option not in UNTYPED:
                wrong.append(f'{name}.{option} has no type')
            if is_unlimited(hint):
                wrong.append(f'{name}.{option} has no range')
    assert not wrong, f'annotate them, or add them to mmhvt/utils/foreign_options.py: {", ".join(wrong)}'


def test_every_class_checks_itself() -> None:
    classes = dict(registered())
    assert len(classes) > 50
    for name, cls in classes.items():
        assert hasattr(cls.__init__, 'checks_options_of'), name


@pytest.fixture
def checked() -> type:
    """A class of a few options."""

    @check_options
    class Checked(BaseModule):
        def __init__(
            self,
            dims: Channels,
            mode: Literal['max', 'mean', True] = 'max',
            rate: Annotated[float, Range(0, 1, below=True)] = 0.0,
            sides: Annotated[Sequence[Annotated[int, Range(1)]], Length(1, 3)] = (1,),
            flag: bool = False,
            cfg: dict | None = None,
            own: Annotated[int | None, Says(': give a number')] = None,
            by_name: Mapping[str, Annotated[float, Range(0)]] | None = None,
            norm_cfg: TokenNorm = dict(type='LN'),
            init_cfg: InitCfg = None,
        ):
            super().__init__(init_cfg)
            self.sides, self.cfg = sides, cfg

    return Checked


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(dims=0), 'dims=0 must be a whole number from 1 to 65536'),
        (dict(dims='4'), "dims='4' must be a whole number from 1 to 65536"),
        (dict(dims=4.0), 'dims=4.0 must be a whole number from 1 to 65536'),
        (dict(dims=True), 'dims=True must be a whole number from 1 to 65536'),
        (dict(mode='min'), "mode='min': choose from max, mean, True"),
        (dict(mode=1), 'mode=1: choose from max, mean, True'),
        (dict(rate=1.0), 'rate=1.0 must be a number from 0 to below 1'),
        (dict(rate=math.nan), 'rate=nan must be a number from 0 to below 1'),
        (dict(rate=-math.inf), 'rate=-inf must be a number from 0 to below 1'),
        (dict(rate=10**400), r'rate=1000+… must be a number from 0 to below 1'),
        (dict(sides=()), r'sides=\(\) must be a list of 1 to 3 whole numbers from 1'),
        (dict(sides='12'), "sides='12' must be a list of 1 to 3 whole numbers from 1"),
        (dict(sides=(1, 0)), r'sides=\(1, 0\) must be a list of 1 to 3 whole numbers from 1'),
        (dict(flag='False'), "flag='False' must be True or False"),
        (dict(cfg=[]), r'cfg=\[\] must be a dict or None'),
        (dict(own='x'), "own='x': give a number"),
        (dict(by_name=dict(a=-1)), r"by_name=\{'a': -1\} must be a dict or None"),
        (dict(mod='max'), 'unknown option mod, did you mean mode?'),
        (dict(zzz=1), 'unknown option zzz, it has dims, mode, rate'),
        (dict(norm_cfg='LN'), "norm_cfg='LN' must be a dict"),
        (dict(norm_cfg=dict(eps=1)), 'it needs a type, the name of a norm, use LN'),
        (dict(norm_cfg=dict(type='Nope')), "type='Nope' is not a norm, use LN"),
        (dict(norm_cfg=dict(type='LN', eps=-1)), 'eps=-1 must be a number above 0 to 1'),
        (dict(norm_cfg=dict(type='LN', epss=1)), 'unknown key epss, use eps'),
        (dict(norm_cfg=dict(type='BN')), "type='BN' is not a norm of tokens, use LN"),
        (dict(init_cfg='x.pth'), "init_cfg='x.pth' must be a dict or a list of dicts or None"),
        (dict(init_cfg=dict(type='Pretrained')), 'it needs checkpoint'),
        (dict(init_cfg=[dict(type='TruncNorml')]), "type='TruncNorml' is not an initialization, use TruncNormal"),
        (dict(init_cfg=dict(type='Normal', std='a')), "std='a' must be a number from 0"),
        (dict(init_cfg=dict(type='Normal', stdd=1)), 'unknown key stdd, use std'),
    ],
)
def test_wrong_options_are_named(checked: type, options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=f'^Checked: .*{message}') as caught:
        checked(**dict(dims=4) | options)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, TypeError)
    assert '\n' not in str(caught.value)


def test_calls_that_do_not_fit(checked: type) -> None:
    with pytest.raises(OptionError, match='^Checked needs dims$'):
        checked()
    with pytest.raises(OptionError, match='^Checked takes 10 values by position, got 11: give options by name'):
        checked(*range(11))
    with pytest.raises(OptionError, match='^Sub: rate=2 must be'):
        type('Sub', (checked,), {})(4, rate=2)


def test_what_configs_contain_is_taken_as_it_is(checked: type) -> None:
    cfg = ConfigDict(a=ConfigDict(b=1))
    model = checked(np.int64(4), rate=np.float32(0.5), sides=[1, np.int32(2)], cfg=cfg, flag=np.bool_(True))
    assert model.cfg is cfg and model.cfg.a.b == 1 and model.sides == [1, 2]
    checked(4, by_name=dict(a=0), init_cfg=[dict(type='Constant', val=0, layer='Linear'), dict(type='Normal', std=1)])
    assert list(inspect.signature(checked).parameters)[:3] == ['dims', 'mode', 'rate']
    assert copy.deepcopy(model).sides == [1, 2]
    head = MODELS.build(dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels=8))
    assert pickle.loads(pickle.dumps(head)).num_classes == 4


def test_types_in_words() -> None:
    assert describe(int | None) == 'a whole number or None'
    assert describe(Sequence[str]) == 'a list of strings'
    assert describe(tuple[int, str]) == '(a whole number, a string)'
    assert describe(Annotated[float, Range(high=3)]) == 'a number up to 3'
    assert describe(Annotated[Sequence[int], Length(2)]) == 'a list of 2 or more whole numbers'
    assert describe(torch.nn.Module) == 'a Module'
    assert problem(range(3), Sequence[int]) is None and problem({1, 2}, Sequence[int]) is not None


@pytest.mark.parametrize(
    ('registry', 'cfg', 'message'),
    [
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, init_scale=0), 'init_scale=0 must be'),
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, label_smooth_eps=2), 'label_smooth_eps=2'),
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, label_smooth_ep=0.1), 'label_smooth_eps?'),
        (MODELS, dict(type='RecognitionHead', num_clases=4, in_channels=8), 'num_clases, did you mean num_classes?'),
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, topk=(1, 0)), 'topk=(1, 0) must be'),
        (MODELS, dict(type='RecognitionHead', num_classes=10**9, in_channels=8), 'from 1 to 1000000'),
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, init_cfg={}), 'it needs a type'),
        (MODELS, dict(type='MultiLabelHead', num_classes=4, in_channels=8, multi_class=True), 'remove it'),
        (MODELS, dict(type='FeatureHead', in_channels=8), 'in_channels=8 is set by the class itself: remove it'),
        (MODELS, dict(type='NormedRPNHead', in_channels=8, num_classes=2), 'num_classes=2: regions have one class'),
        (
            MODELS,
            dict(type='NormedRPNHead', in_channels=8, anchor_generator={}),
            'anchor_generator={}: it needs a type',
        ),
        (MODELS, dict(type='ImageHead', num_classes=0, in_channels=8), 'num_classes=0 must be'),
        (MODELS, dict(type='ImageHead', num_classes=4, in_channels=8, loss=dict(type=3)), 'type=3 is not the name of'),
        (
            MODELS,
            dict(type='ImageHead', num_classes=4, in_channels=8, init_cfg=dict(type='X')),
            "type='X' is not an init",
        ),
        (MODELS, dict(type='MAE', backbone=dict(), mask_ratio='x'), "mask_ratio='x'"),
        (MODELS, dict(type='MAE', backbone=dict(), mask_ration=0.5), 'did you mean mask_ratio'),
        (MODELS, dict(type='SimpleFeaturePyramid', in_channels=()), 'in_channels'),
        (MODELS, dict(type='MixupCutmix', mixup_alpha='x'), "mixup_alpha='x' must be a number"),
        (MODELS, dict(type='LN2d', normalized_shape=8, eps=-1), 'LayerNorm2d: eps=-1 must be'),
        (MODELS, dict(type='CoTrainingHead', heads={}), 'heads={}: give a head for each dataset'),
        (DATASETS, dict(type='VideoDataset', ann_fiel='a.txt'), 'unknown option ann_fiel, did you mean ann_file?'),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', max_refetch=-1), 'max_refetch=-1 must be'),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', max_refetch='x'), "max_refetch='x' must be"),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', test_mode='no'), "test_mode='no' must be True or False"),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', mulit_class=True), 'did you mean multi_class?'),
        (DATASETS, dict(type='CocoDataset', ann_file='a.json', lazy_init=3), 'lazy_init=3 must be True or False'),
        (DATASETS, dict(type='AVADataset', ann_file='a.csv', pipeline=[], timestamp_strat=1), 'mean timestamp_start?'),
        (
            DATASETS,
            dict(type='VideoDataset', ann_file='a.txt', pipeline=[dict(typ='X')]),
            'transform 0: it needs a type',
        ),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', data_prefix='x'), 'must be a dict of folders'),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', data_prefix=dict(img='x')), "must have 'video'"),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', start_index=1), 'frames of a video are counted from 0'),
        (DATASETS, dict(type='VideoDataset', ann_file='a.txt', indices=0), 'indices=0 must be'),
        (DATASETS, dict(type='RawframeDataset', ann_file='a.txt', delimiter=''), "delimiter='' must not be empty"),
        (HOOKS, dict(type='CheckpointHook', filename_tmpl='{epoch}.pth'), 'must have one place for the number'),
        (HOOKS, dict(type='CheckpointHook', filename_tmpl='{}_{}.pth'), 'must have one place for the number'),
        (HOOKS, dict(type='CheckpointHook', save_best='acc', rule='x'), "rule='x': choose from greater, less"),
        (HOOKS, dict(type='NumClassesCheckHook', enabled='x'), "enabled='x' must be True or False"),
        (HOOKS, dict(type='NumClassesCheckHook', enabled=0), 'enabled=0 must be True or False'),
        (HOOKS, dict(type='NumClassesCheckHook', enable=False), 'unknown option enable, did you mean enabled?'),
        (TRANSFORMS, dict(type='NameDataset', name_='k400'), 'unknown option name_, did you mean name?'),
        (TRANSFORMS, dict(type='NameDataset'), 'NameDataset needs name'),
        (TRANSFORMS, dict(type='ThreeCrop', crop_size=0), 'crop_size=0 must be'),
        (TRANSFORMS, dict(type='RandAugment', magnitude='9'), "magnitude='9' must be a number"),
        (TRANSFORMS, dict(type='ShuffleFrames', seed=1), 'unknown option seed, it has none'),
        (METRICS, dict(type='AccMetric', metric_lst='top_k_accuracy'), 'did you mean metric_list?'),
        (METRICS, dict(type='AccMetric', metric_list='x'), "metric_list='x': choose from top_k_accuracy, mean"),
        (METRICS, dict(type='AccMetric', collect_device='tpu'), "collect_device='tpu': choose from cpu, gpu"),
        (METRICS, dict(type='DatasetAccMetric', dataset=3), 'dataset=3 must be a string'),
    ],
)
def test_options_of_registered_classes(registry: Any, cfg: dict, message: str) -> None:
    name = cfg['type']
    with pytest.raises(OptionError) as caught:
        registry.build(cfg | dict(type=f'mmhvt.{name}'))
    text = str(caught.value)
    assert message in text and (name in text or name == 'LN2d') and '\n' not in text


@pytest.mark.parametrize(
    ('registry', 'cfg', 'name', 'value'),
    [
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, topk=[1, 3]), 'topk', (1, 3)),
        (MODELS, dict(type='RecognitionHead', num_classes=4, in_channels=8, topk=np.int64(2)), 'topk', (2,)),
        (
            MODELS,
            dict(type='RecognitionHead', num_classes=4, in_channels=8, label_smooth_eps=None),
            'label_smooth_eps',
            0,
        ),
        (MODELS, dict(type='FeatureHead', loss_cls=dict(type='mmaction.CrossEntropyLoss'), topk=[1]), 'topk', (1,)),
        (METRICS, dict(type='AccMetric', metric_list=['top_k_accuracy']), 'metrics', ('top_k_accuracy',)),
        (HOOKS, dict(type='CheckpointHook', filename_tmpl='run_{:03}.pth'), 'filename_tmpl', 'run_{:03}.pth'),
    ],
)
def test_lists_and_none_do_where_a_config_may_have_them(registry: Any, cfg: dict, name: str, value: Any) -> None:
    assert getattr(registry.build(cfg | dict(type=f'mmhvt.{cfg["type"]}')), name) == value


def test_blending_by_whole_numbers() -> None:
    blend = MODELS.build(dict(type='mmhvt.MixupCutmix', num_classes=2, mixup_alpha=1, cutmix_alpha=np.int64(1)))
    images, labels = blend.do_blending(torch.rand(4, 3, 8, 8), torch.eye(2)[[0, 1, 0, 1]])
    assert images.isfinite().all() and torch.allclose(labels.sum(1), torch.ones(4))


def test_options_of_layer_decay() -> None:
    wrapper = dict(optimizer=dict(type='AdamW', lr=1, weight_decay=0))
    build = OPTIM_WRAPPER_CONSTRUCTORS.get('LayerDecayOptimWrapperConstructor')
    for options, message in [
        (dict(layer_decay=0.5), 'has no layer_decay, is it layer_decay_rate'),
        (dict(layer_decay_rate=2), 'layer_decay_rate=2 must be a number above 0 to 1'),
        (dict(layer_decay_rate=math.nan), 'layer_decay_rate=nan must be'),
        (dict(custom_keys=dict(norm=3)), 'paramwise_cfg.custom_keys.norm=3 must be a dict'),
        (dict(custom_keys=dict(norm=dict(lr_mult='x'))), "norm.lr_mult='x' must be"),
    ]:
        with pytest.raises(OptionError, match=f'^LayerDecayOptimWrapperConstructor: paramwise_cfg=.*{message}'):
            build(wrapper, options)
    build(wrapper, ConfigDict(layer_decay_rate=0.5, flat_decay_mult=0.0, custom_keys={'.pos': dict(decay_mult=0)}))


def test_a_new_class_is_checked_by_being_registered() -> None:
    @MODELS.register_module('CheckedByRegistry')
    class CheckedByRegistry(BaseModule):
        def __init__(self, dims: Channels = 8):
            super().__init__()

    try:
        with pytest.raises(OptionError, match='^CheckedByRegistry: dims=-8 must be a whole number from 1'):
            CheckedByRegistry(dims=-8)
        with pytest.raises(OptionError, match='unknown option dim, did you mean dims'):
            MODELS.build(dict(type='mmhvt.CheckedByRegistry', dim=8))
    finally:
        MODELS.module_dict.pop('CheckedByRegistry')
