"""Moving digits: files, determinism, and what tells the classes."""

from pathlib import Path

import decord
import numpy as np
import pytest

from mmhvt.synthetic import moving_digits
from mmhvt.synthetic.moving_digits import CLASSES, digits, draw_clip, paint_digit, turn_back, write_dataset
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_poses

SMALL = dict(clips_per_class=2, val_clips_per_class=1, size=32, frames=16, processes=1)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('digits') / 'turns'
    assert write_dataset(out, 'turn', **SMALL)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_files_and_annotations(dataset: Path) -> None:
    assert (dataset / 'label_map.txt').read_text().split() == list(CLASSES['turn'])
    for split, count in [('train', 2), ('val', 1)]:
        lines = (dataset / f'moving_digits_{split}_list_videos.txt').read_text().splitlines()
        assert [int(line.split()[1]) for line in lines] == [0, 1, 2, 3] * count
        for line in lines:
            video = decord.VideoReader(str(dataset / f'videos_{split}' / line.split()[0]))
            assert video.get_batch(range(len(video))).shape == (16, 32, 32, 3)


def test_arguments_decide_the_contents(dataset: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'again', 'turn', **SMALL | dict(processes=2))
    assert contents(tmp_path / 'again') == contents(dataset)
    assert not write_dataset(dataset, 'turn', **SMALL)
    with pytest.raises(FileExistsError, match='was made with classes=turn'):
        write_dataset(dataset, 'digit', **SMALL)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(classes='sum'), "classes='sum': choose from digit, digit-direction, turn"),
        (dict(frames=15), 'frames=15 is odd: take 16'),
        (dict(size=14), 'size=14 is too small'),
        (dict(size=33), 'size=33 is no multiple of 2'),
    ],
)
def test_wrong_arguments(wrong: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / 'new', **dict(classes='turn') | SMALL | wrong)
    assert not (tmp_path / 'new').exists()


def test_no_digit_is_in_both_splits() -> None:
    train, val = digits('train'), digits('val')
    assert sum(map(len, train.values())) + sum(map(len, val.values())) == 1797
    assert all(len(images) > 50 for images in val.values())
    held_out = moving_digits.load_digits(return_X_y=True)[0][::3].reshape(-1, 8, 8) / 16
    assert np.array_equal(np.sort(held_out.sum((1, 2))), np.sort(np.concatenate(list(val.values())).sum((1, 2))))


def test_a_digit_that_leaves_comes_back_opposite() -> None:
    image = np.ones((8, 8), np.float32)
    poses = np.array([[0.5, 0.5, 0, 0], [1.0, 0.5, 0, 0], [0.0, 0.5, 0, 0]])
    middle, right, left = paint_digit(image, poses, np.full(3, 200.0), np.zeros((32, 32, 3)))
    assert np.array_equal(right, left) and np.array_equal(np.roll(middle, 16, axis=1), right)
    assert middle[16, 16, 0] == 200 and middle[16, 0, 0] == 0 and right[16, 0, 0] == 200


@pytest.mark.parametrize('kind', CLASSES)
def test_classes_draw_what_they_say(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[np.ndarray, np.ndarray]] = []

    def noted(image: np.ndarray, poses: np.ndarray, *_: object) -> np.ndarray:
        drawn.append((image, poses))
        return np.zeros((len(poses), 16, 16, 3), np.uint8)

    monkeypatch.setattr(moving_digits, 'paint_digit', noted)
    for name in CLASSES[kind]:
        draw_clip(name, 'train', np.random.default_rng(0), kind, 16, 16)
        image, poses = drawn.pop()
        steps = ((np.diff(poses, axis=0) + 0.5) % 1 - 0.5)[0]
        if kind != 'turn':
            assert (digits('train')[name[0]] == image).all((1, 2)).any()
        if kind != 'digit':
            axis, sign = MOTIONS[name.split('-')[-1]]
            assert np.sign(steps[axis]) == sign and steps[1 - axis] == 0
    with pytest.raises(KeyError):
        draw_clip('x', 'train', np.random.default_rng(0), 'digit', 16, 16)


@pytest.mark.parametrize(('one', 'other'), [('up', 'down'), ('left', 'right')])
def test_halves_of_turns_are_those_of_the_opposite(one: str, other: str) -> None:
    """What windows of half a clip see, in any order, is of one distribution: only both halves in order tell."""
    first, second = (turn_back(draw_poses(name, 16, np.random.default_rng(1))) for name in (one, other))
    steps = [(np.diff(half, axis=0) + 0.5) % 1 - 0.5 for half in (first[:8], first[8:], second[:8], second[8:])]
    np.testing.assert_allclose(steps[0], steps[3], atol=1e-9)
    np.testing.assert_allclose(steps[1], steps[2], atol=1e-9)
    assert not np.allclose(steps[0], steps[1])
    # both halves of a clip cover the same places
    np.testing.assert_array_equal(first[:8], first[8:][::-1])
