"""Cameras for the system tests: films, an RTSP server that shows them (rtsp_server.py), and torap-rtsp that watches them."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

from kit import PATIENCE_S, ROOT, Failure, Process, check, free_port, wait_for

sys.path.append(os.path.join(ROOT, "tests/judging"))
import scenes

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rtsp_server.py")
SOURCES = {"live": "testsrc2=size=320x240:rate=10", "black": "color=black:size=320x240:rate=10"}
# What becomes of a street: films of a panorama of 960x540, of which a camera sees 320x180.  Noise is the sensor's, behind the lens.
VIEWS = {
    "live": "crop=320:180:320:180",
    "moved": "crop=320:180:390:207",
    "defocused": "crop=320:180:320:180,gblur=sigma=8",
    "covered": "crop=320:180:320:180,drawbox=color=0x707070:t=fill",
    "white": "crop=320:180:320:180,drawbox=color=0xf4f4f4:t=fill",
    "small": "crop=320:180:320:180,scale=160:90",
}
CODECS = {
    "h264": ["-c:v", "libx264", "-profile:v", "baseline", "-g", "10", "-bf", "0", "-x264-params",
             "scenecut=0:repeat-headers=1:aud=1:force-cfr=1", "-pix_fmt", "yuv420p", "-f", "h264"],
    "h265": ["-c:v", "libx265", "-g", "10", "-bf", "0", "-x265-params", "scenecut=0:repeat-headers=1:aud=1:bframes=0:log-level=none",
             "-pix_fmt", "yuv420p", "-f", "hevc"],
    "jpeg": ["-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p", "-f", "mjpeg"],
}
# A profile that decides within seconds.
PROFILE = """profiles:
  - name: default
    start_pictures: 2
    start_after: 1s
    end_pictures: 2
    end_after: 1s
    offline_attempts: 2
    offline_after: 1s
    frozen_after: 4s
    flap_starts: 100
"""


def make_films(folder, codecs=("h264",)):
    for codec in codecs:
        for film, source in SOURCES.items():
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "20", *CODECS[codec], f"{folder}/{film}.{codec}"],
                           check=True, stdin=subprocess.DEVNULL)


def draw_street(folder):
    path = os.path.join(folder, "street.pgm")
    with open(path, "wb") as f:
        f.write(scenes.draw("street", 1))
    return path


def make_views(folder, codecs):
    """Eleven seconds of each view (a camera that is sampled each 2 s sees each of them), every second picture a keyframe.  When longer times pass between two
    pictures that are judged, a film that comes round meanwhile shows the last ones again, and is frozen."""
    street = draw_street(folder)
    for codec in codecs:
        for film, filters in VIEWS.items():
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-loop", "1", "-framerate", "10", "-i", street, "-t", "11",
                            "-vf", f"{filters},noise=c0s=6:c0f=t,format=yuv420p", *CODECS[codec], "-preset", "ultrafast", "-g", "2", f"{folder}/{film}.{codec}"],
                           check=True, stdin=subprocess.DEVNULL)


def tls_relay(fed, target):
    """Takes TLS off, under a certificate of its own; returns its port."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", fed.path("tls.key"), "-out", fed.path("tls.crt"),
                    "-days", "2", "-subj", "/CN=camera"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(fed.path("tls.crt"), fed.path("tls.key"))
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def play(plain):
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as here, socket.create_connection(("127.0.0.1", target)) as there:
            threading.Thread(target=pump, args=(there, here), daemon=True).start()
            pump(here, there)

    def accept():
        while True:
            threading.Thread(target=play, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Server(Process):
    """Cameras on one port, as GStreamer shows them."""

    def __init__(self, fed, name, *cameras):
        self.port = free_port()
        super().__init__(name, ["/usr/bin/python3", SERVER, str(self.port), fed.dir, *cameras], fed.dir)
        fed.processes.append(self)

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True, bufsize=1)
        wait_for(f"{self.name} is ready\n{self.tail()}", lambda: self.said("ready") and socket.create_connection(("127.0.0.1", self.port), 1))
        return self

    def show(self, camera, film):
        self.child.stdin.write(f"{camera} {film}\n")

    def url(self, camera):
        return f"rtsp://127.0.0.1:{self.port}/{camera}"


