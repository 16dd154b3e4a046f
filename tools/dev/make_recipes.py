"""Writes what is generated from the data behind the recipes: tables of configs' READMEs and the metafiles.

    python tools/dev/make_recipes.py           # write
    python tools/dev/make_recipes.py --check   # exit status 1 if something is stale
    python tools/dev/make_recipes.py --draft mvit    # values of configs/mvit that have no source yet, as YAML

The data are configs/<folder>/recipes.yml, configs/papers.yml and docs/checkpoints.yml.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from mmhvt.analysis.recipes import FAMILIES, Recipes, own_values

sys.path.insert(0, str(Path(__file__).parent))
import published

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
HEADINGS = {
    'params': 'parameters',
    'flops': 'GFLOPs',
    'cost': 'GFLOPs × views',
    'top1': 'top-1 in the paper',
    'mAP': 'mAP in the paper',
    'full': 'mAP in the paper, full frame',
    'ap': 'box / mask AP in the paper',
}
# papers of folders that have a collection
PAPERS = {name: 'smvit' if name == 'mae' else name for name in published.COLLECTIONS}
DATA = published.DATASETS | {
    'kinetics400-600-700': 'Kinetics-400, -600 and -700', 'charades': 'Charades', 'activitynet': 'ActivityNet',
    'hacs': 'HACS', 'inat2017': 'iNaturalist 2017', 'inat2018': 'iNaturalist 2018', 'inat2019': 'iNaturalist 2019',
    'places365': 'Places365', 'ava21': 'AVA v2.1', 'ava22': 'AVA v2.2', 'ava-kinetics': 'AVA-Kinetics', 'coco': 'COCO',
}  # fmt: skip
# GPUs, samples, epochs and repeats in a recipe's name
TRAINING = re.compile(r'_(\d+)xb(\d+)-(?:.*?-)?(\d+)e(?:-repeat(\d))?[-_]')
METRICS = {
    'top1': 'Top 1 Accuracy Reported By The Paper',
    'top5': 'Top 5 Accuracy Reported By The Paper',
    'mAP': 'mAP Reported By The Paper',
    'box_ap': 'box AP Reported By The Paper',
    'mask_ap': 'mask AP Reported By The Paper',
}


# ------------------------------------------------------------------------------------------------------------- READMEs


def dataset(name: str, known: dict[str, str] = DATA) -> str:
    """The data set of a config's name, in words.

    Raises:
        ValueError: If it is no known data set.
    """
    found = re.findall(rf'_({"|".join(sorted(known, key=len, reverse=True))})(?![a-z0-9])', name)
    if not found:
        raise ValueError(f'{name}: the name ends in none of the data sets {", ".join(known)}')
    return known[found[-1]]


def side(name: str) -> int:
    """Pixels of a side in a config's name."""
    return int((re.findall(r'-(\d+)px', name) or [224])[-1])


def is_other_test(name: str) -> bool:
    """Whether a config tests what another one trains."""
    return bool(re.search(r'_(10x5|shuffled|full)$', name))


def batch(name: str) -> str:
    """'200 epochs, 128 × 4' of a recipe's name."""
    match = TRAINING.search(name)
    if not match or is_other_test(name):
        return 'test'
    gpus, samples, epochs, repeats = match.groups()
    return f'{epochs} × {repeats} epochs, {gpus} × {samples}' if repeats else f'{epochs} epochs, {gpus} × {samples}'


def cell(recipes: Recipes, folder: str, row: dict[str, Any], column: str) -> str:
    """Text of a column in a recipe's row."""
    config = CONFIGS / folder / f'{row["config"]}.py'
    printed = {**row, **recipes.printed(config)}
    if column == 'config':
        return f'[{batch(config.stem)}]({config.name})'
    if column == 'params':
        return f'{printed["params"]} M' if 'params' in printed else '–'
    if column == 'cost':
        return f'{printed["flops"]} × {printed["views"].replace("×", " × ")}' if 'flops' in printed else '–'
    if column == 'ap':
        return f'{printed["box_ap"]} / {printed["mask_ap"]}' if 'box_ap' in printed else '–'
    if column == 'full':
        full = config.with_name(f'{config.stem}_full.py')
        return f'[{recipes.printed(full)["mAP"]}]({full.name})'
    if column in HEADINGS:
        return str(printed.get(column, '–'))
    return str(row.get(column, '–'))


