"""Files of checkpoints: kinds, checksums, and what a malicious one achieves, which is nothing."""

import hashlib
import http.server
import os
import pickle
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmhvt import migrate
from mmhvt.migrate.reading import checksum
from mmhvt.models import UniFormerV2

STATE = dict(weight=torch.arange(6.0).view(2, 3), bias=torch.ones(2, dtype=torch.float16))


class Runs:
    """Pickles as a command that leaves a file behind."""

    def __init__(self, folder):
        self.mark = folder / 'ran'

    def __reduce__(self):
        return os.system, (f'touch {self.mark}',)


def write(path, kind, extra=None):
    extra = {} if extra is None else dict(extra=extra)
    if kind == 'torch':
        torch.save(dict(state_dict=STATE, **extra), path)
    elif kind == 'legacy torch':
        torch.save(dict(model_state=STATE, **extra), path, _use_new_zipfile_serialization=False)
    elif kind == 'arrays':
        path.write_bytes(pickle.dumps(dict(model={k: v.numpy() for k, v in STATE.items()}, **extra)))
    elif kind == 'arrays of Python 2':
        path.write_bytes(pickle.dumps(dict(model={k: v.numpy() for k, v in STATE.items()}, **extra), 2))
    elif kind == 'safetensors':
        safetensors.torch.save_file(STATE, path)
    return str(path)


@pytest.mark.parametrize(
    'kind, suffix',
    [
        ('torch', '.pyth'),
        ('legacy torch', '.pth'),
        ('arrays', '.pkl'),
        ('arrays of Python 2', '.pkl'),
        ('safetensors', '.safetensors'),
    ],
)
def test_kinds_of_files(tmp_path, kind, suffix) -> None:
    found = migrate.read(write(tmp_path / f'file{suffix}', kind))
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in STATE.items())


@pytest.mark.parametrize(
    'kind, suffix',
    [
        ('torch', '.pth'),
        ('legacy torch', '.pth'),
        ('arrays', '.pkl'),
        ('arrays of Python 2', '.pkl'),
    ],
)
def test_commands_in_files_do_not_run(tmp_path, kind, suffix) -> None:
    path = write(tmp_path / f'file{suffix}', kind, Runs(tmp_path))
    message = r'cannot be read as a checkpoint .*it wants to import (posix|nt)\.system, which is not allowed'
    with pytest.raises(ValueError, match=message) as caught:
        migrate.read(path)
    assert '\n' not in str(caught.value)
    model = UniFormerV2(
        dict(embed_dims=8, num_heads=1, depth=1, patch_size=8),
        (8, 8),
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    with pytest.raises(ValueError, match=message):
        model.init_weights()
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(AssertionError):  # the file would run, if it were let
        pickle.loads(pickle.dumps(Runs(tmp_path)))
        assert not (tmp_path / 'ran').exists()


def test_load_from_and_resume_run_nothing(tmp_path) -> None:
    """MMEngine's own loader, behind both, used to fall back to unpickling whatever is there."""
    path = write(tmp_path / 'file.pth', 'torch', Runs(tmp_path))
    for load in (CheckpointLoader.load_checkpoint, partial(load_checkpoint, nn.Linear(3, 2))):
        with pytest.raises(ValueError, match=r'cannot be read as a checkpoint: it wants to import (posix|nt)\.system'):
            load(path)
    assert not (tmp_path / 'ran').exists()


def test_what_runners_save_is_loaded(tmp_path) -> None:
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    scores = {str(dtype): np.zeros(2, dtype)[0] for dtype in ('f4', 'f8', 'i4', 'i8', 'bool')}
    content = dict(
        state_dict=STATE, meta=dict(cfg=Config(dict(a=1)).pretty_text), message_hub=dict(loss=history), scores=scores
    )
    torch.save(content, tmp_path / 'epoch_1.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'), 'cpu')
    assert loaded['message_hub']['loss'].mean() == 1.5 and loaded['scores'] == scores


class Made:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_arrays_do_not_follow_pointers(tmp_path) -> None:
    """NumPy takes addresses from a file if it is let, and crashes: read in a process of its own."""
    malicious = [
        Made(np.ndarray, (1,), np.dtype('f8'), b'A' * 8),
        Made(np.dtype, 'O'),
        Made(np.dtype, 'V8'),
        np.array([dict()], object),
        np.zeros(1, [('a', 'f8')]),
    ]
    for i, made in enumerate(malicious):
        write(tmp_path / f'{i}.pth', 'torch', made)
        write(tmp_path / f'{i}.pkl', 'arrays of Python 2', made)
    script = (
        'import sys\nfrom mmhvt import migrate\nfor path in sys.argv[1:]:\n'
        '    try: migrate.read(path)\n    except ValueError as error: print(error)'
    )
    command = [sys.executable, '-c', script, *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [
        text
        for text in done.stdout.splitlines()
        if text.endswith('in a checkpoint; numbers are') or text.endswith('not allowed in a checkpoint')
    ]
    assert len(lines) == 2 * len(malicious), done.stdout


def test_arrays_survive(tmp_path) -> None:
    values = {kind: np.arange(6).reshape(2, 3).astype(kind) for kind in ('f2', 'f4', 'f8', 'i8', 'u1', 'bool')}
    values |= dict(columns=np.asfortranarray(values['f4']), big=values['f4'].astype('>f4'), empty=np.zeros((0, 3)))
    (tmp_path / 'file.pkl').write_bytes(pickle.dumps(dict(model=values)))
    found = migrate.read(str(tmp_path / 'file.pkl'))
    for name, value in values.items():
        assert np.array_equal(found[name].numpy(), value) and found[name].numpy().dtype == value.dtype.newbyteorder('=')
    # what was loaded is saved as it was, by runners that go on
    torch.save(dict(log=HistoryBuffer([1.0, 2.0], [1, 1])), tmp_path / 'one.pth')
    log = CheckpointLoader.load_checkpoint(str(tmp_path / 'one.pth'))['log']
    log.update(3.0)
    torch.save(dict(log=log, array=log._log_history), tmp_path / 'two.pth')
    assert b'mmhvt' not in (tmp_path / 'two.pth').read_bytes()
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'two.pth'))['log'].mean() == 2.0


