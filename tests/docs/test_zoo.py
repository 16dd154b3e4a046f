"""The model zoo of the documentation: every config and published file is in it, and what it says has a source."""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from sphinx.util.nodes import _make_id

from helpers import ROOT
from helpers.published import FILES
from mmhvt.compat.mim import find_configs
from mmhvt.engine.command_line import config_parser
from mmhvt.utils.configs import read_config

sys.path.insert(0, str(ROOT / 'docs' / '_ext'))
from zoo import pages
from zoo.data import CONFIGS, DATA, FOLDERS, Entry, Zoo
from zoo.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, plot, points
from zoo.table import CHOICES, HEADINGS, row, table

ZOO = Zoo()
PLOTTED = ('Kinetics-400', 'Something-Something V2', 'ImageNet-1K')


# of the same names as functions of their package
MIM = {action: import_module(f'mim.commands.{action}').cli for action in ('train', 'test')}


@cache
def paths(name: str) -> list[Path]:
    """Configs that mim finds by a name."""
    return [Path(path) for path in find_configs(str(ROOT / 'mmhvt'), name)]


@cache
def page(folder: str) -> str:
    return pages.page(ZOO, folder)


@cache
def named() -> dict[str, Entry]:
    return {entry.name: entry for entry in ZOO.entries}


def attributes(entry: Entry) -> dict[str, str]:
    """What filters read in a row."""
    return {key: unescape(value) for key, value in re.findall(r' data-(\w+)="([^"]*)"', row(entry).partition('>')[0])}


def one_of_each() -> Iterator[Entry]:
    """An entry of each folder, kind, data set and way of counting epochs."""
    found: dict[tuple[str, ...], Entry] = {}
    for entry in ZOO.entries:
        found.setdefault((entry.folder, entry.kind, entry.dataset), entry)
    return iter(found.values())


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_config_is_on_the_page_of_its_folder(folder: str) -> None:
    found = re.findall(r'^````\{recipe\} (\S+)$', page(folder), re.M)
    assert sorted(found) == sorted(path.stem for path in (CONFIGS / folder).rglob('*.py'))


def test_every_row_of_a_readme_is_a_recipe_that_says_the_same() -> None:
    for folder in FOLDERS:
        for about in ZOO.recipes.folders[folder]['tables'].values():
            for line in about['rows']:
                entry = named()[Path(line['config']).name]
                assert entry.kind in ('recipe', 'variant'), entry.name
                assert line['model'] in entry.model or entry.model in line['model'], entry.name


def test_every_published_file_for_a_config_is_linked_on_its_page_and_its_name_is_found() -> None:
    files = [file for file in FILES if file.sources and (file.config or file.name)]
    assert len(files) > 200
    for file in files:
        folder, _, name = file.config.partition('/')
        text = re.search(rf'^````{{recipe}} {re.escape(Path(name).name)}\n.*?^````$', page(folder), re.M | re.S)[0]
        assert f']({file.url})' in text, file.url
        if file.name:
            assert file.name in re.search(r'^:weights: (.*)$', text, re.M)[1].split(), file.name
        for option in file.options:
            assert option in text, (file.url, option)


def test_anchors_are_those_that_sphinx_makes_and_names_are_unique() -> None:
    for names in ([entry.name for entry in ZOO.entries], [file.name for file in FILES if file.name]):
        assert len(set(names)) == len(names) > 100
    for entry in ZOO.entries:
        assert entry.anchor == _make_id(entry.anchor)


def test_filter_data_is_complete() -> None:
    text = table(ZOO.entries)
    choices = {key: set(map(unescape, re.findall('<option>(.*?)</option>', options)))
               for key, options in re.findall(r'<select name="(\w+)">(.*?)</select>', text)}  # fmt: skip
    assert list(choices) == [key for key, _ in CHOICES]
    assert text.count('<tr ') == len(ZOO.entries)
    for entry in ZOO.entries:
        data = attributes(entry)
        for key, options in choices.items():
            assert data[key] in options, (entry.name, key)
        assert (data['params'] == '') == (entry.params is None) and (data['cost'] == '') == (entry.flops is None)
        assert len(re.findall('<t[dh]', row(entry))) == len(HEADINGS)
    script = (ROOT / 'docs/_static/zoo.js').read_text()
    assert re.search(r"CHOICES = \['family', 'task', 'data', 'input'\]", script) and '>DATA' not in text
    assert {entry.dataset for entry in ZOO.entries} <= set(DATA.values())


