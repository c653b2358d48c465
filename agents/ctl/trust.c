/* torap trust: the trust file, from its text to what brokers load. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/ctl/command.h"
#include "agents/ctl/trust_before.h"
#include "agents/ctl/trust_show.h"
#include "agents/ctl/trust_text.h"
#include "base/error.h"
#include "base/time.h"
#include "conf/file.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "loop/app.h"

enum { YEAR_DAYS = 365, REGIONS_MAX = 64 };

/* The day so many days from today, as a date. */
static char *day(int64_t days, char text[static TORAP_WALL_TEXT_SIZE])
{
	const int64_t day_us = 86400 * (int64_t)TORAP_US_PER_S;
	int64_t now = torap_app_wall().us;
	return torap_wall_format((struct torap_wall){ now - now % day_us + days * day_us }, text);
}

static char *read_text(const char *path, struct torap_error *err)
{
	struct torap_buffer *file;
	if (torap_file_read(&file, path, TORAP_TRUST_SIZE_MAX, err))
		return NULL;
	char *text = strndup((const char *)file->data, file->size);
	torap_buffer_unref(file);
	if (!text)
		torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	return text;
}

/* init */

static const char init_help[] = "usage: torap trust init DIR [--valid-until TIME]\n"
				"\n"
				"Makes the root key (DIR/root.key, DIR/root.pub) and an empty "
				"DIR/trust.yaml.  Keep root.key off line: whoever has\n"
				"it decides who may write.  Overwrites nothing.\n"
				"\n"
				"    --valid-until TIME    of the trust file; in a year if not given\n";

static int write_all(const char *dir, const char *path, const char *text, struct torap_error *err)
{
	struct torap_keys root;
	if (mkdir(dir, 0755) && errno != EEXIST)
		return torap_errorf(err, -errno, "%s: %s", dir, strerror(errno));
	int r = torap_file_create(path, 0644, torap_bytes(text, strlen(text)), err);
	if (r)
		return r;
	r = torap_keys_create(&root, "root", err);
	if (!r)
		r = torap_keys_save(&root, dir, err);
	torap_keys_wipe(&root);
	if (r)
		unlink(path);
	return r;
}

static int write_init(const char *dir, const char *valid_until, struct torap_error *err)
{
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/trust.yaml", dir) >= sizeof path)
		return torap_errorf(err, -ENAMETOOLONG, "%s: too long", dir);
	char *text = ctl_trust_text_new(valid_until, err);
	if (!text)
		return -ENOMEM;
	int r = write_all(dir, path, text, err);
	free(text);
	return r;
}

