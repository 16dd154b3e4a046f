"""Pictures of a masked auto-encoder's reconstructions of images and videos (SMViT, arXiv:2306.00989, section 4)."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from mmaction.datasets.transforms import DecordDecode, DecordInit
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate, pseudo_collate
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from torch import Tensor

from mmhvt import migrate
from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.reading import DecodeErrorWrapper
from mmhvt.migrate.report import format_problems
from mmhvt.models import MAE
from mmhvt.models.selfsup.mask import draw_visible
from mmhvt.models.selfsup.target import pixel_patches

GRAY = 127
ROWS = ('input', 'masked', 'reconstruction')


class Reconstruction(NamedTuple):
    """Frames (T, H, W, 3), uint8 RGB; one for an image, the first of each token in time for video."""

    original: np.ndarray
    masked: np.ndarray
    pasted: np.ndarray


def load_model(cfg: Config, checkpoint: str) -> MAE:
    """The auto-encoder of a config with the weights of a checkpoint, in evaluation mode.

    Args:
        cfg: Config of pre-training.
        checkpoint: File of mmengine's runner, or of a source that :mod:`mmhvt.migrate` knows.

    Raises:
        ValueError: If the config's model is no MAE, or the checkpoint cannot be read or is another model's.
    """
    if 'model' not in cfg:
        raise ValueError('the config has no model')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
        model = MODELS.build(cfg.model)
    if not isinstance(model, MAE):
        raise ValueError(f'the model of the config is {type(model).__name__}: use one of masked pre-training, with MAE')
    found = migrate.load(checkpoint)
    report = migrate.compare(model, found)
    if report.problems:
        raise ValueError(
            f'{checkpoint} is no checkpoint of the MAE in the config: {report.num_matching} of its '
            f'{report.num_expected} tensors are there, of {len(found)} in the file. '
            f'{format_problems(report.problems, most=1)}'
        )
    model.load_state_dict(found)
    return model.eval()


def read_input(cfg: Config, path: str, seed: int = 0) -> dict:
    """Read a file with the training pipeline of a config, as a batch of one.

    Args:
        cfg: Config with `train_dataloader.dataset.pipeline`, of mmaction through decord or of mmpretrain.
        path: Video or image.
        seed: Decides crops and the place of the clip.

    Raises:
        ValueError: If there is no such pipeline, or if the file is missing, cannot be read, or has too few frames.
    """
    dataset = cfg.get('train_dataloader', {}).get('dataset', {})
    if 'pipeline' not in dataset:
        raise ValueError('the config has no train_dataloader.dataset.pipeline to read files with')
    if not Path(path).is_file():
        raise ValueError(f'{path}: no such file')
    scope = dataset.get('_scope_', cfg.get('default_scope', 'mmengine'))
    with DefaultScope.overwrite_default_scope(scope):
        transforms = Compose(dataset.pipeline).transforms
    video = any(isinstance(transform, DecordInit) for transform in transforms)
    results = dict(filename=path, start_index=0, modality='RGB', label=-1) if video else dict(img_path=path)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    for transform in transforms:
        if isinstance(transform, DecordInit | DecordDecode):
            transform = DecodeErrorWrapper(transform)
        try:
            results = transform(results)
        except UnreadableVideoError as error:
            raise ValueError(str(error)) from None
        except (OSError, AssertionError, AttributeError, cv2.error) as error:
            if not isinstance(transform, LoadImageFromFile):
                raise
            raise ValueError(f'cannot read image {path}: is it one? {type(error).__name__}: {error}') from None
        if 'clip_len' in results and 'frame_inds' in results:
            # mmaction repeats the frames of a video that is too short, which shows motion that is not there
            stride = results['frame_interval'] or 1
            span = (results['clip_len'] - 1) * stride + 1
            if results['total_frames'] < span:
                raise ValueError(
                    f'{path} has {results["total_frames"]} frames, and a clip of the config spans {span} '
                    f'({results["clip_len"]} frames with a stride of {stride}): take a longer one'
                )
    return pseudo_collate([results]) if video else default_collate([results])


@torch.no_grad()
def reconstruct(model: MAE, batch: dict, seed: int = 0) -> Reconstruction:
    """Masks the first clip of a batch, and pastes what the model predicts into what it saw.

    The model predicts masked units only, and only the first frame of each token. If it was trained on patches of mean 0
    and variance 1 (`norm_pix`), it cannot know brightness and contrast: those of the hidden patch are used.

    Args:
        model: Auto-encoder in evaluation mode.
        batch: Result of :func:`read_input`.
        seed: Decides the mask.
    """
    preprocessor = model.data_preprocessor
    x = model.clips(preprocessor(batch, False)['inputs'])[:1]
    counts = model.backbone.unit_grid(x.shape[2:])
    generator = torch.Generator(x.device).manual_seed(seed)
    visible = draw_visible(1, int(np.prod(counts)), model.mask_ratio, x.device, generator)
    prediction, _, hidden = model.reconstruct(x, visible)

    patches = pixel_patches(x, model.patch)
    places = hidden[:, :, None].expand(-1, -1, patches.shape[2])
    if model.norm_pix:
        target = patches.gather(1, places)
        prediction = prediction * (target.var(-1, keepdim=True) + 1e-6).sqrt() + target.mean(-1, keepdim=True)
    frames = torch.cat([patches, patches.scatter(1, places, prediction.to(patches.dtype))])
    frames = frames_of_patches(frames, x.shape[2:], model.patch)
    if preprocessor._enable_normalize:
        mean, std = (getattr(preprocessor, name).view(-1) for name in ('mean', 'std'))
        frames = frames * std + mean
    original, pasted = frames.clamp(0, 255).round().byte().cpu().numpy()
    mask = torch.zeros_like(patches[:, :, :1]).scatter(1, places[:, :, :1], 1).expand_as(patches)
    is_masked = frames_of_patches(mask, x.shape[2:], model.patch)[0].bool().cpu().numpy()
    return Reconstruction(original, np.where(is_masked, np.uint8(GRAY), original), pasted)


def frames_of_patches(patches: Tensor, size: tuple[int, ...], patch: tuple[int, ...]) -> Tensor:
    """Inverse of :func:`~mmhvt.models.selfsup.target.pixel_patches`.

    Args:
        patches: (N, tokens, C · h · w).
        size: ([T,] H, W) of the input.
        patch: ([t,] h, w) of a token.

    Returns:
        Tensor: (N, T / t or 1, H, W, C).
    """
    *frames, height, width = patch
    grid = [n // p for n, p in zip(size, patch, strict=True)]
    if frames:
        x = patches.view(len(patches), *grid, height, width, -1)
    else:
        x = patches.view(len(patches), 1, *grid, -1, height, width).movedim(4, -1)
    return x.transpose(3, 4).flatten(4, 5).flatten(2, 3)  # (N, T, rows, columns, h, w, C) -> (N, T, H, W, C)


def caption(model: MAE) -> str:
    """What readers of the pictures have to know."""
    text = f"{model.mask_ratio:.0%} of the mask units hidden; in the reconstruction the visible ones are the input's."
    if len(model.patch) == 3 and model.patch[0] > 1:
        text += f' One frame in {model.patch[0]}, which is what the model predicts.'
    if model.norm_pix:
        text += '\nIt predicts patches of mean 0 and variance 1: mean and variance are those of the hidden patch.'
    return text


def draw_rows(axes: np.ndarray, reconstruction: Reconstruction) -> None:
    """Draw frames into axes (3, T): input, masked and reconstruction, from top to bottom."""
    for row, name, frames in zip(axes, ROWS, reconstruction, strict=True):
        for panel, frame in zip(row, frames, strict=True):
            panel.imshow(frame, interpolation='nearest')
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=9)


def draw(path: Path, reconstruction: Reconstruction, note: str) -> None:
    """Write a picture: for video, a column per frame; for an image, the three side by side.

    Args:
        path: PNG to write.
        reconstruction: Result of :func:`reconstruct`.
        note: Text below; see :func:`caption`.
    """
    frames = len(reconstruction.original)
    height, width = reconstruction.original.shape[1:3]
    rows, columns = (3, frames) if frames > 1 else (1, 3)
    panel = min(2.4, max(1.3, 14 / columns)) if frames > 1 else 3.4
    size = (columns * panel + 0.4, rows * panel * height / width + 0.8)
    figure = Figure(figsize=(max(size[0], 6.5), size[1]), dpi=100, facecolor='white', layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False)
    if frames > 1:
        draw_rows(axes, reconstruction)
    else:
        draw_rows(axes.reshape(3, 1), reconstruction)
        for axis, name in zip(axes[0], ROWS, strict=True):
            axis.set_ylabel('')
            axis.set_title(name, fontsize=10)
    figure.supxlabel(note, fontsize=8, color='#555555')
    figure.savefig(path)


def write_gif(path: Path, films: Sequence[np.ndarray], seconds: float = 0.35) -> None:
    """Write films side by side as a GIF that repeats, with small frames enlarged.

    Args:
        path: GIF to write.
        films: Frames (T, H, W, 3) of each, uint8 RGB, such as a :class:`Reconstruction`.
        seconds: Duration of a frame.
    """
    height = films[0].shape[1]
    scale, gap = max(1, round(160 / height)), 4
    strips = []
    for frames in zip(*films, strict=True):
        panels = []
        for frame in frames:
            big = frame.repeat(scale, 0).repeat(scale, 1)
            panels += [big, np.full((len(big), gap, 3), 255, np.uint8)]
        strips.append(Image.fromarray(np.hstack(panels[:-1])))
    strips[0].save(path, save_all=True, append_images=strips[1:], duration=round(1000 * seconds), loop=0)
