"""Trainings of a moment on small videos."""

import copy
import struct
from pathlib import Path

import cv2
import numpy as np
from mmengine import Config
from mmengine.runner import Runner

READ = [
    dict(type='mmaction.DecordInit'),
    dict(type='mmaction.SampleFrames', clip_len=4, frame_interval=2, num_clips=1),
    dict(type='mmaction.DecordDecode'),
]
PACK = [dict(type='mmaction.FormatShape', input_format='NCTHW'), dict(type='mmaction.PackActionInputs')]


def write_video(path: Path, seed: int = 0, fourcc: str = 'mp4v') -> None:
    """16 frames of noise, 32×32. Noise compresses badly, so that most of the file is picture."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 10, (32, 32))
    assert writer.isOpened()
    rng = np.random.RandomState(seed)
    for _ in range(16):
        writer.write(rng.randint(0, 256, (32, 32, 3), dtype=np.uint8))
    writer.release()


def chain_samples(batch: list[list]) -> list:
    """Collate lists of samples; here, where workers that are spawned can import it."""
    return [sample for samples in batch for sample in samples]


def dataset_cfg(videos: Path, ann: str = 'good.txt', **kwargs) -> dict:
    cfg = dict(
        type='mmhvt.VideoDataset', ann_file=ann, data_root=str(videos), data_prefix=dict(video=''), pipeline=READ + PACK
    )
    return copy.deepcopy(cfg | kwargs)


def log_of(cfg: Config) -> str:
    return ''.join(path.read_text() for path in Path(cfg.work_dir).rglob('*.log'))


def train(cfg: Config) -> str:
    """Trains and returns the log."""
    Runner.from_cfg(cfg).train()
    return log_of(cfg)


def moov_first(content: bytes) -> bytes:
    """An MP4 of one track with its index moved to the front, as for streaming."""
    atoms, at = {}, 0
    while at < len(content):
        size, name = struct.unpack('>I4s', content[at : at + 8])
        atoms[name] = content[at : at + size]
        at += size
    moov = bytearray(atoms[b'moov'])
    table = moov.index(b'stco')
    for entry in range(struct.unpack('>I', moov[table + 8 : table + 12])[0]):
        place = table + 12 + 4 * entry
        offset = struct.unpack('>I', moov[place : place + 4])[0]
        moov[place : place + 4] = struct.pack('>I', offset + len(moov))
    return b''.join([atoms[b'ftyp'], moov, *(atoms[n] for n in atoms if n not in (b'ftyp', b'moov'))])


def start_run(cfg: Config, how: str = 'train') -> Runner:
    """A runner that has checked what it checks before the first step, and loaded what it is to load."""
    runner = Runner.from_cfg(copy.deepcopy(cfg))
    if how == 'train':
        assert runner.train_loop is runner._train_loop
        if runner._val_loop is not None:
            assert runner.val_loop is runner._val_loop
    else:
        runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    if how == 'train':
        runner.call_hook('before_train')
    return runner


def write_frames(folder: Path, videos: int = 4, frames: int = 8) -> None:
    """img_00001.jpg … in a folder for each video, and frames.txt with labels 0 and 1."""
    for video in range(videos):
        (folder / f'v{video}').mkdir(parents=True)
        for frame in range(1, frames + 1):
            picture = np.full((32, 32, 3), 10 * frame, np.uint8)
            assert cv2.imwrite(str(folder / f'v{video}/img_{frame:05}.jpg'), picture)
    (folder / 'frames.txt').write_text(''.join(f'v{video} {frames} {video % 2}\n' for video in range(videos)))


def frames_cfg(folder: Path, **kwargs) -> dict:
    return dict(
        type='RawframeDataset',
        ann_file='frames.txt',
        data_root=str(folder),
        data_prefix=dict(img=''),
        pipeline=[
            dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
            dict(type='RawFrameDecode'),
            *PACK,
        ],
    ) | copy.deepcopy(kwargs)
