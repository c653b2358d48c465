"""A peer of the broker that the test plays itself, with somebody's keys and the contract's own modules."""

import importlib
import os
import subprocess
import sys

import zmq
import zmq.utils.z85

import kit


def contract(fed):
    """The modules of proto/: batch, event, session."""
    os.mkdir(fed.path("pb"))
    proto = os.path.join(kit.ROOT, "proto")
    names = "observation", "batch", "event", "session"
    subprocess.run(["protoc", "--python_out=" + fed.path("pb"), "-I", proto, *(f"{proto}/{n}.proto" for n in names)], check=True)
    sys.path.insert(0, fed.path("pb"))
    return [importlib.import_module(n + "_pb2") for n in names[1:]]


def keys_of(fed, name):
    """A key file as a dictionary of texts."""
    with open(fed.path(name + ".key"), encoding="utf-8") as f:
        return {k.strip(): v.strip().strip('"') for k, _, v in (line.partition(":") for line in f if not line.startswith("#"))}


class Peer:
    def __init__(self, fed, broker, context, name):
        keys = keys_of(fed, name)
        z85 = lambda text: zmq.utils.z85.encode(bytes.fromhex(text))
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_secretkey, self.socket.curve_publickey = z85(keys["curve_secret"]), z85(keys["curve_public"])
        self.socket.curve_serverkey = z85(fed.public(broker.name, "curve_public"))
        self.socket.connect(broker.endpoint)

    def answer(self, session, batch):
        """The code of a refusal, WELCOME, or the number of another message."""
        kit.check(self.socket.poll(kit.PATIENCE_S * 1000), "the broker does not answer")
        frames = self.socket.recv_multipart()
        kind = batch.Envelope.FromString(frames[0]).type
        if kind == batch.MESSAGE_REFUSAL:
            return session.Refusal.Code.Name(session.Refusal.FromString(frames[1]).code)
        return "WELCOME" if kind == batch.MESSAGE_WELCOME else kind
