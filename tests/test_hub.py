"""Models by their names, for functions of other packages too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain import get_model, inference_model, list_models
from mmpretrain.apis.model import ModelHub

from mmhvt import hub

VIDEO_MODEL = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb'
IMAGE_MODEL = 'mvitv2-tiny_64xb32-300e_in1k'


def test_import_is_cheap() -> None:
    code = "import sys, mmhvt, mmhvt.hub; print(sorted({'torch', 'mmengine', 'numpy', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == '[]\n', done.stderr


@pytest.mark.parametrize(
    ('name', 'first'),
    [
        ('mvitv2-tiny', IMAGE_MODEL),
        ('MViTv2-tiny_64xb32-300e_in1k'.lower().replace('-tiny', '_tiny'), IMAGE_MODEL),
        ('mvitv2-tinny_64xb32-300e_in1k', IMAGE_MODEL),
        ('16x4x1-200e_kinetics400', VIDEO_MODEL),
    ],
)
def test_nearest(name, first) -> None:
    names = ['smvit-base_16xb64-100e_in1k', 'mvit-small_64xb32_in1k', VIDEO_MODEL, IMAGE_MODEL]
    text = hub.nearest(name, names)
    assert text.startswith(f'the nearest names are {first}, ')
    assert text.count(',') == 2


def test_metafile_models() -> None:
    models = hub.metafile_models()
    assert {VIDEO_MODEL, IMAGE_MODEL} <= models.keys()
    for name, model in models.items():
        assert name == name.lower() and Path(model['Config']).is_file()
        assert isinstance(model.get('Weights', ''), str)


def test_model_of_inferencer() -> None:
    cfg, weights = hub.model_of_inferencer(VIDEO_MODEL, 'mmaction', [])
    assert cfg.model.type == 'Recognizer3D' and weights is None


def test_a_recipe_that_no_metafile_has_is_known_by_its_name() -> None:
    name = 'smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb'
    assert name not in hub.metafile_models()
    cfg, weights = hub.model_of_inferencer(name, 'mmaction', [])
    assert cfg.model.cls_head.num_classes == 8 and weights is None
    assert 'default_runtime' not in hub.named_models()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('mvitv2-tiny', f'Cannot find model: mvitv2-tiny in mmaction or mmhvt: the nearest names are {IMAGE_MODEL}'),
        ('tsn_r5', 'Cannot find model: tsn_r5 in mmaction or mmhvt: the nearest names are tsn_r50'),
        (IMAGE_MODEL, rf'{IMAGE_MODEL} is a model for mmpretrain.ImageClassificationInferencer\(NAME\), not for'),
    ],
)
def test_model_that_an_inferencer_cannot_have(name, message) -> None:
    with pytest.raises(ValueError, match=message):
        hub.model_of_inferencer(name, 'mmaction', ['tsn_r50'])


def test_config_path() -> None:
    folder = str(hub.MIM / 'configs')
    assert Path(hub.config_path(folder, f'mvitv2/{IMAGE_MODEL}.py')).is_file()
    with pytest.raises(FileNotFoundError, match=f'in1.py does not exist: the nearest names are mvitv2/{IMAGE_MODEL}'):
        hub.config_path(folder, 'mvitv2/mvitv2-tiny_64xb32-300e_in1.py')


# ---- through other packages


def test_mmpretrain_lists_and_builds_our_models() -> None:
    assert set(hub.metafile_models()) <= set(list_models())
    hub.register_models(ModelHub)  # again
    assert type(get_model(IMAGE_MODEL).backbone).__module__.startswith('mmhvt.')
    assert type(get_model(VIDEO_MODEL)).__name__ == 'Recognizer3D'
    with pytest.raises(ValueError, match=f'"mvitv2-tinny".*{IMAGE_MODEL}'):
        get_model('mvitv2-tinny')


def test_inference_model_by_name() -> None:
    # mmpretrain's inferencer takes its transforms from the default scope, which others leave behind
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        result = inference_model(IMAGE_MODEL, np.zeros((64, 64, 3), np.uint8))
    assert len(result['pred_scores']) == 1000
    with pytest.raises(NotImplementedError, match='No available inferencer'):
        inference_model(VIDEO_MODEL, 'video.mp4')


def test_recognition_inferencer_by_name(videos) -> None:
    from mmaction.apis import MMAction2Inferencer

    inferencer = MMAction2Inferencer(rec=VIDEO_MODEL, device='cpu').actionrecog_inferencer
    assert type(inferencer.model.backbone).__module__.startswith('mmhvt.')
    with pytest.raises(ValueError, match=f'mvitv2-tinny in mmaction or mmhvt: .*{IMAGE_MODEL}'):
        MMAction2Inferencer(rec='mvitv2-tinny')


def test_detection_inferencer_by_name() -> None:
    from mmdet.apis import DetInferencer

    inferencer = DetInferencer('mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco', device='cpu')
    assert type(inferencer.model.backbone).__module__.startswith('mmhvt.')
    with pytest.raises(ValueError, match='Cannot find model: mask-rcnn_mvitv2-tin in mmdet or mmhvt: .*mvitv2-tiny'):
        DetInferencer('mask-rcnn_mvitv2-tin')


def test_base_of_the_package(tmp_path) -> None:
    mine = tmp_path / 'mine.py'
    mine.write_text("_base_ = ['mmhvt::_base_/models/mvitv2_small.py', 'mmaction::_base_/default_runtime.py']")
    cfg = Config.fromfile(mine)
    # a scope of mmhvt would hide the classes of mmaction
    assert cfg.model.type == 'Recognizer3D' and '_scope_' not in cfg.model
