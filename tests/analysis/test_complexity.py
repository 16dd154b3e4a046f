"""Complexity of models, and the tools that print it."""

import subprocess
import sys

import mmdet
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmhvt.analysis import paper_figures
from mmhvt.analysis.complexity import activation_memory, complexity, count_multiply_adds
from mmhvt.analysis.paper_figures import half_a_unit, tolerance
from mmhvt.analysis.paper_models import BACKBONES, DETECTORS, NUM_CLASSES
from mmhvt.analysis.views import count_views
from mmhvt.models import SMViT
from mmhvt.models.layers import GridBias, attend, reference_math

MICRO = 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
BASE = 'configs/smvit/smvit-base-p244_mae-k400-pre_16xb16-16x4x1-150e_kinetics400-rgb.py'


# ---- counting


def test_smvit_base_costs_what_the_paper_prints() -> None:
    with torch.device('meta'):
        model = SMViT('base', input_size=(16, 224, 224))
    cost = complexity(model, (3, 16, 224, 224))
    assert cost.multiply_adds / 1e9 == pytest.approx(101.7, abs=0.1)
    assert sum(cost.by_operation.values()) == cost.multiply_adds
    assert set(cost.by_operation) == {'convolutions', 'linear layers', 'attention'}
    assert cost.params == sum(p.numel() for p in model.parameters())


def test_linear_layer() -> None:
    model = nn.Linear(16, 5)
    assert count_multiply_adds(model, (3, 7, 16)) == {'linear layers': 3 * 7 * 16 * 5}
    model.bias.requires_grad_(False)
    cost = complexity(model, (3, 7, 16))
    assert (cost.params, cost.trainable_params) == (85, 80)


def test_strided_depthwise_convolution() -> None:
    model = nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6)
    assert count_multiply_adds(model, (6, 8, 8)) == {'convolutions': 6 * 4 * 4 * 9}


class Attention(nn.Module):
    """Self-attention of tokens (N, heads, L, d) on a 2×4 grid, with what else `attend` takes."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if self.kind == 'key mask':
            return attend(x, x, x, key_mask=torch.ones(1, 8, dtype=torch.bool, device=x.device))
        if self.kind == 'bias':
            return attend(x, x, x, bias=torch.zeros(1, 1, 8, 8, device=x.device))
        if self.kind == 'grid bias':
            query = x @ x.new_ones(1, 1, 16, 2 + 4)
            return attend(x, x, x, bias=GridBias((2, 4), (2, 4), (0, 1), query))
        return attend(x, x, x)


@pytest.mark.parametrize('kind', ['plain', 'key mask', 'bias', 'grid bias'])
@pytest.mark.parametrize('reference', [True, False])
def test_attention_is_two_products_whatever_computes_it(kind, reference) -> None:
    expected = {'attention': 2 * 3 * 8 * 8 * 16}
    if kind == 'grid bias':
        expected['other products'] = 3 * 8 * 16 * (2 + 4)
    with reference_math(reference):
        assert count_multiply_adds(Attention(kind), (3, 8, 16)) == expected


MMDET = f'{mmdet.__path__[0]}/.mim/configs'
QUERIES = f'{MMDET}/deformable_detr/deformable-detr_r50_16xb2-50e_coco.py'
MASK_SCORING = f'{MMDET}/ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py'
MASK_RCNN = 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'


def detector(root, **test_cfg):
    """The demo's Mask R-CNN on the meta device, its test_cfg changed."""
    model = Config.fromfile(root / MASK_RCNN).model
    for part, max_per_img in test_cfg.items():
        model.test_cfg[part].max_per_img = max_per_img
    with DefaultScope.overwrite_default_scope('mmdet'), torch.device('meta'):
        return MODELS.build(model)