static int trust_init(int argc, char **argv)
{
	char in_a_year[TORAP_WALL_TEXT_SIZE];
	const char *valid_until = day(YEAR_DAYS, in_a_year);
	const struct ctl_option options[] = { { "--valid-until=", &valid_until }, { NULL, NULL } };
	int words = ctl_options("trust init", options, init_help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("trust init", "DIR is missing");
	struct torap_error err;
	struct torap_wall t;
	if (torap_wall_parse(&t, valid_until, &err) || write_init(argv[1], valid_until, &err))
		return ctl_fail("%s", err.text);
	return 0;
}

/* add */

static const char add_help[] =
	"usage: torap trust add -f trust.yaml --writer ID --region KATO[,KATO…] --pub NAME.pub [--from TIME] "
	"[--until TIME]\n"
	"\n"
	"Puts a writer into the text of the trust file.  Sign it afterwards, with a higher version.\n"
	"\n"
	"    --writer ID       1 to 31 of a-z, 0-9 and -\n"
	"    --region KATO     what it may speak for; several with commas\n"
	"    --pub FILE        its public keys, as made by torap keys new\n"
	"    --from TIME       when its signing key begins to count; today if not given\n"
	"    --until TIME      when it ends; in a year if not given\n";

/* Compiles with a key of the moment: the text must be a trust file before it replaces the old one. */
static int check_text(const char *path, const char *text, struct torap_error *err)
{
	struct torap_keys moment;
	char *beside = NULL;
	int r = torap_keys_create(&moment, "check", err);
	if (!r && asprintf(&beside, "%s.new", path) < 0)
		r = torap_errorf(err, -ENOMEM, "out of memory");
	if (!r)
		r = torap_file_replace(beside, 0644, torap_bytes(text, strlen(text)), err);
	if (!r) {
		struct torap_buffer *compiled = NULL;
		r = torap_trust_compile(&compiled, beside, &moment.sign, err);
		torap_buffer_unref(compiled);
		unlink(beside);
	}
	torap_keys_wipe(&moment);
	free(beside);
	return r;
}

static int split_regions(char *list, const char **out, size_t *count, struct torap_error *err)
{
	*count = 0;
	for (char *save, *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		uint32_t region;
		if (!torap_region_parse(&region, one))
			return torap_errorf(
				err, -EINVAL, "\"%s\" is no region; a KATO code has 9 digits", one);
		if (*count == REGIONS_MAX)
			return torap_errorf(err, -EINVAL, "more than %d regions", REGIONS_MAX);
		out[(*count)++] = one;
	}
	return *count ? 0 : torap_errorf(err, -EINVAL, "--region is empty");
}

static int check_words(const struct ctl_writer *w, struct torap_error *err)
{
	struct torap_wall t;
	if (!torap_writer_id_valid(w->id))
		return torap_errorf(
			err, -EINVAL, "\"%s\" is no writer id; write 1 to 31 of a-z, 0-9 and -", w->id);
	int r = torap_wall_parse(&t, w->from, err);
	return r ? r : torap_wall_parse(&t, w->until, err);
}

static int add(const char *path, const struct ctl_writer *w, struct torap_error *err)
{
	char *old = read_text(path, err);
	if (!old)
		return -EIO;
	char *new = ctl_trust_text_add(old, w, err);
	free(old);
	if (!new)
		torap_error_prefix(err, "%s: ", path);
	int r = new ? check_text(path, new, err) : -EINVAL;
	if (!r)
		r = torap_file_replace(path, 0644, torap_bytes(new, strlen(new)), err);
	free(new);
	return r;
}

static int trust_add(int argc, char **argv)
{
	char today[TORAP_WALL_TEXT_SIZE], in_a_year[TORAP_WALL_TEXT_SIZE];
	const char *path = NULL, *id = NULL, *region = NULL, *pub = NULL;
	const char *from = day(0, today), *until = day(YEAR_DAYS, in_a_year);
	const struct ctl_option options[] = { { "-f=", &path }, { "--writer=", &id },
		{ "--region=", &region }, { "--pub=", &pub }, { "--from=", &from }, { "--until=", &until },
		{ NULL, NULL } };
	if (ctl_options("trust add", options, add_help, 0, argc, argv) < 0)
		return 2;
	if (!path || !id || !region || !pub)
		return ctl_misuse("trust add", "-f, --writer, --region and --pub are needed");

	struct torap_error err = { "out of memory" };
	const char *regions[REGIONS_MAX];
	struct torap_keys keys;
	struct ctl_writer w = { .id = id, .regions = regions, .keys = &keys, .from = from, .until = until };
	char *list = strdup(region);
	int r = list ? split_regions(list, regions, &w.regions_count, &err) : -ENOMEM;
	if (!r)
		r = check_words(&w, &err);
	if (!r)
		r = torap_keys_load_public(&keys, pub, &err);
	if (!r)
		r = add(path, &w, &err);
	free(list);
	return r ? ctl_fail("%s", err.text) : 0;
}

/* sign */

static const char sign_help[] =
	"usage: torap trust sign -f trust.yaml --root root.key -o trust.signed [--version N]\n"
	"\n"
	"Checks the text, compiles it and signs it with the root key.  Warns of a retention rule whose keep "
	"another one's at_most cuts short,\n"
	"and of writers and keys that trust.signed has and the text has not.  Refuses a version that is not higher than "
	"that of\n"
	"trust.signed, unless all is as it was.\n"
	"\n"
	"    --version N    writes this version into the text first\n";

static int set_version(const char *path, const char *version, struct torap_error *err)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(version, &end, 10);
	if (errno || *end || end == version || *version == '-' || n == 0)
		return torap_errorf(err, -EINVAL, "\"%s\" is no version; write a number from 1 on", version);
	char *old = read_text(path, err);
	char *new = old ? ctl_trust_text_version(old, n, err) : NULL;
	if (old && !new)
		torap_error_prefix(err, "%s: ", path);
	int r = new ? torap_file_replace(path, 0644, torap_bytes(new, strlen(new)), err) : -EINVAL;
	free(old);
	free(new);
	return r;
}

static void warn(const char *sentence)
{
	fprintf(stderr, "torap: warning: %s\n", sentence);
}

