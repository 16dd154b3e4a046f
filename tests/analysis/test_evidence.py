"""make evidence: what is trained, what is kept, and what is said about it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from PIL import Image

from helpers import ROOT
from mmhvt.analysis.evidence import experiments, run
from mmhvt.analysis.evidence.draw import draw
from mmhvt.analysis.evidence.experiments import FILE, Claim, Data, Part, Training, choose, load
from mmhvt.analysis.evidence.report import page, read_results, statement, table, write_report
from mmhvt.analysis.evidence.results import Number, Result, collect, crossing, from_json, judge, savings
from mmhvt.analysis.evidence.run import EvidenceError, run_trainings
from mmhvt.analysis.evidence.store import Store
from mmhvt.registry import MODELS

TOOL = ROOT / 'tools/analysis/evidence.py'
PARTS = load()
ABLATIONS = {
    'absolute positions': 'absolute',
    'max pools': 'max-pool',
    'no max pools of stride 1': 'strided-max-pool',
    'kernels as strides': 'no-overlap',
    'no residual pooling': 'no-residual',
}


def cell_of(part: Part, variant: str) -> str:
    """A column that the variant is trained for."""
    return next(c for v, c in part.cells() if v == variant and part.columns[c].metric in experiments.TRAINED)


def flat(value: object, name: str = '') -> dict[str, object]:
    """Leaves of nested dicts by keys with dots."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for k, v in value.items() for key, leaf in flat(v, f'{name}.{k}' if name else str(k)).items()}


def differences(part: Part, one: str, other: str, seed: int = 0) -> set[str]:
    """Keys in which the configs of two variants differ, those of pre-training included."""
    keys = set()
    pairs = [part.training(variant, cell_of(part, variant), seed) for variant in (one, other)]
    configs = [[flat(training.config) for training in pairs]]
    if all(training.pretraining for training in pairs):
        configs.append([flat(training.pretraining.config) for training in pairs])
    for a, b in configs:
        keys |= {key for key in a.keys() | b.keys() if a.get(key, 'default') != b.get(key, 'default')}
    return keys - {'model.backbone.init_cfg.checkpoint'}


