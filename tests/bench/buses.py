"""Other buses as `faults` and `peers` start them: an edge and a hub each, of Debian's packages, with the settings that their documentation
names."""

import contextlib
import getpass
import json
import os
import queue
import socket
import subprocess
import tempfile
import threading

import bench
import kit


def install(*packages):
    """As deploy/build does: nothing when all is there."""
    there = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages], capture_output=True, text=True).stdout
    missing = [p for p in packages if p + " installed" not in there]
    if not missing:
        return
    bench.progress("installing: " + " ".join(missing))
    kit.check(os.geteuid() == 0, "let root run: apt-get install --no-install-recommends " + " ".join(missing))
    done = subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-remove", *missing],
                          env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True)
    kit.check(done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:])


class Server:
    """A process of a bus, which can be killed and started again."""

    def __init__(self, folder, name, port, *argv):
        self.name, self.port, self.argv, self.log = name, port, argv, os.path.join(folder, name + ".log")
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        kit.wait_for(f"{self.name} listens", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() or True)

    def kill(self):
        if self.child:
            self.child.kill()
            self.child.wait()
        self.child = None


class Pair:
    """edge and hub, not yet started; `configuration` is (name, text) of what was written for them."""

    def __init__(self, folder):
        self.folder, self.configuration = folder, []
        self.edge_port, self.hub_port = kit.free_port(), kit.free_port()
        for name in "edge", "hub":
            os.mkdir(os.path.join(folder, name))

    def servers(self, *argv, suffix=".conf"):
        """Both run the same program with their own file."""
        self.edge, self.hub = (Server(self.folder, name, port, *argv, os.path.join(self.folder, name + suffix))
                               for name, port in (("edge", self.edge_port), ("hub", self.hub_port)))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)
        self.configuration.append((name, text))

    def kill(self):
        for server in self.edge, self.hub:
            server.kill()


class Mosquitto(Pair):
    """A bridge at QoS 1, queues without a limit.  `between` may put a link in front of a port: it returns the link's."""

    packages = ("mosquitto",)

    def __init__(self, folder, saving="", between=lambda port: port):
        super().__init__(folder)
        common = (f"user {getpass.getuser()}\nallow_anonymous true\npersistence true\nmax_queued_messages 0\nmax_queued_bytes 0\n"
                  "max_inflight_messages 1000\n" + saving)
        self.write("hub.conf", f"listener {self.hub_port} 127.0.0.1\n{common}persistence_location {folder}/hub/\n")
        self.write("edge.conf", f"listener {self.edge_port} 127.0.0.1\n{common}persistence_location {folder}/edge/\n"
                   f"connection hub\naddress 127.0.0.1:{between(self.hub_port)}\ntopic ev out 1\ncleansession false\nlocal_cleansession false\n"
                   "restart_timeout 1\nkeepalive_interval 5\nbridge_max_packet_size 0\n")
        self.servers("/usr/sbin/mosquitto", "-c")


class Nats(Pair):
    """A file stream EV of the subject "ev" at the edge; the hub reaches its API over the leaf node, as "$JS.edge.API"."""

    packages = ("nats-server",)

    def __init__(self, folder, more="", between=lambda port: port):
        super().__init__(folder)
        leaf_port = kit.free_port()
        through = between(leaf_port)
        self.write("hub.conf", f"listen: 127.0.0.1:{self.hub_port}\nserver_name: hub\njetstream {{ store_dir: {folder}/hub, domain: hub{more} }}\n"
                   f"leafnodes {{ listen: 127.0.0.1:{leaf_port}, advertise: \"127.0.0.1:{through}\" }}\n")  # else the edge goes around a link
        self.write("edge.conf", f"listen: 127.0.0.1:{self.edge_port}\nserver_name: edge\njetstream {{ store_dir: {folder}/edge, domain: edge{more} }}\n"
                   f"leafnodes {{ reconnect: 1, remotes: [ {{ url: nats://127.0.0.1:{through} }} ] }}\n")
        self.servers("nats-server", "-c")

    @staticmethod
    def knows(setting):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(f"jetstream {{ store_dir: /tmp/x{setting} }}\n")
            f.flush()
            return subprocess.run(["nats-server", "-t", "-c", f.name], capture_output=True).returncode == 0

    def start(self):
        self.hub.start()
        self.edge.start()
        self.ask(self.edge_port, "$JS.API.STREAM.CREATE.EV", {"name": "EV", "subjects": ["ev"], "storage": "file", "retention": "limits"})

    @staticmethod
    def connect(port, on_message):
        """The client protocol in short: a socket, and a thread that hands on what comes."""
        sock = socket.create_connection(("127.0.0.1", port), 2)
        sock.settimeout(None)
        file, inbox = sock.makefile("rb"), f"_INBOX.{os.urandom(6).hex()}"
        sock.sendall(f'CONNECT {{"verbose":false}}\r\nSUB {inbox}.* 1\r\n'.encode())

        def run():
            with contextlib.suppress(OSError, ValueError):
                while line := file.readline():
                    if line.startswith(b"PING"):
                        sock.sendall(b"PONG\r\n")
                    elif line.startswith(b"MSG"):
                        words = line.split()
                        on_message(words[1].decode().rpartition(".")[2], file.read(int(words[-1]) + 2)[:-2])
        threading.Thread(target=run, daemon=True).start()
        return sock, inbox

    def ask(self, port, subject, question, seconds=3):
        """A question to the server's API, as JSON."""
        answers = queue.Queue()
        sock, inbox = self.connect(port, lambda _name, body: answers.put(body))
        with contextlib.closing(sock):
            body = json.dumps(question).encode()
            sock.sendall(f"PUB {subject} {inbox}.q {len(body)}\r\n".encode() + body + b"\r\n")
            answer = json.loads(answers.get(timeout=seconds))
            kit.check("error" not in answer, f"{subject}: {answer.get('error')}")
            return answer


class Redis(Pair):
    """A primary at the edge, its replica at the hub; both append each write to their file, `sync` says when that is flushed."""

    packages = ("redis-server",)

    def __init__(self, folder, sync):
        super().__init__(folder)
        common = (f"bind 127.0.0.1\nappendonly yes\nappendfsync {sync}\nauto-aof-rewrite-percentage 0\nsave \"\"\nrepl-diskless-sync-delay 0\n"
                  "client-output-buffer-limit replica 0 0 0\n")
        self.write("edge.conf", f"port {self.edge_port}\n{common}dir {folder}/edge\n")
        self.write("hub.conf", f"port {self.hub_port}\n{common}dir {folder}/hub\nreplicaof 127.0.0.1 {self.edge_port}\n")
        self.servers("redis-server")

    def start(self):
        self.edge.start()
        self.hub.start()
        kit.wait_for("the replica follows", lambda: "master_link_status:up" in self.info())

    def info(self):
        with socket.create_connection(("127.0.0.1", self.hub_port), 2) as s:
            s.sendall(b"INFO replication\r\n")
            return s.recv(65536).decode()
