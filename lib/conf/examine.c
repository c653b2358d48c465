#include "conf/examine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "store/check.h"
#include "store/kv.h"

enum { SOUND = 0, FINDINGS = 1, UNABLE = 2 };

struct words {
	const char *dir, *trust, *root;
};

struct showing {
	bool terminal;   /* progress is shown there… */
	bool unfinished; /* …and a line of it stands now */
};

bool torap_examine_is_asked(bool check, const char *config, int count)
{
	return check && !config && count > 0;
}

/* "--trust FILE" or "--trust=FILE".  Returns how many words it took; 0: another word. */
static int read_option(const char *name, int count, char **words, const char **out)
{
	size_t n = strlen(name);
	if (strncmp(words[0], name, n) != 0)
		return 0;
	if (words[0][n] == '=') {
		*out = words[0] + n + 1;
		return 1;
	}
	if (words[0][n] != '\0' || count < 2)
		return 0;
	*out = words[1];
	return 2;
}

static int read_words(struct words *out, const char *program, int count, char **words)
{
	*out = (struct words){ 0 };
	for (int taken; count > 0; count -= taken, words += taken) {
		taken = read_option("--trust", count, words, &out->trust);
		if (!taken)
			taken = read_option("--root", count, words, &out->root);
		if (!taken && !out->dir && words[0][0] != '-') {
			out->dir = words[0];
			taken = 1;
		}
		if (!taken) {
			fprintf(stderr,
				"%s: --check: no such option or argument, or its value is missing: %s; see --help\n",
				program, words[0]);
			return UNABLE;
		}
	}
	if (out->dir && !out->trust == !out->root)
		return SOUND;
	fprintf(stderr, "%s: --check needs DIR, and --trust and --root together or neither; see --help\n",
		program);
	return UNABLE;
}

static int load_trust(struct torap_trust **out, const struct words *w, struct torap_error *err)
{
	struct torap_keys root;
	if (!w->trust)
		return 0;
	int r = torap_keys_load_public(&root, w->root, err);
	/* History is judged by each key's own time. */
	return r ? r : torap_trust_load(out, w->trust, root.sign.public, (struct torap_wall){ 0 }, err);
}

static int open_store(struct torap_kv **out, const char *dir, struct torap_error *err)
{
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .read_only = true };
	char *file;
	if (asprintf(&file, "%s/data.mdb", dir) < 0)
		return torap_errorf(err, -ENOMEM, "out of memory");
	/* Opening makes a file of LMDB's own: not where no store is. */
	bool is_there = access(file, R_OK) == 0;
	int r = is_there ? 0
			 : torap_errorf(err, -ENOENT, "%s: there is no journal here that can be read", file);
	free(file);
	return r ? r : torap_kv_open(out, dir, &options, err);
}

/* Findings. */

static void clear_progress(struct showing *s)
{
	if (s->unfinished)
		fputs("\r\033[K", stderr);
	s->unfinished = false;
}

static void on_progress(void *hint, uint64_t done, uint64_t all)
{
	struct showing *s = hint;
	if (!s->terminal)
		return;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " batches", done, all);
	s->unfinished = true;
}

static void on_finding(void *hint, const struct torap_check_finding *f)
{
	char stream[TORAP_STREAM_TEXT_SIZE], signer[2 * TORAP_KEY_ID_SIZE + 1];
	clear_progress(hint);
	printf("%s", f->what);
	if (f->has_stream)
		printf(": %s", torap_stream_id_format(&f->stream, stream));
	if (f->batch_no)
		printf(" batch %" PRIu64, f->batch_no);
	if (f->frame >= 0)
		printf(" frame %d", f->frame);
	printf(": %s", f->text);
	if (f->has_signer)
		printf(" (manifest by %s, key %s)", f->stream.writer,
			torap_hex(signer, torap_bytes(f->signer, sizeof f->signer)));
	putchar('\n');
}

static void conclude(const struct torap_check_counts *c, bool with_trust)
{
	printf("%s: %" PRIu64 " streams, %" PRIu64 " batches, %" PRIu64 " frames; signatures %s\n",
		c->findings ? "damaged" : "sound", c->streams, c->batches, c->frames,
		with_trust ? "checked" : "not checked (--trust and --root)");
	if (c->omitted)
		printf("%" PRIu64 " frames are not here, each for a reason that is noted\n", c->omitted);
	if (c->findings)
		printf("%" PRIu64 " findings\n", c->findings);
}

static int crash_status;

static void on_crash(int number)
{
	static const char text[] =
		"\nthe pages of the store itself are damaged: it cannot be examined further; restore a backup\n";
	(void)number;
	ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
	(void)written;
	_exit(crash_status);
}

void torap_examine_catch_crashes(int status)
{
	static const int numbers[] = { SIGBUS, SIGSEGV, SIGABRT };
	struct sigaction action = { .sa_handler = on_crash };
	crash_status = status;
	setvbuf(stdout, NULL, _IOLBF, 0); /* What was found before is not lost. */
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
}

static int examine(const struct words *w, struct torap_error *err)
{
	struct torap_trust *trust = NULL;
	struct torap_kv *kv = NULL;
	struct torap_check_counts counts = { 0 };
	struct showing showing = { .terminal = isatty(STDERR_FILENO) };
	struct torap_check_options options = {
		.on_finding = on_finding, .on_progress = on_progress, .hint = &showing
	};
	int r = load_trust(&trust, w, err);
	if (!r)
		r = open_store(&kv, w->dir, err);
	if (trust) {
		options.lookup = torap_trust_lookup;
		options.lookup_hint = trust;
	}
	if (!r)
		r = torap_check_journal(kv, &options, &counts, err);
	clear_progress(&showing);
	if (!r)
		conclude(&counts, trust);
	if (!r && fflush(stdout))
		r = torap_errorf(err, -EIO, "cannot write to standard output");
	torap_kv_close(kv);
	torap_trust_unref(trust);
	return r ? UNABLE : counts.findings ? FINDINGS : SOUND;
}

int torap_examine(const char *program, int count, char **words)
{
	struct words w;
	struct torap_error err = { "" };
	if (read_words(&w, program, count, words))
		return UNABLE;
	torap_examine_catch_crashes(UNABLE);
	int status = examine(&w, &err);
	if (status == UNABLE)
		fprintf(stderr, "%s: %s\n", program, err.text);
	return status;
}