@pytest.mark.parametrize('part', PARTS.values(), ids=list(PARTS))
def test_variants_build_and_run(part: Part, mmaction_scope: None) -> None:
    """Every variant takes the clips, and gives what its head wants; no two of a part do the same."""
    outputs = {}
    for variant in part.variants:
        training = part.training(variant, cell_of(part, variant), 0)
        model_cfg = training.config['model']
        backbone_cfg = {key: value for key, value in model_cfg['backbone'].items() if key != 'init_cfg'}
        torch.manual_seed(0)
        backbone = MODELS.build(backbone_cfg).eval()
        x = torch.rand(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            feature = backbone(x)[-1]
        assert feature.shape == (1, model_cfg['cls_head']['in_channels'])
        assert model_cfg['cls_head']['num_classes'] == len(training.data.classes)
        settings = flat(training.pretraining.config['model']) if training.pretraining else None
        parameters = sum(parameter.numel() for parameter in backbone.parameters())  # some begin at zero
        outputs[variant] = (parameters, tuple(feature.flatten().tolist()), str(settings))
        if training.pretraining:
            mae = MODELS.build(training.pretraining.config['model'])
            assert torch.isfinite(mae.loss(x)['loss'])
            kept = {name for name, _ in mae.backbone.named_parameters()}
            assert kept <= {name for name, _ in backbone.named_parameters()}
    assert len(set(outputs.values())) == len(outputs), outputs


@pytest.mark.parametrize('name', [name for name in PARTS if name not in ('shuffling', 'ladder')])
def test_variants_differ_in_one_option(name: str) -> None:
    """One option leads from variant to variant, through all of them, and nothing but listed options differs."""
    part = PARTS[name]
    variants = list(part.variants)
    pairs = {(a, b): differences(part, a, b) for a in variants for b in variants if a < b}
    # what is trained from scratch where others are pre-trained differs from them in its initialization
    scratch = {v for v in variants if part.pretraining and part.variants[v].pretraining is None}
    reached = {next(v for v in variants if v not in scratch)}
    for _ in variants:
        reached |= {v for pair, keys in pairs.items() if len(keys) == 1 and reached & set(pair) for v in pair}
    assert reached | scratch == set(variants), pairs
    listed = {f'model.backbone.{key}' for variant in part.variants.values() for key in variant.backbone}
    listed |= {key for variant in part.variants.values() for key in (variant.pretraining or {})}
    listed |= {f'model.backbone.init_cfg.{key}' for key in ('type', 'layer', 'distribution')} if scratch else set()
    assert set().union(*pairs.values()) == listed


def test_shuffling_compares_models_alone() -> None:
    part = PARTS['shuffling']
    for variant in part.variants:
        assert all(key.startswith('model.') for key in differences(part, 'MViT', variant))
    in_order, random_order = (part.training('MViT', column, 0) for column in part.columns)
    assert in_order.key == random_order.key and in_order.tested
    test = in_order.config['test_dataloader']['dataset']
    assert test['times'] == 4 and 'mmhvt.ShuffleFrames' in [t['type'] for t in test['dataset']['pipeline']]
    assert 'mmhvt.ShuffleFrames' not in str(in_order.config['train_dataloader'])


def test_ladder_is_the_papers() -> None:
    """Each step changes what the recipes of table 1 change, and nothing else."""
    part = PARTS['ladder']
    names = list(part.variants)
    steps = {
        b: {k.removeprefix('model.backbone.') for k in differences(part, a, b)}
        for a, b in zip(names[1:], names[2:], strict=False)
    }
    assert steps['max pools'] == {'pool_mode'}
    assert steps['no max pools of stride 1'] == {'full_q_pool', 'full_kv_pool'}
    assert steps['kernels as strides'] == {'pool_kernel'}
    assert steps['no residual pooling'] == {'residual_pooling'}
    for variant, stem in ABLATIONS.items():
        path = next((ROOT / 'configs/mae/ablations').glob(f'mae_mvitv2-large-p244_*_{stem}.py'))
        theirs = Config.fromfile(path).model.backbone
        ours = part.training(variant, 'top-1', 0).config['model']['backbone']
        for key in theirs.keys() - {'arch', 'input_size', 'drop_path_rate', 'init_cfg'}:
            value = theirs[key]
            assert ours[key] == (list(value) if isinstance(value, tuple) else value), (variant, key)
    last = part.training('mask-unit attention: SMViT', 'top-1', 0)
    assert last.config['model']['backbone']['type'] == 'mmhvt.SMViT'
    pretrained = [variant for variant in names if part.training(variant, 'top-1', 0).pretraining]
    assert pretrained == ['absolute positions, pre-trained', 'SMViT, pre-trained']


def test_published_sizes_of_the_ladder() -> None:
    """At the size of B the steps cost what they should: mask units and strides spare, convolutions cost."""
    from mmhvt.analysis.complexity import count_multiply_adds

    cost = {}
    for variant, cfg in PARTS['ladder'].backbones().items():
        with torch.device('meta'):
            model = MODELS.build(cfg)
        cost[variant] = sum(count_multiply_adds(model, (3, 16, 224, 224)).values()) / 1e9
    assert cost['mask-unit attention: SMViT'] == pytest.approx(102, rel=0.02)  # SMViT-B, table 2
    assert cost['max pools'] < cost['absolute positions']


def test_trainings_are_shared() -> None:
    """Cells of one setting are one training, across columns and parts."""
    positions, pooling = PARTS['positions'], PARTS['residual-pooling']
    assert positions.training('decomposed', 'top-1', 1).key != positions.training('decomposed', 'top-1', 2).key
    keys = [{training.key for training in part.trainings().values()} for part in (positions, pooling)]
    assert (len(keys[0]), len(keys[1]), len(keys[0] & keys[1])) == (9, 12, 3)
    swin = PARTS['swin-attention'].trainings()
    assert swin['joint', 'top-1', 0] is swin['joint', 'parameters', 0]


def test_a_claim_without_its_cell() -> None:
    part = PARTS['swin-shift']
    claim = Claim('x', more=('space', 'motions'), less=('time', 'motions'))
    with pytest.raises(ValueError, match=r"swin-shift: claim 'x': there is no cell \['time', 'motions'\]"):
        replace(part, claims=[claim])
    with pytest.raises(ValueError, match="claim 'y' needs `more` and `less`"):
        Claim('y', more=('space', 'motions'))


def test_wrong_part_is_one_line() -> None:
    with pytest.raises(ValueError, match='^PART=shufling: there is no such part; choose from shuffling, uniblocks'):
        choose(['shufling'], PARTS)
    assert choose([], PARTS) == list(PARTS.values())
    result = subprocess.run([sys.executable, TOOL, 'shufling'], capture_output=True, text=True)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 2 and 'PART=shufling: there is no such part; choose from shuffling' in last
    assert 'Traceback' not in result.stderr


def test_wrong_option_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load(FILE.read_text())
    content['parts']['positions']['colums'] = {}
    (tmp_path / 'wrong.yaml').write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match="part positions: .*'colums'"):
        load(tmp_path / 'wrong.yaml')


