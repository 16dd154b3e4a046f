"""Videos of which a player shows a part: what is read is that part, each frame once (mmhvt/datasets/edit_lists.py).

Frames of these videos show their own number, in eight squares. tests/data/edit_lists holds 60 frames each, at 25 a
second, as x264 and x265 write them with open GOPs and B-frames, and the first of them as ``ffmpeg -ss 0.5 -c copy``
trims it; edit lists of other kinds are written into them here.
"""

import struct
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cv2
import decord
import numpy as np
import pytest
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from mmengine.dataset import Compose, pseudo_collate

from helpers import DATA, ROOT
from helpers.numbered_videos import number_in, picture
from mmhvt.apis import ActionRecogInferencer
from mmhvt.apis.streams import FrameSource
from mmhvt.datasets import DecordInit, UnreadableVideoError, pyav_reader
from mmhvt.datasets.edit_lists import ShownFrames, _edited_tracks, open_video
from mmhvt.datasets.reading import wrap_readers
from mmhvt.registry import DATASETS, TRANSFORMS

VIDEOS = DATA / 'edit_lists'
FPS = 25


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        size, name = struct.unpack_from('>I4s', content, at)
        yield name, content[at + 8 : at + size]
        at += size


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack('>I4s', len(content) + 8, name) + content


def with_edits(content: bytes, edits: list[tuple[float, float | None]], version: int = 0) -> bytes:
    """An MP4 of one track, whose index is behind the pictures, with another edit list.

    Args:
        content: The file.
        edits: Lengths and starts, in frames; None for an empty edit.
        version: Of the box.
    """
    at = content.index(b'mvhd')
    (movie_units,) = struct.unpack_from('>I', content, at + 16)
    at = content.index(b'mdhd')
    (units,) = struct.unpack_from('>I', content, at + 16)
    at = content.find(b'elst')
    # where the encoder lets the first frame begin, since B-frames are decoded before they are shown
    first = struct.unpack_from('>i', content, at + 16)[0] if at > 0 else 0
    rows = b''.join(
        struct.pack(
            '>Qqi' if version else '>Iii',
            int(length * movie_units / FPS),
            -1 if start is None else first + int(start * units / FPS),
            1 << 16,
        )
        for length, start in edits
    )
    listed = box(b'edts', box(b'elst', struct.pack('>II', version << 24, len(edits)) + rows))

    def changed(inside: bytes) -> bytes:
        parts = [(name, inner) for name, inner in boxes(inside) if name != b'edts']
        names = [name for name, _ in parts]
        written = b''.join(box(n, changed(c) if n in (b'moov', b'trak') else c) for n, c in parts)
        if b'tkhd' in names:
            head = len(box(*parts[0]))
            written = written[:head] + listed + written[head:]
        return written

    return changed(content)


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """60 frames without B-frames, as OpenCV writes them: a key frame in 12."""
    path = tmp_path_factory.mktemp('plain') / 'plain.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), FPS, (64, 32))
    assert writer.isOpened()
    for number in range(60):
        writer.write(picture(number))
    writer.release()
    return path.read_bytes()


def content_of(name: str, plain: bytes) -> bytes:
    return plain if name == 'plain' else (VIDEOS / f'{name}.mp4').read_bytes()


