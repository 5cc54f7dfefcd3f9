"""Reads views that exactness.ts made and compares them with two references: the definition in double precision (dequantise, inverse
DCT, antialiased triangle resample, DCT), and a real decoder followed by Pillow's resize. Prints decibels against a peak of 255."""
import io, json, sys
import numpy as np
from PIL import Image

T8 = np.array([[np.sqrt((1 if k == 0 else 2) / 8) * np.cos(np.pi * (2 * n + 1) * k / 16) for n in range(8)] for k in range(8)])


def spatial(blocks, quant):
    """int16 [high, wide, 64] -> float64 [8 high, 8 wide], centred on zero."""
    high, wide, _ = blocks.shape
    b = blocks.reshape(high, wide, 8, 8) * quant.reshape(8, 8).astype(np.float64)
    p = np.einsum("ku,hwkl,lv->hwuv", T8, b, T8)
    return p.transpose(0, 2, 1, 3).reshape(high * 8, wide * 8)


def blocks_of(plane):
    h, w = plane.shape
    p = plane.reshape(h // 8, 8, w // 8, 8).transpose(0, 2, 1, 3)
    return np.einsum("uk,hwkl,vl->hwuv", T8, p, T8).reshape(h // 8, w // 8, 64)


def weights(axis, density, size, step):
    """[outputs, size]"""
    start, end, scaled, out_start, count, flip = axis
    scale = (end - start) / scaled
    support = max(1.0, scale * density * step)
    j = np.arange(count // step)[:, None]
    x = np.arange(size)[None, :]
    centre = (start + (out_start + (j + 0.5) * step) * scale) * density
    w = np.maximum(0, 1 - np.abs((x + 0.5 - centre) / support))
    w *= (x >= np.floor(start * density)) & (x < min(size, np.ceil(end * density)))
    outside = w.sum(axis=1) == 0
    w[outside, min(size, int(np.ceil(end * density))) - 1] = 1
    w /= w.sum(axis=1, keepdims=True)
    return w[::-1] if flip else w


def psnr(found, wanted):
    error = np.mean((found.astype(np.float64) - wanted) ** 2)
    return 10 * np.log10(255 ** 2 / max(error, 1e-30))


exact, pillow, clipped = [], [], []
for line in sys.stdin:
    case = json.loads(line)
    raw = open(case["file"], "rb").read()
    at = 0

    def take(kind, count):
        global at
        values = np.frombuffer(raw, kind, count, at)
        at += values.nbytes
        return values

    jpeg = take(np.uint8, case["jpegBytes"]).tobytes()
    comps = case["components"]
    quant = take(np.uint16, 64 * len(comps))
    coefficients = [take(np.int16, c["high"] * c["wide"] * 64).reshape(c["high"], c["wide"], 64) for c in comps]
    at = (at + 3) // 4 * 4
    s = case["size"]
    views = [take(np.float32, s * s), take(np.float32, s * s // 4), take(np.float32, s * s // 4)]
    pixels = take(np.float32, s * s * 3).reshape(s, s, 3)
    top_h, top_v = max(c["h"] for c in comps), max(c["v"] for c in comps)
    spatials, saturated = [], []
    for i, c in enumerate(comps):
        step = 1 if i == 0 else 2
        dx, dy = c["h"] / top_h, c["v"] / top_v
        plane = spatial(coefficients[i], quant[64 * i : 64 * i + 64])
        wide, high = -(-case["width"] * c["h"] // top_h), -(-case["height"] * c["v"] // top_v)
        plane = plane[:high, :wide]
        wanted = blocks_of(weights(case["y"], dy, high, step) @ plane @ weights(case["x"], dx, wide, step).T)
        exact.append(psnr(views[i].reshape(wanted.shape), wanted))
        wy, wx = weights(case["y"], dy, high, 1), weights(case["x"], dx, wide, 1)
        spatials.append(wy @ plane @ wx.T)
        saturated.append(wy @ np.clip(plane, -128, 127) @ wx.T)
    for i in range(len(comps)):
        exact.append(psnr(pixels[:, :, i] - 128, spatials[i]))
    image = Image.open(io.BytesIO(jpeg))
    image.draft("YCbCr" if len(comps) == 3 else "L", image.size)
    image.load()
    box = (case["x"][0], case["y"][0], case["x"][1], case["y"][1])
    # A box is cut out first, as torchvision does; chroma only where the decoder does not interpolate it.
    cut = image.crop(tuple(int(v) for v in box)).resize((s, s), Image.Resampling.BILINEAR)
    channels = np.asarray(cut).reshape(s, s, -1)
    if case["x"][5]:
        channels = channels[:, ::-1]
    same = all(c["h"] == top_h and c["v"] == top_v for c in comps)
    for i in range(len(comps) if same else 1):
        pillow.append(psnr(np.clip(pixels[:, :, i], 0, 255), channels[:, :, i]))
        # What the decoder takes away by clipping to 0..255 before the resize, which no linear view does.
        clipped.append(psnr(np.clip(saturated[i] + 128, 0, 255), channels[:, :, i]))

for name, values in (("definition, float64", exact), ("decoder to uint8, then Pillow", pillow), ("the definition, clipped as the decoder does, and the same", clipped)):
    v = np.array(values)
    print(f"  {name}: {len(v)} planes, worst {v.min():.1f} dB, 1st percentile {np.percentile(v, 1):.1f}, mean {v.mean():.1f}")
