"""Shows batches as the model sees them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from torch import Tensor, nn

from mmhvt.migrate.whole import unwrap_model
from mmhvt.registry import HOOKS
from mmhvt.utils.option_types import Length, Range

from .dataset_labels import class_names
from .optional_hook import OptionalHook
from .wrapped_datasets import unwrap_datasets

Iteration = Annotated[int, Range(1)]


@HOOKS.register_module()
class BatchVisualizationHook(OptionalHook):
    """Saves training batches as pictures, after the data preprocessor: normalized, mixed and flipped.

    A clip is a row of frames, an image one frame. Colors are restored with the preprocessor's own mean and standard
    deviation; labels are above, soft ones of mixup and CutMix with their weights; boxes are drawn. The picture goes to
    the backends of the visualizer: `vis_data/vis_image/train_batch_1.png`, and TensorBoard if it is among them.

    No config contains it; add it with `--cfg-options default_hooks.batch.type=mmhvt.BatchVisualizationHook`. It changes
    neither data nor random numbers. The first process shows its share of the batch.

    Args:
        enabled: Whether to build the hook. Defaults to True.
        iterations: Iterations to show, counted from 1 over the whole training. Defaults to (1,).
        interval: Also shows each iteration that is a multiple of it. Defaults to None.
        max_samples: Samples of a batch to show. Defaults to 8.
        max_frames: Frames of a sample to show, spread over all of its clips. Defaults to 8.
        channel_order: Of the model's inputs, 'rgb' or 'bgr'. Defaults to None: RGB if the preprocessor swaps channels
            or takes videos, which are decoded as RGB, else BGR, as images are loaded.
    """

    def __init__(
        self,
        enabled: bool = True,
        iterations: Annotated[Sequence[Iteration], Length(0)] = (1,),
        interval: Iteration | None = None,
        max_samples: Annotated[int, Range(1, 1024)] = 8,
        max_frames: Annotated[int, Range(1, 1024)] = 8,
        channel_order: Literal[None, 'rgb', 'bgr'] = None,
    ) -> None:
        super().__init__(enabled)
        self.iterations = frozenset(iterations)
        self.interval = interval
        self.max_samples = max_samples
        self.max_frames = max_frames
        self.channel_order: Literal[None, 'rgb', 'bgr'] = channel_order
        self._handle: Any = None
        if not self.iterations and interval is None:
            raise ValueError(
                'BatchVisualizationHook: iterations is empty and interval is None, so it shows nothing: set one'
            )

    def before_train(self, runner: Runner) -> None:
        """Checks that there is something to show, and somewhere to show it.

        Raises:
            ValueError: If the model has no data preprocessor, or the visualizer no backends.
        """
        model = unwrap_model(runner.model)
        if not isinstance(getattr(model, 'data_preprocessor', None), nn.Module):
            raise ValueError(
                f'BatchVisualizationHook: {type(model).__name__} has no data_preprocessor to show data after'
            )
        if is_main_process() and not runner.visualizer._vis_backends:
            raise ValueError(
                'BatchVisualizationHook: the visualizer has no backend to save pictures with: set '
                "visualizer=dict(vis_backends=[dict(type='LocalVisBackend')])"
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Waits for the data preprocessor, if this iteration is to be shown."""
        number = runner.iter + 1
        is_chosen = number in self.iterations or (self.interval is not None and number % self.interval == 0)
        if is_chosen and is_main_process():
            preprocessor = cast(nn.Module, unwrap_model(runner.model).data_preprocessor)

            # before the model gets its batch, which it may change
            def show(module: nn.Module, args: tuple, output: Any) -> None:
                self._remove()
                self._show(runner, number, module, output)

            self._handle = preprocessor.register_forward_hook(show)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        """Checks that there was a batch.

        Raises:
            ValueError: If the data preprocessor was not called.
        """
        if self._handle is not None:
            self._remove()
            raise ValueError(
                f'BatchVisualizationHook: {type(unwrap_model(runner.model)).__name__} trained on a batch that did not '
                'go through its data_preprocessor: remove the hook'
            )

    def _remove(self) -> None:
        self._handle.remove()
        self._handle = None

    def _show(self, runner: Runner, number: int, preprocessor: nn.Module, output: Any) -> None:
        """Draws what a data preprocessor returned.

        Raises:
            ValueError: If that is not a batch of pictures.
        """
        # needs matplotlib, which takes half a second
        from .batch_pictures import draw_batch, pixels, show_samples

        inputs = output.get('inputs') if isinstance(output, Mapping) else None
        samples = output.get('data_samples') if isinstance(output, Mapping) else None
        try:
            if not isinstance(inputs, Tensor):
                raise ValueError(f'inputs of {type(inputs).__name__} are not shown: they must be a batched tensor')
            few = inputs[: self.max_samples]
            frames = pixels(few, preprocessor, self.max_frames, self.channel_order)
        except ValueError as error:
            raise ValueError(f'BatchVisualizationHook: {type(preprocessor).__name__}: {error}') from None
        shown = show_samples(frames, samples if isinstance(samples, Sequence) else None, _Names(runner))
        title = f'iteration {number}: {len(few)} of {tuple(inputs.shape)}, values {few.min():.2f} to {few.max():.2f}'
        runner.visualizer.add_image('train_batch', draw_batch(shown, title), step=number)


class _Names:
    """Names of the classes of samples: of the dataset that a sample names, else of the first."""

    def __init__(self, runner: Runner) -> None:
        self.of: dict[str | None, list[str] | None] = {}
        for dataset in unwrap_datasets(runner.train_dataloader.dataset):
            names = class_names(dataset)
            self.of.setdefault(None, names)
            for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
                if type(transform).__name__ == 'NameDataset':
                    self.of[transform.name] = names

    def __call__(self, sample: Any) -> list[str] | None:
        name = getattr(sample, 'metainfo', {}).get('dataset')
        return self.of.get(name, self.of.get(None))
