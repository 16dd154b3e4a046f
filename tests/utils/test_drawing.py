"""Boxes and captions in frames."""

import numpy as np
import pytest

from mmhvt.utils.drawing import KeyFrame, draw_boxes, draw_video, follow, iou


def test_iou() -> None:
    one = np.array([0.0, 0.0, 0.4, 0.4])
    assert iou(one, one) == pytest.approx(1)
    assert iou(one, one + 0.2) == pytest.approx(0.04 / 0.28)
    assert iou(one, one + 0.5) == 0


def test_boxes_follow_their_actors() -> None:
    """Halfway to the next key frame a box is halfway to what it overlaps there; others rest."""
    boxes = np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]])
    moved = np.array([[0.2, 0.1, 0.4, 0.3]])
    wanted = np.array([[0.15, 0.1, 0.35, 0.3], [0.6, 0.6, 0.9, 0.9]])
    np.testing.assert_allclose(follow(boxes, moved, 0.5), wanted)
    np.testing.assert_allclose(follow(boxes, np.zeros((0, 4)), 0.5), boxes)


def test_captions() -> None:
    """In their color, inside the frame wherever the box is; the frame that is given stays as it is."""
    frame, color = np.zeros((240, 240, 3), np.uint8), (26, 200, 90)
    for corner in ([0, 0], [0.7, 0.7], [0.4, 0]):
        box = np.array([*corner, *np.add(corner, 0.3)])
        bare = draw_boxes(frame, box[None], [('', color)])
        one = draw_boxes(frame, box[None], [('up 0.80', color)])
        two = draw_boxes(frame, box[None], [('up 0.80\ndown 0.75', color)])
        areas = [(picture == color).all(-1).sum() for picture in (bare, one, two)]
        assert areas[0] > 250 and areas[1] > areas[0] + 500 and areas[2] > areas[1] + 500
    assert not frame.any()


def test_three_key_frames_are_held() -> None:
    """They are asked for as the frames come to them."""
    taken = []

    def key_frames():
        for second in range(10):
            taken.append(second)
            yield KeyFrame(second, np.zeros((0, 4)), [])

    frames = draw_video((np.zeros((8, 8, 3), np.uint8) for _ in range(20)), 2, key_frames(), 2)
    ahead = [len(taken) for frame in frames if frame.shape == (16, 16, 3)]
    assert ahead == [min(int(index / 2 + 0.5) + 2, 10) for index in range(20)]
