"""Recipes of AVA at the size of a test, on moving actors."""

from pathlib import Path

from mmengine.config import Config

from helpers.detection import ACTION_FAMILIES, last_dims
from helpers.micro_recipes import by_type
from helpers.recipes import read


def read_ava(name: str) -> Config:
    """The config of a name under configs/ava."""
    return read(f'ava/{name}')


# the recipe of a family, for tests with tiny models
AVA_RECIPES = {
    'MViT': 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'MViTv2': 'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'SMViT': 'smvit-large-p244_mae-k400-ft-k400-pre_16xb8-16x4x1-30e_ava22-rgb',
    'Video Swin': 'video-swin-base-p244-w877_k400-pre_8xb8-32x2x1-20e_ava22-rgb',
    'ViT': 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'UniFormerV2': 'uniformerv2-base-p16_k710-k400-pre_8xb8-8x8x1-20e_ava22-rgb',
}
AVA_SIZE = (8, 64, 64)


def micro_ava(family: str) -> Config:
    """The recipe of a family with a tiny backbone and the nine classes of moving actors."""
    config = read_ava(AVA_RECIPES[family])
    backbone = config.model.backbone
    if family == 'ViT':
        backbone = dict(drop_path_rate=backbone.drop_path_rate)
    for key in ('init_cfg', 'window_size'):
        backbone.pop(key, None)
    config.model.backbone = dict(backbone) | dict(ACTION_FAMILIES[family], input_size=AVA_SIZE, out_type='featmap')
    config.model.roi_head.bbox_head.update(num_classes=9, in_channels=last_dims(family))
    return config


# what docs/guides/ava.md says of videos
def reading_videos(pipeline: list[dict]) -> list[dict]:
    """A pipeline of frames for videos."""
    decode = [transform.type for transform in pipeline].index('RawFrameDecode')
    return [dict(type='mmhvt.DecordInit'), *pipeline[:decode], dict(type='DecordDecode'), *pipeline[decode + 1 :]]


def loaders_of(config: Config) -> list[dict]:
    return [config.train_dataloader, config.val_dataloader, config.test_dataloader]


def on_moving_actors(config: Config, actors: Path, work_dir: Path) -> Config:
    """The recipe as it stands, on smaller clips of moving actors."""
    annotations = actors / 'annotations'
    for split, loader in zip(('train', 'val', 'val'), loaders_of(config), strict=True):
        files = dict(
            ann_file=str(annotations / f'moving_actors_{split}.csv'),
            exclude_file=str(annotations / f'moving_actors_{split}_excluded_timestamps.csv'),
            label_file=str(annotations / 'moving_actors_action_list.pbtxt'),
            num_classes=9,
        )
        transforms = by_type(loader.dataset.pipeline)
        transforms['mmhvt.SampleKeyFrameClip'].update(clip_len=AVA_SIZE[0], frame_interval=2, target_fps=16)
        small = dict(
            RandomRescale=dict(scale_range=(72, 90)),
            RandomCrop=dict(size=64),
            Resize=dict(scale=(-1, 72)),
            CenterCrop=dict(crop_size=64),
        )
        for name, change in small.items():
            if name in transforms:
                transforms[name].update(change)
        loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 4))
        loader.dataset.update(
            files,
            metainfo=None,  # the label file names the classes
            use_frames=False,
            timestamp_start=0,
            data_prefix=dict(img=str(actors / f'videos_{split}')),
            proposal_file=str(annotations / f'moving_actors_proposals_{split}.pkl'),
            pipeline=reading_videos(loader.dataset.pipeline),
        )
        if split == 'val':
            config.val_evaluator = config.test_evaluator = dict(files, type='mmhvt.AVAMetric')
    config.train_cfg.update(max_epochs=1, val_begin=2)
    config.work_dir, config.randomness = str(work_dir), dict(seed=0)
    return config
