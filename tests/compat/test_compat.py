"""The repairs of mmhvt.compat, each tried with and without."""

import importlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmhvt.compat import __main__ as report
from mmhvt.compat import hook
from mmhvt.compat.repairs import REPAIRS, Repair, release

NAMES = [repair.name for repair in REPAIRS]
IMPORTS = ['mmcv version', 'localizer DRN', 'transformers in mmaction', 'transformers in mmpretrain']
# what breaks under every version that the requirements allow, or with the stand-ins of `answers`
ALWAYS = [*IMPORTS, 'pickles in checkpoints', 'pytorchvideo', 'moviepy', 'moviepy in vis_cam']
ALWAYS += ['mmhvt:: in configs', 'commands of mim', 'pickles in downloaded checkpoints']
ALWAYS += ['scalars on a full disk', 'pickles of data', 'objects in YAML', 'names of damaged files']
ALWAYS += ['metafiles', 'layout of configs', 'torch in mim', 'pandas in mim', 'torch._dynamo in torchvision']
ALWAYS += ['ZeroRedundancyOptimizer', 'MMFullyShardedDataParallel', 'FSDPStrategy', 'scipy.stats in mmaction']
ALWAYS += ['scikit-learn in PAAHead', 'scikit-learn in tracking']
ALWAYS += [
    name
    for name in NAMES
    if name.startswith(
        ('checkpoints of other libraries', 'configs in checkpoints', 'pipes and devices', 'help of the script')
    )
]


def python(*args: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *args], env=os.environ | environment, capture_output=True, text=True)


# ---- at interpreter start


def test_start_imports_nothing() -> None:
    code = """
import json, sys
roots = {name.partition('.')[0] for name in sys.modules}
finders = [getattr(finder, '__name__', '') for finder in sys.meta_path]
print(json.dumps([sorted(roots & {'mmhvt', 'torch', 'numpy', 'mmengine', 'mmaction'}), finders.count('MMHVTFinder')]))
"""
    assert json.loads(python('-c', code).stdout) == [[], 1]


def test_start_survives_a_half_removed_package(tmp_path) -> None:
    (tmp_path / 'mmhvt').mkdir()
    (tmp_path / 'mmhvt' / '__init__.py').touch()
    (tmp_path / 'mmaction.py').write_text("print('found')")
    done = python('-c', 'import mmaction', PYTHONPATH=str(tmp_path))
    assert (done.stdout, done.stderr) == ('found\n', '')


def test_finder_is_put_once(monkeypatch) -> None:
    monkeypatch.setattr(sys, 'meta_path', [])
    source = Path(hook.__file__).with_name('startup.py').read_text()
    for _ in range(2):
        exec(source, {})
    assert len(sys.meta_path) == 1
    assert sys.meta_path[0].find_spec('json') is None


