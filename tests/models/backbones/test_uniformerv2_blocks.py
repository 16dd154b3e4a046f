"""UniBlocks, temporal modules and fusions of UniFormerV2."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmhvt.models.backbones.uniformerv2_blocks import (
    C_MHRA,
    DPE,
    GS_MHRA,
    LT_MHRA,
    TEMPORAL_MODULES,
    DepthwiseTemporalConv,
    GlobalUniBlock,
    LocalUniBlock,
    MultiStageFusion,
    STAdapter,
    TemporalConv,
    temporal_shift,
)
from mmhvt.models.backbones.vit import ViTBlock
from mmhvt.models.layers import reference_math
from mmhvt.registry import MODELS


def test_local_uniblock_is_equations_1_to_3() -> None:
    torch.manual_seed(0)
    block = LocalUniBlock(12, 3, times=2, reduction=1.5).eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    block.temporal1.norm.running_mean.normal_()
    x = torch.randn(2, 3, 1 + 4, 12)

    def lt_mhra(module, x):
        """Equation 6 token by token."""
        norm = module.norm
        normed = (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        values, out = module.value(normed), torch.zeros(*x.shape[:3], 8)
        for t in range(3):
            for j in range(max(t - 1, 0), min(t + 2, 3)):
                out[:, t] += module.conv.weight[:, 0, j - t + 1, 0] * values[:, j]
        return module.proj(out + module.conv.bias)

    def attention(x):
        qkv = block.attn.qkv(block.norm1(x)).view(2, 3, 5, 3, 3, 4).permute(3, 0, 1, 4, 2, 5)
        affinity = (qkv[0] @ qkv[1].mT / 2).softmax(-1)
        return block.attn.proj((affinity @ qkv[2]).transpose(2, 3).flatten(3))

    y = x.clone()
    y[:, :, 1:] += lt_mhra(block.temporal1, x[:, :, 1:])
    y = y + attention(y)
    z = y.clone()
    z[:, :, 1:] += lt_mhra(block.temporal2, y[:, :, 1:])
    hidden = block.mlp.fc1(block.norm2(z))
    z = z + block.mlp.fc2(hidden * torch.sigmoid(1.702 * hidden))
    torch.testing.assert_close(block(x), z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('num_queries', [1, 4])
def test_folded_cross_attention_is_equation_11(num_queries) -> None:
    torch.manual_seed(0)
    attn = C_MHRA(24, 3)
    nn.init.normal_(attn.proj.weight)
    nn.init.normal_(attn.kv.bias)
    query, x = torch.randn(2, num_queries, 24, requires_grad=True), torch.randn(2, 50, 24, requires_grad=True)
    outs, grads = [], []
    for reference in (False, True):
        with reference_math(reference):
            out = attn(query, x)
        outs.append(out)
        leaves = [query, x, *attn.parameters()]
        grads.append(torch.autograd.grad(out.square().sum(), leaves))
    reference = F.multi_head_attention_forward(
        query.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1), 24, 3,
        torch.cat([attn.q.weight, attn.kv.weight]), torch.cat([attn.q.bias, attn.kv.bias]), None, None, False, 0.0,
        attn.proj.weight, attn.proj.bias, need_weights=False,
    )[0].transpose(0, 1)  # fmt: skip
    torch.testing.assert_close(outs[0], reference, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-4, atol=1e-4)
    for ours, plain in zip(*grads, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_dpe_is_a_convolution_of_the_grid() -> None:
    torch.manual_seed(0)
    dpe, x = DPE(6), torch.randn(2, 3, 20, 6)
    expected = dpe.conv(x.view(2, 3, 4, 5, 6).permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1).reshape(x.shape)
    torch.testing.assert_close(dpe(x, (3, 4, 5)), expected)


def test_temporal_shift() -> None:
    x = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 2, 8) + 1
    shifted = temporal_shift(x)[0, :, 0]
    assert shifted[:, 0].tolist() == [2, 3, 4, 0]
    assert shifted[:, 1].tolist() == [0, 1, 2, 3]
    assert (shifted[:, 2:] == x[0, :, 0, 2:]).all()


@pytest.mark.parametrize(
    'kind, counts',
    [
        ('sequential', [2, 2, 2]),
        ('parallel', [2, 2, 2]),
        ('hierarchical_kv', [2, 2, 2]),
        ('hierarchical_q', [2, 4, 6]),
    ],
)
def test_fusions(kind, counts) -> None:
    """Section 3.3: what each block gets as queries and beside its keys."""
    torch.manual_seed(0)
    x, grid = torch.randn(2, 2, 1 + 6, 24), (2, 2, 3)
    fusion = MultiStageFusion(24, 3, kind, num_queries=2, num_heads=3).eval()
    for parameter in fusion.parameters():
        nn.init.normal_(parameter, std=0.3)
    tokens = []
    for i in range(3):
        tokens.append(fusion(i, tokens, x, grid))
    assert [token.shape[1] for token in tokens] == counts
    block, own = fusion.blocks[1], fusion.queries[-1 if kind == 'sequential' else 1].expand(2, -1, -1)
    torch.testing.assert_close(tokens[0], fusion.blocks[0](fusion.queries[0].expand(2, -1, -1), x, grid))
    query = dict(sequential=tokens[0], hierarchical_q=torch.cat([tokens[0], own], 1)).get(kind, own)
    context = tokens[0] if kind == 'hierarchical_kv' else None
    torch.testing.assert_close(tokens[1], block(query, x, grid, context))
    reduced = tokens[2] if kind != 'parallel' else torch.cat(tokens, -1) @ fusion.fuse.weight.T + fusion.fuse.bias
    torch.testing.assert_close(fusion.reduce(tokens), reduced.mean(1))


def test_blocks_are_registered_on_their_own() -> None:
    x = torch.randn(1, 4, 1 + 6, 24)
    for kind in ('mmhvt.LT_MHRA', 'mmhvt.TemporalConv', 'mmhvt.STAdapter'):
        module = MODELS.build(dict(type=kind, embed_dims=24)).train()
        assert not module(x).any() and module(x).shape == x.shape
    assert isinstance(MODELS.build(dict(type='mmhvt.TemporalAttention', embed_dims=24, num_heads=3)).attn, GS_MHRA)
    local = MODELS.build(dict(type='mmhvt.LocalUniBlock', embed_dims=24, num_heads=3))
    assert isinstance(local.temporal2, LT_MHRA) and local(x).shape == x.shape
    whole = MODELS.build(dict(type='mmhvt.GlobalUniBlock', embed_dims=24, num_heads=3, with_dpe=False))
    assert isinstance(whole, GlobalUniBlock) and whole(torch.randn(1, 2, 24), x, (4, 2, 3)).shape == (1, 2, 24)
    assert {'local_mhra', 'conv', 'st_adapter', 'divided', 'joint', 'shift', 'none'} == set(TEMPORAL_MODULES)
    assert issubclass(TemporalConv, nn.Module) and issubclass(STAdapter, nn.Module)


def test_kernels_over_time_load_into_others() -> None:
    small, large, image = (DepthwiseTemporalConv(8, size) for size in (3, 5, 1))
    found = dict(small.state_dict())
    kernel = large.resize_pretrained(found)['weight']
    assert torch.equal(kernel[:, :, 1:4], found['weight']) and not kernel[:, :, [0, 4]].any()
    assert torch.equal(image.resize_pretrained(found)['weight'], found['weight'].sum(2, keepdim=True))
    assert large.resize_pretrained({}) == {}


@pytest.mark.parametrize('kwargs', [{}, dict(layer_scale=0.1), dict(rel_pos_grid=(2, 3)), dict(act='gelu')])
def test_local_uniblock_without_a_temporal_module_is_the_block_of_the_vit(kwargs) -> None:
    torch.manual_seed(0)
    block = LocalUniBlock(24, 3, temporal='none', **kwargs)
    vit = ViTBlock(24, 3, **dict(act='quick_gelu') | kwargs)
    vit.load_state_dict(block.state_dict())
    x = torch.randn(2, 4, 1 + 6, 24)
    with torch.no_grad():
        assert torch.equal(block(x, (2, 3)), vit(x, (2, 3)))
        torch.testing.assert_close(vit(x[:, 1], (2, 3)), vit(x, (2, 3))[:, 1], rtol=1e-5, atol=1e-5)


def test_snippets_of_the_docs_run(root, capsys) -> None:
    page = (root / 'docs/how/uniblocks.md').read_text()
    config, program = re.findall(r'```python\n(.*?)```', page, re.S)
    names = {}
    exec(config, names)
    with torch.device('meta'):
        model = MODELS.build(names['backbone'])
    assert len(model.global_layers) == 8 and isinstance(model.blocks[0].temporal2, LT_MHRA)
    exec(program, {})
    assert 'torch.Size([8, 192])' in capsys.readouterr().out
