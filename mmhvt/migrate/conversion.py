"""Conversion of a checkpoint file of another repository into one of ours."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate.labels import label_list, map_classifier
from mmhvt.migrate.report import LoadReport, TensorReport
from mmhvt.migrate.whole import CLASSIFIERS, lost_input
from mmhvt.utils.configs import read_config


def build_model(path: str) -> nn.Module:
    """The model of a config, without initialization.

    Raises:
        ValueError: If there is no such file, no model in it, or no backbone in the model.
    """
    cfg = read_config(path)
    try:
        if 'model' not in cfg:
            raise ValueError('it has no model')
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
            model = MODELS.build(cfg.model)
    # this runs what users wrote
    except (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, SyntaxError,
            TypeError, ValueError) as error:  # fmt: skip
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(f'{path}: {str(reason).splitlines()[0]}') from error
    if not hasattr(getattr(model, 'backbone', None), 'optional_part'):
        raise ValueError(f'{path}: the model is {type(model).__name__} without a backbone of mmhvt')
    return model


def write_checkpoint(paths: list[Path], state_dict: dict[str, Tensor], meta: dict[str, str]) -> None:
    """Write a checkpoint to all paths or to none; those with the suffix `.safetensors` in that format.

    Raises:
        ValueError: If one cannot be written.
    """
    # views of one another, such as the parts of a joint embedding, are written separately
    state_dict = {
        name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state_dict.items()
    }
    unfinished = {path: path.with_name(f'{path.name}.unfinished') for path in paths}
    try:
        for path, scratch in unfinished.items():
            if path.is_dir():
                raise ValueError(f'{path} is a folder')
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == '.safetensors':
                safetensors.torch.save_file(state_dict, scratch, metadata=meta)
            else:
                torch.save(dict(meta=meta, state_dict=state_dict), scratch)
        for path, scratch in unfinished.items():
            scratch.replace(path)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(f'{path} cannot be written: {error}') from error
    finally:
        for scratch in unfinished.values():
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def output_paths(src: str, dst: str, with_safetensors: bool) -> list[Path]:
    """Files to write.

    Raises:
        ValueError: If `dst` is not a .pth, or a file would overwrite `src`.
    """
    target = Path(dst)
    if target.suffix not in ('.pth', '.pt'):
        raise ValueError(f'{target}: the suffix {target.suffix!r} is not .pth (safetensors are written beside it)')
    paths = [target, *([target.with_suffix('.safetensors')] if with_safetensors else [])]
    for path in paths:
        if path.exists() and Path(src).exists() and path.samefile(src):
            raise ValueError(f'{path} is the checkpoint that is read: choose another name for DST')
    return paths


def convert_checkpoint(
    src: str,
    dst: str,
    source: str | None = None,
    config: str | None = None,
    labels: Sequence[str] | None = None,
    with_safetensors: bool = False,
    backbone_only: bool = False,
) -> list[Path]:
    """Convert a checkpoint, and print a table of what became of its tensors.

    Args:
        src: File or URL of the checkpoint.
        dst: File to write, .pth.
        source: Name of its source, such as 'mvit.timm'. Defaults to the one that the names of its tensors indicate.
        config: Config whose model the weights are converted for. Defaults to none: the weights stay as they are.
        labels: Label lists of the classifier before and after, see :func:`mmhvt.migrate.labels.label_list`. Defaults
            to none: its classes stay as they are.
        with_safetensors: Whether a .safetensors file is written beside `dst`. Defaults to False.
        backbone_only: Whether what comes after the backbone is left out. Defaults to False.

    Returns:
        Files written.

    Raises:
        ValueError: If the file cannot be read, is from no known repository, or does not fit the config's backbone; if
            its classifier reads what that does not return, such as a class token; if `dst` is not a .pth or cannot be
            written, or would overwrite `src`; if the classifier lacks classes of the second label list.
    """
    paths = output_paths(src, dst, with_safetensors)
    if labels and backbone_only:
        raise ValueError('--labels is for the classifier, which --backbone-only leaves out: give one of them')
    # before the long part
    label_lists = [label_list(name) for name in labels or ()]
    model = build_model(config) if config else None
    content = migrate.read(src)
    state_dict, origin, left_out = migrate.convert(content, src, source)
    if not any(name.startswith(('backbone.', 'cls_head.')) for name in state_dict):
        known = ', '.join(sorted(known.name for known in migrate.all_sources()))
        raise ValueError(
            f'{src} is from no known repository (it has names such as {min(content)!r}): set --source to one of {known}'
        )
    if backbone_only:
        left_out |= {name: 'not asked for' for name in state_dict if not name.startswith('backbone.')}
        state_dict = {name: value for name, value in state_dict.items() if name.startswith('backbone.')}
    if label_lists:
        before, after = label_lists
        try:
            state_dict = map_classifier(state_dict, before, after)
        except ValueError as error:
            raise ValueError(f'{src}: {error}') from None
    if model is None:
        report = LoadReport(TensorReport(name, 'loaded') for name in state_dict)
    else:
        adapted, report = migrate.adapt_model(model, state_dict, src)
        lost = lost_input(model, state_dict, origin.pooled(content) if origin else None)
        if lost and any(name.startswith(CLASSIFIERS) for name in adapted):
            raise ValueError(f'{src} does not fit {config}: {lost}, and --backbone-only would leave the classifier out')
        state_dict = adapted
    report += LoadReport(TensorReport(name, 'left out', reason) for name, reason in left_out.items())
    name = origin.name if origin else 'mmhvt'
    write_checkpoint(paths, state_dict, dict(source=name, file=Path(src).name))
    print(f'{src}: {len(content)} tensors of {name}\n{report.format_table()}')
    return paths