def test_detectors_are_counted_with_their_boxes(root) -> None:
    def count(**test_cfg):
        return sum(count_multiply_adds(detector(root, **test_cfg), (3, 160, 160)).values())

    width, hidden, classes = 32, 128, 5
    conv = 9 * width * width
    # 4 convolutions of 7x7, and linear layers: one hidden, then 5 classes and none, and one box for all classes
    proposal = 4 * 49 * conv + 49 * width * hidden + hidden * (classes + 1 + 4)
    # 4 convolutions of 14x14, one that doubles it, and a mask for each class
    detection = 4 * 14**2 * conv + 14**2 * 4 * width * width + 28**2 * width * classes
    few = count(rpn=10, rcnn=10)
    assert count(rpn=11, rcnn=10) - few == proposal
    assert count(rpn=10, rcnn=11) - few == detection
    with torch.device('meta'):
        backbone = detector(root).backbone
    assert few - 10 * (proposal + detection) > sum(count_multiply_adds(backbone, (3, 160, 160)).values())


def test_activations_of_a_detector_are_somewhere(root) -> None:
    kept = activation_memory(detector(root), (3, 160, 160))
    assert kept['head'] > kept['stage 1'] and 'elsewhere' not in kept


# ---- activation memory


class Block(nn.Module):
    """Keeps its input and its exponential."""

    def forward(self, x):
        return x.exp() * x


class Toy(nn.Module):
    """Two stages, of one block and of two."""

    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 4, 2, stride=2)
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.last_blocks = [0, 2]

    def forward(self, x):
        x = self.patch_embed(x)
        for block in self.blocks:
            x = block(x)
        return x.flatten(1)


class Classifier(nn.Module):
    """A backbone and a head."""

    def __init__(self):
        super().__init__()
        self.backbone = Toy()
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.backbone(x)).sigmoid()


