"""Draws input, masked input and reconstruction of a masked auto-encoder.

    python tools/analysis/show_mae.py CONFIG CHECKPOINT INPUT… --out DIR

Inputs are images or videos, as the config was trained on, read by the config's own pipeline. Each gets a PNG in DIR; a
video's is a strip of frames, and a video gets a GIF, too. Only masked units are predicted, and only the first frame of
a token that spans two; the reconstruction shows them pasted into what was visible. With normalized targets
(`norm_pix`), a model predicts each patch up to brightness and contrast, so those of the hidden patch are used.
`mim run mmhvt show_mae CONFIG CHECKPOINT INPUT… --out DIR` is the same.
"""

import argparse
from pathlib import Path

from mmhvt.analysis.reconstructions import caption, draw, load_model, read_input, reconstruct, write_gif
from mmhvt.utils.configs import CfgOptions, read_config


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of pre-training')
    parser.add_argument('checkpoint', help='file from pre-training, or from another source of mmhvt.migrate')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='image or video')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--seed', type=int, default=0, help='decides mask, crop and place of the clip')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    stems = [Path(path).stem for path in args.inputs]
    try:
        cfg = read_config(args.config, args.cfg_options)
        model = load_model(cfg, args.checkpoint)
        args.out.mkdir(parents=True, exist_ok=True)
        for index, (path, stem) in enumerate(zip(args.inputs, stems, strict=True)):
            reconstruction = reconstruct(model, read_input(cfg, path, args.seed), args.seed)
            # inputs of the same name from several folders must not overwrite each other
            out = args.out / (stem if stems.count(stem) == 1 else f'{stem}_{index}')
            draw(Path(f'{out}.png'), reconstruction, caption(model))
            print(f'{out}.png')
            if len(model.patch) == 3:
                write_gif(Path(f'{out}.gif'), reconstruction)
                print(f'{out}.gif')
    except (OSError, ValueError) as error:
        raise SystemExit(f'show_mae.py: {error}') from None


if __name__ == '__main__':
    main()
