"""Clips of cameras, good and faulty, as commands that write gray pictures: FFmpeg filters, then H.264 at a low rate, then decoded again.

A camera looks at the middle 640x360 of a panorama of 960x540; pictures are 320x180. What lies in the optical path (light, people, lens, cover)
comes before the sensor's noise, what the camera writes into its picture comes after it."""
import hashlib
import os
import random
import shlex
import subprocess
import threading

import scenes

W, H = 320, 180
PATTERNS = {  # one still picture of each makes a panorama
    "testsrc2": "testsrc2=s=960x540",
    "smptebars": "smptehdbars=s=960x540",
    "pal75bars": "pal75bars=s=960x540",
    "testsrc": "testsrc=s=960x540",
    "pal100bars": "pal100bars=s=960x540",
    "sierpinski": "sierpinski=s=240x135:type=carpet:seed=%(seed)d,scale=960:540:flags=neighbor",
    "mandelbrot": "mandelbrot=s=960x540:start_scale=%(scale)s:maxiter=200",
    "life": "life=s=80x45:ratio=0.3:seed=%(seed)d:mold=8:life_color=white:death_color=gray,scale=960:540:flags=neighbor",
    "cellauto": "cellauto=s=80x45:rule=%(rule)d:seed=%(seed)d:ratio=0.4,scale=960:540:flags=neighbor",
    "clouds": "color=c=gray:s=96x54,format=gray,noise=c0s=100:c0_seed=%(seed)d,lutyuv=y='clip(120+(val-128)*2,20,235)',scale=960:540:flags=bicubic",
}
CANNOT = {  # faults that cannot be seen in a source: without detail, or the same after a tilt
    "clouds": ("defocused",), "pal75bars": ("defocused", "moved"), "pal100bars": ("defocused", "moved"),
}
TIMES = {"day": 12, "dusk": 18, "night": 1}

drawing = threading.Lock()


