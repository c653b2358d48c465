"""Draws what cameras look at: streets, yards, corridors and crossings, as panoramas of 960x540 gray values, each from a seed."""
import math
import random

WIDTH, HEIGHT = 960, 540


class Canvas:
    def __init__(self, level):
        self.rows = [bytearray([level]) * WIDTH for _ in range(HEIGHT)]

    def box(self, x, y, w, h, level):
        x, y, w, h = int(x), int(y), int(w), int(h)
        left, right = max(x, 0), min(x + w, WIDTH)
        if right > left:
            fill = bytes([max(0, min(255, int(level)))]) * (right - left)
            for row in self.rows[max(y, 0):max(0, min(y + h, HEIGHT))]:
                row[left:right] = fill

    def frame(self, x, y, w, h, thick, level):
        self.box(x, y, w, thick, level)
        self.box(x, y + h - thick, w, thick, level)
        self.box(x, y, thick, h, level)
        self.box(x + w - thick, y, thick, h, level)

    def disc(self, x, y, rx, ry, level):
        for dy in range(-int(ry), int(ry) + 1):
            half = rx * math.sqrt(max(0, 1 - (dy / ry) ** 2))
            self.box(x - half, y + dy, 2 * half, 1, level)

    def slope(self, x0, y0, x1, y1, thick, level):
        steps = int(max(abs(x1 - x0), abs(y1 - y0), 1))
        for i in range(steps + 1):
            self.box(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps, thick, thick, level)

    def fade(self, top, bottom, from_level, to_level):
        for y in range(int(top), int(bottom)):
            self.box(0, y, WIDTH, 1, from_level + (to_level - from_level) * (y - top) / (bottom - top))

    def grain(self, r, top, bottom, size):
        """What walls and roads are like close up."""
        for y in range(int(top), int(bottom)):
            noise = r.randbytes(WIDTH)
            row = self.rows[y]
            self.rows[y] = bytearray(min(255, max(0, v + n % (2 * size + 1) - size)) for v, n in zip(row, noise))

    def pgm(self):
        return b"P5 %d %d 255\n" % (WIDTH, HEIGHT) + b"".join(self.rows)


def tree(c, r, x, y, size):
    c.box(x - size / 12, y, size / 6, size, r.randint(30, 70))
    for _ in range(60):
        a, d = r.uniform(0, 2 * math.pi), r.uniform(0, size * 0.6)
        c.disc(x + d * math.cos(a), y - size * 0.3 + d * math.sin(a) * 0.8, size * r.uniform(0.05, 0.16) + 1,
               size * r.uniform(0.05, 0.14) + 1, r.randint(40, 130))


def car(c, r, x, y, size):
    level = r.choice([30, 60, 150, 200, 225])
    c.box(x, y, size, size * 0.3, level)
    c.box(x + size * 0.2, y - size * 0.2, size * 0.6, size * 0.22, level * 0.8)
    c.box(x + size * 0.25, y - size * 0.16, size * 0.5, size * 0.14, 50 if level > 100 else 160)
    c.disc(x + size * 0.2, y + size * 0.3, size * 0.09 + 1, size * 0.09 + 1, 20)
    c.disc(x + size * 0.8, y + size * 0.3, size * 0.09 + 1, size * 0.09 + 1, 20)


def building(c, r, x, w, top, bottom):
    level = r.randint(70, 190)
    c.box(x, top, w, bottom - top, level)
    step_x, step_y = r.randint(22, 46), r.randint(26, 52)
    pane = level + r.choice([-60, -45, 45, 60])
    for wy in range(int(top) + 12, int(bottom) - step_y + 8, step_y):
        for wx in range(int(x) + 8, int(x + w) - step_x + 8, step_x):
            c.box(wx, wy, step_x * 0.55, step_y * 0.6, pane + r.randint(-25, 25))
    c.frame(x, top, w, bottom - top, 2, level - 30)


