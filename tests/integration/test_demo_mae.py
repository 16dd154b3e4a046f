"""Pictures of masked auto-encoding, and the demo that draws them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from helpers import ROOT
from mmhvt.analysis.reconstructions import draw, frames_of_patches, load_model, read_input, reconstruct, write_gif
from mmhvt.apis.videos import write_video
from mmhvt.models.selfsup.target import pixel_patches
from mmhvt.registry import MODELS
from mmhvt.synthetic.moving_shapes import draw_clip

VIDEO_CONFIG = ROOT / 'configs/mae/mae_smvit-micro_1xb64-8x2x1-10e_moving-shapes-rgb.py'
TOOL = ROOT / 'tools/analysis/show_mae.py'
DEMO = ROOT / 'tools/demo/train_mae_demo.py'
TINY = dict(
    backbone=dict(arch=dict(_delete_=True, embed_dims=8, num_heads=1, depths=(1, 1, 1, 1))),
    decoder=dict(embed_dims=16, depth=1, num_heads=1),
)


def config(**model: object) -> Config:
    """Pre-training on clips with a model that takes no time."""
    cfg = Config.fromfile(VIDEO_CONFIG)
    cfg.merge_from_dict(dict(model={**TINY, **model}))
    return cfg


def image_config() -> Config:
    """The same on images of 64²."""
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='mmhvt.MAE',
                backbone=dict(
                    type='mmhvt.SMViT',
                    arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
                    input_size=(64, 64),
                    q_pool=2,
                ),
                data_preprocessor=dict(
                    type='SelfSupDataPreprocessor', mean=[120, 110, 100], std=[60, 50, 40], to_rgb=True
                ),
                decoder=dict(embed_dims=16, depth=1, num_heads=1),
                mask_ratio=0.5,
            ),
            train_dataloader=dict(
                dataset=dict(
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='Resize', scale=(64, 64)),
                        dict(type='PackInputs'),
                    ]
                )
            ),
        )
    )


def save(cfg: Config, path: Path) -> Path:
    """A checkpoint of the config's model with random weights."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / 'right.mp4'
    write_video(path, draw_clip('right', 24, 64, np.random.default_rng(0)))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Red to the left, blue to the right: colors in the wrong order would show."""
    path = tmp_path / 'colors.png'
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32, 0], pixels[:, 32:, 2] = 200, 250
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(('size', 'patch'), [((8, 32, 48), (2, 16, 8)), ((3, 8, 12), (1, 4, 4)), ((32, 48), (8, 16))])
def test_frames_of_patches_inverts_pixel_patches(size: tuple, patch: tuple) -> None:
    x = torch.rand(2, 3, *size)
    frames = frames_of_patches(pixel_patches(x, patch), size, patch)
    expected = x[:, :, :: patch[0]].movedim(1, -1) if len(size) == 3 else x.movedim(1, -1)[:, None]
    assert torch.equal(frames, expected)


@pytest.mark.parametrize('norm_pix', [True, False])
def test_perfect_prediction_gives_the_video_back(
    norm_pix: bool, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = config(norm_pix=norm_pix)
    model = load_model(cfg, str(save(cfg, tmp_path / 'mae.pth')))
    honest = model.reconstruct
    batch = read_input(cfg, str(video))
    frames = batch['inputs'][0][0].permute(1, 2, 3, 0).numpy()[::2]

    result = reconstruct(model, batch)
    hidden = (result.masked == 127).all(-1)
    assert hidden.mean() == 0.75 and np.array_equal(result.original, frames)
    assert np.array_equal(result.masked[~hidden], frames[~hidden])
    assert np.array_equal(result.pasted[~hidden], frames[~hidden]) and not np.array_equal(result.pasted, frames)

    def oracle(*args: object) -> tuple:
        _, target, masked = honest(*args)
        return target, target, masked

    monkeypatch.setattr(model, 'reconstruct', oracle)
    # normalized and back: half a gray value is lost at most
    assert np.abs(reconstruct(model, batch).pasted.astype(int) - frames).max() <= (1 if norm_pix else 0)


def test_image_keeps_its_colors(image: Path, tmp_path: Path) -> None:
    cfg = image_config()
    model = load_model(cfg, str(save(cfg, tmp_path / 'mae.pth')))
    result = reconstruct(model, read_input(cfg, str(image)))
    assert [frames.shape for frames in result] == [(1, 64, 64, 3)] * 3
    assert np.array_equal(result.original[0], np.asarray(Image.open(image)))
    assert (result.masked == 127).all(-1).mean() == 0.5
    draw(tmp_path / 'picture.png', result, 'note')
    picture = Image.open(tmp_path / 'picture.png').convert('RGB')
    assert picture.width > 2 * picture.height and (200, 0, 0) in {color for _, color in picture.getcolors(1 << 20)}


def test_seed_decides_the_mask(video: Path, tmp_path: Path) -> None:
    cfg = config()
    model = load_model(cfg, str(save(cfg, tmp_path / 'mae.pth')))
    batch = read_input(cfg, str(video), seed=3)
    first, again, other = (reconstruct(model, batch, seed).masked for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_gif_has_a_frame_for_each_of_the_model(video: Path, tmp_path: Path) -> None:
    cfg = config()
    model = load_model(cfg, str(save(cfg, tmp_path / 'mae.pth')))
    write_gif(tmp_path / 'film.gif', reconstruct(model, read_input(cfg, str(video))))
    film = Image.open(tmp_path / 'film.gif')
    assert film.n_frames == 4 and film.size == (3 * 160 + 8, 160) and film.info['loop'] == 0


def test_tool_draws_strip_and_film(video: Path, tmp_path: Path) -> None:
    cfg = config()
    cfg.dump(tmp_path / 'config.py')
    checkpoint = save(cfg, tmp_path / 'mae.pth')
    twin = tmp_path / 'other/right.mp4'
    twin.parent.mkdir()
    twin.write_bytes(video.read_bytes())
    command = [sys.executable, TOOL, tmp_path / 'config.py', checkpoint, video, twin, '--out', tmp_path / 'out']
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    names = ['right_0.gif', 'right_0.png', 'right_1.gif', 'right_1.png']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert sorted(Path(line).name for line in result.stdout.splitlines() if 'right' in line) == names


def test_wrong_checkpoint_is_named(tmp_path: Path) -> None:
    cfg = config()
    backbone = MODELS.build(cfg.model).backbone
    torch.save(dict(state_dict={f'backbone.{k}': v for k, v in backbone.state_dict().items()}), tmp_path / 'plain.pth')
    with pytest.raises(ValueError, match=r'plain\.pth is no checkpoint of the MAE in the config: .* missing in the'):
        load_model(cfg, str(tmp_path / 'plain.pth'))
    wide = config(decoder=dict(embed_dims=24, depth=1, num_heads=1))
    with pytest.raises(ValueError, match=r'wide\.pth .*: \(1, 1, 24\) in the checkpoint, \(1, 1, 16\) in the model'):
        load_model(cfg, str(save(wide, tmp_path / 'wide.pth')))
    (tmp_path / 'text.pth').write_text('no checkpoint')
    with pytest.raises(ValueError, match=r'text\.pth cannot be read'):
        load_model(cfg, str(tmp_path / 'text.pth'))
    recognizer = Config.fromfile(ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py')
    with pytest.raises(ValueError, match='is Recognizer3D: use one of masked pre-training'):
        load_model(recognizer, str(tmp_path / 'plain.pth'))


def test_wrong_input_is_named(video: Path, image: Path, tmp_path: Path) -> None:
    cfg = config()
    write_video(tmp_path / 'short.mp4', draw_clip('right', 14, 64, np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r'short\.mp4 has 14 frames, and a clip of the config spans 15 \(8 frames'):
        read_input(cfg, str(tmp_path / 'short.mp4'))
    with pytest.raises(ValueError, match='nothing.mp4: no such file'):
        read_input(cfg, 'nothing.mp4')
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(video.read_bytes()[:500])
    with pytest.raises(ValueError, match=r'cannot read video .*broken\.mp4'):
        read_input(cfg, str(broken))
    with pytest.raises(ValueError, match=r'cannot read image .*broken\.mp4'):
        read_input(image_config(), str(broken))
    with pytest.raises(ValueError, match=r'no train_dataloader\.dataset\.pipeline'):
        read_input(Config(dict()), str(video))


def test_tool_ends_with_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, TOOL, VIDEO_CONFIG, tmp_path / 'no.pth', 'no.mp4', '--out', tmp_path],
        capture_output=True,
        text=True,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1 and last.startswith('show_mae.py: ') and 'no.pth' in last
    assert 'Traceback' not in result.stderr


@pytest.mark.slow
def test_whole_demo_on_few_videos(tmp_path: Path) -> None:
    """2 videos a class: nothing to learn from, so either may win. The second call trains nothing."""
    command = [sys.executable, DEMO, '--clips-per-class', '2', '--pretraining-epochs', '2', '--fine-tuning-epochs', '2']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    for call in range(2):
        result = subprocess.run(
            [*command, '--seed', '1'], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
        )
        last = result.stdout.strip().splitlines()[-2:]
        assert [re.sub(r'=[01]\.\d{4}$', '', line) for line in last] == [
            'metric top1_pretrained',
            'metric top1_scratch',
        ], result.stderr[-2000:]
        lost = float(last[0].split('=')[1]) <= float(last[1].split('=')[1])
        assert result.returncode == lost and ('pre-training did not win' in result.stderr) == lost
        assert result.stdout.count('done already') == 3 * call
    folder = tmp_path / 'work_dirs/demo-mae/seed1'
    picture = Image.open(folder / 'demo-mae.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 1000
    assert Image.open(folder / 'right.gif').n_frames == 4