class Camera:
    """A scene, how its picture changes by itself, and its own habits, all from a name and a seed."""

    def __init__(self, folder, kind, seed, keep=False):
        self.keep = keep
        self.kind, self.seed, self.folder = kind, seed, folder
        self.random = r = random.Random("%s %d" % (kind, seed))
        self.name = "%s-%d" % (kind, seed)
        self.scene = self.panorama(kind, seed)
        self.other = self.panorama(*r.choice([(k, seed + 5000) for k in scenes.KINDS if k != kind]))
        self.lamps = self.file("lamps-%d.pgm" % seed, lambda: scenes.lamps(seed))
        self.infrared = self.file("infrared.pgm", scenes.infrared)
        self.has_infrared, self.has_text = r.random() < 0.5, r.random() < 0.6
        self.noise = {"day": r.choice([3, 5, 8]), "dusk": r.choice([6, 10]), "night": r.choice([8, 14, 20])}
        self.crf = r.choice([24, 28, 32])
        self.tones = r.choice([30, 40, 60])
        self.shake = r.choice([0, 0, 1.5])

    def file(self, name, draw):
        path = os.path.join(self.folder, name)
        with drawing:
            if not os.path.exists(path):
                with open(path + ".new", "wb") as f:
                    f.write(draw())
                os.rename(path + ".new", path)
        return path

    def panorama(self, kind, seed):
        if kind in scenes.KINDS:
            return self.file("%s-%d.pgm" % (kind, seed), lambda: scenes.draw(kind, seed))
        r = random.Random("pattern %d" % seed)
        source = PATTERNS[kind] % {"seed": seed, "rule": r.choice([30, 45, 73, 110]), "scale": r.choice([3, 1.5, 0.7])}
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-vf", "select=gte(n\\,12),format=gray", "-frames:v", "1",
                   "-f", "image2pipe", "-c:v", "pgm", "-"]
        return self.file("%s-%d.pgm" % (kind, seed), lambda: subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def light(self, time, r):
        """Filters of the time of day, and the mask that they multiply with."""
        slow = "eq=eval=frame:brightness='%.3f+%.3f*sin(n/%d)':contrast=%.2f"
        if time == "day":
            return slow % (r.uniform(-0.06, 0.06), r.uniform(0, 0.08), r.randint(15, 60), r.uniform(0.85, 1.1)), None
        if time == "dusk":
            return slow % (r.uniform(-0.2, -0.12), r.uniform(0, 0.04), r.randint(15, 60), r.uniform(0.55, 0.75)), None
        mask = self.infrared if self.has_infrared else self.lamps
        return slow % (r.uniform(-0.1, 0), r.uniform(0, 0.03), r.randint(15, 60), 0.7), mask

    def people(self, r, time, truck):
        """Boxes that walk and drive through: (size, gray, x, y)."""
        out = []
        for _ in range(r.randint(1, 4)):
            out.append(("%dx%d" % (r.randint(5, 12), r.randint(14, 32)), r.choice([30, 70, 120, 200]),
                        "mod(n*%.2f+%d,420)-50" % (r.uniform(-9, 9), r.randint(0, 9999)), "%d" % r.randint(50, 150)))
        for _ in range(r.randint(0, 2)):
            out.append(("%dx%d" % (r.randint(30, 70), r.randint(18, 36)), r.choice([40, 90, 210]),
                        "mod(n*%.2f+%d,520)-100" % (r.uniform(11, 35), r.randint(0, 9999)), "%d" % r.randint(70, 140)))
        if truck:  # stands before the camera for a while
            out.append(("%dx%d" % (r.randint(90, 140), r.randint(70, 110)), r.choice([60, 190]),
                        "min(-150+n*20,%d)" % r.randint(20, 160), "%d" % r.randint(30, 70)))
        if time == "night":  # headlights
            out.append(("14x6", 250, "mod(n*%d,400)-40" % r.randint(9, 30), "%d" % r.randint(80, 140)))
        return out

    def text(self):
        if not self.has_text:
            return ""
        boxes = ["drawbox=x=%d:y=6:w=%d:h=8:c=white:t=fill" % (6 + 7 * i, 3 + i % 3) for i in range(10)]
        boxes += ["drawbox=x=%d:y=168:w=4:h=8:c=white:t=fill:enable='mod(floor(n/%d)+%d,3)'" % (230 + 7 * i, 1 + (9 - i) ** 2, i) for i in range(10)]
        return "," + ",".join(boxes)

    def command(self, time, frames, salt, fault):
        """`fault`: a Fault, GOOD for none."""
        r = random.Random("%s %s %s" % (self.name, time, salt))
        light, mask = self.light(time, r)
        v = fault.view
        zoom = v.get("zoom", 1)
        w, h = int(640 / zoom), int(360 / zoom)
        x, y = (960 - w) / 2 + v.get("right", 0) * w, (540 - h) / 2 + v.get("down", 0) * h
        x, y = max(0, min(960 - w, x)), max(0, min(540 - h, y))
        turn = "rotate=%.3f," % v["turn"] if "turn" in v else ""
        shake = "%+.1f*sin(n/1.7)" % self.shake if self.shake and not v else ""
        graph = "[0:v]%scrop=%d:%d:'%d%s':%d,scale=%d:%d:flags=area,format=yuv420p,setsar=1[v0]" % (turn, w, h, x, shake, y, W, H)
        people = self.people(r, time, fault.truck) if fault.people else []
        for i, (size, gray, px, py) in enumerate(people):
            graph += ";color=c=0x%02x%02x%02x:s=%s:r=10[p%d];[v%d][p%d]overlay=x='%s':y='%s':shortest=1[v%d]" % (
                gray, gray, gray, size, i, i, i, px, py, i + 1)
        inputs = ["-framerate", "10", "-loop", "1", "-i", self.other if v.get("other") else self.scene]
        last = "v%d" % len(people)
        if mask:
            inputs += ["-framerate", "10", "-loop", "1", "-i", mask]
            # Infrared shows things in other tones: a dark coat may be bright, and a wall and a door alike.
            tones = "lutyuv=y='128+90*sin(val/%d+%.1f)'," % (self.tones, self.seed) if mask == self.infrared and self.kind in scenes.KINDS else ""
            graph += ";[%s]%sformat=gray[a];[1:v]format=gray,setsar=1[b];[a][b]blend=all_mode=multiply:shortest=1,format=yuv420p[lit]" % (last, tones)
            last = "lit"
        noise = self.noise[time] if fault.noise is None else fault.noise
        graph += ";[%s]%s" % (last, light)
        if fault.optical:
            graph += "," + fault.optical
        if noise:
            graph += ",noise=c0s=%d:c0f=t:c0_seed=%d" % (noise, r.randint(1, 1 << 30))
        if fault.frozen:
            graph += ",loop=loop=-1:size=1:start=0"
        graph += (self.text() if fault.text else "") + ",format=yuv420p[out]"
        size = fault.size or (W, H)
        if fault.size:
            graph += ";[out]scale=%d:%d[small]" % size
        make = ["ffmpeg", "-v", "error", "-threads", "1", "-filter_threads", "1", "-filter_complex_threads", "1", *inputs, "-filter_complex", graph,
                "-map", "[small]" if fault.size else "[out]",
                "-frames:v", str(frames), "-c:v", "libx264", "-threads", "1", "-preset", "ultrafast", "-g", "1", "-crf", str(self.crf), "-f", "h264", "-"]
        take = ["ffmpeg", "-v", "error", "-threads", "1", "-f", "h264", "-i", "-", "-vf", "extractplanes=y", "-f", "rawvideo", "-"]
        if not self.keep:
            return shlex.join(make) + " | " + shlex.join(take)
        kept = shlex.quote(os.path.join(self.folder, hashlib.sha1(shlex.join(make).encode()).hexdigest() + ".h264"))
        return "{ [ -e %s ] || %s > %s; } && %s < %s" % (kept, shlex.join(make), kept, shlex.join(take), kept)


class Fault:
    def __init__(self, expected, label, **how):
        self.expected, self.label = expected, label
        self.view = how.get("view", {})
        self.optical = how.get("optical")
        self.noise = how.get("noise")
        self.frozen = how.get("frozen", False)
        self.people = how.get("people", True)
        self.truck = how.get("truck", False)
        self.text = how.get("text", True)
        self.size = how.get("size")
        self.traits = how.get("traits", "-")
        self.frames = how.get("frames", 24)
        self.counted = how.get("counted", True)  # else below the stated strength: shown, but not part of the recall
        self.skip = how.get("skip", 0)
        self.times = how.get("times", tuple(TIMES))


def cover(level, across, noise, optical=""):
    """Nothing but a level that rises by `across` from left to right."""
    fill = "lutyuv=y=%d:u=128:v=128" % level
    if across:
        fill += ",geq=lum='%d+%d*X/W':cb=128:cr=128" % (level, across)
    return {"optical": fill + optical, "noise": noise, "people": False}


GOOD = Fault("good", "good")
GOOD_TRUCK = Fault("good", "good, a truck stands in the way", truck=True)
FAULTS = [
    Fault("black", "black, no noise", optical="lutyuv=y=16", noise=0),
    Fault("black", "black, noise 10", optical="lutyuv=y=16", noise=10),
    Fault("black", "black, 3 % of the light", optical="lutyuv=y='16+(val-16)*0.03'", noise=6),
    Fault("white", "white, all", optical="lutyuv=y=250", noise=4),
    Fault("white", "white, what is darkest just shows", optical="lutyuv=y='clip(228+(val-16)*2,16,235)'", noise=8),
    Fault("uniform", "covered, gray 60, noise 4", **cover(60, 0, 4)),
    Fault("uniform", "covered, gray 90, rises by 40, noise 8", **cover(90, 40, 8)),
    Fault("uniform", "covered, gray 150, rises by 60, noise 16", **cover(150, 60, 16)),
    Fault("uniform", "sprayed, 5 % of the contrast shines through, blurred", optical="gblur=sigma=20:steps=2,lutyuv=y='120+(val-128)*0.15'", noise=6),
    Fault("defocused", "defocused, sigma 1.0 % of the width", optical="gblur=sigma=3.2", counted=False),
    Fault("defocused", "defocused, sigma 1.5 % of the width", optical="gblur=sigma=4.8"),
    Fault("defocused", "defocused, sigma 2.5 % of the width", optical="gblur=sigma=8:steps=2"),
    Fault("moved", "panned by 15 %", view={"right": 0.15}),
    Fault("moved", "panned by 22 %", view={"right": -0.22}),
    Fault("moved", "tilted by 15 %", view={"down": 0.15}),
    Fault("moved", "rolled by 15 degrees", view={"turn": 0.262}),
    Fault("moved", "zoomed in by 1.4", view={"zoom": 1.4}, counted=False),
    Fault("moved", "zoomed in by 1.8", view={"zoom": 1.8}, counted=False),
    Fault("moved", "looks at another scene", view={"other": True}),
    Fault("frozen", "frozen, its text goes on", frozen=True, skip=8, frames=28),
    Fault("frozen", "frozen, timestamps too", frozen=True, text=False, traits="stuck", skip=8, frames=28),
    Fault("wrong_size", "half the size", size=(160, 90)),
    Fault("wrong_rate", "7 frames a second", traits="slow"),
    Fault("wrong_clock", "20 s ahead", traits="clock"),
]