def shown_by_opencv(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    numbers = []
    while (read := capture.read())[0]:
        numbers.append(number_in(read[1]))
    return numbers


EDITS = {
    'beginning': ([(60, 13)], [*range(13, 60)]),
    'one frame': ([(60, 1)], [*range(1, 60)]),
    'at a key frame': ([(60, 24)], [*range(24, 60)]),
    'end': ([(37, 0)], [*range(37)]),
    'both': ([(20, 17)], [*range(17, 37)]),
    'single': ([(1, 31)], [31]),
    'within a group': ([(5, 14)], [*range(14, 19)]),
    'longer than the video': ([(500, 50)], [*range(50, 60)]),
    'a later start': ([(10, None), (60, 0)], [*range(60)]),
    'a later start and a cut': ([(10, None), (30, 13)], [*range(13, 43)]),
    'several': ([(8, 10), (7, 30)], [*range(10, 18), *range(30, 37)]),
    'backward': ([(8, 40), (7, 5)], [*range(40, 48), *range(5, 12)]),
    'repeated': ([(10, 5), (10, 5)], [*range(5, 15)] * 2),
}


@pytest.mark.parametrize('edits', EDITS)
@pytest.mark.parametrize('name', ['plain', 'h264_open_gop', 'hevc_open_gop'])
def test_what_a_player_shows_is_read_once_each(name: str, edits: str, plain: bytes, tmp_path: Path) -> None:
    wanted, numbers = EDITS[edits]
    path = tmp_path / 'edited.mp4'
    path.write_bytes(with_edits(content_of(name, plain), wanted, version=len(edits) % 2))
    if name.startswith('hevc') and edits in ('several', 'backward', 'repeated'):
        # where one edit ends and the next begins decoders lose what refers to frames that are not there
        numbers = shown_by_opencv(path)
    assert shown_by_opencv(path) == numbers
    reader = open_video(path)
    assert len(reader) == len(numbers) and reader.get_avg_fps() == pytest.approx(FPS)
    assert [number_in(reader[i].asnumpy()) for i in range(len(reader))] == numbers
    frames = pyav_reader.open_video(path).get_batch(range(len(numbers))).asnumpy()
    assert [number_in(frame) for frame in frames] == numbers
    # in any order, from a path and from memory
    rng = np.random.RandomState(0)
    for file in (path, path.read_bytes()):
        reader = open_video(file)
        for index in rng.permutation(len(numbers))[:12]:
            if isinstance(reader, ShownFrames):
                assert number_in(reader[int(index)].asnumpy()) == numbers[index]
        if isinstance(reader, ShownFrames):
            indices = rng.randint(0, len(numbers), 12)
            assert [number_in(frame) for frame in reader.get_batch(indices).asnumpy()] == [numbers[i] for i in indices]


def test_decord_alone_reads_other_frames() -> None:
    """If this fails, decord has learned it, and edit_lists.py can go."""
    reader = decord.VideoReader(str(VIDEOS / 'h264_trimmed.mp4'), num_threads=1)
    assert [number_in(reader[index].asnumpy()) for index in (0, 46, 47, 59)] != [13, 59, 59, 59] and len(reader) == 60
    assert len(open_video(VIDEOS / 'h264_trimmed.mp4')) == 47


def test_readers_of_other_files_are_decords_own(plain: bytes, tmp_path: Path) -> None:
    (tmp_path / 'plain.mp4').write_bytes(plain)
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), FPS, (64, 32))
    writer.write(picture(1))
    writer.release()
    uncut = [VIDEOS / 'h264_open_gop.mp4', VIDEOS / 'hevc_open_gop.mp4', tmp_path / 'plain.mp4', tmp_path / 'a.avi']
    assert all(type(open_video(path)) is decord.VideoReader for path in uncut)


@pytest.mark.parametrize('name', ['a.ts', 'a.mpg', 'a.wmv', 'a.flv'])
def test_containers_in_which_decord_finds_no_frame(name: str, tmp_path: Path) -> None:
    """It loses the first group of pictures of an MPEG-TS, and is off by whole ones in others."""
    path = tmp_path / name
    codec = {'.ts': 'MPG2', '.mpg': 'PIM1', '.wmv': 'WMV2', '.flv': 'FLV1'}[path.suffix]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), FPS, (64, 32))
    for number in range(200):
        writer.write(picture(number))
    writer.release()
    reader = open_video(path)
    assert len(reader) == 200 and isinstance(reader, ShownFrames)
    order = [150, 3, 199, 0, 64, 63, 20, 128]
    assert [number_in(frame) for frame in reader.get_batch(order).asnumpy()] == order
    assert [number_in(open_video(path)[index].asnumpy()) for index in order] == order
    if name == 'a.wmv':  # unreadable without its end
        return
    # of a stream that is cut, the last frame stands for those that are missing
    path.write_bytes(path.read_bytes()[:-2000])
    short = open_video(path)
    assert 100 < number_in(short[-1].asnumpy()) < 200 and number_in(short[0].asnumpy()) == 0


