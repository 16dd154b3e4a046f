"""Pages of the folders of configs: the README, whose links are rewritten, and an entry for each config."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

from .data import CONFIGS, FOLDERS, ROOT, Entry, Zoo, make_recipes, published, result_text, source
from .table import publisher

PAGES = ROOT / 'docs' / 'zoo'
KINDS = {
    'recipe': 'Recipes',
    'variant': 'Other tests of the recipes',
    'weights': 'Configs of published weights',
    'ablation': 'Configs of ablations',
    'demo': 'Small models on generated data',
}
LINK = re.compile(r'\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)')
FENCE = re.compile(r'(^```.*?^```)', re.M | re.S)


def page(zoo: Zoo, folder: str) -> str:
    """A folder's page as MyST Markdown."""
    entries = [entry for entry in zoo.entries if entry.folder == folder]
    names = {entry.path for entry in zoo.entries}
    parts = [readme(folder, names), '## All configs\n']
    for kind, heading in KINDS.items():
        if group := [entry for entry in entries if entry.kind == kind]:
            parts += [f'### {heading}\n', *(entry_text(zoo, entry, names) for entry in group)]
    return '\n'.join(parts)


def readme(folder: str, configs: set[Path]) -> str:
    """A README with links that lead to pages of the site, entries of configs, or files to download."""
    text = (CONFIGS / folder / 'README.md').read_text()
    text = re.sub(r'<!-- (?:BEGIN|END) generated.*?-->\n*', '', text)
    parts = FENCE.split(text)
    parts[::2] = [
        LINK.sub(lambda match: _link(match[1], match[2], CONFIGS / folder, configs), part) for part in parts[::2]
    ]
    return ''.join(parts)


def _link(text: str, target: str, folder: Path, configs: set[Path]) -> str:
    """A README's link on the page of its folder."""
    if re.match(r'[a-z]+:|#', target):
        return f'[{text}]({target})'
    name, _, anchor = target.partition('#')
    path = Path(os.path.normpath(folder / name))
    if path in configs:
        return f'{{recipe}}`{text} <{path.stem}>`'
    if path.name == 'ablations' and path.parent.name in FOLDERS:
        return f'[{text}]({path.parent.name}.md#configs-of-ablations)'
    if path.name == 'README.md' and path.parent.name in FOLDERS:
        path = PAGES / f'{path.parent.name}.md'
    elif path.is_dir():
        return text
    link = os.path.relpath(path, PAGES)
    return f'[{text}]({link}{"#" if anchor else ""}{anchor})'


def entry_text(zoo: Zoo, entry: Entry, configs: set[Path]) -> str:
    """An entry: the object's name, by which the site's search finds it, and what there is to know."""
    names = ' '.join(file.name for file in entry.weights if file.name)
    lines = [f'````{{recipe}} {entry.name}', *([f':weights: {names}'] if names else []), '']
    lines += [f'{entry.model}{", from " + entry.start if entry.start else ""}; {entry.task} on {entry.dataset}', '']
    lines += [f'- **{about}**: {text}' for about, text in _facts(zoo, entry, configs)]
    for file in entry.weights:
        lines.append(f'- {_weights(file)}')
    for released in entry.released:
        made = f'made with {released["differs"]} ({released["source"]}){_options(released.get("options", {}))}'
        lines.append(f'- **Released weights**: {made}')
    lines += ['', '```bash', *_commands(entry), '```', '']
    if others := [result for result in entry.results if result.options]:
        lines += [':::{dropdown} Results of ablations with `--cfg-options`', '']
        lines += [
            f'- {result_text(result.figures)}: {result.row} ({source(result)}){_options(result.options)}'
            for result in others
        ]
        lines += [':::', '']
    return '\n'.join([*lines, '````', ''])


def _facts(zoo: Zoo, entry: Entry, configs: set[Path]) -> list[tuple[str, str]]:
    stride = f', stride {entry.stride}' if entry.stride else ''
    facts = [('Input', entry.size + stride)]
    if entry.params:
        facts.append(('Parameters', f'{entry.params.text} M ({entry.params.source})'))
    if entry.flops:
        facts.append(('GFLOPs', f'{entry.cost_text} ({entry.flops.source})'))
    printed = [
        f'{result_text(result.figures)}{" on " + result.figures["data"] if "data" in result.figures else ""} '
        f'([{source(result)}]({zoo.recipes.papers[result.paper]["url"]}))'
        for result in entry.results
        if not result.options
    ]
    if printed or entry.result:
        after = 'In the paper, after fine-tuning' if entry.folder == 'mae' else 'In the paper'
        facts.append((after, '; '.join(printed) or f'{entry.result.text} ({entry.result.source})'))
    if entry.schedule:
        facts.append(('Schedule', entry.schedule))
    facts.append(('File', _file(entry.path)))
    facts.append(('Bases', ', '.join(_base(base, configs) for base in entry.bases)))
    return facts


def _file(path: Path) -> str:
    return f'[`{path.relative_to(ROOT).as_posix()}`]({os.path.relpath(path, PAGES)})'


def _base(base: Path | str, configs: set[Path]) -> str:
    if isinstance(base, str):
        return f'`{base}`'
    if base in configs:
        return f'{{recipe}}`{base.stem}`'
    return f'[`{base.relative_to(CONFIGS).as_posix()}`]({os.path.relpath(base, PAGES)})'


def _weights(file: published.File) -> str:
    """A published file: link, name, accuracy, settings, notes."""
    reported = ', '.join(f'{data} {values[0]}' for data, values in file.reported.items())
    parts = [f'[{file.file}]({file.url}) by {publisher(file)}']
    parts += [f'`{file.name}`'] if file.name else []
    parts += [f'reported {reported}'] if reported else []
    parts += ['`--cfg-options ' + ' '.join(map(shlex.quote, file.options)) + '`'] if file.options else []
    parts += [file.note] if file.note else []
    return f'**Weights**: {"; ".join(parts)}'


def _options(options: dict[str, Any]) -> str:
    """Values by keys as an argument of the tools, after a colon; nothing if there are none."""
    text = ' '.join(shlex.quote(f'{key}={make_recipes.text_of(value)}') for key, value in options.items())
    return f': `--cfg-options {text}`' if text else ''


def _commands(entry: Entry) -> list[str]:
    lines = []
    for command in entry.commands:
        lines += [f'# {command.about}'] if command.about not in ('train', 'test') else []
        lines.append(re.sub(r' (--checkpoint|--cfg-options) ', r' \\\n    \1 ', command.text))
    return lines


def write(zoo: Zoo, folder: Path = PAGES) -> list[Path]:
    """Write the pages that are not as they should be, so that Sphinx reads these alone; returns their paths."""
    written = []
    for name in FOLDERS:
        path, text = folder / f'{name}.md', page(zoo, name)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            written.append(path)
    return written
