"""Files of checkpoints: kinds, checksums, and what a malicious one achieves, which is nothing."""

import hashlib
import http.server
import os
import pickle
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


@pytest.mark.parametrize('kind, suffix', [
    ('torch', '.pyth'),
    ('legacy torch', '.pth'),
    ('arrays', '.pkl'),
    ('arrays of Python 2', '.pkl'),
    ('safetensors', '.safetensors'),
])  # fmt: skip
def test_kinds_of_files(tmp_path, kind, suffix):
    found = migrate.read(write(tmp_path / f'file{suffix}', kind))
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in STATE.items())


@pytest.mark.parametrize('kind, suffix', [
    ('torch', '.pth'),
    ('legacy torch', '.pth'),
    ('arrays', '.pkl'),
    ('arrays of Python 2', '.pkl'),
])  # fmt: skip
def test_commands_in_files_do_not_run(tmp_path, kind, suffix):
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


def test_load_from_and_resume_run_nothing(tmp_path):
    """MMEngine's own loader, behind both, used to fall back to unpickling whatever is there."""
    path = write(tmp_path / 'file.pth', 'torch', Runs(tmp_path))
    for load in (CheckpointLoader.load_checkpoint, partial(load_checkpoint, nn.Linear(3, 2))):
        with pytest.raises(ValueError, match=r'cannot be read as a checkpoint: it wants to import (posix|nt)\.system'):
            load(path)
    assert not (tmp_path / 'ran').exists()


def test_what_runners_save_is_loaded(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    scores = {str(dtype): np.zeros(2, dtype)[0] for dtype in ('f4', 'f8', 'i4', 'i8', 'bool')}
    content = dict(
        state_dict=STATE, meta=dict(cfg=Config(dict(a=1)).pretty_text), message_hub=dict(loss=history), scores=scores
    )
    torch.save(content, tmp_path / 'epoch_1.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'), 'cpu')
    assert loaded['message_hub']['loss'].mean() == 1.5 and loaded['scores'] == scores


@pytest.mark.parametrize('url, expected', [
    ('https://a.org/vit-base-p16_clip-rgb_20221219-b8a5da86.pth', 'b8a5da86'),
    ('https://a.org/' + '5' * 63 + 'f/ViT-B-16.pt', '5' * 63 + 'f'),
    ('https://a.org/model-20221219.pth', None),
    ('https://a.org/mae_hiera_base_16x224.pth', None),
])  # fmt: skip
def test_checksums_of_urls(url, expected):
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


def test_downloads_have_their_checksum(server):
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
    with pytest.raises(ValueError, match='cannot be downloaded .*404'):
        migrate.read(f'{url}/none.pth')


@pytest.mark.parametrize('kind, suffix', [('torch', '.pth'), ('arrays', '.pkl'), ('safetensors', '.safetensors')])
def test_cut_files_say_so(tmp_path, kind, suffix):
    path = tmp_path / f'file{suffix}'
    write(path, kind)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match='is it whole') as caught:
        migrate.read(str(path))
    assert '\n' not in str(caught.value)
