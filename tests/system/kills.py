#!/usr/bin/python3
"""Kills a federation of real processes at any moment, round after round, and counts what came: `tests/run kills --hours 1`.

A node sends to two brokers side by side, a third subscribes to both; two subscribers, one at a city's broker and one behind the third, are
mostly not alive at the same time.  A round is a storm (kill -9, SIGSTOP, SIGCONT of one, two or all, also during start-up) while panels
send, then a rest in which everything that was acknowledged must come to both, once, under one number, and verify.

Every so many rounds it begins anew with empty directories, so that an hour is no longer than its rounds."""
import argparse
import itertools
import json
import random
import shutil
import signal
import sys
import threading
import time

import kit

PANELS = 8
ROUNDS_OF_AN_EPISODE = 30
CODES = "PA", "BA", "BX"


class Reader:
    """What a feed's file holds, read on from where the last look ended: the file of an hour is long."""

    def __init__(self, feed):
        self.feed, self.offset, self.times, self.numbers, self.contradictions = feed, 0, {}, {}, []

    def read(self):
        try:
            with open(self.feed.out, "rb") as f:
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            return self
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            self.take(line, json.loads(line))
        return self

    def take(self, line, event):
        number = event["stream"], event["seq"]
        if self.numbers.setdefault(number, hash(line)) != hash(line):
            self.contradictions.append(number)
        if event.get("device") and "code" in event["detail"]:
            key = kit.key_of(event)
            self.times[key] = self.times.get(key, 0) + 1

    def lost(self, asked):
        return [key for key in asked if key not in self.times]

    def doubled(self):
        return [key for key, times in self.times.items() if times > 1]


class Episode:
    """One federation from its empty directories on."""

    def __init__(self, fed, chance, counts):
        self.fed, self.chance, self.counts = fed, chance, counts
        one = fed.broker("city-one", "390000000")
        two = fed.broker("city-two", "390000000")
        nation = fed.broker("nation", upstreams=[(one, "for-nation", [{}]), (two, "for-nation", [{}])])
        accounts = {str(5001 + i): "school" for i in range(PANELS)}
        self.node = fed.node("node-a", "391010000", accounts, [one, two])
        self.feeds = [fed.feed("early", broker=one), fed.feed("late", broker=nation)]
        one.feeds, two.feeds, nation.feeds = self.feeds[:1], [], self.feeds[1:]
        nation.writers = []
        fed.start()
        self.readers = [Reader(f) for f in self.feeds]
        self.panels = [self.node.panel(a) for a in accounts]
        self.zones = itertools.count(1)
        self.always = [self.node.main, self.node.agent, one.main, two.main, nation.main]

    # --- the storm ---------------------------------------------------------------------------------------------------

    def start(self, victim):
        if not victim.child:
            victim.start()

    def kill(self, *victims):
        """At one moment, as far as there is one.  Who is gone already died by itself."""
        for victim in victims:
            if victim.child:
                kit.check(victim.alive(), f"{victim.name} ended by itself\n{victim.tail()}")
                victim.child.kill()
                self.counts["kills"] += 1
        for victim in victims:
            victim.kill()

    def pause(self, longest):
        time.sleep(self.chance.random() * longest)

    def again_and_again(self, victims):
        """Also while it starts."""
        victim = self.chance.choice(victims)
        for _ in range(5):
            self.kill(victim)
            self.start(victim)
            self.pause(0.3)

    def together(self, victims, count):
        victims = self.chance.sample(victims, count)
        self.kill(*victims)
        for victim in self.chance.sample(victims, count):
            self.pause(0.2)
            self.start(victim)

    def stand_still(self, victims):
        """Sometimes for longer than its peers have patience; sometimes it does not come back to life."""
        victim = self.chance.choice(victims)
        victim.signal(signal.SIGSTOP)
        self.counts["stops"] += 1
        self.pause(6 if self.chance.random() < 0.2 else 1)
        if self.chance.random() < 0.5:
            self.kill(victim)
            self.start(victim)
        else:
            victim.signal(signal.SIGCONT)

    def storm(self, victims, strokes):
        """Each kind of stroke in turn, so that a short storm has all of them."""
        kinds = [lambda: self.again_and_again(victims), lambda: self.together(victims, 1), lambda: self.together(victims, 2),
                 lambda: self.stand_still(victims), lambda: self.together(victims, len(victims))]
        for i in range(strokes):
            kinds[i % len(kinds)]()
            self.pause(0.4)

    # --- panels ------------------------------------------------------------------------------------------------------

    def acknowledged(self):
        return {a for p in self.panels for a in p.acknowledged}

    def count(self):
        return sum(len(p.acknowledged) for p in self.panels)

    def send(self, panel, done):
        while not done.is_set():
            zone = next(self.zones)
            panel.report(CODES[zone % len(CODES)], zone, seconds=1.0, until=done.is_set)
            time.sleep(0.02)

    # --- a round -----------------------------------------------------------------------------------------------------

    def round(self, away, strokes):
        """`away`: the number of the subscriber that is not alive during the storm."""
        self.kill(self.feeds[away].main)
        self.start(self.feeds[1 - away].main)
        done, before = threading.Event(), self.count()
        threads = [threading.Thread(target=self.send, args=(p, done)) for p in self.panels]
        for t in threads:
            t.start()
        try:
            self.storm([*self.always, self.feeds[1 - away].main], strokes)
            after = self.count()
            kit.wait_for("panels get acknowledgements after the storm", lambda: self.count() > after + 20)
        finally:
            done.set()
            for t in threads:
                t.join()
        self.counts["events"] += self.count() - before
        for victim in self.always + [f.main for f in self.feeds]:
            self.start(victim)
        self.settle()

    def settle(self):
        asked = self.acknowledged()
        for feed, reader in zip(self.feeds, self.readers):
            try:
                kit.wait_for("it comes", lambda: not reader.read().lost(asked), seconds=3 * kit.PATIENCE_S)
            except kit.Failure:
                self.counts["lost"] += len(reader.lost(asked))
            self.counts["doubled"] += len(reader.doubled())
            kit.check(not reader.lost(asked), f"{feed.name}: {len(reader.lost(asked))} acknowledged events are missing, such as {reader.lost(asked)[:3]}")
            kit.check(not reader.doubled(), f"{feed.name}: events are there twice, such as {reader.doubled()[:3]}")
            kit.check(not reader.contradictions, f"{feed.name}: a number has two contents: {reader.contradictions[:3]}")
        one, two = (r.numbers for r in self.readers)
        differ = [n for n in one.keys() & two.keys() if one[n] != two[n]]
        kit.check(not differ, f"a number was used twice: {differ[:3]}")
        for feed in self.feeds:
            feed.main.stop()
            kit.check("complete" in feed.verify(), f"{feed.name} is not complete")
            feed.main.start()
        for victim in self.always:
            kit.check(victim.alive(), f"{victim.name} ended by itself\n{victim.tail()}")
        self.counts["rounds"] += 1


