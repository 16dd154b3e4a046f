"""Images whose errors name the file."""

from collections.abc import Callable

from mmcv.transforms import LoadImageFromFile


class NamedImage:
    """Wrapper of LoadImageFromFile whose errors name the file, and which compares its size with the annotations'.

    Args:
        transform: Transform to wrap.
    """

    def __init__(self, transform: LoadImageFromFile) -> None:
        self.transform = transform

    def __call__(self, results: dict) -> dict | None:
        """Loads the image.

        Raises:
            OSError: If it is no file.
            ValueError: If it is no image, or has another size than ``results['height']`` and ``results['width']``, by
                which boxes and masks would be misplaced.
        """
        name = results['img_path']
        sides = results.get('height'), results.get('width')
        try:
            results = self.transform(results)
        except OSError:
            raise
        except Exception as error:  # of OpenCV, mmcv and PIL
            reason = ' '.join(str(error).split()).removesuffix(f': {name}')
            raise ValueError(f'cannot read image {name}: {type(error).__name__}: {reason}') from error
        if results is not None and None not in sides and results['img'].shape[:2] != sides:
            (height, width), (rows, columns) = results['img'].shape[:2], sides
            raise ValueError(
                f'image {name} has {width} × {height} pixels, but {columns} × {rows} in the annotation file: correct '
                'the file, or replace the image by the one that was annotated'
            )
        return results

    def __repr__(self) -> str:
        return repr(self.transform)


def name_images(transforms: list[Callable]) -> list[Callable]:
    """Wraps those transforms of a pipeline that load images by :class:`NamedImage`."""
    return [NamedImage(one) if isinstance(one, LoadImageFromFile) else one for one in transforms]
