"""Class activation maps of each stage over the frames of a video or an image (UniFormerV2, arXiv:2211.09552, figure 4).

Grad-CAM (arXiv:1610.02391) with weights by frame, as in mmaction2's GradCAM. That class accepts only video recognizers,
and needs a pass for each layer; pytorch-grad-cam accepts only images. Here, one pass covers all stages, for both.

Shapes: N batch, C channels, T frames, H height, W width.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from mmaction.models import BaseRecognizer
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmpretrain.models import BaseClassifier
from torch import Tensor, nn

from mmhvt.apis.labels import read_names
from mmhvt.apis.models import check_device, class_names, find_model, load_config, load_model
from mmhvt.apis.videos import Video
from mmhvt.hub import nearest
from mmhvt.models.backbones.base import Backbone

from .attention_distance import mean_distances, write_distances
from .clips import Preprocessing, choose_sampling
from .extractor import model_cfg
from .reconstructions import write_gif

# most panels of a PNG from left to right, and most rows of maps unless stages are given
MOST_COLUMNS = 8
MOST_STAGES = 4
OPACITY = 0.5


class Sample(NamedTuple):
    """A file as the model gets it.

    Args:
        data: Batch of one, as the test pipeline makes it.
        frames: (T, H, W, 3) uint8 RGB, what the model sees; one for an image.
        times: Seconds of each frame from the start of the video; empty for an image.
    """

    data: dict
    frames: np.ndarray
    times: np.ndarray


class ActivationMaps(NamedTuple):
    """Class activation maps.

    Args:
        label: Number of the class.
        score: Its score, as the model predicts it.
        maps: (T, H, W) in [0, 1] by stage; zero where nothing in a stage supports the class.
    """

    label: int
    score: float
    maps: dict[int, np.ndarray]


# ------------------------------------------------------------------------------------------------------------- reading


def read_sample(path: Path, preprocessing: Preprocessing, config: str) -> Sample:
    """Read a file with a test pipeline: the middle clip of a video, and the middle crop of each frame.

    Args:
        path: Video, or image if the pipeline reads images.
        preprocessing: Preprocessing with center crops.
        config: Name of the config, for messages.

    Raises:
        ValueError: If the file is no image and the pipeline reads images, or the reverse.
        UnreadableVideoError: If the video cannot be read; the message names it.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file')
    read = _read_image if preprocessing.image else _read_clip
    return read(path, preprocessing, config)


def _read_image(path: Path, preprocessing: Preprocessing, config: str) -> Sample:
    image = cv2.imread(str(path)) if cv2.haveImageReader(str(path)) else None
    if image is None:
        raise ValueError(f'{path} cannot be read as an image, and the model of {config} takes images, not videos')
    sample = preprocessing([cv2.cvtColor(image, cv2.COLOR_BGR2RGB)], str(path), np.zeros(1, int), 1, 1.0)
    seen = sample['inputs'].flip(0).movedim(0, -1)  # (C, H, W) BGR -> (H, W, 3)
    return Sample(pseudo_collate([sample]), seen[None].numpy(), np.array([]))


