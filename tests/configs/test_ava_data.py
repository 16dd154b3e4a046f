"""Recipes of AVA read every annotation format, and say what is wrong with data."""

import copy
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope

from helpers import ROOT
from helpers.ava_recipes import loaders_of, micro_ava, read_ava, reading_videos

VIDEO, OTHER, KINETICS = '0f39OWEqJ24', '_-Z6wFjXtGQ', 'o3lCwWyyc_s_000012_000022'
ITEM = 'item {{\n  name: "{}"\n  id: {}\n}}\n'
LABEL = 'label {{\n  name: "{}"\n  label_id: {}\n  label_type: PERSON_MOVEMENT\n}}\n'
# video, second: boxes with their actions
TRUTH = {
    (VIDEO, 902): {(0.4, 0.2, 0.55, 0.6): [12, 17, 79], (0.2, 0.3, 0.3, 0.8): [80]},
    (VIDEO, 906): {(0.45, 0.2, 0.6, 0.6): [12, 1]},
    (OTHER, 902): {(0.5, 0.25, 0.625, 0.75): [11]},
}
ON_KINETICS = {(KINETICS, 17): {(0.25, 0.25, 0.5, 0.5): [11, 80]}}
# of the detector, with confidences
FOUND = np.array(
    [[0.4, 0.2, 0.55, 0.6, 0.99], [0.02, 0.3, 0.3, 0.8, 0.85], [0.9, 0.9, 1.0, 1.0, 0.82], [0, 0, 1, 1, 0.5]]
)
PROPOSALS = {
    f'{VIDEO},0902': FOUND,
    f'{OTHER},0902': np.array([[0.0, 0.0, 0.1, 0.1, 0.1], [0.5, 0.25, 0.625, 0.75, 0.4]]),
    'o3lCwWyyc_s,0017': np.array([[0.25, 0.25, 0.5, 0.5, 0.95]]),
}
PICTURE = (160, 90)


def write_frames(folder: Path, video: str, second: int, start: int, boxes: list) -> None:
    """Frames about a key frame, whose gray level tells how far it is. What is in a box is white."""
    (folder / video).mkdir(parents=True, exist_ok=True)
    key = (second - start) * 30 + 1
    for number in range(key - 32, key + 33):
        picture = np.full((*PICTURE[::-1], 3), 100 + 2 * (number - key), np.uint8)
        for box in boxes:
            left, top, right, bottom = (np.array(box) * [*PICTURE, *PICTURE]).round().astype(int)
            picture[top:bottom, left:right] = 255
        assert cv2.imwrite(str(folder / video / f'img_{number:05d}.jpg'), picture)


def lines(truth: dict) -> str:
    return ''.join(
        f'{video},{second:04d},{",".join(f"{side:.3f}" for side in box)},{action},{person}\n'
        for (video, second), people in truth.items()
        for person, (box, actions) in enumerate(people.items())
        for action in actions
    )