# ---- results on disk


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_store_returns_what_is_of_these_settings(here: Path) -> None:
    store, settings = Store(), dict(config=dict(lr=0.1), seed=0)
    assert store.load(settings) is None
    store.save(settings, dict(top1=0.5))
    assert store.load(settings) == dict(top1=0.5)
    assert store.load(settings | dict(seed=1)) is None
    # a file under the name of other settings, a cut one, and one of another program
    path = store.path(settings)
    path.rename(store.path(settings | dict(seed=1)))
    assert store.load(settings | dict(seed=1)) is None and store.load(settings) is None
    store.save(settings, dict(top1=0.5))
    path.write_text(path.read_text()[:-20])
    assert store.load(settings) is None
    path.write_text('[]')
    assert store.load(settings) is None
    assert [p.suffix for p in store.folder.iterdir()] == ['.json', '.json']


def test_pretraining_is_done_with_its_weights(here: Path) -> None:
    store = Store()
    pretraining = PARTS['masking'].training('ratio 0.5', '40 labels', 0).pretraining
    store.save(pretraining.settings, dict(loss=1.0))
    assert store.done(pretraining) is None
    pretraining.checkpoint.parent.mkdir(parents=True)
    pretraining.checkpoint.touch()
    assert store.done(pretraining) == dict(loss=1.0)


class Trainer:
    """Stands for the training of a model: notes what it is given, and gives numbers."""

    def __init__(self) -> None:
        self.trained: list[Training] = []
        self.fails: Callable[[Training], bool] = lambda _: False

    def __call__(self, training: Training) -> dict[str, float]:
        if training.pretraining:
            assert training.pretraining.checkpoint.is_file()
        self.trained.append(training)
        if self.fails(training):
            raise ValueError('no')
        training.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        training.checkpoint.touch()
        return dict(top1=0.5, top1_shuffled=0.4, params=10.0, multiply_adds=20.0, loss=1.0, seconds=60.0)


