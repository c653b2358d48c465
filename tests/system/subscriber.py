#!/usr/bin/python3
"""A small subscriber, written from proto/README.md alone: follows a feed and verifies signatures, digests and the chain.

    protoc --python_out=PB -I proto proto/*.proto
    subscriber.py --endpoint tcp://127.0.0.1:7400 --server-key HEX --keys feed.key --root HEX --feed NAME --pb PB

Prints a JSON object per event, then one that sums up.  Exit status 1 when anything did not verify.  It keeps nothing on disk: its
cursor is in memory, and what it acknowledges it has only printed.
"""
import argparse
import hashlib
import importlib
import json
import sys
import time

import nacl.exceptions
import nacl.signing
import zmq
import zmq.utils.z85
import zstandard

LANES = {1: "critical", 2: "normal", 3: "bulk"}
BEAT_S, DEAD_S, REFUSED_S = 1.0, 4.0, 5.0
FRAME_MAX, IMAGE_MAX, BATCH_MAX, SALT = 1 << 20, 8 << 20, 16 << 20, 16
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Wrong(Exception):
    """What came cannot be right."""


def digest(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def check_signature(key, prefix, signed, signature):
    try:
        nacl.signing.VerifyKey(key).verify(prefix + b"\0" + signed, signature)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError, ValueError):
        raise Wrong("bad signature")


def read_key_file(path):
    """Lines of "name: hexadecimal digits", perhaps in quotes."""
    lines = (line.partition(":") for line in open(path, encoding="utf-8") if not line.startswith("#"))
    return {name.strip(): value.strip().strip('"') for name, _, value in lines}


def stream_key(stream):
    return stream.writer, stream.lane, stream.incarnation


def stream_text(key):
    return "%s/%s/%016x" % (key[0], LANES.get(key[1], key[1]), key[2])


class Trust:
    """Who may write, as the root key says."""

    def __init__(self, root, pb):
        self.root, self.pb, self.version, self.writers = root, pb, 0, {}

    def load(self, data):
        signed = self.pb.session.SignedTrust.FromString(data)
        check_signature(self.root, b"torap trust 1", signed.trust, signed.signature)
        trust = self.pb.session.Trust.FromString(signed.trust)
        if trust.version < self.version:
            raise Wrong("the trust file has an older version than one that was seen")
        if trust.valid_until_us <= time.time() * 1e6:
            raise Wrong("the trust file is past its time")
        self.version = trust.version
        self.writers = {w.id: w for w in trust.writers}

    def key(self, writer, key_id, at_us):
        for k in self.writers[writer].keys if writer in self.writers else ():
            if digest(k.key)[:8] == key_id and k.from_us <= at_us < k.until_us:
                return k.key
        raise Wrong("no key %s of writer %s at that time" % (key_id.hex(), writer))


class Stream:
    """Where we stand in a stream."""

    def __init__(self, next_batch=1, last=b""):
        self.next_batch, self.last = next_batch, last
        self.next_seq = 1 if next_batch == 1 else None  # of a begin in the middle nobody told us
        self.head = None


def lane_of(group_class):
    if group_class.severity == 5:
        return 1
    return 3 if group_class.kind >= 1000 else 2


def check_shape(m):
    """What a manifest must be, whoever signed it."""
    if not 1 <= m.count <= 4096 or not 1 <= len(m.groups) <= 256 or m.batch_no == 0 or m.first_seq == 0:
        raise Wrong("a manifest out of its limits")
    if m.digest != 1 or m.compression not in (0, 1) or len(m.frames) != 32:
        raise Wrong("unknown algorithms")
    if sum(g.count for g in m.groups) != m.count or any(g.count == 0 for g in m.groups):
        raise Wrong("counts do not add up")
    seen = set()
    for g in m.groups:
        c = getattr(g, "class")
        name = (c.region, c.facility, c.kind, c.severity, g.subject)
        kinds = [p.part for p in g.parts]
        if c.region > 999999999 or max(c.facility, c.kind) > 0xFFFF or c.severity > 0xFF or len(g.subject) not in (0, 16):
            raise Wrong("a class or subject out of its limits")
        if name in seen or lane_of(c) != m.stream.lane:
            raise Wrong("a group twice, or of another lane")
        if kinds[:1] != [1] or kinds != sorted(set(kinds)) or kinds[-1] > 3:
            raise Wrong("parts out of order")
        if any(p.length > (IMAGE_MAX if p.part == 3 else FRAME_MAX) for p in g.parts):
            raise Wrong("a part out of its limits")
        seen.add(name)


