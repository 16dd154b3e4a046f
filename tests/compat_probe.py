"""Tries what mmhvt.compat repairs, for test_compat.py: ``python compat_probe.py FOLDER``, in a process of its own.

Imports the heavy packages that need no repair, then forks a child a case; each imports mmaction afresh, with some
repairs left out. FOLDER is a scratch folder, on PYTHONPATH, with stand-ins for packages that only some users have.
Prints a JSON object: case -> what was tried -> 'ok' or the error.
"""

import contextlib
import json
import os
import pickle
import sys
import warnings
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import cv2
import matplotlib.pyplot  # noqa: F401
import numpy as np
import scipy.stats  # noqa: F401
import torch
import torchvision  # noqa: F401

from mmhvt.compat import hook

FOLDER = Path(sys.argv[1])
IMPORTS = ['mmcv version', 'localizer DRN', 'transformers in mmaction', 'transformers in mmpretrain']


def mmaction() -> None:
    import mmaction.models  # noqa: F401


def drn() -> None:
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    register_all_modules()
    try:
        MODELS.build(dict(type='DRN'))
    except NotImplementedError as error:
        assert 'wheel' in str(error)


def acc_metric() -> None:
    from mmaction.evaluation import AccMetric

    for shape in ((4,), (1, 4)):
        metric = AccMetric(metric_list='top_k_accuracy', metric_options=dict(top_k_accuracy=dict(topk=1)))
        samples = [dict(pred_score=torch.eye(4)[i].view(shape), gt_label=torch.tensor([i])) for i in range(4)]
        try:
            metric.process(None, samples)
        except AssertionError as error:
            assert shape == (1, 4) and 'average_clips' in str(error)
        else:
            assert metric.evaluate(4) == {'acc/top1': 1.0}, 'a wrong top-1 of scores with a clip axis'


def feature_head() -> None:
    from mmaction.models.heads import FeatureHead

    pooled, maps = torch.rand(2, 4), torch.rand(2, 4, 3, 5, 5)
    assert FeatureHead(average_clips='score')((pooled,)) is pooled
    assert torch.equal(FeatureHead(average_clips='score')((maps,)), maps.mean((3, 4)).mean(2))
    both = FeatureHead(backbone_name='slowfast', average_clips='score')((maps, maps))
    assert both.shape == (2, 8)


def ava_nobody() -> None:
    from mmaction.datasets import AVADataset

    (FOLDER / 'nobody.csv').write_text('video,0902,,,,,,\nvideo,0903,0.1,0.2,0.5,0.6,1,0\n')
    dataset = AVADataset(f'{FOLDER}/nobody.csv', exclude_file=None, label_file=None, pipeline=[], test_mode=True)
    assert len(dataset) == 1 and dataset.get_data_info(0)['timestamp'] == 903


def ava_proposals() -> None:
    from mmaction.datasets import AVADataset

    (FOLDER / 'ava.csv').write_text('video,0903,0.1,0.2,0.5,0.6,1,0\n')
    (FOLDER / 'proposals.pkl').write_bytes(pickle.dumps({'video,0903': np.zeros((0, 5))}))
    paths = dict(ann_file=f'{FOLDER}/ava.csv', proposal_file=f'{FOLDER}/proposals.pkl')
    dataset = AVADataset(**paths, exclude_file=None, label_file=None, pipeline=[], test_mode=True)
    assert dataset.get_data_info(0)['proposals'].tolist() == [[0, 0, 1, 1]]


def color_jitter() -> None:
    from mmaction.datasets.transforms import ColorJitter

    red = np.full((2, 2, 3), (200, 10, 10), np.uint8)
    # hues are half degrees: 25 to the left of red is magenta, of blue nearly as much as of red
    assert ColorJitter.adjust_hue(red, -0.1)[0, 0].tolist() == [200, 10, 168]


def img_aug() -> None:
    from mmaction.datasets.transforms import ImgAug

    with contextlib.suppress(ImportError):  # imgaug itself may be missing
        ImgAug('default')
    assert np.bool is not bool


def ava_metric() -> None:
    from mmaction.evaluation.functional.ava_evaluation.metrics import compute_average_precision

    assert np.isnan(compute_average_precision(None, None))


def pose_compact() -> None:
    from mmaction.datasets.transforms import PoseCompact

    PoseCompact().transform(dict(keypoint=np.ones((1, 2, 3, 2), np.float32), img_shape=(8, 8)))


def frame_extract() -> None:
    from mmaction.utils import frame_extract

    video = str(FOLDER / 'video.mp4')
    writer = cv2.VideoWriter(video, cv2.VideoWriter_fourcc(*'mp4v'), 4, (32, 48))
    writer.write(np.zeros((48, 32, 3), np.uint8))
    writer.release()
    _, frames = frame_extract(video, short_side=16, out_dir=str(FOLDER))
    assert frames[0].shape == (24, 16, 3)


def average_recall() -> None:
    from mmaction.evaluation import average_recall_at_avg_proposals

    truth, proposals = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0, 0.9], [2.0, 3.0, 0.5]])
    average_recall_at_avg_proposals({'a': truth}, {'a': proposals}, 2, max_avg_proposals=2)


def retrieval() -> None:
    from mmaction.evaluation.metrics.multimodal_metric import RetrievalRecall

    assert RetrievalRecall.calculate([[0, 1]], [[1]], topk=2, pred_indices=True, target_indices=True)[0] == 100


