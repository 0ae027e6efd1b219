# glyphs.py - draw labelled digits: stroked glyphs, distorted, cluttered and noisy.
#
#   style -> wobble -> place -> ink -> scraps -> expose -> u8
#
# Everything is drawn from a numpy Generator; the same seed gives the same images.

import numpy as np

SIZE = 24  # pixels, both ways


def arc(cx, cy, rx, ry, start, end, steps=12):
    """Points of an elliptic arc; degrees, 0 is right, 90 is down (y grows downwards)."""
    t = np.radians(np.linspace(start, end, steps + 1))
    return [(cx + rx * np.cos(a), cy + ry * np.sin(a)) for a in t]


def rounded(x0, y0, x1, y1, r):
    """A closed box with round corners."""
    path = (arc(x1 - r, y0 + r, r, r, -90, 0, 3) + arc(x1 - r, y1 - r, r, r, 0, 90, 3)
            + arc(x0 + r, y1 - r, r, r, 90, 180, 3) + arc(x0 + r, y0 + r, r, r, 180, 270, 3))
    return path + path[:1]


# STYLES[digit] is a list of styles; a style is a list of strokes; a stroke is a list of points in
# the unit square. Every style of a digit is equally likely.
STYLES = [
    [  # 0: round, narrow, boxy, slashed
        [arc(.5, .5, .30, .45, 0, 360, 18)],
        [arc(.5, .5, .19, .45, 20, 380, 18)],
        [rounded(.22, .06, .78, .94, .20)],
        [arc(.5, .5, .31, .44, 0, 360, 18), [(.34, .74), (.66, .26)]],
    ],
    [  # 1: bare, with a flag, with flag and foot
        [[(.5, .05), (.5, .95)]],
        [[(.30, .28), (.54, .06), (.54, .95)]],
        [[(.32, .24), (.52, .06), (.52, .94)], [(.28, .94), (.76, .94)]],
    ],
    [  # 2: round, looped, angular
        [arc(.5, .30, .28, .25, 190, 390) + [(.22, .94), (.80, .94)]],
        [arc(.48, .29, .26, .24, 200, 410) + [(.32, .82)] + arc(.30, .84, .10, .09, 300, 60, 6)
         + [(.56, .88), (.82, .92)]],
        [[(.22, .08), (.76, .08), (.76, .46), (.24, .52), (.24, .93), (.78, .93)]],
    ],
    [  # 3: two bowls, flat top, joined without a notch
        [arc(.47, .28, .25, .22, 200, 450), arc(.47, .71, .29, .24, 270, 520)],
        [[(.24, .07), (.74, .07), (.46, .42)] + arc(.46, .68, .28, .26, 270, 510)],
        [arc(.42, .27, .30, .21, 220, 440) + arc(.42, .71, .34, .23, 285, 500)],
    ],
    [  # 4: open, closed, long leg
        [[(.30, .06), (.22, .58), (.80, .58)], [(.64, .26), (.64, .95)]],
        [[(.66, .95), (.66, .05), (.18, .66), (.84, .66)]],
        [[(.24, .08), (.24, .46), (.74, .46)], [(.74, .06), (.74, .95)]],
    ],
    [  # 5: bar and bowl, one line, angular
        [[(.76, .07), (.32, .07), (.27, .46)] + arc(.48, .66, .29, .27, 230, 500)],
        [[(.74, .10), (.40, .08), (.30, .44), (.52, .42)] + arc(.50, .68, .24, .25, 280, 470)],
        [[(.78, .07), (.24, .07), (.24, .47), (.76, .50), (.76, .92), (.22, .92)]],
    ],
    [  # 6: curled, straight stem, tall loop
        [arc(.62, .55, .40, .50, 265, 180, 8) + arc(.5, .68, .27, .26, 180, -180, 14)],
        [[(.64, .05), (.30, .52)] + arc(.50, .68, .26, .25, 215, -145, 14)],
        [[(.36, .05), (.25, .62)] + arc(.49, .72, .24, .22, 190, -160, 14)],
    ],
    [  # 7: plain, crossed, with a serif, bent
        [[(.20, .08), (.80, .08), (.42, .95)]],
        [[(.20, .08), (.78, .08), (.42, .95)], [(.34, .50), (.76, .50)]],
        [[(.20, .24), (.20, .08), (.78, .08), (.50, .48), (.44, .95)]],
        [[(.22, .08), (.76, .08)] + arc(.86, .95, .38, .70, 240, 180, 6)],
    ],
    [  # 8: two rings, one crossing line, stacked boxes
        [arc(.5, .28, .22, .21, 0, 360, 14), arc(.5, .72, .28, .23, 0, 360, 14)],
        [arc(.5, .27, .24, .21, -40, -220, 8) + arc(.5, .73, .27, .22, -40, 220, 12)
         + [(.68, .41)]],
        [rounded(.26, .06, .74, .48, .10), rounded(.22, .48, .78, .94, .12)],
    ],
    [  # 9: curled, straight stem, one line with a bent leg
        [arc(.5, .32, .27, .26, 0, 360, 14) + arc(.38, .45, .39, .50, 0, 85, 8)],
        [arc(.48, .31, .25, .24, 0, 360, 14), [(.73, .12), (.73, .95)]],
        [arc(.5, .30, .25, .24, -20, 340, 14) + [(.68, .60), (.46, .95)]],
    ],
]


