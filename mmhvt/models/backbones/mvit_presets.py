"""Models of the tables of mvit and mvitv2 by name, with the input that they were measured on."""

_MAX = dict(arch='base', input_size=(16, 224, 224), pool_mode='max', pool_kernel='s+1')
_CONV = dict(arch='base', input_size=(16, 224, 224))
_IMAGE = dict(arch='base', input_size=(224, 224))
_FRAMES_8 = _MAX | dict(input_size=(8, 224, 224), patch_stride=(1, 4, 4))
# table 13 has its own key-value stride: the cost of its V5 is that of table 14's adaptive 2×4×4
_STAGES = _MAX | dict(kv_stride=(2, 4, 4))
_V2 = dict(arch='v2_small', input_size=(16, 224, 224))


def _depths(*depths: int) -> dict:
    return dict(arch=dict(version=1, embed_dims=96, num_heads=1, depths=depths))


PRESETS = {
    # mvit: tables 3, 4, 5, 9
    'mvit-b-16x4-max': _MAX,
    'mvit-s-16x4-max': _MAX | dict(arch='small'),
    'mvit-b-16x4-conv': _CONV,
    'mvit-b-32x3-conv': _CONV | dict(input_size=(32, 224, 224)),
    'mvit-b-64x3-conv': _CONV | dict(input_size=(64, 224, 224)),
    'mvit-b-24-32x3-conv': _CONV | dict(arch='base_24', input_size=(32, 224, 224)),
    # table 11: position embeddings
    'mvit-b-pos-none': _MAX | dict(abs_pos='none'),
    'mvit-b-pos-joint': _MAX | dict(abs_pos='joint'),
    # table 12: cubes
    'mvit-b-cube-1x4x4': _FRAMES_8 | dict(patch_kernel=(1, 4, 4), patch_padding=(0, 0, 0)),
    'mvit-b-cube-1x7x7': _FRAMES_8 | dict(patch_kernel=(1, 7, 7), patch_padding=(0, 3, 3)),
    # table 13: blocks of the stages
    'mvit-b-stages-v1': _STAGES | _depths(2, 6, 6, 2),
    'mvit-b-stages-v2': _STAGES | _depths(2, 4, 6, 4),
    'mvit-b-stages-v6': _STAGES | _depths(2, 2, 10, 2),
    # table 14: key-value pooling
    'mvit-b-kv-none': _MAX | dict(kv_stride='none'),
    'mvit-b-kv-2x4x4': _MAX | dict(kv_stride=(2, 4, 4)),
    'mvit-b-kv-1x8x8': _MAX,
    'mvit-b-kv-2x8x8': _MAX | dict(kv_stride=(2, 8, 8)),
    # tables 17 and A.3: images
    'mvit-b-16-image': _IMAGE,
    'mvit-b-24-image': _IMAGE | dict(arch='base_24'),
    'mvit-b-24-wide-image': dict(arch='base_24_wide', input_size=(320, 320)),
    'mvit-b-image-kv-8x8': _IMAGE | dict(kv_stride=(8, 8)),
    'mvit-b-image-kv-2x2': _IMAGE | dict(kv_stride=(2, 2)),
    'mvit-b-image-kv-none': _IMAGE | dict(kv_stride='none'),
    # mvitv2, table A.3: images
    'mvitv2-t-image': dict(arch='v2_tiny', input_size=(224, 224)),
    'mvitv2-s-image': dict(arch='v2_small', input_size=(224, 224)),
    'mvitv2-b-image': dict(arch='v2_base', input_size=(224, 224)),
    'mvitv2-b-image-384': dict(arch='v2_base', input_size=(384, 384)),
    'mvitv2-l-image': dict(arch='v2_large', input_size=(224, 224)),
    'mvitv2-l-image-384': dict(arch='v2_large', input_size=(384, 384)),
    # table A.2: video
    'mvitv2-s-16x4-ava': _V2,
    'mvitv2-b-32x3-ava': dict(arch='v2_base', input_size=(32, 224, 224)),
    'mvitv2-l-40x3-ava': dict(arch='v2_large', input_size=(40, 312, 312)),
    # table A.6: positions
    'mvitv2-s-pos-none': _V2 | dict(rel_pos='none'),
    'mvitv2-s-pos-abs': _V2 | dict(rel_pos='none', abs_pos='separate'),
    'mvitv2-s-pos-time': _V2 | dict(rel_pos='time'),
    'mvitv2-s-pos-space': _V2 | dict(rel_pos='space'),
    'mvitv2-s-16x4': _V2,
    'mvitv2-s-pos-joint-space': _V2 | dict(rel_pos='joint_space'),
    'mvitv2-s-pos-joint': _V2 | dict(rel_pos='joint'),
    # table A.7: residual pooling
    'mvitv2-s-no-respool': _V2 | dict(residual_pooling=False, full_q_pool=False),
    'mvitv2-s-fullq': _V2 | dict(residual_pooling=False),
    'mvitv2-s-respool': _V2 | dict(full_q_pool=False),
    'mvitv2-s-fullq-respool': _V2,
}
