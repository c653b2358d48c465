#include "node/strangers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/own.h"
#include "node/writes.h"
#include "store/kv.h"
#include "wire/stream.h"

enum { KEY_SIZE = 16 + TORAP_STREAM_TEXT_SIZE, REPLACED_EVERY_S = 3600, DUE_MAX = 64 };

struct node_strangers {
	struct node_strangers_options options;
	struct torap_stream_id due[DUE_MAX]; /* their events are on their way */
	size_t due_count;
	uint64_t replaced;
	bool replaced_said;
	struct torap_mono replaced_next;
};

struct saying {
	struct node_entry entry;
	struct node_strangers *strangers;
	struct torap_stream_id stream;
};

static struct torap_bytes key_of(char text[static KEY_SIZE], const struct torap_stream_id *stream)
{
	char name[TORAP_STREAM_TEXT_SIZE];
	int size = snprintf(text, KEY_SIZE, "stranger/%s", torap_stream_id_format(stream, name));
	return torap_bytes(text, (size_t)size);
}

static bool is_ours(const struct node_strangers *s, const struct torap_stream_id *stream)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(s->options.batcher, stream->lane, &count);
	for (size_t i = 0; i < count; i++)
		if (torap_stream_id_equal(&streams[i].id, stream))
			return true;
	return false;
}

static bool is_known(const struct node_strangers *s, const struct torap_stream_id *stream)
{
	char key[KEY_SIZE];
	struct torap_kv_txn txn;
	struct torap_bytes value;
	for (size_t i = 0; i < s->due_count; i++)
		if (torap_stream_id_equal(&s->due[i], stream))
			return true;
	torap_kv_begin(&txn, s->options.kv, false);
	int r = torap_kv_get(&txn, NODE_TABLE_STATE, key_of(key, stream), &value);
	torap_kv_abort(&txn);
	return r != TORAP_KV_MISSING;
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *said = (struct saying *)entry;
	struct node_strangers *s = said->strangers;
	(void)result; /* No room: with the next welcome. */
	for (size_t i = 0; i < s->due_count; i++)
		if (torap_stream_id_equal(&s->due[i], &said->stream)) {
			s->due[i] = s->due[--s->due_count];
			break;
		}
	free(said);
}

/* Owns `said`, also on failure (false). */
static bool say(
	struct node_strangers *s, struct saying *said, const struct node_own *own, struct node_now now)
{
	if (!said)
		return false;
	said->entry.event = node_own_event(s->options.region, own, now);
	if (said->entry.event && node_batcher_add(s->options.batcher, &said->entry) == 0)
		return true;
	node_event_destroy(said->entry.event);
	torap_writer_finish(&said->entry.writes);
	free(said);
	return false;
}

void node_strangers_stream(struct node_strangers *s, const char *broker, const struct torap_stream_id *stream,
	struct node_now now)
{
	char key[KEY_SIZE], text[TORAP_STREAM_TEXT_SIZE];
	struct node_own own = { .kind = TORAP__KIND__KIND_NEW_INCARNATION };
	uint8_t one = 1;
	if (stream->lane >= TORAP_LANES || is_ours(s, stream) || s->due_count == DUE_MAX ||
		is_known(s, stream))
		return;
	node_fields_add(&own.detail, "broker", broker);
	node_fields_add(&own.detail, "old", torap_stream_id_format(stream, text));
	node_fields_add(&own.detail, "reason", "unknown");
	struct saying *said = calloc(1, sizeof *said);
	if (said) {
		*said = (struct saying){ .entry.done = on_said, .strangers = s, .stream = *stream };
		node_writes_put(
			&said->entry.writes, NODE_TABLE_STATE, key_of(key, stream), torap_bytes(&one, 1));
	}
	if (!say(s, said, &own, now))
		return;
	s->due[s->due_count++] = *stream;
	torap_warn("STREAM-UNKNOWN",
		"broker %s has %s of this node, and this journal does not know it: a disk was lost or put back, or another machine writes under this name; what that journal held and did not send is not here",
		broker, text);
}

static void on_replaced_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *said = (struct saying *)entry;
	if (result != NODE_ENTRY_DURABLE)
		said->strangers->replaced_said = false; /* No room: with the next time. */
	free(said);
}

void node_strangers_replaced(struct node_strangers *s, const char *broker, struct node_now now)
{
	struct node_own own = { .kind = TORAP__KIND__KIND_NEW_INCARNATION };
	s->replaced++;
	if (s->replaced_said && !torap_mono_reached(s->replaced_next, now.mono))
		return;
	node_fields_add(&own.detail, "broker", broker);
	node_fields_add(&own.detail, "reason", "cloned");
	struct saying *said = calloc(1, sizeof *said);
	if (said)
		*said = (struct saying){ .entry.done = on_replaced_said, .strangers = s };
	s->replaced_said = say(s, said, &own, now);
	s->replaced_next = torap_mono_add_ms(now.mono, REPLACED_EVERY_S * 1000);
	torap_fail("CLONED",
		"broker %s has a newer session with this node's keys: another machine runs as this node; both go on by turns, end one of them",
		broker);
}

uint64_t node_strangers_replaced_count(const struct node_strangers *s)
{
	return s->replaced;
}

int node_strangers_create(
	struct node_strangers **out, const struct node_strangers_options *options, struct torap_error *err)
{
	struct node_strangers *s = calloc(1, sizeof *s);
	if (!s)
		return torap_errorf(err, -ENOMEM, "strangers: out of memory");
	s->options = *options;
	*out = s;
	return 0;
}

struct node_strangers *node_strangers_destroy(struct node_strangers *s)
{
	free(s);
	return NULL;
}
