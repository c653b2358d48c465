"""A federation of real processes in a temporary folder: what the system tests start, break and look at.

Each test is a program: it exits 0, or says what was wrong and exits 1.  Ports are free ones, nothing outlives the test."""

import atexit
import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BIN = os.environ.get("TORAP_BIN") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin")
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PATIENCE_S = 60 if "build-" in BIN else 30  # sanitizer builds are slow; nothing is asserted about speed
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))  # no proxy of the environment: all is on loopback


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(what, condition, seconds=PATIENCE_S):
    """Waits until condition() is true; its value is returned.  A failure names `what`."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError):
            value = condition()
            if value:
                return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


def free_port():
    """Below the range that the kernel gives to outgoing connections, which would take the port before its process does.  Nobody else is
    given it while we run: each test holds a byte of one file for each of its ports.  Nor are we twice: of our own locks the kernel says nothing."""
    if not hasattr(free_port, "taken"):
        free_port.ours = set()
        path = os.path.join(tempfile.gettempdir(), f"torap-test-ports-{os.getuid()}")
        free_port.taken = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        port = random.randrange(12000, 32000)
        if port in free_port.ours:
            continue
        with contextlib.suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            fcntl.lockf(free_port.taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            free_port.ours.add(port)
            return port


class Relay:
    """Passes TCP connections on to another port, until it is killed: then they break, and nobody answers any more."""

    def __init__(self, port, target):
        self.target, self.open = target, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.target))
                self.open += [here, there]
                for one, other in (here, there), (there, here):
                    threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in one, other:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def kill(self):
        for end in [self.listener, *self.open]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def entry(writer, change):
    """For Federation.edit(): changes the lines of one writer in the text of the trust file."""
    return lambda text: re.sub(rf"  - id: {writer}\n(?:    .*\n)+", lambda m: change(m[0]), text)


class Speaker:
    """Panels that report one event after the other, each on a thread of its own, until the block ends."""

    def __init__(self, *panels):
        self.panels, self.over = panels, threading.Event()
        self.threads = [threading.Thread(target=self.speak, args=(panel,)) for panel in panels]

    def speak(self, panel):
        zone = 0
        while not self.over.is_set():
            zone += 1
            panel.report("PA" if zone % 2 else "BA", zone)

    def said(self):
        return sum(len(panel.acknowledged) for panel in self.panels)

    def go_on(self, count=20):
        before = self.said()
        wait_for("the panels go on", lambda: self.said() >= before + count)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Process:
    def __init__(self, name, argv, folder):
        self.name, self.argv, self.folder, self.environment = name, argv, folder, {}
        self.log = os.path.join(folder, name + ".log")
        self.child = None

    def start(self):
        check(self.child is None, f"{self.name} runs already")
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env={**os.environ, **self.environment})
        return self

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        """As a power cut would: SIGKILL."""
        if self.child:
            self.child.kill()
            self.child.wait()
            self.child = None

    def stop(self, seconds=PATIENCE_S):
        """SIGTERM; the exit status must be 0."""
        if not self.child:
            return
        self.child.terminate()
        try:
            status = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not stop within {seconds} s of SIGTERM")
        self.child = None
        check(status == 0, f"{self.name} stopped with status {status}\n{self.tail()}")

    def reload(self, word):
        """SIGHUP, and waits until the log says the word once more."""
        before = self.tail(10000).count(word)
        self.signal(signal.SIGHUP)
        wait_for(f"{self.name} says {word}\n{self.tail()}", lambda: self.tail(10000).count(word) > before)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def tail(self, lines=30):
        with contextlib.suppress(OSError), open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
        return ""

    def said(self, text):
        with open(self.log, errors="replace") as f:
            return text in f.read()


class Federation:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="torap-test-")
        self.processes, self.brokers, self.nodes, self.feeds = [], [], [], []
        self.version, self.signed = 0, None  # of the trust file
        atexit.register(self.close)
        self.torap("trust", "init", self.dir)

    def close(self):
        for p in self.processes:
            p.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def edit(self, name, change):
        """Changes the text of a file."""
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        new = change(text)
        check(new != text, f"{name}: nothing to change")
        self.write(name, new)

    def program(self, name):
        return os.path.join(BIN, name)

    def torap(self, *args, status=0):
        """Runs the torap command; returns its standard output."""
        done = subprocess.run([self.program("torap"), *args], capture_output=True, text=True, timeout=120)
        if status is not None and done.returncode != status:
            raise Failure(f"torap {' '.join(args)}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done.stdout

    def process(self, name, *argv):
        p = Process(name, [self.program(argv[0]), *argv[1:]], self.dir)
        self.processes.append(p)
        return p

    def keys(self, name):
        self.torap("keys", "new", name, "-d", self.dir)

    def public(self, name, what):
        with open(self.path(name + ".pub")) as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() == what:
                    return value.strip().strip('"')
        raise Failure(f"{name}.pub has no {what}")

    def trust(self, writer, *regions):
        self.torap("trust", "add", "-f", self.path("trust.yaml"), "--writer", writer, *(w for r in regions for w in ("--region", r)),
                   "--pub", self.path(writer + ".pub"))

    def sign(self):
        """Signs the trust file as it stands now; when it has changed, as a higher version."""
        with open(self.path("trust.yaml"), encoding="utf-8") as f:
            text = "".join(line for line in f if not line.startswith("version:"))
        self.version += text != self.signed
        self.signed = text
        self.torap("trust", "sign", "-f", self.path("trust.yaml"), "--root", self.path("root.key"), "-o", self.path("trust.signed"),
                   "--version", str(self.version))

    def trust_also(self, writer, keys):
        """Both keys of another .pub file are good for the writer, too."""
        both = lambda lines: lines.replace("    keys: [", f"    more_curve_keys: [\"{self.public(keys, 'curve_public')}\"]\n    keys: [").replace(
            "}]\n", f"}}, {{ key: \"{self.public(keys, 'sign_public')}\", from: 2026-01-01, until: 2099-01-01 }}]\n")
        self.edit("trust.yaml", entry(writer, both))

    # --- parts -------------------------------------------------------------------------------------------------------

    def broker(self, name="broker-one", region="000000000", port=None, upstreams=()):
        """`upstreams`: (broker, feed, rows): what this one subscribes to, and what that one grants it."""
        self.keys(name)
        self.trust(name, region)
        b = Broker(self, name, region, port, [u[:2] for u in upstreams])
        for upstream, feed, rows in upstreams:
            upstream.subscribers.append((feed, name, rows))
        self.brokers.append(b)
        return b

    def node(self, name, region, accounts, broker, **options):
        self.keys(name)
        self.trust(name, *options.pop("trusted", [region]))
        n = Node(self, name, region, accounts, broker if isinstance(broker, list) else [broker], **options)
        self.nodes.append(n)
        return n

    def feed(self, name, rows=None, broker=None):
        self.keys(name)
        f = Feed(self, name, rows if rows is not None else [{}], broker or self.brokers[0])
        self.feeds.append(f)
        return f

    def start(self):
        """Signs the trust file, writes the policies, starts everything and waits until every link flows."""
        self.sign()
        for b in self.brokers:
            b.write_policy()
            b.start()
        for n in self.nodes:
            n.start()
        for f in self.feeds:
            f.start()
        for n in self.nodes:
            n.wait_flowing()
        for f in self.feeds:
            if f.main.alive():
                wait_for(f"{f.name} receives\n{f.main.tail()}", lambda: f.main.said("LINK-FLOWING"))
        return self


def yaml_list(values):
    return "[" + ", ".join(json.dumps(v) for v in values) + "]"


class Service:
    """Something with a metrics port."""

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}{path}", timeout=5) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/status"))

    def metric(self, name, **labels):
        """The sum of a metric over all label sets that hold `labels`."""
        total, found = 0.0, False
        for line in self.get("/metrics").splitlines():
            head, _, value = line.rpartition(" ")
            if (head == name or head.startswith(name + "{")) and all(f'{k}="{v}"' in head for k, v in labels.items()):
                total += float(value)
                found = True
        check(found, f"no metric {name} {labels} on port {self.metrics}")
        return total

    def links(self, role, state="flowing"):
        return [link for link in self.status()["links"] if link["role"] == role and link["state"] == state]

    def wait_ready(self):
        def answers():
            check(self.main.alive(), f"{self.main.name} is gone\n{self.main.tail()}")
            return self.status()
        wait_for(f"{self.main.name} answers /status", answers)


class Broker(Service):
    def __init__(self, fed, name, region, port=None, upstreams=()):
        self.fed, self.name, self.port, self.metrics = fed, name, port or free_port(), free_port()
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.store = fed.path(name + ".store")
        self.writers = None  # all nodes unless a test says otherwise
        self.feeds = None
        self.subscribers = []  # (feed, name, rows) of brokers that subscribe to this one
        upstream = "upstream:\n" + "".join(
            f"  - {{ name: {b.name}, endpoint: \"{b.endpoint}\", key: {b.name}.pub, feed: {feed} }}\n" for b, feed in upstreams) if upstreams else ""
        fed.write(name + ".yaml", f"""name: {name}
