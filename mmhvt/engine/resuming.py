"""Where a run resumes: the newest whole checkpoint in its folder, whatever `last_checkpoint` says."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmhvt.migrate.reading import load
from mmhvt.utils.files import require_file

# names that MMEngine gives to checkpoints, and to the file that names the last one
TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')
POINTER = 'last_checkpoint'

T = TypeVar('T')


@dataclass(frozen=True)
class Folder:
    """Where a hook saves.

    Attributes:
        path: The folder.
        templates: Names of checkpoints in it, each with a {} for the number of the epoch or iteration.
    """

    path: Path
    templates: tuple[str, ...]

    def checkpoints(self) -> list[Path]:
        """Files that can be resumed according to their names; for each template, from the highest number down."""
        return [path for template in self.templates for path in _numbered(self.path, template)]

    def saved(self) -> list[Path]:
        """Everything that a hook has saved, the best checkpoints last."""
        return self.checkpoints() + sorted(self.path.glob('best_*.pth'))


def folder_of(runner: Runner) -> Folder | None:
    """Where a run is going to save; None if it does not, or not on a local disk."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    if not hooks:
        return None
    root = runner.work_dir if hooks[0].out_dir is None else str(hooks[0].out_dir)
    backend = get_file_backend(root, backend_args=hooks[0].backend_args)
    if hooks[0].file_client_args is not None or type(backend) is not LocalBackend:
        return None
    # as in CheckpointHook.before_train
    path = Path(root) if root == runner.work_dir else Path(root, Path(runner.work_dir).name)
    return Folder(path, tuple(dict.fromkeys([*(hook.filename_tmpl for hook in hooks), *TEMPLATES])))


def find_resumed(runner: Runner) -> bool:
    """Sets what a run with `resume=True` and no file loads. Rank 0 decides.

    If nothing was saved, the run starts from the beginning, so that a job can always be submitted with --resume.

    Returns:
        Whether there is a checkpoint.

    Raises:
        ValueError: If there are checkpoints, but none that can be resumed. The message says what is wrong with each.
    """
    # FlexibleRunner loads before its hooks run
    if not runner._resume or runner._load_from is not None or not isinstance(runner, Runner) or runner._has_loaded:
        return False
    folder = folder_of(runner)
    if folder is None:
        return False
    found = on_rank_0(lambda: _find(runner, folder))
    if found is None:
        runner.logger.info(f'{folder.path} holds no checkpoint to resume: training starts from the beginning')
        runner._resume = False
    else:
        runner._load_from = str(found)
    return found is not None


def resume_or_start(runner: Runner, load_from: str) -> None:
    """Makes a run that resumes, but finds nothing, start from a file instead of random weights.

    Args:
        runner: Runner that should resume from the newest checkpoint in its folder.
        load_from: File from which a new training starts according to its config.
    """
    folder = folder_of(runner)
    if folder is not None and not on_rank_0(lambda: [*folder.saved(), *Path(runner.work_dir).glob(POINTER)]):
        runner.logger.info(f'{folder.path} holds no checkpoint to resume: training starts from {load_from}')
        runner._resume, runner._load_from = False, load_from


def _find(runner: Runner, folder: Folder) -> Path | None:
    pointer = Path(runner.work_dir, POINTER)
    found, passed_over = newest_whole(folder, pointer)
    if found is not None:
        for reason in passed_over:
            runner.logger.warning(f'Passed over: {reason}')
        runner.logger.info(f'Resumes {found}, the newest whole checkpoint')
    elif folder.saved() or pointer.exists():
        raise ValueError(
            f'{folder.path} holds no whole checkpoint to resume: {"; ".join(passed_over) or "best ones lack a state"}. '
            'To start again from the beginning, remove these files, or choose another --work-dir'
        )
    return found


