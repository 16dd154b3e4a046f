"""Shows which results of the papers the recipes reproduce, and where every value of a recipe comes from.

    python tools/analysis/recipes.py coverage
    python tools/analysis/recipes.py values configs/mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb.py

`coverage` prints one row per table: how many results a config reproduces as it is, with one key of `--cfg-options` and
with several keys, and how many have no config; the exit status is 1 if that is not 0. `--list` prints each result with
its command's config and options. `values` prints one line per value: the key, the value, the source, and the config
file that sets it.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from mmhvt.analysis.recipes import WAYS, Recipes

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def print_coverage(recipes: Recipes, listed: bool) -> int:
    """Prints the table; returns how many results have no config."""
    print(f'{"paper":14}{"table":8}{"results":>9}' + ''.join(f'{way:>14}' for way in WAYS))
    total: Counter[str] = Counter()
    for (paper, table), ways in recipes.coverage().items():
        total += ways
        print(f'{paper:14}{table:8}{sum(ways.values()):>9}' + ''.join(f'{ways[way]:>14}' for way in WAYS))
        for result in recipes.results if listed else ():
            if (result.paper, result.table) == (paper, table):
                options = ' '.join(f'{key}={value}' for key, value in result.options.items())
                print(f'    {result.row}: {result.config.relative_to(CONFIGS)} {options}')
    print(f'{"all":22}{sum(total.values()):>9}' + ''.join(f'{total[way]:>14}' for way in WAYS))
    return total['none']


def print_values(recipes: Recipes, config: Path) -> None:
    """Prints every value of a recipe with its source."""
    for value in recipes.values(config):
        file = value.file if isinstance(value.file, str) else value.file.relative_to(CONFIGS)
        print(f'{value.key} = {value.value}\n    {value.source}  [{file}]')
    for entry in recipes.released(config):
        options = ' '.join(f'{key}={text}' for key, text in entry.get('options', {}).items())
        print(f'The released weights were made with {entry["differs"]} ({entry["source"]}) {options}'.rstrip())


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    coverage = commands.add_parser('coverage', help='results of the papers by the way to reproduce them')
    coverage.add_argument('--list', action='store_true', help='print each result, too')
    values = commands.add_parser('values', help='every value of a recipe with its source')
    values.add_argument('config', type=Path, help='a recipe below configs/')
    args = parser.parse_args()
    recipes = Recipes(CONFIGS)
    if args.command == 'coverage':
        return int(print_coverage(recipes, args.list) != 0)
    try:
        print_values(recipes, args.config.resolve())
    except ValueError as error:
        raise SystemExit(f'{parser.prog}: {error}') from None
    return 0


if __name__ == '__main__':
    sys.exit(main())
