"""Boxes with captions, drawn into frames of videos.

torchvision's `draw_bounding_boxes` writes a single line per box, which may leave the frame. Captions here have several
lines and stay within the frame.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torchvision.ops import box_iou

Color = tuple[int, int, int]

BLUE: Color = (26, 140, 220)


class KeyFrame(NamedTuple):
    """Boxes at a moment of a video.

    Args:
        seconds: Time from the start of the video.
        boxes: (n, 4), x1, y1, x2, y2 as shares of the frame.
        captions: Text of any number of lines, and RGB color, of each box.
    """

    seconds: float
    boxes: np.ndarray
    captions: list[tuple[str, Color]]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    return box_iou(*(torch.as_tensor(box, dtype=torch.float64)[None] for box in (one, other))).item()


def follow(boxes: np.ndarray, others: np.ndarray, share: float) -> np.ndarray:
    """Interpolate boxes on their way to the next key frame.

    Args:
        boxes: (n, 4) at a key frame.
        others: (found, 4) at the next key frame.
        share: Share of the way, in [0, 1].

    Returns:
        (n, 4). A box that overlaps none at the next key frame stays where it is.
    """
    moved = boxes.copy()
    for index, box in enumerate(boxes):
        overlap, nearest = max(((iou(box, other), i) for i, other in enumerate(others)), default=(0.0, 0))
        if overlap > 0.1:
            moved[index] += share * (others[nearest] - box)
    return moved


def draw_boxes(frame: np.ndarray, boxes: np.ndarray, captions: list[tuple[str, Color]]) -> np.ndarray:
    """A copy of a frame (H, W, 3) uint8 with boxes (n, 4), shares of the frame, and their captions."""
    frame = frame.copy()
    height, width = frame.shape[:2]
    scale = max(0.4, min(height, width) / 1100)
    font, thickness = (cv2.FONT_HERSHEY_SIMPLEX, scale), max(1, round(scale))
    for box, (text, color) in zip(boxes, captions, strict=True):
        x1, y1, x2, y2 = (box * [width, height, width, height]).round().astype(int).tolist()
        cv2.rectangle(frame, (x1, y1), (x2, y2), color, 2 * thickness, cv2.LINE_AA)
        lines = text.splitlines()
        sizes = np.array([cv2.getTextSize(line, *font, thickness)[0] for line in lines], int).reshape(-1, 2)
        long, tall = sizes.max(axis=0, initial=0).tolist()
        row = tall + 8
        # above the box if there is space, and never out of the frame
        left, top = max(min(x1, width - long - 6), 0), max(min(y1, height) - row * len(lines), 0)
        for number, line in enumerate(lines):
            y = top + number * row
            cv2.rectangle(frame, (left, y), (left + long + 6, y + row), color, cv2.FILLED)
            cv2.putText(frame, line, (left + 3, y + tall + 4), *font, (255, 255, 255), thickness, cv2.LINE_AA)
    return frame


def draw_video(
    frames: Iterable[np.ndarray], fps: float, key_frames: Iterable[KeyFrame], zoom: int = 1
) -> Iterator[np.ndarray]:
    """Frames with the boxes and captions of the nearest key frame.

    Between two key frames a box moves toward the box that it overlaps at the other one.

    Args:
        frames: (H, W, 3) uint8 each.
        fps: Frames a second.
        key_frames: One or more in temporal order; consumed as frames reach them, so that three are held at a time.
        zoom: Factor by which frames are enlarged. Defaults to 1.

    Yields:
        (zoom * H, zoom * W, 3) uint8.
    """
    key_frames = iter(key_frames)
    before, nearest, after = None, next(key_frames), next(key_frames, None)
    for index, frame in enumerate(frames):
        seconds = index / fps
        while after is not None and seconds >= (nearest.seconds + after.seconds) / 2:
            before, nearest, after = nearest, after, next(key_frames, None)
        neighbor = after if seconds > nearest.seconds else before
        boxes = nearest.boxes
        if neighbor is not None:
            share = (seconds - nearest.seconds) / (neighbor.seconds - nearest.seconds)
            boxes = follow(boxes, neighbor.boxes, share)
        if zoom > 1:
            frame = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
        yield draw_boxes(frame, boxes, nearest.captions)
