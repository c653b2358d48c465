#!/usr/bin/python3
"""A link between two processes that can be slow, late, cut or silent: a TCP relay, a process of its own.

Each direction is a queue in the order of arrival, shared by all connections and emptied at the link's rate, as in a router: what
one connection has put there stands in front of what another one sends later.  Beyond the queue a connection has a small receive
buffer here, so that the relay never holds a megabyte that its sender takes for sent.

`Link` starts the relay and tells it what to do, by lines on its standard input."""

import asyncio
import collections
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys

CHUNK = 1448          # a packet's worth on an ordinary network
BUFFER = 16 << 10     # a connection's receive buffer in the relay
BACKLOG_MAX = 64 << 10  # what may wait for a receiver that does not read, until its sender is not read either
BURST_S = 0.02        # how far the clock of a queue may be behind
DIRECTIONS = "up", "down"  # from who dials to who listens; back


class Direction:
    def __init__(self):
        self.rate, self.latency, self.room, self.frozen = 0, 0.0, 64 << 10, False
        self.queue, self.queued, self.carried, self.free_at = collections.deque(), 0, 0, 0.0
        self.changed, self.turns = asyncio.Condition(), asyncio.Lock()

    def chunk(self):
        """A packet's worth; of a link that is slower than a packet a second, a byte."""
        return BUFFER if not self.rate else CHUNK if self.rate >= CHUNK else 1

    async def change(self, **values):
        """What came by a link without a rate has passed before it gets one: else a packet of then would be carried for minutes, and nothing behind it."""
        async with self.changed:
            await self.changed.wait_for(lambda: not self.queue or self.rate or self.frozen)
            vars(self).update(values)
            self.changed.notify_all()

    async def wait(self, condition):
        async with self.changed:
            await self.changed.wait_for(condition)

    async def push(self, pipe, data):
        """Whoever waits for room first gets it first, else one connection could keep out the others for ever."""
        async with self.turns, self.changed:
            await self.changed.wait_for(lambda: self.queued + len(data) <= self.room or not self.queued)
            self.queue.append((pipe, data))
            self.queued += len(data)
            self.changed.notify_all()

    async def drain(self):
        """Takes the oldest chunk, spends the time that the link needs for it, hands it over."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wait(lambda: self.queue and not self.frozen)
            pipe, data = self.queue[0]
            if self.rate:
                self.free_at = max(self.free_at, loop.time() - BURST_S) + len(data) / self.rate
                await asyncio.sleep(self.free_at - loop.time())
                await self.wait(lambda: not self.frozen)
            self.carried += len(data)
            if self.latency:
                loop.call_later(self.latency, pipe.deliver, data)
            else:
                pipe.deliver(data)
            async with self.changed:
                self.queue.popleft()
                self.queued -= len(data)
                self.changed.notify_all()


class Pipe:
    """One direction of one connection."""

    def __init__(self, direction, source, sink):
        self.direction, self.source, self.sink = direction, source, sink
        self.waiting, self.waits, self.moved = collections.deque(), 0, asyncio.Event()

    def deliver(self, data):
        self.waiting.append(data)
        self.waits += len(data)
        self.moved.set()

    async def take(self):
        loop = asyncio.get_running_loop()
        while True:
            await self.direction.wait(lambda: not self.direction.frozen)
            data = await loop.sock_recv(self.source, CHUNK if self.direction.rate else BUFFER)
            if not data:
                await self.direction.push(self, data)
                return
            while data:  # The link may have become another one meanwhile.
                size = self.direction.chunk()
                await self.direction.push(self, data[:size])
                data = data[size:]
            while self.waits > BACKLOG_MAX:
                await asyncio.sleep(0.01)

    async def give(self):
        loop = asyncio.get_running_loop()
        while True:
            while self.waiting:
                data = self.waiting.popleft()
                if not data:
                    return
                await loop.sock_sendall(self.sink, data)
                self.waits -= len(data)
            self.moved.clear()
            await self.moved.wait()


def small(sock, listens=False):
    """Small packets and buffers; before the handshake, which tells them to the other end."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, CHUNK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    if listens:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)


