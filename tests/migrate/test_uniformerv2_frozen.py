"""Files of UniFormerV2's authors as their trainer writes them, those of frozen models among them, load whole.

Frozen models classify the video token alone and have no `balance` (OpenGVLab/UniFormerV2, uniformerv2_model.py).
"""

import json
from pathlib import Path

import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from helpers.references import CLASSES, OUTPUTS, assert_close, randomize
from helpers.uniformerv2_references import LOCAL, SIDE, mmaction_case
from mmhvt import migrate
from mmhvt.analysis import goldens
from mmhvt.migrate import get_source
from mmhvt.registry import MODELS

authors = get_source('uniformerv2.opengvlab')
CASES = {'global blocks alone': dict(), 'all designs': dict(LOCAL, temporal_downsample=True, t_size=8)}
PREFIXES = {'of the model': '', 'of their trainer': 'backbone.'}


class Frozen(nn.Module):
    """The authors' frozen model, out of mmaction2's: its class token has no weight, its names are theirs."""

    def __init__(self, settings: dict):
        super().__init__()
        config, self.backbone = mmaction_case(settings)
        taken = ('input_resolution', 'clip_pretrained')
        self.config = {k: v for k, v in config.items() if k not in taken} | dict(resolution=SIDE, frozen=True)
        self.config = dict(temporal_downsample=False, no_lmhra=True, double_lmhra=False) | self.config
        nn.init.constant_(self.backbone.transformer.balance, -1e4)  # as a sigmoid 0
        self.classifier = randomize(nn.Linear(64, CLASSES))
        self.eval()

    def named(self, prefix: str = '') -> dict[str, Tensor]:
        """State dict in the authors' names."""
        backbone = self.backbone.state_dict()
        del backbone['transformer.balance']
        theirs = {k.replace('transformer.norm.', 'transformer.proj.0.'): v for k, v in backbone.items()}
        theirs |= {f'transformer.proj.2.{name}': value for name, value in self.classifier.state_dict().items()}
        return {prefix + name: value for name, value in theirs.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Clips (N, 3, T, H, W) -> scores (N, classes)."""
        return self.classifier(self.backbone(x))


@pytest.fixture(params=CASES)
def frozen(request: pytest.FixtureRequest) -> Frozen:
    return Frozen(CASES[request.param])


@pytest.fixture(params=PREFIXES)
def path(request: pytest.FixtureRequest, frozen: Frozen, tmp_path: Path) -> str:
    """A published file."""
    file = tmp_path / 'frozen.pyth'
    torch.save(frozen.named(PREFIXES[request.param]), file)
    return str(file)


def recognizer_cfg(theirs: Frozen, folder: Path, **backbone: object) -> Config:
    """A recognizer for a file; of the backbone's options, `frozen` alone says that there is no class token."""
    backbone = authors.backbone_cfg(theirs.config) | backbone
    head = dict(type='mmhvt.RecognitionHead', num_classes=CLASSES, in_channels=64)
    cfg = Config(
        dict(
            default_scope='mmaction',
            custom_imports=dict(imports=['mmhvt'], allow_failed_imports=False),
            model=dict(type='Recognizer3D', backbone=backbone, cls_head=head),
        )
    )
    cfg.dump(folder / 'config.py')
    return Config.fromfile(folder / 'config.py')


def build(cfg: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(cfg.model)


def scores(model: nn.Module, x: Tensor) -> Tensor:
    return model.cls_head(model.backbone(x))


@pytest.mark.parametrize('explicit', [{}, dict(with_class_token=False)], ids=['frozen', 'with_class_token=False'])
@torch.no_grad()
def test_every_way_of_loading(frozen: Frozen, path: str, explicit: dict, tmp_path: Path, load_tool) -> None:
    x = torch.randn(2, 3, frozen.config['t_size'], SIDE, SIDE)
    expected = frozen(x)
    cfg = recognizer_cfg(frozen, tmp_path, **explicit)
    assert migrate.identify(migrate.read(path)) is authors

    by_init_cfg = build(cfg)
    for part in (by_init_cfg.backbone, by_init_cfg.cls_head):
        part.init_cfg = dict(type='Pretrained', checkpoint=path)
    by_init_cfg.init_weights()
    by_load_from = build(cfg)
    load_checkpoint(by_load_from, path)
    by_api = init_recognizer(cfg, path, device='cpu')
    converted = tmp_path / 'converted.pth'
    load_tool('checkpoint/convert.py').convert_checkpoint(path, str(converted), config=cfg.filename)
    by_convert = build(cfg)
    by_convert.load_state_dict(torch.load(converted, weights_only=True)['state_dict'])
    for model in (by_init_cfg, by_load_from, by_api, by_convert):
        assert model.backbone.alpha_logit is None
        assert_close(scores(model.eval(), x), expected, OUTPUTS, 'scores')


def test_files_of_models_that_are_not_frozen_have_the_prefix_too(tmp_path: Path) -> None:
    """That of mmaction2's files is the same, the head is not."""
    config, reference = mmaction_case(LOCAL)
    mmaction = {f'backbone.{name}': value for name, value in reference.state_dict().items()}
    mmaction |= {'cls_head.fc_cls.weight': torch.randn(5, 64), 'cls_head.fc_cls.bias': torch.randn(5)}
    ours = get_source('uniformerv2.mmaction').state_dict(mmaction)
    theirs = {f'backbone.{name}': value for name, value in authors.export(ours).items()}
    assert migrate.identify(mmaction) is get_source('uniformerv2.mmaction')
    converted = migrate.convert(theirs, 'file')
    assert converted.source is authors and converted.state_dict.keys() == ours.keys()
    assert all(torch.equal(converted.state_dict[name], value) for name, value in ours.items())
    # as their fine-tuning takes it, without a classifier
    headless = {name: value for name, value in theirs.items() if '.proj.2.' not in name}
    assert migrate.identify(headless) is authors


@pytest.mark.parametrize('prefix', PREFIXES.values(), ids=PREFIXES)
def test_a_model_of_another_feature_refuses_the_file(frozen: Frozen, prefix: str, tmp_path: Path) -> None:
    """Half of a feature that nobody trained would be no error at all."""
    torch.save(frozen.named(prefix), tmp_path / 'frozen.pyth')
    cfg = recognizer_cfg(frozen, tmp_path, frozen=False)
    message = 'alpha_logit.*missing.*with_class_token=True.* the file .*with_class_token=False'
    with pytest.raises(ValueError, match=message):
        load_checkpoint(build(cfg), str(tmp_path / 'frozen.pyth'))
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'frozen.pyth'))
    with pytest.raises(ValueError, match='alpha_logit missing.*with_class_token=True; in the file: .*=False'):
        build(cfg).init_weights()


