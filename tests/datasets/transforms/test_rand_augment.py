"""RandAugment: one draw a clip, the operations and strengths of timm."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from mmhvt.datasets.transforms import rand_augment
from mmhvt.datasets.transforms.rand_augment import OPERATIONS, RandAugment

TIMM_NAMES = dict(
    Posterize='PosterizeIncreasing',
    Solarize='SolarizeIncreasing',
    Color='ColorIncreasing',
    Contrast='ContrastIncreasing',
    Brightness='BrightnessIncreasing',
    Sharpness='SharpnessIncreasing',
    TranslateX='TranslateXRel',
    TranslateY='TranslateYRel',
)


@pytest.fixture
def frame() -> np.ndarray:
    """A smooth (96, 128, 3) picture."""
    coarse = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)


def as_clip(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def test_the_operations_are_those_of_timm() -> None:
    theirs = set(auto_augment._RAND_INCREASING_TRANSFORMS)
    assert {TIMM_NAMES.get(name, name) for name in OPERATIONS} == theirs


@pytest.mark.parametrize('magnitude', [0.0, 3.0, 7.0, 9.9])
@pytest.mark.parametrize('name', OPERATIONS)
def test_operation_equals_timm(name: str, magnitude: float, frame: np.ndarray, monkeypatch) -> None:
    references = []
    for draw in (0.1, 0.9):  # either direction
        monkeypatch.setattr(auto_augment.random, 'random', lambda draw=draw: draw)
        hparams = dict(img_mean=(128, 128, 128), interpolation=Image.Resampling.BILINEAR)
        operation = auto_augment.AugmentOp(TIMM_NAMES.get(name, name), prob=1.0, magnitude=magnitude, hparams=hparams)
        references.append(np.asarray(operation(Image.fromarray(frame))).astype(int))
    found = set()
    for seed in range(12):
        np.random.seed(seed)
        out = OPERATIONS[name](as_clip([frame, frame]), magnitude / 10, 128).permute(0, 2, 3, 1).numpy()
        assert out.dtype == np.uint8 and out.shape == (2, *frame.shape)
        differences = [np.abs(out - reference).mean() for reference in references]
        # gray levels; resampling and rounding differ a little between PIL and torchvision
        assert min(differences) < 1.5, differences
        found.add(int(np.argmin(differences)))
    if np.abs(references[0] - references[1]).mean() > 3:
        assert found == {0, 1}, 'both directions occur'


WHOLE_CLIP = dict(
    AutoContrast=lambda clip, strength: F.autocontrast(clip),
    Equalize=lambda clip, strength: F.equalize(clip),
    Invert=lambda clip, strength: F.invert(clip),
    Rotate=lambda clip, strength: F.rotate(clip, strength * 30, InterpolationMode.BILINEAR, fill=128),
    Posterize=lambda clip, strength: F.posterize(clip, max(1, 4 - int(abs(strength) * 4))),
    Solarize=lambda clip, strength: torch.where(clip.int() < 256 - int(abs(strength) * 256), clip, 255 - clip),
    SolarizeAdd=lambda clip, strength: torch.where(clip < 128, clip + int(abs(strength) * 110), clip),
    Color=lambda clip, strength: F.adjust_saturation(clip, max(0.1, 1 + strength * 0.9)),
    Contrast=lambda clip, strength: F.adjust_contrast(clip, max(0.1, 1 + strength * 0.9)),
    Brightness=lambda clip, strength: F.adjust_brightness(clip, max(0.1, 1 + strength * 0.9)),
    Sharpness=lambda clip, strength: F.adjust_sharpness(clip, max(0.1, 1 + strength * 0.9)),
    ShearX=lambda clip, strength: affine(clip, shear=[math.degrees(math.atan(strength * 0.3)), 0.0]),
    ShearY=lambda clip, strength: affine(clip, shear=[0.0, math.degrees(math.atan(strength * 0.3))]),
    TranslateX=lambda clip, strength: affine(clip, translate=[round(strength * 0.45 * clip.shape[-1]), 0]),
    TranslateY=lambda clip, strength: affine(clip, translate=[0, round(strength * 0.45 * clip.shape[-2])]),
)


def affine(clip: torch.Tensor, translate: Sequence[int] = (0, 0), shear: Sequence[float] = (0.0, 0.0)) -> torch.Tensor:
    bilinear = InterpolationMode.BILINEAR
    return F.affine(clip, 0.0, list(translate), 1.0, list(shear), interpolation=bilinear, fill=128, center=[0, 0])


@pytest.mark.parametrize('name', OPERATIONS)
def test_operation_equals_torchvision_on_the_whole_clip(name: str, frame: np.ndarray, monkeypatch) -> None:
    clip = as_clip([frame, frame[::-1] // 3 + 20, np.full_like(frame, 77)])
    for strength in (0.0, 0.34, -0.34, 0.71, -0.71, 1.0):
        monkeypatch.setattr(rand_augment, '_sign', lambda sign=-1 if strength < 0 else 1: sign)
        assert torch.equal(OPERATIONS[name](clip, abs(strength), 128), WHOLE_CLIP[name](clip, strength))


def test_one_draw_a_clip(frame: np.ndarray) -> None:
    np.random.seed(0)
    outs = [RandAugment().transform(dict(imgs=[frame] * 4))['imgs'] for _ in range(12)]
    for out in outs:
        assert all(np.array_equal(out[0], other) for other in out[1:])
    assert len({out[0].tobytes() for out in outs}) > 6, 'clips differ'


def test_frames_keep_their_order_and_layout(frame: np.ndarray) -> None:
    frames = [np.full_like(frame, value) for value in (10, 20, 30)]
    np.random.seed(1)
    out = RandAugment(prob=0).transform(dict(imgs=frames, label=3))
    assert out['label'] == 3 and isinstance(out['imgs'], list)
    assert all(np.array_equal(a, b) and a.flags.c_contiguous for a, b in zip(out['imgs'], frames, strict=True))


def test_the_same_seed_gives_the_same_clip(frame: np.ndarray) -> None:
    outs = []
    for _ in range(2):
        np.random.seed(5)
        outs.append(np.stack(RandAugment(prob=1.0).transform(dict(imgs=[frame] * 2))['imgs']))
    assert np.array_equal(*outs)
    assert not np.array_equal(outs[0][0], frame)


def test_strength_follows_magnitude_and_its_deviation(frame: np.ndarray, monkeypatch) -> None:
    strengths = []
    record = dict.fromkeys(OPERATIONS, lambda clip, strength, fill: strengths.append(strength) or clip)
    monkeypatch.setattr('mmhvt.datasets.transforms.rand_augment.OPERATIONS', record)
    np.random.seed(0)
    for _ in range(500):
        RandAugment(magnitude=7, magnitude_std=0.5, num_ops=4, prob=0.5).transform(dict(imgs=[frame[:2, :2]]))
    assert np.mean(strengths) == pytest.approx(0.7, abs=0.01)
    assert np.std(strengths) == pytest.approx(0.05, abs=0.01)
    assert len(strengths) == pytest.approx(500 * 4 * 0.5, rel=0.1)
    strengths.clear()
    for _ in range(100):
        RandAugment(magnitude=10, magnitude_std=5, prob=1.0).transform(dict(imgs=[frame[:2, :2]]))
    assert 0 <= min(strengths) < max(strengths) == 1.0


def test_torchvision_agrees_on_what_a_video_is(frame: np.ndarray) -> None:
    # contrast and equalization take their statistics from each frame, not from the clip
    dark = frame // 4
    clip = OPERATIONS['Equalize'](as_clip([frame, dark]), 0.7, 128)
    assert torch.equal(clip[1], F.equalize(as_clip([dark])[0]))
    np.random.seed(0)
    both = OPERATIONS['Contrast'](as_clip([frame, dark]), 0.7, 128)
    np.random.seed(0)
    assert torch.equal(both[1:], OPERATIONS['Contrast'](as_clip([dark]), 0.7, 128))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(magnitude=11), 'magnitude must be between 0 and 10, got 11'),
        (dict(magnitude_std=-1), 'magnitude_std must not be negative, got -1'),
        (dict(num_ops=0), 'num_ops must be at least 1, got 0'),
        (dict(prob=1.5), 'prob must be between 0 and 1, got 1.5'),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandAugment(**settings)


def test_wrong_frames(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match='float32: put it after decoding'):
        RandAugment().transform(dict(imgs=[frame.astype(np.float32)]))
    with pytest.raises(ValueError, match=r'got \(3, 4, 96, 128\) uint8'):
        RandAugment().transform(dict(imgs=[np.zeros((3, 4, 96, 128), np.uint8)]))
