"""Features and scores of clips from a config's model."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate.report import LoadReport, compare, format_problems
from mmhvt.models.backbones.base import Backbone

POOLS = ('mean', 'space', 'none')


class Extractor:
    """Features of clips from a config's model.

    Args:
        cfg: Config with a model.
        checkpoint: File or URL, from a runner or a source that :mod:`mmhvt.migrate` knows. Features need only its
            backbone.
        stages: Stages of the backbone; negative ones count from the last. Defaults to those of the config.
        out_type: Output type of the backbone. Defaults to the config's, or to what `pool` needs.
        pool: Pooling: 'mean' over space and time, (C,); 'space' over each frame, (C, T); 'none' for maps
            (C, [T,] H, W). Defaults to 'mean'.
        scores: Whether class scores are computed too. Defaults to False.
        device: Device of the model. Defaults to 'cpu'.
        amp: Whether the model runs under autocast, float16 on GPUs and bfloat16 on CPUs. Defaults to False.
        flat: Whether inputs of 5 axes are frames (N, M, C, H, W) rather than clips (N, C, T, H, W). Defaults to False.

    Attributes:
        names: Names of the arrays: '' for features of one stage, 'stage0' … for several, 'scores'.
        report: How the checkpoint was loaded.

    Raises:
        ValueError: If the model cannot be built, has no backbone or no such stage, or the checkpoint does not fit.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        stages: Sequence[int] | None = None,
        out_type: str | None = None,
        pool: str = 'mean',
        scores: bool = False,
        device: str = 'cpu',
        amp: bool = False,
        flat: bool = False,
    ) -> None:
        self.pool, self.amp, self.flat, self.device = pool, amp, flat, torch.device(device)
        scope = cfg.get('default_scope', 'mmengine')
        with DefaultScope.overwrite_default_scope(scope):
            self.model = revert_sync_batchnorm(MODELS.build(model_cfg(cfg)))
            if not isinstance(getattr(self.model, 'backbone', None), nn.Module):
                raise ValueError(f'the model is {type(self.model).__name__}, which has no backbone')
            if scores and not (hasattr(self.model, 'cls_head') or hasattr(self.model, 'head')):
                raise ValueError(f'--scores: the model is {type(self.model).__name__}, which does not classify clips')
            backbone = self._backbone(cfg.model.backbone, stages, out_type, scores)
        content = migrate.load(checkpoint)
        if backbone is not self.model.backbone and not scores:
            self.model.backbone = backbone
        self.report = _load(self.model, content, checkpoint, scores)
        if isinstance(backbone, Backbone) and backbone is not self.model.backbone:
            backbone.load_state_dict(migrate.adapt_backbone(backbone, content, checkpoint)[0], strict=False)
        self.backbone = backbone
        for module in (self.model, backbone):
            module.to(self.device)
            module.eval()  # mmaction's ResNet returns None
        self.scores = scores
        if scores and isinstance(getattr(self.model, 'test_cfg', None), dict):
            # a clip is a sample here, and max_testing_views accepts one at a time
            self.model.test_cfg = {k: v for k, v in self.model.test_cfg.items() if k != 'max_testing_views'}
        indices = getattr(self.backbone, 'out_indices', None)
        several = indices if isinstance(indices, Sequence) and len(indices) > 1 else ()
        self.names = [f'stage{i}' for i in several] or ['']
        self.names += ['scores'] if scores else []

    def _backbone(self, cfg: ConfigDict, stages: Sequence[int] | None, out_type: str | None, scores: bool) -> nn.Module:
        """The model's own backbone, or another one with the requested output."""
        own = self.model.backbone
        if out_type is None and self.pool != 'mean' and hasattr(own, 'out_type'):
            out_type = 'featmap'
        changes: dict[str, Any] = dict(out_indices=tuple(stages)) if stages else {}
        changes |= dict(out_type=out_type) if out_type else {}
        if not changes:
            return own
        if not hasattr(own, 'optional_part'):
            kind = type(own).__name__
            if 'out_type' in changes or not hasattr(own, 'out_indices') or scores:
                raise ValueError(
                    f'--out-type, and --stage with --scores, are for backbones of mmhvt, and the backbone is {kind}'
                )
            return MODELS.build({**cfg, **changes})
        # every stage has a mean over its map, but not every one a class token or the output of a whole model
        other = MODELS.build({**cfg, **dict(out_type='avg_featmap' if own.out_type != 'featmap' else 'featmap'),
                              **changes})  # fmt: skip
        same_type = out_type is None or other.out_type == own.out_type
        return own if same_type and other.out_indices == own.out_indices else other

    @torch.no_grad()
    def __call__(self, samples: list[dict]) -> dict[str, Tensor]:
        """Arrays (N, …) by their :attr:`names`, for N clips from the pipeline.

        Raises:
            ValueError: If maps of several crops would have to be averaged.
        """
        context = torch.autocast(self.device.type, torch.float16 if self.device.type == 'cuda' else torch.bfloat16)
        data = self.model.data_preprocessor(pseudo_collate(samples), False)
        found: dict[str, Tensor] = {}
        with context if self.amp else nullcontext():
            if self.scores:
                caught: list[Any] = []
                hook = self.model.backbone.register_forward_hook(lambda module, args, output: caught.append(output))
                try:
                    predictions = self.model(**data, mode='predict')
                finally:
                    hook.remove()
                found['scores'] = torch.stack([_score(prediction) for prediction in predictions]).float()
            if self.scores and self.backbone is self.model.backbone:
                (outputs,) = caught
            else:
                outputs = self.backbone(self._views(data['inputs']))
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        names = [name for name in self.names if name != 'scores']
        for name, output in zip(names, outputs, strict=True):
            found[name] = self._pooled(output.float(), len(samples))
        return found

    def _views(self, inputs: Tensor) -> Tensor:
        """Clips or crops (N, M, …) -> (N · M, …)."""
        if inputs.ndim == 6 or (inputs.ndim == 5 and self.flat):
            inputs = inputs.flatten(0, 1)
        patch_stride = getattr(self.backbone, 'patch_stride', None)
        if hasattr(self.model, 'roi_head') and patch_stride is not None:
            # as mmhvt.ActionDetector does
            sides = zip(inputs.shape[-2:], patch_stride[-2:], strict=True)
            down, right = (-n % stride for n, stride in sides)
            inputs = F.pad(inputs, (0, right, 0, down)) if down or right else inputs
        return inputs

    def _pooled(self, output: Tensor, clips: int) -> Tensor:
        tokens = getattr(self.backbone, 'out_type', None) == 'raw'
        if output.ndim > 2 and self.pool == 'mean':
            output = output.mean(1) if tokens else output.flatten(2).mean(2)
        elif self.pool == 'space':
            if output.ndim < 4 or tokens:
                raise ValueError(f'--pool space needs maps, the backbone returns {tuple(output.shape[1:])} for a clip')
            output = output.mean((-2, -1))
        output = output.unflatten(0, (clips, -1))  # (N, M, …)
        if output.shape[1] > 1 and self.pool == 'none' and output.ndim > 3:
            raise ValueError(
                f'the pipeline makes {output.shape[1]} crops of a clip, whose maps cannot be averaged: --center-crop '
                'takes the middle one, --pool mean or space averages'
            )
        return output.mean(1)


