"""What the benchmarks share: the build, programs and what they cost, rounds, and rows that become a table and a line of JSON.

A script is `bench.main(__doc__, test)` with `test(fed, options, report)`: `fed` is a kit.Federation in the build directory, so that
flushes go to a disk, `options` has `runs`, `quick` and what the script adds, `report` takes the rows.  The last line that a script
prints is {"bench": name, "machine": …, "rows": [Row…]}; `run` reads it."""

import argparse
import atexit
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("TORAP_BUILD") or os.path.join(HERE, "../../build"))
os.environ.setdefault("TORAP_BIN", os.path.join(BUILD, "bin"))
sys.path.insert(0, os.path.join(HERE, "../system"))
sys.dont_write_bytecode = True
import kit  # noqa: E402  (it reads TORAP_BIN)

RUNS = 5
PATIENCE_S = 120
TICKS = os.sysconf("SC_CLK_TCK")

# --- programs --------------------------------------------------------------------------------------------------------


def program(name):
    return os.path.join(BUILD, "bench", name)


class Child:
    """A bench program beside others; result() waits for its line of JSON and adds its CPU seconds as cpu_s."""

    def __init__(self, *argv):
        self.name = argv[0]
        self.child = subprocess.Popen([program(argv[0]), *map(str, argv[1:])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        atexit.register(self.end)

    def result(self):
        out, said = self.child.stdout.read(), self.child.stderr.read()
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.end()
        kit.check(self.child.returncode == 0, f"{self.name}: status {self.child.returncode}\n{out}{said}")
        return json.loads(out) | {"cpu_s": usage.ru_utime + usage.ru_stime}

    def end(self):
        atexit.unregister(self.end)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


class Speaking:
    """A bench program that answers lines on its standard input."""

    def __init__(self, *argv):
        self.name = argv[0]
        self.child = subprocess.Popen([program(argv[0]), *map(str, argv[1:])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        line = self.child.stdout.readline()
        kit.check(line, f"{self.name} is gone")
        return line.strip()

    def tell(self, text=""):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def ask(self, text=""):
        self.tell(text)
        return json.loads(self.line())

    def end(self):
        self.child.stdin.close()
        kit.check(self.child.wait(PATIENCE_S) == 0, f"{self.name}: status {self.child.returncode}")


def run(*argv):
    """Runs a bench program to its end; its line of JSON."""
    return Child(*argv).result()


def disk_floor(fed, size=1000, times=1000):
    """floor_lmdb beside the stores of `fed`: flushed commits of one record of `size`, and bare fdatasync()s, `times` of each."""
    with tempfile.TemporaryDirectory(dir=fed.dir) as folder:
        return run("floor_lmdb", "--dir", folder, "--size", size, "--records", times, "--syncs", times)


def hops_floor(fed, *options, messages=1000):
    """floor_hops: ages of messages on a critical event's way to which nothing is done."""
    with tempfile.TemporaryDirectory(dir=fed.dir) as folder:
        return run("floor_hops", "--dir", folder, "--messages", messages, *options)


def cpu_of(pid):
    """CPU seconds that a process has used, all threads, in itself and in the kernel."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def own_memory_mib(pid):
    """What a process holds for itself: the pages of its store that the kernel caches are not its own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("RssAnon"))


# --- rounds ----------------------------------------------------------------------------------------------------------


def progress(text):
    print(text, file=sys.stderr, flush=True)


def rounds(options, one):
    """one() as often as `options.runs` says: a list of what it returned.  One round holds measure and floor alike, so that a slow minute
    of the machine hits both."""
    results = []
    for i in range(options.runs):
        results.append(one())
        progress(f"round {i + 1} of {options.runs} is over")
    options.all_rounds += results
    if options.raw:
        with open(options.raw, "w") as f:
            json.dump(options.all_rounds, f, indent=1)
    return results


def each(results, *path):
    """The same number of each round: each(results, "hop", "taken", "per_s")."""
    values = []
    for value in results:
        for step in path:
            value = value[step]
        values.append(value)
    return values


def median(values):
    return statistics.median(values) if isinstance(values, (list, tuple)) else values


# --- rows ------------------------------------------------------------------------------------------------------------


def figure(value):
    """A number as a reader wants it: three digits or more."""
    if value is None:
        return ""
    digits = next(d for limit, d in ((100, 0), (10, 1), (1, 2), (0, 3)) if abs(value) >= limit)
    return f"{value:,.{digits}f}"


class Report:
    """The rows of one script, in the order in which they are printed."""

    def __init__(self, name):
        self.name, self.rows = name, []

    def add(self, what, unit, values, asked=None, beyond=None, floor=None, peers=None, less=False):
        """`values`: one number a round, or one number.  `asked` and `beyond` are the budget, if the row has one.  `floor`: (name, values) of
        what the machine gives at best.  `peers`: {name: values} of others who do the same; the best is kept.  `less`: less is better."""
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        measured = median(values)
        row = {"what": what, "unit": unit, "asked": asked, "beyond": beyond, "measured": measured, "least": min(values), "most": max(values),
               "runs": len(values), "less_is_better": less, "floor": None, "floor_name": None, "peer": None, "peer_name": None}
        row |= {word: None if limit is None else bool(fits(row, measured, limit)) for word, limit in (("met", asked), ("beyond_met", beyond))}
        if floor:
            row |= {"floor_name": floor[0], "floor": median(floor[1])}
        if peers:
            name = (min if less else max)(peers, key=lambda n: median(peers[n]))
            row |= {"peer_name": name, "peer": median(peers[name])}
        self.rows.append({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})

    def print(self):
        print_table(self.rows)
        print(json.dumps({"bench": self.name, "machine": machine(), "rows": self.rows}, ensure_ascii=False))


def beside(row, word):
    """How many times its floor or its best peer a row is."""
    return f"{row['measured'] / row[word]:.2f} × {row[word + '_name']}" if row[word] else ""


def fits(row, value, limit):
    return value <= limit if row["less_is_better"] else value >= limit


def verdict(row):
    if row["met"] is None:
        return "" if row["beyond_met"] is None else "beyond" if row["beyond_met"] else "not beyond"
    if row["met"]:
        return "beyond" if row["beyond_met"] else "met"
    floor_misses = row["floor"] is not None and not fits(row, row["floor"], row["asked"])
    return "missed; its floor, too" if floor_misses else "missed"


def line_of(row):
    if isinstance(row, str):
        return (row,)
    spread = f"  ({figure(row['least'])} … {figure(row['most'])})" if row["runs"] > 1 else ""
    return (row["what"], figure(row["measured"]) + spread, row["unit"], figure(row["asked"]), figure(row["beyond"]), verdict(row),
            beside(row, "floor"), beside(row, "peer"))


def print_table(rows):
    """Columns that nothing stands in are left out; a text is a line of its own."""
    lines = [("", "measured", "unit", "asked", "beyond", "", "of its floor", "of the best peer"), *map(line_of, rows)]
    columns = list(zip(*(line for line in lines if len(line) > 1)))
    widths = [max(map(len, column)) if any(column[1:]) else 0 for column in columns]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths) if width).rstrip() if len(line) > 1 else line[0])
    print(flush=True)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    kind = subprocess.run(["df", "--output=fstype", BUILD], capture_output=True, text=True).stdout.split()[-1]
    return {"cores": os.cpu_count(), "processor": model, "filesystem": kind, "date": time.strftime("%Y-%m-%d")}