@pytest.fixture
def trainer(here: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Trains in threads of this process, on videos that nobody writes."""

    def threads(processes: int) -> Executor:
        return ThreadPoolExecutor(processes)

    monkeypatch.setattr(run, 'open_pool', threads)
    monkeypatch.setattr(Data, 'write', lambda *_: False)
    return Trainer()


def test_second_call_trains_nothing(trainer: Trainer) -> None:
    part, store = PARTS['swin-shift'], Store()
    lines: list[str] = []
    run_trainings([part], store, 2, lines.append, trainer)
    assert len(trainer.trained) == len({t.key for t in trainer.trained}) == 18
    assert len(lines) == 18 and lines[-1].startswith('[18/18] swin-shift: ')
    run_trainings([part], store, 2, lines.append, trainer)
    assert len(trainer.trained) == 18


def test_changed_settings_are_trained_again(trainer: Trainer) -> None:
    part, store = PARTS['swin-shift'], Store()
    run_trainings([part], store, 1, work=trainer)
    changed = replace(
        part, variants=part.variants | dict(none=replace(part.variants['none'], backbone=dict(window_size=(4, 4, 4))))
    )
    trainer.trained.clear()
    assert collect(changed, store) == 6
    run_trainings([changed], store, 1, work=trainer)
    assert len(trainer.trained) == 6
    assert {t.config['model']['backbone']['window_size'] for t in trainer.trained} == {(4, 4, 4)}
    # those before are still there
    assert isinstance(collect(part, store), Result) and isinstance(collect(changed, store), Result)


def test_pretrainings_come_first_and_once(trainer: Trainer) -> None:
    part, store = PARTS['masking'], Store()
    run_trainings([part], store, 2, work=trainer)
    pretrained = [t.key for t in trainer.trained if t.config.get('val_dataloader') is None]
    assert len(pretrained) == len(set(pretrained)) == 9
    assert len(trainer.trained) == 9 + 3 * (3 + 3 + 2)
    # a pre-training whose weights are gone is not missed while all fine-tunings are there
    for training in trainer.trained:
        training.checkpoint.unlink()
    trainer.trained.clear()
    run_trainings([part], store, 2, work=trainer)
    assert not trainer.trained


def test_failures_are_named_and_others_go_on(trainer: Trainer) -> None:
    part, store = PARTS['masking'], Store()
    trainer.fails = lambda t: t.config['model'].get('mask_ratio') == 0.5
    with pytest.raises(EvidenceError, match=r'^6 of 33 trainings failed, masking: ratio 0.5, .*ValueError: no'):
        run_trainings([part], store, 1, work=trainer)
    trainer.trained.clear()
    trainer.fails = lambda _: False
    run_trainings([part], store, 1, work=trainer)
    assert len(trainer.trained) == 6


def test_interrupted_call_keeps_what_is_done(trainer: Trainer) -> None:
    part, store = PARTS['swin-shift'], Store()

    def stop(line: str) -> None:
        if line.startswith('[5/'):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trainings([part], store, 1, stop, trainer)
    before = {training.key for training in trainer.trained if store.load(training.settings)}
    assert len(before) >= 5
    trainer.trained.clear()
    run_trainings([part], store, 1, work=trainer)
    assert not before & {t.key for t in trainer.trained} and len(trainer.trained) == 18 - len(before)


# ---- what is said


def made_up(part: Part, **accuracies: tuple[float, ...]) -> Result:
    """Results of a part: 0.5 everywhere but in the given variants, whose names have underscores for spaces."""
    given = {name.replace('_', ' '): values for name, values in accuracies.items()}
    numbers = {}
    for variant, column in part.cells():
        numbers[variant, column] = Number(given.get(variant, (0.5, 0.5, 0.5)))
    return Result(part, numbers, 60.0, None)


@pytest.mark.parametrize(
    ('more', 'less', 'verdict'),
    [
        ((0.9, 0.91, 0.92), (0.5, 0.52, 0.51), 'shown'),
        ((0.5, 0.52, 0.51), (0.9, 0.91, 0.92), 'the opposite'),
        ((0.9, 0.5, 0.7), (0.5, 0.6, 0.55), 'not shown'),  # the spread is larger
        ((0.905, 0.905, 0.905), (0.9, 0.9, 0.9), 'not shown'),  # less than a point
        ((0.91, 0.91, 0.91), (0.9, 0.9, 0.9), 'shown'),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 'not shown'),
        # standard deviations 0.05 and 0: three standard errors of the difference are 0.0866
        ((0.55, 0.6, 0.65), (0.51, 0.51, 0.51), 'shown'),
        ((0.55, 0.6, 0.65), (0.52, 0.52, 0.52), 'not shown'),
    ],
)
def test_higher_accuracy_by_the_rule(more: tuple, less: tuple, verdict: str) -> None:
    part = PARTS['positions']
    claim = Claim('x', more=('decomposed', 'top-1'), less=('none', 'top-1'))
    assert judge(claim, part, made_up(part, decomposed=more, none=less).table).verdict == verdict


def test_same_accuracy_by_the_rule() -> None:
    part = PARTS['positions']
    claim = Claim('x', same=(('decomposed', 'top-1'), ('none', 'top-1')))
    for values, verdict in [((0.52,) * 3, 'shown'), ((0.48,) * 3, 'shown'), ((0.47,) * 3, 'not shown')]:
        assert judge(claim, part, made_up(part, decomposed=values).table).verdict == verdict
    # chance is 0.125: nothing was learned
    at_chance = made_up(part, decomposed=(0.2, 0.2, 0.2), none=(0.2, 0.2, 0.2))
    assert judge(claim, part, at_chance.table).verdict == 'not shown'


def test_one_seed_shows_nothing() -> None:
    part = PARTS['positions']
    result = made_up(part, decomposed=(0.9,), absolute=(0.5,), none=(0.5,))
    assert {verdict.verdict for verdict in result.verdicts} == {'not shown'}
    claim = Claim('x', same=(('absolute', 'top-1'), ('none', 'top-1')))
    assert judge(claim, part, result.table).verdict == 'not shown'


def test_costs_by_the_rule() -> None:
    part = PARTS['swin-attention']
    claim = Claim('x', more=('split', 'parameters'), less=('joint', 'parameters'))
    for more, verdict in [(105.0, 'shown'), (104.0, 'not shown'), (90.0, 'the opposite')]:
        found = judge(claim, part, made_up(part, split=(more,), joint=(100.0,)).table)
        assert (found.verdict, found.ours) == (verdict, f'{more / 100:.2f} times')


def test_statement_says_what_is_not_shown() -> None:
    part = PARTS['positions']
    result = made_up(part, decomposed=(0.9, 0.91, 0.92), absolute=(0.2, 0.2, 0.2))
    text = statement(result)
    assert text.startswith('**2 of 3 claims are shown.**')
    assert 'The opposite: absolute beats none (20.0 − 50.0 = −30.0 ± 0.0).' in text and 'Not shown' not in text
    assert statement(made_up(part)).startswith('**None of 3 claims are shown.** Not shown: decomposed beats none')
    assert '| decomposed | 91.0 ± 1.0 |' in table(result)


def test_savings_in_labels() -> None:
    part = PARTS['masking']
    table = made_up(part).table
    for column, accuracy in zip(part.columns, (0.4, 0.5, 0.6), strict=True):
        table['from scratch', column] = Number((accuracy,) * 3)
        table['ratio 0.75', column] = Number((accuracy + 0.1,) * 3)
    lines = savings(Result(part, table, 0, None))
    assert lines[0] == 'ratio 0.75 with 40 labels: 50.0; from scratch takes about 80 labels for as much.'
    assert 'more than 400 labels' in lines[-1]


def test_crossing() -> None:
    points = [(10, 0.2), (40, 0.4)]
    assert crossing(points, 0.1) == ('less than', 10)
    kind, x = crossing(points, 0.3)
    assert kind == 'about' and x == pytest.approx(20)
    assert crossing(points, 0.5) == ('more than', 40)
    assert crossing([], 0.5) is None


def test_report_of_made_up_results(trainer: Trainer, here: Path) -> None:
    part, store, docs = PARTS['positions'], Store(), here / 'docs'
    assert write_report(PARTS.values(), [part], store, docs) == ['positions: 9 runs are missing']
    text = (docs / 'how/evidence.md').read_text()
    assert 'Not trained with these settings yet: `make evidence PART=positions`.' in text
    assert not (docs / 'evidence').exists()
    run_trainings([part], store, 1, work=trainer)
    assert write_report(PARTS.values(), [part], store, docs) == ['positions: 0 of 3 claims are shown']
    text = (docs / 'how/evidence.md').read_text()
    assert '| decomposed | 50.0 ± 0.0 |' in text and '(../img/evidence/positions.png)' in text
    assert text.count('Not trained with these settings yet') == len(PARTS) - 1
    content = json.loads((docs / 'evidence/positions.json').read_text())
    assert [cell['values'] for cell in content['cells']] == [[0.5] * 3] * 3 and content['seconds'] == 540
    # numbers of other settings are not shown
    changed = PARTS | dict(positions=replace(part, epochs=3))
    assert from_json(changed['positions'], content) is None
    assert page(changed.values(), read_results(changed.values(), docs)).count('Not trained') == len(PARTS)
    (docs / 'evidence/positions.json').write_text('{}')
    with pytest.raises(ValueError, match=r'positions\.json: not written by make evidence'):
        read_results(PARTS.values(), docs)


@pytest.mark.parametrize('part', PARTS.values(), ids=list(PARTS))
def test_figures_are_transparent(part: Part, tmp_path: Path) -> None:
    draw(tmp_path / 'figure.png', made_up(part))
    picture = Image.open(tmp_path / 'figure.png')
    assert picture.mode == 'RGBA' and picture.width > 400
    alpha = picture.getchannel('A')
    assert alpha.getpixel((0, 0)) == 0 and alpha.getextrema() == (0, 255)


@pytest.mark.slow
def test_from_videos_to_the_page(tmp_path: Path) -> None:
    """Few clips and one epoch: all that happens between a call and its page, and that a second call trains nothing."""
    content = yaml.safe_load(FILE.read_text())
    content['seeds'] = [1]
    for data in content['data'].values():
        data.update(clips_per_class=4, val_clips_per_class=1)
    shuffling, masking = (content['parts'][name] for name in ('shuffling', 'masking'))
    content['parts'] = dict(shuffling=shuffling, masking=masking)
    shuffling['epochs'] = masking['epochs'] = masking['pretraining']['epochs'] = 1
    keep = ['from scratch', 'ratio 0.75']
    masking['variants'] = {name: masking['variants'][name] for name in keep}
    masking['columns'] = {name: masking['columns'][name] for name in ('40 labels', '80 labels')}
    masking['claims'] = [
        c for c in masking['claims'] if {c['more'][0], c['less'][0]} == set(keep) and '40 labels' in c['more']
    ][:2]
    (tmp_path / 'few.yaml').write_text(yaml.safe_dump(content, sort_keys=False))
    command = [sys.executable, TOOL, '--experiments', tmp_path / 'few.yaml', '--processes', '1']
    for call in range(2):
        environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        assert result.returncode == 0, result.stderr[-2000:]
        assert result.stdout.count(', seed 1') == (8 if call == 0 else 0), result.stdout
    lines = result.stdout.strip().splitlines()
    assert [line.split(':')[0] for line in lines[-2:]] == ['shuffling', 'masking']
    docs = tmp_path / 'docs'
    numbers = json.loads((docs / 'evidence/shuffling.json').read_text())
    values = {(c['variant'], c['column']): c['values'] for c in numbers['cells']}
    assert len(values) == 6 and all(0 <= v <= 1 for found in values.values() for v in found)
    # frames in another order are the same frames
    frames = 'ViT, mean over frames'
    assert values[frames, 'in order'] == pytest.approx(values[frames, 'in random order'])
    assert {p.name for p in (docs / 'img/evidence').iterdir()} == {'shuffling.png', 'masking.png'}
    assert 'Not trained' not in (docs / 'how/evidence.md').read_text()
