"""Kinetics-710: its classes, its lists, classifiers mapped between the sets, and training on the three at once."""

import copy
import hashlib
import re
import shutil
import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, load_checkpoint
from torch import nn
from torch.nn import functional as F

from helpers import DATA, ROOT
from mmhvt import migrate
from mmhvt.datasets import NameDataset
from mmhvt.datasets.kinetics710 import (
    SETS,
    Annotations,
    labels,
    merge,
    read_videos,
    table,
    to_k710,
    write_lists,
)
from mmhvt.evaluation import DatasetAccMetric
from mmhvt.migrate.labels import align, label_list, map_classifier
from mmhvt.models import CoTrainingHead, RecognitionHead
from mmhvt.registry import DATASETS, METRICS, MODELS

LISTS = DATA / 'kinetics710'
PAGE = ROOT / 'docs/guides/kinetics710.md'
SIZES = dict(k400=400, k600=600, k700=700)


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('dataset', 'number', 'digest'),
    [
        ('k400', 400, 'a8dafb93a1204d4e'),
        ('k600', 600, '5d9a560f98fcfed0'),
        ('k700', 700, 'a34c9fed41f5f9ed'),
        ('k710', 710, 'ad8b369e6296b0d5'),
    ],
)
def test_names_and_order_are_those_of_the_published_label_maps(dataset: str, number: int, digest: str) -> None:
    """The digests are of mmaction2's label_map_k*.txt, whose order published checkpoints have."""
    names = labels(dataset)
    assert len(set(names)) == len(names) == number
    assert hashlib.sha256('\n'.join(names).encode()).hexdigest()[:16] == digest


def test_places_in_kinetics_710() -> None:
    """The digest is of mmaction2's map_k400.json, map_k600.json and map_k700.json, written one after the other."""
    places = [to_k710(dataset) for dataset in SETS]
    assert [len(set(some)) for some in places] == [400, 600, 700]
    assert set().union(*places) == set(range(710))
    assert hashlib.sha256(str([list(some) for some in places]).encode()).hexdigest()[:16] == '699de58292d80599'
    # the paper, appendix F: "compared with Kinetics-700, there are 8 and 2 unique labels in Kinetics-400 and -600"
    only = {d: {r['k710'] for r in table() if r[d] and not any(r[o] for o in SETS if o != d)} for d in SETS}
    assert {d: len(names) for d, names in only.items()} == dict(k400=8, k600=2, k700=92)
    assert only['k600'] == {'bull fighting', 'chopping vegetables'} and 'vault' in only['k400']


def test_a_name_means_one_class_in_all_sets() -> None:
    meant = {}
    for place, row in enumerate(table()):
        for name in filter(None, row.values()):
            assert meant.setdefault(name.casefold(), place) == place


def test_the_page_says_what_is() -> None:
    names = page_config('to_k710')
    told = re.findall(r'^((?:labels|table)\(.*)  # (.+)$', PAGE.read_text(), re.M)
    assert len(told) == 3
    for code, shown in told:
        assert repr(eval(code, names)) == shown
    for dataset in ('k400', 'k600'):
        others = [other for other in SETS if other != dataset]
        only = sorted(row[dataset] for row in table() if row[dataset] and not any(row[o] for o in others))
        assert f'| {len(only)}: {", ".join(only)} |' in PAGE.read_text()


def test_unknown_set() -> None:
    with pytest.raises(ValueError, match="unknown Kinetics set 'k500'; choose from k400, k600, k700, k710"):
        labels('k500')


# --- lists ------------------------------------------------------------------------------------------------------------


def annotations(folder: Path = LISTS) -> list[Annotations]:
    suffix = dict(k400='csv', k600='txt', k700='csv')
    return [
        Annotations(
            key, *(folder / f'{key}_{split}.{end}' for split in ('train', 'val')), [folder / f'{key}_test.{end}'], key
        )
        for key, end in suffix.items()
    ]