def pytorchvideo() -> None:
    from mmaction.datasets.transforms import PytorchVideoWrapper

    PytorchVideoWrapper('RandAugment')


def moviepy() -> None:
    from mmaction.visualization import LocalVisBackend

    LocalVisBackend(str(FOLDER)).add_video('video', np.zeros((2, 8, 8, 3), np.uint8), out_type='gif')


def inferencer() -> None:
    from mmaction.apis.inferencers import ActionRecogInferencer
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    import mmhvt
    import mmhvt.datasets

    decode = dict(type='DecordDecode')
    kinds = ('mmhvt.DecordInit', mmhvt.datasets.DecordInit, 'DecordInit', 'mmaction.OpenCVInit')
    with DefaultScope.overwrite_default_scope('mmaction'):
        for kind, ours in zip(kinds, (True, True, False, False), strict=True):
            dataset = dict(pipeline=[dict(type=kind), decode])
            cfg = Config(dict(model=dict(type='Recognizer3D'), test_dataloader=dict(dataset=dataset)))
            built = ActionRecogInferencer._init_pipeline(SimpleNamespace(input_format='video', pack_cfg={}), cfg)
            assert isinstance(built.transforms[1], mmhvt.datasets.DecordInit) == ours, f'another for {kind}'


def group(backend: str) -> None:
    from mmengine.dist import init_dist

    init_dist('pytorch', backend=backend, init_method=f'file://{FOLDER}/{backend}{os.getpid()}', rank=0, world_size=1)
    torch.distributed.destroy_process_group()


def data_parallel() -> None:
    from mmengine.runner import Runner

    torch.distributed.init_process_group('gloo', f'file://{FOLDER}/ddp{os.getpid()}', rank=0, world_size=1)
    runner = SimpleNamespace(distributed=True, cfg={})
    for config in (None, dict(type='MMDistributedDataParallel')):
        Runner.wrap_model(runner, config, torch.nn.Linear(1, 1))


def thin_images() -> None:
    import mmcv

    assert mmcv.imrescale(np.zeros((1, 300, 3), np.uint8), 0.1).shape == (1, 30, 3)


def no_samples() -> None:
    from mmengine.dataset import BaseDataset

    (FOLDER / 'empty.json').write_text('{"metainfo": {}, "data_list": []}')
    try:
        BaseDataset(f'{FOLDER}/empty.json')
    except AssertionError as error:
        assert 'empty.json: no sample is left' in str(error)


def declined_hook() -> None:
    from mmengine.runner import Runner

    kept = []
    Runner.register_default_hooks(SimpleNamespace(register_hook=kept.append), dict(timer=None, another=None))
    assert len(kept) == 5 and dict(type='IterTimerHook') not in kept


class Runs:
    """Pickles as a command."""

    def __reduce__(self):
        return os.system, (f'touch {FOLDER}/ran',)


def pickles() -> None:
    from mmengine.runner.checkpoint import CheckpointLoader

    torch.save(Runs(), f'{FOLDER}/runs.pth')
    with contextlib.suppress(ValueError):
        CheckpointLoader.load_checkpoint(f'{FOLDER}/runs.pth')
    if os.path.exists(f'{FOLDER}/ran'):
        os.remove(f'{FOLDER}/ran')
        raise RuntimeError('the checkpoint ran a command')


TRIALS = {
    'AccMetric on single clips': acc_metric,
    'FeatureHead on tuples of one': feature_head,
    'key frames of AVA without a person': ava_nobody,
    'empty proposals of AVA': ava_proposals,
    'uint8 arithmetic in ColorJitter': color_jitter,
    'np.bool in ImgAug': img_aug,
    'np.NAN in AVA metric': ava_metric,
    'np.Inf in pose transforms': pose_compact,
    'np.Inf in frame_extract': frame_extract,
    'np.trapz in accuracy': average_recall,
    'np.in1d in retrieval': retrieval,
    'pytorchvideo': pytorchvideo,
    'moviepy': moviepy,
    'DecordInit of ours in inferencers': inferencer,
    'process groups without CUDA': lambda: group('gloo'),
    'nccl without CUDA': lambda: group('nccl'),
    'DistributedDataParallel without CUDA': data_parallel,
    'thin images': thin_images,
    'default hooks of None': declined_hook,
    'datasets of nothing': no_samples,
    'pickles in checkpoints': pickles,
}
CASES = {
    'all repairs': ([], {'import': mmaction, 'localizer DRN': drn} | TRIALS),
    'no repairs of use': ([name for name in TRIALS], TRIALS),
    'off': ('off', {'import': mmaction}),
} | {f'without {name}': ([name], {'import': mmaction}) for name in IMPORTS}


def run(left_out: list[str] | str, trials: dict, queue) -> None:
    if left_out == 'off':
        os.environ['MMHVT_COMPAT'] = '0'
    hook.REPAIRS[:] = [repair for repair in hook.REPAIRS if repair.name not in left_out]
    results = {}
    for name, trial in trials.items():
        try:
            trial()
            results[name] = 'ok'
        except Exception as error:
            results[name] = f'{type(error).__name__}: {error}'
    queue.put((results, [repair.name for repair in hook.REPAIRED]))


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    os.environ |= dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1')
    context = get_context('fork')
    queue = context.SimpleQueue()
    answers = {}
    for case, (left_out, trials) in CASES.items():
        child = context.Process(target=run, args=(left_out, trials, queue))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f'case "{case}" died')
        answers[case] = queue.get()
    print(json.dumps(answers))