def model_cfg(cfg: Config) -> ConfigDict:
    """As MMEngine's runner builds it."""
    model = ConfigDict(cfg.model.to_dict())
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return model


def _score(prediction: Any) -> Tensor:
    score = prediction.get('pred_score', None)
    if not isinstance(score, Tensor):
        raise ValueError('--scores: the model returns no class scores for a clip')
    return score.float().mean(0) if score.ndim > 1 else score  # average_clips=None keeps views


def _load(model: nn.Module, content: dict[str, Tensor], path: str, scores: bool) -> str:
    """Loads the whole backbone, and as much of the rest as there is; returns a report."""
    if hasattr(model.backbone, 'optional_part'):
        state, report = migrate.adapt_model(model, content, path)
        left = [name for name in report.missing_keys if not name.startswith('backbone.')]
        own = [t for t in (*report.changed, *report.select('missing')) if t.name.startswith('backbone.')]
        # the number of tensors that fit is no news
        told = LoadReport(own).summary().partition('; ')[2]
    else:
        problems = [problem for problem in compare(model, content).problems if problem.status != 'left out']
        wrong = [problem for problem in problems if problem.name.startswith('backbone.')]
        if wrong:
            raise ValueError(
                f'{path} does not fit the backbone {type(model.backbone).__name__}: {format_problems(wrong)}'
            )
        left = [problem.name for problem in problems]
        state = {name: value for name, value in content.items() if name not in left}
        told = ''
    if scores and left:
        raise ValueError(f'--scores: {path} lacks weights for them: {", ".join(left[:3])}{" …" if left[3:] else ""}')
    model.load_state_dict(state, strict=False)
    return told
