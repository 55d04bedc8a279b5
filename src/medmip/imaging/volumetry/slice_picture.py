"""One slice of a scan as a picture, with the outlines of what was found in it."""

import colorsys
import io
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from medmip.errors import NotFound
from medmip.imaging.volumetry.tissue_map import TissueLabel
from medmip.imaging.volumetry.view import Plane, View

_Kind = TypeVar("_Kind", bound=np.generic)
LONGEST = 512
"""Pixels of a picture's longer side."""
_GOLDEN = 0.618033988749895
"""A turn of the hue by which labels with near numbers look different."""
_TISSUE_COLOURS = {
    TissueLabel.FLUID: (64, 156, 255),
    TissueLabel.GREY: (255, 196, 0),
    TissueLabel.WHITE: (255, 92, 138),
}


class Outlines(StrEnum):
    """What is outlined."""

    NONE = "none"
    LABELS = "labels"
    TISSUES = "tissues"


def colour_of(label: int) -> tuple[int, int, int]:
    """The red, green and blue of a label's outline, the same in every picture."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def slice_picture(
    view: View, plane: Plane, at: int, outlines: Outlines, only: int | None = None
) -> bytes:
    """A PNG of pixels alone; the patient's right is at the left, front or top is upwards.

    at counts slices from the left, back or bottom of the volume; only names the one label that
    is outlined. Sagittal slices have the front at the right. Raises NotFound where the volume has
    no such slice.
    """
    if not 0 <= at < view.grey.shape[plane.axis]:
        raise NotFound(
            f"The volume has no {plane} slice {at}.",
            remedy=f"Ask for one of 0 to {view.grey.shape[plane.axis] - 1}.",
        )
    grey = _seen(view.grey, plane, at)
    rows, columns = _size(view, plane, grey.shape)
    drawn = Picture.fromarray(grey).resize((columns, rows), Picture.Resampling.BILINEAR)
    pixels = np.repeat(np.asarray(drawn)[..., None], 3, axis=2)
    volume = {Outlines.LABELS: view.labels, Outlines.TISSUES: view.tissues}.get(outlines)
    if volume is not None:
        labels = _enlarged(_seen(volume, plane, at), rows, columns)
        if only is not None:
            labels = np.where(labels == only, labels, 0)
        _draw(pixels, labels, outlines)
    written = io.BytesIO()
    Picture.fromarray(pixels).save(written, "PNG", compress_level=3)
    return written.getvalue()


def _seen(volume: NDArray[_Kind], plane: Plane, at: int) -> NDArray[_Kind]:
    """Rows from top to bottom, columns from left to right, as a person sees them."""
    rows_by_columns = np.moveaxis(volume, plane.axis, 0)[at].T[::-1]
    turned = rows_by_columns if plane is Plane.SAGITTAL else rows_by_columns[:, ::-1]
    return np.ascontiguousarray(turned)


def _size(view: View, plane: Plane, shape: tuple[int, ...]) -> tuple[int, int]:
    across, up = (edge for axis, edge in enumerate(view.edges) if axis != plane.axis)
    height, width = shape[0] * up, shape[1] * across
    scale = LONGEST / max(height, width)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def _enlarged(labels: NDArray[np.uint16], rows: int, columns: int) -> NDArray[np.uint16]:
    down = (np.arange(rows) * labels.shape[0] / rows).astype(int)
    along = (np.arange(columns) * labels.shape[1] / columns).astype(int)
    return np.asarray(labels[np.ix_(down, along)])


def _draw(pixels: NDArray[np.uint8], labels: NDArray[np.uint16], outlines: Outlines) -> None:
    """Colours each pixel that has a neighbour of another label."""
    owner = np.zeros_like(labels)
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        border = labels[here] != labels[there]
        first = np.where(labels[here] > 0, labels[here], labels[there])
        # Both sides of a border have its colour: a line of one pixel is lost where it is shrunk.
        for side in (here, there):
            owner[side] = np.where(border, first, owner[side])
    for label in np.unique(owner[owner > 0]):
        tissue = outlines is Outlines.TISSUES
        number = int(label)
        pixels[owner == label] = (
            _TISSUE_COLOURS[TissueLabel(number)] if tissue else colour_of(number)
        )