@pytest.fixture(scope='module')
def ava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ava and data/ava_kinetics in the published formats. v2.1 excludes another key frame."""
    root = tmp_path_factory.mktemp('ava')
    for name in ('ava', 'ava_kinetics'):
        folder = root / 'data' / name / 'annotations'
        folder.mkdir(parents=True)
        for version, excluded, item in (('2.1', f'{OTHER},0902\n', LABEL), ('2.2', f'{VIDEO},0906\n', ITEM)):
            year = dict([('2.1', 2018), ('2.2', 2019)])[version]
            names = folder / f'ava_action_list_v{version}_for_activitynet_{year}.pbtxt'
            names.write_text(''.join(item.format(f'action {i}', i) for i in (1, 11, 12, 17, 79, 80)))
            for split in ('train', 'val'):
                merged = TRUTH | (ON_KINETICS if (name, split) == ('ava_kinetics', 'train') else {})
                (folder / f'ava_{split}_v{version}.csv').write_text(lines(merged))
                (folder / f'ava_{split}_excluded_timestamps_v{version}.csv').write_text(excluded)
        for split in ('train', 'val'):
            path = folder / f'ava_dense_proposals_{split}.FAIR.recall_93.9.pkl'
            path.write_bytes(pickle.dumps(PROPOSALS))
        for (video, second), people in (TRUTH | ON_KINETICS).items():
            write_frames(folder.parent / 'rawframes', video, second, 12 if video == KINETICS else 900, list(people))
    return root


def build(loader: dict, monkeypatch: pytest.MonkeyPatch, ava: Path) -> object:
    monkeypatch.chdir(ava)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return DATASETS.build(copy.deepcopy(loader.dataset))


@pytest.mark.parametrize('version', ['ava21', 'ava22', 'ava-kinetics'])
def test_annotations_of_every_version(version: str, ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_ava(f'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_{version}-rgb')
    for split, loader in zip(('train', 'val', 'test'), loaders_of(config), strict=True):
        excluded = (OTHER, 902) if version == 'ava21' else (VIDEO, 906)
        merged = TRUTH | (ON_KINETICS if (version, split) == ('ava-kinetics', 'train') else {})
        merged = {key: people for key, people in merged.items() if key != excluded}
        dataset = build(loader, monkeypatch, ava)
        assert len(dataset) == len(merged)
        for sample, ((video, second), people) in zip(dataset, merged.items(), strict=True):
            clip, data = sample['inputs'], sample['data_samples']
            assert (data.video_id, data.timestamp) == (video, second)
            assert clip.shape == (3, 16, 224, 224) and clip.dtype == torch.uint8
            # frames of their time, by the ground that they show
            gray = clip.float().flatten(2).quantile(0.1, 2).mean(0)
            np.testing.assert_allclose(gray, 100 + 2 * (np.arange(16) - 8) * 4, atol=2)

            actions = [torch.zeros(81).index_fill(0, torch.tensor(own), 1.0) for own in people.values()]
            assert torch.equal(data.gt_instances.labels, torch.stack(actions))
            # boxes follow the pictures: what is left of them is white, and so is nothing else
            inside = torch.zeros(224, 224, dtype=torch.bool)
            for left, top, right, bottom in data.gt_instances.bboxes.round().int().tolist():
                inside[top : bottom + 1, left : right + 1] = True
            white = (clip[:, 8] > 200).all(0)
            assert (white != inside).float().mean() < 0.03

            key = f'{"_".join(video.split("_")[:-2]) if video == KINETICS else video},{second:04d}'
            found = PROPOSALS.get(key, np.array([[0, 0, 1, 1, 1]]))
            kept = found[found[:, 4] >= min(0.8, found[:, 4].max()), :4]  # the best if none is good
            assert len(data.proposals.bboxes) == len(kept)
            if split != 'train':
                np.testing.assert_allclose(data.whole_proposals, kept)


def test_center_and_whole_picture(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A center crop shows parts of boxes, and scores are for whole ones; the whole picture shows all."""
    name = 'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb'
    center, full = (build(read_ava(each).test_dataloader, monkeypatch, ava)[0] for each in (name, f'{name}_full'))
    assert center['inputs'].shape[-2:] == (224, 224) and full['inputs'].shape[-2:] == (224, 398)
    assert torch.equal(full['inputs'][..., 87 : 87 + 224], center['inputs'])
    whole = FOUND[:3, :4]  # the last is outside the crop
    pixels = torch.tensor(whole * [398, 224, 398, 224])
    torch.testing.assert_close(full['data_samples'].proposals.bboxes.double(), pixels, atol=1e-3, rtol=0)
    cut = (pixels - torch.tensor([87, 0, 87, 0])).clamp(0, 223)
    assert cut[2].tolist() == [223, pytest.approx(201.6), 223, 223]
    torch.testing.assert_close(center['data_samples'].proposals.bboxes.double(), cut, atol=1e-3, rtol=0)

    config = micro_ava('MViTv2')
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model).eval()
    for sample in (center, full):
        (done,) = model.test_step(dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]))
        np.testing.assert_allclose(done.pred_instances.bboxes, whole, atol=1e-6)
        assert done.pred_instances.scores.isfinite().all()


