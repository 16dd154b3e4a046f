"""The page of a test's mistakes."""

import copy
import pickle
import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.fileio import dump
from mmengine.runner import Runner
from PIL import Image

from helpers.training import frames_cfg, write_frames
from mmhvt.analysis.mistakes import Predictions, class_rows, confused_pairs, find_mistakes, read_predictions

# names that are no HTML
NAMES = ('<script>alert(1)</script>', 'b & "c"', "d'", '{{ config }}')


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.text = ''
        self.in_cell = False
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == 'tr':
            self.rows.append([])
        if tag in ('td', 'th'):
            self.rows[-1].append('')
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ('td', 'th')

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data.strip()

    def images(self) -> list[str]:
        return [value for key, value in self.attributes if key == 'src' and value]


@pytest.fixture
def call(caller: Callable[[str], Callable[..., tuple[str, str]]]) -> Callable[..., tuple[str, str]]:
    """Calls the tool."""
    return caller('mistakes.py')


def dump_test(config: Config, tmp_path: Path) -> dict[str, float]:
    """Writes own.py and predictions.pkl, of a test with random weights; returns its metrics."""
    config = copy.deepcopy(config)
    config.merge_from_dict(dict(work_dir=str(tmp_path / 'work'), experiment_name=uuid.uuid4().hex))
    config.dump(tmp_path / 'own.py')
    config.test_evaluator = [
        config.test_evaluator,
        dict(type='DumpResults', out_file_path=str(tmp_path / 'predictions.pkl')),
    ]
    return Runner.from_cfg(config).test()


def test_a_test_of_videos(config: Config, call: Callable, tmp_path: Path) -> None:
    config.test_dataloader.dataset.metainfo = dict(classes=NAMES)
    metrics = dump_test(config, tmp_path)
    out, errors = call('own.py', 'predictions.pkl', '--out', 'page', '--worst', '3')
    assert out == 'page/index.html\n' and not errors
    page = Page(tmp_path / 'page/index.html')
    # nothing of a name became HTML
    assert 'script' not in page.tags and all(name in page.text for name in NAMES)
    expected = [f'{metrics[f"acc/{name}"]:.4f}' for name in ('top1', 'top5', 'mean1')]
    samples = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    scores = torch.stack([sample['pred_score'] for sample in samples])
    labels = torch.cat([sample['gt_label'] for sample in samples])
    wrong = (scores.argmax(1) != labels).sum().item()
    assert wrong >= 3, 'a model of random weights knows all'
    assert page.rows[1] == ['10', str(wrong), *expected]
    # the matrix: a row for each true class
    matrix = [row[1:] for row in page.rows[3:7]]
    for label in range(4):
        counts = torch.bincount(scores.argmax(1)[labels == label], minlength=4).tolist()
        assert matrix[label] == [str(count or '') for count in counts]
    margins = scores.max(1).values - scores[torch.arange(10), labels]
    worst = margins.argsort(descending=True, stable=True)[:3]
    files = [sample for key, sample in page.attributes if key == 'alt']
    assert [Path(file).name for file in files] == [f'{index}.mp4' for index in worst.tolist()]
    # the folder needs nothing else, and the clips move
    assert page.images() == [f'clips/000{number}.gif' for number in (1, 2, 3)]
    for source in page.images():
        film = Image.open(tmp_path / 'page' / source)
        assert film.size == (160, 160) and film.n_frames == 4
    assert not [value for key, value in page.attributes if value and '://' in value]


def test_previews_are_what_the_test_saw(config: Config, call: Callable, videos: Path, tmp_path: Path) -> None:
    """All views in their order in time, without those that are there twice."""
    sampler = config.test_dataloader.dataset.pipeline[1]
    sampler.update(num_clips=3, test_mode=True, frame_interval=1)
    dump_test(config, tmp_path)
    call('own.py', 'predictions.pkl', '--out', 'page', '--worst', '1')
    film = Image.open(tmp_path / 'page/clips/0001.gif')
    assert film.n_frames == 12
    (file,) = [value for key, value in Page(tmp_path / 'page/index.html').attributes if key == 'alt']
    reader, frames = cv2.VideoCapture(file), []
    while (read := reader.read())[0]:
        frames.append(read[1][..., ::-1])
    for place, number in ((0, 0), (3, 3), (4, 6), (11, 15)):  # of clips from 0, 6 and 12 on
        film.seek(place)
        # enlarged, of a palette of 256 colors
        shown = np.asarray(film.convert('RGB'))[::5, ::5].astype(int)
        assert number == min(range(16), key=lambda index: np.abs(frames[index] - shown).mean())