def test_merging() -> None:
    merged = merge(annotations())
    k710 = [line.rsplit(' ', 1) for line in merged.lists['k710', 'train']]
    assert [(path, labels('k710')[int(label)]) for path, label in k710] == [
        ('k400/k400train01_000005_000015.mp4', 'sipping cup'),
        ('k400/k400train02_000000_000010.mp4', 'cleaning floor'),
        ('k400/shared4-6-7_000095_000105.mp4', 'abseiling'),
        ('k400/shared_4__7_000020_000030.mp4', 'drinking beer'),  # 'tasting beer' in Kinetics-700
        ('k600/bull_fighting/k600train01.mp4', 'bull fighting'),
        ('k700/k700train01_000007_000017.mp4', 'throwing ball'),
        ('k700/k700train02_000007_000017.mp4', "massaging person's head"),
    ]
    k710 = [line.rsplit(' ', 1) for line in merged.lists['k710', 'val']]
    assert [(path[5:16], labels('k710')[int(label)]) for path, label in k710] == [
        ('in-k400-val', 'vault'),
        ('val-k400k60', 'yoga'),
        ('in-k600-val', 'archery'),
        ('k600-val-01', 'acting in play'),
        ('k700-val-01', 'yoga'),
    ]
    # for co-training each keeps what others have, in labels of its own
    own = {d: [line.split() for line in merged.lists[d, 'train']] for d in SETS}
    assert {d: [labels(d)[int(label)] for _, label in lines] for d, lines in own.items()} == dict(
        k400=['drinking', 'cleaning floor', 'abseiling', 'drinking beer'],
        k600=['abseiling', 'bull fighting'],
        k700=[
            'abseiling',
            'tasting beer',
            'throwing ball (not baseball or American football)',
            "massaging person's head",
        ],
    )
    assert [len(merged.lists[d, 'val']) for d in SETS] == [2, 3, 2]
    for count in merged.counts.values():
        assert count.read == count.absent + count.leaked + count.duplicates + count.kept


def test_absent_videos_make_room_for_duplicates(tmp_path: Path) -> None:
    present = ['k600/shared4-6-7_000095_000105.mp4', 'k400/val-k400k60_000002_000012.mp4']
    for path in present:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    merged = merge(annotations(), tmp_path)
    assert merged.lists['k710', 'train'] == [f'{present[0]} 0']
    assert merged.lists['k710', 'val'] == [f'{present[1]} 398']
    assert merged.counts['k600', 'train'].absent == 3 and merged.counts['k600', 'train'].kept == 1


def test_paths(tmp_path: Path) -> None:
    sets = annotations()
    sets[0] = Annotations('k400', sets[0].train, sets[0].val, folder='a/{split}/')
    merged = merge(sets, file_name='{label}/{youtube_id}-{time_end}.mkv')
    # without Kinetics-400's test file nothing else changes here but what that held
    assert merged.lists['k400', 'train'][0] == 'a/train/drinking/k400train01-15.mkv 100'
    assert merged.lists['k400', 'val'][0] == 'a/val/vault/in-k400-val-11.mkv 376'
    assert 'k600/in-k400test_000001_000011.mp4 598' in merged.lists['k600', 'train']
    with pytest.raises(
        ValueError, match="'{id}.mp4' is not a format string of youtube_id, time_start, time_end, label: 'id'"
    ):
        merge(annotations(), file_name='{id}.mp4')
    with pytest.raises(ValueError, match="'k 4/k400train01.*' contains a space"):
        merge([Annotations('k400', sets[0].train, sets[0].val, folder='k 4'), *sets[1:]])
    with pytest.raises(ValueError, match='needs k400, k600, k700, each once, got k400, k600'):
        merge(annotations()[:2])


HEADER = 'label,youtube_id,time_start,time_end,split\n'