# ---- the hook


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """Writes a module of a new name for the hook to find, whose repair is due or not."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hook, 'REPAIRED', [])

    def write(source: str, name: str, due: bool = True) -> Path:
        file = tmp_path / f'{name}.py'
        file.write_text(source)
        repair = Repair('sample', name, 'broken', 'repaired', '', lambda path: due)
        monkeypatch.setattr(hook, 'REPAIRS', [repair])
        importlib.invalidate_caches()
        return file

    return write


def load(spec):
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_repairs_in_memory(sample) -> None:
    file = sample("value = 'broken', 'broken'\n", 'sample_due')
    assert load(hook.find_spec('sample_due')).value == ('repaired', 'repaired')
    assert len(hook.REPAIRED) == 1
    assert 'broken' in file.read_text()
    assert not (file.parent / '__pycache__').exists()


def test_repair_that_is_not_due(sample) -> None:
    sample("value = 'broken'\n", 'sample_not_due', due=False)
    assert load(hook.find_spec('sample_not_due')).value == 'broken'
    assert hook.REPAIRED == []


def test_leaves_other_modules_alone(sample, monkeypatch) -> None:
    sample("value = 'healthy'\n", 'sample_healthy')
    assert hook.find_spec('sample_healthy') is None
    assert hook.find_spec('json') is None
    sample("value = 'broken'\n", 'sample_off')
    monkeypatch.setenv('MMHVT_COMPAT', '0')
    assert hook.find_spec('sample_off') is None


def test_a_healthy_mmaction_is_left_alone(tmp_path) -> None:
    """A mmaction of its own fork: a wider mmcv bound, DRN in its place."""
    localizers = tmp_path / 'mmaction' / 'models' / 'localizers'
    (localizers / 'drn').mkdir(parents=True)
    (tmp_path / 'mmaction' / '__init__.py').write_text("mmcv_maximum_version = '2.4.0'\n")
    (localizers / '__init__.py').write_text('from .drn.drn import DRN\n')
    (localizers / 'drn' / 'drn.py').write_text("DRN = 'its own'\n")
    code = (
        'import mmaction.models.localizers; from mmhvt.compat.hook import REPAIRED; '
        'print(mmaction.models.localizers.DRN, type(mmaction.__spec__.loader).__name__, REPAIRED)'
    )
    done = python('-c', code, PYTHONPATH=str(tmp_path))
    assert done.stdout.strip() == 'its own SourceFileLoader []', done.stderr


# ---- the repairs


@pytest.mark.parametrize('repair', REPAIRS, ids=NAMES)
def test_broken_text_stands_in_the_installed_package(repair) -> None:
    package, *parts = repair.module.split('.')
    path = Path(find_spec(package).origin).parent.joinpath(*parts)
    source = (path / '__init__.py' if path.is_dir() else path.with_suffix('.py')).read_text()
    assert repair.broken in source
    repaired = source.replace(repair.broken, repair.repaired)
    compile(repaired, repair.module, 'exec')
    assert repaired.count('\n') == source.count('\n')


STAND_INS = {
    'pytorchvideo/transforms.py': 'import torchvision.transforms.functional_tensor\nRandAugment = dict\n',
    'moviepy/__init__.py': 'class ImageSequenceClip:\n    def __init__(self, *args, **kwargs): pass\n'
    '    write_gif = __init__\n',
    # has any class but those that version 5 removed
    'transformers/__init__.py': 'def __getattr__(name): return type(name, (), {})\n',
    'transformers/models/auto/auto_factory.py': 'class _BaseAutoModelClass: pass\n',
}


@pytest.fixture(scope='module')
def answers(tmp_path_factory) -> dict:
    """What probe.py found, with stand-ins for three packages that break mmaction where they are installed."""
    folder = tmp_path_factory.mktemp('probe')
    for file, source in STAND_INS.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(source)
    for name, version in dict(moviepy='2.2.1', transformers='5.0.0').items():
        info = folder / f'{name}-{version}.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    probe = Path(__file__).with_name('probe.py')
    done = python(str(probe), str(folder), PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_all_works_with_the_repairs(answers) -> None:
    results, made = answers['all repairs']
    assert {name: result for name, result in results.items() if result != 'ok'} == {}
    assert set(ALWAYS) <= set(made)


@pytest.mark.parametrize('name', [name for name in NAMES if name not in IMPORTS])
def test_fails_without_the_repair(answers, name) -> None:
    if name not in answers['all repairs'][1]:
        assert name not in ALWAYS
        pytest.skip('not due in this environment')
    results, made = answers['no repairs of use']
    assert name not in made
    assert results[name] != 'ok'


@pytest.mark.parametrize(
    ('case', 'message'),
    [
        ('off', 'MMCV=='),
        ('without mmcv version', 'MMCV=='),
        ('without localizer DRN', 'mmaction.models.localizers.drn'),
        ('without transformers in mmaction', "No module named 'transformers."),
        ('without transformers in mmpretrain', 'TypeError'),
    ],
)
def test_mmaction_does_not_import_without(answers, case, message) -> None:
    assert message in answers[case][0]['import']


# ---- the report


def test_release() -> None:
    assert release('2.11.0+cu130') == (2, 11, 0)
    assert release('2.4') < release('2.11.0rc1')


def test_faults() -> None:
    assert report.Package('torch', '2.4').fault() == ''
    assert report.Package('torch', '99.0').fault().endswith('is older than 99.0')
    assert report.Package('no_such_package').fault() == "ModuleNotFoundError: No module named 'no_such_package'"


def test_fault_of_a_broken_binary(tmp_path, monkeypatch) -> None:
    (tmp_path / 'broken_binary.py').write_text("raise RuntimeError('operator nms does not exist\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    assert report.Package('broken_binary').fault() == 'RuntimeError: operator nms does not exist'


@pytest.mark.parametrize(
    ('package', 'status', 'title'),
    [
        (report.Package('json'), 0, None),
        (report.Package('no_such_package', lost='detection', hint='build it'), 0, 'Limitations'),
        (report.Package('no_such_package', hint='build it'), 1, 'Broken'),
    ],
)
def test_exit_status(package, status, title, monkeypatch, capsys) -> None:
    monkeypatch.setattr(report, 'PACKAGES', [package])
    assert report.report() == status
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES)
    for word in ('Limitations', 'Broken', 'build it'):
        assert (word in out) == (word == title or (word == 'build it' and status + bool(title) > 0))


def test_report_of_this_environment() -> None:
    done = python('-m', 'mmhvt.compat')
    assert done.returncode == 0, done.stdout
    assert 'applied: mmcv version (mmaction)' in done.stdout
    assert 'Broken' not in done.stdout