def _read_clip(path: Path, preprocessing: Preprocessing, config: str) -> Sample:
    if cv2.haveImageReader(str(path)):
        raise ValueError(f'{path} is an image, and the model of {config} takes videos')
    video = Video(path)
    # 2D recognizers see one frame of each segment, which is a clip to the sampler
    segments = preprocessing.flat or 'num_clips' not in (preprocessing.sampling or {})
    sampling = choose_sampling(preprocessing, num_clips=None if segments else 1)
    clips = sampling(len(video), video.fps)[:]
    indices = clips.flatten() if preprocessing.flat else clips[len(clips) // 2]
    sample = preprocessing(video.get_batch(indices).asnumpy(), str(path), indices, len(video), video.fps)
    seen = sample['inputs'] if preprocessing.flat else sample['inputs'][0].transpose(0, 1)  # (T, C, H, W)
    return Sample(pseudo_collate([sample]), seen.movedim(1, -1).numpy(), indices / video.fps)


def find_class(text: str, names: Sequence[str]) -> int:
    """Number of a class by its name, whatever its case, or by its number.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    lower = [name.lower() for name in names]
    if text in names or text.lower() in lower:
        return list(names).index(text) if text in names else lower.index(text.lower())
    if text.lstrip('-').isdecimal():
        if 0 <= int(text) < len(names):
            return int(text)
        raise ValueError(f'--class {text}: the classes of the model are 0 to {len(names) - 1}')
    raise ValueError(f'--class {text}: the model has no such class; {nearest(text, names)}')


def choose_stages(backbone: Backbone, stages: Sequence[int] | None) -> list[int]:
    """Stages to show: those requested, or at most four that are spread over all and end with the last.

    Raises:
        ValueError: If there is no such stage, or the output does not depend on it.
    """
    count = backbone.out_indices[-1] + 1
    if stages is None:
        rows = min(count, MOST_STAGES)
        return [count * (row + 1) // rows - 1 for row in range(rows)]
    wrong = [stage for stage in stages if not -count <= stage < count]
    if wrong:
        raise ValueError(f'--stages {wrong[0]}: there are {backbone.unit}s 0 to {count - 1}')
    return sorted({stage % count for stage in stages})


# ------------------------------------------------------------------------------------------------------------ Grad-CAM


@contextmanager
def _unsquashed(model: nn.Module) -> Iterator[None]:
    """Heads of mmaction2 return scores before softmax, whose gradients do not vanish where the model is sure."""
    modules: Iterator[Any] = model.modules()
    heads = {module: module.average_clips for module in modules if hasattr(module, 'average_clips')}
    try:
        for head in heads:
            head.average_clips = 'score'
        yield
    finally:
        for head, value in heads.items():
            head.average_clips = value


def _predict(model: nn.Module, data: dict) -> Tensor:
    """Scores (classes,) of a batch of one, the mean of its views."""
    (found,) = model(**data, mode='predict')
    return found.pred_score.reshape(-1, found.pred_score.shape[-1]).mean(0)


def _logits(model: nn.Module, data: dict) -> Tensor:
    """Scores (classes,) before softmax."""
    if isinstance(model, BaseClassifier):
        return model(**data, mode='tensor')[0]
    with _unsquashed(model):
        return _predict(model, data)


def activation_map(activations: Tensor, gradient: Tensor, size: Sequence[int]) -> Tensor:
    """Grad-CAM of a map, stretched to frames of `size` (T, H, W), in [0, 1].

    Args:
        activations: Map (1, C, T', h, w) of a clip, or (T', C, h, w) of an image or of separate frames.
        gradient: Gradient of the score of a class.
        size: (T, H, W).
    """
    weights = gradient.mean((-2, -1), keepdim=True)
    found = (weights * activations).sum(1).relu().flatten(0, -3)  # (T', h, w)
    found = F.interpolate(found[None, None].float(), size=tuple(size), mode='trilinear')[0, 0]
    found = found - found.min()
    return found / found.max().clamp(min=torch.finfo(found.dtype).tiny)


def _keep(maps: dict[int, Tensor], stage: int, module: nn.Module, args: tuple, out: Tensor) -> None:
    maps[stage] = out


def activation_maps(
    model: nn.Module, data: dict, size: Sequence[int], stages: Sequence[int], label: int | None = None
) -> ActivationMaps:
    """Class activation maps of stages.

    Args:
        model: Recognizer of mmaction2 or classifier of mmpretrain with a backbone of mmhvt, in evaluation mode.
        data: Batch of one after the `data_preprocessor`.
        size: (T, H, W) of the frames.
        stages: Stages of the backbone.
        label: Number of the class. Defaults to the one with the best score.
    """
    backbone: Any = model.backbone
    with torch.no_grad():
        scores = _predict(model, data)
    label = int(scores.argmax()) if label is None else label
    maps: dict[int, Tensor] = {}
    with ExitStack() as stack:
        for stage in stages:
            stack.callback(backbone.stage_maps[stage].register_forward_hook(partial(_keep, maps, stage)).remove)
        with torch.enable_grad():
            logit = _logits(model, data)[label]
    gradients = torch.autograd.grad(logit, [maps[stage] for stage in stages])
    found = {
        stage: activation_map(maps[stage].detach(), gradient, size).cpu().numpy()
        for stage, gradient in zip(stages, gradients, strict=True)
    }
    return ActivationMaps(label, float(scores[label]), found)


# ------------------------------------------------------------------------------------------------------------- drawing


def overlay(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 under maps (T, H, W) in [0, 1], red where they are high and blue where they are low."""
    colors = matplotlib.colormaps['jet'](heat)[..., :3] * 255
    return ((1 - OPACITY) * frames + OPACITY * colors).round().astype(np.uint8)


def draw(path: Path, films: dict[str, np.ndarray], times: np.ndarray, title: str) -> None:
    """Write a picture: for a video, a row for each film and a column for each of up to 8 frames; for an image, one row.

    Args:
        path: PNG to write.
        films: Frames (T, H, W, 3) by name.
        times: Seconds of each frame; empty for an image.
        title: Title above.
    """
    count, height, width, _ = next(iter(films.values())).shape
    shown = np.linspace(0, count - 1, min(count, MOST_COLUMNS)).round().astype(int)
    gap = max(1, width // 20)
    rows, columns = (len(films), 1) if len(times) else (1, len(films))
    inches = (1.5 * len(shown) if len(times) else 2.4) * columns
    size = (max(inches + 0.6, 4), inches / columns / len(shown) * height / width * rows + 0.7)
    figure = Figure(figsize=size, dpi=100, facecolor='white', layout='constrained')
    for panel, (name, frames) in zip(figure.subplots(rows, columns, squeeze=False).flat, films.items(), strict=True):
        # side by side, each with a white margin; an axis for each frame would take seconds
        strip = np.hstack([*np.pad(frames[shown], ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)])
        panel.imshow(strip[:, :-gap], interpolation='nearest')
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        if len(times):
            panel.set_ylabel(name, fontsize=9)
        else:
            panel.set_title(name, fontsize=9)
    if len(times):
        top = figure.axes[0]
        middles = np.arange(len(shown)) * (width + gap) + width / 2
        top.set_xticks(middles, [f'{times[index]:.2f} s' for index in shown], fontsize=8)
        top.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def draw_saliency(
    path: Path,
    config: str,
    checkpoint: str | None,
    out: Path,
    *,
    label: str | None = None,
    labels: Path | None = None,
    stages: Sequence[int] | None = None,
    distance: bool = False,
    device: str = 'cpu',
    options: dict | None = None,
) -> tuple[str, list[Path]]:
    """Write class activation maps of a file and, where asked for, mean attention distances.

    Args:
        path: Video, or image if the config tests images.
        config: Path or name of a config of mmaction2 or mmpretrain with a backbone of mmhvt.
        checkpoint: File or URL of the weights. Defaults to what the metafile names.
        out: Folder to write to: NAME.png and, for a video, NAME.gif; with `distance`, NAME_distance.png and .json.
        label: Name or number of the class. Defaults to the one that the model predicts.
        labels: File of the class names, one per line. Defaults to those of the checkpoint or config.
        stages: Stages to show, layers of a plain ViT. Defaults to at most four.
        distance: Whether distances are written, too. Defaults to False.
        device: Device of the model. Defaults to 'cpu'.
        options: Settings that override those of the config.

    Returns:
        tuple[str, list[Path]]: A line about what was found, and the files.

    Raises:
        ValueError: If file, config, checkpoint and class do not fit together.
        UnreadableVideoError: If the video cannot be read.
        OSError: If a file cannot be written.
    """
    check_device(device)
    found, weights = find_model(config, checkpoint)
    cfg = load_config(str(found), options)
    cfg.model = model_cfg(cfg)
    preprocessing = Preprocessing(cfg, center_crop=True)
    sample = read_sample(path, preprocessing, config)
    kind: type[nn.Module] = BaseClassifier if preprocessing.image else BaseRecognizer
    given = None if labels is None else read_names(labels)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
        model: Any = load_model(cfg, weights, device, kind)
        names, _ = class_names(model, cfg, preprocessing.dataset, given, str(labels))
    backbone = model.backbone
    if not isinstance(backbone, Backbone):
        raise ValueError(
            f'{config}: {type(backbone).__name__} is no backbone of mmhvt and has no stage_maps; vis_cam of mmaction2 '
            'and mmpretrain draws any layer'
        )
    shown = choose_stages(backbone, stages)
    number = None if label is None else find_class(label, names)
    data = model.data_preprocessor(sample.data, False)
    maps = activation_maps(model, data, sample.frames.shape[:3], shown, number)
    title = f'{names[maps.label]} {maps.score:.2f}'
    films = {'input': sample.frames}
    films |= {f'{backbone.unit} {stage}': overlay(sample.frames, heat) for stage, heat in maps.maps.items()}
    out.mkdir(parents=True, exist_ok=True)
    stem = out / path.stem
    written = [stem.with_name(f'{stem.name}.png')]
    draw(written[0], films, sample.times, title)
    if not preprocessing.image:
        written.append(stem.with_name(f'{stem.name}.gif'))
        write_gif(written[1], list(films.values()))
    if distance:
        x = data['inputs'] if preprocessing.image else data['inputs'].flatten(0, 1)
        written += write_distances(stem.with_name(f'{stem.name}_distance'), mean_distances(backbone, x), x.shape[2:])
    idle = [str(stage) for stage, heat in maps.maps.items() if not heat.any()]
    note = f'; nothing supports it in {backbone.unit} {", ".join(idle)}' if idle else ''
    return f'{path}: {title}{note}', written
