"""The demo of detection: its parts, and the whole on a handful of videos."""

import json
import os
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

import decord
import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers import ROOT
from mmhvt.demos import ava as demo
from mmhvt.demos import runs
from mmhvt.synthetic.moving_actors import write_dataset

SCRIPT = ROOT / 'tools/demo/train_ava_demo.py'


def test_colors_tell_right_from_wrong() -> None:
    box = np.array([0.25, 0.25, 0.75, 0.75])
    names = {1: 'up', 2: 'down'}
    scores = np.array([[0.9, 0.8, 0.3]])  # class 0 is none

    assert demo.judge(box[None], scores, [(box + 0.01, 1)], names) == [('up 0.80', demo.RIGHT)]
    assert demo.judge(box[None], scores, [(box, 2)], names) == [('up 0.80', demo.WRONG)]
    for nobody in ([(box + 0.3, 1)], []):
        assert demo.judge(box[None], scores, nobody, names) == [('up 0.80', demo.NOBODY)]


def test_video_of_the_busiest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two videos the one with more boxes is drawn, each box for a second about its key frame."""
    monkeypatch.chdir(tmp_path)
    write_dataset(demo.DATA, videos=1, val_videos=2, seconds=4)
    boxes = torch.tensor([[0.1, 0.1, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]])
    predictions = [
        dict(video_id=f'val_0000{video}', timestamp=time, pred_instances=dict(bboxes=boxes[:count], scores=scores))
        for video, count in enumerate([1, 2])
        for time in (1, 2)
        for scores in [torch.rand(count, 9)]
    ]
    dump = tmp_path / 'predictions.pkl'
    dump.write_bytes(pickle.dumps(predictions))
    out = tmp_path / 'work/demo.mp4'
    assert demo.write_demo_video(out, dump, Config.fromfile(demo.CONFIG)) == 'val_00001'
    plain = decord.VideoReader(str(demo.DATA / 'videos_val/val_00001.mp4'))
    drawn = decord.VideoReader(str(out))
    fps = round(plain.get_avg_fps())
    assert len(drawn) == len(plain) == 4 * fps and round(drawn.get_avg_fps()) == fps
    x, y = (int(side * 96 * demo.ZOOM) for side in (0.6, 0.8))  # on the left side of the second box
    sides = np.stack([drawn[i].asnumpy()[y, x] for i in range(len(drawn))]).astype(int)
    bare = np.stack([plain[i].asnumpy()[y // demo.ZOOM, x // demo.ZOOM] for i in range(len(plain))]).astype(int)
    marked = (np.abs(sides - bare).max(1) > 50).tolist()
    assert marked == [0.5 <= i / fps < 2.5 for i in range(len(drawn))]


def test_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, work_dir = tmp_path / 'epoch_2.pth', tmp_path / 'test'
    checkpoint.touch()
    calls = []

    def step(title: str, *command: object) -> None:
        calls.append(title)
        folder = work_dir / f'2026010{len(calls)}_000000'
        folder.mkdir(parents=True)
        (folder / f'{folder.name}.json').write_text(json.dumps({'mAP/overall': len(calls) / 10}) + '\n')
        (work_dir / 'predictions.pkl').touch()

    monkeypatch.setattr(runs, 'step', step)
    assert demo.evaluate('Testing', demo.CONFIG, checkpoint, work_dir) == 0.1
    assert demo.evaluate('Testing', demo.CONFIG, checkpoint, work_dir) == 0.1 and len(calls) == 1
    os.utime(checkpoint, (2e9, 2e9))  # trained anew since
    assert demo.evaluate('Testing', demo.CONFIG, checkpoint, work_dir) == 0.2 and len(calls) == 2


@pytest.mark.slow
def test_whole_demo_on_few_videos(tmp_path: Path) -> None:
    """2 videos: too few to learn from, so the figure is out of reach and the exit status says so. Then all is done."""
    command = [sys.executable, SCRIPT, '--videos', '2', '--val-videos', '1', '--min-map', '1.01']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    outputs = []
    for _ in range(2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        last = result.stdout.strip().splitlines()[-2:]
        assert [re.sub(r'=\d\.\d{4}$', '', line) for line in last] == [
            'metric mAP_key_frame',
            'metric mAP',
        ], result.stderr[-2000:]
        assert result.returncode == 1 and 'below the 1.01' in result.stderr
        outputs.append((last, result.stdout.count('done already')))
    assert [count for _, count in outputs] == [0, 4] and outputs[0][0] == outputs[1][0]
    video = decord.VideoReader(str(tmp_path / 'work_dirs/demo-ava/seed0/demo-ava.mp4'))
    assert video[0].shape[0] > 500 and video[0].asnumpy().std() > 5

    # the README's call on what the demo left
    (call,) = re.findall(r'python (tools/demo/spatiotemporal\.py (?:.*\\\n)*.*)', (ROOT / 'README.md').read_text())
    parts = shlex.split(call.replace('\\\n', ' '))
    arguments = [ROOT / part if part.startswith(('tools/', 'configs/')) else part for part in parts]
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment, check=True, timeout=300)
    written = json.loads((tmp_path / 'work_dirs/shown/val_00000.json').read_text())
    assert any(entry['boxes'] for entry in written['key_frames'])