def test_no_value_is_without_its_source() -> None:
    """Each number of an entry is one that its source, a paper's table or a README's, has for the config."""
    counts = dict.fromkeys(('params', 'flops', 'result'), 0)
    for entry in ZOO.entries:
        printed = [result for result in entry.results if not result.options]
        for key in counts:
            figure = getattr(entry, key)
            if figure is None:
                continue
            counts[key] += 1
            paper = re.fullmatch(r'(.+), table (\S+)', figure.source)
            if paper and not figure.source.startswith('configs/'):
                held = [result for result in printed if result.table == paper[2]]
                texts = {str(value) for result in held for value in result.figures.values()}
            else:
                folder, title = re.fullmatch(r'configs/(\w+): (.+)', figure.source).groups()
                rows = ZOO.recipes.folders[folder]['tables'][title]['rows']
                texts = {
                    str(value) for line in rows if Path(line['config']).name == entry.name for value in line.values()
                }
            numbers = re.findall(r'\d[\d.]*(?= (?:top-\d|mAP|box|mask))', figure.text)
            for number in numbers or [figure.text.removesuffix(' AP')]:
                assert number in texts, (entry.name, key, figure)
        assert not any(result.figures.keys() & {'params'} for result in printed) or entry.params, entry.name
    assert min(counts.values()) > 100


def test_metafiles_agree() -> None:
    checked = 0
    for folder in FOLDERS:
        for model in yaml.safe_load((CONFIGS / folder / 'metafile.yml').read_text())['Models']:
            entry, about = named()[Path(model['Config']).stem], model['Metadata']
            if 'Weights' in model:
                assert model['Weights'] in {file.url for file in entry.weights}
                continue
            assert about['Training Data'] == entry.dataset
            if 'Parameters' in about:
                assert about['Parameters'] == f'{entry.params.text}M', entry.name
            if 'FLOPs' in about:
                assert about['FLOPs'] == f'{entry.flops.text}G', entry.name
            checked += 1
    assert checked > 200


def test_schedule_input_and_test_are_those_of_the_configs() -> None:
    for entry in one_of_each():
        config = read_config(entry.path)
        assert entry.epochs == config.train_cfg.max_epochs, entry.name
        assert f'learning rate {config.optim_wrapper.optimizer.lr}' in entry.schedule, entry.name
        assert f'weight decay {config.optim_wrapper.optimizer.weight_decay}' in entry.schedule, entry.name
        assert entry.tests == (config.get('test_dataloader') is not None), entry.name
        if entry.folder != 'coco':
            assert entry.input == tuple(config.model.backbone.input_size), entry.name
    assert named()['mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'].size == '1333 × 800'
    assert named()['mvitv2-huge_in21k-384px-pre_8xb8-3e_in1k-512px'].size == '512²'


def parse(command: str) -> argparse.Namespace:
    """Arguments of the script that a command starts, parsed as mim and the script do."""
    mim, action, package, name, *rest = shlex.split(command)
    assert (mim, package) == ('mim', 'mmhvt')
    assert [path.stem for path in paths(name)] == [name]
    params = MIM[action].make_context(action, [package, name, *rest]).params
    assert action == 'train' or params['checkpoint']
    return config_parser(action).parse_args([name, *params['other_args']])


def test_commands_name_configs_and_parse() -> None:
    options = {}
    for entry in ZOO.entries:
        assert entry.commands[0].text == f'mim train mmhvt {entry.name}'
        for command in entry.commands:
            options[command.text] = parse(command.text).cfg_options or {}
            if command.about.startswith(('fine-tune', 'go on')):
                assert options[command.text].keys() & {'load_from', 'model.backbone.init_cfg.checkpoint'}
    # a setting in brackets survives the shell
    assert any(isinstance(value, list) for found in options.values() for value in found.values())


