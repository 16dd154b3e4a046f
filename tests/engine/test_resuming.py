"""`resume=True` goes on from the newest whole checkpoint, whatever `last_checkpoint` says."""

import os
import random
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.distributed as dist
from mmengine.runner import Runner

from helpers.tiny_runs import tiny_runner
from mmhvt.engine.resuming import Folder, newest_whole, on_rank_0, resume_or_start

ALL = ('epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth')


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work dir after three epochs, all of them saved."""
    folder = tmp_path_factory.mktemp('trained') / 'work'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, '_log_env', lambda *_: None)
        tiny_runner(folder, 3).train()
    return folder


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, whose pointer names the file of the original, in a folder that is gone."""
    shutil.copytree(trained, tmp_path / 'work')
    (tmp_path / 'work/last_checkpoint').write_text('/gone/work/epoch_3.pth')
    return tmp_path / 'work'


def resumed(work: Path, **kwargs) -> tuple[str | None, str]:
    """Name of the file that a training goes on from, if there is one, and what the log says of it."""
    runner = tiny_runner(work, 4, resume=True, **kwargs)
    runner.train()
    assert runner.epoch == 4
    log = max(work.glob('*/*.log'), key=os.path.getmtime).read_text()
    return runner._load_from and Path(runner._load_from).name, log


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def empty(path: Path) -> None:
    path.write_bytes(b'')


def zero(path: Path) -> None:
    """Zeros in a tensor: a zip file that PyTorch reads without a word."""
    content = bytearray(path.read_bytes())
    at = content.index(torch.load(path, weights_only=False)['state_dict']['fc.weight'].numpy().tobytes())
    content[at : at + 16] = bytes(16)
    path.write_bytes(content)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to('nothing')


def weights_alone(path: Path) -> None:
    torch.save(dict(state_dict=torch.load(path, weights_only=False)['state_dict']), path)


def text(path: Path) -> None:
    path.write_text('404: Not Found')


POINTERS = {
    'missing': None,
    'empty': b'',
    'blank': b'\n',
    'torn': b'/gone/wo',
    'binary': bytes(range(128, 256)),
    'nul': b'epoch_3.pth\0\0\0',
    'long': b'x' * 5000,
    'deleted': b'/gone/work/epoch_9.pth',
    'folder': b'/tmp',
    'stale': b'epoch_1.pth',
    'moved': b'/gone/work/epoch_3.pth',
    'true': b'epoch_3.pth',
}


@pytest.mark.parametrize('kind', POINTERS)
def test_pointers(kind: str, work: Path) -> None:
    pointer = work / 'last_checkpoint'
    pointer.unlink() if POINTERS[kind] is None else pointer.write_bytes(POINTERS[kind])
    name, log = resumed(work)
    assert name == 'epoch_3.pth'
    assert f'Resumes {work}/epoch_3.pth, the newest whole checkpoint' in log and 'resumed epoch: 3, iter: 6' in log
    # told of what is wrong with the pointer, in a line each
    assert log.count('Passed over: ') == (kind not in ('moved', 'true'))
    assert Path(pointer.read_text()) == work / 'epoch_4.pth'


@pytest.mark.parametrize('kind', ['folder', 'named pipe', 'device'])
def test_a_pointer_that_is_no_file(kind: str, work: Path) -> None:
    pointer = work / 'last_checkpoint'
    pointer.unlink()
    makers: dict[str, Callable] = {'folder': os.mkdir, 'named pipe': os.mkfifo}
    makers.get(kind, lambda path: path.symlink_to('/dev/zero'))(pointer)
    found, passed_over = newest_whole(Folder(work, ('epoch_{}.pth',)), pointer)
    assert found == work / 'epoch_3.pth' and passed_over == [f'{pointer}: {pointer} is a {kind}, not a file']


@pytest.mark.parametrize('damage', [cut, empty, zero, pipe, dangle, weights_alone, text, os.remove])
def test_damaged_files_are_passed_over(damage: Callable[[Path], None], work: Path) -> None:
    damage(work / 'epoch_3.pth')
    name, log = resumed(work)
    assert name == 'epoch_2.pth' and 'resumed epoch: 2, iter: 4' in log
    told = f'{work}/last_checkpoint: it names' if damage is os.remove else f'{work}/epoch_3.pth can'
    assert log.count('Passed over: ') == 1 and f'Passed over: {told}' in log
    assert sorted(path.name for path in work.glob('epoch_*')) == [*ALL, 'epoch_4.pth']


