"""Videos with boxes about persons and what they do, drawn frame by frame."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

Colour = tuple[int, int, int]


class KeyFrame(NamedTuple):
    """What is known of a moment.

    Args:
        seconds: From the start of the video.
        boxes: (n, 4): x1, y1, x2, y2 as shares of the frame.
        captions: Text, of any number of lines, and RGB of each box.
    """

    seconds: float
    boxes: np.ndarray
    captions: list[tuple[str, Colour]]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = sides.clip(0).prod()
    return float(both / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - both))


def follow(boxes: np.ndarray, others: np.ndarray, share: float) -> np.ndarray:
    """Boxes on their way to the next key frame.

    Args:
        boxes: (n, 4) at a key frame.
        others: (found, 4) at the next.
        share: Of the way.

    Returns:
        (n, 4). A box that overlaps none at the next key frame rests.
    """
    moved = boxes.copy()
    for index, box in enumerate(boxes):
        overlap, nearest = max(((iou(box, other), i) for i, other in enumerate(others)), default=(0.0, 0))
        if overlap > 0.1:
            moved[index] += share * (others[nearest] - box)
    return moved


def draw_boxes(frame: np.ndarray, boxes: np.ndarray, captions: list[tuple[str, Colour]]) -> np.ndarray:
    """A copy of a frame (H, W, 3) uint8 with boxes (n, 4), shares of the frame, and their captions."""
    frame = frame.copy()
    height, width = frame.shape[:2]
    scale = max(0.4, min(height, width) / 1100)
    font, thickness = (cv2.FONT_HERSHEY_SIMPLEX, scale), max(1, round(scale))
    for box, (text, colour) in zip(boxes, captions, strict=True):
        x1, y1, x2, y2 = (box * [width, height, width, height]).round().astype(int).tolist()
        cv2.rectangle(frame, (x1, y1), (x2, y2), colour, 2 * thickness, cv2.LINE_AA)
        lines = text.splitlines()
        sizes = np.array([cv2.getTextSize(line, *font, thickness)[0] for line in lines], int).reshape(-1, 2)
        long, tall = sizes.max(axis=0, initial=0).tolist()
        row = tall + 8
        # above the box if there is space, and never out of the frame
        left, top = max(min(x1, width - long - 6), 0), max(min(y1, height) - row * len(lines), 0)
        for number, line in enumerate(lines):
            y = top + number * row
            cv2.rectangle(frame, (left, y), (left + long + 6, y + row), colour, cv2.FILLED)
            cv2.putText(frame, line, (left + 3, y + tall + 4), *font, (255, 255, 255), thickness, cv2.LINE_AA)
    return frame


def draw_video(
    frames: Iterable[np.ndarray], fps: float, key_frames: Iterable[KeyFrame], zoom: int = 1
) -> Iterator[np.ndarray]:
    """Frames with what stands at the nearest key frame, whose boxes go towards what they overlap at the other side's.

    Args:
        frames: (H, W, 3) uint8 each.
        fps: Frames a second.
        key_frames: One or more in order of time; taken when the frames come to them, so that three are held at a time.
        zoom: Enlarges.

    Yields:
        (zoom * H, zoom * W, 3) uint8.
    """
    key_frames = iter(key_frames)
    before, nearest, behind = None, next(key_frames), next(key_frames, None)
    for index, frame in enumerate(frames):
        seconds = index / fps
        while behind is not None and seconds >= (nearest.seconds + behind.seconds) / 2:
            before, nearest, behind = nearest, behind, next(key_frames, None)
        neighbour = behind if seconds > nearest.seconds else before
        boxes = nearest.boxes
        if neighbour is not None:
            share = (seconds - nearest.seconds) / (neighbour.seconds - nearest.seconds)
            boxes = follow(boxes, neighbour.boxes, share)
        if zoom > 1:
            frame = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
        yield draw_boxes(frame, boxes, nearest.captions)
