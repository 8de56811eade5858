"""Pictures of visitors in every mode and shape, sheets, PNG addresses, strokes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from models import pictures
from models.pictures import SIDE, PictureError, read_picture

RAMP = np.add.outer(np.arange(64) * 2, np.arange(64)).astype(np.uint8)  # 0..189


def save(path, image, **options):
    image.save(path, **options)
    return path


def decode(address):
    head, _, data = address.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(data)))


# --- Sheets and addresses -------------------------------------------------------------------------


def test_grey_covers_the_range_and_clips():
    assert pictures.grey([-2, -1, 0, 1, 2]).tolist() == [0, 0, 128, 255, 255]


def test_sheet_lays_pictures_row_by_row():
    tiles = np.stack([np.full((2, 3), value) for value in (-1.0, 0.0, 1.0)])
    page = pictures.sheet(tiles, 2, gap=1)
    assert page.shape == (2 * 3 + 1, 2 * 4 + 1)
    assert (page[1:3, 5:8] == 128).all() and (page[4:6, 1:4] == 255).all()
    assert page[0].max() == 0 and (page[4:6, 5:8] == 0).all()


def test_sheet_keeps_colour():
    tiles = -np.ones((1, 3, 2, 2))
    tiles[0, 1] = 1
    page = pictures.sheet(tiles, 1, gap=0)
    assert page.shape == (2, 2, 3) and page[0, 0].tolist() == [0, 255, 0]


def test_png_round_trip_is_exact(rng):
    page = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(pictures.data_uri(page))), page)


def test_colour_comes_back_nearly_as_it_was():
    page = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=2)
    address = pictures.data_uri(page)
    assert address.startswith("data:image/jpeg;base64,")
    gap = np.asarray(decode(address), np.float64) - page
    assert np.abs(gap).mean() < 8


@pytest.mark.parametrize(
    ("size", "expected"), [((32, 32), 32), ((64, 64), 32), ((256, 256), 32), ((3, 64, 64), 32)]
)
def test_large_ones_are_halved_and_keep_their_mean(size, expected, rng):
    tiles = rng.standard_normal((2, *size))
    small = pictures.halved(tiles)
    assert small.shape == (2, *size[:-2], expected, expected)
    np.testing.assert_allclose(small.mean(), tiles.mean(), atol=1e-12)


def test_odd_sizes_are_not_halved():
    assert pictures.halved(np.zeros((1, 33, 64))).shape == (1, 33, 64)


@pytest.mark.parametrize("n_levels", [2, 4, 16])
def test_few_levels_are_the_nearest_ones(n_levels, rng):
    page = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    seen = np.asarray(decode(pictures.data_uri(page, n_levels)).convert("L"), np.float64)
    step = 255 / (n_levels - 1)
    assert len(np.unique(seen)) == n_levels
    assert np.abs(seen - page).max() <= step / 2 + 0.5
    assert seen[page == 0].max(initial=0) == 0 and seen[page == 255].min(initial=255) == 255


def test_sixteen_levels_need_less_room(rng):
    page = pictures.grey(rng.standard_normal((64, 64)))
    assert len(pictures.data_uri(page, 16)) < 0.65 * len(pictures.data_uri(page))


# --- Pictures of visitors -------------------------------------------------------------------------

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")


def in_mode(mode):
    """Return a light square on dark, in a mode."""
    values = np.zeros((64, 64), np.uint8)
    values[16:48, 16:48] = 255
    if mode == "I;16":
        return Image.fromarray(values.astype(np.uint16) * 257)
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_the_same_square(mode, tmp_path):
    ending = "jpg" if mode == "CMYK" else "png"
    path = save(
        tmp_path / f"square.{ending}",
        in_mode(mode),
        **({"quality": 100} if ending == "jpg" else {}),
    )
    x, done = read_picture(path)
    assert x.shape == (SIDE, SIDE) and x.dtype == np.float32
    assert np.abs(x).max() <= 1 and not done.inverted
    assert (done.width, done.height) == (64, 64)
    assert x[10:22, 10:22].min() > 0.95 and x[:6].max() < -0.95
    assert done.mode == mode


def test_sixteen_bits_keep_their_greys(tmp_path):
    values = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    x, done = read_picture(save(tmp_path / "ramp.png", Image.fromarray(values)))
    assert done.mode == "I;16"
    assert np.diff(x[0] if not done.inverted else -x[0]).min() > 0


def test_transparent_palette_is_laid_on_white(tmp_path):
    image = Image.new("P", (64, 64), 0)
    image.putpalette([255, 0, 0, 0, 0, 0] + [0] * 750)
    image.paste(1, (16, 16, 48, 48))
    x, done = read_picture(save(tmp_path / "p.png", image, transparency=0))
    assert done.mode == "P" and done.inverted  # black on white, once the red is seen through
    assert x[16, 16] > 0.95 and x[0, 0] == -1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white(mode, tmp_path):
    image = Image.new(mode, (40, 40))  # all black, all transparent
    image.paste((0, 255) if mode == "LA" else (0, 0, 0, 255), (10, 10, 30, 30))
    x, done = read_picture(save(tmp_path / "t.png", image))
    assert done.inverted and x[16, 16] > 0.95 and x[0, 0] == -1


def test_dark_on_light_is_inverted_and_light_on_dark_is_not(tmp_path):
    light = Image.fromarray(255 - np.asarray(in_mode("L")))
    one, first = read_picture(save(tmp_path / "a.png", light))
    other, second = read_picture(save(tmp_path / "b.png", in_mode("L")))
    assert first.inverted and not second.inverted
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_exif_rotation_is_undone(tmp_path):
    values = np.zeros((64, 64), np.uint8)
    values[:16, 24:40] = 255  # at the top
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    path = save(tmp_path / "turned.jpg", Image.fromarray(values), exif=exif, quality=100)
    x, _ = read_picture(path)
    assert x[16, 28] > 0.9 and x[2, 16] < -0.9, "the top should be at the right"


@pytest.mark.parametrize(("width", "height"), [(200, 20), (20, 200), (33, 31), (1, 300)])
def test_tall_and_wide_ones_are_padded_to_a_square(width, height, tmp_path):
    image = Image.new("L", (width, height), 0)
    image.paste(255, (width // 4, height // 4, width - width // 4, height - height // 4))
    x, done = read_picture(save(tmp_path / "long.png", image))
    assert x.shape == (SIDE, SIDE) and (done.width, done.height) == (width, height)
    if min(width, height) > 1:
        assert x[0, 0] == -1 and x[-1, -1] == -1 and x.max() > -0.5
        wide = width > height
        ink = np.argwhere(x > -0.9)
        span = ink.max(axis=0) - ink.min(axis=0)
        assert width == 33 or (span[1] > span[0]) == wide


@pytest.mark.parametrize("value", [0, 255])
def test_a_single_pixel_is_a_plain_ground(value, tmp_path):
    x, done = read_picture(save(tmp_path / "one.png", Image.new("L", (1, 1), value)))
    assert x.shape == (SIDE, SIDE) and (x == -1).all()
    assert done.inverted == (value == 255) and (done.width, done.height) == (1, 1)


def test_an_animation_gives_its_first_frame(tmp_path):
    dark = Image.new("L", (32, 32), 0)
    path = save(tmp_path / "film.gif", in_mode("L"), save_all=True, append_images=[dark, dark])
    x, done = read_picture(path)
    assert x[16, 16] > 0.9 and (done.width, done.height) == (64, 64)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "gif"])
def test_every_format_is_read(ending, tmp_path):
    x, _ = read_picture(save(tmp_path / f"a.{ending}", in_mode("L")))
    assert x[16, 16] > 0.9 and x[1, 1] < -0.9


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_picture_is_named(content, tmp_path):
    path = tmp_path / "wrong.png"
    path.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.code == "format" and "PNG" in caught.value.details["formats"]


def test_another_format_with_a_known_ending_is_refused(tmp_path):
    path = tmp_path / "wrong.png"
    in_mode("L").save(path, format="TIFF")
    with pytest.raises(PictureError, match="format"):
        read_picture(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "bmp"])
def test_cut_short_files_are_refused(ending, tmp_path, rng):
    path = tmp_path / f"cut.{ending}"
    Image.fromarray(rng.integers(0, 256, (64, 64)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.code in ("corrupt", "format")
    assert ending == "webp" or caught.value.code == "corrupt"


def test_damaged_bytes_are_refused(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(RAMP))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\0" * 30
    path.write_bytes(content)
    with pytest.raises(PictureError, match="corrupt"):
        read_picture(path)


@pytest.mark.parametrize("size", [(5000, 4000), (20_000, 20_000)])
def test_too_many_pixels_are_refused_with_their_number(size, tmp_path):
    path = save(tmp_path / "large.png", Image.new("1", size), compress_level=1)
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.code == "pixels" and caught.value.details["limit"] == 16
    assert caught.value.details["given"] == pytest.approx(size[0] * size[1] / 1e6)


# --- Strokes and examples -------------------------------------------------------------------------


def test_a_stroke_lies_where_it_was_drawn():
    x = pictures.rasterise([[[4, 16], [27, 16]]])
    assert x.shape == (SIDE, SIDE) and x.dtype == np.float32
    assert x[16, 4:28].min() > 0.9 and x[:14].max() == -1 and x[19:].max() == -1
    assert x[16, 0] == -1 and x[16, 31] == -1


def test_a_dot_is_as_wide_as_the_pen():
    x = pictures.rasterise([[[10, 20]]], pen=4.0)
    ink = float((x + 1).sum() / 2)
    assert ink == pytest.approx(np.pi * 4, rel=0.1) and x[20, 10] == 1


def test_strokes_outside_are_cut_off_and_none_is_empty():
    assert (pictures.rasterise([[[200, 200], [300, 300]]]) == -1).all()
    assert (pictures.rasterise([]) == -1).all()
    assert pictures.rasterise([[[-10, 5], [50, 5]]])[5].min() == 1


def test_examples_are_real_pictures():
    for kind in pictures.KINDS:
        tiles = pictures.examples()[kind]
        assert tiles.shape == (12, SIDE, SIDE) and tiles.dtype == np.float32
        assert tiles.min() == -1 and tiles.max() == 1
        assert all(0.02 < share < 0.5 for share in (tiles > 0).mean(axis=(1, 2)))