@pytest.mark.parametrize(
    ('text', 'split', 'message'),
    [
        ('', 'train', 'has no video'),
        (HEADER, 'train', 'has no video'),
        (
            f'{HEADER}yoga,12345678901,0,10,train\ndrinkin,12345678902,0,10,train\nzumbaa,12345678903,0,9,train\n',
            'train',
            r"not among the 400 classes of Kinetics-400: line 3: 'drinkin' \(nearest: 'drinking'\); line 4: 'zumbaa' "
            r"\(nearest: 'zumba'\). mmhvt.datasets.kinetics710.labels\('k400'\) lists the classes",
        ),
        # a class that only Kinetics-600 has
        (f'{HEADER}bull fighting,12345678901,0,10,train\n', 'train', "line 2: 'bull fighting'"),
        (f'{HEADER}yoga,12345678901,0,10\n', 'train', 'line 2 does not have the 5 fields'),
        (f'{HEADER}yoga,12345678901,0,10,train,1\n', 'train', 'line 2 does not have the 5 fields'),
        (f'{HEADER}yoga,1234567890,0,10,train\n', 'train', "line 2: '1234567890' is not a YouTube id"),
        (f'{HEADER}yoga,12345678901,x,10,train\n', 'train', "line 2: time_start='x' and time_end='10'"),
        (
            f'{HEADER}yoga,12345678901,0,10,validate\n',
            'train',
            "line 2 belongs to the split 'validate', but .* for train",
        ),
        ('label,youtube_id\nyoga,12345678901\n', 'val', 'lacks the columns time_start, time_end'),
        ('12345678901.mp4 0\n\n12345678901.mp4\n', 'train', "line 3: '12345678901.mp4' must be a path and a label"),
        ('my video.mp4 0 1\n', 'test', 'must be a path and a label'),
        (
            '12345678901.mp4 400\n',
            'train',
            "line 1: '12345678901.mp4 400': labels of Kinetics-400 must be from 0 to 399",
        ),
        ('12345678901.mp4 -1\n', 'train', 'must be from 0 to 399'),
        ('yoga/video1.mp4 0\n', 'val', 'has no YouTube id in the file name'),
        ('\x00\xff'.encode('latin-1'), 'val', 'cannot be read as an annotation file'),
    ],
)
def test_bad_annotations(text: str | bytes, split: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / 'some.txt'
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f'{re.escape(str(file))}.*{message}'):
        read_videos(file, 'k400', split)


def test_names_of_kinetics_710_and_any_case_are_known(tmp_path: Path) -> None:
    (tmp_path / 'a.csv').write_text(f'{HEADER}Sipping Cup,12345678901,0,10.0,\ndrinking,12345678902,0,10,train\n')
    assert [video.label for video in read_videos(tmp_path / 'a.csv', 'k400', 'train')] == [100, 100]


