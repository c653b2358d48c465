#include "conf/keys.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "conf/file.h"
#include "tests/kit/temporary.h"

static char dir[64], secret[96], public[96];

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "keys");
	snprintf(secret, sizeof secret, "%s/node-a.key", dir);
	snprintf(public, sizeof public, "%s/node-a.pub", dir);
}

static void end(void)
{
	unlink(secret);
	unlink(public);
	rmdir(dir);
}

TestSuite(keys, .init = begin, .fini = end);

static struct torap_keys make(void)
{
	struct torap_keys keys;
	struct torap_error err;
	cr_assert_eq(torap_keys_create(&keys, "node-a", &err), 0, "%s", err.text);
	cr_assert_eq(torap_keys_save(&keys, dir, &err), 0, "%s", err.text);
	return keys;
}

Test(keys, come_back_from_their_file)
{
	struct torap_keys keys = make(), read;
	struct torap_error err;
	cr_assert_eq(torap_keys_load(&read, secret, &err), 0, "%s", err.text);
	cr_expect_arr_eq(&read, &keys, sizeof keys);
}

Test(keys, leave_no_secret_in_the_public_file)
{
	static const uint8_t zero[64];
	struct torap_keys keys = make(), read;
	struct torap_error err;
	cr_assert_eq(torap_keys_load_public(&read, public, &err), 0, "%s", err.text);
	cr_expect_arr_eq(read.curve_public, keys.curve_public, 32);
	cr_expect_arr_eq(read.sign.public, keys.sign.public, 32);
	cr_expect_arr_eq(read.sign.id, keys.sign.id, sizeof read.sign.id);
	cr_expect_arr_eq(read.curve_secret, zero, 32);
	cr_expect_arr_eq(read.sign.secret, zero, 64);

	struct torap_buffer *text = NULL;
	char hex[65];
	cr_assert_eq(torap_file_read(&text, public, 4096, &err), 0);
	torap_hex(hex, torap_bytes(keys.sign.secret, 32));
	cr_expect_null(memmem(text->data, text->size, hex, 64));
	torap_hex(hex, torap_bytes(keys.curve_secret, 32));
	cr_expect_null(memmem(text->data, text->size, hex, 64));
	torap_buffer_unref(text);
}

Test(keys, are_written_for_their_owner_alone_whatever_the_umask)
{
	struct stat st;
	mode_t old = umask(0);
	make();
	umask(old);
	cr_assert_eq(stat(secret, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(stat(public, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0644);
}

Test(keys, refuse_a_file_that_others_may_read_and_say_the_chmod)
{
	make();
	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		struct torap_keys read;
		struct torap_error err = { "" };
		chmod(secret, 0600 | bit);
		cr_expect_lt(torap_keys_load(&read, secret, &err), 0, "mode %o was taken", 0600 | bit);
		char command[128];
		snprintf(command, sizeof command, "chmod 600 %s", secret);
		cr_expect_not_null(strstr(err.text, command), "%s", err.text);
	}
}

Test(keys, are_never_overwritten)
{
	struct torap_keys keys = make(), other, read;
	struct torap_error err;
	cr_assert_eq(torap_keys_create(&other, "node-a", &err), 0);
	cr_expect_eq(torap_keys_save(&other, dir, &err), -EEXIST);
	unlink(public); /* half of a pair is enough */
	cr_expect_eq(torap_keys_save(&other, dir, &err), -EEXIST);
	cr_expect_neq(access(public, F_OK), 0, "a public half without its secret was left behind");
	cr_assert_eq(torap_keys_load(&read, secret, &err), 0, "%s", err.text);
	cr_expect_arr_eq(&read, &keys, sizeof keys);
}

/* Else a node would sign what nobody can verify. */
Test(keys, refuse_halves_that_do_not_belong_together)
{
	struct torap_keys keys, other, read;
	struct torap_error err = { "" };
	cr_assert_eq(torap_keys_create(&keys, "node-a", &err), 0);
	cr_assert_eq(torap_keys_create(&other, "node-a", &err), 0);
	memcpy(keys.sign.public, other.sign.public, 32);
	cr_assert_eq(torap_keys_save(&keys, dir, &err), 0);
	cr_expect_lt(torap_keys_load(&read, secret, &err), 0);
	cr_expect_not_null(strstr(err.text, "sign_public does not belong to sign_seed"), "%s", err.text);
}

Test(keys, never_show_a_secret_in_a_complaint)
{
	struct torap_error err = { "" };
	struct torap_keys read;
	static const char text[] = "name: a\ncurve_secret: deadbeef-and-too-long-"
				   "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef\n";
	cr_assert_eq(torap_file_create(secret, 0600, torap_bytes(text, strlen(text)), &err), 0);
	cr_expect_lt(torap_keys_load(&read, secret, &err), 0);
	cr_expect_null(strstr(err.text, "deadbeef"), "%s", err.text);
}

Test(keys, have_names_that_are_file_names)
{
	static const char *const bad[] = { "", "../a", "A", "a b", "a/b", "a.b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct torap_keys keys;
		cr_expect_lt(torap_keys_create(&keys, bad[i], NULL), 0, "\"%s\" was taken", bad[i]);
	}
}

Test(keys, are_gone_after_wiping)
{
	static const struct torap_keys zero;
	struct torap_keys keys = make();
	torap_keys_wipe(&keys);
	cr_expect_arr_eq(&keys, &zero, sizeof keys);
}