def test_reader_as_transforms_use_it() -> None:
    reader = open_video(VIDEOS / 'h264_trimmed.mp4')
    reader.seek(30)
    assert [number_in(reader.next().asnumpy()) for _ in range(3)] == [43, 44, 45]
    reader.seek(46)
    assert number_in(reader.next().asnumpy()) == 59
    with pytest.raises(StopIteration):
        reader.next()
    assert number_in(reader[-47].asnumpy()) == 13
    for index in (47, -48):
        with pytest.raises(IndexError, match='for 47 frames'):
            reader[index]
    with pytest.raises(IndexError, match='frames 0 to 47 are out of range'):
        reader.get_batch([0, 47])


def test_damaged_edit_lists_are_left_to_ffmpeg(plain: bytes, tmp_path: Path) -> None:
    content = with_edits(plain, [(60, 13)])
    at = content.index(b'stss')
    # a key frame that is not there
    (tmp_path / 'a.mp4').write_bytes(content[: at + 12] + struct.pack('>I', 9999) + content[at + 16 :])
    assert type(open_video(tmp_path / 'a.mp4')) is decord.VideoReader
    # a table of 4 milliard frames, over which decord would abort the process
    at = content.index(b'stts')
    with pytest.raises(ValueError, match='damaged'):
        list(_edited_tracks(BytesIO(content[: at + 12] + b'\xff' * 4 + content[at + 16 :])))


def test_the_inferencer_sees_what_is_shown(tmp_path: Path) -> None:
    """The same scores as by inference_recognizer, from frames that a player shows; errors name the file."""
    config = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
    path = str(VIDEOS / 'h264_trimmed.mp4')
    torch.manual_seed(0)
    model = init_recognizer(str(config), device='cpu')
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.1)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    wanted = inference_recognizer(model, path).pred_score
    hidden = [dict(type='DecordInit'), *model.cfg.test_pipeline[1:]]
    assert not torch.allclose(wanted, inference_recognizer(model, path, Compose(hidden)).pred_score, atol=1e-3)

    inferencer = ActionRecogInferencer(str(config), str(tmp_path / 'model.pth'), device='cpu')
    (found,) = inferencer(path)['predictions']
    np.testing.assert_allclose(found['pred_scores'], wanted, atol=1e-6)

    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(Path(path).read_bytes()[:3000])
    for name in (broken, tmp_path / 'none.mp4'):
        with pytest.raises(UnreadableVideoError, match=f'cannot read video {name}'):
            inferencer(str(name))


def pipeline(clip: int, init: str = 'mmaction.DecordInit') -> list[dict]:
    return [
        dict(type=init),
        dict(type='mmaction.SampleFrames', clip_len=clip, frame_interval=1, num_clips=1, test_mode=True),
        dict(type='mmaction.DecordDecode'),
        dict(type='mmaction.FormatShape', input_format='NCTHW'),
        dict(type='mmaction.PackActionInputs', meta_keys=('total_frames', 'frame_inds')),
    ]


def dataset_of(path: Path, tmp_path: Path, pipeline: list[dict], fields: str = '0', **kwargs) -> object:
    (tmp_path / 'list.txt').write_text(f'{path} {fields}\n')
    return DATASETS.build(
        dict(type='mmhvt.VideoDataset', ann_file=str(tmp_path / 'list.txt'), pipeline=pipeline, test_mode=True) | kwargs
    )


def numbers_of(sample: dict) -> list[int]:
    (clip,) = sample['inputs'].numpy()
    return [number_in(frame.transpose(1, 2, 0)) for frame in clip.transpose(1, 0, 2, 3)]


def test_datasets_sample_what_is_shown(tmp_path: Path) -> None:
    """Bugs 8: the last quarter of such clips was one frame."""
    sample = dataset_of(VIDEOS / 'h264_trimmed.mp4', tmp_path, pipeline(47))[0]
    assert numbers_of(sample) == list(range(13, 60)) and sample['data_samples'].total_frames == 47
    repeated = dataset_of(
        VIDEOS / 'h264_trimmed.mp4',
        tmp_path,
        pipeline(47),
        type='mmhvt.RepeatAugDataset',
        num_repeats=2,
        test_mode=False,
    )
    assert [numbers_of(sample) for sample in repeated[0]] == [list(range(13, 60))] * 2
    # seconds count from the first frame that is shown
    segment = dataset_of(
        VIDEOS / 'h264_trimmed.mp4',
        tmp_path,
        pipeline(10),
        '0.4 0.8 0',
        type='mmhvt.SegmentVideoDataset',
        test_mode=False,
    )
    (sample,) = segment[0]
    assert numbers_of(sample) == list(range(23, 33))


