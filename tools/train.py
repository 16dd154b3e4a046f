"""Trains a model: `python tools/train.py CONFIG`, for configs of mmaction, mmdet and mmpretrain alike.

One script for all, where the packages have three whose options differ; an error says what a config lacks. The packages'
own scripts work as well: `mim train mmaction CONFIG`.
"""

from mmhvt.engine.command_line import build_runner, check_checkpoint_exists, config_parser, load_config, seed


def main() -> None:
    parser = config_parser('Train a model')
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='CHECKPOINT', help='resume from it, or from the latest in work-dir'
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate from base_batch_size to the actual one'
    )
    parser.add_argument('--seed', type=seed, help='seed of all generators')
    parser.add_argument('--diff-rank-seed', action='store_true', help='add the rank to the seed')
    parser.add_argument('--deterministic', action='store_true', help='deterministic cuDNN')
    args = parser.parse_args()
    cfg = load_config(args)
    if cfg.get('train_dataloader') is None or cfg.get('train_cfg') is None:
        raise SystemExit(f'{args.config} has no train_dataloader and train_cfg to train with')

    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        from mmengine.optim import AmpOptimWrapper, OptimWrapper

        wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
        # a class in new-style configs
        if getattr(wrapper, '__name__', wrapper) not in (OptimWrapper.__name__, AmpOptimWrapper.__name__):
            raise SystemExit(f'--amp needs optim_wrapper.type OptimWrapper, the config has {wrapper}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    start = None
    if args.resume:
        if args.resume != 'auto':
            check_checkpoint_exists('--resume', args.resume)
        cfg.resume = True
        if args.resume == 'auto':
            start, cfg.load_from = cfg.get('load_from'), None
        else:
            cfg.load_from = args.resume
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise SystemExit('--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=…) in the config')
        cfg.auto_scale_lr.enable = True
    randomness = cfg.get('randomness') or {}
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.diff_rank_seed:
        randomness['diff_rank_seed'] = True
    if args.deterministic:
        randomness['deterministic'] = True
    if randomness:
        # MMEngine requires the key; with None, it draws a seed
        cfg.randomness = dict(seed=None) | randomness

    runner = build_runner(cfg)
    if start:
        from mmhvt.engine.resuming import resume_or_start

        resume_or_start(runner, start)
    runner.train()


if __name__ == '__main__':
    main()