def table(recipes: Recipes, folder: str, title: str) -> str:
    """A README's table of recipes, and below it the settings of the authors' weights."""
    about = recipes.folders[folder]['tables'][title]
    columns = about['columns']
    lines = ['| ' + ' | '.join(HEADINGS.get(column, column) for column in columns) + ' |', '|---' * len(columns) + '|']
    for row in about['rows']:
        lines.append('| ' + ' | '.join(cell(recipes, folder, row, column) for column in columns) + ' |')
    notes = {}
    for row in about['rows']:
        for entry in recipes.released(CONFIGS / folder / f'{row["config"]}.py'):
            models = notes.setdefault(id(entry), (entry, []))[1]
            models.append(row.get('model', row['config']))
    lines += [''] * bool(notes)
    for entry, models in notes.values():
        whom = 'All' if len(models) == len(about['rows']) > 1 else ', '.join(dict.fromkeys(models))
        options = ' '.join(f'{key}={text_of(value)}' for key, value in entry.get('options', {}).items())
        override = f': `--cfg-options {options}`' if options else ''
        lines += [f'- {whom}: the released weights were made with {entry["differs"]} ({entry["source"]}){override}']
    return '\n'.join(lines)


def text_of(value: Any) -> str:
    """A value as `--cfg-options` reads it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(',', ':')).replace('null', 'None')


def filled(text: str, parts: dict[str, str]) -> str:
    """A page with its generated parts, which stand between comments that name them.

    Raises:
        ValueError: If a part has no place on the page, or a place no part.
    """
    places = re.findall(r'<!-- BEGIN generated: (.+?) -->', text)
    if sorted(places) != sorted(parts):
        raise ValueError(f'places {sorted(set(places) ^ set(parts))} are not both on the page and in the data')

    def part(match: re.Match[str]) -> str:
        return f'<!-- BEGIN generated: {match[1]} -->\n\n{parts[match[1]].strip()}\n\n<!-- END generated -->'

    return re.sub(r'<!-- BEGIN generated: (.+?) -->\n.*?<!-- END generated -->', part, text, flags=re.S)


def readme(recipes: Recipes, folder: str) -> str:
    """A README with its generated parts."""
    parts = {title: table(recipes, folder, title) for title in recipes.folders[folder]['tables']}
    if weights := published.readme_table(folder):
        parts['Published weights'] = weights
    return filled((CONFIGS / folder / 'README.md').read_text(), parts)


# ----------------------------------------------------------------------------------------------------------- metafiles


def entry(recipes: Recipes, folder: str, about: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A recipe's entry in a metafile."""
    name = row['config']
    printed = {**row, **recipes.printed(CONFIGS / folder / f'{name}.py')}
    family = re.search(r'(?:^|_)(mvitv2|mvit|smvit|video-swin|uniformerv2|vit)-', name)[1]
    family = {'vit': 'mvit'}.get(family, family.replace('-', '_'))
    collection = published.COLLECTIONS.get(folder) or published.COLLECTIONS[family]
    data = dataset(name)
    architecture = re.split(r',? (?=\d+×\d+|\d+ frames|\d+²)', row['model'])[0].rstrip(',')
    image = not re.search('-rgb', name)
    metadata: dict[str, Any] = {'Architecture': about.get('architecture', '{}').format(architecture)}
    if match := TRAINING.search(name):
        metadata |= {'Batch Size': int(match[2]), 'Epochs': int(match[3])}
    if 'flops' in printed and folder != 'coco':
        metadata['FLOPs'] = f'{printed["flops"]}G'
    if 'params' in printed and folder != 'coco':
        metadata['Parameters'] = f'{printed["params"]}M'
    if row.get('from', 'scratch') != 'scratch':
        metadata['Pretrained'] = row['from']
    if folder != 'coco':
        metadata['Resolution'] = f'{side(name)}x{side(name)}'
    metadata['Training Data'] = data
    found: dict[str, Any] = {
        'Name': name,
        'Config': f'configs/{folder}/{name}.py',
        'In Collection': collection,
        'Metadata': metadata,
    }
    if not image:
        found['Modality'] = 'RGB'
    tasks = {
        'Object Detection': ('box_ap',),
        'Instance Segmentation': ('mask_ap',),
        'Spatio-Temporal Action Detection' if folder == 'ava' else 'Action Recognition': ('mAP',),
        'Image Classification' if image else 'Action Recognition': ('top1', 'top5'),
    }
    results = [
        {'Dataset': data, 'Task': task, 'Metrics': {METRICS[key]: printed[key] for key in keys if key in printed}}
        for task, keys in tasks.items()
        if set(keys) & set(printed)
    ]
    if results or folder == 'mae':
        found['Results'] = results or None
    if 'downstream' in row:
        found['Downstream'] = row['downstream']
    return found