def new_counts():
    return dict.fromkeys(("rounds", "kills", "stops", "events", "lost", "doubled"), 0)


def summary(counts, seconds):
    return f"{counts['rounds']} rounds in {seconds:.0f} s: " + ", ".join(f"{v} {k}" for k, v in counts.items() if k != "rounds")


def rounds(fed, chance, counts, number, strokes, goes_on=lambda: True):
    episode = Episode(fed, chance, counts)
    for i in range(number):
        if not goes_on():
            break
        episode.round(away=i % 2, strokes=strokes)
        yield


def keep(fed):
    """What a failure left behind is worth more than a clean folder."""
    for p in fed.processes:
        p.kill()
    kept = f"{fed.dir}-kept"
    shutil.move(fed.dir, kept)
    return kept


def loop(seconds, seed):
    chance, counts, begin = random.Random(seed), new_counts(), time.monotonic()
    goes_on = lambda: time.monotonic() < begin + seconds
    status = 0
    print(f"seed {seed}", flush=True)
    try:
        while goes_on() and not status:
            fed = kit.Federation()
            try:
                for _ in rounds(fed, chance, counts, ROUNDS_OF_AN_EPISODE, 10, goes_on):
                    if sys.stderr.isatty():
                        print(f"\r\033[K{summary(counts, time.monotonic() - begin)}", end="", file=sys.stderr, flush=True)
            except kit.Failure as failure:
                print(f"\nfailed: {failure}\nits files: {keep(fed)}")
                status = 1
            finally:
                fed.close()
    except KeyboardInterrupt:
        status = 130
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(summary(counts, time.monotonic() - begin))
    return status


def main():
    parser = argparse.ArgumentParser(prog="tests/run kills", description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.0, help="how long; 1 to begin with")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="what is killed when; the machine decides the rest")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(loop(given.hours * 3600, given.seed))


if __name__ == "__main__":
    main()
