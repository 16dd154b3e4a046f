"""mmaction's inferencers, extended: they show the frames that players show, and name classes and unreadable files."""

from typing import Any

import mmaction.apis.inferencers
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from mmengine.fileio import dump
from mmengine.visualization import Visualizer
from torch import nn

from mmhvt.datasets.labels import configured_classes, read_classes
from mmhvt.datasets.reading import wrap_readers

from .labels import check_names
from .models import count_classes, test_dataset


class ActionRecogInferencer(mmaction.apis.inferencers.ActionRecogInferencer):
    """mmaction's ActionRecogInferencer with the readers of :class:`mmhvt.VideoDataset` and the names of the classes.

    mmaction's inferencer replaces the `mmhvt.DecordInit` of a config with its own, which also samples frames that an
    edit list hides. It predicts class numbers; this one adds `pred_names`, and draws videos with names.

    Args:
        model: Path of a config, name of a model in a metafile, or config.
        weights: File or URL of the weights. Defaults to those of the metafile.
        device: Device of the model. Defaults to the first GPU, if there is one.
        label_file: File with one name per line, or the name of a list in :func:`mmhvt.datasets.labels.label_lists`,
            such as 'kinetics400'. Defaults to the classes of the checkpoint's `dataset_meta`, or else of the config's
            test dataset.
        kwargs: Arguments of mmaction's inferencer: input_format, pack_cfg, scope.

    Attributes:
        classes: Names of the classes in the order of their labels, or None.

    Raises:
        ValueError: If the number of names is not the head's number of classes.
    """

    def __init__(
        self,
        model: str | dict,
        weights: str | None = None,
        device: str | None = None,
        label_file: str | None = None,
        **kwargs,
    ) -> None:
        # fails before the weights are read
        self.classes = None if label_file is None else read_classes(label_file)
        self._where = str(label_file)
        super().__init__(model, weights, device, **kwargs)

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict | None, cfg: ConfigDict) -> None:
        super()._load_weights_to_model(model, checkpoint, cfg)
        if self.classes is None:
            meta = (checkpoint or {}).get('meta') or {}
            self.classes, self._where = (meta.get('dataset_meta') or {}).get('classes'), "the checkpoint's dataset_meta"
        if self.classes is None:
            self.classes, self._where = configured_classes(test_dataset(cfg)), "metainfo of the config's test dataset"
        classes = count_classes(model)
        if self.classes is not None and classes:
            check_names(self.classes, classes, self._where)

    def _init_pipeline(self, cfg: ConfigDict) -> Compose:
        pipeline = super()._init_pipeline(cfg)
        pipeline.transforms = wrap_readers(pipeline.transforms)
        return pipeline

    def _init_visualizer(self, cfg: ConfigDict) -> Visualizer | None:
        visualizer = super()._init_visualizer(cfg)
        if visualizer is not None and self.classes is not None:
            visualizer.dataset_meta = dict(classes=self.classes)
        return visualizer

    def pred2dict(self, data_sample: ActionDataSample) -> dict[str, Any]:
        """A prediction as plain numbers, with `pred_names` if the classes have names."""
        found = super().pred2dict(data_sample)
        if self.classes is not None:
            labels = torch.as_tensor(data_sample.pred_label).flatten().tolist()
            found['pred_names'] = [self.classes[label] for label in labels]
        return found


class MMAction2Inferencer(mmaction.apis.inferencers.MMAction2Inferencer):
    """mmaction's MMAction2Inferencer, built on :class:`ActionRecogInferencer`: predictions have `rec_names` beside
    `rec_labels` and `rec_scores`, if the classes have names.

    Args:
        rec: See `model` of ActionRecogInferencer.
        rec_weights: See `weights`.
        device, label_file, input_format: See ActionRecogInferencer.

    Raises:
        ValueError: See ActionRecogInferencer; if `rec` is missing.
    """

    def __init__(
        self,
        rec: str | dict | None = None,
        rec_weights: str | None = None,
        device: str | None = None,
        label_file: str | None = None,
        input_format: str = 'video',
    ) -> None:
        # mmaction's __init__ would build mmaction's inferencer
        if rec is None:
            raise ValueError('MMAction2Inferencer needs rec: a config, or the name of a model')
        self.visualizer, self.num_visualized_imgs, self.mode = None, 0, 'rec'
        self.actionrecog_inferencer = ActionRecogInferencer(
            rec, rec_weights, device, label_file, input_format=input_format
        )

    def postprocess(
        self, preds: dict, visualization: list | None = None, print_result: bool = False, pred_out_file: str = ''
    ) -> dict:
        """Predictions as plain numbers and names, which are printed and written on request.

        Args:
            preds: Samples with predictions, as `rec` for each video.
            visualization: Frames with labels. Defaults to None.
            print_result: Whether to print the predictions. Defaults to False.
            pred_out_file: File to write them to, JSON, YAML or pickle. Defaults to '', none.
        """
        result = super().postprocess(preds, visualization)
        for found, samples in zip(result['predictions'], preds['rec'], strict=True):
            if self.actionrecog_inferencer.classes is not None:
                found['rec_names'] = [self.actionrecog_inferencer.pred2dict(one)['pred_names'] for one in samples]
        predictions = dict(predictions=result['predictions'])
        if print_result:
            print(predictions)
        if pred_out_file:
            dump(predictions, pred_out_file)
        return result
