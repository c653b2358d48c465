"""One node, one broker and its subscribers, ready to be loaded: the path that DESIGN.md's budgets speak of."""

import contextlib
import shutil
import subprocess

import bench
import kit

REGION = "391010000"
SITES = ("school-1", "school"), ("hospital-1", "hospital"), ("mall-1", "mall")
DEVICES = 300  # accounts 1000, 1001, …: what hop_offer speaks for


class Follow:
    """A real `torap follow` that stores all that it receives and prints it to /dev/null."""

    def __init__(self, feed):
        self.feed, self.metrics = feed, kit.Service()
        self.metrics.metrics = kit.free_port()
        feed.fed.edit(feed.name + ".yaml", lambda text: text + f"metrics: 127.0.0.1:{self.metrics.metrics}\n")

    @contextlib.contextmanager
    def running(self):
        """From now on, and with an empty store: else it would go on at its cursor, with all that was sent meanwhile."""
        shutil.rmtree(self.feed.store, ignore_errors=True)
        fed = self.feed.fed
        self.child = subprocess.Popen([fed.program("torap"), "follow", "-c", fed.path(self.feed.name + ".yaml"), "--from", "now"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            kit.wait_for("all lanes of torap follow flow", lambda: self.metrics.metric("torap_follow_flowing") == 3)
            yield self
        finally:
            self.child.terminate()
            said = self.child.communicate()[1]
        kit.check(self.child.returncode == 0, f"torap follow: status {self.child.returncode}\n{said}")

    def printed(self):
        return self.metrics.metric("torap_follow_printed_total")

    def wait_printed(self, count):
        kit.wait_for("torap follow has stored and printed all", lambda: self.printed() >= count, bench.PATIENCE_S)


class Rig:
    """Both processes run, all links flow.  Feeds of everything: `lean`, that of hop_take, and `follow`."""

    def __init__(self, fed, store_size="32GiB", devices=DEVICES):
        self.fed, self.way = fed, []
        self.broker = fed.broker()
        self.node = fed.node("node-bench", REGION, {}, self.broker)
        self.lean = fed.feed("lean")
        self.follow = Follow(fed.feed("kept"))
        fed.write("node-bench.sites.csv", "id,name,facility,region,owner_kind\n" + "".join(f"{s},{s},{f},{REGION},public\n" for s, f in SITES))
        fed.write("node-bench.devices.csv", "id,site,protocol,address\n" + "".join(
            f"panel-{1000 + i},{SITES[i % len(SITES)][0]},dc09,{1000 + i}\n" for i in range(devices)))
        for name in "node-bench", "broker-one", "lean", "kept":
            fed.edit(name + ".yaml", lambda text: text.replace("1GiB", store_size))
        fed.sign()
        self.broker.write_policy()
        self.broker.start()
        self.node.main.start()
        self.node.wait_ready()
        self.node.wait_flowing()

    def pids(self):
        return {"node": self.node.main.child.pid, "broker": self.broker.main.child.pid}

    def low_latency(self, wished):
        """Starts both processes again, if need be, with or without --low-latency; the generator and the subscriber that come then have it, too."""
        self.way = ["--low-latency"] * wished
        mains = self.broker.main, self.node.main
        if wished == ("--low-latency" in self.node.main.argv):
            return
        for p in reversed(mains):
            p.stop()
        for p in mains:
            p.argv = [a for a in p.argv if a != "--low-latency"] + self.way
            p.start()
        self.node.wait_ready()
        self.node.wait_flowing()
        self.through(10000)  # warms them

    def offer(self, events, *options):
        """The generator, started."""
        return bench.Child("hop_offer", "--node", "ipc://" + self.fed.path("node-bench.intake"), "--events", events, "--devices", DEVICES, *self.way, *options)

    def through(self, events, *options, critical=0, decode=False):
        """Sends events through to the lean receiver: what both ends said, events a second, CPU seconds a million and memory of each."""
        take = bench.Child("hop_take", "--config", self.fed.path("lean.yaml"), "--events", events + critical, *(["--open"] if decode else []), *self.way)
        try:
            kit.check(take.child.stdout.readline() == "flowing\n", "hop_take got no welcome")
            before = {name: bench.cpu_of(pid) for name, pid in self.pids().items()}
            offered = self.offer(events, *options, *(["--critical", critical] if critical else [])).result()
            taken = take.result()
        finally:
            take.end()
        cpu = {name: bench.cpu_of(pid) - before[name] for name, pid in self.pids().items()}
        cpu |= {"generator": offered["cpu_s"], "subscriber": taken["cpu_s"]}
        kit.check(taken["events"] == events + critical == offered["durable"], f"{offered} offered, {taken} taken")
        return {"offered": offered, "taken": taken, "per_s": taken["events"] * 1e6 / (taken["last_us"] - offered["began_us"]),
                "memory": {name: bench.own_memory_mib(pid) for name, pid in self.pids().items()},
                "cpu": {name: s * 1e6 / taken["events"] for name, s in cpu.items()}}
