"""Trainings of micro models on two gloo processes, by DDP and by FSDP."""

import copy
import os
from pathlib import Path

import torch
from mmaction.structures import ActionDataSample
from mmengine import Config
from mmengine.registry import DATASETS, RUNNERS
from mmengine.runner import Runner
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.utils.data import Dataset

from helpers import ROOT
from helpers.micro_backbones import config

STEPS = 3  # of an epoch
MODELS = {
    # as the huge one is pre-trained: norms and biases without decay, clipped gradients
    'SMViT': dict(
        model=dict(
            type='mmhvt.MAE',
            data_preprocessor=dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW'),
            backbone=config('SMViT', drop_path_rate=0.3, with_cp=[0, 2]),
            mask_ratio=0.75,
            decoder=dict(embed_dims=32, depth=1, num_heads=2),
        ),
        optim_wrapper=dict(
            paramwise_cfg=dict(flat_decay_mult=0.0, custom_keys=dict(pos_embed=dict(decay_mult=0.0))),
            clip_grad=dict(max_norm=0.02),
        ),
    ),
    # as L/14 is fine-tuned: with rates by layer, recomputed, and a layer that is frozen
    'UniFormerV2': dict(
        model=dict(
            type='mmaction.Recognizer3D',
            data_preprocessor=dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW'),
            backbone=config('UniFormerV2', with_cp=True, frozen_stages=1),
            cls_head=dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels=24),
        ),
        optim_wrapper=dict(
            constructor='mmhvt.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.7, flat_decay_mult=0.0),
            clip_grad=dict(max_norm=0.5),
        ),
    ),
}


@DATASETS.register_module()
class NoiseClips(Dataset):
    """Clips of noise, as mmaction packs them."""

    metainfo: dict = {}

    def __len__(self) -> int:
        return 2 * 2 * STEPS  # two processes, two clips each

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        clip = torch.randint(0, 256, (1, 3, 8, 32, 32), dtype=torch.uint8, generator=generator)
        return dict(inputs=clip, data_samples=ActionDataSample().set_gt_label(index % 4))


def run(name: str, case: str, fsdp: bool, **settings: object) -> Runner:
    """Trains, for two epochs by default, in a folder of that name."""
    hooks = dict(
        checkpoint=dict(type='mmhvt.CheckpointHook', interval=1),
        checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
        exact_resume=dict(type='mmhvt.ExactResumeHook'),
        finite_loss=dict(type='mmhvt.FiniteLossHook'),
    )
    loader = dict(batch_size=2, dataset=dict(type='NoiseClips'), sampler=dict(type='DefaultSampler', shuffle=True))
    base = ROOT / 'configs/_base_/fsdp.py'
    cfg = Config.fromfile(base) if fsdp else Config()
    cfg.merge_from_dict(
        dict(
            default_scope='mmaction',
            experiment_name=f'{case} {name}',
            work_dir=f'{case}/{name}',
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
            train_dataloader=loader,
            param_scheduler=dict(type='CosineAnnealingLR', T_max=2 * STEPS, by_epoch=False),
            default_hooks=hooks,
            launcher='pytorch',
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
            randomness=dict(seed=0, diff_rank_seed=True),
        )
        | copy.deepcopy(MODELS[case])
        | settings
    )
    cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.5)
    runner = RUNNERS.build(cfg) if fsdp else Runner.from_cfg(cfg)
    runner.train()
    return runner


def train_all(rank: int, folder: Path, port: int) -> None:
    """What one of the processes does."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    os.chdir(folder)
    torch.set_num_threads(1)
    for case in MODELS:
        run('ddp', case, fsdp=False)
        model = run('fsdp', case, fsdp=True).model
        torch.distributed.barrier()  # rank 0 writes
        blocks = model.module.backbone.blocks
        assert all(isinstance(block, FullyShardedDataParallel) for block in blocks)
        whole = torch.load(f'{case}/fsdp/epoch_2.pth', weights_only=False)['state_dict']
        assert sum(p.numel() for p in model.parameters()) < 0.6 * sum(value.numel() for value in whole.values())
        begun = dict(load_from=f'{case}/fsdp/epoch_1.pth', resume=True)
        run('fsdp again', case, fsdp=True, **begun)
        run('ddp again', case, fsdp=False, **begun)
    # of other classes, from the file of the last case, whose stem is frozen
    model = copy.deepcopy(MODELS[case]['model'])
    model['cls_head']['num_classes'] = 5
    run('fine-tuned', case, fsdp=True, model=model, load_from=begun['load_from'], randomness=dict(seed=1))
