#include "store/kv_format.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/kv_env.h"

/* README.md, "Format" */
enum { FORMAT = 3, FORMAT_FORMER = 2, FORMAT_UNNAMED = 1 };

static char format_name[] = "format", id_name[] = "id";

static MDB_val name_of(char *name)
{
	return (MDB_val){ strlen(name), name };
}

static int read_rows(struct torap_kv_format *f, MDB_txn *txn, uint32_t *format)
{
	MDB_dbi all;
	MDB_stat stat;
	MDB_val key = name_of(format_name), row;
	int rc = mdb_dbi_open(txn, NULL, 0, &all);
	if (!rc)
		rc = mdb_stat(txn, all, &stat);
	if (rc)
		return rc;
	f->is_new = stat.ms_entries == 0;
	*format = f->is_new ? FORMAT : FORMAT_UNNAMED;
	rc = mdb_get(txn, all, &key, &row);
	if (!rc) {
		struct torap_reader r = torap_reader(torap_bytes(row.mv_data, row.mv_size));
		*format = torap_read_u32(&r);
	}
	key = name_of(id_name);
	if (!rc || rc == MDB_NOTFOUND)
		rc = mdb_get(txn, all, &key, &row);
	f->has_id = !rc && row.mv_size == sizeof f->id;
	if (f->has_id)
		memcpy(f->id, row.mv_data, sizeof f->id);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int torap_kv_format_read(struct torap_kv *kv, struct torap_error *err)
{
	MDB_txn *txn;
	uint32_t format = 0;
	int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
	if (!rc) {
		rc = read_rows(&kv->format, txn, &format);
		mdb_txn_abort(txn);
	}
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot read its format", err);
	kv->format.is_former = format == FORMAT_FORMER;
	if (format == FORMAT || kv->format.is_former)
		return 0;
	return torap_errorf(err, -ENOTSUP,
		"%s: was written by another version of Torap, in format %" PRIu32
		"; this one reads formats %d and %d: use the one that wrote it, or begin in an empty directory",
		kv->dir, format, FORMAT_FORMER, FORMAT);
}

int torap_kv_format_write(struct torap_kv *kv, MDB_txn *txn, struct torap_error *err)
{
	struct torap_kv_format *f = &kv->format;
	uint8_t bytes[4] = { FORMAT >> 24, FORMAT >> 16 & 0xff, FORMAT >> 8 & 0xff, FORMAT & 0xff };
	MDB_val format_key = name_of(format_name), format_row = { sizeof bytes, bytes };
	MDB_val id_key = name_of(id_name), id_row = { sizeof f->id, f->id };
	MDB_dbi all;
	if (!f->is_new && !f->is_former && f->has_id)
		return 0;
	if (!f->has_id)
		randombytes_buf(f->id, sizeof f->id);
	int rc = mdb_dbi_open(txn, NULL, 0, &all);
	if (!rc)
		rc = mdb_put(txn, all, &format_key, &format_row, 0);
	if (!rc)
		rc = mdb_put(txn, all, &id_key, &id_row, 0);
	f->has_id = !rc;
	return rc ? torap_kv_open_failed(kv, rc, "cannot write its format", err) : 0;
}