def test_frames_on_disk(config: Config, call: Callable, tmp_path: Path) -> None:
    write_frames(tmp_path / 'frames')
    dataset = frames_cfg(tmp_path / 'frames', test_mode=True)
    config.test_dataloader.dataset = dict(dataset, type='mmhvt.RawframeDataset')
    dump_test(config, tmp_path)
    call('own.py', 'predictions.pkl', '--out', 'page')
    page = Page(tmp_path / 'page/index.html')
    assert page.images() and 'class 0' in page.text
    assert Image.open(tmp_path / 'page' / page.images()[0]).n_frames == 4


IMAGES = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
test_dataloader = dict(dataset=dict(
    type='mmhvt.CustomDataset', data_root='{folder}',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]))
"""


def test_images(call: Callable, recipe_images: Path, tmp_path: Path) -> None:
    """Predictions of mmpretrain."""
    (tmp_path / 'own.py').write_text(IMAGES.format(folder=recipe_images))
    rows = [
        dict(pred_score=torch.tensor([0.9, 0.1]), gt_label=torch.tensor([index // 4]), pred_label=torch.tensor([0]))
        for index in range(8)
    ]
    dump(rows, tmp_path / 'predictions.pkl')
    call('own.py', 'predictions.pkl', '--out', 'page', '--worst', '2')
    page = Page(tmp_path / 'page/index.html')
    assert page.rows[1] == ['8', '4', '0.5000', '1.0000', '0.5000']
    shown = cv2.imread(str(tmp_path / 'page/clips/0001.png'))
    file = next(value for key, value in page.attributes if key == 'alt')
    np.testing.assert_array_equal(shown, cv2.imread(file))


def test_a_clip_that_is_gone(config: Config, call: Callable, videos: Path, tmp_path: Path) -> None:
    own = tmp_path / 'videos'
    own.mkdir()
    for path in videos.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    config.test_dataloader.dataset.data_root = str(own)
    dump_test(config, tmp_path)
    for path in own.glob('*.mp4'):
        path.unlink()
    _, errors = call('own.py', 'predictions.pkl', '--out', 'page', '--worst', '2')
    assert errors.count('is shown without its clip') == 2 and str(own) in errors
    page = Page(tmp_path / 'page/index.html')
    assert page.text.count('The clip cannot be read.') == 2 and not page.images()


def test_many_classes(config: Config, call: Callable, tmp_path: Path) -> None:
    """The most confused pairs in the place of a matrix."""
    config.model.cls_head.num_classes = 40
    dump_test(config, tmp_path)
    rows = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    for index, row in enumerate(rows):  # labels are 0, 1, 2, 3, 0, …
        row['pred_score'] = torch.zeros(40).index_fill(0, torch.tensor(39 if index % 4 == 2 else int(index % 4)), 1)
    dump(rows, tmp_path / 'predictions.pkl')
    call('own.py', 'predictions.pkl', '--out', 'page')
    page = Page(tmp_path / 'page/index.html')
    assert 'Confusion matrix' not in page.text
    assert ['class 2', 'class 39', '2', '2'] in page.rows
    assert page.rows[-4:][0] == ['class 2', '2', '0.000', 'class 39 (2)']
    assert len(page.images()) == 2


def test_nothing_is_wrong(config: Config, call: Callable, tmp_path: Path) -> None:
    dump_test(config, tmp_path)
    rows = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    for row in rows:
        row['pred_score'] = torch.nn.functional.one_hot(row['gt_label'][0], 4).float()
    dump(rows, tmp_path / 'predictions.pkl')
    call('own.py', 'predictions.pkl', '--out', 'page')
    page = Page(tmp_path / 'page/index.html')
    assert 'Every sample is recognized.' in page.text and 'Most confused' not in page.text


def test_order_and_pairs() -> None:
    scores = np.array([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], np.float32)
    labels = np.array([1, 1, 1, 0])
    assert find_mistakes(Predictions(scores, labels), 5) == [1, 0, 3]
    assert find_mistakes(Predictions(scores, labels), 1) == [1]
    matrix = np.array([[0, 0, 1], [2, 1, 0], [0, 0, 0]])
    assert confused_pairs(matrix, 'abc', 5) == [('b', 'a', 2, 3), ('a', 'c', 1, 1)]
    assert class_rows(matrix, 'abc') == [('a', 1, 0.0, 'c (1)'), ('b', 3, 1 / 3, 'a (2)')]


class Runs:
    """A pickle that runs something."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path('ran'),))