def test_transform_by_name_and_in_pipelines_that_are_built(tmp_path: Path) -> None:
    path = str(VIDEOS / 'h264_trimmed.mp4')
    ours = TRANSFORMS.build(dict(type='mmhvt.DecordInit', num_threads=1))
    assert isinstance(ours, DecordInit) and ours(dict(filename=path))['total_frames'] == 47
    # MMAction2 takes names without a suffix for MP4s
    assert ours(dict(filename=path.removesuffix('.mp4')))['total_frames'] == 47
    (init,) = wrap_readers([TRANSFORMS.build(dict(type='mmaction.DecordInit'))])
    results = init(dict(filename=path))
    assert results['total_frames'] == 47 and results['avg_fps'] == pytest.approx(FPS)
    key_frame = TRANSFORMS.build(dict(type='mmhvt.SampleKeyFrameClip', clip_len=2, frame_interval=1, target_fps=FPS))
    decode = TRANSFORMS.build(dict(type='mmaction.DecordDecode'))
    results |= dict(timestamp=901, timestamp_start=900, start_index=0)
    assert [number_in(frame) for frame in decode(key_frame(results))['imgs']] == [13 + 24, 13 + 25]
    efficient = TRANSFORMS.build(dict(type='mmaction.DecordDecode', mode='efficient'))
    results = init(dict(filename=path)) | dict(frame_inds=np.array([0, 46, 20]))
    assert [number_in(frame) for frame in efficient(results)['imgs']] == [13, 59, 33]


def test_nothing_shown_is_unreadable(plain: bytes, tmp_path: Path) -> None:
    (tmp_path / 'none.mp4').write_bytes(with_edits(plain, [(0, 13)]))
    with pytest.raises(UnreadableVideoError, match='none.mp4: RuntimeError: the edit list leaves no frame to show'):
        dataset_of(tmp_path / 'none.mp4', tmp_path, pipeline(4))[0]


def test_batches_of_both_kinds(plain: bytes, tmp_path: Path) -> None:
    (tmp_path / 'plain.mp4').write_bytes(plain)
    samples = [
        dataset_of(path, tmp_path, pipeline(8))[0] for path in (tmp_path / 'plain.mp4', VIDEOS / 'h264_trimmed.mp4')
    ]
    assert [clip.shape for clip in pseudo_collate(samples)['inputs']] == [(1, 3, 8, 32, 64)] * 2


CODECS = {
    'h264': '-c:v libx264 -pix_fmt yuv420p -g 12 -bf 3',
    'h264_open': '-c:v libx264 -pix_fmt yuv420p -g 12 -bf 2 -x264-params open-gop=1',
    'hevc_open': '-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none:keyint=12:open-gop=1',
    'mpeg4': '-c:v mpeg4 -bf 2 -g 12',
    'h264_uneven': '-vf select=not(eq(mod(n\\,7)\\,3)) -fps_mode vfr -c:v libx264 -pix_fmt yuv420p -g 12 -bf 2',
}
OTHERS = {
    'h264.avi': CODECS['h264'],
    'mpeg4.avi': CODECS['mpeg4'],
    'h264.m2ts': CODECS['h264'],
    'hevc.ts': CODECS['hevc_open'],
    'uneven.ts': CODECS['h264_uneven'],
    'h264.flv': CODECS['h264'],
    'mpeg2.vob': '-c:v mpeg2video -bf 2',
    'wmv2.wmv': '-c:v wmv2 -g 12',
    'early.mkv': f'{CODECS["h264"]} -output_ts_offset -0.5 -avoid_negative_ts disabled',
    'turned.mkv': '-display_rotation:v:0 90 -c copy',
    'trimmed_fragments.mp4': '-ss 0.7 -c copy -movflags +dash+global_sidx -frag_duration 300000',
}
TRIMS = {
    'start': ('-ss 0.7', ''),
    'near the end': ('-ss 2.3', ''),
    'both': ('-ss 0.7 -t 1', ''),
    'negative offsets': ('-ss 0.7', '-movflags negative_cts_offsets'),
    'later': ('-itsoffset 0.5 -ss 0.7', ''),
}