region: "{region}"
keys: {name}.key
trust: trust.signed
root: root.pub
store: {name}.store
store_size: 1GiB
listen: {self.endpoint}
policy: {name}.policy.yaml
metrics: 127.0.0.1:{self.metrics}
canary: 1h
{upstream}""")
        self.main = fed.process(name, "torap-broker", "-c", fed.path(name + ".yaml"))

    def write_policy(self):
        text = "feeds:\n"
        feeds = [(f.name, f.name, f.rows) for f in (self.feeds if self.feeds is not None else self.fed.feeds)]
        for name, subscriber, rows in feeds + self.subscribers:
            text += f"""  - name: {name}
    keys: ["{self.fed.public(subscriber, 'curve_public')}"]
    legal_basis: test
    from: 2020-01-01
    until: 2099-01-01
    rows:
"""
            for row in rows:
                text += "      - " + "{ " + ", ".join(
                    f"{k}: {yaml_list(v) if isinstance(v, list) else v}" for k, v in {"parts": ["open", "personal", "image"], **row}.items()) + " }\n"
        writers = self.writers if self.writers is not None else [n.name for n in self.fed.nodes]
        text += "writers: [" + ", ".join(f"{{ id: {writer} }}" for writer in writers) + "]\n"
        self.fed.write(self.name + ".policy.yaml", text)

    def start(self):
        self.main.start()
        self.wait_ready()


class Node(Service):
    """A node and its DC-09 agent.  `accounts`: account → facility, or (facility, further device columns)."""

    def __init__(self, fed, name, region, accounts, brokers, mapping=None, journal_size="1GiB", canary="1h"):
        self.fed, self.name, self.region, self.metrics = fed, name, region, free_port()
        self.dc09_port, self.dc09_metrics = free_port(), free_port()
        self.write_registry(accounts)
        links = "".join(f"  - {{ name: {b.name}, endpoint: \"{b.endpoint}\", key: {b.name}.pub, kind: required }}\n" for b in brokers)
        fed.write(name + ".yaml", f"""name: {name}
