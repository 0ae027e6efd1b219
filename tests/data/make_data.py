#!/usr/bin/env python3
"""Writes small arrays and images for the tests; numpy and Pillow say what they hold.

Needs python3-numpy and python3-pil (Debian 12). JPEG: what Debian's libjpeg-turbo decodes.
"""
import os
import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(3)


def path(*parts):
    p = os.path.join(HERE, *parts)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


def picture(h, w):
    """Waves and noise: sharp and smooth parts."""
    y, x = np.mgrid[0:h, 0:w]
    base = np.stack([127 + 100 * np.sin(x / 5 + k) * np.cos(y / (4 + k)) for k in range(3)], -1)
    return (base + rng.normal(0, 25, base.shape)).clip(0, 255).astype(np.uint8)


def shorter(image, size):
    w, h = image.size
    size = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    return image.resize(size, Image.BILINEAR)


def middle(image, size):
    w, h = image.size
    left, top = int(round((w - size) / 2.0)), int(round((h - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


# The three images of a folder: down, up, and gray.
images = {"a.png": Image.fromarray(picture(53, 37)), "b.png": Image.fromarray(picture(15, 21)),
          "c.png": Image.fromarray(picture(30, 40)).convert("L")}
for name, image in images.items():
    image.save(path("images", name))
Image.fromarray(picture(40, 48)).save(path("images", "d.jpg"), quality=90)
images["d.jpg"] = Image.open(path("images", "d.jpg"))
with open(path("images", "labels.txt"), "w") as f:
    f.write("b 7\na.png 3\n\n  c  0\nd.jpg 12\n")

out = [np.asarray(middle(shorter(i.convert("RGB"), 23), 20)) for i in images.values()]
np.save(path("images_rgb.npy"), np.stack(out))
np.save(path("images_gray.npy"),
        np.stack([np.asarray(middle(shorter(i.convert("RGB"), 23), 20).convert("L")) for i in images.values()]))

with open(path("images.yaml"), "w") as f:
    f.write("""# Four small images: resized, cropped, BGR, by channel
images: images
labels: images/labels.txt
label_offset: 1
preprocess:
  resize: 23
  crop: 20
  interpolation: bilinear
  channels: bgr
  scale: 1/255
  mean: [0.25, 0.5, 0.125]
  std: [0.5, 1, 2]
  layout: nchw
""")

# Arrays: what numpy writes, in several orders and versions.
grid = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
np.save(path("npy", "c_order.npy"), grid)
np.save(path("npy", "fortran.npy"), np.asfortranarray(grid))
np.save(path("npy", "scalar.npy"), np.array(2.5))
np.save(path("npy", "empty.npy"), np.zeros((0, 3), np.int16))
np.save(path("npy", "big_endian.npy"), grid.astype(">f4"))
np.save(path("npy", "objects.npy"), np.array([None, 1], dtype=object), allow_pickle=True)
for version in (2, 0), (3, 0):
    with open(path("npy", f"version{version[0]}.npy"), "wb") as f:
        np.lib.format.write_array(f, grid.astype(np.int64), version=version)
np.savez(path("npy", "two.npz"), x=grid, y=np.array([3, 1], np.int64))
np.savez_compressed(path("npy", "one.npz"), only=grid)

# u8 images as an array, and their labels
np.save(path("digits_u8.npy"), np.arange(5 * 2 * 3 * 3, dtype=np.uint8).reshape(5, 2, 3, 3))
np.save(path("digits_y.npy"), np.array([4, 0, 1, 2, 9], np.int64))
with open(path("tensors.yaml"), "w") as f:
    f.write("""tensors: digits_u8.npy
labels: digits_y.npy
range: [1, 3]
preprocess: {scale: 0.5, mean: [1, 2, 3], std: 2, layout: nchw}
""")
