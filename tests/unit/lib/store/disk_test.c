#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "store/kv.h"
#include "tests/unit/lib/store/place.h"

/* A disk that is full while its map is not: a small file system of the test's own, in a name space of its own. */

static const char *const tables[] = { "first", NULL };
enum { DISK_BYTES = 12 << 20, MAP_BYTES = 64 << 20, CANNOT_TRY = 77, ROUNDS = 6, FEW_ROWS = 10 };

static struct place place;

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	place_remove(&place);
}

TestSuite(disk, .init = make, .fini = clean);

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return written;
}

static bool enter_name_space(void)
{
	char users[64], groups[64];
	snprintf(users, sizeof users, "0 %d 1", (int)geteuid());
	snprintf(groups, sizeof groups, "0 %d 1", (int)getegid());
	if (geteuid() == 0)
		return !unshare(CLONE_NEWNS);
	return !unshare(CLONE_NEWUSER | CLONE_NEWNS) && write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", users) && write_file("/proc/self/gid_map", groups);
}

static bool mount_small_disk(void)
{
	char options[64];
	snprintf(options, sizeof options, "size=%d", DISK_BYTES);
	return enter_name_space() && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", place.root, "tmpfs", 0, options);
}

static struct torap_bytes key_of(uint32_t *n)
{
	return torap_bytes(n, sizeof *n);
}

static int put(struct torap_kv *kv, uint32_t n, size_t size)
{
	static const uint8_t zeros[1 << 20];
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, 0, key_of(&n), torap_bytes(zeros, size));
	return torap_kv_commit(&txn, NULL);
}

static int take_away(struct torap_kv *kv, uint32_t n)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_delete(&txn, 0, key_of(&n));
	return torap_kv_commit(&txn, NULL);
}

/* Fills the disk, checks that what was committed is there, deletes it all; the exit status says which step failed. */
static int fill_and_empty(void)
{
	struct torap_kv *kv = NULL;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES };
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t size = round % 2 ? 300000 : 9000;
		if (torap_kv_open(&kv, place.dir, &options, NULL)) /* Also while the disk is full. */
			return 1;
		uint32_t n = 0;
		int r;
		while (!(r = put(kv, n, size)))
			n++;
		if (r != TORAP_KV_FULL || n < FEW_ROWS)
			return 2;
		kv = torap_kv_close(kv);
		if (torap_kv_open(&kv, place.dir, &options, NULL))
			return 3;
		for (uint32_t i = 0; i < n; i++) {
			struct torap_kv_txn txn;
			struct torap_bytes value;
			torap_kv_begin(&txn, kv, false);
			r = torap_kv_get(&txn, 0, key_of(&i), &value);
			torap_kv_abort(&txn);
			if (r || value.size != size)
				return 4;
		}
		for (uint32_t i = 0; i < n; i++)
			if (take_away(kv, i))
				return 5;
		kv = torap_kv_close(kv);
	}
	return 0;
}

Test(disk, is_full_without_a_dead_process_and_takes_again_after_deletions)
{
	fflush(NULL);
	pid_t child = fork();
	if (!child)
		_exit(mount_small_disk() ? fill_and_empty() : CANNOT_TRY);
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT_TRY)
		fprintf(stderr, "disk_test: this machine lets nobody mount a small disk; not tried\n");
	else
		cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}
