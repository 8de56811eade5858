"""Small grey pictures: sheets, PNG files, pictures of visitors brought to 32x32, strokes drawn.

Grey values run from -1 (ground) to 1 (ink), as the networks of `models.unet` were trained: light on
dark. Pictures are (n, 32, 32).
"""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Picture = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDE = 32  # pixels
MOST_PIXELS = 16_000_000  # of an uploaded picture
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
QUALITY = 80  # of JPEG
PEN = 2.6  # width of a drawn stroke, pixels
FINE = 8  # strokes are drawn so much larger, then averaged
EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "ddpm" / "examples.npz"
KINDS = ("hanzi", "digits")


class PictureError(ValueError):
    """A file cannot be used as a picture.

    Args:
        code: "format", "corrupt" or "pixels" (too many).
        details: Numbers for the sentence.
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code, self.details = code, details


def grey(pictures: ArrayLike) -> Bytes:
    """Return bytes 0..255 for values -1..1, clipped."""
    values = np.asarray(pictures, dtype=np.float64)
    return np.rint((np.clip(values, -1, 1) + 1) * 127.5).astype(np.uint8)


def sheet(pictures: ArrayLike, n_columns: int, gap: int = 2) -> Bytes:
    """Return pictures side by side, row by row, on a ground of 0.

    Args:
        pictures: (n, height, width) or (n, 1, height, width) in [-1, 1], or (n, 3, height, width)
            in colour.
        n_columns: Pictures in a row.
        gap: Pixels between and around them.

    Returns:
        (rows * (height + gap) + gap, columns * (width + gap) + gap), in colour with a last axis 3.
    """
    tiles = grey(pictures)
    if tiles.ndim == 4:
        tiles = tiles[:, 0] if tiles.shape[1] == 1 else tiles.transpose(0, 2, 3, 1)
    n, height, width = tiles.shape[:3]
    n_rows = -(-n // n_columns)
    size = (n_rows * (height + gap) + gap, n_columns * (width + gap) + gap, *tiles.shape[3:])
    page = np.zeros(size, np.uint8)
    for k, tile in enumerate(tiles):
        row, column = divmod(k, n_columns)
        top, left = row * (height + gap) + gap, column * (width + gap) + gap
        page[top : top + height, left : left + width] = tile
    return page


def data_uri(page: Bytes, n_levels: int = 256) -> str:
    """Return a picture as an address that holds it whole: grey as PNG, colour as JPEG.

    Args:
        page: Bytes (height, width) or (height, width, 3).
        n_levels: Grey levels kept, 2..256; 16 need a third of the room of 256.
    """
    from PIL import Image

    file, options = io.BytesIO(), {}
    if page.ndim == 3:
        Image.fromarray(page).save(file, "JPEG", quality=QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    if n_levels < 256:
        image = Image.fromarray(np.rint(page * ((n_levels - 1) / 255)).astype(np.uint8), "P")
        levels = np.rint(np.linspace(0, 255, n_levels)).astype(np.uint8)
        image.putpalette(np.repeat(levels, 3).tobytes())
        options = {"bits": max(1, (n_levels - 1).bit_length())}
    else:
        image = Image.fromarray(page)
    image.save(file, "PNG", compress_level=9, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def halved(tiles: NDArray[Any]) -> NDArray[Any]:
    """Return pictures (..., height, width) no larger than 32 pixels, each 2x2 pixels averaged."""
    while max(tiles.shape[-2:]) > SIDE and not (tiles.shape[-1] % 2 or tiles.shape[-2] % 2):
        *more, height, width = tiles.shape
        tiles = tiles.reshape(*more, height // 2, 2, width // 2, 2).mean((-3, -1))
    return tiles


# --- Pictures of the visitor ----------------------------------------------------------------------


@dataclass(frozen=True)
class Conversion:
    """What was done to bring a picture to 32x32.

    Attributes:
        width: Of the file, pixels.
        height: Of the file, pixels.
        mode: Of the file: "L", "RGB", "RGBA", …
        inverted: Whether dark on light became light on dark.
    """

    width: int
    height: int
    mode: str
    inverted: bool


def read_picture(path: str | Path) -> tuple[Picture, Conversion]:
    """Return an uploaded picture as (32, 32) and what was done to it.

    The first frame is turned upright, laid on white where it is transparent, made grey, padded to a
    square with the colour of its border, reduced, and inverted if the border is light.

    Raises:
        PictureError: The file is no picture of a known format, is damaged or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height, mode = *image.size, image.mode
            if width * height > MOST_PIXELS:
                raise PictureError(
                    "pixels", given=width * height / 1e6, limit=MOST_PIXELS / 1e6
                ) from None
            upright = ImageOps.exif_transpose(image)
            flat = _flat(upright)
    except UnidentifiedImageError:
        raise PictureError("format", formats=", ".join(FORMATS)) from None
    except Image.DecompressionBombError as error:  # its sentence alone says how many
        found = re.search(r"\d+", str(error))
        given = float(found[0]) / 1e6 if found else float("inf")
        raise PictureError("pixels", given=given, limit=MOST_PIXELS / 1e6) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError("corrupt") from None
    border = np.concatenate([flat[0], flat[-1], flat[:, 0], flat[:, -1]])
    ground = float(np.median(border))
    side = max(flat.shape)
    square = np.full((side, side), ground, np.float32)
    top, left = ((side - size) // 2 for size in flat.shape)
    square[top : top + flat.shape[0], left : left + flat.shape[1]] = flat
    small = Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32) / 127.5 - 1
    inverted = ground > 127.5
    return np.clip(-values if inverted else values, -1, 1), Conversion(
        width, height, mode, inverted
    )


def _flat(image: Any) -> Picture:
    """Return the grey values 0..255 of a picture of any mode, (height, width)."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # 16 bits and more: no colour, its own scale
        values = np.asarray(image, np.float32)
        return values / max(float(values.max()), 255.0) * 255
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return np.asarray(image.convert("L"), np.float32)


def rasterise(strokes: Sequence[ArrayLike], pen: float = PEN) -> Picture:
    """Return strokes as light lines on dark, (32, 32).

    Args:
        strokes: Each (m, 2), x to the right and y down, in pixels of the picture.
        pen: Width of the lines, pixels.
    """
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (SIDE * FINE, SIDE * FINE))
    draw = ImageDraw.Draw(canvas)
    radius = pen * FINE / 2
    for stroke in strokes:
        places = (np.asarray(stroke, np.float64) + 0.5) * FINE
        marks = [(float(x), float(y)) for x, y in places]
        if len(marks) > 1:
            draw.line(marks, fill=255, width=round(2 * radius), joint="curve")
        for x, y in (marks[0], marks[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    fine = np.asarray(canvas, np.float32).reshape(SIDE, FINE, SIDE, FINE)
    return np.asarray(fine.mean((1, 3)) / 127.5 - 1, np.float32)


@lru_cache(maxsize=1)
def examples() -> dict[str, Picture]:
    """Return real pictures that no network was trained on: "hanzi" and "digits", (n, 32, 32).

    Made by `training.ddpm_examples`.
    """
    with np.load(EXAMPLES, allow_pickle=False) as stored:
        return {kind: stored[kind].astype(np.float32) / 127.5 - 1 for kind in KINDS}
