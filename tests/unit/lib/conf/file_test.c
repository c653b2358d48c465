#include "conf/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64], path[96], beside[104];
static const struct torap_bytes old_text = { (const uint8_t *)"old", 3 };
static const struct torap_bytes new_text = { (const uint8_t *)"newer", 5 };

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "file");
	snprintf(path, sizeof path, "%s/a", dir);
	snprintf(beside, sizeof beside, "%s.new", path);
}

static void end(void)
{
	unlink(path);
	unlink(beside);
	rmdir(dir);
}

TestSuite(file, .init = begin, .fini = end);

static void check_holds(struct torap_bytes text)
{
	struct torap_buffer *b = NULL;
	struct torap_error err;
	cr_assert_eq(torap_file_read(&b, path, 100, &err), 0, "%s", err.text);
	cr_expect(torap_bytes_equal(torap_buffer_bytes(b), text));
	torap_buffer_unref(b);
}

Test(file, is_created_once)
{
	struct torap_error err;
	cr_assert_eq(torap_file_create(path, 0640, old_text, &err), 0, "%s", err.text);
	cr_expect_eq(torap_file_create(path, 0640, new_text, &err), -EEXIST);
	check_holds(old_text);
}

Test(file, is_replaced_with_its_mode)
{
	struct torap_error err;
	struct stat st;
	cr_assert_eq(torap_file_replace(path, 0644, old_text, &err), 0, "%s", err.text);
	cr_assert_eq(torap_file_replace(path, 0600, new_text, &err), 0, "%s", err.text);
	check_holds(new_text);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_neq(access(beside, F_OK), 0);
}

/* What a crash in the middle of a replacement leaves. */
Test(file, is_replaced_although_a_half_written_one_lies_beside)
{
	struct torap_error err;
	cr_assert_eq(torap_file_create(path, 0644, old_text, &err), 0);
	cr_assert_eq(torap_file_create(beside, 0644, torap_bytes("ne", 2), &err), 0);
	cr_assert_eq(torap_file_replace(path, 0644, new_text, &err), 0, "%s", err.text);
	check_holds(new_text);
}

Test(file, may_be_empty)
{
	struct torap_error err;
	cr_assert_eq(torap_file_create(path, 0644, torap_bytes("", 0), &err), 0, "%s", err.text);
	check_holds(torap_bytes("", 0));
}

/* Somebody who writes to it: at its next read. */
static void (*meanwhile)(void);

ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size)
{
	void (*now)(void) = meanwhile;
	meanwhile = NULL;
	if (now)
		now();
	return __real_read(fd, data, size);
}

static void write_at(long at, const char *text)
{
	FILE *f = fopen(path, "r+");
	cr_assert(f && !fseek(f, at, SEEK_SET) && fputs(text, f) >= 0 && !fclose(f));
}

static void grow(void)
{
	write_at(5, "!");
}

static void shrink(void)
{
	cr_assert_eq(truncate(path, 4), 0);
}

static void change(void)
{
	usleep(20000); /* The kernel's clock for files goes in steps. */
	write_at(4, "s");
}

/* Half a policy may be a whole one that grants something else. */
Test(file, that_changes_while_it_is_read_is_refused_and_then_read)
{
	static void (*const changes[])(void) = { grow, shrink, change };
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct torap_buffer *b = NULL;
		struct torap_error err = { "" };
		cr_assert_eq(torap_file_replace(path, 0600, new_text, &err), 0, "%s", err.text);
		meanwhile = changes[i];
		cr_expect_eq(torap_file_read(&b, path, 100, &err), -EAGAIN, "case %zu", i);
		cr_expect(strstr(err.text, path) && strstr(err.text, "try again"), "%s", err.text);
		cr_assert_null(b);
		cr_expect_eq(torap_file_read(&b, path, 100, &err), 0, "%s", err.text);
		torap_buffer_unref(b);
	}
}

Test(file, is_refused_beyond_the_limit)
{
	struct torap_buffer *b = NULL;
	struct torap_error err;
	cr_assert_eq(torap_file_create(path, 0644, new_text, &err), 0);
	cr_expect_eq(torap_file_read(&b, path, 4, &err), -EFBIG);
	cr_expect_not_null(strstr(err.text, "5 bytes; the limit is 4"), "%s", err.text);
	cr_expect_null(b);
}

/* Opening a pipe would wait for ever. */
Test(file, is_refused_when_it_is_a_pipe_or_a_folder)
{
	struct torap_buffer *b = NULL;
	struct torap_error err;
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_lt(torap_file_read(&b, path, 100, &err), 0);
	cr_expect_lt(torap_file_read(&b, dir, 100, &err), 0);
	cr_expect_not_null(strstr(err.text, "is not a regular file"), "%s", err.text);
}

Test(file, is_not_created_in_a_folder_that_is_not_there)
{
	struct torap_error err;
	cr_expect_eq(torap_file_create("/nowhere/a", 0644, old_text, &err), -ENOENT);
	cr_expect_str_eq(err.text, "/nowhere/a: cannot create: No such file or directory");
}

Test(file, of_secrets_is_not_read_where_others_may_use_it)
{
	struct torap_buffer *b = NULL;
	struct torap_error err = { "" };
	cr_assert_eq(torap_file_create(path, 0600, new_text, &err), 0, "%s", err.text);
	cr_assert_eq(torap_file_read_secret(&b, path, 100, &err), 0, "%s", err.text);
	cr_expect(torap_bytes_equal(torap_buffer_bytes(b), new_text));
	b = torap_buffer_unref(b);
	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		cr_assert_eq(chmod(path, 0600 | bit), 0);
		cr_expect_eq(torap_file_read_secret(&b, path, 100, &err), -EPERM);
		cr_expect_not_null(strstr(err.text, "chmod 600 "), "%s", err.text);
	}
}
