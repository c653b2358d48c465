#include "store/kv.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tests/unit/lib/store/place.h"

/* A file that was cut short, at every page in turn: either it is refused, or all that it held is there.  Never does the process end. */

enum { TABLE, MAP_BYTES = 16 << 20, PAGE = 4096, ROWS = 40, ROW_BYTES = 3000, HUGE_BYTES = 20 * PAGE };

static const char *const tables[] = { "rows", NULL };
static struct place place;
static char file[PATH_MAX + 32], whole[PATH_MAX + 32];
static uint8_t bytes[HUGE_BYTES];

static void make(void)
{
	place_make(&place);
	snprintf(file, sizeof file, "%s/data.mdb", place.dir);
	snprintf(whole, sizeof whole, "%s/whole", place.root);
}

static void clean(void)
{
	unlink(whole);
	place_remove(&place);
}

TestSuite(kv_whole, .init = make, .fini = clean);

static int open_store(struct torap_kv **out, bool read_only, struct torap_error *err)
{
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES, .read_only = read_only };
	return torap_kv_open(out, place.dir, &options, err);
}

/* A commit for each row, so that there are free pages between those in use. */
static void fill(void)
{
	struct torap_kv *kv = NULL;
	struct torap_error err;
	cr_assert_eq(open_store(&kv, false, &err), 0, "%s", err.text);
	for (uint8_t i = 0; i < ROWS; i++) {
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, kv, true);
		torap_kv_put(&txn, TABLE, torap_bytes(&i, 1), torap_bytes(bytes, ROW_BYTES));
		if (i >= ROWS / 2)
			torap_kv_delete(&txn, TABLE, torap_bytes(&(uint8_t){ (uint8_t)(i - ROWS / 2) }, 1));
		cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	}
	torap_kv_close(kv);
}

static off_t size_of(const char *path)
{
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	return st.st_size;
}

static void copy(const char *from, const char *to)
{
	static char buffer[1 << 20];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	cr_assert(in && out);
	for (size_t n; (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
		cr_assert_eq(fwrite(buffer, 1, n, out), n);
	fclose(in);
	fclose(out);
}

static int count(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	unsigned *rows = hint;
	(void)key;
	cr_assert(torap_bytes_equal(value, torap_bytes(bytes, ROW_BYTES)));
	++*rows;
	return 0;
}

static void check_all_is_there(struct torap_kv *kv)
{
	struct torap_kv_txn txn;
	unsigned rows = 0;
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_kv_walk(&txn, TABLE, torap_bytes(NULL, 0), count, &rows), 0);
	torap_kv_abort(&txn);
	cr_assert_eq(rows, ROWS / 2);
}

static bool is_refused(bool read_only)
{
	struct torap_kv *kv = NULL;
	struct torap_error err;
	int r = open_store(&kv, read_only, &err);
	if (r == 0) {
		check_all_is_there(kv);
		torap_kv_close(kv);
		return false;
	}
	cr_assert(r < 0 && !kv);
	cr_assert(strstr(err.text, file) && strstr(err.text, "cut short"), "%s", err.text);
	return true;
}

Test(kv_whole, refuses_a_file_that_was_cut_short_anywhere)
{
	fill();
	copy(file, whole);
	off_t size = size_of(whole);
	unsigned refused = 0;
	cr_assert_gt(size, 20 * PAGE);
	for (off_t cut = 0; cut < size; cut += PAGE / 2) {
		for (int read_only = 1; read_only >= 0; read_only--) {
			copy(whole, file);
			cr_assert_eq(truncate(file, cut), 0);
			refused += is_refused(read_only);
		}
	}
	cr_assert_gt(refused, size / PAGE * 3, "hardly any cut was refused");
	copy(whole, file);
	cr_assert(!is_refused(true) && !is_refused(false));
}

/* Pages that a transaction took and gave back are never written: a sound file may be shorter than its last page. */
Test(kv_whole, takes_a_file_whose_last_pages_were_never_written)
{
	fill();
	struct torap_kv *kv = NULL;
	struct torap_error err;
	struct torap_kv_txn txn;
	uint8_t key = 200;
	cr_assert_eq(open_store(&kv, false, &err), 0, "%s", err.text);
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, TABLE, torap_bytes(&key, 1), torap_bytes(bytes, HUGE_BYTES));
	torap_kv_delete(&txn, TABLE, torap_bytes(&key, 1));
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	cr_assert_gt(torap_kv_size(kv).used_bytes, 0);
	torap_kv_close(kv);
	cr_assert(!is_refused(true) && !is_refused(false));
}