class Watcher:
    """torap-rtsp of a node.  `cameras`: address → (URL, further columns).  `panels`: accounts of the same site.  On a slow machine,
    too, all is judged, unless `trust` says otherwise."""

    def __init__(self, fed, node, cameras, credentials="", watch="", limits="", profile=PROFILE, evidence="", panels=(), more="", period="2s", trust="0s"):
        self.fed, self.node, self.metrics, self.panels = fed, node, free_port(), panels
        self.evidence = fed.path(node.name + ".evidence")
        self.write_registry(cameras)
        fed.write(node.name + ".profiles.yaml", profile)
        self.write_credentials(credentials)
        fed.write(node.name + ".rtsp.yaml", f"""node: ipc://{node.name}.intake
credentials: {node.name}.credentials
profiles: {node.name}.profiles.yaml
state: {node.name}.rtsp.state
metrics: 127.0.0.1:{self.metrics}
watch: {{ period: {period}, retry: 500ms, retry_max: 1s, look: 500ms, save: 1s, trust: {trust}{watch} }}
limits: {{ connect: 2s, answer: 2s, first: 4s, stall: 3s{limits} }}
{more}
{f"evidence: {{ folder: {self.evidence}, {evidence} }}" if evidence else ""}
""")
        self.main = fed.process(node.name + "-rtsp", "torap-rtsp", "-v", "-c", fed.path(node.name + ".rtsp.yaml"))

    def write_credentials(self, text):
        os.chmod(self.fed.write(self.node.name + ".credentials", text), 0o600)

    def write_registry(self, cameras):
        self.fed.write(self.node.name + ".sites.csv", f"id,name,facility,region,owner_kind\nschool,School,school,{self.node.region},public\n")
        head = "id,site,protocol,address,purpose,legal_basis,owner,url,key_name,mode,term,switch,recorder,street,supervision,sub_url"
        rows = ""
        for address, (url, columns) in cameras.items():
            more = {"term": "2099-01-01", **columns}
            rows += f"{address},school,rtsp,{address},test,test,test,{url}," + ",".join(
                more.get(c, "") for c in ("key_name", "mode", "term", "switch", "recorder", "street", "supervision", "sub_url")) + "\n"
        for account in self.panels:
            rows += f"panel-{account},school,dc09,{account}" + "," * 12 + "\n"
        self.fed.write(self.node.name + ".devices.csv", f"{head}\n{rows}")

    def start(self):
        self.main.start()
        wait_for(f"the watcher has its cameras\n{self.main.tail()}", lambda: self.cameras())
        return self

    def get(self, path):
        check(self.main.alive(), f"{self.main.name} is gone\n{self.main.tail()}")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}{path}", timeout=5) as answer:
            return answer.read().decode()

    def cameras(self):
        return {c["address"]: c for c in map(json.loads, self.get("/cameras").splitlines())}

    def metric(self, text):
        """The value of the line that begins with `text`."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(text + " "):
                return float(line.split()[-1])
        raise Failure(f"no metric {text}")

    def wait_saved(self, refused=0):
        """The node has all reports but those that it refuses, and said so, and what that changed is on the disk.  Somebody must have heard of them: before
        they are made, nothing waits either."""
        for name, value in (("reports_waiting", refused), ("changes_unsaved", 0)):
            wait_for(f"{name} is {value}\n{self.main.tail()}", lambda: self.metric(f"torap_rtsp_{name}") == value)

    def wait_outcome(self, address, outcome):
        wait_for(f"{address} is {outcome}: {self.cameras().get(address)}\n{self.main.tail()}",
                 lambda: self.cameras()[address].get("outcome") == outcome)


def story(feed, device):
    """What the feed heard of a camera, in order: "camera_black start"."""
    return [f"{e['kind']} {e['state']}" for e in feed.events() if e["device"] == device]


def wait_story(feed, device, expected, seconds=PATIENCE_S):
    with contextlib.suppress(Failure):
        wait_for("", lambda: story(feed, device) == expected, seconds)
    check(story(feed, device) == expected, f"{device}: heard {story(feed, device)}, not {expected}")


def detail(feed, device, kind, state):
    return next(e["detail"] for e in feed.events() if (e["device"], e["kind"], e["state"]) == (device, kind, state))