def check_frames(m, digests, frames):
    """Each frame is empty or what was signed.  Returns them by (group, part kind)."""
    parts = [(i, p) for i, g in enumerate(m.groups) for p in g.parts]
    if len(frames) != len(parts):
        raise Wrong("%d frames for %d parts" % (len(frames), len(parts)))
    if any(frames) or digests:
        if len(digests) != 32 * len(parts):
            raise Wrong("%d bytes of digests for %d parts" % (len(digests), len(parts)))
        if digest(digests) != m.frames:
            raise Wrong("bad digest of the digests")
    there = {}
    for n, (frame, (group, part)) in enumerate(zip(frames, parts)):
        if not frame:
            continue
        if len(frame) != part.length or digest(frame) != digests[32 * n:32 * n + 32]:
            raise Wrong("bad digest")
        there[group, part.part] = frame
    return there


def content_size(zstd):
    """What a zstd frame says that it holds."""
    if not zstd.startswith(ZSTD_MAGIC):
        raise Wrong("not a zstd frame")
    parameters = zstandard.get_frame_parameters(zstd)
    if not 1 <= parameters.content_size <= FRAME_MAX - SALT or parameters.dict_id:  # an unknown size is larger
        raise Wrong("a zstd frame of a form that is not allowed")
    return parameters.content_size


def decompressed(zstd, size):
    data = zstandard.ZstdDecompressor().decompress(zstd, max_output_size=size, allow_extra_data=False)
    if len(data) != size:
        raise Wrong("a zstd frame that holds less than it says")
    return data


def contents(m, there):
    """The messages of each frame, without its salt.  Those of open frames are perhaps compressed, each by itself."""
    there = {place: frame[SALT:] for place, frame in there.items()}
    if m.compression == 0:
        return there
    sizes = {place: content_size(data) for place, data in there.items() if place[1] == 1}
    if sum(sizes.values()) > BATCH_MAX:
        raise Wrong("a batch that holds too much")
    for place, size in sizes.items():
        there[place] = decompressed(there[place], size)
    return there


