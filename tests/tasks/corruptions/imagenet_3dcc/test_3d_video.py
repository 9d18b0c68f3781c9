"""The codecs against FFmpeg's own scaler, container and noise filter."""

from __future__ import annotations

import builtins
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_3dcc.video import (
    COARSEST_CRF,
    REFERENCE_CRF,
    compress,
    damage,
    fitting_crf,
    to_planes,
    to_rgb,
    zoom_clip,
)


def one(image, name, severity, image_id="x"):
    return corrupt(image[None], name, severity, image_ids=[image_id])[0]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.fixture(scope="module")
def photo(request):
    """Something with edges, slopes and texture, 160 x 192."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[0:1:160j, 0:1:192j]
    image = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * x * y], -1)
    for _ in range(25):
        cy, cx, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.15)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0, 1, 3)
    image += 0.06 * np.sin(60 * x + 35 * y)[..., None] + rng.normal(0, 0.015, image.shape)
    return np.uint8(np.clip(image, 0, 1) * 255)


def test_colours_are_bt601s():
    """Against FFmpeg's scaler. It takes other neighbours for chroma, so the picture has no sharp colours."""
    y, x = np.mgrid[0:1:160j, 0:1:192j]
    image = np.stack([255 * x, 255 * y, 127 + 127 * np.sin(5 * x + 7 * y)], -1).astype(np.uint8)
    theirs = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p").to_ndarray()
    ours = to_planes(image)
    assert ours.shape == theirs.shape
    assert np.abs(ours[:160].astype(int) - theirs[:160]).max() <= 1
    assert np.abs(ours[160:].astype(int) - theirs[160:]).mean() < 1
    back = av.VideoFrame.from_ndarray(ours, "yuv420p").reformat(format="rgb24").to_ndarray()
    assert np.abs(to_rgb(ours, 160, 192).astype(int) - back).mean() < 1.6
    assert np.abs(to_rgb(ours, 160, 192).astype(int) - image).mean() < 1


def test_greys_survive_the_colour_conversion():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    ramp = ramp.repeat(2, 0).repeat(2, 1)
    assert np.abs(to_rgb(to_planes(ramp), 32, 32).astype(int) - ramp).max() <= 1
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 30, 90)):
        flat = np.full((21, 17, 3), colour, np.uint8)
        assert np.abs(to_rgb(to_planes(flat), 21, 17).astype(int) - flat).max() <= 2


def test_planes_are_continued_to_what_codecs_take():
    image = np.random.default_rng(0).integers(0, 256, (17, 33, 3), dtype=np.uint8)
    assert to_planes(image).shape == (27, 34)
    assert to_planes(image, 64).shape == (96, 64)
    assert to_rgb(to_planes(image, 64), 17, 33).shape == image.shape


@pytest.mark.parametrize(("severity", "crf"), [(1, 24), (3, 32), (5, 41)])
def test_crf_is_that_of_ffmpeg_through_a_file(photo, severity, crf):
    """As from a command line: default preset, a container, FFmpeg's own scaling and colours, at twice the size."""
    stream = BytesIO()
    with av.open(stream, "w", format="matroska") as container:
        video = container.add_stream("libx265", rate=25)
        video.width, video.height, video.pix_fmt = 384, 320, "yuv420p"
        video.options = {"crf": str(crf), "x265-params": "log-level=none"}
        frame = av.VideoFrame.from_ndarray(photo, "rgb24")
        frame = frame.reformat(384, 320, "yuv420p", interpolation="BICUBIC")
        for packet in [*video.encode(frame), *video.encode(None)]:
            packet.dts = packet.pts  # x265 leaves that of a single frame unset: whatever is in memory
            container.mux(packet)
    stream.seek(0)
    with av.open(stream) as container:
        frame = next(container.decode(video=0))
    theirs = frame.reformat(192, 160, "rgb24", interpolation="AREA").to_ndarray()
    # Compared in luma, because FFmpeg's scaler takes chroma from other neighbours.
    ours, theirs, clean = (
        picture @ (0.299, 0.587, 0.114) for picture in (one(photo, "h265_crf", severity), theirs, photo)
    )
    assert psnr(ours, clean) == pytest.approx(psnr(theirs, clean), abs=1.2)
    assert psnr(ours, theirs) > psnr(ours, clean) + 1


@pytest.mark.parametrize("name", ["h265_crf", "h265_abr"])
def test_distortion_grows(photo, name):
    quality = [psnr(one(photo, name, severity), photo) for severity in range(1, 6)]
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > 26
    assert quality[0] - quality[4] > 4


