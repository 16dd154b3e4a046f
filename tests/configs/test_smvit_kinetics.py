"""Fine-tuning recipes of SMViT on Kinetics-400: what the metafile says of them. Their settings: test_smvit.py."""

import pytest
import torch
from modelindex.load_model_index import load as load_metafile
from torch.utils.flop_counter import FlopCounterMode

from helpers import ROOT
from helpers.micro_recipes import build_on_meta
from helpers.recipes import CLASSIFIERS, K400, read


def test_all_smvit_kinetics_recipes_are_classifiers() -> None:
    assert set(K400.values()) <= set(CLASSIFIERS)


@pytest.mark.parametrize('size', K400)
def test_metafile_says_what_the_config_does(size: str) -> None:
    metafile = load_metafile(str(ROOT / 'configs/smvit/metafile.yml'))
    (model,) = (model for model in metafile.models if model.name == K400[size].stem)
    assert model.config == str(K400[size].relative_to(ROOT)) and not model.weights
    assert (ROOT / metafile.collections[0].readme).exists()
    config = read(K400[size])
    about = model.metadata.data
    assert f'-{about["Epochs"]}e_' in K400[size].name
    assert about['Batch Size'] == config.train_dataloader.batch_size * 2
    built = build_on_meta(config).eval()
    parameters = sum(parameter.numel() for parameter in built.parameters())
    assert f'{parameters / 1e6:.0f}M' == about['Parameters']
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built.cls_head(built.backbone(torch.empty(1, 3, 16, 224, 224, device='meta')))
    # the counter counts two for a multiply-add
    assert counter.get_total_flops() / 2e9 == pytest.approx(float(about['FLOPs'].rstrip('G')), rel=0.01)