def metafile(recipes: Recipes, folder: str) -> str:
    """A folder's metafile."""
    content: dict[str, Any] = {}
    if name := published.COLLECTIONS.get(folder):
        about = recipes.papers[PAPERS[folder]]
        link = {'URL': about['url'], 'Title': about['title']}
        content['Collections'] = [{'Name': name, 'README': f'configs/{folder}/README.md', 'Paper': link}]
    content['Models'] = [
        entry(recipes, folder, about, row)
        for about in recipes.folders[folder]['tables'].values()
        for row in about['rows']
        if batch(row['config']) != 'test'
    ] + published.metafile_models(folder)
    head = '# Written by `make recipes` from recipes.yml and docs/checkpoints.yml. Accuracies are what papers and\n'
    head += '# publishers report; none was measured with these configs.\n'
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


# -------------------------------------------------------------------------------------------------------------- command


def generated(recipes: Recipes) -> dict[Path, str]:
    """All generated files."""
    files = {}
    for folder in FAMILIES:
        files[CONFIGS / folder / 'README.md'] = readme(recipes, folder)
        files[CONFIGS / folder / 'metafile.yml'] = metafile(recipes, folder)
    page = ROOT / 'docs/guides/checkpoints.md'
    files[page] = filled(page.read_text(), published.checkpoint_tables(published.load()))
    return files


def draft(recipes: Recipes, folder: str) -> str:
    """Values without a source, in the configs of a folder and in bases that are named like it."""
    lines = []
    names = dict(
        mvit='(?<!s)mvit(?!v2)|^vit|imagenet|kinetics|charades|sth|200e',
        ava='ava|action_detector',
        coco='coco|rcnn|retinanet|dino',
        video_swin='swin',
    )
    pattern = names.get(folder, folder)
    bases = [path for path in sorted((CONFIGS / '_base_').rglob('*.py')) if re.search(pattern, path.name)]
    for path in bases + sorted((CONFIGS / folder).rglob('*.py')):
        known = recipes.sources(path)
        lacking = {key: value for key, value in own_values(path).items() if key not in known}
        if lacking and 'micro' not in path.name and '3rdparty' not in path.name:
            lines += [f'  {path.relative_to(CONFIGS).as_posix()}:', '    TODO:']
            lines += [f'      {key}: {json.dumps(value, ensure_ascii=False)}' for key, value in lacking.items()]
    return '\n'.join(lines)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing, name what is stale')
    parser.add_argument('--draft', metavar='FOLDER', choices=FAMILIES, help='print values without a source')
    args = parser.parse_args()
    recipes = Recipes(CONFIGS)
    if args.draft:
        print(draft(recipes, args.draft))
        return 0
    stale = [(path, text) for path, text in generated(recipes).items() if path.read_text() != text]
    for path, text in stale:
        print(f'{path.relative_to(ROOT)} is stale: run `make recipes`' if args.check else path.relative_to(ROOT))
        if not args.check:
            path.write_text(text)
    return int(bool(stale) and args.check)


if __name__ == '__main__':
    sys.exit(main())
