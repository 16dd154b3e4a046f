"""What imports what: a class needs the packages that it is built on, and no others."""

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.registry import MODELS as MMENGINE_MODELS

from mmhvt import registry
from mmhvt.utils.lazy import INSTALL, MissingDependencyError, lazy_attributes

HEAVY = ('decord', 'mmaction', 'mmdet', 'mmpretrain', 'timm')
BACKBONES = ('MViT', 'SMViT', 'UniFormerV2', 'VideoSwin', 'VisionTransformer')
LAZY = ('mmhvt.models', 'mmhvt.datasets', 'mmhvt.engine', 'mmhvt.evaluation')
# a class that is not there: the distribution and the command that the error has to name
ABSENT = {
    'ActionDetector': ('mmaction2', 'pip install mmaction2'),
    'InstanceTTAModel': ('mmdet', 'pip install onedl-mmdetection'),
    'MAE': ('mmpretrain', 'pip install onedl-mmpretrain'),
    'ImageHead': ('mmpretrain', 'pip install onedl-mmpretrain'),
    'RecognitionHead': ('mmaction2', 'pip install mmaction2'),
}

LOADED = f'json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}} & {set(HEAVY)!r}))'

BLOCK = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Blocked())
import torch
from mmengine.registry import MODELS
"""

BUILD = f"""
built, errors = [], {{}}
with torch.device('meta'):
    for name in {BACKBONES!r}:
        built.append(type(MODELS.build(dict(type='mmhvt.' + name))).__name__)
for name in {tuple(ABSENT)!r}:
    try:
        MODELS.build(dict(type='mmhvt.' + name))
    except Exception as error:
        errors[name] = f'{{type(error).__name__}}: {{error}}'
print(json.dumps(dict(built=built, errors=errors)))
"""


def python(code: str) -> str:
    """The last line that a new interpreter prints."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_importing_the_packages_does_not_import_torch() -> None:
    code = f'import json, sys\n{"".join(f"import {name}; " for name in (*LAZY, "mmhvt.hub", "mmhvt.utils"))}\n'
    assert json.loads(python(code + "print(json.dumps('torch' in sys.modules))")) is False


def test_importing_a_backbone_imports_no_library_of_a_task() -> None:
    slow = "print(json.dumps(sorted({'torch._dynamo', 'torch.distributed.fsdp', 'sympy'} & set(sys.modules))))"
    code = f'import json, sys\nfrom mmhvt.models.backbones.smvit import SMViT\nassert {LOADED} == "[]"\n{slow}'
    assert json.loads(python(code)) == []


def test_building_backbones_by_name_imports_no_library_of_a_task() -> None:
    build = '\n'.join(f"    MODELS.build(dict(type='mmhvt.{name}'))" for name in BACKBONES)
    code = f'import json, sys, torch\nfrom mmhvt.registry import MODELS\nwith torch.device("meta"):\n{build}\n'
    assert json.loads(python(f'{code}print({LOADED})')) == []


@pytest.fixture(scope='module')
def without_libraries() -> dict:
    """What an interpreter without the libraries of tasks can build, and the errors of what it cannot."""
    return json.loads(python(BLOCK.format(HEAVY) + BUILD))


def test_backbones_need_no_library_of_a_task(without_libraries: dict) -> None:
    assert without_libraries['built'] == list(BACKBONES)


@pytest.mark.parametrize('name', ABSENT)
def test_error_names_the_package_that_a_class_needs(without_libraries: dict, name: str) -> None:
    distribution, command = ABSENT[name]
    expected = f'MissingDependencyError: {name} needs {distribution}, which is not installed: {command}'
    assert without_libraries['errors'][name] == expected


def test_parts_of_detectors_need_mmdet_alone() -> None:
    code = BLOCK.format(('mmaction', 'mmpretrain', 'decord'))
    names = ('InstanceTTAModel', 'NormedRPNHead', 'OneMaskCascadeRoIHead')
    code += f"print(json.dumps([MODELS.get('mmhvt.' + name).__name__ for name in {names!r}]))"
    assert json.loads(python(code)) == list(names)


def test_missing_ops_of_mmcv_are_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / 'lacking'
    package.mkdir()
    (package / '__init__.py').write_text(
        'from mmhvt.utils.lazy import lazy_attributes\n'
        "__getattr__, __dir__, __all__ = lazy_attributes(__name__, {'ops': ['Detector'], 'other': ['Other']})\n"
    )
    (package / 'ops.py').write_text("raise ModuleNotFoundError(\"No module named 'mmcv._ext'\", name='mmcv._ext')\n")
    (package / 'other.py').write_text('import no_such_package\n')
    monkeypatch.syspath_prepend(tmp_path)
    lacking = import_module('lacking')
    with pytest.raises(MissingDependencyError, match='^Detector needs mmcv with compiled ops, .*MMCV_WITH_OPS=1'):
        _ = lacking.Detector
    # what this package does not know is no concern of its error
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        _ = lacking.Other
    with pytest.raises(AttributeError, match="module 'lacking' has no attribute 'detector'"):
        _ = lacking.detector
    assert 'mmcv._ext' in INSTALL