@pytest.mark.parametrize("divisor", [2, 4, 8, 16, 32])
def test_rate_is_the_best_that_fits(photo, divisor):
    """Found by asking every factor, with sizes from an encoder that this test sets up."""
    planes = to_planes(photo)

    def size(crf):
        context = av.CodecContext.create("libx265", "w")
        context.width, context.height, context.pix_fmt, context.time_base = 192, 160, "yuv420p", Fraction(1, 25)
        context.options = {
            "preset": "ultrafast",
            "x265-params": f"crf={crf}:info=0:log-level=none:pools=none:frame-threads=1",
        }
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts = 0
        return sum(packet.size for packet in [*context.encode(frame), *context.encode(None)])

    sizes = [size(crf) for crf in range(REFERENCE_CRF, COARSEST_CRF + 1)]
    fitting = [crf for crf, needed in enumerate(sizes, REFERENCE_CRF) if needed <= sizes[0] / divisor]
    assert fitting_crf(planes, divisor) == min(fitting, default=COARSEST_CRF)


@pytest.mark.parametrize("divisor", [2, 4, 8, 16])
def test_the_rate_found_at_the_images_own_size_holds_for_the_enlarged(photo, divisor):
    large = to_planes(np.asarray(Image.fromarray(photo).resize((384, 320), Image.Resampling.BICUBIC)))
    crf = fitting_crf(to_planes(photo), divisor)
    ratio = len(compress(large, REFERENCE_CRF)) / len(compress(large, crf))
    assert ratio == pytest.approx(divisor, rel=0.35)


def test_noise_damages_as_many_bytes_as_ffmpegs_filter():
    rng = np.random.default_rng(0)
    packets = [rng.integers(0, 256, 50_000, dtype=np.uint8).tobytes() for _ in range(8)]
    noise = BitStreamFilterContext("noise=amount=1000")

    def theirs(packet):
        copied = av.Packet(len(packet))  # a packet made of bytes shares their memory, and the filter writes into it
        copied.update(packet)
        return bytes(noise.filter(copied)[0])

    shares = []
    for change in (lambda p: [theirs(x) for x in p], lambda p: damage(p, 1e-3, rng)):
        changed = change(packets)
        assert [len(x) for x in changed] == [len(x) for x in packets]
        pairs = zip(changed, packets, strict=True)
        shares.append(np.mean([np.frombuffer(a, np.uint8) != np.frombuffer(b, np.uint8) for a, b in pairs]))
    assert shares[0] == pytest.approx(1e-3, rel=0.25)
    assert shares[1] == pytest.approx(shares[0], rel=0.35)


def test_there_is_always_an_error():
    packets = [b"abc", b"", b"defgh"]
    for seed in range(20):
        changed = damage(packets, 1e-9, np.random.default_rng(seed))
        assert [len(x) for x in changed] == [3, 0, 5]
        assert sum(a != b for x, y in zip(changed, packets, strict=True) for a, b in zip(x, y, strict=True)) == 1


@pytest.mark.parametrize("step", [0.01, -0.01])
def test_the_clip_approaches_the_image(photo, step):
    frames = [to_rgb(planes, 160, 192) for planes in zoom_clip(photo, step)]
    difference = [np.abs(frame.astype(int) - frames[-1]).mean() for frame in frames]
    assert difference[-1] == 0
    assert np.polyfit(range(len(frames)), difference, 1)[0] < 0
    assert difference[0] > 2 * difference[-2]


def test_errors_of_transmission_leave_a_picture(photo):
    """Most of it is right, and what is wrong is wrong in places: unlike compression, which errs everywhere a little."""
    error = [np.abs(one(photo, "bit_error", 4, str(i)).astype(int) - photo).mean(-1) for i in range(12)]
    assert np.median(error) < 10
    assert np.quantile(error, 0.99) > 40


def test_damaged_pictures_are_the_same_every_time(photo):
    small = np.ascontiguousarray(photo[:64, :80])
    expected = [one(small, "bit_error", 5, str(i)) for i in range(30)]
    for i in reversed(range(30)):  # another order finds other contents in the decoder's memory
        np.testing.assert_array_equal(one(small, "bit_error", 5, str(i)), expected[i])


@pytest.mark.parametrize("name", ["bit_error", "h265_abr", "h265_crf"])
def test_a_missing_encoder_names_the_fix(photo, name, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264", "libx265"})
    with pytest.raises(DataError, match=r"libx26[45] is missing .* pip install .*av"):
        one(photo, name, 1)


def test_missing_pyav_names_the_fix(photo, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "av":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=r"PyAV is not installed.*pip install 'av>="):
        one(photo, "h265_crf", 1)
