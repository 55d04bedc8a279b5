"""Text in the pixels of most slices is found, whatever its size and brightness; heads have none."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from medmip.cli.main import main
from medmip.imaging.burned_text import has_text
from medmip.imaging.volume import Volume, read_volume
from medmip.imaging.volumetry.requirements import shipped_template
from tests.imaging.person import person
from tests.imaging.scanner import COLUMNS, ROWS, scan

SHAPE = (128, 128)


def glyphs(shape, text, size, at=(3, 3)):
    """How much of each pixel is ink, with soft edges as consoles draw them."""
    drawn = Image.new("L", shape[::-1])
    font = ImageFont.load_default(size)
    ImageDraw.Draw(drawn).text(at, text, fill=255, font=font)
    return np.asarray(drawn, np.float32) / 255


@pytest.fixture(scope="module")
def head():
    """Voxels of a head with noise, on a field of 128 pixels in every direction."""
    voxels = person().scan.voxels
    random = np.random.default_rng(1)
    wide = np.hypot(*random.normal(0, 7, (2, 128, 128, 128))).astype(np.float32)
    low = [(128 - n) // 2 for n in voxels.shape]
    wide[tuple(slice(a, a + n) for a, n in zip(low, voxels.shape, strict=True))] = voxels
    return wide


def burned(voxels, text, size, brightness, *, axis=2, share=1.0, jitter=0.0, at=(3, 3)):
    """Text in a share of the slices across an axis; brightness is a share of the brightest."""
    changed = np.moveaxis(voxels.copy(), axis, 0)
    ink = glyphs(changed.shape[1:], text, size, at)
    random = np.random.default_rng(2)
    value = brightness * np.percentile(voxels, 99.9)
    for slice_ in changed[: round(share * len(changed))]:
        worn = value * (1 + random.uniform(-jitter, jitter, ink.shape))
        slice_[:] = slice_ * (1 - ink) + worn * ink
    return Volume(np.moveaxis(changed, 0, axis), np.eye(4))


@pytest.mark.parametrize("size", [9, 12, 18, 30, 48])
@pytest.mark.parametrize("brightness", [0.2, 0.5, 1.0, 2.0])
def test_text_of_any_size_and_brightness_is_found(head, size, brightness):
    text = "DUPONT AMELIE"[: 2 if size > 24 else 6]
    assert has_text(burned(head, text, size, brightness))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("at", [(2, 112), (40, 55)])
def test_text_is_found_along_every_axis_and_over_the_head(head, axis, at):
    assert has_text(burned(head, "HOSP4711", 11, 0.8, axis=axis, at=at))


def test_text_is_found_in_most_slices_and_after_lossy_compression(head):
    assert has_text(burned(head, "HOSP4711", 11, 0.8, share=0.6))
    assert has_text(burned(head, "HOSP4711", 11, 0.8, jitter=0.01))
    # What the docs say is not found.
    assert not has_text(burned(head, "HOSP4711", 11, 0.8, share=0.4))


def test_text_in_whole_numbers_is_found(head):
    found = burned(head, "HOSP4711", 11, 0.8).voxels
    assert has_text(Volume(found.astype(np.uint8), np.eye(4)))


@pytest.mark.parametrize("noise", [0, 0.02, 0.1])
def test_no_text_is_seen_in_the_template_brain(noise):
    template = read_volume(shipped_template())
    random = np.random.default_rng(3)
    voxels = template.voxels[::2, ::2, ::2].astype(np.float32)
    voxels += random.normal(0, noise * np.percentile(voxels, 99), voxels.shape) if noise else 0
    assert not has_text(Volume(voxels.astype(np.float32), template.affine))
    assert not has_text(Volume(np.abs(voxels).astype(np.uint8), template.affine))


@pytest.mark.parametrize("noise", [0, 0.01, 0.1])
def test_no_text_is_seen_in_a_head(noise):
    whole = person(noise).scan
    assert not has_text(Volume(whole.voxels, whole.affine))
    # As where a scanner clips what is too bright, or clears the air.
    clipped = np.minimum(whole.voxels, np.percentile(whole.voxels, 98))
    assert not has_text(Volume(clipped, whole.affine))
    assert not has_text(Volume(np.where(clipped < 40, 0, clipped), whole.affine))


def test_no_text_is_seen_in_a_real_head(colin):
    assert not has_text(read_volume(colin))


def test_a_bottle_and_padding_are_no_text():
    x, y, z = np.indices((64, 64, 64)) - 32
    bottle = np.where(x**2 + y**2 < 20**2, 500, 3).astype(np.int16)
    assert not has_text(Volume(bottle, np.eye(4)))
    random = np.random.default_rng(5)
    padded = np.full((64, 64, 64), 100, np.int16)
    padded[10:50, 10:50, 10:50] = 200 * (x**2 + y**2 + z**2 < 15**2)[10:50, 10:50, 10:50]
    padded[10:50, 10:50, 10:50] += random.integers(0, 20, (40, 40, 40), np.int16)
    assert not has_text(Volume(padded, np.eye(4)))


def test_a_scan_with_text_is_refused_until_somebody_has_looked(home, tmp_path, capsys):
    ink = glyphs((ROWS, COLUMNS), "DUPONT", 14) > 0.5

    def burn(file, _):
        pixels = np.frombuffer(file.PixelData, "<u2").reshape(ROWS, COLUMNS).copy()
        pixels[ink] = 600
        file.PixelData = pixels.tobytes()

    scan(tmp_path / "in", change=burn)

    def adding(*options):
        place = ["--home", str(home.path), "--json"]
        with pytest.raises(SystemExit) as ended:
            main(["imaging", "add", str(tmp_path / "in"), *options, *place])
        (one,) = json.loads(capsys.readouterr().out)
        return ended.value.code or 0, one

    code, refused = adding()
    assert (code, refused["verdict"]) == (1, "refused")
    assert "drawn into its pixels" in refused["reason"]
    assert "--believe-text" in refused["reason"]
    assert refused["patient"] is None
    code, taken = adding("--believe-text")
    assert (code, taken["verdict"], taken["text"]) == (0, "taken", "believed to name nobody")


def test_a_scan_without_text_says_that_it_was_looked_for(added, tmp_path):
    scan(tmp_path / "in")
    (one,) = added(tmp_path / "in")
    assert one.record.text == "none found"
