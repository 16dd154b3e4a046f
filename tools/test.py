"""Tests a model: `python tools/test.py CONFIG CHECKPOINT`, for configs of mmaction, mmdet and mmpretrain alike.

One script for all, where the packages have three whose options differ; an error says what a config lacks. The packages'
own scripts work as well: `mim test mmaction CONFIG`.
"""

from mmengine.config import ConfigDict

from mmhvt.engine.command_line import build_runner, check_checkpoint_exists, config_parser, load_config


def main() -> None:
    parser = config_parser('Test a model')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dump', metavar='FILE.pkl', help='write the predictions for offline evaluation')
    parser.add_argument('--tta', action='store_true', help="merge several views as the config's tta_model says")
    args = parser.parse_args()
    cfg = load_config(args)
    if cfg.get('test_dataloader') is None or cfg.get('test_cfg') is None:
        raise SystemExit(f'{args.config} has no test_dataloader and test_cfg to test with')
    check_checkpoint_exists('checkpoint', args.checkpoint)
    cfg.load_from = args.checkpoint
    cfg.resume = False  # set by a training that was resumed with this config
    if args.tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise SystemExit(f'{args.config} has no tta_model and tta_pipeline, which --tta needs')
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
        dataset = cfg.test_dataloader.dataset
        while 'dataset' in dataset:  # wrapped, as by RepeatDataset
            dataset = dataset.dataset
        dataset.pipeline = cfg.tta_pipeline
    if args.dump:
        if not args.dump.endswith(('.pkl', '.pickle')):
            raise SystemExit(f'--dump writes a pickle: FILE.pkl, not {args.dump}')
        evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list | tuple) else [cfg.test_evaluator]
        cfg.test_evaluator = [*evaluators, dict(type='DumpResults', out_file_path=args.dump)]
    build_runner(cfg).test()


if __name__ == '__main__':
    main()
