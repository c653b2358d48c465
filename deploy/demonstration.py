"""The demonstration federation: starts it, plays a shift of alarms and what happens to cameras, shows what the feeds receive, and checks the sums.

Called by deploy/up, which builds first.  Everything runs from the ordinary configuration files of deploy/etc/; only keys and the
trust file are made here, once, in .state/keys: the demonstration's own root, which is worth nothing elsewhere."""

import argparse
import csv
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import cameras

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(ROOT, "build/bin")
ETC = os.path.join(ROOT, "deploy/etc")
STATE = os.path.join(ROOT, ".state")
KEYS = os.path.join(STATE, "keys")

BROKER = "broker-nation"
NODES = {  # name → region, panel port, metrics port of node and agent
    "almaty-auezov": ("751310000", 7501, 9101, 9111),
    "kostanay": ("391010000", 7502, 9102, 9112),
    "rudny": ("392410000", 7503, 9103, 9113),
}
# What each feed's filter should give, said here once more and independently of deploy/etc/policy.yaml, so that the sums mean something.
FEEDS = {  # name → metrics port, filter
    "situation-centre": (9121, lambda e: True),
    "almaty-control-centre": (9122, lambda e: e["region"].startswith("75")),
    "rudny-duty-unit": (9123, lambda e: e["region"] == "392410000" and e["severity"] in ("normal", "high", "critical")),
    "prosecutor": (9124, lambda e: e["facility"] in ("police_premises", "prison")),
}
SEE = ("situation-centre", "almaty-control-centre")  # pictures, too
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names
RATE = 4  # messages a second from the panels of each node


def say(text):
    try:
        print(text, flush=True)
    except OSError:  # The terminal or pipe is gone: stop everything in order.
        sys.stdout = open(os.devnull, "w")
        Demonstration.stop()


def die(text):
    sys.exit(f"deploy/up: {text}")


