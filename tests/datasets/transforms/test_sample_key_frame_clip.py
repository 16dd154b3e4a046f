"""Clips around key frames."""

from mmhvt.datasets import SampleKeyFrameClip


def test_clips_at_the_ends_of_frames() -> None:
    """They repeat the first or last frame, of AVA's and of AVA-Kinetics' numbering."""
    sample = SampleKeyFrameClip(clip_len=8, frame_interval=10)
    ava = dict(timestamp_start=900, fps=30, shot_info=(0, 300), start_index=1, frame_dir='a')
    kinetics = dict(timestamp_start=900, fps=30, shot_info=(1, 301), start_index=0, frame_dir='a')
    for results in (ava, kinetics):
        begin, end = (sample(dict(results, timestamp=time))['frame_inds'].tolist() for time in (901, 909))
        assert begin == [1, 1, 11, 21, 31, 41, 51, 61] and end == [231, 241, 251, 261, 271, 281, 291, 300]
        first = results['shot_info'][0]
        short = dict(results, timestamp=900, shot_info=(first, first + 3))  # shorter than the clip
        assert sample(short)['frame_inds'].tolist() == [1, 1, 1, 1, 1, 3, 3, 3]