def read_messages(frame, make):
    """Messages, each preceded by its length as a varint."""
    at = 0
    while at < len(frame):
        length = shift = 0
        while True:
            if at >= len(frame) or shift > 28:
                raise Wrong("a frame that is cut off")
            byte = frame[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if at + length > len(frame):
            raise Wrong("a frame that is cut off")
        yield make.FromString(frame[at : at + length])
        at += length


class Subscriber:
    def __init__(self, args, pb):
        self.args, self.pb = args, pb
        self.trust = Trust(bytes.fromhex(args.root), pb)
        self.streams = {}
        self.canaries = {v for k, v in pb.event.Kind.items() if k.startswith("KIND_CANARY_")}
        self.counts = {"events": 0, "canaries": 0, "batches": 0, "compressed": 0, "compressed_runs": 0, "manifests": 0, "duplicates": 0, "heads": 0, "failures": 0}
        self.makes = {1: pb.event.EventOpen, 2: pb.event.EventPersonal, 3: pb.event.EventImage}

    def fail(self, where, why):
        self.counts["failures"] += 1
        print(json.dumps({"failure": why, "where": where}), flush=True)

    def hello(self, lane):
        h = self.pb.session.Hello(protocol_version=1, role=2, lane=lane, name=self.args.feed, software="subscriber.py 1",
                                  credit_bytes=4 << 20)
        for key, s in self.streams.items():
            if key[1] == lane:
                h.positions.append(self.position(key, s))
        return h

    def position(self, key, s):
        p = self.pb.session.StreamPosition(next_batch=s.next_batch, last_digest=s.last)
        p.stream.writer, p.stream.lane, p.stream.incarnation = key
        return p

    def on_welcome(self, lane, body):
        w = self.pb.session.Welcome.FromString(body)
        if w.protocol_version != 1:
            raise Wrong("speaks version %d" % w.protocol_version)
        if w.trust:
            self.trust.load(w.trust)
        elif not self.trust.version:
            raise Wrong("no trust file: nothing can be verified")
        for p in w.positions:
            if p.stream.lane != lane:
                raise Wrong("a position of another lane")
            self.streams.setdefault(stream_key(p.stream), Stream(p.next_batch, p.last_digest))

    def check_manifest(self, signed_bytes, key, batch_no):
        """A verified manifest that continues its stream, or None when we have it already."""
        signed = self.pb.batch.SignedManifest.FromString(signed_bytes)
        m = self.pb.batch.Manifest.FromString(signed.manifest)
        if stream_key(m.stream) != key or m.batch_no != batch_no or m.key_id != signed.key_id:
            raise Wrong("envelope and manifest differ")
        public = self.trust.key(m.stream.writer, m.key_id, m.sealed_at_us)
        check_signature(public, b"torap manifest 1", signed.manifest, signed.signature)
        check_shape(m)
        s = self.streams.setdefault(key, Stream())
        if m.batch_no < s.next_batch:
            self.counts["duplicates"] += 1
            return None
        if m.batch_no > s.next_batch:
            raise Wrong("batches %d to %d are missing" % (s.next_batch, m.batch_no - 1))
        if s.last != m.previous and (s.last or s.next_batch == 1):
            raise Wrong("broken chain: previous")
        if s.next_seq not in (None, m.first_seq):
            raise Wrong("broken chain: first_seq")
        s.following = Stream(m.batch_no + 1, digest(signed.manifest))
        s.following.next_seq = m.first_seq + m.count
        return m

    def advance(self, key):
        s = self.streams[key]
        s.next_batch, s.last, s.next_seq = s.following.next_batch, s.following.last, s.following.next_seq
        self.counts["manifests"] += 1

    def events_of(self, m, there):
        """By offset: the group and the messages of each part."""
        events = {}
        for (group, part), frame in contents(m, there).items():
            offsets = []
            for message in read_messages(frame, self.makes[part]):
                if message.offset >= m.count or (offsets and message.offset <= offsets[-1]):
                    raise Wrong("offsets do not rise")
                offsets.append(message.offset)
                known_group, messages = events.setdefault(message.offset, (group, {}))
                if known_group != group:
                    raise Wrong("an offset in two groups")
                messages[part] = message
            if len(offsets) > m.groups[group].count or (part == 1 and len(offsets) != m.groups[group].count):
                raise Wrong("messages and count of a group differ")
        return sorted(events.items())

    def on_batch(self, envelope, frames):
        key = stream_key(envelope.stream)
        m = self.check_manifest(frames[0], key, envelope.batch_no)
        if m is None:
            return key
        there = check_frames(m, frames[1], frames[2:])
        for offset, (group, messages) in self.events_of(m, there):
            if 1 in messages:
                self.show(key, m, offset, getattr(m.groups[group], "class"), messages)
        self.counts["batches"] += 1
        self.counts["compressed"] += m.compression
        self.advance(key)
        return key

    def manifests_of(self, body):
        run = self.pb.batch.Run.FromString(body)
        if run.zstd:
            if run.manifests:
                raise Wrong("a run that is compressed and not")
            run = self.pb.batch.Run.FromString(decompressed(run.zstd, content_size(run.zstd)))
            self.counts["compressed_runs"] += 1
        if not 1 <= len(run.manifests) <= 256 or run.zstd:
            raise Wrong("a run of no manifests, of too many, or compressed twice")
        return run.manifests

    def on_run(self, envelope, body):
        key = stream_key(envelope.stream)
        for i, signed in enumerate(self.manifests_of(body)):
            if self.check_manifest(signed.SerializeToString(), key, envelope.batch_no + i) is not None:
                self.advance(key)
        return key

    def on_head(self, body):
        signed = self.pb.batch.SignedHead.FromString(body)
        h = self.pb.batch.Head.FromString(signed.head)
        public = self.trust.key(h.stream.writer, signed.key_id, h.at_us)
        check_signature(public, b"torap head 1", signed.head, signed.signature)
        s = self.streams.setdefault(stream_key(h.stream), Stream())
        if s.last and h.last_batch == s.next_batch - 1 and h.last_digest != s.last:
            raise Wrong("a fork: the head names another last batch")
        if s.head and h.at_us > s.head.at_us and h.last_batch < s.head.last_batch:
            raise Wrong("a rollback: the head is later and lower")
        s.head = h
        self.counts["heads"] += 1

    def show(self, key, m, offset, c, messages):
        def name(enum, number):
            return self.pb.event.__dict__[enum].Name(number) if number in self.pb.event.__dict__[enum].values() else number

        o = messages[1]
        event = {
            "stream": stream_text(key), "seq": m.first_seq + offset, "batch": m.batch_no, "kind": name("Kind", c.kind),
            "state": name("State", o.state), "severity": name("Severity", c.severity), "region": "%09d" % c.region,
            "facility": name("Facility", c.facility), "site": o.site, "device": o.device,
            "occurred_at_us": o.occurred_at_us, "received_at_us": o.received_at_us, "area": o.area, "zone": o.zone,
            "code": o.code, "count": o.count, "detail": {f.name: f.value for f in o.detail},
        }
        if 2 in messages:
            p = messages[2]
            event["personal"] = {"user": p.user, "text": p.text, "plate": p.plate, "raw": p.raw.hex()}
        print(json.dumps(event, ensure_ascii=False), flush=True)
        self.counts["canaries" if c.kind in self.canaries else "events"] += 1

    def done(self):
        return self.args.count and self.counts["events"] >= self.args.count


class Link:
    """One lane's connection: hello, heartbeats, acknowledgements, and again from the beginning after a failure."""

    def __init__(self, subscriber, lane, context, keys):
        self.subscriber, self.lane, self.context, self.keys = subscriber, lane, context, keys
        self.pb, self.socket, self.wait_until = subscriber.pb, None, 0.0

    def open(self):
        s = self.context.socket(zmq.DEALER)
        s.curve_secretkey = zmq.utils.z85.encode(bytes.fromhex(self.keys["curve_secret"]))
        s.curve_publickey = zmq.utils.z85.encode(bytes.fromhex(self.keys["curve_public"]))
        s.curve_serverkey = zmq.utils.z85.encode(bytes.fromhex(self.subscriber.args.server_key))
        s.linger, s.maxmsgsize = 20, 9 << 20
        s.connect(self.subscriber.args.endpoint)
        self.socket, self.welcomed = s, False
        self.greeted = self.sent = 0.0
        self.heard = time.monotonic()

    def close(self, pause=0.5):
        if self.socket:
            self.socket.close()
        self.socket, self.wait_until = None, time.monotonic() + pause

    def send(self, kind, body=None):
        envelope = self.pb.batch.Envelope(type=kind).SerializeToString()
        try:
            self.socket.send_multipart([envelope] + ([body.SerializeToString()] if body else []), zmq.DONTWAIT)
            self.sent = time.monotonic()
            return True
        except zmq.Again:
            return False

    def tick(self):
        now = time.monotonic()
        if not self.socket:
            if now >= self.wait_until:
                self.open()
            return
        if not self.welcomed:
            if now - self.greeted > 3.0 and self.send(self.pb.batch.MESSAGE_HELLO, self.subscriber.hello(self.lane)):
                self.greeted = self.heard = now
        elif now - self.heard > DEAD_S:
            self.close()
        elif now - self.sent > BEAT_S:
            self.send(self.pb.batch.MESSAGE_HEARTBEAT)

    def receive(self):
        for _ in range(64):
            if not self.socket or self.subscriber.done():
                return
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self.heard = time.monotonic()
            try:
                self.on_message(frames)
            except Exception as wrong:  # protobuf's DecodeError has no base of its own
                self.subscriber.fail(LANES[self.lane], "%s" % wrong)
                self.close(REFUSED_S)

    def on_message(self, frames):
        envelope = self.pb.batch.Envelope.FromString(frames[0])
        kind, b, key = envelope.type, self.pb.batch, None
        if kind == b.MESSAGE_WELCOME:
            self.subscriber.on_welcome(self.lane, frames[1])
            self.welcomed = True
        elif kind == b.MESSAGE_REFUSAL:
            self.on_refusal(self.pb.session.Refusal.FromString(frames[1]))
        elif not self.welcomed:
            return  # of a session that is over
        elif kind == b.MESSAGE_BATCH:
            key = self.subscriber.on_batch(envelope, frames[1:])
        elif kind == b.MESSAGE_RUN:
            key = self.subscriber.on_run(envelope, frames[1])
        elif kind == b.MESSAGE_HEAD:
            self.subscriber.on_head(frames[1])
        if key:
            ack = self.pb.session.Ack(positions=[self.subscriber.position(key, self.subscriber.streams[key])])
            self.send(b.MESSAGE_ACK, ack)

    def on_refusal(self, refusal):
        r = self.pb.session.Refusal
        if refusal.code == r.NO_SESSION:
            self.welcomed, self.greeted = False, 0.0
            return
        print(json.dumps({"refused": refusal.reason, "code": r.Code.Name(refusal.code)}), flush=True)
        self.close(0.5 if refusal.code == r.BUSY else REFUSED_S)


def parse():
    p = argparse.ArgumentParser(description="Follows a feed and verifies it.")
    p.add_argument("--endpoint", required=True, help="tcp://HOST:PORT of the broker")
    p.add_argument("--server-key", required=True, help="the broker's CURVE public key, 64 hexadecimal digits")
    p.add_argument("--keys", required=True, help="NAME.key of the feed")
    p.add_argument("--root", required=True, help="public key of the root, 64 hexadecimal digits")
    p.add_argument("--feed", required=True)
    p.add_argument("--pb", required=True, help="folder of the modules that protoc --python_out made")
    p.add_argument("--for", dest="seconds", type=float, help="end after so many seconds")
    p.add_argument("--count", type=int, help="end after so many events, canaries not counted")
    return p.parse_args()


def main():
    args = parse()
    sys.path.insert(0, args.pb)
    pb = argparse.Namespace(**{n: importlib.import_module(n + "_pb2") for n in ("batch", "event", "session")})
    subscriber = Subscriber(args, pb)
    context = zmq.Context()
    keys = read_key_file(args.keys)
    links = [Link(subscriber, lane, context, keys) for lane in LANES]
    end = time.monotonic() + args.seconds if args.seconds else float("inf")
    try:
        while time.monotonic() < end and not subscriber.done():
            poller = zmq.Poller()
            for link in links:
                link.tick()
                if link.socket:
                    poller.register(link.socket, zmq.POLLIN)
            poller.poll(100)
            for link in links:
                link.receive()
    except KeyboardInterrupt:
        pass
    for link in links:
        link.close()
    context.term()
    streams = {stream_text(k): s.next_batch - 1 for k, s in sorted(subscriber.streams.items())}
    print(json.dumps({"summary": subscriber.counts, "last_batches": streams}), flush=True)
    return 1 if subscriber.counts["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
