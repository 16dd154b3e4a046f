"""The golden tool and the goldens that this repository carries."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hiera.hiera_mae import MaskedAutoencoderHiera

from helpers import DATA
from mmhvt.analysis import goldens

GOLDEN = DATA / 'golden'


def run(root, *files):
    return subprocess.run(
        [sys.executable, str(root / 'tools' / 'golden.py'), *map(str, files)], capture_output=True, text=True
    )


def test_goldens_hold(root) -> None:
    files = sorted(GOLDEN.glob('*.json'))
    result = run(root, *files)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == f'{len(files)} of {len(files)} goldens hold'


def test_wrong_outputs_and_unknown_sources_fail(root, tmp_path) -> None:
    golden = json.loads((GOLDEN / 'smvit_b_image.json').read_text())
    for name in list(golden['outputs']):
        if name != 'stage1':
            del golden['outputs'][name]
    golden['outputs']['stage1']['last'][7] += 0.01
    (tmp_path / 'moved.json').write_text(json.dumps(golden))
    golden['source'] = 'somebody-else 1.0'
    (tmp_path / 'unknown.json').write_text(json.dumps(golden))
    result = run(root, tmp_path / 'moved.json', tmp_path / 'unknown.json')
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert 'DIFFERS' in lines[-3] and 'stage1' in lines[-3]
    assert 'FAILED' in lines[-2] and 'somebody-else' in lines[-2]
    assert lines[-1] == '0 of 2 goldens hold'


@pytest.mark.parametrize('name', ['smvit_b_image', 'smvit_b_16x224'])
def test_weights_are_the_files_names(name) -> None:
    shapes = json.loads((GOLDEN / f'{name}.json').read_text())['state_dict']
    weights = goldens.golden_weights(shapes)
    assert {key: list(value.shape) for key, value in weights.items()} == shapes
    assert weights['norm.weight'].mean().item() == pytest.approx(1.0, abs=0.02)


def test_not_a_number_is_a_difference() -> None:
    x = torch.randn(300)
    golden = dict(shape=[300], first=x[:64].tolist(), last=x[-64:].tolist(), mean=x.mean().item(), std=x.std().item())
    assert goldens.difference(x, golden) < 1e-6
    x[100] = math.nan
    assert math.isnan(goldens.difference(x, golden))


VIDEO = dict(q_stride=(1, 2, 2), patch_kernel=(3, 7, 7), patch_stride=(2, 4, 4), patch_padding=(1, 3, 3))
MAE = {
    'image of another shape': dict(input_size=(64, 160), q_pool=2, decoder_depth=2),
    'video, one pooling': dict(
        input_size=(4, 96, 64), q_pool=1, mask_unit_size=(1, 8, 8), sep_pos_embed=True, decoder_depth=1, **VIDEO
    ),
    'small patches and units': dict(
        input_size=(32, 48), stages=(1, 1, 1), mask_unit_attn=(True, False, False), mask_unit_size=(4, 4), q_pool=2,
        patch_kernel=(3, 3), patch_stride=(2, 2), patch_padding=(1, 1), mlp_ratio=2.0, decoder_depth=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', MAE)
@pytest.mark.parametrize('batch', [1, 2])
def test_goldens_of_other_auto_encoders_hold(tmp_path, name, batch) -> None:
    """The map holds for options that no file here has: a golden as the files' authors would have made it."""
    config = dict(embed_dim=16, stages=(1, 1, 2, 1), decoder_embed_dim=24, decoder_num_heads=3) | MAE[name]
    reference = MaskedAutoencoderHiera(**config).eval()
    shapes = {key: list(value.shape) for key, value in reference.state_dict().items()}
    reference.load_state_dict(goldens.golden_weights(shapes))
    x = goldens.golden_input((batch, 3, *config['input_size']))
    kept = [1, 2, 4]
    mask = torch.zeros(batch, math.prod(reference.mask_spatial_shape), dtype=torch.bool)
    mask[:, kept] = True
    with torch.no_grad():
        loss, prediction, label, _ = reference(x, mask=mask)
    outputs = {}
    for key, value in dict(loss=loss[None], pred=prediction, label=label).items():
        flat = value.double().flatten()
        outputs[key] = dict(
            shape=list(value.shape),
            mean=flat.mean().item(),
            std=flat.std(unbiased=len(flat) > 1).item(),
            first=flat[:64].tolist(),
            last=flat[-64:].tolist(),
        )
    golden = dict(
        name=name,
        source='hiera-transformer 0.1.4 MAE',
        state_dict=shapes,
        input_shape=list(x.shape),
        outputs=outputs,
        config=config | dict(mask_ratio=0.6, kept_mask_units=kept, norm_layer='LN eps=1e-6'),
    )
    path = tmp_path / 'golden.json'
    path.write_text(json.dumps(golden))
    assert max(goldens.check(path).values()) < 1e-4
    golden['config']['kept_mask_units'] = [0, 2, 4]
    path.write_text(json.dumps(golden))
    assert max(goldens.check(path).values()) > 1e-2


@pytest.mark.parametrize('scale', [0, 1, 2, 3])
def test_golden_of_detection_tells_every_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: int) -> None:
    """The golden holds in test_golden.py; here each of its four scales alone makes it fail."""
    golden = json.loads((DATA / 'golden/mvitv2_t_det_512.json').read_text())
    names = ['scale2', 'scale3', 'scale4', 'scale5']
    assert list(golden['outputs']) == names
    assert [out['shape'][2] for out in golden['outputs'].values()] == [512 // stride for stride in (4, 8, 16, 32)]
    # the outputs that the tool compares are stood in for by noise of the golden's shapes
    outputs = {name: torch.randn(out['shape']) for name, out in golden['outputs'].items()}
    monkeypatch.setattr(
        goldens, 'recognition_outputs', lambda cfg, state_dict, x, wanted: {name: outputs[name] for name in wanted}
    )
    for name, x in outputs.items():
        flat = x.double().flatten()
        golden['outputs'][name] |= dict(
            mean=flat.mean().item(), std=flat.std().item(), first=flat[:64].tolist(), last=flat[-64:].tolist()
        )
    (tmp_path / 'golden.json').write_text(json.dumps(golden))
    assert max(goldens.check(tmp_path / 'golden.json').values()) < 1e-6
    outputs[names[scale]][0, 0, 0, 7] += 0.01
    found = goldens.check(tmp_path / 'golden.json')
    assert [name for name, worst in found.items() if worst > goldens.TOLERANCE] == [names[scale]]