def test_the_file_is_the_newest_by_what_is_in_it(work: Path) -> None:
    """Times say nothing: a copy has others. Ten comes after nine; other names are no checkpoints."""
    shutil.copy(work / 'epoch_3.pth', work / 'epoch_10.pth')
    shutil.copy(work / 'epoch_2.pth', work / 'epoch_9.pth')
    for number, name in enumerate(['epoch_10.pth', 'epoch_9.pth', *reversed(ALL)]):
        os.utime(work / name, (number, number))
    (work / 'last_checkpoint').unlink()
    for name in ('epoch_11.pth.mmhvt-unfinished', 'epoch_12.pth.bak', 'best_acc_epoch_13.pth', 'epoch_1-0123abcd.pth'):
        shutil.copy(work / 'epoch_1.pth', work / name)
    (work / 'epoch_20.pth').mkdir()
    assert newest_whole(Folder(work, ('epoch_{}.pth',))) == (work / 'epoch_10.pth', [])


def test_checkpoints_of_iterations_and_of_epochs(work: Path) -> None:
    """Of a folder that has both, the one with more iterations."""
    tiny_runner(work, 4, dict(by_epoch=False, interval=1), resume=True).train()
    assert (work / 'iter_8.pth').is_file()
    assert resumed(work)[0] == 'iter_8.pth'
    for number in (7, 8):
        (work / f'iter_{number}.pth').unlink()
    assert newest_whole(Folder(work, ('epoch_{}.pth', 'iter_{}.pth')))[0] == work / 'epoch_4.pth'


def test_own_names(tmp_path: Path) -> None:
    hook = dict(filename_tmpl='model-{:03d}.pt')
    tiny_runner(tmp_path, 3, hook).train()
    (tmp_path / 'last_checkpoint').unlink()
    assert resumed(tmp_path, hook=hook)[0] == 'model-003.pt'
    # and by another config, from the pointer
    assert newest_whole(Folder(tmp_path, ('epoch_{}.pth',)), tmp_path / 'last_checkpoint')[0].name == 'model-004.pt'


def test_a_training_that_was_given_up_is_not_gone_back_to(work: Path) -> None:
    """After `--resume epoch_1.pth`, epochs 2 and 3 of the first try are older than the new epoch 2."""
    tiny_runner(work, 2, resume=True, load_from=str(work / 'epoch_1.pth')).train()
    name, log = resumed(work)
    assert name == 'epoch_2.pth'
    assert f'{work}/epoch_3.pth was written before {work}/epoch_2.pth, which {work}/last_checkpoint names' in log


def test_nothing_was_saved(tmp_path: Path) -> None:
    name, log = resumed(tmp_path / 'new')
    assert name is None and f'{tmp_path}/new holds no checkpoint to resume: training starts from the beginning' in log
    assert (tmp_path / 'new/epoch_1.pth').is_file()


def test_nothing_was_saved_and_the_config_has_a_start(work: Path, tmp_path: Path) -> None:
    """A fine-tuning that is always submitted with --resume."""
    for folder, start, resumes in ((tmp_path / 'new', work / 'epoch_1.pth', False), (work, work / 'gone.pth', True)):
        runner = tiny_runner(folder, 4, resume=True)
        resume_or_start(runner, str(start))
        runner.train()
        assert runner._resume is resumes and runner.iter == 8
        assert runner._load_from == str(work / ('epoch_3.pth' if resumes else 'epoch_1.pth'))


@pytest.mark.parametrize('left', ['torn', 'pointer', 'best'])
def test_nothing_whole_is_an_error(left: str, work: Path) -> None:
    """The first epoch is not begun again over what there is."""
    for name in ALL:
        cut(work / name) if left == 'torn' else (work / name).unlink()
    if left == 'best':
        (work / 'last_checkpoint').rename(work / 'best_acc_epoch_1.pth')
    before = {path: path.stat().st_mtime_ns for path in work.glob('*.pth')}
    with pytest.raises(ValueError, match=f'^{work} holds no whole checkpoint to resume: .*') as caught:
        tiny_runner(work, 4, resume=True).train()
    message = str(caught.value)
    assert '\n' not in message and message.endswith('remove these files, or choose another --work-dir')
    told = dict(torn='epoch_1.pth cannot be read as a checkpoint: it is cut off', pointer='which is not there', best='')
    assert told[left] in message
    assert {path: path.stat().st_mtime_ns for path in work.glob('*.pth')} == before


