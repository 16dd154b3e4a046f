"""Checkpoints are whole at any time, and a run without resume writes over none."""

import errno
import hashlib
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner, Runner

from helpers.tiny_runs import Scores, loader, tiny_runner


def files(folder: Path) -> set[str]:
    """Names of all that hooks have saved."""
    return {path.name for path in folder.iterdir() if path.is_file() and path.suffix != '.py'}


def content(path: Path) -> dict:
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize(
    ('hook', 'kept'),
    [
        (dict(), {'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth'}),
        (dict(max_keep_ckpts=1), {'epoch_3.pth'}),
        (dict(max_keep_ckpts=2), {'epoch_2.pth', 'epoch_3.pth'}),
        (dict(interval=2), {'epoch_2.pth', 'epoch_3.pth'}),
        (dict(interval=2, save_last=False), {'epoch_2.pth'}),
        (dict(save_begin=2), {'epoch_2.pth', 'epoch_3.pth'}),
        (dict(filename_tmpl='e{}.pt', max_keep_ckpts=1), {'e3.pt'}),
        (dict(filename_tmpl='latest.pth', max_keep_ckpts=1), {'latest.pth'}),
        (dict(by_epoch=False, interval=2, max_keep_ckpts=2), {'iter_4.pth', 'iter_6.pth'}),
        (dict(save_best='acc', max_keep_ckpts=1), {'epoch_3.pth', 'best_acc_epoch_2.pth'}),
        (dict(save_best='auto', max_keep_ckpts=1), {'epoch_3.pth', 'best_acc_epoch_2.pth'}),
        (
            dict(save_best=['acc', 'f1'], rule='greater', max_keep_ckpts=1),
            {'epoch_3.pth', 'best_acc_epoch_2.pth', 'best_f1_epoch_3.pth'},
        ),
    ],
    ids=lambda value: str(value if isinstance(value, dict) else sorted(value)),
)
def test_arguments_of_mmengine(hook: dict, kept: set[str], tmp_path: Path) -> None:
    """The files are those of MMEngine's hook, and what a run that goes on needs is in them."""
    for kind, folder in (('CheckpointHook', 'theirs'), ('mmhvt.CheckpointHook', 'ours')):
        tiny_runner(tmp_path / folder, 3, dict(hook, type=kind), scores=(0.2, 0.3, 0.1)).train()
        assert files(tmp_path / folder) == kept | {'last_checkpoint'}, kind
    last = Path((tmp_path / 'ours/last_checkpoint').read_text())
    assert last.name == Path((tmp_path / 'theirs/last_checkpoint').read_text()).name
    theirs, ours = content(tmp_path / 'theirs' / last.name), content(last)
    assert theirs['meta']['epoch'] == ours['meta']['epoch'] and theirs['meta']['iter'] == ours['meta']['iter']
    assert torch.equal(theirs['state_dict']['fc.weight'], ours['state_dict']['fc.weight'])


def test_checkpoints_elsewhere(tmp_path: Path) -> None:
    """`out_dir` gets a folder of the work dir's name, the pointer stays."""
    hook = dict(out_dir=str(tmp_path / 'out'), max_keep_ckpts=1)
    tiny_runner(tmp_path / 'work', 2, hook).train()
    assert files(tmp_path / 'out/work') == {'epoch_2.pth'} and files(tmp_path / 'work') == {'last_checkpoint'}
    assert tiny_runner(tmp_path / 'work', 3, hook, resume=True).train() is not None
    assert files(tmp_path / 'out/work') == {'epoch_3.pth'}
    with pytest.raises(ValueError, match=r'out/work holds epoch_3\.pth of an earlier run'):
        tiny_runner(tmp_path / 'work', 3, hook).train()


class Elsewhere(LocalBackend):
    """Stands in for a storage that is no local disk."""


def test_other_storage_is_written_as_mmengine_does(tmp_path: Path) -> None:
    register_backend('elsewhere', Elsewhere, force=True)
    hook = dict(backend_args=dict(backend='elsewhere'), max_keep_ckpts=1)
    tiny_runner(tmp_path, 2, hook).train()
    assert files(tmp_path) == {'epoch_2.pth', 'last_checkpoint'}
    runner = tiny_runner(tmp_path, 3, hook, resume=True)
    runner.train()
    assert runner.iter == 6 and files(tmp_path) == {'epoch_3.pth', 'last_checkpoint'}


def test_published_keys(tmp_path: Path) -> None:
    tiny_runner(tmp_path, 1, dict(published_keys=['meta', 'state_dict'])).train()
    (published,) = tmp_path.glob('epoch_1-*.pth')
    assert content(published).keys() == {'meta', 'state_dict'}
    assert published.stem.removeprefix('epoch_1-') == hashlib.sha256(published.read_bytes()).hexdigest()[:8]


