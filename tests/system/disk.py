"""What is on the disk of a node, a broker or a subscriber: its journal, read by LMDB's own library, beside the process or without it, and with
nothing of ours but proto/.  The tables are described in lib/store/journal.h."""

import collections
import ctypes

Row = collections.namedtuple("Row", "batch_no received_at sealed_at first_seq count size")
READ_ONLY = 0x20000
FIRST, NEXT = 0, 8  # MDB_cursor_op


class Value(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]

    def bytes(self):
        return ctypes.string_at(self.data, self.size)


lmdb = ctypes.CDLL("liblmdb.so.0")


def must(status):
    if status:
        raise OSError(f"LMDB: error {status}")


def table(folder, name):
    """Yields (key, value) of a whole table, as it was at one moment."""
    env, txn, dbi, cursor = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_void_p()
    must(lmdb.mdb_env_create(ctypes.byref(env)))
    try:
        must(lmdb.mdb_env_set_maxdbs(env, 64))
        must(lmdb.mdb_env_open(env, folder.encode(), READ_ONLY, 0o600))
        must(lmdb.mdb_txn_begin(env, None, READ_ONLY, ctypes.byref(txn)))
        must(lmdb.mdb_dbi_open(txn, name.encode(), 0, ctypes.byref(dbi)))
        must(lmdb.mdb_cursor_open(txn, dbi, ctypes.byref(cursor)))
        key, value = Value(), Value()
        op = FIRST
        while lmdb.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), op) == 0:
            yield key.bytes(), value.bytes()
            op = NEXT
        lmdb.mdb_cursor_close(cursor)
    finally:
        if txn:
            lmdb.mdb_txn_abort(txn)
        lmdb.mdb_env_close(env)


def batches(folder, pb):
    """(writer, lane, incarnation) → its batches in order.  `pb`: the contract's module of batch.proto."""
    streams = collections.defaultdict(list)
    for _, value in table(folder, "manifests"):
        received_at, signed = int.from_bytes(value[:8], "big"), value[10:]
        m = pb.Manifest.FromString(pb.SignedManifest.FromString(signed).manifest)
        size = len(signed) + sum(p.length + 32 for g in m.groups for p in g.parts)  # with its digest
        streams[m.stream.writer, m.stream.lane, m.stream.incarnation].append(
            Row(m.batch_no, received_at / 1e6, m.sealed_at_us / 1e6, m.first_seq, m.count, size))
    return streams


def missing(here, there, lane, writer=None):
    """The batches of a lane that `here` has and `there` has not."""
    return [row for stream, rows in here.items() if stream[1] == lane and writer in (None, stream[0])
            for row in rows if row.batch_no > len(there.get(stream, ())) or row.batch_no > there[stream][-1].batch_no]