@pytest.mark.parametrize(
    'content, message',
    [
        (b'<!DOCTYPE html>' + b'x' * 600, 'is it whole'),
        (pickle.dumps(STATE['weight'].numpy()), 'is it whole'),
        (pickle.dumps({1: np.zeros(2)}), 'is it whole'),
        (b'', 'is it whole'),
    ],
    ids=['page', 'array', 'numbers for names', 'nothing'],
)
@pytest.mark.parametrize('suffix', ['.pth', '.pkl'])
def test_what_is_no_checkpoint_says_so(content, message, suffix, tmp_path) -> None:
    (tmp_path / f'file{suffix}').write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        migrate.read(str(tmp_path / f'file{suffix}'))
    assert 'weights_only' not in str(caught.value) and '\n' not in str(caught.value)


def test_old_files_of_any_suffix(tmp_path) -> None:
    assert migrate.read(write(tmp_path / 'file.pkl', 'legacy torch')).keys() == STATE.keys()
    (tmp_path / 'old.pth').write_bytes(bytes(257) + b'ustar' + bytes(600))
    with pytest.raises(ValueError, match='the tar format of PyTorch 0.1'):
        migrate.read(str(tmp_path / 'old.pth'))
    with pytest.raises(ValueError, match='holds no state dict'):
        torch.save({}, tmp_path / 'empty.pth')
        migrate.read(str(tmp_path / 'empty.pth'))


@pytest.mark.parametrize(
    'url, expected',
    [
        ('https://a.org/vit-base-p16_clip-rgb_20221219-b8a5da86.pth', 'b8a5da86'),
        ('https://a.org/' + '5' * 63 + 'f/ViT-B-16.pt', '5' * 63 + 'f'),
        ('https://a.org/model-20221219.pth', None),
        ('https://a.org/mae_hiera_base_16x224.pth', None),
    ],
)
def test_checksums_of_urls(url, expected) -> None:
    assert checksum(url) == expected


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves a folder; what is downloaded goes to another."""
    folder = tmp_path / 'served'
    folder.mkdir()
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f'http://127.0.0.1:{running.server_port}'
        running.shutdown()


def test_downloads_have_their_checksum(server) -> None:
    folder, url = server
    content = Path(write(folder / 'file.pth', 'torch')).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (folder / f'right-{digest[:8]}.pth').write_bytes(content)
    (folder / 'wrong-0123abcd.pth').write_bytes(content)
    assert migrate.read(f'{url}/right-{digest[:8]}.pth').keys() == STATE.keys()
    with pytest.raises(ValueError, match=r'wrong-0123abcd.pth did not arrive whole: invalid hash value'):
        migrate.read(f'{url}/wrong-0123abcd.pth')
    (folder / f'right-{digest[:8]}.pth').unlink()
    assert migrate.read(f'{url}/right-{digest[:8]}.pth').keys() == STATE.keys()  # downloaded once
    # of one name at two places
    for place in ('one', 'two'):
        (folder / place).mkdir()
        safetensors.torch.save_file({place: torch.ones(1)}, folder / place / 'model.safetensors')
    assert [*migrate.read(f'{url}/one/model.safetensors'), *migrate.read(f'{url}/two/model.safetensors')] == [
        'one',
        'two',
    ]
    with pytest.raises(ValueError, match='cannot be downloaded .*404'):
        migrate.read(f'{url}/none.pth')


@pytest.mark.parametrize('kind, suffix', [('torch', '.pth'), ('arrays', '.pkl'), ('safetensors', '.safetensors')])
def test_cut_files_say_so(tmp_path, kind, suffix) -> None:
    path = tmp_path / f'file{suffix}'
    write(path, kind)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match='is it whole') as caught:
        migrate.read(str(path))
    assert '\n' not in str(caught.value)


class Reach:
    """Pickles as getattr(subprocess.Popen, …), which a file has no business with."""

    def __reduce__(self):
        import subprocess

        return getattr, (subprocess.Popen, 'communicate')


def test_checkpoints_reach_nothing_by_getattr(tmp_path) -> None:
    torch.save(dict(state_dict={}, message_hub=Reach()), tmp_path / 'reach.pth')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'):
        migrate.read(str(tmp_path / 'reach.pth'))


def test_unreachable_checkpoint_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r'http://127.0.0.1:9/x.pth cannot be downloaded .* give the path of the file'):
        migrate.read('http://127.0.0.1:9/x.pth')