@pytest.mark.parametrize('package', LAZY)
def test_lazy_names_are_those_that_the_modules_define(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        found = getattr(module, name)
        assert getattr(import_module(found.__module__), name) is found and found.__module__.startswith(package)


@pytest.mark.parametrize('name', registry.__all__)
def test_registered_classes_are_found_by_name(name: str) -> None:
    """A class that no location lists would be found by chance alone, where something else imported it."""
    found = getattr(registry, name)
    found.import_from_location()
    listed = {attribute for location in found._locations for attribute in import_module(location).__all__}
    own = {key: cls.__name__ for key, cls in found.module_dict.items() if cls.__module__.startswith('mmhvt.')}
    assert own and set(own.values()) <= listed


@pytest.mark.parametrize('package', ['compat', 'datasets', 'engine', 'evaluation', 'migrate', 'models', 'utils'])
def test_inner_packages_do_not_import_outer_ones(root: Path, package: str) -> None:
    outer = ('mmhvt.analysis', 'mmhvt.apis', 'mmhvt.demos', 'mmhvt.export', 'mmhvt.synthetic')
    for file in (root / 'mmhvt' / package).rglob('*.py'):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding='utf-8'))))
        modules = [node.module or '' for node in nodes if isinstance(node, ast.ImportFrom)]
        modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        assert not [module for module in modules if module.startswith(outer)], file


def test_unknown_name_is_not_in_the_registry() -> None:
    with pytest.raises(KeyError, match='mmhvt.SMVit is not in the'):
        MMENGINE_MODELS.build(dict(type='mmhvt.SMVit'))


@pytest.mark.parametrize(
    'name, words',
    [
        ('MViTv2', "use type='mmhvt.MViT', arch='v2_small' "),
        ('mvit_v2_s', "use type='mmhvt.MViT', arch='v2_small' "),
        ('Swin', "use type='mmhvt.VideoSwin', arch='tiny' "),
        ('SwinTransformer3D', "use type='mmhvt.VideoSwin', arch='tiny' .*or type='mmaction.SwinTransformer3D'"),
        ('VideoSwinTransformer', "use type='mmhvt.VideoSwin', arch='tiny' "),
        ('UniFormer', "use type='mmhvt.UniFormerV2', arch='base' .*or type='mmaction.UniFormer'"),
        ('Uniformerv2', "use type='mmhvt.UniFormerV2'$"),
        ('hiera_base_224', "use type='mmhvt.SMViT', arch='base' "),
        ('ViT', "use type='mmhvt.VisionTransformer' for images, type='mmhvt.MViT', arch='vit_base' for video"),
        ('SMVit', "use type='mmhvt.SMViT'"),
        ('RecognitonHead', "use type='mmhvt.RecognitionHead'$"),
        ('I3DHead', "use type='mmaction.I3DHead'$"),
        ('Nothing', 'it has .*C_MHRA, CoTrainingHead, .*VisionTransformer$'),
    ],
)
def test_unknown_names_say_what_to_write(name: str, words: str) -> None:
    import mmaction.models  # noqa: F401

    with pytest.raises(KeyError) as caught:
        MMENGINE_MODELS.build(dict(type=f'mmhvt.{name}'))
    (message,) = caught.value.args
    assert re.search(f'^mmhvt.{name} is not in the mmengine::model registry: {words}', message) and '\n' not in message


def test_unknown_names_of_other_registries_list_the_nearest() -> None:
    with pytest.raises(KeyError, match="mmhvt.VideoDatset is not in .* use type='mmhvt.VideoDataset'"):
        registry.DATASETS.build(dict(type='mmhvt.VideoDatset'))
    with pytest.raises(KeyError, match="use type='mmhvt.NumClassesCheckHook'"):
        registry.HOOKS.build(dict(type='mmhvt.NumClassCheckHook'))  # mmdet has one of this name


def test_registry_answers_whether_it_has_a_name() -> None:
    assert 'MViT' in registry.MODELS and 'mmhvt.MViT' in registry.MODELS
    assert 'MViTv2' not in registry.MODELS and 'mmhvt.MViTv2' not in registry.MODELS
    # as dumped configs in Python's own style name classes
    assert MMENGINE_MODELS.get('mmhvt.models.backbones.mvit.MViT') is registry.MODELS.get('MViT')


def test_attribute_list_is_that_of_the_table() -> None:
    _, listed, exported = lazy_attributes('package', {'second': ['B'], 'first': ['C', 'A']})
    assert listed() == exported == ['A', 'B', 'C']


@pytest.mark.parametrize('name', registry.__all__)
def test_registries_find_their_locations(name: str) -> None:
    found = getattr(registry, name)
    found.import_from_location()
    assert found.scope == 'mmhvt' and found.module_dict