def test_videos_are_read_as_the_docs_say(ava: Path, tmp_path: Path) -> None:
    """The configuration in docs/guides/ava.md is the recipe on videos of 15 minutes."""
    (text,) = re.findall(
        r'```python\n(_base_ = .*?videos_15min.*?)```', (ROOT / 'docs/guides/ava.md').read_text(), re.S
    )
    (tmp_path / 'config.py').write_text(text.replace("_base_ = '", f"_base_ = '{ROOT}/configs/ava/"))
    config = Config.fromfile(tmp_path / 'config.py')
    plain = Config.fromfile(re.search(r"_base_ = '(.*)'", (tmp_path / 'config.py').read_text())[1])
    for loader, frames in zip(loaders_of(config), loaders_of(plain), strict=True):
        assert loader.dataset.pipeline == reading_videos(frames.dataset.pipeline)
        assert not loader.dataset.use_frames and loader.dataset.data_prefix == dict(img='data/ava/videos_15min')
        assert loader.dataset.ann_file == frames.dataset.ann_file
        assert loader.dataset.get('timestamp_start', 900) == 900


@pytest.mark.parametrize('version', ['ava22', 'ava-kinetics'])
@pytest.mark.parametrize('found', [{}, {f'{VIDEO},0906': np.zeros((0, 5))}], ids=['no key', 'no box'])
def test_nobody_was_found_in_a_key_frame(
    found: dict, version: str, ava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmaction2 takes the whole picture for a person."""
    loader = read_ava(f'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_{version}-rgb').test_dataloader
    loader.dataset.update(exclude_file=str(tmp_path / 'none.csv'), proposal_file=str(tmp_path / 'proposals.pkl'))
    (tmp_path / 'none.csv').touch()
    (tmp_path / 'proposals.pkl').write_bytes(pickle.dumps(PROPOSALS | found))
    sample = build(loader, monkeypatch, ava)[1]['data_samples']
    assert sample.timestamp == 906 and sample.whole_proposals.tolist() == [[0, 0, 1, 1]]
    assert sample.proposals.bboxes.tolist() == [[0, 0, 223, 223]]


def test_no_proposals_at_all(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = read_ava('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').test_dataloader
    loader.dataset.proposal_file = None
    # mmhvt's has the annotated boxes
    sample = build(loader, monkeypatch, ava)[0]['data_samples']
    assert sorted(map(tuple, sample.whole_proposals.tolist())) == sorted(TRUTH[VIDEO, 902])
    loader.dataset.update(type='AVADataset')
    with pytest.raises(ValueError, match=f'key frame {VIDEO},0902 has no proposals: set proposal_file of the dataset'):
        build(loader, monkeypatch, ava)[0]


def test_proposals_outside_the_picture(ava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = read_ava('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').test_dataloader
    wrong = tmp_path / 'outside.pkl'
    wrong.write_bytes(pickle.dumps({f'{VIDEO},0902': np.array([[0.1, 0.1, 1.2, 0.5, 0.9]])}))
    loader.dataset.proposal_file = str(wrong)
    with pytest.raises(ValueError, match=rf"outside\.pkl, key '{VIDEO},0902' has the box \[0.1, 0.1, 1.2, 0.5\]"):
        build(loader, monkeypatch, ava)[0]


def test_frames_that_are_not_there(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong timestamp_start, and a video that ends early."""
    loader = read_ava('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').train_dataloader
    for start, message in ((903, ', -1 s from its start'), (0, 'key frame at timestamp 902, 902 s')):
        loader.dataset.timestamp_start, loader.dataset.timestamp_end = start, start + 900
        with pytest.raises(ValueError, match=f'rawframes/{VIDEO} lasts 900.0 s and has no .*{message}'):
            build(loader, monkeypatch, ava)[0]
    loader.dataset.timestamp_start, loader.dataset.timestamp_end = (
        901,
        1801,
    )  # off by a second: there are no such frames
    with pytest.raises(FileNotFoundError, match=f'rawframes/{VIDEO}/img_000'):
        build(loader, monkeypatch, ava)[0]