region: "{region}"
keys: {name}.key
trust: trust.signed
root: root.pub
journal: {name}.journal
journal_size: {journal_size}
intake: ipc://{name}.intake
sites: {name}.sites.csv
devices: {name}.devices.csv
mapping: {mapping or os.path.join(ROOT, "deploy/mapping")}
metrics: 127.0.0.1:{self.metrics}
canary: {canary}
brokers:
{links}""")
        fed.write(name + ".dc09.yaml", f"""listen_tcp: 127.0.0.1:{self.dc09_port}
listen_udp: 127.0.0.1:{self.dc09_port}
node: ipc://{name}.intake
metrics: 127.0.0.1:{self.dc09_metrics}
""")
        self.main = fed.process(name, "torap-node", "-c", fed.path(name + ".yaml"))
        self.agent = fed.process(name + "-dc09", "torap-dc09", "-c", fed.path(name + ".dc09.yaml"))

    def write_registry(self, accounts):
        facilities = sorted({f if isinstance(f, str) else f[0] for f in accounts.values()})
        self.fed.write(self.name + ".sites.csv", "id,name,facility,region,owner_kind\n" + "".join(
            f"{f},{f},{f},{self.region},public\n" for f in facilities))
        self.fed.write(self.name + ".devices.csv", "id,site,protocol,address,supervision\n" + "".join(
            f"panel-{a},{f if isinstance(f, str) else f[0]},dc09,{a},{'' if isinstance(f, str) else f[1]}\n" for a, f in accounts.items()))

    def start(self):
        self.main.start()
        self.wait_ready()
        self.agent.start()
        wait_for(f"{self.agent.name} listens", lambda: socket.create_connection(("127.0.0.1", self.dc09_port), 1).close() or True)

    def wait_flowing(self):
        wait_for(f"all links of {self.name} flow\n{self.main.tail()}",
                 lambda: (s := self.status())["links"] and all(link["state"] == "flowing" for link in s["links"]))

    def panel(self, account):
        return Panel(self.dc09_port, account)


class Feed:
    """A subscriber: torap follow with --out."""

    def __init__(self, fed, name, rows, broker, brokers=None):
        self.fed, self.name, self.rows = fed, name, rows
        self.store, self.out = fed.path(name + ".store"), fed.path(name + ".jsonl")
        links = "".join(f"  - {{ name: {b.name}, endpoint: \"{b.endpoint}\", key: {b.name}.pub }}\n" for b in brokers or [broker])
        fed.write(name + ".yaml", f"""feed: {name}
