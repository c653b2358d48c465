#include "agents/archive/tracks.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agents/soap/answer.h"

/* A recorder dates what it has closed: a file of a day at most.  One that says "Recording" with nothing newer than that records nothing. */
static const int64_t still_running_us = (int64_t)24 * 3600 * TORAP_US_PER_S;

/* Zones: some tell a right clock, and date by the local one. */
static const int64_t tolerance_us = (int64_t)24 * 3600 * TORAP_US_PER_S;

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

static bool tells(const struct soap_node *n, const char *name)
{
	char text[256];
	return soap_text(soap_child(n, SOAP_NS_SCHEMA, name), text, sizeof text);
}

/* What is no date was told by a clock that was not set: a begin is 1970, which nobody believes, and without an end the begin says
 * nothing either.  False: it holds nothing. */
static bool read_span(const struct soap_node *n, const char *first, const char *last, int64_t offset_us,
	struct archive_span *out)
{
	*out = (struct archive_span){ .until = archive_believable };
	if (!read_time(n, last, offset_us, &out->until))
		return tells(n, first) || tells(n, last);
	if (!read_time(n, first, offset_us, &out->from))
		out->from.us = 0;
	return true;
}

static bool is_dated(const struct archive_span *s)
{
	return s->until.us > archive_believable.us;
}

/* Tracks without a date of their own have that of their recording, each less its own gaps; one that lists none is a track itself. */
static void lend(struct archive_recording *r, const struct archive_span *whole)
{
	bool any = false;
	for (size_t i = 0; i < r->count && is_dated(whole); i++) {
		struct archive_track *track = &r->tracks[i];
		if (!track->pictures)
			continue;
		track->extent = *whole;
		track->counts = track->lent = any = true;
	}
	if (!any)
		r->tracks[r->count++] =
			(struct archive_track){ .pictures = true, .counts = true, .extent = *whole };
}

/* Its tracks, of whatever type: events name them.  False: memory ran out. */
static bool read_tracks(struct archive_recording *r, const struct soap_node *n, int64_t offset_us)
{
	char type[32];
	bool dated = false;
	r->tracks = calloc(ARCHIVE_TRACKS_MAX + 1, sizeof *r->tracks);
	if (!r->tracks)
		return false;
	for (const struct soap_node *node = soap_child(n, SOAP_NS_SCHEMA, "Track");
		node && r->count < ARCHIVE_TRACKS_MAX; node = soap_next(node, SOAP_NS_SCHEMA, "Track")) {
		struct archive_track *track = &r->tracks[r->count++];
		soap_text(soap_child(node, SOAP_NS_SCHEMA, "TrackToken"), track->token, sizeof track->token);
		track->pictures =
			!soap_text(soap_child(node, SOAP_NS_SCHEMA, "TrackType"), type, sizeof type) ||
			strcmp(type, "Video") == 0;
		track->counts =
			track->pictures && read_span(node, "DataFrom", "DataTo", offset_us, &track->extent);
		dated = dated || (track->counts && is_dated(&track->extent));
	}
	struct archive_span whole;
	if (!dated && read_span(n, "EarliestRecording", "LatestRecording", offset_us, &whole))
		lend(r, &whole);
	return true;
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
	if (!read_tracks(&r, n, offset_us))
		return false;
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
		*out = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
		return *out || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0;
	}
	return false;
}

/* Is it another recording's, or of another topic?  Some recorders do not mind what was asked for. */
static bool is_foreign(const struct archive_recording *r, const struct soap_node *n)
{
	char token[ARCHIVE_TOKEN_MAX + 1], topic[256];
	if (soap_text(soap_child(n, SOAP_NS_SCHEMA, "RecordingToken"), token, sizeof token) &&
		strcmp(token, r->token) != 0)
		return true;
	return soap_text(soap_child_named(soap_child_named(n, "Event"), "Topic"), topic, sizeof topic) &&
	       !strstr(topic, "Track/State");
}

static size_t track_of(const struct archive_recording *r, const struct soap_node *n)
{
	char token[ARCHIVE_TOKEN_MAX + 1];
	if (soap_text(soap_child(n, SOAP_NS_SCHEMA, "TrackToken"), token, sizeof token))
		for (size_t i = 0; i < r->count; i++)
			if (strcmp(token, r->tracks[i].token) == 0)
				return i;
	return ARCHIVE_ANY_TRACK;
}

/* The state at the begin of what was asked for comes before all changes, whenever its recorder dates it. */
static bool is_start_state(const struct soap_node *n)
{
	char word[8];
	return soap_text(soap_child(n, SOAP_NS_SCHEMA, "StartStateEvent"), word, sizeof word) &&
	       (strcmp(word, "true") == 0 || strcmp(word, "1") == 0);
}