def segments_of(style):
    """All strokes of a style as [segments, 2 ends, 2]."""
    return np.array([(a, b) for stroke in style for a, b in zip(stroke, stroke[1:])], np.float64)


def wobble(rng, points, strength):
    """Elastic distortion: moves points [b, s, 2, 2] by three random slow waves an axis."""
    b = len(points)
    moved = points.copy()
    for axis in range(2):
        for _ in range(3):
            fx, fy = rng.uniform(-1.6, 1.6, (2, b, 1, 1))
            phase = rng.uniform(0, 2 * np.pi, (b, 1, 1))
            height = strength * rng.uniform(0, 1, (b, 1, 1))
            moved[..., axis] += height * np.sin(
                2 * np.pi * (fx * points[..., 0] + fy * points[..., 1]) + phase)
    return moved


def place(rng, points):
    """Random turn, slant, size and position: unit square to pixels."""
    b = len(points)

    def column(low, high):
        return rng.uniform(low, high, (b, 1, 1))

    turn, slant = column(-.30, .30), column(-.35, .35)
    height = column(.50, .88) * SIZE
    width = height * column(.60, 1.0)
    x = (points[..., 0] - .5) * width
    y = (points[..., 1] - .5) * height
    x = x - slant * y
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    middle = (SIZE - 1) / 2
    reach = np.maximum(1, (SIZE - height) / 2)
    x += middle + reach * column(-1, 1)
    y += middle + reach * column(-1, 1)
    return np.stack([x, y], -1)


def ink(segments, width):
    """Coverage 0..1 of strokes: segments [b, s, 2, 2] in pixels, width [b] in pixels."""
    b, count = segments.shape[:2]
    segments = segments.astype(np.float32)
    gy, gx = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    nearest = np.full((b, SIZE, SIZE), np.inf, np.float32)  # squared distance
    for s in range(count):
        (ax, ay), (bx, by) = segments[:, s].transpose(1, 2, 0)[..., None, None]
        dx, dy = bx - ax, by - ay
        px, py = gx - ax, gy - ay
        t = np.clip((px * dx + py * dy) / np.maximum(dx * dx + dy * dy, 1e-6), 0, 1)
        px -= t * dx
        py -= t * dy
        np.minimum(nearest, px * px + py * py, out=nearest)
    return np.clip(width[:, None, None] / 2 + .5 - np.sqrt(nearest), 0, 1)


def scraps(rng, b):
    """Ink of up to three stray strokes an image, mostly near the border."""
    sheet = np.zeros((b, SIZE, SIZE), np.float32)
    for _ in range(3):
        angle = rng.uniform(0, 2 * np.pi, b)
        away = rng.uniform(.30, .60, b) * SIZE
        start = SIZE / 2 + away[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        path = start[:, None] + np.cumsum(rng.normal(0, .13 * SIZE, (b, 3, 2)), 1)
        strokes = np.stack([path[:, :-1], path[:, 1:]], 2)
        drawn = ink(strokes, rng.uniform(1.0, 2.6, b)) * rng.uniform(.3, .9, (b, 1, 1))
        drawn[rng.random(b) < .55] = 0
        sheet = np.maximum(sheet, drawn)
    return sheet


def blur(images, amount):
    """Mixes every pixel with its four neighbours; amount [b], 0 keeps the image."""
    p = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (p[:, 2:, 1:-1] + p[:, :-2, 1:-1] + p[:, 1:-1, 2:] + p[:, 1:-1, :-2]) / 4
    amount = amount[:, None, None]
    return images * (1 - amount) + around * amount


def expose(rng, sheet):
    """Ink 0..1 to a photograph 0..255: contrast, polarity, uneven light, blur, noise."""
    b = len(sheet)

    def column(low, high):
        return rng.uniform(low, high, (b, 1, 1))

    contrast = column(.30, .90)
    paper = column(0, 1) * (1 - contrast)
    image = paper + contrast * sheet
    dark = rng.random(b) < .35  # dark ink on light paper
    image[dark] = 1 - image[dark]
    gy, gx = np.mgrid[:SIZE, :SIZE] / (SIZE - 1) - .5
    image += column(-.25, .25) * gx + column(-.25, .25) * gy
    image = blur(image, rng.uniform(0, .7, b))
    image += rng.normal(0, 1, image.shape) * column(.01, .12)
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


def draw(rng, count):
    """Draws count digits: images u8 [count, SIZE, SIZE, 1], labels i64 [count]."""
    labels = rng.integers(0, 10, count)
    pick = rng.random(count)
    sheet = np.zeros((count, SIZE, SIZE), np.float32)
    for digit, styles in enumerate(STYLES):
        for k, style in enumerate(styles):
            rows = np.flatnonzero((labels == digit) & ((pick * len(styles)).astype(int) == k))
            points = np.repeat(segments_of(style)[None], len(rows), 0)
            points = place(rng, wobble(rng, points, .045))
            sheet[rows] = ink(points, rng.uniform(1.0, 3.2, len(rows)))
    strength = rng.uniform(.7, 1, (count, 1, 1))
    sheet = np.maximum(sheet * strength, scraps(rng, count))
    return expose(rng, sheet)[..., None], labels.astype(np.int64)
