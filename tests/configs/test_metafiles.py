"""Metafiles say what the configs do."""

import re

import pytest
from modelindex.load_model_index import load as load_metafile

from helpers import ROOT
from helpers.micro_recipes import build_on_meta
from helpers.recipes import CLASSIFIERS, read


@pytest.mark.parametrize('family', ['mvit', 'mvitv2', 'uniformerv2', 'video_swin'])
def test_metafile_of_a_family_says_what_the_configs_do(family: str) -> None:
    metafile = load_metafile(str(ROOT / f'configs/{family}/metafile.yml'))
    readme = (ROOT / metafile.collections[0].readme).read_text()
    recipes = [model for model in metafile.models if not model.weights]  # published weights: test_published.py
    listed = {ROOT / model.config for model in recipes}
    rest = {path.stem for path in CLASSIFIERS if path.parent.name == family} - {path.stem for path in listed}
    assert all(re.search('shuffled|10x5|micro', stem) for stem in rest) and listed <= set(CLASSIFIERS)
    for model in recipes:
        path, about = ROOT / model.config, model.metadata.data
        assert model.name == path.stem and f']({path.name})' in readme
        config = read(path)
        gpus, batch, epochs = re.search(r'_(\d+)xb(\d+)-.*?(\d+)e[_-]', path.stem).groups()
        assert (about['Batch Size'], about['Epochs']) == (int(batch), int(epochs))
        assert about['Resolution'] == 'x'.join(map(str, config.model.backbone.input_size[-2:]))
        if 'Parameters' in about:
            built = build_on_meta(config)
            # of a frozen backbone the paper counts what is trained
            frozen = config.model.backbone.get('frozen')
            counted = [parameter for parameter in built.parameters() if parameter.requires_grad or not frozen]
            parameters = sum(parameter.numel() for parameter in counted) / 1e6
            assert parameters == pytest.approx(float(about['Parameters'].rstrip('M')), rel=0.02), model.name
