"""Handwritten digits that come with scikit-learn, as a folder of images for each class."""

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

from mmhvt.synthetic.generate import begin_dataset, finish_dataset

NAMES = tuple('0123456789')
# largest gray value of the source
WHITE = 16


def write_dataset(out: str | Path) -> bool:
    """Write the 1 797 digits (8×8 pixels) of :func:`sklearn.datasets.load_digits`, real handwriting of 43 people.

    `out` then holds `train/` and `val/` with a folder for each class (PNG, gray), and `manifest.json`. Every third
    image is held out for validation, so that the split is the same everywhere. The manifest comes last: the next call
    finishes a folder that an interrupted one left.

    Args:
        out: Folder; new, empty, or left by an earlier call.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    images, labels = load_digits(return_X_y=True)
    paths = [f'{"train" if index % 3 else "val"}/{NAMES[label]}/{index:04d}.png' for index, label in enumerate(labels)]
    folders, counts = np.unique([str(Path(path).parent) for path in paths], return_counts=True)
    if not begin_dataset(out, {}, dict(zip(folders, counts, strict=True)), 'digits', 'images', '.png'):
        return False
    pixels = np.round(images.reshape(-1, 8, 8) * (255 / WHITE)).astype(np.uint8)
    for path, image in zip(paths, pixels, strict=True):
        if not cv2.imwrite(str(out / path), image):
            raise OSError(f'{out / path} cannot be written: is the folder writable, and is there space left?')
    finish_dataset(out)
    return True
