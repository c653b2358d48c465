"""Stores that are filled by the real path, as fast as it goes, and processes that are killed and started on them."""

import os
import time

import bench
import kit

EVENTS, EVENTS_QUICK = 10_000_000, 300_000
REPEAT_KEYS = 4 << 20  # as many as a node keeps: 48 dated messages a second for a day
FILL_PATIENCE_S = 600


def add_events(p):
    p.add_argument("--events", type=int, help=f"in the stores ({EVENTS:,}; {EVENTS_QUICK:,} with --quick)")


def events(options):
    return options.events or (EVENTS_QUICK if options.quick else EVENTS)


def fill(rig, count, *more):
    """Offers so many events and waits until the broker has them on its disk, or, while it is away, until the node has."""
    bench.progress(f"filling: {count:,} events")
    offered = rig.offer(count, *more).result()
    if rig.broker.main.alive():
        kit.wait_for("the broker has all", lambda: rig.node.metric("torap_node_link_lag_events") == 0, FILL_PATIENCE_S)
    return offered


def store_file(folder):
    return os.path.join(folder, "data.mdb")


def make_cold(folder):
    """Lets the kernel forget the store's pages.  Nobody may have it open."""
    fd = os.open(store_file(folder), os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class Probe:
    """start_probe, begun before the process that it waits for."""

    def __init__(self, *argv):
        self.child = bench.Child("start_probe", *argv)
        kit.check(self.child.child.stdout.readline() == "ready\n", "start_probe is not ready")

    def start(self, process):
        """Milliseconds from exec until it serves."""
        since = time.monotonic_ns()
        process.start()
        try:
            return (self.child.result()["serves_us"] * 1000 - since) / 1e6
        finally:
            self.child.end()


def start_node(rig):
    return Probe("--node", "ipc://" + rig.fed.path(rig.node.name + ".intake")).start(rig.node.main)


def start_broker(rig):
    return Probe("--broker", rig.fed.path("lean.yaml")).start(rig.broker.main)


def start_floor(folder):
    """A process that opens the same file and reads the row of each stream."""
    since = time.monotonic_ns()
    return (bench.run("floor_open", folder)["opened_us"] * 1000 - since) / 1e6