def test_activations_of_a_model_of_known_memory() -> None:
    model = Classifier().eval()
    kept = activation_memory(model, (3, 4, 4))
    tokens = 4 * 2 * 2 * 4  # bytes
    assert kept == {
        'patch embedding': 3 * 4 * 4 * 4,
        'stage 1': 2 * tokens,
        'stage 2': 4 * tokens,
        'head': tokens,
        'elsewhere': 5 * 4,
    }
    assert not model.training and model.head.weight.device.type == 'cpu'
    halved = activation_memory(model.half(), (3, 4, 4))
    assert halved == {name: size // 2 for name, size in kept.items()}


class ManyTokens(nn.Module):
    """Attention of 1024 tokens."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(32, 96)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return attend(q, k, v)


def test_attention_keeps_no_matrix() -> None:
    # the input of the layer, its output with queries, keys and values, the result, a number a query and the
    # kernel's two of 8 bytes for random numbers
    expected = 1024 * (32 + 96 + 32 + 1) * 4 + 16
    assert activation_memory(ManyTokens(), (1, 1024, 32)) == {'rest of the backbone': expected}


def test_recomputed_blocks_keep_their_inputs_only() -> None:
    arch = dict(embed_dims=24, num_heads=1, depths=(1, 1, 2, 1))
    plain, recomputed = (
        activation_memory(SMViT(arch, input_size=(4, 64, 64), with_cp=with_cp), (3, 4, 64, 64))
        for with_cp in (False, True)
    )
    grids = [512, 512, 128, 32, 32]  # tokens at the input of each block
    inputs = sum(n * c * 4 for n, c in zip(grids, (24, 24, 48, 96, 96), strict=True))
    assert inputs <= sum(recomputed.values()) - recomputed['patch embedding'] <= 1.05 * inputs
    assert sum(plain.values()) > 5 * sum(recomputed.values())


# ---- get_flops


@pytest.fixture
def get_flops(load_tool, monkeypatch, capsys, root):
    """Runs the tool in the checkout and returns what it prints as {first column: rest}."""
    tool = load_tool('analysis/get_flops.py')
    monkeypatch.chdir(root)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['get_flops.py', *args])
        tool.main()
        lines = capsys.readouterr().out.splitlines()
        return {line[:24].strip(): line[24:] for line in lines}

    return call


def test_get_flops_of_smvit_base(get_flops) -> None:
    said = get_flops(BASE)
    assert said['input'] == '16 x 224 x 224'
    assert said['parameters'] == '51.09 M, 51.09 M trainable'
    assert said['GFLOPs per view'].startswith('101.73 ')
    assert said['GFLOPs per video'] == '1525.89 (5 clips x 3 crops = 15 views)'
    parts = [float(said[name]) for name in ('patch embedding', 'stage 1', 'stage 2', 'stage 3', 'stage 4')]
    assert sum(parts) == pytest.approx(float(said['activations per view'].split()[0]), abs=0.3)


def test_get_flops_takes_options_and_shapes(get_flops) -> None:
    here = get_flops(MICRO)
    longer = get_flops(MICRO, '--shape', '16', '32', '32', '--cfg-options', 'model.cls_head.num_classes=108')
    assert longer['input'] == '16 x 32 x 32'
    assert here['GFLOPs per view'].split()[0] != longer['GFLOPs per view'].split()[0]
    assert here['parameters'].startswith('2.64 M') and longer['parameters'].startswith('2.68 M')


def test_get_flops_of_an_image_classifier(get_flops, tmp_path) -> None:
    config = tmp_path / 'image.py'
    config.write_text(
        "custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)\n"
        "default_scope = 'mmpretrain'\n"
        "model = dict(type='ImageClassifier', backbone=dict(type='mmhvt.SMViT', arch='tiny', input_size=(224, 224)),\n"
        "    head=dict(type='LinearClsHead', num_classes=1000, in_channels=768))\n"
    )
    said = get_flops(str(config))
    assert said['input'] == '224 x 224'
    assert said['parameters'].startswith('27.9')
    assert said['GFLOPs per image'] == 'unknown: the config has no test pipeline'
    assert float(said['head']) == 0.0


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['nowhere.py'], 'nowhere.py: no such config file'),
        (['configs/_base_/default_runtime.py'], 'configs/_base_/default_runtime.py: the config has no model'),
        ([MICRO, '--shape', '8', '33', '32'], r'does not divide an input of \(8, 33, 32\)'),
        ([MICRO, '--shape', '32', '32'], 'SMViT was built for video'),
        ([MICRO, '--shape', '32'], '--shape is T H W, or H W for images, not 32'),
        ([MASK_RCNN], 'give --shape H W of the images'),
        ([QUERIES, '--shape', '64', '64'], 'DeformableDETR does not run on images alone'),
        ([MASK_SCORING, '--shape', '64', '64'], 'MaskScoringRCNN has a roi_head with mask_iou_head, whose cost'),
        ([MICRO, '--cfg-options', 'model.backbone.type=mmhvt.Nothing'], 'mmhvt.Nothing is not in the'),
    ],
)
def test_get_flops_says_what_is_wrong_in_a_line(get_flops, args, says) -> None:
    with pytest.raises(SystemExit, match=says) as caught:
        get_flops(*args)
    assert '\n' not in str(caught.value)


def test_views() -> None:
    def pipeline(*transforms):
        return dict(test_dataloader=dict(dataset=dict(pipeline=list(transforms))))

    assert count_views({}) is None
    assert count_views(pipeline(dict(type='LoadImageFromFile'), dict(type='CenterCrop'))) == (1, 1)
    assert count_views(pipeline(dict(type='SampleFrames', num_clips=4), dict(type='mmaction.ThreeCrop'))) == (4, 3)
    assert count_views(pipeline(dict(type='SampleFrames', twice_sample=True), dict(type='TenCrop'))) == (2, 10)
    wrapped = dict(test_dataloader=dict(dataset=dict(dataset=dict(pipeline=[dict(type='S', num_clips=7)]))))
    assert count_views(wrapped) == (7, 1)


# ---- paper_figures


def test_digits() -> None:
    assert [half_a_unit(text) for text in ('455', '170', '83.6', '7.0', '2828')] == [0.5, 0.5, 0.05, 0.05, 0.5]
    assert tolerance('9', 0.03) == 0.5  # half a unit is wider
    assert tolerance('170', 0.03) == pytest.approx(5.1)  # the fraction is
    assert tolerance('1800', 0.03, '1E+2') == pytest.approx(54)  # 1.8 in units of 10¹²
    assert tolerance('600', 0.03, '1E+2') == 50


def test_file_is_read_with_its_digits() -> None:
    rows = {row['id']: row for family in paper_figures.read().values() for row in family}
    assert len(rows) == 92
    assert rows['mvitv2-s-image']['gflops'] == '7.0'
    assert rows['uniformerv2-b16-8f']['over'] == '12'


def test_every_row_has_a_model_and_every_table_its_classes() -> None:
    rows = [(family, row) for family, rows in paper_figures.read().items() for row in rows]
    assert sorted(row['id'] for _, row in rows) == sorted([*BACKBONES, *DETECTORS])
    assert set(NUM_CLASSES) <= {(family, row['table']) for family, row in rows}
    for family, row in rows:
        assert (row['id'] in DETECTORS) != ((family, row['table']) in NUM_CLASSES), row['id']
        assert (row['id'] in DETECTORS) == row['input'][0].startswith('c'), row['id']


def test_reasons_name_rows() -> None:
    assert set(paper_figures.REASONS) <= {row['id'] for family in paper_figures.read().values() for row in family}


@pytest.fixture
def figures(load_tool, monkeypatch, capsys, tmp_path):
    """Runs the tool on rows of SMViT-T and returns its lines and exit status."""
    tool = load_tool('analysis/paper_figures.py')

    def call(rows, reasons=None, args=()):
        file = tmp_path / 'figures.yaml'
        file.write_text(yaml.dump(dict(smvit=rows)))
        monkeypatch.setattr(paper_figures, 'FIGURES', file)
        monkeypatch.setattr(paper_figures, 'REASONS', reasons or {})
        monkeypatch.setattr(sys, 'argv', ['paper_figures.py', *args])
        status = tool.main()
        return capsys.readouterr().out.splitlines()[1:], status

    return call


GOOD = dict(id='smvit-b-image', table='2', input=[224, 224], params_m=51, gflops=9)


def test_rows_that_hold(figures) -> None:
    lines, status = figures([GOOD])
    assert ' '.join(lines[0].split()) == 'smvit-b-image smvit 2 51 / 51.52 (+1.0%) 9 / 9.38 (+4.2%) holds'
    assert lines[1:] == ['1 of 1 rows hold'] and status == 0


def test_several_views_count_together(figures) -> None:
    _, status = figures([GOOD | dict(gflops=141, over=15)])
    assert status == 0
    _, status = figures([GOOD | dict(gflops=9, over=15)])
    assert status == 1


@pytest.mark.parametrize('wrong', [dict(params_m='53.0'), dict(gflops='9.0')])
def test_rows_that_do_not_hold(figures, wrong) -> None:
    rows = [GOOD, GOOD | dict(id='smvit-b-16x224') | wrong]
    lines, status = figures(rows)
    assert lines[1].endswith('DIFFERS') and lines[2] == '1 of 2 rows hold' and status == 1
    lines, status = figures(rows, reasons={'smvit-b-16x224': 'a slip'})
    assert lines[1].endswith('not matched: a slip') and lines[2] == '1 of 2 rows hold' and status == 0
    # a reason for a row that holds does not make it one that does not
    lines, status = figures([GOOD], reasons={'smvit-b-image': 'a slip'})
    assert lines[0].endswith('holds') and status == 0


def test_unknown_families_are_named(figures) -> None:
    with pytest.raises(SystemExit, match='no family svit: choose from smvit'):
        figures([GOOD], args=['--family', 'svit'])


@pytest.mark.slow  # a minute
def test_the_papers_rows(root) -> None:
    done = subprocess.run([sys.executable, root / 'tools/analysis/paper_figures.py'], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == '85 of 92 rows hold', done.stdout + done.stderr
    # every other one says why
    others = [line for line in lines[1:-1] if not line.endswith('holds')]
    assert len(others) == 7 and all('not matched: ' in line for line in others)
    assert done.returncode == 0