class Relay:
    def __init__(self, port, target):
        self.port, self.target, self.listener, self.connections = port, target, None, set()
        self.directions = {name: Direction() for name in DIRECTIONS}

    async def carry(self, near):
        """One connection, until either end closes it or the link is cut."""
        far = socket.socket()
        tasks = []
        try:
            small(far)
            await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self.target))
            pipes = Pipe(self.directions["up"], near, far), Pipe(self.directions["down"], far, near)
            tasks = [asyncio.create_task(work) for p in pipes for work in (p.take(), p.give())]
            await asyncio.wait([tasks[1], tasks[3]], return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # The near end sees it closed, as it would without the relay.
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            near.close()
            far.close()

    async def accept(self):
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(self.listener)
            near.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self.carry(near))
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)

    async def restore(self):
        if not self.listener:
            self.listener = socket.socket()
            small(self.listener, listens=True)
            self.listener.bind(("127.0.0.1", self.port))
            self.listener.listen(64)
            self.accepting = asyncio.create_task(self.accept())

    async def cut(self):
        if self.listener:
            self.accepting.cancel()
            await asyncio.gather(self.accepting, return_exceptions=True)
            self.listener.close()
            self.listener = None
        connections = list(self.connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def obey(self, order):
        if order["do"] == "cut":
            await self.cut()
        elif order["do"] == "restore":
            await self.restore()
        for name in order.get("directions", ()):
            await self.directions[name].change(**order["values"])
        return {name: d.carried for name, d in self.directions.items()} | {"connections": len(self.connections)}

    async def run(self):
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        drains = [asyncio.create_task(d.drain()) for d in self.directions.values()]
        await self.restore()
        while line := await reader.readline():
            print(json.dumps(await self.obey(json.loads(line))), flush=True)
        for task in drains:
            task.cancel()


class Link:
    """The relay as a test holds it.  `target` is the port of who listens behind it; `port` is where to dial instead."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.child = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(port), str(target)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count()

    def order(self, do, **more):
        self.child.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def set(self, directions=DIRECTIONS, **values):
        return self.order("set", directions=directions, values=values)

    def slow(self, bits_per_s, latency=0.0, queue_bytes=64 << 10):
        """Both directions at so many bits a second of payload; 0: as fast as it goes."""
        self.set(rate=bits_per_s / 8, latency=latency, room=queue_bytes)

    def freeze(self, *directions):
        """Nothing goes through any more, and nobody is told; with thaw() it goes on where it stopped."""
        self.set(directions or DIRECTIONS, frozen=True)

    def thaw(self):
        self.set(frozen=False)

    def cut(self):
        """All connections end, new ones are refused."""
        self.order("cut")

    def restore(self):
        self.order("restore")

    def count(self):
        """Bytes carried so far: {"up", "down"}, and connections that there are."""
        return self.order("count")

    def close(self):
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        self.child.wait()


class Shaped:
    """The same by the kernel's own queues, on the loopback of a network namespace (in_namespace() was called): `port` is the target."""

    def __init__(self, port, target):
        self.port = self.target = target
        tc("qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "1", "r2q", "100000")
        self.shape("add", 1, "100gbit")
        for minor, side in (2, "dport"), (3, "sport"):
            self.shape("add", minor, "100gbit")
            tc("filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "u32", "match", "ip", side, str(target), "0xffff", "flowid", f"1:{minor}")

    def shape(self, do, minor, rate):
        burst = () if rate.endswith("gbit") else ("burst", "3000", "cburst", "3000")
        tc("class", do, "dev", "lo", "parent", "1:", "classid", f"1:{minor}", "htb", "rate", rate, *burst)

    def slow(self, bits_per_s, queue_bytes=64 << 10):
        self.rate = f"{int(bits_per_s)}bit"
        for minor in 2, 3:
            self.shape("change", minor, self.rate)
            tc("qdisc", "replace", "dev", "lo", "parent", f"1:{minor}", "handle", f"{minor}:", "bfifo", "limit", str(queue_bytes))

    def cut(self):
        """As good as nothing goes through, and nobody is told."""
        for minor in 2, 3:
            self.shape("change", minor, "8bit")

    def restore(self):
        for minor in 2, 3:
            self.shape("change", minor, self.rate)

    def count(self):
        shown = subprocess.run(["tc", "-s", "class", "show", "dev", "lo"], check=True, capture_output=True, text=True).stdout
        carried = {name: int(sent) for name, sent in re.findall(r"class htb (\S+) .*?Sent (\d+) bytes", shown, re.DOTALL)}
        return {"up": carried["1:2"], "down": carried["1:3"]}

    def close(self):
        tc("qdisc", "del", "dev", "lo", "root")


def tc(*words):
    done = subprocess.run(["tc", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"tc {' '.join(words)}: {done.stderr.strip()}")


def in_namespace():
    """Runs this program again in a network namespace of its own; returns there.  Else a text that says why not."""
    if os.environ.get("TORAP_NAMESPACE"):
        subprocess.run(["ip", "link", "set", "lo", "mtu", "1500", "gso_max_segs", "1", "up"], check=True)
        return None
    for program in "ip", "tc", "unshare":
        if not shutil.which(program):
            return f"there is no {program}"
    probe = subprocess.run(["unshare", "--net", "sh", "-c", "ip link set lo up && tc qdisc add dev lo root handle 1: htb"], capture_output=True, text=True)
    if probe.returncode:
        return probe.stderr.strip()
    os.environ["TORAP_NAMESPACE"] = "inside"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


if __name__ == "__main__":
    asyncio.run(Relay(int(sys.argv[1]), int(sys.argv[2])).run())
