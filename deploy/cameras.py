"""The demonstration's cameras of Kostanay: what they show, what happens to them, and what the situation centre must have heard of it.

Their streams come from the RTSP server, their recordings from the ONVIF recorder of tests/system/."""

import datetime
import os
import signal
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTS = os.path.join(ROOT, "tests/system")
sys.path.insert(0, TESTS)
from recorder import Recorder

FILMS = {"live": "testsrc2=", "black": "color=black:", "covered": "color=gray:"}
ENCODERS = {
    "h264": ["-c:v", "libx264", "-profile:v", "baseline", "-g", "10", "-bf", "0",
             "-x264-params", "scenecut=0:repeat-headers=1:aud=1:force-cfr=1", "-f", "h264"],
    "h265": ["-c:v", "libx265", "-g", "10", "-bf", "0",
             "-x265-params", "scenecut=0:repeat-headers=1:aud=1:bframes=0:log-level=none", "-f", "hevc"],
}
SERVERS = {  # name → port, cameras
    "cameras": (7610, ["school-5-cam-corridor", "school-5-cam-yard", "crossing-abaya-tolstogo-cam:h265", "police-kostanay-cam-cell"]),
    "entrance": (7611, ["school-5-cam-entrance"]),
    "university": (7612, [f"university-region-cam-{i}" for i in range(1, 6)]),
    "prison": (7613, ["prison-2-cam-wing-a:auth", "prison-2-cam-wing-b:h265:auth"]),
}
RECORDERS = {  # port → what each recording keeps, in days
    7621: {"entrance": 35, "corridor": 12, "yard": 0},
    7622: {f"channel-{i}": 40 for i in range(1, 6)},
    7623: {"cell-4": 91},
    7624: {"wing-a": 95, "wing-b": 60},
}
WATCHER = 9132  # where torap-rtsp has its metrics
PORTS = [port for port, _ in SERVERS.values()] + list(RECORDERS) + [WATCHER, 9142]
# Second of a round, what happens: a camera shows another film, or a server falls silent.
STORY = [
    (4, "police-kostanay-cam-cell", "black"), (5, "school-5-cam-corridor", "covered"), (6, "crossing-abaya-tolstogo-cam", "frozen"),
    (8, "entrance", "stop"), (12, "university", "stop"),
    (28, "police-kostanay-cam-cell", "live"), (29, "school-5-cam-corridor", "live"), (30, "crossing-abaya-tolstogo-cam", "live"),
    (32, "entrance", "go"), (38, "university", "go"),
]
ROUND_S = 90
# What is heard of each camera in a round, and its cause; of all others nothing.
HEARD = {
    "police-kostanay-cam-cell": ("camera_black", "masked"), "school-5-cam-corridor": ("camera_covered", "masked"),
    "crossing-abaya-tolstogo-cam": ("camera_frozen", "broken"), "school-5-cam-entrance": ("camera_offline", "recorder"),
}
SWITCH, BEHIND = "sw-university", {f"university-region-cam-{i}" for i in range(1, 6)}  # one outage, not five
VERDICTS = {
    "school-5-cam-entrance": "compliant", "school-5-cam-corridor": "below term", "school-5-cam-yard": "storing nothing",
    "police-kostanay-cam-cell": "compliant", "prison-2-cam-wing-a": "compliant", "prison-2-cam-wing-b": "below term",
    **{f"university-region-cam-{i}": "compliant" for i in range(1, 6)},
}


def make_secrets(folder):
    for name, line in (("cameras-kostanay.credentials", "prison: viewer:secret\n"), ("recorders-kostanay.keys", "nvr: admin:geheim\n")):
        with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(line)


def make_films(folder, wait):
    os.makedirs(folder, exist_ok=True)
    for name, source in FILMS.items():
        for codec, encoder in ENCODERS.items():
            path = os.path.join(folder, f"{name}.{codec}")
            if not os.path.exists(path):
                # A group of its own: Ctrl-C reaches this program alone.
                with subprocess.Popen(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source + "size=320x240:rate=10", "-t", "20",
                                       "-vf", "noise=alls=6:allf=t", "-pix_fmt", "yuv420p", *encoder, path + ".new"],
                                      stdin=subprocess.DEVNULL, start_new_session=True) as child:
                    try:
                        wait(f"the film {name} as {codec} is made", lambda: child.poll() is not None, 120)
                    finally:
                        child.kill()
                if child.returncode != 0:
                    sys.exit(f"deploy/up: ffmpeg cannot make {path}: status {child.returncode}")
                os.rename(path + ".new", path)


