"""Disks that are small, full, or that fail: a file system of some MiB in a mount namespace of the test's own, and tests/kit/faulty_disk.c, which
makes writes and flushes of one store fail."""
import contextlib
import os
import subprocess
import sys

import kit

LIBRARY = os.path.join(kit.BIN, "faulty_disk.so")
SMALL_MIB = 24


def enter():
    """Starts this program again where it may mount.  Returns "mount", or how a small disk has to be played: "library" or, for a sanitizer
    build, which cannot load it, None.  To be called first."""
    if os.environ.get("TORAP_SMALL_DISK"):
        return os.environ["TORAP_SMALL_DISK"]
    for words in ["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]:
        with contextlib.suppress(OSError):
            if subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0:
                os.environ["TORAP_SMALL_DISK"] = "mount"
                os.execvp(words[0], [*words, sys.executable, *sys.argv])
    library = os.path.exists(LIBRARY)
    print("this machine lets nobody mount a small disk; " + ("a library plays it" if library else "not tried"))
    return "library" if library else None


class Faulty:
    """The disk of a process that fails as `plan` says (faulty_disk.c).  Made before the process starts."""

    def __init__(self, fed, process, folder, file="data.mdb"):
        self.process, self.data, self.path = process, os.path.join(folder, file), fed.path(process.name + ".plan")
        process.environment.update(LD_PRELOAD=LIBRARY, TORAP_FAULT_FILE=self.data, TORAP_FAULT_PLAN=self.path)

    def plan(self, text):
        with open(self.path + ".new", "w") as f:
            f.write(text + "\n")
        os.rename(self.path + ".new", self.path)

    def clear(self):
        os.unlink(self.path)

    def cannot_allocate(self):
        """From the process's next start on."""
        self.process.environment["TORAP_FAULT_ALLOCATES"] = "no"


class Small:
    """A small disk that holds the folder of a process, in which it writes the file.  Made before the process starts."""

    def __init__(self, fed, process, folder, how, file="data.mdb"):
        self.folder, self.ballast = folder, os.path.join(folder, "ballast")
        os.mkdir(folder, 0o700)
        self.faulty = Faulty(fed, process, folder, file) if how == "library" else None
        if not self.faulty:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m,mode=700", "none", folder], check=True)

    def fill(self):
        """No block is left but those that the store has."""
        if self.faulty:
            return self.faulty.plan(f"beyond {os.stat(self.faulty.data).st_blocks * 512}")
        with open(self.ballast, "wb") as f:
            disk = os.statvfs(self.folder)
            os.posix_fallocate(f.fileno(), 0, disk.f_bavail * disk.f_frsize)
        kit.check(os.statvfs(self.folder).f_bavail == 0, "the ballast has left something")

    def free(self):
        if self.faulty:
            self.faulty.clear()
        else:
            os.unlink(self.ballast)

    def leave(self):
        if not self.faulty:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


def cpu_seconds(process):
    with open(f"/proc/{process.child.pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
