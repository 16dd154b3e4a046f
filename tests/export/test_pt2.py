"""Packages of PyTorch give the outputs of the models in processes that have no mmhvt."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import ROOT
from helpers.micro_backbones import FAMILIES

TOLERANCE = 1e-4
BATCHES = (1, 3, 5)
# forbids modules, runs files for inputs, saves outputs
ALONE = """
import json, sys
for name in ('mmhvt', 'mmcv', 'mmengine', 'mmaction', 'mmdet', 'mmpretrain', 'timm', 'onnx', 'onnxruntime'):
    sys.modules[name] = None
import numpy as np, torch
import torchvision.ops
for job in json.load(open(sys.argv[1])):
    if job['compiled']:
        model = torch._inductor.aoti_load_package(job['file'])
        metadata = model.loader.get_metadata()
    else:
        extra = {'metadata.json': ''}
        model = torch.export.load(job['file'], extra_files=extra).module()
        metadata = json.loads(extra['metadata.json'])
    with torch.no_grad():
        out = model(*(torch.from_numpy(np.load(path)) for path in job['inputs']))
    (out,) = out if isinstance(out, (tuple, list)) else (out,)
    np.save(job['output'], out.numpy())
    json.dump(dict(metadata), open(job['output'] + '.json', 'w'))
"""


@pytest.fixture
def run_alone(tmp_path: Path) -> Callable[..., list[tuple[Tensor, dict]]]:
    """Outputs and metadata of files for inputs, all by one process."""

    def run(*jobs: tuple[Path, Mapping[str, Tensor]], compiled: bool = False) -> list[tuple[Tensor, dict]]:
        described = []
        for number, (file, x) in enumerate(jobs):
            paths = [tmp_path / f'{number}-{name}.npy' for name in x]
            for path, value in zip(paths, x.values(), strict=True):
                np.save(path, value.numpy())
            output = tmp_path / f'{number}-out.npy'
            described.append(dict(file=str(file), inputs=list(map(str, paths)), output=str(output), compiled=compiled))
        (tmp_path / 'jobs.json').write_text(json.dumps(described))
        command = [sys.executable, '-c', ALONE, str(tmp_path / 'jobs.json')]
        environment = os.environ | dict(OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs = [Path(job['output']) for job in described]
        return [
            (torch.from_numpy(np.load(path)), json.loads(path.with_name(f'{path.name}.json').read_text()))
            for path in outputs
        ]

    return run


@pytest.mark.slow
def test_graphs(export, micro_model, inputs, difference, run_alone) -> None:
    """Of all families, with any batch."""
    cases = [(family, batch) for family in FAMILIES for batch in BATCHES]
    options = dict(format='pt2', compiled=False)
    jobs = [(export('recognition', family, **options), inputs(batch, (8, 32, 32))) for family, batch in cases]
    for (family, _), (_, x), (out, metadata) in zip(cases, jobs, run_alone(*jobs), strict=True):
        expected = micro_model('recognition', family).outputs('recognition', x['frames'])
        assert difference([out], expected) < TOLERANCE, family
        assert (metadata['format'], metadata['task'], metadata['input']) == ('mmhvt/1', 'recognition', '"frames"')


@pytest.mark.slow
def test_sizes_and_boxes(export, micro_model, inputs, difference, run_alone) -> None:
    """Graphs whose sizes vary, and one with boxes, for which torchvision has to be imported."""
    jobs, expected = [], []
    for task, family, size, dynamic in [
        ('recognition', 'SMViT', (8, 32, 32), ('batch', 'size')),
        ('recognition', 'SMViT', (8, 64, 48), ('batch', 'size')),
        ('classification', 'MViTv2, shallow', (32, 32), ('size',)),
        ('classification', 'MViTv2, shallow', (112, 48), ('size',)),
        ('action_detection', 'SMViT', (8, 64, 64), ('batch',)),
    ]:
        x = inputs(3 if 'batch' in dynamic else 1, size, boxes=task == 'action_detection')
        jobs.append((export(task, family, format='pt2', compiled=False, dynamic=dynamic), x))
        expected.append(micro_model(task, family).outputs(task, *x.values()))
    for (out, _), wanted in zip(run_alone(*jobs), expected, strict=True):
        assert difference([out], wanted) < TOLERANCE


@pytest.mark.slow
def test_machine_code(export, micro_model, inputs, difference, run_alone) -> None:
    """By AOTInductor."""
    if not any(shutil.which(name) for name in ('c++', 'g++', 'clang++')):
        pytest.skip('no C++ compiler')
    path = export('recognition', format='pt2')
    jobs = [(path, inputs(batch, (8, 32, 32))) for batch in BATCHES]
    for (_, x), (out, metadata) in zip(jobs, run_alone(*jobs, compiled=True), strict=True):
        assert difference([out], micro_model('recognition').outputs('recognition', x['frames'])) < TOLERANCE
        assert metadata['config'] == 'smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
        assert json.loads(metadata['classes'])[:2] == ['up', 'down']
    # paths of PyTorch's headers are in there, by its compiler, but none of ours
    assert not contains(path, [str(ROOT / 'mmhvt'), str(ROOT / 'tests'), 'weights.pth'])


def contains(path: Path, texts: list[str]) -> list[tuple[str, str]]:
    """Members of a package that contain one of some texts."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    assert len(members) > 4
    return [(name, text) for name, content in members.items() for text in texts if text.encode() in content]


def test_no_traces_of_this_machine(export) -> None:
    path = export('recognition', format='pt2', compiled=False)
    texts = [str(ROOT), str(path.parent), 'site-packages', 'stack_trace', 'Traceback', 'File "', 'weights.pth']
    assert not contains(path, texts)
    assert contains(path, ['smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'])