def test_averaged_weights(tmp_path: Path) -> None:
    """EMAHook exchanges weights in what is saved."""
    average = dict(custom_hooks=[dict(type='EMAHook')])
    tiny_runner(tmp_path, 2, dict(max_keep_ckpts=1), **average).train()
    assert {'state_dict', 'ema_state_dict'} <= content(tmp_path / 'epoch_2.pth').keys()
    runner = tiny_runner(tmp_path, 3, resume=True, **average)
    runner.train()
    assert runner.iter == 6


class Watch(Hook):
    """Notes what is in the folder before each system call that changes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.seen: list[set[str]] = []
        for name in ('fsync', 'replace', 'remove', 'unlink'):
            monkeypatch.setattr(os, name, self.note(getattr(os, name), folder))

    def note(self, call: Callable, folder: Path) -> Callable:
        def noted(*args, **kwargs) -> object:
            self.seen.append(files(folder))
            return call(*args, **kwargs)

        return noted


def test_a_whole_checkpoint_is_there_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one goes when the new one is there and the pointer names it; so does the best one."""
    hook = dict(max_keep_ckpts=1, save_best='acc')
    tiny_runner(tmp_path, 1, hook, scores=(0.1,)).train()
    watch = Watch(monkeypatch, tmp_path)
    tiny_runner(tmp_path, 2, hook, scores=(0.2,), resume=True).train()
    # two saves of 2 files, each with its folder, and of the best one; two removals
    assert len(watch.seen) >= 17
    for names in watch.seen:
        assert 'last_checkpoint' in names
        assert {'epoch_1.pth', 'epoch_2.pth'} & names and {'best_acc_epoch_1.pth', 'best_acc_epoch_2.pth'} & names
    assert files(tmp_path) == {'last_checkpoint', 'epoch_2.pth', 'best_acc_epoch_2.pth'}


def test_what_a_killed_save_has_left_is_removed(tmp_path: Path) -> None:
    """A torn file, and the old one that was to be removed."""
    tiny_runner(tmp_path, 2, dict(max_keep_ckpts=1)).train()
    shutil.copy(tmp_path / 'epoch_2.pth', tmp_path / 'epoch_1.pth')
    saved = content(tmp_path / 'epoch_2.pth')
    # as it is before the old one goes
    assert saved['message_hub']['runtime_info']['keep_ckpt_ids'] == [1, 2]
    (tmp_path / 'epoch_3.pth.mmhvt-unfinished').write_bytes(b'PK')
    (tmp_path / 'last_checkpoint.mmhvt-unfinished').touch()
    runner = tiny_runner(tmp_path, 2, dict(max_keep_ckpts=1), resume=True)
    runner.train()
    assert runner.epoch == 2 and files(tmp_path) == {'epoch_2.pth', 'last_checkpoint'}


def test_a_copy_does_not_remove_the_best_one_of_the_original(tmp_path: Path) -> None:
    hook = dict(max_keep_ckpts=1, save_best='acc')
    tiny_runner(tmp_path / 'first', 1, hook, scores=(0.1,)).train()
    shutil.copytree(tmp_path / 'first', tmp_path / 'second')
    tiny_runner(tmp_path / 'second', 2, hook, scores=(0.2,), resume=True).train()
    assert files(tmp_path / 'first') == {'epoch_1.pth', 'best_acc_epoch_1.pth', 'last_checkpoint'}
    assert files(tmp_path / 'second') == {'epoch_2.pth', 'best_acc_epoch_2.pth', 'last_checkpoint'}


def test_a_file_of_another_folder_is_resumed(tmp_path: Path) -> None:
    """What its run was to remove has the names of another run's files here."""
    hook = dict(max_keep_ckpts=1, save_best='acc')
    tiny_runner(tmp_path / 'first', 2, hook, scores=(0.1, 0.2)).train()
    (tmp_path / 'second').mkdir()
    for name in ('epoch_1.pth', 'best_acc_epoch_2.pth'):
        (tmp_path / 'second' / name).write_bytes(b'of another run')
    first = files(tmp_path / 'first')
    load_from = str(tmp_path / 'first/epoch_2.pth')
    tiny_runner(tmp_path / 'second', 3, hook, scores=(0.3,), resume=True, load_from=load_from).train()
    assert files(tmp_path / 'first') == first
    new = {'epoch_3.pth', 'best_acc_epoch_3.pth', 'last_checkpoint'}
    assert files(tmp_path / 'second') == {'epoch_1.pth', 'best_acc_epoch_2.pth'} | new


