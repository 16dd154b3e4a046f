"""Three and five crops of a clip."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from mmhvt.datasets import FiveCrop, ThreeCrop

pytestmark = pytest.mark.usefixtures('mmaction_scope')


@pytest.mark.parametrize('turned', [False, True], ids=['wide', 'high'])
def test_three_crops_cover_the_longer_side(turned: bool) -> None:
    frame = np.arange(32 * 57).reshape(32, 57, 1)
    frame = frame.swapaxes(0, 1) if turned else frame
    frames = [frame, frame + 10_000]
    results = ThreeCrop(crop_size=28).transform(dict(imgs=list(frames)))
    assert len(results['imgs']) == 6 and results['img_shape'] == (28, 28)
    starts = []
    for index, (crop, box) in enumerate(zip(results['imgs'], results['crop_bbox'], strict=True)):
        left, top, right, bottom = box
        assert np.array_equal(crop, frames[index % 2][top:bottom, left:right])
        assert (left if turned else top) == 2, 'centered along the shorter side'
        starts.append(top if turned else left)
    assert starts[::2] == starts[1::2] == [0, 28, 14]


def test_three_crop_equals_mmactions_where_that_works() -> None:
    frames = [np.random.RandomState(0).randint(0, 256, (28, 41, 3), dtype=np.uint8)]
    ours = ThreeCrop(crop_size=28).transform(dict(imgs=frames))
    theirs = TRANSFORMS.build(dict(type='ThreeCrop', crop_size=28)).transform(dict(imgs=frames))
    assert all(np.array_equal(a, b) for a, b in zip(ours['imgs'], theirs['imgs'], strict=True))
    assert np.array_equal(ours['crop_bbox'], theirs['crop_bbox'])


def test_three_crop_of_too_small_frames() -> None:
    with pytest.raises(ValueError, match='crops of 28x28 do not fit into frames of 40x20: put a Resize before it'):
        ThreeCrop(crop_size=28).transform(dict(imgs=[np.zeros((20, 40, 3), np.uint8)]))


@pytest.mark.parametrize('turned', [False, True], ids=['wide', 'high'])
def test_five_crop_covers_the_longer_side(turned: bool) -> None:
    frame = np.arange(28 * 71).reshape(28, 71, 1)
    frame = frame.swapaxes(0, 1) if turned else frame
    frames = [frame, frame + 10_000]
    results = FiveCrop(crop_size=28).transform(dict(imgs=list(frames)))
    assert len(results['imgs']) == 10 and results['img_shape'] == (28, 28)
    starts = []
    for index, (crop, box) in enumerate(zip(results['imgs'], results['crop_bbox'], strict=True)):
        left, top, right, bottom = box
        assert crop.shape == (28, 28, 1) and np.array_equal(crop, frames[index % 2][top:bottom, left:right])
        starts.append(top if turned else left)
    assert starts[::2] == starts[1::2] == [0, 10, 21, 32, 43]
    three = TRANSFORMS.build(dict(type='ThreeCrop', crop_size=28)).transform(dict(imgs=list(frames)))['crop_bbox'][::2]
    # its middle and right ones are rounded otherwise
    assert np.abs(results['crop_bbox'][::2][[0, 4, 2]] - three).max() <= 1


def test_five_crop_needs_frames_as_high_as_the_crops() -> None:
    with pytest.raises(ValueError, match='crops of 28x28 are not as large as the shorter side of frames of 40x32'):
        FiveCrop(crop_size=28).transform(dict(imgs=[np.zeros((32, 40, 3), np.uint8)]))