keys: {name}.key
root: root.pub
dir: {name}.store
dir_size: 1GiB
brokers:
{links}""")
        self.main = fed.process(name, "torap", "follow", "-c", fed.path(name + ".yaml"), "--out", self.out)

    def start(self):
        self.main.start()

    def events(self, own=False):
        """What is in the output file; the bus's own events only when asked for."""
        with contextlib.suppress(FileNotFoundError), open(self.out, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f if line.endswith("\n")]
            return lines if own else [e for e in lines if e.get("device") and "code" in e["detail"]]
        return []

    def wait_count(self, count, seconds=PATIENCE_S):
        def enough():
            check(self.main.alive(), f"{self.name} is gone\n{self.main.tail()}")
            return len(self.events()) >= count
        wait_for(f"{self.name} has {count} events (it has {len(self.events())} now)\n{self.main.tail()}", enough, seconds)
        return self.events()

    def verify(self, status=0):
        return self.fed.torap("verify", self.store, "--root", self.fed.path("root.pub"), status=status)


def crc16(data):
    """CRC-16/ARC, as SIA DC-09 has it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


class Panel:
    """An alarm panel: one TCP connection at a time, repeats what was not acknowledged."""

    def __init__(self, port, account):
        self.port, self.account, self.sequence, self.socket = port, account, random.randrange(1, 9000), None
        self.acknowledged = []

    def frame(self, token, data, sequence, dated=True):
        body = f'"{token}"{sequence:04d}L0#{self.account}[{data}]'
        if dated:
            body += time.strftime("_%H:%M:%S,%m-%d-%Y", time.gmtime())
        body = body.encode()
        return b"\n%04X%04X" % (crc16(body), len(body)) + body + b"\r"

    def exchange(self, frame, seconds=2.0):
        """Sends a frame and waits for an answer; b"" when there is none."""
        try:
            if not self.socket:
                self.socket = socket.create_connection(("127.0.0.1", self.port), seconds)
            self.socket.settimeout(seconds)
            self.socket.sendall(frame)
            answer = b""
            while not answer.endswith(b"\r"):
                chunk = self.socket.recv(4096)
                if not chunk:
                    raise OSError("closed")
                answer += chunk
            return answer
        except OSError:
            self.close()
            return b""

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def send(self, frame, seconds=2.0, until=None):
        """Sends the same message again and again, as panels do, until it is acknowledged (True) or until() is true: to begin with, for
        as long as a test has patience."""
        end = time.monotonic() + PATIENCE_S
        while b'"ACK"' not in self.exchange(frame, seconds):
            if until() if until else time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def report(self, code, zone, text="", seconds=2.0, until=None):
        """Reports a SIA code; what was acknowledged is kept, for the test to compare."""
        self.sequence = self.sequence % 9999 + 1
        frame = self.frame("SIA-DCS", f"#{self.account}|Nri1/{code}{zone}" + (f"^{text}^" if text else ""), self.sequence)
        if not self.send(frame, seconds, until):
            return False
        self.acknowledged.append((self.account, code, str(zone)))
        return True


def key_of(event):
    """(account, code, zone) of an event, as Panel.acknowledged has it."""
    return (event["device"].removeprefix("panel-"), event["detail"]["code"].split()[-1], event["detail"].get("zone", ""))


def exactly_once(feed, panels):
    """Everything that was acknowledged is in the feed's file, once; nothing is there twice."""
    got = [key_of(e) for e in feed.events()]
    asked = [a for p in panels for a in p.acknowledged]
    check(len(got) == len(set(got)), f"{feed.name}: {len(got) - len(set(got))} events are there twice")
    lost = set(asked) - set(got)
    check(not lost, f"{feed.name}: {len(lost)} acknowledged events are missing, such as {sorted(lost)[:3]}")


def main(test):
    """Runs test(federation)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    fed = Federation()
    try:
        test(fed)
    except Failure as failure:
        for p in fed.processes:
            print(f"--- {p.name}.log\n{p.tail(15)}")
        print(f"failed: {failure}")  # last, for of a long text only the end is shown
        sys.exit(1)
    finally:
        fed.close()
