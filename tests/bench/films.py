"""What the cameras of the bench show: 1080p H.264 as a camera encodes it, made once and kept in the build directory."""

import hashlib
import os
import subprocess
import sys

import bench

sys.path.insert(0, os.path.join(bench.HERE, "../judging"))
import scenes  # noqa: E402

SIZE, RATE, GOP, KBITS = (1920, 1080), 25, 50, (1300, 1800)
KEYFRAMES = 13  # so that what is looked at each 10 s comes again after 130 s: else it would be a frozen picture
FILMS = ("street", 7, 4), ("crossing", 7, 6), ("yard", 7, 5)  # scene, its seed, noise of the sensor
WARM = GOP  # the rate control finds its way; cut off
# A wall that has grain, people and a car that pass, noise.
GRAPH = ("[0:v]scale=1920:1080:flags=lanczos,noise=c0s=10:c0_seed=1,format=yuv420p,setsar=1[scene];"
         "color=c=0x303030:s=60x150:r=25[a];color=c=0x909090:s=180x90:r=25[b];color=c=0xd0d0d0:s=50x130:r=25[c];"
         "[scene][a]overlay=x='mod(n*2.3,2100)-120':y=620[d];[d][b]overlay=x='2000-mod(n*9,2300)':y=760[e];"
         "[e][c]overlay=x='mod(n*1.1+700,2100)-120':y=560:shortest=1,scale=%d:%d,noise=c0s=%d:c0f=t[out]")
# As cameras do: nothing is looked at in advance, one slice, CABAC, a constant rate.
ENCODER = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-threads", "2", "-x264-params",
           f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:rc-lookahead=0:mbtree=0:sliced-threads=0:aud=1:repeat-headers=1"]
DELIMITER = b"\0\0\0\1\x09"


def rate_of(size, kbit):
    kbit = f"{kbit * size[0] * size[1] // (SIZE[0] * SIZE[1])}k"
    return ["-b:v", kbit, "-maxrate", kbit, "-bufsize", kbit]


def make(path, size, kbit, keyframes, scene, seed, noise):
    with open(path + ".pgm", "wb") as f:
        f.write(scenes.draw(scene, seed))
    command = ["ffmpeg", "-v", "error", "-y", "-framerate", str(RATE), "-loop", "1", "-i", path + ".pgm", "-filter_complex", GRAPH % (*size, noise),
               "-map", "[out]", "-frames:v", str(WARM + keyframes * GOP), *ENCODER, *rate_of(size, kbit), "-f", "h264", "-"]
    film = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    pictures = film.split(DELIMITER)[1 + WARM:]
    with open(path + ".new", "wb") as f:
        f.write(b"".join(DELIMITER + p for p in pictures))
    os.unlink(path + ".pgm")
    os.rename(path + ".new", path)


def films(size, kbit, keyframes=KEYFRAMES):
    """Paths; they are made when they are not there.  `kbit` is the rate of 1080p; a smaller picture has a smaller one."""
    folder = os.path.join(bench.BUILD, "bench", "films")
    os.makedirs(folder, exist_ok=True)
    paths = []
    for film in FILMS:
        recipe = hashlib.sha256(repr((film, size, rate_of(size, kbit), GRAPH, ENCODER, RATE, keyframes, WARM)).encode()).hexdigest()[:12]
        paths.append(os.path.join(folder, f"{film[0]}-{recipe}.h264"))
        if not os.path.exists(paths[-1]):
            bench.progress(f"makes the film \"{film[0]}\"")
            make(paths[-1], size, kbit, keyframes, *film)
    return paths


def facts(paths):
    """Bytes of a keyframe, and Mbit/s, on the average."""
    keys = size = pictures = 0
    for path in paths:
        with open(path, "rb") as f:
            film = f.read()
        cut = film.split(DELIMITER)[1:]
        keys += sum(map(len, cut[::GOP]))
        size += len(film)
        pictures += len(cut)
    return {"key_bytes": keys * GOP / pictures, "mbit_per_s": size * 8 * RATE / pictures / 1e6}