@pytest.fixture
def call(load_tool, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs a tool: exit status, output, errors."""

    def run(tool: str, *arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', [Path(tool).name, *map(str, arguments)])
        try:
            status = load_tool(tool).main()
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return run


def test_tool_prints_what_the_page_shows(call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(LISTS, tmp_path / 'tests/data/kinetics710')
    monkeypatch.chdir(tmp_path)
    command, shown = re.search(
        r'```bash\n(python tools/data/kin.*?)```\n\n```\n(.*?)```', PAGE.read_text(), re.S
    ).groups()
    status, out, err = call('data/kinetics710.py', *command.replace('\\\n', '').split()[2:])
    assert (status, out, err) == (0, shown, '')
    assert {path.name for path in Path('data/kinetics710').iterdir()} == {
        f'kinetics{number}_{split}_list_videos.txt' for number in (400, 600, 700, 710) for split in ('train', 'val')
    }
    dataset = DATASETS.build(page_config("classes='kinetics710'")['train_dataset'])
    videos = [dataset.get_data_info(place) for place in range(len(dataset))]
    assert videos[0]['filename'] == 'data/kinetics400/videos_train/k400train01_000005_000015.mp4'
    assert [video['label'] for video in videos] == [100, 60, 0, 101, 709, 357, 196]


def test_nothing_is_written_if_anything_is_wrong(
    call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(LISTS, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    k400, k600 = ['--k400', 'k400_train.csv', 'k400_val.csv'], ['--k600', 'k600_train.txt', 'k600_val.txt']
    k700 = ['--k700', 'k700_train.csv', 'k700_val.csv']
    status, _, err = call('data/kinetics710.py', 'out', *k400, *k600, '--k700', 'k700_train.csv', 'no.csv')
    assert (status, err) == (1, 'kinetics710.py: annotation file no.csv (Kinetics-700, val) does not exist\n')
    status, _, err = call('data/kinetics710.py', 'out', *k400, *k600, '--k700', 'k700_train.csv')
    assert status == 2 and '--k700 needs a training and a validation file' in err
    status, _, err = call('data/kinetics710.py', 'out', *k400, *k600, *k700, '--root', 'elsewhere')
    assert status == 1 and 'kinetics710_train_list_videos.txt would be empty, so nothing is written' in err
    assert not Path('out').exists()
    status, out, _ = call('data/kinetics710.py', 'out', *k400, *k600, *k700)
    assert status == 0 and 'no test files of Kinetics-400, Kinetics-600, Kinetics-700: their videos may be' in out

    # a disk that fills up leaves the lists of before
    before = {path: path.read_text() for path in Path('out').iterdir()}
    write_text, calls = Path.write_text, []

    def full(path: Path, *arguments, **kwargs) -> int:
        calls.append(path)
        if len(calls) == 8:
            raise OSError('no space left')
        return write_text(path, *arguments, **kwargs)

    monkeypatch.setattr(Path, 'write_text', full)
    with pytest.raises(OSError, match='no space left'):
        write_lists('out', merge(annotations()))
    assert {path: path.read_text() for path in Path('out').iterdir()} == before


# --- classifiers ------------------------------------------------------------------------------------------------------


def classifier(number: int, channels: int = 4, name: str = 'cls_head.fc_cls') -> dict[str, torch.Tensor]:
    """Rows that tell their place."""
    weight = torch.arange(number).float()[:, None].expand(-1, channels).clone()
    return {f'{name}.weight': weight, f'{name}.bias': -weight[:, 0]}


@pytest.mark.parametrize('dataset', SETS)
def test_classifier_of_each_set(dataset: str) -> None:
    other = torch.ones(3)
    state_dict = classifier(710) | {'backbone.norm.weight': other}
    mapped = map_classifier(state_dict, label_list('k710'), label_list(dataset))
    assert mapped.keys() == state_dict.keys() and mapped['backbone.norm.weight'] is other
    rows = mapped['cls_head.fc_cls.weight'][:, 0].int().tolist()
    assert rows == list(to_k710(dataset)) and torch.equal(
        mapped['cls_head.fc_cls.bias'], -mapped['cls_head.fc_cls.weight'][:, 1]
    )
    assert len(state_dict['cls_head.fc_cls.weight']) == 710  # the given one is as it was


def test_alignment_of_sets_with_each_other_and_with_files(tmp_path: Path) -> None:
    places = align(label_list('k400'), label_list('k700'))
    assert sum(place is not None for place in places) == 392
    assert places[labels('k700').index('sipping cup')] == labels('k400').index('drinking')
    file = tmp_path / 'mine.txt'
    file.write_text('Zumba\n\nSipping Cup\ncooking with fire\n')
    assert align(label_list('k400'), label_list(file)) == [399, 100, None]
    # a name of the list itself goes before another name of another class
    assert align([('a', 'b'), ('b', 'c')], [('b',), ('c',)]) == [1, 1]


def test_wrong_mappings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='308 of the 700 classes are not among the 400 of the classifier: act'):
        map_classifier(classifier(400), label_list('k400'), label_list('k700'))
    with pytest.raises(ValueError, match=r'cls_head.fc_cls.weight is \(400, 4\), but the label list for it is 710'):
        map_classifier(classifier(400), label_list('k710'), label_list('k400'))
    with pytest.raises(ValueError, match='no cls_head.fc_cls.weight among the 2 tensors'):
        map_classifier(classifier(710, name='head'), label_list('k710'), label_list('k400'))
    with pytest.raises(ValueError, match="'k500' is neither one of k400, k600, k700, k710 nor a file"):
        label_list('k500')
    (tmp_path / 'twice.txt').write_text('a\nb\na\n')
    with pytest.raises(ValueError, match="has 'a' twice: it needs one per line"):
        label_list(tmp_path / 'twice.txt')
    (tmp_path / 'twice.txt').write_text('\n')
    with pytest.raises(ValueError, match='has no label name'):
        label_list(tmp_path / 'twice.txt')


def test_tool_maps_a_checkpoint(call: Callable, tmp_path: Path) -> None:
    source, target = tmp_path / 'k710.pth', tmp_path / 'k400.pth'
    torch.save(dict(state_dict=classifier(710), meta=dict(epoch=1)), source)
    status, out, err = call('checkpoint/convert.py', source, target, '--labels', 'k710', 'k400')
    assert (status, err) == (0, '') and out.endswith(f'\nwritten: {target}\n')
    head = RecognitionHead(num_classes=400, in_channels=4)
    load_checkpoint(head, str(target), strict=True, revise_keys=[('^cls_head\\.', '')])
    assert head.fc_cls.weight[:, 0].int().tolist() == list(to_k710('k400'))
    assert migrate.read(str(target)).keys() == classifier(1).keys()

    status, _, err = call('checkpoint/convert.py', target, tmp_path / 'no.pth', '--labels', 'k710', 'k600')
    assert status == 1 and f'convert.py: {target}: cls_head.fc_cls.weight is (400, 4)' in err
    status, _, err = call(
        'checkpoint/convert.py', tmp_path / 'none.pth', tmp_path / 'no.pth', '--labels', 'k710', 'k600'
    )
    assert status == 1 and 'none.pth' in err
    assert {path.name for path in tmp_path.iterdir()} == {'k710.pth', 'k400.pth'}


# what tells a file of UniFormerV2's authors
MARKS = {'transformer.resblocks.0.ln_1.weight': torch.ones(4), 'transformer.balance': torch.zeros(4)}


@pytest.mark.parametrize('dataset', SETS)
def test_head_maps_what_it_loads(dataset: str, tmp_path: Path) -> None:
    file = tmp_path / 'k710.pth'
    torch.save(dict(state_dict=classifier(710)), file)
    config = dict(
        type='mmhvt.RecognitionHead',
        num_classes=SIZES[dataset],
        in_channels=4,
        labels=f'k710->{dataset}',
        init_cfg=dict(type='Pretrained', checkpoint=str(file), prefix='cls_head.'),
    )
    head = MODELS.build(config)
    head.init_weights()
    assert head.fc_cls.weight[:, 0].int().tolist() == list(to_k710(dataset))
    # published files too, whose names are others
    torch.save(dict(model=classifier(710, name='transformer.proj.2') | MARKS), file)
    other = MODELS.build(dict(config, init_cfg=dict(type='Pretrained', checkpoint=str(file))))
    other.init_weights()
    assert torch.equal(other.fc_cls.weight, head.fc_cls.weight)
    # what it saves is loaded as it is
    again = copy.deepcopy(head)
    nn.init.zeros_(again.fc_cls.weight)
    again.load_state_dict(head.state_dict())
    assert torch.equal(again.fc_cls.weight, head.fc_cls.weight)


def test_files_that_do_not_fit_a_head(tmp_path: Path) -> None:
    def init(content: dict, **kwargs) -> None:
        torch.save(content, tmp_path / 'some.pth')
        pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'some.pth'))
        RecognitionHead(num_classes=400, in_channels=4, init_cfg=pretrained, **kwargs).init_weights()

    with pytest.raises(
        ValueError, match='some.pth has no classifier cls_head.fc_cls: use the file of a whole recognizer'
    ):
        init(dict(state_dict=classifier(400, name='head.fc')))
    with pytest.raises(
        ValueError, match=r'does not fit the head with num_classes=400 and labels=None: fc_cls.weight: \(710, 4\)'
    ):
        init(classifier(710))
    with pytest.raises(
        ValueError, match=r'does not fit the head with num_classes=400 and labels=.k710->k400.: fc_cls.weight: .* 5\)'
    ):
        init(classifier(710, channels=5), labels='k710->k400')


def test_classes_that_the_checkpoint_lacks_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('zumba\nmaking fire\n')
    head = RecognitionHead(num_classes=2, in_channels=4, labels=f'k710->{tmp_path / "mine.txt"}')
    before = head.fc_cls.weight[1].clone()
    head.load_state_dict(classifier(710, name='fc_cls'))
    assert head.fc_cls.weight[0, 0] == labels('k710').index('zumba')
    assert torch.equal(head.fc_cls.weight[1], before) and head.fc_cls.weight.requires_grad


def test_wrong_labels_of_a_head(tmp_path: Path) -> None:
    def head(labels: str, num_classes: int = 400) -> RecognitionHead:
        return RecognitionHead(num_classes=num_classes, in_channels=4, labels=labels)

    with pytest.raises(ValueError, match="labels must have the form 'k710->k400', got 'k400'"):
        head('k400')
    with pytest.raises(ValueError, match="labels='k710->k400' maps to 400 classes, but num_classes=700"):
        head('k710->k400', 700)
    with pytest.raises(ValueError, match='has 400 classes on both sides'):
        head('k400->k400')
    (tmp_path / 'mine.txt').write_text('making fire\n')
    with pytest.raises(ValueError, match='have no class in common'):
        head(f'k710->{tmp_path / "mine.txt"}', 1)
    with pytest.raises(
        ValueError, match=r"fc_cls.weight in the checkpoint has 600 classes, but labels='k710->k400' takes 71"
    ):
        head('k710->k400').load_state_dict(classifier(600, name='fc_cls'))


# --- several heads ----------------------------------------------------------------------------------------------------


def co_training_head(**sizes: int) -> CoTrainingHead:
    heads = {
        name: dict(type='mmhvt.RecognitionHead', num_classes=size, in_channels=4, init_scale=1.0, average_clips='prob')
        for name, size in sizes.items()
    }
    head = MODELS.build(dict(type='mmhvt.CoTrainingHead', heads=heads))
    head.init_weights()
    return head


def sample(dataset: str, label: int) -> ActionDataSample:
    out = dict(data_samples=ActionDataSample().set_gt_label(label))
    return NameDataset(dataset)(out)['data_samples']


def test_each_sample_counts_the_same_in_the_loss() -> None:
    head = co_training_head(a=3, b=7, c=6)
    feats = torch.randn(4, 4)
    samples = [sample('a', 2), sample('b', 6), sample('a', 0), sample('a', 1)]
    losses = head.loss((feats,), samples)
    scores = head((feats,))
    assert {name: value.shape for name, value in scores.items()} == dict(a=(4, 3), b=(4, 7), c=(4, 6))
    each = [F.cross_entropy(scores[s.dataset][i], s.gt_label[0]) for i, s in enumerate(samples)]
    assert torch.allclose(losses['loss_cls'], torch.stack(each).mean())
    assert set(losses) == {'loss_cls', 'a_top1_acc', 'a_top5_acc', 'b_top1_acc', 'b_top5_acc'}
    correct = [float(scores['a'][i].argmax() == samples[i].gt_label) for i in (0, 2, 3)]
    assert losses['a_top1_acc'].item() == pytest.approx(np.mean(correct))
    losses['loss_cls'].backward()
    # a head without samples has gradients too, which DDP waits for
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert not head.heads['c'].fc_cls.weight.grad.any() and head.heads['b'].fc_cls.weight.grad.any()


def test_predictions_by_the_head_of_the_sample_s_dataset() -> None:
    head = co_training_head(a=3, b=7)
    feats = torch.randn(3 * 2, 4)  # two views a video
    samples = head.predict(feats, [sample('a', 2), sample('b', 6), sample('a', 0)])
    for place, (name, predicted) in enumerate(zip('aba', samples, strict=True)):
        expected = head.heads[name](feats[2 * place : 2 * place + 2]).softmax(1).mean(0)
        assert torch.allclose(predicted.pred_score, expected)
        assert predicted.pred_label == expected.argmax()


def test_wrong_datasets_of_samples() -> None:
    head = co_training_head(a=3, b=7)
    message = "heads for a, b, but a sample has dataset='c': end the pipeline with dict.type='mmhvt.NameDataset'"
    with pytest.raises(ValueError, match=message):
        head.predict(torch.randn(1, 4), [sample('c', 0)])
    with pytest.raises(ValueError, match='a sample has dataset=None'):
        head.loss(torch.randn(1, 4), [ActionDataSample().set_gt_label(0)])
    with pytest.raises(ValueError, match="a sample of dataset 'a' has label 5, but its head has num_classes=3"):
        head.loss(torch.randn(1, 4), [sample('a', 5)])
    with pytest.raises(ValueError, match='give a head for each dataset'):
        CoTrainingHead(heads={})
    with pytest.raises(ValueError, match=r"NameDataset\(name='a'\) goes after PackActionInputs"):
        NameDataset('a')({})


def test_metric_of_one_dataset() -> None:
    samples = [sample('a', 0), sample('b', 4), sample('a', 2), sample('b', 1)]
    for place, (size, predicted) in enumerate([(3, 0), (7, 4), (3, 1), (7, 1)]):
        samples[place].set_pred_score(F.one_hot(torch.tensor(predicted), size).float())
    evaluator = Evaluator([dict(type='mmhvt.DatasetAccMetric', dataset=name) for name in 'ab'])
    # a loader pads the last batch with samples of the beginning, which do not count
    evaluator.process([*samples, samples[0], samples[1]], {})
    metrics = evaluator.evaluate(4)
    assert {k: metrics[k] for k in ('a/top1', 'b/top1', 'a/mean1')} == {'a/top1': 0.5, 'b/top1': 1.0, 'a/mean1': 1 / 3}
    metric = DatasetAccMetric('c')
    metric.process([], [s.to_dict() for s in samples])
    with pytest.raises(ValueError, match="dataset='c'. found no sample of this dataset, only of a, b"):
        metric.evaluate(4)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class LossAsForward(nn.Module):
    """What DDP calls."""

    def __init__(self, head: CoTrainingHead):
        super().__init__()
        self.head = head

    def forward(self, feats: torch.Tensor, samples: list) -> torch.Tensor:
        return self.head.loss(feats, samples)['loss_cls']


def batches() -> tuple[torch.Tensor, list[ActionDataSample]]:
    names = 'aaaabbab'  # rank 0 has no b in the first half, nobody has c
    feats = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    return feats, [sample(name, place % 3) for place, name in enumerate(names)]


def _train_rank(rank: int, port: int, file: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(LossAsForward(co_training_head(a=3, b=7, c=6)))
    feats, samples = batches()
    some = slice(4 * rank, 4 * rank + 4)
    for _ in range(2):
        model.zero_grad()
        model(feats[some], samples[some]).backward()
    if rank == 0:
        torch.save({name: value.grad for name, value in model.module.head.named_parameters()}, file)
    torch.distributed.destroy_process_group()


def test_ranks_with_other_datasets_learn_as_one(tmp_path: Path) -> None:
    """DDP with its defaults neither hangs nor fails, and its gradients are those of the whole batch."""
    file = tmp_path / 'gradients.pth'
    # fork spares the imports
    torch.multiprocessing.start_processes(_train_rank, (free_port(), str(file)), nprocs=2, start_method='fork')
    torch.manual_seed(0)
    head = co_training_head(a=3, b=7, c=6)
    head.loss(*batches())['loss_cls'].backward()
    gradients = torch.load(file)
    for name, parameter in head.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-6), name


# --- the page's configs, through the runner ---------------------------------------------------------------------------

PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=2, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


def page_config(containing: str) -> dict:
    """Variables of the page's one snippet that contains a text."""
    (snippet,) = (code for code in re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S) if containing in code)
    variables = dict(train_pipeline=PIPELINE, val_pipeline=PIPELINE)
    exec(snippet, variables)
    return {name: value for name, value in variables.items() if not name.startswith('_')}


