"""Every place where MMEngine, MMCV, MMAction2, MMDetection and MMPretrain unpickle or evaluate something.

A new version of theirs that adds one, or moves one, fails here until somebody has looked at it.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers import ROOT
from mmhvt.compat.repairs import REPAIRS

PACKAGES = ('mmengine', 'mmcv', 'mmaction', 'mmdet', 'mmpretrain')
# calls that run what they read, or may
UNSAFE = re.compile(
    r'(builtins\.)?(eval|exec)|.*\b(exec_module|run_path|run_module|load_url|unsafe_load)|pandas\.read_pickle'
    r'|.*\bload_state_dict_from_url|.*\bConfig\.fromstring|yaml\.(full_)?load(_all)?|numpy\.load'
    r'|(_?pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve|jsonpickle)\.(loads?|open|decode|(Unp|P)ickler)'
    r'|torch\.(jit\.|hub\.|serialization\.)?load|torch\.package\..*'
)
# most files have none of these words
HINT = re.compile(r'eval|exec|pickle|dill|joblib|marshal|shelve|runpy|load_url|fromstring|_load|load\(')

CONFIG = 'evaluates a config file, which is a program (docs/guides/security.md)'
OURS = 'reads what this process, or another one of the run, has written a moment before'
ARRAY = 'numpy.load refuses pickles, unless allow_pickle=True'
FIXED = 'evaluates one of a few names that stand in the source'
OPTION = 'evaluates an option of a config, which is a program'
TESTS = 'is for tests of MMEngine'

HARMLESS = {
    'mmengine.config.config:Config._file2dict: eval': CONFIG,
    'mmengine.config.config:Config._get_base_files: eval': CONFIG,
    'mmengine.config.config:Config._parse_lazy_import: exec': CONFIG,
    'mmengine.dataset.base_dataset:BaseDataset.get_data_info: pickle.loads': OURS,
    'mmengine.dist.dist:_tensor_to_object: pickle.loads': OURS,
    'mmengine.dist.dist:collect_results_cpu: pickle.load': OURS,
    'mmengine.fileio.handlers.yaml_handler:YamlHandler.load_from_fileobj: yaml.load': 'repaired: gets PlainLoader',
    'mmengine.runner.checkpoint:load_from_http: mmengine.utils.dl_utils.load_url': 'repaired: gets weights_only=True',
    'mmengine.testing.compare:check_python_script: runpy.run_path': TESTS,
    'mmengine.utils.dl_utils.hub:_legacy_zip_load: torch.load': 'is for PyTorch before 1.7',
    'mmengine.utils.dl_utils.hub:load_url: torch.load': 'is for PyTorch before 1.7',
    'mmaction.apis.inference:inference_recognizer: numpy.load': ARRAY,
    'mmaction.datasets.transforms.loading:LoadAudioFeature.transform: numpy.load': ARRAY,
    'mmaction.datasets.transforms.loading:LoadProposals.transform: numpy.load': ARRAY,
    'mmcv.ops.nms:batched_nms: eval': OPTION,
    'mmcv.cnn.rfsearch.search:RFSearchHook.set_model: eval': OPTION,
    'mmcv.cnn.rfsearch.search:RFSearchHook.wrap_model: eval': OPTION,
    'mmdet.evaluation.functional.class_names:get_classes: eval': FIXED,
    'mmdet.models.task_modules.tracking.camera_motion_compensation:CameraMotionCompensation.__init__: eval': OPTION,
    'mmdet.utils.dist_utils:tensor2obj: pickle.loads': OURS,
    'mmdet.evaluation.metrics.base_video_metric:collect_tracking_results_cpu: pickle.load': OURS,
    'mmpretrain.datasets.transforms.processing:_str_to_torch_dtype: eval': OPTION,
}
# by the name of the repair
REPAIRED = {
    'mmengine.fileio.handlers.pickle_handler:PickleHandler.load_from_fileobj: pickle.load': 'pickles of data',
    'mmengine.infer.infer:BaseInferencer._init_model: mmengine.config.Config.fromstring': (
        'configs in checkpoints of inferencers'
    ),
    'mmengine.runner._flexible_runner:FlexibleRunner.resume: mmengine.Config.fromstring': (
        'configs in checkpoints of FlexibleRunner'
    ),
    'mmengine.runner.runner:Runner.resume: mmengine.Config.fromstring': 'configs in checkpoints of Runner',
    'mmengine.runner.checkpoint:_safe_torch_load: torch.load': 'pickles in checkpoints',
}
# by what a config would have to name for it; no recipe does
UNUSED = {
    'mmaction.datasets.charades_sta_dataset:CharadesSTADataset.get_data_info: torch.load': 'CharadesSTADataset',
    'mmaction.models.roi_heads.shared_heads.lfb:LFB.load_lfb: torch.load': 'LFB',
    'mmaction.models.roi_heads.shared_heads.lfb:LFB.load_lfb_on_lmdb: torch.load': 'LFB',
    'mmaction.models.roi_heads.shared_heads.lfb:LFB.sample_long_term_features: torch.load': 'LFB',
    'mmaction.models.roi_heads.shared_heads.lfb_infer_head:LFBInferHead.__del__: torch.load': 'LFBInferHead',
    'mmdet.datasets.openimages:OpenImagesChallengeDataset._get_relation_matrix: numpy.load': 'OpenImages',
    'mmdet.datasets.openimages:OpenImagesChallengeDataset._get_relation_matrix: allow_pickle': 'OpenImages',
    'mmpretrain.apis.multimodal_retrieval:ImageToTextRetrievalInferencer._prepare_prototype: torch.load': 'Retrieval',
    'mmpretrain.apis.multimodal_retrieval:TextToImageRetrievalInferencer._prepare_prototype: torch.load': 'Retrieval',
    'mmpretrain.datasets.cifar:CIFAR10._load_meta: pickle.loads': 'CIFAR',
    'mmpretrain.datasets.cifar:CIFAR10.load_data_list: pickle.loads': 'CIFAR',
    'mmpretrain.engine.hooks.swav_hook:SwAVHook.before_run: torch.load': 'SwAVHook',
    'mmpretrain.models.multimodal.ram.gradio_demo:ram_inference: torch.load': 'RAM',
    'mmpretrain.models.multimodal.ram.openset_utils:build_openset_label_embedding: torch.load': 'RAM',
    'mmpretrain.models.multimodal.ram.ram:RAM.__init__: pickle.load': 'RAM',
    'mmpretrain.models.multimodal.ram.ram:RAM.load_tag_list: pickle.load': 'RAM',
    'mmpretrain.models.retrievers.image2image:ImageToImageRetriever._get_prototype_vecs_from_path: torch.load': (
        'ImageToImageRetriever'
    ),
    'mmpretrain.models.utils.vector_quantizer:EmbeddingEMA.__init__: torch.load': 'BEiT',
}
# of this package
OWN = {
    'mmhvt.analysis.feature_files:H5File._add: numpy.load': ARRAY,
    'mmhvt.analysis.paper_figures:read: yaml.load': 'with BaseLoader, which knows texts alone',
    'mmhvt.engine.hooks.dataset_labels:_annotations: pickle.loads': OURS,
    'mmhvt.migrate.pickles:ArrayUnpickler: pickle.Unpickler': 'the reader that runs nothing',
    'mmhvt.migrate.reading:_content: numpy.load': ARRAY,
    'mmhvt.migrate.reading:load_pickle: torch.load': 'with weights_only=True',
    'mmhvt.migrate.torchscript:_Unpickler: pickle.Unpickler': 'the reader that runs nothing',
}


def unsafe_calls(source: str, module: str) -> set[str]:
    """'MODULE:FUNCTION: CALL' of each call in a module's source, by its full name, however it was imported."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # of `import a.b`, a is bound
            names |= {alias.asname or alias.name.split('.')[0]: alias.asname and alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f'{node.module or ""}.{alias.name}' for alias in node.names}
    found = set()

    def visit(node: ast.AST, place: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            is_named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            # also handed on, as map(eval, …)
            if isinstance(child, ast.Name | ast.Attribute):
                root, *rest = ast.unparse(child).split('.')
                full = '.'.join([names.get(root) or root, *rest])
                if UNSAFE.fullmatch(full):
                    found.add(f'{module}:{".".join(place)}: {full}')
            if isinstance(child, ast.Call):
                given = {keyword.arg: keyword.value for keyword in child.keywords}
                if 'allow_pickle' in given and ast.unparse(given['allow_pickle']) != 'False':
                    found.add(f'{module}:{".".join(place)}: allow_pickle')
            visit(child, (*place, child.name) if is_named else place)

    visit(tree, ())
    return found


def sources() -> dict[str, str]:
    """Sources of the modules that may have such calls, by name; without the scripts that the wheels carry along."""
    found = {}
    for package in PACKAGES:
        root = Path(find_spec(package).origin).parent
        for path in root.rglob('*.py'):
            parts = path.relative_to(root).with_suffix('').parts
            if '.mim' not in parts and HINT.search(text := path.read_text(encoding='utf-8')):
                found['.'.join([package, *parts]).removesuffix('.__init__')] = text
    return found


def test_each_is_known() -> None:
    found = set().union(*(unsafe_calls(text, module) for module, text in sources().items()))
    known = {*HARMLESS, *REPAIRED, *UNUSED}
    assert sorted(found - known) == [], 'look at these, and repair them or say why they are harmless'
    assert sorted(known - found) == [], 'these are gone'


@pytest.mark.parametrize('call', REPAIRED)
def test_repaired_are_gone(call: str) -> None:
    module = call.split(':')[0]
    source = sources()[module]
    assert call in unsafe_calls(source, module)
    (repair,) = [repair for repair in REPAIRS if repair.name == REPAIRED[call]]
    assert repair.module == module
    assert call not in unsafe_calls(source.replace(repair.broken, repair.repaired), module)


def test_unused_are_in_no_recipe() -> None:
    recipes = {path: path.read_text() for path in (ROOT / 'configs').rglob('*.py')}
    assert len(recipes) > 50
    for name in sorted(set(UNUSED.values())):
        assert [path for path, text in recipes.items() if re.search(rf"['.]{name}\w*'", text)] == [], name


def test_own() -> None:
    found = set()
    for path in (ROOT / 'mmhvt').rglob('*.py'):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if '.mim' not in parts:
            found |= unsafe_calls(path.read_text(), '.'.join(parts).removesuffix('.__init__'))
    assert sorted(found) == sorted(OWN)


def test_calls_are_found_however_they_are_imported() -> None:
    source = """
import pickle as p, torch, numpy as np
from pickle import loads as read, Unpickler
from mmengine import Config
class A:
    def f(self):
        p.load(1), torch.load(2), np.load(3), read(4), Unpickler(5).load(), Config.fromstring('', '.py'), map(eval, [])
        np.load(6, allow_pickle=True)
"""
    names = ['pickle.load', 'torch.load', 'numpy.load', 'pickle.loads', 'pickle.Unpickler', 'eval', 'allow_pickle']
    assert unsafe_calls(source, 'm') == {f'm:A.f: {name}' for name in [*names, 'mmengine.Config.fromstring']}
