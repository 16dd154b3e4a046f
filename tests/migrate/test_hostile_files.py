"""Files of strangers, by the hundred: nothing in them runs, none of them takes memory or time without end."""

import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import mmengine
import pytest
from mmengine.dataset import BaseDataset
from mmengine.fileio import get, get_text, list_from_file
from mmengine.runner.checkpoint import CheckpointLoader

from helpers.hostile import bombs, pickles, write_script, write_torch
from mmhvt import migrate
from mmhvt.apis.boxes import read_boxes
from mmhvt.apis.labels import read_names
from mmhvt.datasets.annotations import read_text
from mmhvt.datasets.ava_files import read_label_map, read_proposals
from mmhvt.datasets.labels import read_classes
from mmhvt.migrate.reading import check_whole
from mmhvt.models import UniFormerV2

CHECKPOINTS: dict[str, Callable[[str], object]] = {
    'read': migrate.read,
    'convert': migrate.load,
    'load_from': CheckpointLoader.load_checkpoint,
    'check_whole': check_whole,
}
PICKLES: dict[str, Callable[[str], object]] = {
    'proposals': read_proposals,
    'boxes': lambda path: read_boxes(Path(path), 'video', 0.0),
    'annotations': lambda path: BaseDataset(ann_file=path),
    'results': mmengine.load,
}


def by_init_cfg(path: str) -> None:
    arch = dict(embed_dims=8, num_heads=1, depth=1, patch_size=8)
    UniFormerV2(arch, (8, 8), init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights()


# what Python tells an audit hook before it does it
_DONE: list[str] = []
_WATCHED = [False]
_FORBIDDEN = (
    'os.', 'subprocess.', 'socket.', 'shutil.', 'ctypes.dlopen', 'urllib.', 'pty.', 'webbrowser.', 'tempfile.',
    'sqlite3.', 'marshal.loads', 'signal.', 'builtins.input',
)  # fmt: skip
_HARMLESS = ('os.listdir', 'os.scandir', 'os.fwalk', 'os.walk', 'os.truncate')


def _watch(event: str, args: tuple) -> None:
    if not _WATCHED[0]:
        return
    writes = event == 'open' and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or (event.startswith(_FORBIDDEN) and event not in _HARMLESS):
        _DONE.append(f'{event}{args}'[:200])


@pytest.fixture(scope='module')
def watch() -> Callable:
    """A context in which nothing is started, written or connected to."""
    sys.addaudithook(_watch)

    @contextmanager
    def watching() -> Iterator[None]:
        _DONE.clear()
        _WATCHED[0] = True
        try:
            yield
        finally:
            _WATCHED[0] = False
        assert _DONE == []

    return watching


KINDS = {
    '.pth': write_torch,
    '_legacy.pth': partial(write_torch, legacy=True),
    '.pt': write_script,
    '.pkl': lambda path, data: path.write_bytes(data),
}
PLACES = [(place, kind) for place in CHECKPOINTS for kind in KINDS] + [(place, '.pkl') for place in PICKLES]
PLACES += [('init_cfg', '.pth')]


def test_the_watch_sees_what_would_run(watch: Callable, tmp_path: Path) -> None:
    import pickle

    name, data = next(iter(pickles(tmp_path / 'mark')))
    assert name == 'os.system as global'
    with pytest.raises(AssertionError, match=r'os\.system'), watch():
        pickle.loads(data)
    assert (tmp_path / 'mark').exists()


@pytest.mark.faults
@pytest.mark.parametrize(('place', 'kind'), PLACES)
def test_gadgets(place: str, kind: str, watch: Callable, tmp_path: Path, record_property: Callable) -> None:
    """Every call in every form: refused in one line that names the file, or read as something that did nothing."""
    read = (CHECKPOINTS | PICKLES | dict(init_cfg=by_init_cfg))[place]
    mark, path, silent = tmp_path / 'mark', tmp_path / f'file{kind}', []
    tried = 0
    for name, data in pickles(mark):
        KINDS[kind](path, data)
        tried += 1
        try:
            with watch():
                read(str(path))
            silent.append(name)
        except ValueError as error:
            assert path.name in str(error) and '\n' not in str(error), (name, error)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]
    assert tried > 800
    # a zip file's sums say nothing of what is in its pickles
    assert silent == [] or (place, kind) == ('check_whole', '.pth') or (place, kind) == ('check_whole', '.pt'), silent
    record_property('section', 'A security')
    record_property('tried', tried)
    record_property('held', tried)


