"""What is broken in the packages below mmhvt, and the text that repairs it.

mmaction2 1.2.0 is of 2023 and the newest there is; ``python -m mmhvt.compat`` prints this table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ['REPAIRS', 'Repair', 'release']


@dataclass(frozen=True)
class Repair:
    """A text to replace in the source of one module.

    Attributes:
        name: Short name for the report.
        module: Full name of the module.
        broken: Text that stands in the source of a module that needs the repair, and not in one that needs none.
        repaired: Text to put in its place, everywhere, of as many lines: tracebacks keep their line numbers.
        reason: What fails without it.
        is_due: Takes the path of the module's file and tells whether the broken text fails in this environment.
    """

    name: str
    module: str
    broken: str
    repaired: str
    reason: str
    is_due: Callable[[Path], bool] = lambda path: True


def release(version: str) -> tuple[int, ...]:
    """(2, 11, 0) of '2.11.0+cu130'; release candidates count as the release."""
    return tuple(int(part) for part in re.match(r'[\d.]*\d', version)[0].split('.'))


def mmcv_is_newer(path: Path) -> bool:
    import mmcv

    return release(mmcv.__version__) >= (2, 2)


def drn_is_missing(path: Path) -> bool:
    return not (path.parent / 'drn').is_dir()


def is_at_least(distribution: str, minimum: str) -> Callable[[Path], bool]:
    """Test whether a distribution is installed in version ``minimum`` or newer, without importing it."""

    def is_due(path: Path) -> bool:
        try:
            return release(version(distribution)) >= release(minimum)
        except PackageNotFoundError:
            return False

    return is_due


def has_no_cuda(path: Path) -> bool:
    import torch

    return not torch.cuda.is_available()


NUMPY_2 = is_at_least('numpy', '2.0')

REPAIRS = [
    Repair(
        'mmcv version',
        'mmaction',
        "mmcv_maximum_version = '2.2.0'",
        "mmcv_maximum_version = '2.4.0'",
        'mmaction asserts mmcv < 2.2.0, but the mmcv that is maintained is 2.3, and all that mmaction uses is in it',
        mmcv_is_newer,
    ),
    Repair(
        'localizer DRN',
        'mmaction.models.localizers',
        'from .drn.drn import DRN',
        'from mmhvt.compat.missing import DRN',
        'the wheel lacks the folder drn, so mmaction.models does not import; building a DRN now says so',
        drn_is_missing,
    ),
    Repair(
        'AccMetric on single clips',
        'mmaction.evaluation.metrics.acc_metric',
        'pred = pred.cpu().numpy()\n\n',
        "assert pred.ndim == 1, f'AccMetric takes one score per class, got scores of shape {tuple(pred.shape)}: "
        'set average_clips="prob" in the head\'; pred = pred.cpu().numpy()\n\n',
        'a head whose average_clips is None keeps a clip axis: top-1 came out above 1, or '
        'mean_class_accuracy failed with an error on array dimensions',
    ),
    Repair(
        'FeatureHead on tuples of one',
        'mmaction.models.heads.feature_head',
        'if isinstance(x, Tensor):',
        'if isinstance(x := x[0] if isinstance(x, tuple) and len(x) == 1 else x, Tensor):',
        "clip_feature_extraction.py stops at backbones that return a tuple, as mmpretrain's and ours do",
    ),
    Repair(
        'key frames of AVA without a person',
        'mmaction.datasets.ava_dataset',
        'fin = list_from_file(self.ann_file)',
        "fin = [line for line in list_from_file(self.ann_file) if any(line.strip().split(',')[2:])]",
        "AVA-Kinetics lists key frames in which nobody is, as 'VIDEO,0902,,,,,,'; the datasets fail to read a label",
    ),
    Repair(
        'empty proposals of AVA',
        'mmaction.datasets.ava_dataset',
        'self.proposals = load(self.proposal_file)',
        'self.proposals = {key: found for key, found in load(self.proposal_file).items() if len(found)}',
        'an empty array for a key frame fails with "max() arg is an empty sequence"; now it is as no entry for it',
    ),
    Repair(
        'uint8 arithmetic in ColorJitter',
        'mmaction.datasets.transforms.processing',
        '(hsv[..., 0] + offset) % 180',
        '(hsv[..., 0].astype(np.int16) + offset) % 180',
        'NumPy 2 refuses a negative int beside uint8 where NumPy 1 widened; a hue shift to the left fails',
        NUMPY_2,
    ),
    Repair(
        'np.bool in ImgAug',
        'mmaction.datasets.transforms.wrappers',
        "if digit_version(np.__version__) >= digit_version('1.24.0'):",
        "if not hasattr(np, 'bool'):",
        "the transform replaces NumPy 2's own np.bool by Python's bool, for the whole process",
        NUMPY_2,
    ),
    Repair(
        'np.NAN in AVA metric',
        'mmaction.evaluation.functional.ava_evaluation.metrics',
        'np.NAN',
        'np.nan',
        'NumPy 2.0 removed it; AVAMetric fails on a class that is detected but has no ground truth',
        NUMPY_2,
    ),
    Repair(
        'np.Inf in pose transforms',
        'mmaction.datasets.transforms.pose_transforms',
        'np.Inf',
        'np.inf',
        'NumPy 2.0 removed it; PoseCompact fails',
        NUMPY_2,
    ),
    Repair(
        'np.Inf in frame_extract',
        'mmaction.utils.misc',
        'np.Inf',
        'np.inf',
        'NumPy 2.0 removed it; frame_extract(short_side=...) fails',
        NUMPY_2,
    ),
    Repair(
        'np.trapz in accuracy',
        'mmaction.evaluation.functional.accuracy',
        'np.trapz',
        'np.trapezoid',
        'NumPy 2.4 removed it; average_recall_at_avg_proposals fails',
        is_at_least('numpy', '2.4'),
    ),
    Repair(
        'np.in1d in retrieval',
        'mmaction.evaluation.metrics.multimodal_metric',
        'np.in1d',
        'np.isin',
        'NumPy 2.4 removed it; RetrievalRecall fails',
        is_at_least('numpy', '2.4'),
    ),
    Repair(
        'pytorchvideo',
        'mmaction.datasets.transforms.wrappers',
        'import pytorchvideo.transforms as ptv_trans',
        'import sys, torchvision.transforms._functional_tensor as functional_tensor; '
        "sys.modules.setdefault('torchvision.transforms.functional_tensor', functional_tensor); "
        'import pytorchvideo.transforms as ptv_trans',
        'pytorchvideo 0.1.5 imports a module that torchvision 0.17 made private; PytorchVideoWrapper fails',
        is_at_least('torchvision', '0.17'),
    ),
    Repair(
        'transformers in mmaction',
        'mmaction.utils.dependency',
        'WITH_MULTIMODAL = all(',
        'WITH_MULTIMODAL = False and all(',
        'transformers 4.56 moved what its VindLU models import: mmaction.models does not import beside it; '
        'building a VindLU model now raises an ImportError',
        is_at_least('transformers', '4.56'),
    ),
    Repair(
        'transformers in mmpretrain',
        'mmpretrain.utils.dependency',
        'WITH_MULTIMODAL = all(',
        'WITH_MULTIMODAL = False and all(',
        'transformers 5 removed what its multimodal models import: mmpretrain.models, which mmaction.models '
        'imports, does not import beside it',
        is_at_least('transformers', '5.0'),
    ),
    Repair(
        'moviepy',
        'mmaction.visualization.video_backend',
        'from moviepy.editor import',
        'from moviepy import',
        'moviepy 2 has no moviepy.editor; the inferencers cannot write videos',
        is_at_least('moviepy', '2.0'),
    ),
    Repair(
        'DecordInit of ours in inferencers',
        'mmaction.apis.inferencers.actionrecog_inferencer',
        "test_pipeline[0] = dict(type='DecordInit')",
        "test_pipeline[0] = test_pipeline[0] if 'mmhvt.' in str(test_pipeline[0]['type']) else dict(type='DecordInit')",
        'mmaction puts its own in the place of mmhvt.DecordInit: hidden frames are sampled, errors name no file',
    ),
    Repair(
        'thin images',
        'mmcv.image.geometric',
        'return int(w * float(scale[0]) + 0.5), int(h * float(scale[1]) + 0.5)',
        'return max(int(w * float(scale[0]) + 0.5), 1), max(int(h * float(scale[1]) + 0.5), 1)',
        'a short side that is scaled to less than half a pixel is no pixel, which OpenCV refuses',
    ),
    Repair(
        'process groups without CUDA',
        'mmengine.dist.utils',
        'torch.cuda.set_device(local_rank)',
        'torch.cuda.is_available() and torch.cuda.set_device(local_rank)',
        'mmengine selects a CUDA device for every backend, gloo on CPU included',
        has_no_cuda,
    ),
    Repair(
        'nccl without CUDA',
        'mmengine.dist.utils',
        'torch_dist.init_process_group(backend=backend, **kwargs)',
        "torch_dist.init_process_group(backend='gloo' if backend == 'nccl' else backend, **kwargs)",
        "nccl, every runner's default, has no group on CPU; gloo has",
        has_no_cuda,
    ),
    Repair(
        'DistributedDataParallel without CUDA',
        'mmengine.runner.runner',
        "[int(os.environ['LOCAL_RANK'])]",
        "[int(os.environ['LOCAL_RANK'])] if next(model.parameters()).device.type != 'cpu' else None",
        'mmengine hands it a device id, which it refuses for a model on CPU',
        has_no_cuda,
    ),
    Repair(
        'default hooks of None',
        'mmengine.runner.runner',
        """\
                if name in default_hooks and hook is None:
                    # remove hook from _default_hooks
                    default_hooks.pop(name)