def torap(*args):
    done = subprocess.run([os.path.join(BIN, "torap"), *args], capture_output=True, text=True, start_new_session=True)
    if done.returncode != 0:
        die(f"torap {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def remove(folder):
    def complain(_, path, info):
        die(f"{path} cannot be removed: {info[1].strerror or info[1]}")
    if os.path.lexists(folder):
        shutil.rmtree(folder, onerror=complain)


def make_keys():
    """The demonstration's keys: a root, a pair for each writer and feed, the trust file, and the secrets of encrypting panels."""
    if os.path.exists(os.path.join(KEYS, "trust.signed")):
        return
    say("making the demonstration's keys, with a root of its own, in .state/keys")
    remove(KEYS)
    os.makedirs(KEYS, mode=0o700)
    torap("trust", "init", KEYS)
    source = os.path.join(KEYS, "trust.yaml")
    writers = {BROKER: "000000000", **{f"node-{name}": region for name, (region, *_) in NODES.items()}}
    for name in [*writers, *FEEDS]:
        torap("keys", "new", name, "-d", KEYS)
    for writer, region in writers.items():
        torap("trust", "add", "-f", source, "--writer", writer, "--region", region, "--pub", os.path.join(KEYS, writer + ".pub"))
    for name in NODES:
        path = os.path.join(KEYS, f"dc09-{name}.keys")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            for row in registry(name):
                if row["key_name"]:
                    f.write(f"{row['key_name']}: {os.urandom(16).hex()}\n")
    torap("trust", "sign", "-f", source, "--root", os.path.join(KEYS, "root.key"), "-o", os.path.join(KEYS, "trust.signed"))


def registry(name):
    """The alarm panels of a node, each with its site's facility, region and owner."""
    def rows(which):
        with open(os.path.join(ROOT, "deploy/registry", name, which), encoding="utf-8", newline="") as f:
            return list(csv.DictReader(f))
    sites = {s["id"]: s for s in rows("sites.csv")}
    return [{**{k: sites[d["site"]][k] for k in ("facility", "region", "owner_kind")}, **d} for d in rows("devices.csv") if d["protocol"] == "dc09"]


class Stopped(Exception):
    """Ctrl-C, SIGTERM or SIGHUP came while things were starting."""


class Process:
    def __init__(self, name, *argv, stdin=subprocess.DEVNULL):
        self.name, self.log = name, os.path.join(STATE, "log", name + ".log")
        with open(self.log, "ab") as log:
            # A group of its own: Ctrl-C reaches this program alone, which then stops the others in order.
            self.child = subprocess.Popen([os.path.join(BIN, argv[0]), *argv[1:]], stdin=stdin, stdout=log, stderr=log,
                                          start_new_session=True)

    def alive(self):
        return self.child.poll() is None

    def must_live(self):
        if not self.alive():
            with open(self.log, errors="replace") as f:
                die(f"{self.name} ended with status {self.child.returncode}; the end of {self.log}:\n{''.join(f.readlines()[-5:])}")

    def stop(self, seconds=15):
        if self.alive():
            self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return -1


def get(port, path):
    with DIRECT.open(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
        return answer.read().decode()


def metric(port, name, **labels):
    total = 0
    for line in get(port, "/metrics").splitlines():
        head, _, value = line.rpartition(" ")
        if (head == name or head.startswith(name + "{")) and all(f'{k}="{v}"' in head for k, v in labels.items()):
            total += float(value)
    return int(total)


class Tail:
    """Reads the lines that a feed's output file grows by."""

    def __init__(self, feed):
        self.path, self.rest = os.path.join(STATE, feed + ".jsonl"), b""
        self.at = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        self.device, self.own, self.last, self.cameras, self.evidence = 0, 0, [], [], []

    def read(self):
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as f:
            f.seek(self.at)
            data = f.read()
        self.at += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            protocol = event["detail"].get("protocol")
            if protocol in ("rtsp", "archive"):
                self.cameras.append(event)
                if event["kind"] == "evidence_stored":
                    self.evidence.append(event)
            elif event.get("device") and "code" in event["detail"]:
                self.device += 1
                self.last = [*self.last, event][-5:]
            else:
                self.own += 1  # the bus's own: canaries, sessions, consents, supervision


class Demonstration:
    stopping = False

    @classmethod
    def stop(cls, *_):
        cls.stopping = True

    def __init__(self, seconds):
        self.seconds, self.processes, self.panels = seconds, [], []
        os.makedirs(os.path.join(STATE, "log"), exist_ok=True)
        for port in [7400, 9100] + [p for _, *ports in NODES.values() for p in ports] + [p for p, _ in FEEDS.values()] + cameras.PORTS:
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    die(f"port {port} is taken: is another deploy/up running?")

    def start(self, name, *argv, **more):
        p = Process(name, *argv, **more)
        self.processes.append(p)
        return p

    def wait(self, what, condition, seconds=20):
        end = time.monotonic() + seconds
        while True:
            if self.stopping:
                raise Stopped
            for p in self.processes:
                p.must_live()
            try:
                if condition():
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                die(f"waited {seconds} s in vain: {what}; see {STATE}/log")
            time.sleep(0.05)

    def bring_up(self):
        self.start(BROKER, "torap-broker", "-c", os.path.join(ETC, "broker.yaml"))
        self.wait("the broker answers", lambda: get(9100, "/status"))
        for name, (_, port, node_metrics, _) in NODES.items():
            self.start(f"node-{name}", "torap-node", "-c", os.path.join(ETC, f"node-{name}.yaml"))
            self.wait(f"node-{name} answers", lambda: get(node_metrics, "/status"))
            self.start(f"dc09-{name}", "torap-dc09", "-c", os.path.join(ETC, f"dc09-{name}.yaml"))
            self.wait(f"dc09-{name} listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True)
        self.tails = {feed: Tail(feed) for feed in FEEDS}
        for feed in FEEDS:
            pictures = os.path.join(STATE, "pictures", feed)
            os.makedirs(pictures, exist_ok=True)
            self.start(feed, "torap", "follow", "-c", os.path.join(ETC, f"feed-{feed}.yaml"), "--out", os.path.join(STATE, feed + ".jsonl"), "--pictures", pictures)
        self.cameras = cameras.Cameras(self.start, STATE, self.wait)
        self.start("rtsp-kostanay", "torap-rtsp", "-c", os.path.join(ETC, "rtsp-kostanay.yaml"))
        self.start("archive-kostanay", "torap-archive", "-c", os.path.join(ETC, "archive-kostanay.yaml"))
        for name, (_, _, node_metrics, _) in NODES.items():
            self.wait(f"the links of node-{name} flow",
                      lambda: (s := json.loads(get(node_metrics, "/status"))["links"]) and all(l["state"] == "flowing" for l in s))
        self.wait("each camera shows a picture", lambda: all(c.get("outcome") == "picture" for c in map(json.loads, get(cameras.WATCHER, "/cameras").splitlines())))

    def play(self):
        """A shift of alarms: the panels of each node, those that encrypt or lack their owner's consent left out."""
        for name, (_, port, _, _) in NODES.items():
            accounts = os.path.join(STATE, f"accounts-{name}")
            with open(accounts, "w") as f:
                for row in registry(name):
                    if not row["key_name"] and (row["owner_kind"] == "public" or row["consent_ref"]):
                        f.write(row["address"] + "\n")
            for old in glob.glob(os.path.join(STATE, f"panels-{name}*.jsonl")):
                os.remove(old)
            log = os.path.join(STATE, f"panels-{name}.jsonl")
            self.panels.append(self.start(f"panels-{name}", "torap", "panel", "--connect", f"127.0.0.1:{port}", "--accounts", accounts,
                                          "--rate", str(RATE), "--for", f"{self.seconds or 86400 * 365}s", "--log", log))

    def sent(self):
        """What panels were told is accepted: one entry an event, less supervision and repeats; and how many were left out as such."""
        events, supervision, repeats = [], 0, 0
        for name, (region, *_) in NODES.items():
            devices = {row["address"]: row for row in registry(name)}
            seen = set()
            for path in glob.glob(os.path.join(STATE, f"panels-{name}*.jsonl")):  # ours, and those of whoever pressed a button
                for line in open(path):
                    message = json.loads(line)
                    # What a node calls a repeat: the same content at the same time of the device, or with the same number.
                    key = tuple(message[k] for k in ("account", "code", "area", "zone", "user", "time" if message["dated"] else "sequence"))
                    if message["event"] == "null":
                        supervision += 1
                        continue
                    if key in seen:
                        repeats += 1
                        continue
                    seen.add(key)
                    events.append({**message, "region": region, "facility": devices[message["account"]]["facility"],
                                   "severity": severity(message["event"])})
        return events, supervision, repeats

    def show(self, screen):
        for tail in self.tails.values():
            tail.read()
        accepted = sum(metric(m, "torap_dc09_answers_total", answer="ack") for *_, m in NODES.values())
        lines = [f"{time.strftime('%H:%M:%S')}  acknowledged to panels: {accepted}"]
        for feed, tail in self.tails.items():
            lines.append(f"  {feed:24}{tail.device:7} events {tail.own:6} of the bus   {verification(FEEDS[feed][0])}")
            if screen:
                lines += [f"      {e['received_at'][11:19]}  {e['severity']:12}{e['kind']:16}{e['state']:6} {e['region']} {e['site']}" for e in tail.last[-3:]]
        heard = self.tails["situation-centre"].cameras
        lines += [f"      {told(e)}" for e in (heard[-6:] if screen else heard[self.shown:]) if e["kind"].startswith("camera_")]
        self.shown = len(heard)
        if screen:
            say("\033[H\033[2J" + "\n".join(lines) + "\n\nCtrl-C stops it all; a second deploy/up goes on from here.")
        else:
            say("\n".join(lines))

    def run(self):
        self.bring_up()
        say(f"up: {len(self.processes)} processes; metrics on http://127.0.0.1:9100/metrics; logs in .state/log")
        self.play()
        self.shown, begin = 0, time.monotonic()
        screen = sys.stdout.isatty()
        end = time.monotonic() + self.seconds if self.seconds else float("inf")
        next_show = 0
        while not self.stopping and time.monotonic() < end:
            for p in self.processes:
                if p not in self.panels:
                    p.must_live()
            for text in self.cameras.play(time.monotonic() - begin):
                if not screen:
                    say(f"{time.strftime('%H:%M:%S')}  {text}")
            if time.monotonic() >= next_show:
                self.show(screen)
                next_show = time.monotonic() + (1 if screen else 5)
            time.sleep(0.1)
        return self.finish()

    def finish(self):
        """Panels first, then everything drains, then the feeds stop and are verified, then the rest stops."""
        say("\nstopping: panels first, then what is on its way arrives")
        for p in self.panels:
            p.stop()
        sent, supervision, repeats = self.sent()
        due = {feed: sum(1 for e in sent if of(e)) for feed, (_, of) in FEEDS.items()}
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for tail in self.tails.values():
                tail.read()
            if all(self.tails[f].device >= due[f] for f in FEEDS):
                break
            time.sleep(0.1)
        bad = []
        self.cameras.stop()
        for p in reversed(self.processes):
            if p not in self.panels and p not in self.cameras.servers.values() and p.stop() != 0:
                bad.append(f"{p.name} did not stop cleanly")
        say(f"\nacknowledged to panels {len(sent) + supervision + repeats}, less {supervision} of supervision, less {repeats} repeats: {len(sent)} events")
        say(f"\n{'feed':26}{'due':>8}{'received':>10}  verification")
        for feed, tail in self.tails.items():
            tail.read()
            done = subprocess.run([os.path.join(BIN, "torap"), "verify", os.path.join(STATE, feed), "--root", os.path.join(KEYS, "root.pub")],
                                  capture_output=True, text=True)
            said = (done.stdout.strip() or done.stderr.strip()).splitlines() or ["said nothing"]
            verdict = next((line for line in said if line.startswith(("complete", "not complete"))), said[-1])
            say(f"{feed:26}{due[feed]:>8}{tail.device:>10}  {verdict}")
            if tail.device != due[feed]:
                bad.append(f"{feed} received {tail.device} events where {due[feed]} are due")
            if done.returncode != 0:
                bad.append(f"{feed} does not verify")
        bad += self.finish_cameras()
        bad += self.finish_pictures()
        if not sent:
            bad.append("no panel got an acknowledgement")
        for text in bad:
            say(f"WRONG: {text}")
        if not bad:
            say("the sums agree")
        return 1 if bad else 0

    def finish_cameras(self):
        """The table of what recorders keep; and is what was heard of cameras what happened to them?"""
        store = os.path.join(STATE, "situation-centre")
        say("\nwhat recorders keep (torap report retention .state/situation-centre):\n" + torap("report", "retention", store))
        bad = cameras.wrong_verdicts(csv.DictReader(torap("report", "retention", store, "--cameras", "--csv").splitlines()))
        if self.cameras.whole():
            bad += cameras.wrong(self.tails["situation-centre"].cameras)
        else:
            say(f"(what happens to cameras takes {cameras.ROUND_S} s: not judged)")
        return bad


    def finish_pictures(self):
        """Does each feed have the pictures of alarms that it is entitled to, and no other?  Is the evidence folder what its events say?"""
        bad, evidence = [], os.path.join(STATE, "evidence")
        say("\npictures and clips of alarms, by feed")
        for feed, tail in self.tails.items():
            stills = [e for e in tail.evidence if e["detail"]["media_type"] == "image/jpeg"]
            shown = [e for e in stills if "image" in e]
            say(f"{feed:26}{len(stills):>6} pictures told, {len(shown)} shown (.state/pictures/{feed}); {len(tail.evidence) - len(stills)} clips told")
            if len(shown) != (len(stills) if feed in SEE else 0):
                bad.append(f"{feed} is shown {len(shown)} of {len(stills)} pictures")
            if not stills and feed in ("situation-centre", "prosecutor") and self.cameras.whole():
                bad.append(f"{feed} was told of no picture of an alarm")
            bad += [f"{feed}: no file of picture {e['detail']['digest']}" for e in shown
                    if not os.path.exists(os.path.join(STATE, "pictures", feed, e["detail"]["digest"] + ".jpg"))]
        done = subprocess.run([os.path.join(BIN, "torap-rtsp"), "--check-evidence", evidence], capture_output=True, text=True)
        say((done.stdout.strip() or done.stderr.strip()).splitlines()[-1])
        return bad + ([f"{evidence} is not what its events say"] if done.returncode else [])


def told(event):
    """An event of a camera as a line."""
    detail = event["detail"]
    who = f"{detail['members_count']} cameras of {detail['common']} {detail['name']}" if event["kind"] == "camera_mass_outage" else event["device"]
    return f"{event['received_at'][11:19]}  {event['severity']:12}{event['kind']:20}{event['state']:6} {who}" + (f": {detail['cause']}" if "cause" in detail else "")


def verification(port):
    """What a feed's subscriber says of what it received so far."""
    try:
        batches, *wrong = (metric(port, f"torap_follow_{name}_total") for name in ("batches", "refused", "withheld", "beyond_rights", "proofs"))
    except OSError:
        return "…"
    if not any(wrong):
        return f"{batches} batches verified"
    return ", ".join(f"{n} {word}" for n, word in zip(wrong, ("NOT VERIFIED", "WITHHELD", "BEYOND RIGHTS", "PROOFS OF A LIE")) if n)


def severity(event):
    """Of what panels tell, by the severities to begin with."""
    if event in ("panic", "duress", "holdup", "fire", "medical", "emergency", "gas"):
        return "critical"
    if event in ("burglary", "tamper"):
        return "high"
    if event in ("water", "power", "comm"):
        return "normal"
    return "low" if event in ("battery", "bypass", "cancel") else "information"


def main():
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, Demonstration.stop)
    parser = argparse.ArgumentParser(prog="deploy/up")
    parser.add_argument("--for", dest="seconds", type=int, default=0, metavar="SECONDS", help="end after so many seconds and check the sums")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier one left in .state/")
    arguments = parser.parse_args()
    if arguments.seconds < 0:
        parser.error("--for wants a number of seconds")
    demonstration = Demonstration(arguments.seconds)
    status = 0
    try:
        if arguments.fresh:
            remove(STATE)
            os.makedirs(os.path.join(STATE, "log"))
        make_keys()
        cameras.make_secrets(KEYS)
        status = demonstration.run()
    except Stopped:
        say("stopped before everything was up")
    finally:
        for p in reversed(demonstration.processes):
            p.stop()
    sys.exit(status)


main()