@pytest.mark.parametrize('best', ['..', '.', '/tmp/..', 'epoch_1.pth', '../work', 'kept/', 7, None])
def test_only_a_best_checkpoint_makes_room(best: object, tmp_path: Path) -> None:
    """A checkpoint names the file, or folder, that the next best one replaces; of a stranger's, any."""
    work, kept = tmp_path / 'work', tmp_path / 'work/kept'
    kept.mkdir(parents=True)
    hook = dict(save_best='acc')
    tiny_runner(work, 1, dict(hook, overwrite=True), scores=(0.1,)).train()
    saved = content(work / 'epoch_1.pth')
    saved['message_hub']['runtime_info']['best_ckpt'] = best
    torch.save(saved, work / 'epoch_1.pth')
    before = files(work)
    hooks = dict(checkpoint=dict(hook, type='mmhvt.CheckpointHook'))
    tiny_runner(work, 2, scores=(0.2,), resume=True, default_hooks=hooks).train()
    assert files(work) == before | {'epoch_2.pth', 'best_acc_epoch_2.pth'} and kept.is_dir()


@pytest.mark.parametrize('name', ['epoch_3.pth', 'iter_7.pth', 'best_acc_epoch_2.pth', 'epoch_1.pth'])
def test_an_earlier_run_is_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'work')
    with pytest.raises(ValueError) as caught:
        tiny_runner(tmp_path).train()
    assert str(caught.value) == (
        f'{tmp_path} holds {name} of an earlier run: go on with --resume, choose another --work-dir, or overwrite it '
        'with default_hooks.checkpoint.overwrite=True'
    )
    assert files(tmp_path) == {name} and (tmp_path / name).read_bytes() == b'work'
    tiny_runner(tmp_path, 1, dict(overwrite=True)).train()
    assert files(tmp_path) == {name, 'epoch_1.pth', 'last_checkpoint'}
    assert content(tmp_path / 'epoch_1.pth')['meta']['epoch'] == 1


def test_training_on_in_the_same_process(tmp_path: Path) -> None:
    """What a runner has saved itself is not of an earlier run; neither validation nor test look at checkpoints."""
    runner = tiny_runner(tmp_path, 1, scores=(0.1, 0.2, 0.3))
    runner.train()
    runner.val()
    runner.train_loop._max_epochs = 2
    runner.train()
    assert files(tmp_path) == {'epoch_1.pth', 'epoch_2.pth', 'last_checkpoint'}
    test = dict(test_dataloader=loader(4), test_cfg=dict(), test_evaluator=[Scores(0.5)])
    assert tiny_runner(tmp_path, scores=(0.1,), **test).test() == dict(acc=0.5, f1=-0.5)


class Steps(Hook):
    """Iterations of a run."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        self.done.append(runner.iter)


@pytest.mark.parametrize('kind', [Runner, FlexibleRunner])
def test_what_torchrun_starts_again_goes_on(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_runner(tmp_path, 1, kind=kind).train()
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    runner = tiny_runner(tmp_path, 2, kind=kind, custom_hooks=[steps := Steps()])
    runner.train()
    assert runner._resume and steps.done == [2, 3]
    if kind is Runner:
        assert runner._load_from == str(tmp_path / 'epoch_1.pth')


@contextmanager
def files_of(size: int) -> Iterator[None]:
    """Files can have this many bytes; Python ignores the signal, and the write fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('keep', [1, 2, -1])
def test_a_full_disk(keep: int, tmp_path: Path) -> None:
    """The run stops with the file's name; what was saved is there, and nothing torn. With room, it goes on."""
    hook = dict(max_keep_ckpts=keep)
    tiny_runner(tmp_path, 1, hook, width=100_000).train()
    (tmp_path / 'free').write_bytes(bytes(1000))
    before = {name: (tmp_path / name).read_bytes() for name in ('epoch_1.pth', 'last_checkpoint')}
    with files_of(500_000), pytest.raises(OSError) as caught:
        tiny_runner(tmp_path, 2, hook, width=100_000, resume=True).train()
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value) == (
        f'[Errno 27] {tmp_path}/epoch_2.pth (0.8 MB) cannot be written: File too large. '
        'What was saved before is whole: make room, and go on with --resume'
    )
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert files(tmp_path) == {'free', *before}
    runner = tiny_runner(tmp_path, 2, hook, width=100_000, resume=True)
    runner.train()
    assert runner.iter == 4 and (tmp_path / 'epoch_2.pth').is_file()
