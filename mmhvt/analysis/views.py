"""How many views of a video a config tests."""

from mmengine.config import ConfigDict

CROPS = {'ThreeCrop': 3, 'FiveCrop': 5, 'TenCrop': 10}


def count_views(cfg: ConfigDict) -> tuple[int, int] | None:
    """Numbers of clips per video and of crops per clip in the test pipeline; None without a test pipeline.

    Clips are `num_clips` of the transform that samples frames, twice as many with `twice_sample`; crops are those of
    ThreeCrop, FiveCrop or TenCrop. An image is one clip.
    """
    dataset = cfg.get('test_dataloader', {}).get('dataset')
    while dataset and 'pipeline' not in dataset:
        dataset = dataset.get('dataset')
    if not dataset:
        return None
    clips = crops = 1
    for transform in dataset['pipeline']:
        clips *= transform.get('num_clips', 1) * (2 if transform.get('twice_sample') else 1)
        crops *= CROPS.get(transform['type'].split('.')[-1], 1)
    return clips, crops