READ_BOMBS = """
import json, resource, sys, time
from functools import partial
import mmengine
from mmengine.runner.checkpoint import CheckpointLoader
from pathlib import Path
from mmhvt import migrate
from mmhvt.apis.boxes import read_boxes
from mmhvt.datasets.ava_files import read_proposals
from mmhvt.migrate.reading import check_whole
places = dict(read=migrate.read, load_from=CheckpointLoader.load_checkpoint, check_whole=check_whole)
pickles = dict(proposals=read_proposals, boxes=lambda p: read_boxes(Path(p), 'v', 0.0), results=mmengine.load)
def usage():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for path in sys.argv[1:]:
    huge = path.endswith('zeros.pkl')
    for place, read in (places | (pickles if path.endswith('.pkl') and not huge else {})).items():
        before, start = usage(), time.process_time()
        try:
            read(path)
            said = ''
        except ValueError as error:
            said = str(error)
        print(json.dumps([path, place, said, time.process_time() - start, usage() - before]), flush=True)
"""


@pytest.mark.faults
def test_bombs(tmp_path: Path, record_property: Callable) -> None:
    """Each is refused by name, with less than a second of work and 200 MB, and the process lives on."""
    files = bombs(tmp_path)
    command = [sys.executable, '-W', 'ignore', '-c', READ_BOMBS, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    # beside the log
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    for path, place, said, seconds, megabytes in lines:
        about = (Path(path).name, place, said, seconds, megabytes)
        # a zip file may be whole, and a checkpoint of lists loaded, before anybody asks for tensors
        assert Path(path).name in said or (said == '' and place in ('check_whole', 'load_from')), about
        assert '\n' not in said and len(said) < 600 and 'MemoryError' not in said, about
        assert megabytes < 200 and seconds < 2, about
    assert len(lines) > 3 * len(files)
    record_property('section', 'A security')
    record_property('tried', len(lines))
    record_property('held', len(lines))


def special_files(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / 'pipe.pkl')
    (folder / 'folder.pkl').mkdir()
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(folder / 's.pkl'))
    (folder / 'link.pkl').symlink_to('/dev/zero')
    (folder / 'loop.pkl').symlink_to('loop.pkl')
    return dict(
        pipe=folder / 'pipe.pkl',
        folder=folder / 'folder.pkl',
        socket=folder / 's.pkl',
        device=folder / 'link.pkl',
        loop=folder / 'loop.pkl',
        null=Path('/dev/null'),
    )


TEXTS: dict[str, Callable[[str], object]] = {
    'list': read_text,
    'label_file': read_label_map,
    'classes': read_classes,
    'names': lambda path: read_names(Path(path)),
    'get': get,
    'get_text': get_text,
    'list_from_file': list_from_file,
}


def test_special_files(tmp_path: Path, record_property: Callable) -> None:
    """No reader waits for a pipe or reads a device without end: an error that names it, at once."""

    def too_late(*_) -> None:
        raise TimeoutError('it hangs')

    files, tried = special_files(tmp_path), 0
    before = signal.signal(signal.SIGALRM, too_late)
    try:
        for kind, path in files.items():
            for place, read in (CHECKPOINTS | PICKLES | TEXTS | dict(init_cfg=by_init_cfg)).items():
                if kind == 'null' and place in PICKLES:  # the suffix tells the format of others
                    continue
                tried += 1
                signal.alarm(20)
                with pytest.raises((ValueError, OSError)) as caught:
                    read(str(path))
                signal.alarm(0)
                said = str(caught.value)
                assert path.name in said and '\n' not in said and 'hangs' not in said, (kind, place, said)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    record_property('section', 'A security')
    record_property('tried', tried)
    record_property('held', tried)


