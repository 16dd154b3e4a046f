"""Options that a backbone does not have."""

import pytest

from helpers.micro_backbones import build

UNKNOWN = [
    ('MViTv2', 'depth', 'depths'),
    ('MViT', 'embed_dim', 'embed_dims'),
    ('MViTv2', 'out_scales', 'out_indices'),
    ('SMViT', 'pretrained', "init_cfg=dict(type='Pretrained', checkpoint=…)"),
    ('SMViT', 'out_index', 'out_indices'),
    ('VideoSwin', 'num_classes', 'num_classes of the head'),
    ('VideoSwin', 'drop_path', 'drop_path_rate'),
    ('VideoSwin', 'windowsize', 'window_size'),
    ('VisionTransformer', 'depths', 'depth'),
    ('VisionTransformer', 'img_size', 'input_size=(T, H, W) or (H, W)'),
    ('SMViT', 'frozen_stage', 'frozen_stages'),
    ('UniFormerV2', 'num_frames', 'input_size=(T, H, W) or (H, W)'),
]


@pytest.mark.parametrize('family, option, instead', UNKNOWN)
@pytest.mark.parametrize('error', [TypeError, ValueError])  # of a call, of an arch
def test_unknown_options_say_what_to_write(family: str, option: str, instead: str, error: type) -> None:
    with pytest.raises(error) as caught:
        build(family, **{option: 2})
    message = str(caught.value)
    assert f' has no option {option}: an arch has ' in message and message.endswith(f'; for {option}, use {instead}')
    assert '\n' not in message


def test_options_that_are_like_no_other_are_listed_alone() -> None:
    with pytest.raises(TypeError, match='no option drop_path, zzz: .*expand; for drop_path, use drop_path_rate$'):
        build('SMViT', drop_path=0.1, zzz=1)