SAMPLE = dict(pred_score=torch.tensor([0.1, 0.2, 0.3, 0.4]), gt_label=torch.tensor([0]))
BAD = {
    'program': ([Runs()], 'predictions.pkl cannot be read: it wants to import pathlib'),
    'no list': (dict(a=1), 'predictions.pkl holds no predictions: tools/test.py CONFIG CHECKPOINT --dump'),
    'empty': ([], 'predictions.pkl holds no predictions'),
    'numbers': ([1, 2], 'predictions.pkl holds no predictions'),
    'boxes': ([dict(pred_instances=dict())], 'predictions of a detector'),
    'no scores': ([dict(gt_label=torch.tensor([0]))], r'pred_score must be a tensor \(classes,\), not NoneType'),
    'views': ([SAMPLE | dict(pred_score=torch.zeros(2, 4))], r'pred_score must .*, not \(2, 4\)'),
    'several labels': ([SAMPLE | dict(gt_label=torch.zeros(4))], 'samples need one label each'),
    'unlabeled': ([SAMPLE | dict(gt_label=torch.tensor([-1]))], 'label -1 is none of the 4 classes'),
    'label beyond': ([SAMPLE | dict(gt_label=torch.tensor([4]))], 'label 4 is none of the 4 classes'),
    'other classes': ([SAMPLE, SAMPLE | dict(pred_score=torch.zeros(3))], 'different numbers of classes'),
    'other number': ([SAMPLE], 'has 1 predictions, and the config tests 10 samples'),
    'other order': ([SAMPLE] * 10, 'sample 1 of predictions.pkl has label 0, but .*1.mp4 has 1 in the config'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_predictions_are_one_line(case: str, config: Config, call: Callable, tmp_path: Path) -> None:
    content, says = BAD[case]
    config.dump(tmp_path / 'own.py')
    (tmp_path / 'predictions.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(SystemExit, match=says) as error:
        call('own.py', 'predictions.pkl', '--out', 'page')
    message = str(error.value)
    assert message.startswith('mistakes.py: ') and '\n' not in message
    assert not (tmp_path / 'page').exists() and not (tmp_path / 'ran').exists()


def test_other_bad_input_is_one_line(config: Config, call: Callable, tmp_path: Path) -> None:
    dump_test(config, tmp_path)
    (tmp_path / 'file').write_text('')
    (tmp_path / 'cut.pkl').write_bytes((tmp_path / 'predictions.pkl').read_bytes()[:100])
    names = 'test_dataloader.dataset.metainfo.classes=[a,b,c,d,e]'
    for args, says in (
        (['own.py', 'none.pkl', '--out', 'page'], 'none.pkl'),
        (['own.py', 'work', '--out', 'page'], 'work is a folder, not a file'),
        (['own.py', 'cut.pkl', '--out', 'page'], 'cut.pkl cannot be read'),
        (['none.py', 'predictions.pkl', '--out', 'page'], 'none.py: no such config file'),
        (['own.py', 'predictions.pkl', '--out', 'page', '--worst', '-1'], '--worst -1'),
        (['own.py', 'predictions.pkl', '--out', 'file'], 'file'),
        (['own.py', 'predictions.pkl', '--out', 'page', '--cfg-options', names], 'own.py names 5 classes, but .* of 4'),
        (
            ['own.py', 'predictions.pkl', '--out', 'page', '--cfg-options', 'test_dataloader.dataset.ann_file=no.txt'],
            'no.txt',
        ),
    ):
        with pytest.raises(SystemExit, match=says) as error:
            call(*args)
        assert str(error.value).startswith('mistakes.py: ') and '\n' not in str(error.value)
    assert not (tmp_path / 'page').exists()


def test_predictions_that_mmengine_dumps(config: Config, tmp_path: Path) -> None:
    dump_test(config, tmp_path)
    scores, labels = read_predictions(tmp_path / 'predictions.pkl')
    assert scores.shape == (10, 4) and scores.dtype == np.float32
    assert labels.tolist() == [index % 4 for index in range(10)]
