"""Inferencers of mmaction2 whose predictions have names: of a list, the checkpoint or the config."""

import copy
import json
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope

from mmhvt.apis import ActionRecogInferencer, MMAction2Inferencer

NAMES = ('jump', 'run', 'sit', 'walk')


@pytest.fixture
def model(config: Config, tmp_path: Path) -> tuple[Path, Path]:
    """A config, and a folder with a checkpoint that names the classes in another order, and one without names."""
    config.test_dataloader.dataset.metainfo = dict(classes=NAMES)
    with DefaultScope.overwrite_default_scope('mmaction'):
        state = MODELS.build(copy.deepcopy(config.model)).state_dict()
    meta = dict(dataset_meta=dict(classes=NAMES[::-1]))
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'named.pth')
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'published.pth')
    config.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py', tmp_path


def predict(config: Path, weights: Path, videos: Path, **kwargs) -> dict:
    inferencer = ActionRecogInferencer(str(config), str(weights), device='cpu', **kwargs)
    return inferencer(str(videos / '0.mp4'))['predictions'][0]


def test_predictions_have_names(model: tuple[Path, Path], videos: Path) -> None:
    config, folder = model
    (folder / 'list.txt').write_text('a\nb\nc\nd\n')
    names = dict(named=NAMES[::-1], published=NAMES)
    for file, classes in names.items():
        found = predict(config, folder / f'{file}.pth', videos)
        assert found['pred_names'] == [classes[label] for label in found['pred_labels']]
    found = predict(config, folder / 'named.pth', videos, label_file=str(folder / 'list.txt'))
    assert found['pred_names'] == ['abcd'[label] for label in found['pred_labels']]


def test_names_of_another_number(model: tuple[Path, Path], videos: Path) -> None:
    config, folder = model
    with pytest.raises(ValueError, match='^kinetics400 names 400 classes, the head has 4$'):
        predict(config, folder / 'named.pth', videos, label_file='kinetics400')
    with pytest.raises(ValueError, match="classes='kinetics40' is neither"):
        predict(config, folder / 'named.pth', videos, label_file='kinetics40')
    content = torch.load(folder / 'named.pth')
    content['meta'] = dict(dataset_meta=dict(classes=NAMES[:3]))
    torch.save(content, folder / 'named.pth')
    with pytest.raises(ValueError, match="the checkpoint's dataset_meta names 3 classes, the head has 4"):
        predict(config, folder / 'named.pth', videos)


def test_the_inferencer_of_all_tasks(model: tuple[Path, Path], videos: Path, capsys: pytest.CaptureFixture) -> None:
    config, folder = model
    inferencer = MMAction2Inferencer(str(config), str(folder / 'named.pth'), device='cpu')
    written = folder / 'found.json'
    kwargs = dict(print_result=True, pred_out_file=str(written))
    result = inferencer([str(videos / '0.mp4'), str(videos / '1.mp4')], **kwargs)
    for found in result['predictions']:
        assert found['rec_names'] == [[NAMES[::-1][label] for label in labels] for labels in found['rec_labels']]
    assert json.loads(written.read_text()) == dict(predictions=result['predictions'])
    assert "'rec_names': [['" in capsys.readouterr().out
    with pytest.raises(ValueError, match='needs rec'):
        MMAction2Inferencer()


def test_labels_of_the_drawing(model: tuple[Path, Path]) -> None:
    config, folder = model
    config.write_text(
        config.read_text()
        + "\nvisualizer = dict(type='ActionVisualizer', vis_backends=[dict(type='LocalVisBackend')])\n"
    )
    inferencer = ActionRecogInferencer(str(config), str(folder / 'named.pth'), device='cpu')
    assert inferencer.visualizer.dataset_meta == dict(classes=NAMES[::-1])
