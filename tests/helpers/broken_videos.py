"""Videos that are broken on purpose."""

import os
import pickle
import random
import re
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# where FFmpeg's demuxers find lengths, counts and places
_NAMES = (
    rb'stco|co64|stsz|stsc|stts|ctts|elst|stss|stsd|avcC|mdhd|mvhd|tkhd|hdlr|trun|tfhd|moof|moov|mdat|idx1|avih|strh|'
    rb'strf|movi|RIFF'
)
_NUMBERS = [2**32 - 1, 2**31 - 1, 0, 2**31, 2**32 - 16, 1, 2**32 - 129, 2**20, 2**12]
_VALUES = [number.to_bytes(4, 'big') for number in _NUMBERS]


def write_videos(folder: Path) -> list[Path]:
    """A video of 50 frames of 96×64 in each container and codec that ffmpeg has."""
    import imageio_ffmpeg

    folder.mkdir(exist_ok=True)
    x264 = '-c:v libx264 -pix_fmt yuv420p -g 12 -bf 2 -threads 1'
    options = {
        'h264.mp4': x264,
        'h264_first.mp4': f'{x264} -movflags faststart',
        'h264_fragments.mp4': f'{x264} -movflags frag_keyframe+empty_moov',
        'h264_sound.mov': f'-f lavfi -i sine=duration=2 {x264} -c:a aac',
        'h264.mkv': x264,
        'h264.flv': x264,
        'h264.ts': x264,
        'hevc.mp4': '-c:v libx265 -x265-params log-level=none:keyint=12 -pix_fmt yuv420p',
        'mpeg4.mp4': '-c:v mpeg4 -bf 2 -g 12',
        'mpeg4_sound.avi': '-f lavfi -i sine=duration=2 -c:v mpeg4 -g 12 -c:a mp3',
        'mjpeg.avi': '-c:v mjpeg',
        'mpeg2.mpg': '-c:v mpeg2video -g 12',
        'vp8.webm': '-c:v libvpx -deadline realtime -cpu-used 8 -g 12',
        'vp9.webm': '-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12',
        'wmv2.wmv': '-c:v wmv2 -g 12',
    }
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), '-loglevel', 'error', '-y']
    source = ['-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=25:duration=2']
    for name, given in options.items():
        subprocess.run([*ffmpeg, *source, *given.split(), str(folder / name)], check=True)
    trimmed = ['-ss', '0.7', '-i', str(folder / 'h264.mp4'), '-c', 'copy', str(folder / 'h264_trimmed.mp4')]
    subprocess.run([*ffmpeg, *trimmed], check=True)
    return sorted(folder.iterdir())


def mutations(content: bytes, rng: random.Random) -> Iterator[bytes]:
    """Endless copies with a few other bytes in headers, tables and pictures; some are cut."""
    places = [found.start() for found in re.finditer(_NAMES, content)] or [0]
    while True:
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
            # 4 bytes ahead of a name is the size of its box, behind it are counts and entries
            table = rng.choice(places) - 4 + 4 * rng.randrange(14)
            ends = rng.choice([rng.randrange(2048), len(content) - rng.randrange(1, 4096), rng.randrange(len(content))])
            at = min(max(0, table if rng.random() < 0.6 else ends), len(content) - 4)
            changed[at : at + 4] = rng.choice([rng.choice(_VALUES), rng.randbytes(4), bytes(4)])
        if rng.random() < 0.15:
            del changed[rng.randrange(1, len(changed)) :]
        yield bytes(changed)


def in_child(function: Callable[[], Any], seconds: int = 30) -> Any:
    """What a function returns in a forked process, or how that ended: 'SIGSEGV', 'SIGALRM' after so many seconds, or
    the exception.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.alarm(seconds)
            os.write(writing, pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, 'rb') as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return signal.Signals(-status).name if status < 0 else pickle.loads(answer)


def with_number(content: bytes, name: bytes, offset: int, number: int, order: str = '>') -> bytes:
    """A file with another 32-bit number so many bytes behind the first occurrence of a name."""
    at = content.index(name) + offset
    return content[:at] + struct.pack(f'{order}I', number) + content[at + 4 :]
