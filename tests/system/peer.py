"""A peer of the broker that the test plays itself, with somebody's keys and the contract's own modules."""

import importlib
import os
import subprocess
import sys
import threading

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


def z85(text):
    return zmq.utils.z85.encode(bytes.fromhex(text))


def use_keys(socket, keys):
    socket.curve_secretkey, socket.curve_publickey = z85(keys["curve_secret"]), z85(keys["curve_public"])


class Peer:
    def __init__(self, fed, broker, context, name, **options):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        for option, value in options.items():
            setattr(self.socket, option, value)
        use_keys(self.socket, keys_of(fed, name))
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


class Withholder:
    """Stands between a subscriber and its broker with the keys of both, and passes everything on: hellos, heads, heartbeats.  While
    `holding`, batches and runs are kept back, and nobody is told; afterwards they go out in their order."""

    def __init__(self, fed, broker, subscriber, port, batch, session):
        self.fed, self.broker, self.subscriber, self.batch, self.session = fed, broker, subscriber, batch, session
        self.holding, self.ended, self.context = False, False, zmq.Context()
        self.peers, self.kept, self.lanes = {}, {}, {}  # by who dialled: the connection to the broker, what is kept back; who dialled, by lane
        self.poller = zmq.Poller()
        self.listener = self.context.socket(zmq.ROUTER)
        self.listener.linger, self.listener.curve_server = 0, True
        use_keys(self.listener, keys_of(fed, broker.name))
        self.listener.bind(f"tcp://127.0.0.1:{port}")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.poller.register(self.listener, zmq.POLLIN)
        while not self.ended:
            for socket, _ in self.poller.poll(50):
                message = socket.recv_multipart() if not socket.closed else None
                if socket is self.listener:
                    self.ask(message[0], message[1:])
                elif message:
                    self.pass_on(next(w for w, s in self.peers.items() if s is socket), message)
            for who, kept in self.kept.items():
                while kept and not self.holding:
                    self.listener.send_multipart([who, *kept.pop(0)])

    def ask(self, who, frames):
        if who not in self.peers:
            if self.batch.Envelope.FromString(frames[0]).type != self.batch.MESSAGE_HELLO:
                return
            lane = self.session.Hello.FromString(frames[1]).lane
            self.forget(self.lanes.get(lane))
            self.lanes[lane] = who
            self.peers[who], self.kept[who] = Peer(self.fed, self.broker, self.context, self.subscriber).socket, []
            self.poller.register(self.peers[who], zmq.POLLIN)
        self.peers[who].send_multipart(frames)

    def forget(self, who):
        """A connection that was given up: what it still holds reaches nobody."""
        if who in self.peers:
            self.poller.unregister(self.peers[who])
            self.peers.pop(who).close()
            self.kept.pop(who)

    def pass_on(self, who, frames):
        kind = self.batch.Envelope.FromString(frames[0]).type
        if (self.holding or self.kept[who]) and kind in (self.batch.MESSAGE_BATCH, self.batch.MESSAGE_RUN):
            self.kept[who].append(frames)
        else:
            self.listener.send_multipart([who, *frames])

    def close(self):
        self.ended = True
        self.thread.join()
        self.context.destroy(linger=0)
