"""Trains a model: `python tools/train.py CONFIG`, for configs of mmaction, mmdet and mmpretrain alike."""

from mmhvt.engine.command_line import build_runner, config_parser, load_config


def main() -> None:
    parser = config_parser('Train a model')
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='CHECKPOINT', help='go on from it, or from the latest in work-dir'
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate from base_batch_size to the actual one'
    )
    parser.add_argument('--seed', type=int, help='seed of all generators')
    parser.add_argument('--diff-rank-seed', action='store_true', help='add the rank to the seed')
    parser.add_argument('--deterministic', action='store_true', help='deterministic cuDNN')
    args = parser.parse_args()
    cfg = load_config(args)

    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
        if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise SystemExit(f'--amp takes optim_wrapper.type OptimWrapper, the config has {wrapper}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise SystemExit('--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=…) in the config')
        cfg.auto_scale_lr.enable = True
    given = dict(seed=args.seed, diff_rank_seed=args.diff_rank_seed, deterministic=args.deterministic)
    cfg.randomness = cfg.get('randomness', {}) | {
        key: value for key, value in given.items() if value not in (None, False)
    }

    build_runner(cfg).train()


if __name__ == '__main__':
    main()
