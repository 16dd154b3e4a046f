"""Converts a checkpoint of another repository into one that mmaction, mmpretrain and mmdet load.

    python tools/checkpoint/convert.py SRC DST.pth [--source NAME] [--config CONFIG] [--labels FROM TO] [--safetensors]

`mim run mmhvt convert SRC DST.pth` is the same.
"""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate.labels import label_list, map_classifier
from mmhvt.migrate.loading import Fate, adapt, table

DETAILS = """
SRC is a file or URL as it was published: .pth, .pt, .pyth, .pkl of detectron2, .npz, .safetensors, TorchScript of CLIP.
Whose it is shows in its names; --source overrides that. Without --config the weights are as they were, under our names.
With it they are those of the config's model: positions resized to its input, an image's weights made a video's, its
classifier's name; what does not fit its backbone is an error. A table says what became of the tensors.

--labels gives the classifier the classes of another list by their names. FROM and TO are k400, k600, k700, k710, whose
names for one class are known to differ, or text files with one label name a line, in the order of the labels; every
class of TO has to be in FROM.

  python tools/checkpoint/convert.py k400.pyth mvitv2-s.pth
  python tools/checkpoint/convert.py vit_b16.pt vit-b.pth --config my_config.py --safetensors
  python tools/checkpoint/convert.py k710.pth k710-as-k400.pth --labels k710 k400
"""


def build(path: str) -> nn.Module:
    """The model of a config, not initialised.

    Raises:
        ValueError: If there is no such file, no model in it, or no backbone in the model.
    """
    if not Path(path).is_file():
        raise ValueError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(path)
        if 'model' not in cfg:
            raise ValueError('it has no model')
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
            model = MODELS.build(cfg.model)
    # what users write is run there
    except (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, SyntaxError,
            TypeError, ValueError) as error:  # fmt: skip
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(f'{path}: {str(reason).splitlines()[0]}') from error
    if not hasattr(getattr(model, 'backbone', None), 'optional_part'):
        raise ValueError(f'{path}: the model is {type(model).__name__} without a backbone of mmhvt')
    return model


def write(paths: list[Path], state_dict: dict[str, Tensor], meta: dict[str, str]) -> None:
    """Write a checkpoint to all paths or to none; `.safetensors` by their suffix.

    Raises:
        ValueError: If one cannot be written.
    """
    # views of one another, such as the parts of a joint embedding, are written each for itself
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


def convert(arguments: argparse.Namespace) -> list[Path]:
    """Do it, and print the table.

    Returns:
        The files written.

    Raises:
        ValueError: If the file cannot be read, is of no known repository, or does not fit the config's backbone; if DST
            is not a .pth or cannot be written, or would overwrite SRC; if the classifier lacks classes of TO.
    """
    target = Path(arguments.dst)
    if target.suffix not in ('.pth', '.pt'):
        raise ValueError(f'{target}: the suffix {target.suffix!r} is not .pth (safetensors come beside it)')
    paths = [target, *([target.with_suffix('.safetensors')] if arguments.safetensors else [])]
    for path in paths:
        if path.exists() and Path(arguments.src).exists() and path.samefile(arguments.src):
            raise ValueError(f'{path} is the checkpoint that is read: choose another name for DST')
    # before the long part
    labels = [label_list(name) for name in arguments.labels or ()]
    model = build(arguments.config) if arguments.config else None
    content = migrate.read(arguments.src)
    state_dict, wrote = migrate.convert(content, arguments.src, arguments.source)
    if not any(name.startswith(('backbone.', 'cls_head.')) for name in state_dict):
        known = ', '.join(source.NAMES[0] for source in migrate.SOURCES)
        raise ValueError(
            f'{arguments.src} is of no known repository (its names begin as {min(content)!r}): --source says which, of '
            f'{known}'
        )
    dropped = migrate.dropped(content, state_dict, wrote)
    if labels:
        try:
            state_dict = map_classifier(state_dict, *labels)
        except ValueError as error:
            raise ValueError(f'{arguments.src}: {error}') from None
    if model is None:
        fates = [Fate(name, 'loaded') for name in state_dict]
    else:
        state_dict, fates = adapt(model, state_dict, arguments.src)
    fates += [Fate(name, 'left out', why) for name, why in dropped.items()]
    name = wrote.NAMES[0] if wrote else 'mmhvt'
    write(paths, state_dict, dict(source=name, file=Path(arguments.src).name))
    print(f'{arguments.src}: {len(content)} tensors of {name}\n{table(fates)}')
    return paths


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', help='file or URL of the checkpoint')
    parser.add_argument('dst', help='.pth to write')
    parser.add_argument('--source', metavar='NAME', help=', '.join(source.NAMES[0] for source in migrate.SOURCES))
    parser.add_argument('--config', help="for the model of this config: its sizes, its head's names")
    parser.add_argument('--labels', nargs=2, metavar=('FROM', 'TO'), help='label lists of the classifier')
    parser.add_argument('--safetensors', action='store_true', help='write DST with suffix .safetensors too')
    arguments = parser.parse_args()
    try:
        paths = convert(arguments)
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    print(f'written: {", ".join(map(str, paths))}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