def prepare():
    """There is a build, and it is on a disk: from now on temporary folders are made in it."""
    if not os.path.exists(os.path.join(kit.BIN, "torap")):
        sys.exit(f"nothing is built in {BUILD}: deploy/build")
    if machine()["filesystem"] == "tmpfs":
        sys.exit(f"{BUILD} is on tmpfs, where a flush costs nothing: set TORAP_BUILD to a build directory on a disk")
    tempfile.tempdir = BUILD


def main(doc, test, add=lambda parser: None, runs=RUNS):
    """`add` adds options to the parser: --quick and --runs are there."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="one small round: does it work, and about how fast")
    p.add_argument("--runs", type=int, help=f"rounds, of which the median is taken ({runs}; 1 with --quick)")
    p.add_argument("--raw", metavar="FILE", help="writes every number of every round as JSON")
    add(p)
    options = p.parse_args()
    options.all_rounds = []
    options.runs = options.runs or (1 if options.quick else runs)
    prepare()
    m = machine()
    report = Report(os.path.basename(sys.argv[0]))
    print(f"{report.name}: {m['cores']} cores, {m['processor']}; stores on {m['filesystem']}; {m['date']}; medians of {options.runs} (least … most)\n")

    def whole(fed):
        test(fed, options, report)
        report.print()

    kit.main(whole)