bool archive_tracks_event(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us)
{
	struct archive_recording *r = &t->recordings[t->current];
	struct archive_change c = { .recording = t->current, .track = track_of(r, n) };
	/* Result → Event (wsnt:NotificationMessage) → Message → tt:Message. */
	const struct soap_node *message = soap_child_named(soap_child_named(n, "Event"), "Message");
	const struct soap_node *inner = soap_child_named(message, "Message");
	if (is_foreign(r, n) || (c.track != ARCHIVE_ANY_TRACK && !r->tracks[c.track].pictures))
		return true;
	if (!read_time(n, "Time", offset_us, &c.at) || !read_present(inner ? inner : message, &c.present)) {
		r->garbled = true;
		return true;
	}
	r->told = true;
	if (is_start_state(n) && c.at.us >= t->from.us)
		c.at.us = t->from.us - 1;
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

void archive_tracks_forget(struct archive_tracks *t)
{
	while (t->changes_count && t->changes[t->changes_count - 1].recording == t->current)
		t->changes_count--;
	t->recordings[t->current].told = false;
}

static bool holds(const struct archive_recording *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->tracks[i].counts)
			return true;
	return false;
}

bool archive_tracks_gaps_known(const struct archive_tracks *t)
{
	bool known = false;
	for (size_t i = 0; i < t->count; i++) {
		const struct archive_recording *r = &t->recordings[i];
		if (holds(r) && (!r->told || r->garbled))
			return false;
		known = known || r->told;
	}
	return known;
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

static size_t first_of(const struct archive_tracks *t, size_t recording)
{
	size_t low = 0, high = t->changes_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->changes[middle].recording < recording)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A track that first is told to begin held nothing before, as far back as was asked. */
static void take_gaps_out(
	const struct archive_tracks *t, size_t recording, size_t track, struct archive_spans *spans)
{
	const struct torap_wall never = { INT64_MAX };
	struct torap_wall ceased = t->from;
	bool absent = true;
	bool any = false;
	for (size_t i = first_of(t, recording); i < t->changes_count; i++) {
		const struct archive_change *c = &t->changes[i];
		if (c->recording != recording)
			break;
		if (c->track != track && c->track != ARCHIVE_ANY_TRACK)
			continue;
		if (absent && c->present)
			archive_spans_remove(spans, ceased, c->at);
		if (!c->present && (!absent || !any))
			ceased = c->at;
		absent = !c->present;
		any = true;
	}
	if (any && absent)
		archive_spans_remove(spans, ceased, never);
}

/* A track that tells nothing while others of its recording do: it would hide their gaps. */
static bool is_mute(const struct archive_tracks *t, size_t recording, size_t track)
{
	bool any = false;
	for (size_t i = first_of(t, recording); i < t->changes_count; i++) {
		const struct archive_change *c = &t->changes[i];
		if (c->recording != recording)
			break;
		if (c->track == track || c->track == ARCHIVE_ANY_TRACK)
			return false;
		any = true;
	}
	return any;
}

/* What began before its recorder knew the time must not swallow what another track dates well. */
static void add_held(struct archive_spans *out, const struct archive_spans *spans)
{
	for (size_t i = 0; i < spans->count; i++) {
		struct archive_span s = spans->items[i];
		if (s.from.us < archive_believable.us && s.until.us > archive_believable.us)
			s.until = archive_believable;
		archive_spans_add(out, s.from, s.until);
	}
	out->failed = out->failed || spans->failed;
}

/* Only by the offset of a clock that shows too little. */
static bool is_moved_ahead(struct torap_wall t, int64_t offset_us, struct torap_wall now)
{
	return t.us > now.us + tolerance_us && t.us + offset_us <= now.us + tolerance_us;
}

bool archive_tracks_contradict(const struct archive_tracks *t, int64_t offset_us, struct torap_wall now)
{
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->recordings[i].count; k++) {
			const struct archive_track *track = &t->recordings[i].tracks[k];
			if (track->counts && (now.us + offset_us < archive_believable.us ||
						     is_moved_ahead(track->extent.from, offset_us, now) ||
						     is_moved_ahead(track->extent.until, offset_us, now)))
				return true;
		}
	return false;
}

static void add_track(struct archive_tracks *t, size_t recording, size_t track, struct archive_spans *out,
	struct torap_wall now)
{
	const struct archive_recording *r = &t->recordings[recording];
	struct archive_span s = r->tracks[track].extent;
	if (r->tracks[track].lent && is_mute(t, recording, track))
		return;
	if (s.until.us < s.from.us) /* it may be of any day */
		s = (struct archive_span){ .until = archive_believable };
	struct archive_spans spans = { 0 };
	if (r->running && s.until.us < now.us && now.us - s.until.us <= still_running_us)
		s.until = now;
	archive_spans_add(&spans, s.from, s.until);
	if (is_dated(&s))
		take_gaps_out(t, recording, track, &spans);
	add_held(out, &spans);
	archive_spans_finish(&spans);
}

void archive_tracks_spans(struct archive_tracks *t, struct archive_spans *out, struct torap_wall now)
{
	if (t->changes_count)
		qsort(t->changes, t->changes_count, sizeof *t->changes, by_time);
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->recordings[i].count; k++)
			if (t->recordings[i].tracks[k].counts)
				add_track(t, i, k, out, now);
}

void archive_tracks_finish(struct archive_tracks *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->recordings[i].tracks);
	free(t->recordings);
	free(t->changes);
	*t = (struct archive_tracks){ 0 };
}