def street(r):
    c = Canvas(150)
    horizon = r.randint(200, 300)
    c.fade(0, horizon, r.randint(190, 235), r.randint(160, 210))
    x = -20
    while x < WIDTH:
        w = r.randint(70, 200)
        building(c, r, x, w, horizon - r.randint(60, 190), horizon + r.randint(10, 40))
        x += w + r.choice([0, 0, 6, 30])
    road = r.randint(70, 120)
    c.box(0, horizon + 40, WIDTH, HEIGHT, road)
    c.box(0, horizon + 40, WIDTH, 12, road + 60)
    vanish = r.randint(200, 760)
    for k in range(-5, 6):
        for i in range(0, 12, 2):
            near = [(vanish + k * 160 * t, horizon + 50 + (HEIGHT - horizon) * t) for t in (i / 12, (i + 1) / 12)]
            c.slope(*near[0], *near[1], 2 + i // 3, road + 90)
    for _ in range(r.randint(3, 6)):
        x = r.randint(0, WIDTH)
        c.box(x, horizon - r.randint(60, 160), 5, 260, r.randint(30, 60))
        c.box(x - 14, horizon - r.randint(20, 60), 34, 22, r.choice([20, 230]))
    for _ in range(r.randint(2, 5)):
        tree(c, r, r.randint(0, WIDTH), horizon + r.randint(-20, 40), r.randint(50, 110))
    for _ in range(r.randint(3, 7)):
        car(c, r, r.randint(0, WIDTH), horizon + r.randint(60, 180), r.randint(60, 130))
    c.grain(r, 0, HEIGHT, 8)
    return c


def yard(r):
    c = Canvas(130)
    wall = r.randint(90, 170)
    ground = r.randint(300, 380)
    c.box(0, 0, WIDTH, ground, wall)
    brick = r.randint(14, 26)
    for y in range(0, ground, brick):
        c.box(0, y, WIDTH, 2, wall - 35)
        for x in range(y // brick % 2 * brick, WIDTH, 2 * brick):
            c.box(x, y, 2, brick, wall - 35)
    for _ in range(r.randint(2, 4)):
        x, w, h = r.randint(0, WIDTH), r.randint(60, 120), r.randint(120, 220)
        c.box(x, ground - h, w, h, r.choice([50, 70, 190]))
        c.frame(x, ground - h, w, h, 4, r.choice([30, 220]))
        c.disc(x + w - 14, ground - h / 2, 4, 4, 230)
    c.box(0, ground, WIDTH, HEIGHT - ground, r.randint(110, 160))
    for x in range(-200, WIDTH + 200, r.randint(50, 90)):
        c.slope(x, ground, x + r.randint(-160, 160), HEIGHT, 2, 90)
    for x in range(r.randint(0, 40), WIDTH, r.randint(26, 44)):
        c.box(x, ground - 60, 4, 90, r.randint(20, 60))
    for _ in range(4):
        car(c, r, r.randint(0, WIDTH), ground + r.randint(20, 90), r.randint(90, 160))
    c.grain(r, 0, HEIGHT, 7)
    return c


def corridor(r):
    c = Canvas(160)
    x, y = r.randint(380, 580), r.randint(200, 300)
    for depth in range(12, 0, -1):
        t = 1.35 ** depth / 12
        shade = 210 - 8 * (12 - depth) + r.randint(-6, 6)
        c.box(x - 420 * t, y - 260 * t, 840 * t, 520 * t, shade)
        c.frame(x - 420 * t, y - 260 * t, 840 * t, 520 * t, 1 + depth // 4, shade - 60)
        for side in (-1, 1):
            if r.random() < 0.7:
                w, h = 60 * t, 300 * t
                c.box(x + side * 370 * t - w / 2, y - 60 * t, w, h, r.choice([60, 90, 120]))
                c.frame(x + side * 370 * t - w / 2, y - 60 * t, w, h, 2, 40)
        if r.random() < 0.8:
            c.box(x - 60 * t, y - 250 * t, 120 * t, 26 * t, 245)
    for k in range(-8, 9):
        c.slope(x + k * 8, y + 30, x + k * 130, HEIGHT, 2, 100)
    for _ in range(5):
        bx = r.randint(0, WIDTH)
        c.box(bx, y + r.randint(-120, 0), r.randint(20, 80), r.randint(30, 70), r.choice([40, 80, 230]))
    c.grain(r, 0, HEIGHT, 6)
    return c


def crossing(r):
    c = Canvas(r.randint(130, 170))
    road = r.randint(70, 110)
    a, b = r.randint(120, 260), r.randint(250, 600)
    c.box(0, a, WIDTH, 170, road)
    c.box(b, 0, 200, HEIGHT, road)
    for x in range(0, WIDTH, 46):
        c.box(x, a + 82, 24, 5, 220)
    for y in range(0, HEIGHT, 46):
        c.box(b + 97, y, 5, 24, 220)
    for k in range(9):
        c.box(b - 60, a + 6 + k * 18, 40, 9, 225)
        c.box(b + 220, a + 6 + k * 18, 40, 9, 225)
        c.box(b + 6 + k * 21, a - 50, 10, 36, 225)
    for _ in range(r.randint(5, 9)):
        x, y = r.choice([(r.randint(0, b - 120), r.randint(0, a - 90)), (r.randint(b + 230, WIDTH), r.randint(a + 190, HEIGHT))])
        if r.random() < 0.5:
            tree(c, r, x, y, r.randint(40, 90))
        else:
            w, h = r.randint(60, 160), r.randint(50, 120)
            c.box(x, y, w, h, r.randint(60, 210))
            c.frame(x, y, w, h, 3, 40)
            c.slope(x, y, x + w, y + h, 2, 50)
    for _ in range(6):
        car(c, r, r.randint(0, WIDTH), a + r.choice([20, 100]), r.randint(60, 90))
    c.grain(r, 0, HEIGHT, 9)
    return c


KINDS = {"street": street, "yard": yard, "corridor": corridor, "crossing": crossing}


def draw(kind, seed):
    return KINDS[kind](random.Random("%s %d" % (kind, seed))).pgm()


def lamps(seed, w=320, h=180):
    """How a lit place falls off into the dark: a mask to multiply with."""
    r = random.Random("lamps %d" % seed)
    blobs = [(r.uniform(0.1, 0.9) * w, r.uniform(0.2, 0.9) * h, r.uniform(0.15, 0.4) * w, r.uniform(0.4, 0.9)) for _ in range(3)]
    rows = bytearray()
    for y in range(h):
        for x in range(w):
            light = 0.18 + sum(p * math.exp(-((x - bx) ** 2 + (y - by) ** 2) / (2 * s * s)) for bx, by, s, p in blobs)
            rows.append(min(255, int(255 * light)))
    return b"P5 %d %d 255\n" % (w, h) + bytes(rows)


def infrared(w=320, h=180):
    """The camera's own lamps: bright in the middle."""
    rows = bytearray()
    for y in range(h):
        for x in range(w):
            d = ((x / w - 0.5) ** 2 + (y / h - 0.55) ** 2) / 0.5
            rows.append(min(255, int(255 * (0.15 + 0.95 * math.exp(-4 * d)))))
    return b"P5 %d %d 255\n" % (w, h) + bytes(rows)