@torch.no_grad()
def test_golden_of_a_frozen_model_holds(frozen: Frozen, tmp_path: Path) -> None:
    """As the authors of golden files would have made it: names and shapes, weights made from them."""
    theirs = frozen.named()
    weights = goldens.golden_weights({name: list(value.shape) for name, value in theirs.items()})
    for name, value in theirs.items():
        if name in weights:
            value.copy_(weights[name])
    x = goldens.golden_input((1, 3, frozen.config['t_size'], SIDE, SIDE))
    logits = frozen(x)
    flat = logits.double().flatten()
    golden = dict(
        name='frozen',
        source='UniFormerV2 uniformerv2_l14_336',
        config=frozen.config | dict(builder='uniformerv2_l14_336', num_classes=CLASSES, cls_dropout=0.5),
        input_shape=list(x.shape),
        state_dict={name: list(value.shape) for name, value in theirs.items()},
        outputs=dict(
            logits=dict(
                shape=list(logits.shape),
                mean=flat.mean().item(),
                std=flat.std().item(),
                first=flat[:64].tolist(),
                last=flat[-64:].tolist(),
            )
        ),
    )
    path = tmp_path / 'golden.json'
    path.write_text(json.dumps(golden))
    assert goldens.check(path)['logits'] < 1e-4
    # a file that says another thing than its tensors is none
    golden['config']['frozen'] = False
    path.write_text(json.dumps(golden))
    with pytest.raises(RuntimeError, match='alpha_logit'):
        goldens.check(path)