""",
        """\
                if hook is None:
                    # remove hook from _default_hooks
                    default_hooks.pop(name, None)
""",
        "default_hooks=dict(name=None) leaves out mmengine's own six hooks; of any other it is a bare AssertionError",
    ),
    Repair(
        'datasets of nothing',
        'mmengine.dataset.base_dataset',
        'data_list = [_serialize(x) for x in self.data_list]',
        "data_list = [_serialize(x) for x in self.data_list]; assert data_list, f'{self.ann_file}: no sample is left: "
        "are the classes of metainfo those of the file, and does filter_cfg={self.filter_cfg} leave any?'",
        'a file none of whose samples passes the filter fails with "need at least one array to concatenate"',
    ),
    Repair(
        'pickles in checkpoints',
        'mmengine.runner.checkpoint',
        """\
                allowlist = get_torch_safe_globals()
                with torch.serialization.safe_globals(allowlist):
                    return torch.load(
                        file, map_location=map_location, weights_only=True)
            except UnpicklingError as e:
                msg = (f'Could not safely load weights: {e}. '
                       'Falling back to weights_only=False. '
                       'In the future this might be removed.')
                print_log(msg, level=logging.WARNING)
                return torch.load(
                    file, map_location=map_location, weights_only=False)
""",
        """\
                from mmhvt.migrate.reading import load_pickle


                return load_pickle(file, map_location)
            except UnpicklingError as e:
                # load_from and resume would run whatever the file says



                raise ValueError(f'{file} cannot be read as a checkpoint: {e}'
                                 ) from e
""",
        'load_from and resume fall back to running whatever a file that is refused says',
    ),
]