def newest_whole(folder: Folder, pointer: Path | None = None) -> tuple[Path | None, list[str]]:
    """Finds the checkpoint with the most progress that is whole and can be resumed.

    A run that once resumed from an earlier checkpoint may have left older files with more progress, from the training
    that it gave up. So if the pointer names a whole checkpoint, files that were written before that one do not count.
    Nothing else depends on times, which copies of a folder do not keep.

    Args:
        folder: Where to look.
        pointer: File that names the last checkpoint; what it names may be in another folder, or gone.

    Returns:
        The checkpoint, or None, and a line for each file that was passed over for it.
    """
    passed_over: list[str] = []
    progress: dict[Path, tuple[int, int] | None] = {}

    def is_whole(path: Path) -> bool:
        if path not in progress:
            try:
                progress[path] = _progress(path)
            except ValueError as error:
                progress[path] = None
                passed_over.append(str(error))
        return progress[path] is not None

    files = {template: _numbered(folder.path, template) for template in folder.templates}
    named = _named(pointer, folder.path, passed_over) if pointer is not None else None
    if named is not None and is_whole(named):
        since = named.lstat().st_mtime_ns
        for template, paths in files.items():
            for path in paths[: paths.index(named)] if named in paths else []:
                if path.lstat().st_mtime_ns < since:
                    passed_over.append(f'{path} was written before {named}, which {pointer} names')
            files[template] = [path for path in paths if path.lstat().st_mtime_ns >= since]
    newest = [next(filter(is_whole, paths), None) for paths in [*files.values(), [named] if named else []]]
    found = max(filter(None, newest), key=lambda path: progress[path] or (0, 0), default=None)
    if found is not None and named not in (None, found) and progress[named]:
        passed_over.append(f'{named}, which {pointer} names, is not the newest')
    return found, passed_over


def _numbered(folder: Path, template: str) -> list[Path]:
    """Files of a template, from the highest number down."""
    pattern = re.compile('([0-9]+)'.join(map(re.escape, re.split(r'\{[^{}]*\}', template, maxsplit=1))))
    names = {path: pattern.fullmatch(path.name) for path in folder.iterdir()} if folder.is_dir() else {}
    # a template may be one name for all
    found = {
        path: int(match[1]) if match.lastindex else 0 for path, match in names.items() if match and not path.is_dir()
    }
    return sorted(found, key=found.__getitem__, reverse=True)


def _named(pointer: Path, folder: Path, passed_over: list[str]) -> Path | None:
    """The file that a pointer names, looked up in the folder first, which may have been moved."""
    try:
        name = require_file(pointer).read_text('utf-8').strip()
        if not name:
            raise ValueError('it is empty')
        places = [folder / Path(name).name, Path(name)]
        found = next((path for path in places if os.path.lexists(path) and not path.is_dir()), None)
        if found is None:
            raise ValueError(f'it names {name[:200]!r}, which is {"a folder" if places[1].is_dir() else "not there"}')
    except (OSError, ValueError) as error:
        reason = 'it is not text' if isinstance(error, UnicodeDecodeError) else getattr(error, 'strerror', '') or error
        passed_over.append(f'{pointer}: {reason}')
        return None
    return found


def _progress(path: Path) -> tuple[int, int]:
    """Numbers of iterations and epochs that were done when a checkpoint was written.

    Raises:
        ValueError: If it is not whole, or not from a training.
    """
    content = load(str(path), 'meta')  # also verifies the checksums of the zip file
    if lacking := lacking_to_resume(content):
        raise ValueError(f'{path} cannot be resumed, it lacks {", ".join(lacking)}')
    return content['meta']['iter'], content['meta']['epoch']


def whole_beside(path: str) -> str:
    """Advice for a checkpoint that cannot be resumed: the newest one in its folder that can be."""
    folder = Folder(Path(path).parent, TEMPLATES)
    found, _ = newest_whole(folder, folder.path / POINTER)
    return f'--resume {found} is the newest whole one beside it' if found else ''


def lacking_to_resume(content: Any) -> list[str]:
    """What a file's content lacks to resume from it."""
    if not isinstance(content, dict):
        return ['everything']
    keys = ('state_dict', 'meta', 'message_hub', 'optimizer')
    lacking = [key for key in keys if not isinstance(content.get(key), dict)]
    if 'meta' not in lacking:
        lacking += [f'meta.{key}' for key in ('epoch', 'iter') if not isinstance(content['meta'].get(key), int)]
    return lacking


def on_rank_0(decide: Callable[[], T]) -> T:
    """Returns on all ranks what a function returns on rank 0, or raises the ValueError or OSError that it raises."""
    result: list[Any] = [None]
    if is_main_process():
        try:
            result = [decide()]
        except (OSError, ValueError) as error:
            result = [error]
    broadcast_object_list(result)
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]