def test_commands_that_do_not_parse_are_found() -> None:
    with pytest.raises(Exception, match='no config'):
        parse('mim train mmhvt mvit-base-p244_typo')
    with pytest.raises(SystemExit):
        parse(f'mim train mmhvt {ZOO.entries[0].name} --cfg-options load_from')


def test_options_in_the_text_are_what_the_data_have() -> None:
    found = [
        text for folder in FOLDERS for text in re.findall(r'^- .*`--cfg-options ([^`]+)`', page(folder), re.M)
    ]  # fmt: skip
    assert len(found) > 150
    keys = {key for result in ZOO.recipes.results for key in result.options}
    keys |= {key for file in FILES for key in file.settings}
    keys |= {key for entry in ZOO.entries for released in entry.released for key in released.get('options', {})}
    for text in found:
        options = config_parser('train').parse_args(['config', '--cfg-options', *shlex.split(text)]).cfg_options
        assert options and options.keys() <= keys, text


def test_options_of_commands_fit_the_configs() -> None:
    for entry in one_of_each():
        for command in entry.commands:
            if options := parse(command.text).cfg_options:
                config = read_config(entry.path)
                config.merge_from_dict(options)
                if command.about.startswith(('fine-tune', 'go on')):
                    assert config.get('load_from') or config.model.backbone.init_cfg['type'] == 'Pretrained'


@pytest.mark.parametrize('dataset', PLOTTED)
def test_plots_have_every_printed_result_and_lead_to_entries(dataset: str) -> None:
    svg = plot(ZOO.entries, dataset)
    links = re.findall(r'<a href="zoo:(\w+)#([^"]+)"', svg)
    assert len(links) == len(set(links)) > 10
    assert set(links) == {
        (entry.folder, entry.anchor)
        for entry in ZOO.entries
        if entry.dataset == dataset and entry.folder != 'mae' and entry.cost and entry.result
        if not entry.name.endswith('_shuffled')
    }
    places = re.findall(r'transform="translate\((\S+) (\S+)\)"/><title>', svg)
    assert len(places) == len(links)
    assert all(LEFT <= float(x) <= WIDTH - RIGHT and TOP <= float(y) <= HEIGHT - BOTTOM for x, y in places)


def test_cost_counts_all_views() -> None:
    entry = named()['mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb']
    assert (entry.cost_text, entry.cost) == ('455 × 3 × 3', 455 * 9)
    ((cost, score, _),) = [point for point in points(ZOO.entries, 'Kinetics-400') if point[2] is entry]
    assert (cost, score) == (4095, 81.2)
    with pytest.raises(ValueError, match="'COCO'"):
        plot(ZOO.entries, 'COCO')


def test_links_of_pages_lead_somewhere() -> None:
    known = {f'{folder}.md' for folder in FOLDERS}
    for folder in FOLDERS:
        text = re.sub(r'```.*?```', '', page(folder), flags=re.S)
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            name, _, anchor = target.partition('#')
            if not re.match('[a-z]+:', target) and name and name not in known:
                assert (ROOT / 'docs' / 'zoo' / name).exists(), (folder, target)
            if anchor == 'configs-of-ablations':
                assert '### Configs of ablations' in page(Path(name).stem), (folder, target)
        for name in re.findall(r'\{recipe\}`(?:[^`<]*<)?([^`>]+)>?`', text):
            assert name in named(), (folder, name)


def test_pages_are_written_once(tmp_path: Path) -> None:
    assert len(pages.write(ZOO, tmp_path)) == len(FOLDERS)
    assert pages.write(ZOO, tmp_path) == []
    (tmp_path / 'ava.md').write_text('old')
    assert pages.write(ZOO, tmp_path) == [tmp_path / 'ava.md']