/* What was compiled, looked at once more: against what it replaces, and for what is allowed and may not be meant. */
static int judge(const char *path, const char *out, const struct torap_buffer *compiled,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], struct torap_error *err)
{
	struct torap_trust *t = NULL;
	const struct torap_wall never_too_late = { 0 };
	char *text = read_text(path, err);
	int r = text ? torap_trust_decode(&t, torap_buffer_bytes(compiled), root, never_too_late, err) : -EIO;
	if (!r)
		r = ctl_trust_judge_before(out, t, root, warn, err);
	if (!r)
		torap_trust_tell_cuts(t, path, torap_bytes(text, strlen(text)), warn);
	torap_trust_unref(t);
	free(text);
	return r;
}

static int sign(
	const char *path, const char *root, const char *out, const char *version, struct torap_error *err)
{
	struct torap_keys keys;
	struct torap_buffer *compiled = NULL;
	int r = torap_keys_load(&keys, root, err);
	if (r)
		return r;
	if (version)
		r = set_version(path, version, err);
	if (!r)
		r = torap_trust_compile(&compiled, path, &keys.sign, err);
	if (!r)
		r = judge(path, out, compiled, keys.sign.public, err);
	torap_keys_wipe(&keys);
	if (!r)
		r = torap_file_replace(out, 0644, torap_buffer_bytes(compiled), err);
	torap_buffer_unref(compiled);
	return r;
}

static int trust_sign(int argc, char **argv)
{
	const char *path = NULL, *root = NULL, *out = NULL, *version = NULL;
	const struct ctl_option options[] = { { "-f=", &path }, { "--root=", &root }, { "-o=", &out },
		{ "--version=", &version }, { NULL, NULL } };
	if (ctl_options("trust sign", options, sign_help, 0, argc, argv) < 0)
		return 2;
	if (!path || !root || !out)
		return ctl_misuse("trust sign", "-f, --root and -o are needed");
	struct torap_error err;
	return sign(path, root, out, version, &err) ? ctl_fail("%s", err.text) : 0;
}

/* check, show */

static const char check_help[] =
	"usage: torap trust check FILE --root root.pub\n"
	"\n"
	"Checks a signed trust file: its signature, that it is still valid, all that it says.  Warns as sign does.\n";
static const char show_help[] =
	"usage: torap trust show FILE --root root.pub\n"
	"\n"
	"Checks a signed trust file and shows who may write, and how long frames are kept.\n";

/* NULL: *status is the exit status. */
static struct torap_trust *load(const char *command, const char *help, int argc, char **argv, int *status)
{
	const char *root_path = NULL;
	const struct ctl_option options[] = { { "--root=", &root_path }, { NULL, NULL } };
	int words = ctl_options(command, options, help, 1, argc, argv);
	*status = 2;
	if (words < 0)
		return NULL;
	if (words == 0 || !root_path) {
		*status = ctl_misuse(command, "FILE and --root are needed");
		return NULL;
	}
	struct torap_keys root;
	struct torap_error err;
	struct torap_trust *t = NULL;
	int r = torap_keys_load_public(&root, root_path, &err);
	if (!r)
		r = torap_trust_load(&t, argv[1], root.sign.public, torap_app_wall(), &err);
	if (r)
		*status = ctl_fail("%s", err.text);
	return r ? NULL : t;
}

static void say_summary(const struct torap_trust *t)
{
	char until[TORAP_WALL_TEXT_SIZE];
	printf("version %" PRIu64 ", valid until %s, %zu writers, %zu retention rules\n", t->version,
		torap_wall_format(t->valid_until, until), t->writers_count, t->retention.count);
}

static int trust_check(int argc, char **argv)
{
	int status;
	struct torap_trust *t = load("trust check", check_help, argc, argv, &status);
	if (!t)
		return status;
	say_summary(t);
	torap_trust_tell_cuts(t, argv[1], torap_bytes(NULL, 0), warn);
	torap_trust_unref(t);
	return 0;
}

static int trust_show(int argc, char **argv)
{
	int status;
	struct torap_trust *t = load("trust show", show_help, argc, argv, &status);
	if (!t)
		return status;
	say_summary(t);
	ctl_trust_show(t);
	torap_trust_unref(t);
	return 0;
}

int ctl_trust(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "init", "makes a root key and an empty trust.yaml", trust_init },
		{ "add", "puts a writer into trust.yaml", trust_add },
		{ "sign", "compiles trust.yaml and signs it", trust_sign },
		{ "check", "checks a signed trust file", trust_check },
		{ "show", "shows who may write, and the retention rules", trust_show },
		{ NULL, NULL, NULL },
	};
	return ctl_dispatch(table, "trust", argc, argv);
}
