#!/usr/bin/python3
"""Cameras on one port, by GStreamer: rtsp_server.py PORT FOLDER NAME[:OPTION…]…  Options: h265, jpeg, udp (UDP alone), past (its
clock is wrong), auth (viewer, secret; digest).  FOLDER has a film for each codec, live.h264, and others.  A line "NAME FILM" on standard input gives a camera
another film, or frozen: the first picture of live, or stutter: three of each ten of its pictures, at their times; "NAME stop" and "NAME go": it
sends nothing for a while.

After the recipe of shared/protocols/rtsp-test-server.md: what FFmpeg encoded once is handed out again and again, with new timestamps."""

import functools
import os
import re
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
FPS = 10
STEP = Gst.SECOND // FPS
CUTS = {"h264": b"\x00\x00\x00\x01\x09", "h265": b"\x00\x00\x00\x01\x46", "jpeg": b"\xff\xd8\xff"}
LAUNCH = {
    "h264": 'caps="video/x-h264,stream-format=byte-stream,alignment=au,framerate=10/1" ! h264parse config-interval=1 ! rtph264pay',
    "h265": 'caps="video/x-h265,stream-format=byte-stream,alignment=au,framerate=10/1" ! h265parse config-interval=1 ! rtph265pay',
    "jpeg": 'caps="image/jpeg,framerate=10/1" ! jpegparse ! rtpjpegpay',
}


@functools.cache
def pictures(path, codec):
    with open(path, "rb") as f:
        film = f.read()
    cuts = [m.start() for m in re.finditer(re.escape(CUTS[codec]), film)]
    return [film[a:b] for a, b in zip(cuts, cuts[1:] + [len(film)])]


class Camera:
    def __init__(self, folder, name, options):
        self.codec = next((o for o in options if o in CUTS), "h264")
        self.films = {os.path.splitext(f)[0]: pictures(os.path.join(folder, f), self.codec) for f in os.listdir(folder) if f.endswith("." + self.codec)}
        self.films["frozen"] = self.films["live"][:1]
        self.films["stutter"] = [p if i % FPS < 3 else None for i, p in enumerate(self.films["live"])]  # each second begins with a keyframe
        self.film, self.stopped = "live", False
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(f"( appsrc name=src format=time is-live=false {LAUNCH[self.codec]} name=pay0 pt={26 if self.codec == 'jpeg' else 96} )")
        self.factory.set_shared(True)
        self.past = "past" in options
        if "udp" in options:
            self.factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        self.factory.connect("media-configure", self.configure)
        if "auth" in options:
            self.factory.add_role_from_structure(Gst.Structure.new_from_string(
                "viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"))

    def configure(self, _factory, media):
        if self.past:
            media.connect("prepared", self.say_past)
        media.get_element().get_by_name_recurse_up("src").connect("need-data", self.need_data, [0, self.now(), self.film])

    def say_past(self, media):
        """Sender reports show how long it runs, since 1900, and not the time of day."""
        for element in media.get_element().get_parent().children:
            if element.get_factory().get_name() == "rtpbin":
                element.set_property("ntp-time-source", "running-time")

    def now(self):
        """Where the film is, for whoever comes new: at a keyframe, and further on each second."""
        return int(time.monotonic()) * FPS

    def need_data(self, source, _size, at):
        """`at`: steps so far, place in the film, film."""
        if at[2] != self.film:
            at[1], at[2] = self.now(), self.film
        if self.stopped:
            GLib.timeout_add(100, lambda: self.need_data(source, 0, at) and False)
            return True
        film = self.films[self.film]
        while not film[at[1] % len(film)]:
            at[0] += 1
            at[1] += 1
        buffer = Gst.Buffer.new_wrapped(film[at[1] % len(film)])
        buffer.pts = buffer.dts = at[0] * STEP
        buffer.duration = STEP
        at[0] += 1
        at[1] += 1
        source.emit("push-buffer", buffer)
        return True


def main():
    port, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    cameras = {}
    if any("auth" in n.split(":") for n in names):
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_digest("viewer", "secret", token)
        server.set_auth(auth)
    for text in names:
        name, *options = text.split(":")
        cameras[name] = Camera(folder, name, options)
        server.get_mount_points().add_factory("/" + name, cameras[name].factory)
    server.attach(None)

    def listen():
        for line in sys.stdin:
            name, word = line.split()
            if word in ("stop", "go"):
                cameras[name].stopped = word == "stop"
            else:
                cameras[name].film = word

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
