"""Parameters, multiply-adds and activation memory of a config's model.

    python tools/analysis/get_flops.py CONFIG [--shape 16 224 224] [--cfg-options model.backbone.arch=large]

For recognizers of mmaction, classifiers of mmpretrain, and one-stage and two-stage detectors of mmdet; two-stage ones
count with as many boxes as their `test_cfg` lets through. No values are computed, so any size takes seconds and no
memory. `mim run mmhvt get_flops CONFIG` is the same.
"""

import argparse

from mmhvt.analysis.config_complexity import format_complexity, measure_config
from mmhvt.analysis.views import count_views
from mmhvt.utils.configs import CfgOptions, read_config


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', nargs='+', type=int, metavar='N', help="T H W or H W (default: the backbone's)")
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    try:
        cfg = read_config(args.config, args.cfg_options)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    try:
        shape, cost = measure_config(cfg, args.shape)
    except ValueError as error:
        raise SystemExit(f'{args.config}: {error}') from None
    print(format_complexity(shape, cost, count_views(cfg)))


if __name__ == '__main__':
    main()