@pytest.mark.faults
@pytest.mark.parametrize('codec', CODECS)
def test_frames_alone_are_those_in_order(codec: str, tmp_path: Path, record_property: Callable) -> None:
    """Each frame of what ffmpeg trims is the same, alone, in order and in batches (faults D5)."""
    ffmpeg = [pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe(), '-loglevel', 'error', '-y']
    source = ['-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=25:duration=3']
    whole = tmp_path / 'whole.mp4'
    subprocess.run([*ffmpeg, *source, *CODECS[codec].split(), whole], check=True)
    tried = held = 0
    for before, behind in TRIMS.values():
        path = tmp_path / 'trimmed.mp4'
        subprocess.run([*ffmpeg, *before.split(), '-i', whole, '-c', 'copy', *behind.split(), path], check=True)
        capture, shown = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
        while (read := capture.read())[0]:
            shown.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB).astype(int))
        reader = open_video(path)
        assert len(reader) == len(shown) > 10
        order = np.random.RandomState(0).permutation(len(shown))
        batch = open_video(path).get_batch(order).asnumpy()
        for place, index in enumerate(order):
            alone = open_video(path)[int(index)].asnumpy()
            tried += 1
            # decoders round differently
            held += all(np.abs(found - shown[index]).mean() < 2 for found in (alone, batch[place]))
        in_order = [reader[index].asnumpy() for index in range(len(shown))]
        assert all(np.abs(found - frame).mean() < 2 for found, frame in zip(in_order, shown, strict=True))
    record_property('section', 'D videos')
    record_property('tried', tried)
    record_property('held', held)
    assert held == tried


@pytest.mark.faults
@pytest.mark.parametrize('name', OTHERS)
def test_frames_alone_in_other_containers(name: str, tmp_path: Path, record_property: Callable) -> None:
    """Where decord alone gives other frames, up to whole groups of pictures away."""
    ffmpeg = [pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe(), '-loglevel', 'error', '-y']
    source = ['-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=25:duration=8']
    path, options = tmp_path / name, OTHERS[name].split()
    if 'copy' in options:
        subprocess.run([*ffmpeg, *source, *CODECS['h264'].split(), tmp_path / 'whole.mp4'], check=True)
        source, at = ['-i', tmp_path / 'whole.mp4'], options.index('-c')
        source, options = [*options[:at], *source], options[at:]
    subprocess.run([*ffmpeg, *source, *options, path], check=True)
    capture, shown = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := capture.read())[0]:
        shown.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB).astype(int))
    reader = open_video(path)
    assert len(reader) == len(shown) > 100
    order = np.random.RandomState(0).permutation(len(shown))
    batch = reader.get_batch(order).asnumpy()
    held = sum(bool(np.abs(found - shown[index]).mean() < 2) for found, index in zip(batch, order, strict=True))
    record_property('section', 'D videos')
    record_property('tried', len(order))
    record_property('held', held)
    assert held == len(order)


@pytest.mark.faults
def test_interlaced_frames_are_no_garbage(tmp_path: Path) -> None:
    """OpenCV with FFmpeg 8 gives memory in their place: decord's are read, or none by the demos."""
    ffmpeg = [pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe(), '-loglevel', 'error', '-y']
    source = ['-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=25:duration=2']
    videos = {
        'plain.mpg': '-c:v mpeg2video',
        'a.mpg': '-c:v mpeg2video -flags +ilme+ildct',
        'b.mp4': '-c:v libx264 -pix_fmt yuv420p -flags +ilme+ildct -x264opts tff=1',
    }
    for name, options in videos.items():
        path = tmp_path / name
        subprocess.run([*ffmpeg, *source, *options.split(), path], check=True)
        frames = open_video(path).get_batch([30, 2]).asnumpy()
        # of bars of pure colors
        assert (frames.max((1, 2)) > 200).all() and (frames.std((1, 2)) > 50).all()
        try:
            first = next(FrameSource(path).frames())
        except UnreadableVideoError as error:
            assert 'does not convert its interlaced frames' in str(error) and name != 'plain.mpg'
        else:
            assert np.abs(first.astype(int) - next(FrameSource(tmp_path / 'plain.mpg').frames())).mean() < 10
