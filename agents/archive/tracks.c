#include "agents/archive/tracks.h"

#include <stdlib.h>
#include <string.h>

#include "agents/soap/answer.h"

static bool is_the_cameras(const struct archive_tracks *t, const struct soap_node *n, const char *token)
{
	static const char *const names[] = { "SourceId", "Name" };
	char text[256];
	if (!t->source || !t->source[0] || strcmp(token, t->source) == 0)
		return true;
	const struct soap_node *source = soap_child(n, SOAP_NS_SCHEMA, "Source");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (soap_text(soap_child(source, SOAP_NS_SCHEMA, names[i]), text, sizeof text) &&
			strcmp(text, t->source) == 0)
			return true;
	return false;
}

static bool read_time(const struct soap_node *n, const char *name, int64_t offset_us, struct torap_wall *out)
{
	if (!soap_time(soap_child(n, SOAP_NS_SCHEMA, name), out))
		return false;
	out->us -= offset_us;
	return true;
}

/* A begin that is no date was told by a clock that was not set: 1970, which nobody believes. */
static bool read_span(const struct soap_node *n, const char *first, const char *last, int64_t offset_us,
	struct archive_span *out)
{
	if (!read_time(n, last, offset_us, &out->until))
		return false;
	if (!read_time(n, first, offset_us, &out->from))
		out->from.us = 0;
	return true;
}

/* The extent of its video tracks; of the recording, when it lists no track with a time. */
static void read_extent(struct archive_recording *r, const struct soap_node *n, int64_t offset_us)
{
	struct archive_span span;
	char type[32];
	bool any = false;
	for (const struct soap_node *track = soap_child(n, SOAP_NS_SCHEMA, "Track"); track;
		track = soap_next(track, SOAP_NS_SCHEMA, "Track")) {
		if (soap_text(soap_child(track, SOAP_NS_SCHEMA, "TrackType"), type, sizeof type) &&
			strcmp(type, "Video") != 0)
			continue;
		if (read_span(track, "DataFrom", "DataTo", offset_us, &span)) {
			archive_spans_add(&r->spans, span.from, span.until);
			any = true;
		}
	}
	if (!any && read_span(n, "EarliestRecording", "LatestRecording", offset_us, &span))
		archive_spans_add(&r->spans, span.from, span.until);
}

bool archive_tracks_recording(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us)
{
	struct archive_recording r = { .running = false };
	char status[32];
	if (!soap_text(soap_child(n, SOAP_NS_SCHEMA, "RecordingToken"), r.token, sizeof r.token) ||
		!is_the_cameras(t, n, r.token))
		return true;
	if (t->count == ARCHIVE_RECORDINGS_MAX)
		return false;
	struct archive_recording *more = realloc(t->recordings, (t->count + 1) * sizeof *more);
	if (!more)
		return false;
	t->recordings = more;
	r.running = soap_text(soap_child(n, SOAP_NS_SCHEMA, "RecordingStatus"), status, sizeof status) &&
		    strcmp(status, "Recording") == 0;
	read_extent(&r, n, offset_us);
	t->recordings[t->count++] = r;
	return true;
}

/* IsDataPresent among the event's SimpleItems, wherever a maker puts them. */
static bool read_present(const struct soap_node *message, bool *out)
{
	char name[64], value[16];
	const struct soap_node *data = soap_child_named(message, "Data");
	for (const struct soap_node *item = soap_child_named(data, "SimpleItem"); item;
		item = soap_next_named(item, "SimpleItem")) {
		if (!soap_attribute(item, "Name", name, sizeof name) || strcmp(name, "IsDataPresent") != 0 ||
			!soap_attribute(item, "Value", value, sizeof value))
			continue;
		*out = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
		return true;
	}
	return false;
}

bool archive_tracks_event(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us)
{
	struct archive_change c = { .recording = t->current };
	/* Result → Event (wsnt:NotificationMessage) → Message → tt:Message. */
	const struct soap_node *message = soap_child_named(soap_child_named(n, "Event"), "Message");
	const struct soap_node *inner = soap_child_named(message, "Message");
	if (!read_time(n, "Time", offset_us, &c.at) || !read_present(inner ? inner : message, &c.present))
		return true;
	if (t->changes_count == ARCHIVE_CHANGES_MAX)
		return false;
	if (t->changes_count == t->changes_room) {
		size_t room = t->changes_room ? 2 * t->changes_room : 64;
		struct archive_change *more = realloc(t->changes, room * sizeof *more);
		if (!more)
			return false;
		t->changes = more;
		t->changes_room = room;
	}
	t->changes[t->changes_count++] = c;
	return true;
}

/* By recording, then by time; at one moment a cease comes before a begin: a file ends where the next one starts. */
static int by_time(const void *a, const void *b)
{
	const struct archive_change *x = a, *y = b;
	if (x->recording != y->recording)
		return x->recording < y->recording ? -1 : 1;
	if (x->at.us != y->at.us)
		return x->at.us < y->at.us ? -1 : 1;
	return (int)x->present - (int)y->present;
}

static void take_gaps_out(const struct archive_tracks *t, size_t recording, struct archive_spans *spans)
{
	const struct torap_wall never = { INT64_MAX };
	struct torap_wall ceased = { 0 };
	bool absent = false;
	for (size_t i = 0; i < t->changes_count; i++) {
		const struct archive_change *c = &t->changes[i];
		if (c->recording != recording)
			continue;
		if (absent && c->present)
			archive_spans_remove(spans, ceased, c->at);
		if (!absent && !c->present)
			ceased = c->at;
		absent = !c->present;
	}
	if (absent)
		archive_spans_remove(spans, ceased, never);
}

void archive_tracks_spans(struct archive_tracks *t, struct archive_spans *out, struct torap_wall now)
{
	if (t->changes_count)
		qsort(t->changes, t->changes_count, sizeof *t->changes, by_time);
	for (size_t i = 0; i < t->count; i++) {
		struct archive_spans *spans = &t->recordings[i].spans;
		if (t->recordings[i].running && spans->count)
			archive_spans_add(spans, spans->items[spans->count - 1].from, now);
		take_gaps_out(t, i, spans);
		for (size_t k = 0; k < spans->count; k++)
			archive_spans_add(out, spans->items[k].from, spans->items[k].until);
		out->failed = out->failed || spans->failed;
	}
}

void archive_tracks_finish(struct archive_tracks *t)
{
	for (size_t i = 0; i < t->count; i++)
		archive_spans_finish(&t->recordings[i].spans);
	free(t->recordings);
	free(t->changes);
	*t = (struct archive_tracks){ 0 };
}