class Cameras:
    """`start(name, *argv)` starts a process of the demonstration, with .child and .log; `wait(what, condition, seconds)` ends it all when told to stop."""

    def __init__(self, start, state, wait):
        self.films = os.path.join(state, "films")
        make_films(self.films, wait)
        now = datetime.datetime.now(datetime.timezone.utc)
        self.recorders = [Recorder({name: [(now - datetime.timedelta(days=days), now)] if days else [] for name, days in kept.items()}, port=port)
                          for port, kept in RECORDERS.items()]
        self.servers = {}
        for name, (port, cameras) in SERVERS.items():
            self.servers[name] = start(f"rtsp-server-{name}", "/usr/bin/python3", os.path.join(TESTS, "rtsp_server.py"), str(port), self.films,
                                       *cameras, stdin=subprocess.PIPE)
            wait(f"the cameras of {name} answer", lambda port=port: socket.create_connection(("127.0.0.1", port), 1).close() or True)
        self.rounds, self.next, self.began = 0, 0, None

    def play(self, now):
        """Whatever is due; a text for each that happened."""
        if self.began is None or now - self.began >= ROUND_S:
            self.rounds += self.began is not None
            self.began, self.next = now, 0
        said = []
        while self.next < len(STORY) and now - self.began >= STORY[self.next][0]:
            _, who, what = STORY[self.next]
            self.next += 1
            said.append(self.happen(who, what))
        return said

    def happen(self, who, what):
        if who in self.servers:
            os.kill(self.servers[who].child.pid, signal.SIGSTOP if what == "stop" else signal.SIGCONT)
            return f"{', '.join(c.split(':')[0] for c in SERVERS[who][1])}: " + ("nobody answers any more" if what == "stop" else "they are back")
        server = next(n for n, (_, cameras) in SERVERS.items() if who in [c.split(":")[0] for c in cameras])
        self.servers[server].child.stdin.write(f"{who} {what}\n".encode())
        self.servers[server].child.stdin.flush()
        return f"{who} shows {what}"

    def whole(self):
        """Was a round played to its end?"""
        return self.rounds > 0 or self.began is not None and self.next == len(STORY)

    def stop(self):
        for p in self.servers.values():
            if p.alive():
                os.kill(p.child.pid, signal.SIGCONT)
        for r in self.recorders:
            r.close()


def wrong(events):
    """What of the situation centre's events of cameras is not as it should be, after a whole round."""
    bad, heard, outages = [], {}, []
    for e in events:
        if e["kind"] == "camera_mass_outage":
            outages.append((e["state"], e["detail"]["name"], set(e["detail"].get("members", "").split()), e["detail"].get("cause")))
            continue
        # A fault that an earlier run left behind ends in this one.
        if e["kind"].startswith("camera_") and (e["state"] != "end" or e["device"] in heard):
            heard.setdefault(e["device"], []).append(" ".join([e["kind"], e["state"], e["detail"].get("cause", "")] if e["state"] == "start" else [e["kind"], e["state"]]))
    for camera, (kind, cause) in HEARD.items():
        if heard.get(camera, [])[:2] != [f"{kind} start {cause}", f"{kind} end"]:
            bad.append(f"of {camera} was heard {heard.get(camera, 'nothing')}, where a start of {kind} by {cause} and its end are due")
    first, last = outages[:1], outages[-1:]
    if not first or first[0][:2] != ("start", SWITCH) or first[0][3] != "network" or last[0][:2] != ("end", SWITCH) or last[0][2] != BEHIND or len([o for o in outages if o[0] == "start"]) != 1:
        bad.append(f"of the dead switch {SWITCH} was heard {outages}, where one start by network and one end with its five cameras are due")
    return bad + [f"of {camera}, which is well, was heard {what}" for camera, what in heard.items() if camera not in HEARD]


def wrong_verdicts(rows):
    """`rows`: of torap report retention --cameras --csv."""
    got = {row["device"]: row["verdict"] for row in rows}
    return [f"the recordings of {camera} are {got.get(camera, 'not reported')}, not {verdict}" for camera, verdict in VERDICTS.items() if got.get(camera) != verdict]
