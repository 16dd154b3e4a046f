"""Images whose errors name the file."""

from collections.abc import Callable

from mmcv.transforms import LoadImageFromFile


class NamedImage:
    """Wrapper of LoadImageFromFile that names the file in errors and compares the image size with the annotations.

    Args:
        transform: Transform to wrap.
    """

    def __init__(self, transform: LoadImageFromFile) -> None:
        self.transform = transform

    def __call__(self, results: dict) -> dict | None:
        """Loads the image.

        Raises:
            OSError: If it is not a file.
            ValueError: If it is not an image, or its size is not ``results['height']`` and ``results['width']``, so
                that boxes and masks would be misplaced.
        """
        name = results['img_path']
        sides = results.get('height'), results.get('width')
        try:
            results = self.transform(results)
        except OSError:
            raise
        except Exception as error:  # from OpenCV, mmcv or PIL
            reason = ' '.join(str(error).split()).removesuffix(f': {name}')
            raise ValueError(f'cannot read image {name}: {type(error).__name__}: {reason}') from error
        if results is not None and None not in sides and results['img'].shape[:2] != sides:
            (height, width), (rows, columns) = results['img'].shape[:2], sides
            raise ValueError(
                f'image {name} has {width} × {height} pixels, but {columns} × {rows} in the annotation file: correct '
                'the file, or replace the image with the one that was annotated'
            )
        return results

    def __repr__(self) -> str:
        return repr(self.transform)


def name_images(transforms: list[Callable]) -> list[Callable]:
    """Wraps the transforms of a pipeline that load images in :class:`NamedImage`."""
    return [NamedImage(one) if isinstance(one, LoadImageFromFile) else one for one in transforms]
