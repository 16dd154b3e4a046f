"""Videos whose frames show their own number."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np


def picture(number: int) -> np.ndarray:
    """Frame (32, 64, 3) that shows a number below 256, in eight squares."""
    bits = [number >> bit & 1 for bit in range(8)]
    squares = np.array(bits, np.uint8).reshape(2, 4) * 190 + 30
    return np.kron(squares, np.ones((16, 16), np.uint8))[..., None].repeat(3, 2)


def number_in(frame: np.ndarray) -> int:
    """The number that a frame (32, 64, 3) shows."""
    bits = frame[8::16, 8::16, 0].ravel() > 125
    return int((bits << np.arange(8)).sum())


def numbers_in(clips: Iterable) -> list[list[int]]:
    """The numbers of the frames of clips (C, T, 32, 64), tensors of uint8."""
    return [[number_in(frame) for frame in clip.permute(1, 2, 3, 0).numpy()] for clip in clips]


def write_numbered(path: Path, frames: int, fps: float) -> None:
    """An MP4 of frames 0, 1, 2, …"""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (64, 32))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(picture(number))
    writer.release()