@pytest.mark.parametrize('damage', [cut, empty, zero, text])
def test_a_given_file_that_is_broken(damage: Callable[[Path], None], work: Path) -> None:
    """An error, which names the newest whole one."""
    damage(work / 'epoch_3.pth')
    with pytest.raises(ValueError) as caught:
        tiny_runner(work, 4, resume=True, load_from=str(work / 'epoch_3.pth')).train()
    assert str(caught.value).startswith(f'{work}/epoch_3.pth cannot be read as a checkpoint: it is ')
    assert str(caught.value).endswith(f': --resume {work}/epoch_2.pth is the newest whole one beside it')


def test_a_config_with_mmengines_hooks_is_left_to_it(work: Path) -> None:
    """Without one of our two hooks."""
    (work / 'last_checkpoint').write_text('/gone/epoch_1.pth')
    hooks = dict(checkpoint=dict(type='CheckpointHook'))
    with pytest.raises(FileNotFoundError, match=r'/gone/epoch_1\.pth'):
        tiny_runner(work, 4, resume=True, default_hooks=hooks, experiment_name=uuid.uuid4().hex).train()
    # with the check of checkpoints alone, it is found
    hooks.update(checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'))
    assert resumed(work, default_hooks=hooks)[0] == 'epoch_3.pth'


@pytest.mark.faults
def test_damage_anywhere(work: Path, record_property: Callable[[str, object], None]) -> None:
    """Cut, zeroed, changed in a bit or lengthened anywhere, with any pointer: the file is passed over, or harmless."""
    generator, tried = random.Random(0), 400
    newest, pointer = work / 'epoch_3.pth', work / 'last_checkpoint'
    whole = newest.read_bytes()
    saved = torch.load(newest, weights_only=False)
    names = [b'', b'epoch_1.pth', b'epoch_2.pth', b'epoch_3.pth', b'/gone/epoch_3.pth', b'epo', bytes(range(256))]
    found = []
    for _ in range(tried):
        content, place = bytearray(whole), generator.randrange(len(whole))
        match generator.choice(['cut', 'zeros', 'bit', 'rubbish']):
            case 'cut':
                del content[place:]
            case 'zeros':
                content[place : place + 512] = bytes(len(content[place : place + 512]))
            case 'bit':
                content[place] ^= 1 << generator.randrange(8)
            case 'rubbish':
                content += generator.randbytes(1 + place % 1000)
        newest.write_bytes(content)
        pointer.write_bytes(generator.choice(names))
        found.append(newest_whole(Folder(work, ('epoch_{}.pth',)), pointer)[0].name)
        if found[-1] == 'epoch_3.pth':
            loaded = torch.load(newest, weights_only=False)
            for key in ('meta', 'param_schedulers'):
                assert loaded[key] == saved[key]
            for key in ('state_dict', 'optimizer'):
                torch.testing.assert_close(loaded[key], saved[key], rtol=0, atol=0)
    assert set(found) == {'epoch_2.pth', 'epoch_3.pth'}
    record_property('section', 'B work is not lost')
    record_property('tried', tried)
    record_property('held', len(found))


def _rank(rank: int, folder: Path) -> None:
    """Rank 1 sees another folder, and does what rank 0 says."""
    dist.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    names = ('epoch_1.pth', 'epoch_2.pth')
    assert on_rank_0(lambda: names[rank]) == 'epoch_1.pth'
    for error in (ValueError('nothing whole'), PermissionError(13, 'no')):
        with pytest.raises(type(error), match=error.args[-1]):
            on_rank_0(mock.Mock(side_effect=[error, KeyError()][rank]))
    dist.destroy_process_group()


def test_rank_0_decides(tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(_rank, (tmp_path,), nprocs=2, start_method='fork')
