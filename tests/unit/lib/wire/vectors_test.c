/* proto/vectors/: what anyone who implements the contract must get right, ourselves first.  README.md there says what is what. */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>

enum { FRAMES_MAX = 20, FILE_MAX = 1 << 20, KEYS_MAX = 8 };

struct key {
	char writer[64];
	uint8_t id[TORAP_KEY_ID_SIZE], public[TORAP_SIGN_KEY_SIZE];
	int64_t from_us, until_us;
};

struct keys {
	unsigned count;
	struct key keys[KEYS_MAX];
};

static FILE *open_file(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "proto/vectors/%s", name);
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f, "%s: cannot be opened from the project's root", path);
	return f;
}

static void read_keys(struct keys *keys)
{
	char line[512], id[64], public[128];
	FILE *f = open_file("keys.tsv");
	keys->count = 0;
	cr_assert_not_null(fgets(line, sizeof line, f));
	while (fgets(line, sizeof line, f)) {
		cr_assert_lt(keys->count, KEYS_MAX);
		struct key *k = &keys->keys[keys->count++];
		cr_assert_eq(sscanf(line, "%63s %63s %127s %" SCNd64 " %" SCNd64, k->writer, id, public,
				     &k->from_us, &k->until_us),
			5);
		cr_assert(torap_unhex(k->id, sizeof k->id, id));
		cr_assert(torap_unhex(k->public, sizeof k->public, public));
		uint8_t due[TORAP_KEY_ID_SIZE];
		torap_key_id(due, k->public);
		cr_expect_arr_eq(k->id, due, sizeof due);
	}
	fclose(f);
}

static const uint8_t *look_up(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	const struct keys *keys = hint;
	for (unsigned i = 0; i < keys->count; i++) {
		const struct key *k = &keys->keys[i];
		if (strcmp(k->writer, writer) == 0 && memcmp(k->id, key_id, sizeof k->id) == 0 &&
			at.us >= k->from_us && at.us < k->until_us)
			return k->public;
	}
	return NULL;
}

static int count_events(void *hint, const struct torap_opened *event)
{
	(void)event;
	++*(int *)hint;
	return 0;
}

/* Everything that a reader checks, in the order that proto/vectors/README.md gives. */
static enum torap_verdict judge(struct torap_buffer **frames, unsigned count, const struct torap_position *at,
	struct keys *keys, int *events, struct torap_error *err)
{
	struct torap_envelope envelope;
	struct torap_batch *b = NULL;
	*events = 0;
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), err) ||
		torap_batch_from_frames(&b, &envelope, frames + 1, count - 1, err))
		return TORAP_VERDICT_MALFORMED;
	enum torap_verdict v = torap_verify_batch(b, look_up, keys, NULL);
	if (v == TORAP_VERDICT_GOOD)
		v = torap_verify_chain(at, b->manifest);
	if (v == TORAP_VERDICT_GOOD && torap_batch_open(b, count_events, events, err)) {
		cr_expect_eq(*events, 0, "events were shown before the batch was found to be wrong");
		v = TORAP_VERDICT_MALFORMED;
	}
	torap_batch_destroy(b);
	return v;
}

static unsigned read_message(struct torap_buffer **frames, const char *name)
{
	static uint8_t bytes[FILE_MAX];
	FILE *f = open_file(name);
	struct torap_reader r = torap_reader(torap_bytes(bytes, fread(bytes, 1, sizeof bytes, f)));
	unsigned count = 0;
	fclose(f);
	while (r.at < r.end && !r.failed) {
		cr_assert_lt(count, FRAMES_MAX);
		struct torap_bytes frame = torap_read_bytes(&r, torap_read_u32(&r));
		frames[count++] = torap_buffer_copy(frame);
	}
	cr_assert(torap_read_end(&r), "%s", name);
	return count;
}

static void check_row(char *row, struct keys *keys)
{
	char *rest = row, *column[7];
	for (unsigned i = 0; i < 7; i++)
		cr_assert_not_null(column[i] = strtok_r(rest, "\t\n", &rest));
	struct torap_position at = {
		.next_batch = strtoull(column[2], NULL, 10),
		.next_seq = strtoull(column[3], NULL, 10),
		.has_digest = strcmp(column[4], "-") != 0,
	};
	cr_assert(!at.has_digest || torap_unhex(at.last_digest, sizeof at.last_digest, column[4]));

	struct torap_buffer *frames[FRAMES_MAX];
	struct torap_error err = { "" };
	int events;
	unsigned count = read_message(frames, column[0]);
	enum torap_verdict v = judge(frames, count, &at, keys, &events, &err);
	cr_expect_str_eq(torap_verdict_name(v), column[1], "%s is %s, due is %s: %s (%s)", column[0],
		torap_verdict_name(v), column[1], column[6], err.text);
	if (v == TORAP_VERDICT_GOOD)
		cr_expect_eq(events, atoi(column[5]), "%s: %d events", column[0], events);
	for (unsigned i = 0; i < count; i++)
		torap_buffer_unref(frames[i]);
}

Test(vectors, each_get_the_verdict_due)
{
	static struct keys keys;
	char row[1024];
	unsigned rows = 0;
	read_keys(&keys);
	FILE *f = open_file("index.tsv");
	cr_assert_not_null(fgets(row, sizeof row, f));
	for (; fgets(row, sizeof row, f); rows++)
		check_row(row, &keys);
	fclose(f);
	cr_assert_gt(rows, 80);
}