@pytest.fixture
def runner_config(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Two videos of each set below data/, the lists of them, and a model of a few thousand parameters."""
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)
    monkeypatch.chdir(tmp_path)
    for size in SIZES.values():
        folder = tmp_path / f'data/kinetics{size}'
        folder.mkdir(parents=True)
        for place in range(2):
            writer = cv2.VideoWriter(str(folder / f'{place}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (32, 32))
            for frame in np.random.RandomState(place).randint(0, 256, (8, 32, 32, 3), dtype=np.uint8):
                writer.write(frame)
            writer.release()
        lines = ''.join(f'kinetics{size}/{place}.mp4 {[7, size - 1][place]}\n' for place in range(2))
        for split in ('train', 'val'):
            file = tmp_path / f'data/kinetics710/kinetics{size}_{split}_list_videos.txt'
            file.parent.mkdir(exist_ok=True)
            file.write_text(lines)
    config = Config.fromfile(root / 'configs/_base_/default_runtime.py')
    backbone = dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
        input_size=(4, 32, 32),
        out_type='avg_featmap',
    )
    preprocessor = dict(type='ActionDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3, format_shape='NCTHW')
    config.merge_from_dict(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=uuid.uuid4().hex,
            randomness=dict(seed=0),
            model=dict(type='Recognizer3D', data_preprocessor=preprocessor, backbone=backbone),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
            val_cfg=dict(type='ValLoop'),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    return config


def k710_checkpoint(config: Config) -> Path:
    """Of the model with a head of 710 classes, whose rows tell their place."""
    head = dict(type='mmhvt.RecognitionHead', num_classes=710, in_channels=64)
    state_dict = MODELS.build({**config.model, 'cls_head': head}).state_dict() | classifier(710, 64)
    file = Path('k710.pth')
    torch.save(dict(state_dict=state_dict, meta={}), file)
    return file


def loader(dataset: dict, shuffle: bool) -> dict:
    sampler = dict(type='DefaultSampler', shuffle=shuffle)
    return dict(batch_size=4, num_workers=0, sampler=sampler, dataset=dataset)


def test_fine_tuning_from_kinetics_710(runner_config: Config) -> None:
    head = page_config('load_from')['cls_head'] | dict(in_channels=64)
    dataset = page_config('CoTrainingHead')['train_dataset']['datasets'][0]
    runner_config.merge_from_dict(
        dict(
            model=dict(cls_head=head),
            train_dataloader=loader(dataset, True),
            val_dataloader=loader({**dataset, 'test_mode': True}, False),
            val_evaluator=dict(type='AccMetric'),
            load_from=str(k710_checkpoint(runner_config)),
        )
    )
    runner = Runner.from_cfg(runner_config)
    runner.call_hook('before_run')
    runner.load_or_resume()
    assert runner.model.cls_head.fc_cls.weight[:, 0].int().tolist() == list(to_k710('k400'))
    runner.train()
    log = next(Path('work').rglob('*.log')).read_text()
    assert 'cls_head.fc_cls: 400 of 400 classes from the checkpoint' in log
    assert 'do not match exactly' not in log and 'not in the model' not in log and 'are not:' not in log


def test_co_training(runner_config: Config) -> None:
    page = page_config('CoTrainingHead')
    for head in page['cls_head']['heads'].values():
        head['in_channels'] = 64
    runner_config.merge_from_dict(
        dict(
            model=dict(cls_head=page['cls_head']),
            train_dataloader=loader(page['train_dataset'], True),
            val_dataloader=loader(page['val_dataset'], False),
            val_evaluator=page['val_evaluator'],
            load_from=str(k710_checkpoint(runner_config)),
        )
    )
    runner = Runner.from_cfg(runner_config)
    runner.call_hook('before_run')
    runner.load_or_resume()
    heads = runner.model.cls_head.heads
    for dataset in SETS:
        assert heads[dataset].fc_cls.weight[:, 0].int().tolist() == list(to_k710(dataset))
    runner.train()
    log = next(Path('work').rglob('*.log')).read_text()
    assert 'do not match exactly' not in log and 'not in the model' not in log and 'are not:' not in log

    # what it learned is loaded for testing; of each dataset's two videos the second is made to be right
    for dataset, head in heads.items():
        nn.init.zeros_(head.fc_cls.weight)
        nn.init.zeros_(head.fc_cls.bias)
        head.fc_cls.bias.data[SIZES[dataset] - 1] = 1
    heads['k600'].fc_cls.bias.data[8] = 2
    metrics = runner.val_loop.run()
    assert {name: metrics[f'{name}/top1'] for name in SETS} == dict(k400=0.5, k600=0.0, k700=0.5)
    saved = torch.load(next(Path('work').glob('*.pth')), weights_only=False)['state_dict']
    assert {name for name in saved if name.startswith('cls_head')} == {
        f'cls_head.heads.{dataset}.fc_cls.{key}' for dataset in SETS for key in ('weight', 'bias')
    }
    assert METRICS.get('DatasetAccMetric') is DatasetAccMetric
