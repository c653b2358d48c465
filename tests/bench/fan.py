"""A broker with many feeds, a writer and their sessions: what fan.h says of batches and grants, with real processes."""

import itertools
import subprocess

import bench
import kit

REGION = "391010000"
MATCHING = 10
SESSIONS = 2000  # of one process: each has some descriptors


def feeds_of(count, share):
    return subprocess.run([bench.program("fanout_take"), "--policy", share, "--feeds", str(count)], check=True, capture_output=True, text=True).stdout


class Fan:
    """A broker, `count` feeds of which ten match, and a writer."""

    numbers = itertools.count(1)

    def __init__(self, fed, count, lanes):
        self.fed, self.count, self.lanes, number = fed, count, lanes, next(self.numbers)
        self.broker = fed.broker(f"broker-{number}")
        self.writer = f"node-{number}"
        fed.keys(self.writer)
        fed.trust(self.writer, REGION)
        fed.edit(self.broker.name + ".yaml", lambda text: text.replace("1GiB", "32GiB"))

    def start(self, share):
        self.fed.write(self.broker.name + ".policy.yaml", feeds_of(self.count, share) + f"writers: [{{ id: {self.writer} }}]\n")
        self.broker.start()
        there = ["--broker", self.broker.endpoint, "--broker-key", self.fed.path(self.broker.name + ".pub")]
        self.takes, self.offer = [], bench.Speaking("fanout_offer", "--keys", self.fed.path(self.writer + ".key"), *there)
        self.flows(self.offer)
        each = SESSIONS // self.lanes
        for first in range(0, self.count, each):
            self.takes.append(bench.Speaking("fanout_take", "--first", first, "--feeds", min(self.count - first, each), "--lanes", self.lanes, *there))
            self.flows(self.takes[-1])
        self.offer.ask("40 40")  # warms it

    @staticmethod
    def flows(end):
        kit.check(end.line() == "flowing", f"{end.name}: not flowing")

    def came(self):
        """What came to all subscribers since they began."""
        answers = [t.ask() for t in self.takes]
        return {what: sum(a[what] for a in answers) for what in answers[0]}

    def stop(self):
        for t in self.takes:
            t.end()
        self.offer.end()
        self.broker.main.stop()