YAML = {
    'merges': (
        'a0: &a0 {k: 1}\n' + ''.join(f'a{i}: &a{i} {{<<: {[f"*a{i - 1}"] * 9}}}\n' for i in range(1, 11)),
        'merges',
    ),
    'keys': (
        '? &a0 !!python/tuple [1]\n: 1\n'
        + ''.join(f'? &a{i} !!python/tuple {[f"*a{i - 1}"] * 9}\n: 1\n' for i in range(1, 11)),
        'it nests tuples too deeply',
    ),
    'lists': ('[' * 100_000, 'it is nested too deeply'),
    'dicts': ('{a: ' * 100_000, 'it is nested too deeply'),
    'digits': ('x: ' + '1:' * 200_000 + '1', 'a number has 400001 digits'),
    'function': ('x: !!python/name:os.system', 'python/name:os.system'),
    'call': ('x: !!python/object/apply:os.system ["id"]', 'python/object/apply:os.system'),
    'nul': ('a\0', 'control characters are not allowed'),
}


@pytest.mark.parametrize('kind', YAML)
def test_yaml(kind: str, tmp_path: Path) -> None:
    """Plain values alone, and not for ever."""
    text, reason = YAML[kind]
    (tmp_path / 'file.yaml').write_text(text.replace("'", ''))
    with pytest.raises(ValueError) as caught:
        mmengine.load(tmp_path / 'file.yaml')
    assert 'file.yaml cannot be read: ' in str(caught.value) and reason in str(caught.value)


def test_yaml_of_mmengine_is_read(tmp_path: Path) -> None:
    value = {'a': [1, -2.5, None, True, 'x'], 'b': (1, (2,)), (3, 'c'): {}, 'd': 1e-7}
    mmengine.dump(value, tmp_path / 'file.yaml')
    assert mmengine.load(tmp_path / 'file.yaml') == value


ARCHIVES: dict[str, tuple[int, list[tuple[str, bytes]], str]] = {
    'bzip2': (zipfile.ZIP_BZIP2, [('x/data.pkl', b'\x80\x02N.')], 'compressed in a way that neither PyTorch nor NumPy'),
    'lzma': (zipfile.ZIP_LZMA, [('a.npy', b'')], 'compressed in a way that neither PyTorch nor NumPy'),
    'twice': (zipfile.ZIP_STORED, [('x/data.pkl', b'\x80\x02N.')] * 2, 'it has x/data.pkl twice'),
    'two pickles': (
        zipfile.ZIP_STORED,
        [('y/version', b'3'), ('x/data.pkl', b'\x80\x02N.'), ('y/data.pkl', b'\x80\x04\x8d')],
        'it is cut off, or says that it is longer',
    ),
    'a compressed pickle': (
        zipfile.ZIP_DEFLATED,
        [('x/data.pkl', b'\x80\x02(' + b'N' * 3_000_000 + b'l.')],
        'its x/data.pkl unfolds from',
    ),
}


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize('kind', ARCHIVES)
def test_archives(kind: str, tmp_path: Path) -> None:
    """What Python and PyTorch would read in two ways, or without end."""
    method, records, reason = ARCHIVES[kind]
    with zipfile.ZipFile(tmp_path / 'file.pth', 'w', method) as archive:
        for name, data in records:
            archive.writestr(name, data)
    for read in CHECKPOINTS.values():
        with pytest.raises(ValueError, match=r'file\.pth cannot be read as a checkpoint') as caught:
            read(str(tmp_path / 'file.pth'))
        assert reason in str(caught.value)
