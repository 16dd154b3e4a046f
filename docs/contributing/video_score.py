"""Video quality assessment, one score per video: the worked example of docs/contributing/new_task.md.

`python docs/contributing/video_score.py data/video_score` writes videos to learn from: moving shapes that are
underexposed, scored from 5 (well exposed) down to 1.

Shapes: N clips, C channels.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.models.heads import BaseHead
from mmaction.structures import ActionDataSample
from mmengine.evaluator import BaseMetric
from mmengine.model import trunc_normal_init
from scipy.stats import pearsonr, spearmanr
from torch import Tensor, nn

from mmhvt.apis.videos import write_video
from mmhvt.datasets import VideoDataset
from mmhvt.datasets.annotations import Line, is_number
from mmhvt.registry import DATASETS, METRICS, MODELS
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_clip


# ------------------------------------------------------------------------------------------------------- dataset
@DATASETS.register_module()
class ScoreDataset(VideoDataset):
    """Videos with one score each.

    Args:
        ann_file: Path of a file with lines of path and score, such as ``a.mp4 3.25``.
        kwargs: Arguments of :class:`mmhvt.VideoDataset`: pipeline, data_root, data_prefix, test_mode, …

    Raises:
        ValueError: If a line has no score, or one that is not a number. The message names file and line.
    """

    columns = ('a path', 'its score')

    def __init__(self, ann_file: str, **kwargs: Any):
        super().__init__(ann_file, labels='ignored', **kwargs)

    def _are_columns(self, fields: list[str]) -> bool:
        return is_number(fields[1])

    def _parse(self, line: Line) -> dict:
        """Parse `filename` and `score`."""
        score = line.fields[1]
        if not is_number(score):
            raise ValueError(f'{line.where}: score must be a number, got {score!r}')
        return dict(super()._parse(line), score=float(score))


# ---------------------------------------------------------------------------------------------------- head, loss
MODELS.register_module(module=nn.SmoothL1Loss)


@MODELS.register_module()
class ScoreHead(BaseHead):
    """Linear regression of one score from a backbone's pooled feature.

    Args:
        in_channels: Number of channels of the backbone's last stage.
        mean: Mean score of the training videos, the initial bias. Defaults to 0.
        dropout_ratio: Dropout probability of the feature. Defaults to 0.
        loss_score: Config of the loss. Defaults to smooth L1.
        init_cfg: Initialization. Defaults to None.
    """

    def __init__(
        self,
        in_channels: int,
        mean: float = 0.0,
        dropout_ratio: float = 0.0,
        loss_score: dict = dict(type='mmhvt.SmoothL1Loss', beta=0.5),
        init_cfg: dict | None = None,
    ):
        # no classes: NumClassesCheckHook has nothing to compare
        super().__init__(
            num_classes=None, in_channels=in_channels, loss_cls=loss_score, average_clips='score', init_cfg=init_cfg
        )
        self.mean = mean
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc = nn.Linear(in_channels, 1)

    def init_weights(self) -> None:
        """Begin near the mean score; then apply `init_cfg`."""
        trunc_normal_init(self.fc, std=0.02, bias=self.mean)
        super().init_weights()

    def forward(self, x: tuple[Tensor, ...], **kwargs: Any) -> Tensor:
        """A tuple that ends with (N, C) -> (N, 1).

        Raises:
            ValueError: If the feature is not pooled or has another number of channels.
        """
        if x[-1].ndim != 2 or x[-1].shape[1] != self.in_channels:
            raise ValueError(
                f'ScoreHead takes features of shape (N, {self.in_channels}), got {tuple(x[-1].shape)}: the backbone '
                "needs out_type='avg_featmap', and in_channels channels in its last stage"
            )
        return self.fc(self.dropout(x[-1])).float()

    def loss_by_feat(self, cls_scores: Tensor, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Loss of predicted scores (N, 1); every clip of a video has the video's score."""
        scores = cls_scores.new_tensor([sample.score for sample in data_samples])
        scores = scores.repeat_interleave(len(cls_scores) // len(scores))
        return dict(loss_score=self.loss_cls(cls_scores.squeeze(1), scores))

    def predict_by_feat(self, cls_scores: Tensor, data_samples: list[ActionDataSample]) -> list[ActionDataSample]:
        """Give each sample the mean score over its views, as `pred_score` (1,)."""
        scores = self.average_clip(cls_scores, num_segs=len(cls_scores) // len(data_samples))
        for sample, score in zip(data_samples, scores, strict=True):
            sample.set_pred_score(score)
        return data_samples


# -------------------------------------------------------------------------------------------------------- metric
@METRICS.register_module()
class ScoreMetric(BaseMetric):
    """Spearman's and Pearson's correlation (SRCC, PLCC) and root mean square error (RMSE) of predicted scores.

    Args:
        kwargs: Arguments of MMEngine's BaseMetric: collect_device, prefix.
    """

    default_prefix = 'score'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Store the predicted and the true score of each video of a batch."""
        self.results += [(sample['pred_score'].item(), sample['score']) for sample in data_samples]

    def compute_metrics(self, results: list[tuple[float, float]]) -> dict[str, float]:
        """Correlations and error over all videos."""
        predicted, true = np.transpose(results)
        return dict(
            SRCC=float(spearmanr(predicted, true).statistic),
            PLCC=float(pearsonr(predicted, true).statistic),
            RMSE=float(np.sqrt(np.mean((predicted - true) ** 2))),
        )


# ------------------------------------------------------------------------------------------------ generated data
def write_videos(out: Path, split: str, count: int, seed: int, size: int = 32, frames: int = 24) -> None:
    """Write underexposed videos and their scores.

    Args:
        out: Folder for `videos_<split>/` and `<split>.txt`.
        split: Name of the split.
        count: Number of videos.
        seed: Seed of all randomness.
        size: Height and width in pixels. Defaults to 32.
        frames: Number of frames per video. Defaults to 24.
    """
    rng = np.random.default_rng(seed)
    (out / f'videos_{split}').mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        score = rng.uniform(1, 5)
        clip = draw_clip(rng.choice(list(MOTIONS)), frames, size, rng)
        write_video(out / f'videos_{split}/{index:04}.mp4', (clip * score / 5).astype(np.uint8))
        lines.append(f'{index:04}.mp4 {score:.3f}\n')
    (out / f'{split}.txt').write_text(''.join(lines))


if __name__ == '__main__':
    for number, (split_name, videos) in enumerate({'train': 320, 'val': 80}.items()):
        write_videos(Path(sys.argv[1]), split_name, videos, seed=number)
