#include "agents/archive/profile_g.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/archive/tracks.h"
#include "agents/soap/answer.h"
#include "agents/soap/clock.h"
#include "agents/soap/request.h"
#include "agents/soap/url.h"
#include "base/bytes.h"
#include "base/error.h"

enum {
	POLLS_MAX = 240,     /* of one search: a recorder with years of events, 100 an answer */
	POLL_PAUSE_MS = 250, /* a recorder that answers at once with nothing must not be hammered */
	TOKEN_MAX = 127,
};

/* In this order; any may lead to OVER. */
enum state {
	CLOCK,
	SERVICES,
	CAPABILITIES, /* for those that do not know GetServices */
	FIND_RECORDINGS,
	RECORDINGS,
	END_RECORDINGS,
	FIND_EVENTS,
	EVENTS,
	END_EVENTS,
	OVER,
};

struct archive_dialogue {
	const struct archive_source *source;
	struct torap_wall from, began;
	enum state state;
	char service[512];         /* the search service, at the configured host */
	char token[TOKEN_MAX + 1]; /* of the search that is under way */
	unsigned polls;
	bool waits; /* the last poll brought nothing */
	struct archive_tracks tracks;
	size_t recording; /* whose events are asked for */
	struct torap_writer body;
	struct archive_holdings held;
};

const char *archive_outcome_name(enum archive_outcome o)
{
	static const char *const names[] = { "answered", "unreachable", "unauthorised", "unsupported",
		"broken" };
	return names[o];
}

int archive_dialogue_create(struct archive_dialogue **out, const struct archive_source *source,
	struct torap_wall from, struct torap_wall now, struct torap_error *err)
{
	if (!soap_url_valid(source->url))
		return torap_errorf(err, -EINVAL,
			"\"%s\" is not an address such as http://10.0.0.9/onvif/device_service", source->url);
	struct archive_dialogue *d = calloc(1, sizeof *d);
	if (!d)
		return torap_errorf(err, -ENOMEM, "out of memory");
	d->source = source;
	d->from = from;
	d->began = now;
	d->held.outcome = ARCHIVE_BROKEN;
	*out = d;
	return 0;
}

struct archive_dialogue *archive_dialogue_destroy(struct archive_dialogue *d)
{
	if (d) {
		archive_tracks_finish(&d->tracks);
		archive_spans_finish(&d->held.spans);
		torap_writer_finish(&d->body);
		free(d);
	}
	return NULL;
}

static void end(struct archive_dialogue *d, enum archive_outcome outcome, const char *reason)
{
	d->state = OVER;
	d->held.outcome = outcome;
	snprintf(d->held.reason, sizeof d->held.reason, "%s", reason);
}

static void begin(struct archive_dialogue *d, enum state state)
{
	d->state = state;
	d->polls = 0;
	d->waits = false;
}

/* ---- what is asked ---- */

static void put(struct torap_writer *w, const char *text)
{
	torap_write_bytes(w, torap_bytes(text, strlen(text)));
}

static void put_element(struct torap_writer *w, const char *name, const char *text)
{
	put(w, "<t:");
	put(w, name);
	put(w, ">");
	soap_escape(w, text);
	put(w, "</t:");
	put(w, name);
	put(w, ">");
}

static void put_time(
	struct torap_writer *w, const char *name, const struct archive_dialogue *d, struct torap_wall t)
{
	char text[TORAP_WALL_TEXT_SIZE];
	int64_t device = t.us + d->held.clock_offset_ms * TORAP_US_PER_MS;
	put_element(
		w, name, torap_wall_format((struct torap_wall){ device - device % TORAP_US_PER_S }, text));
}

static void put_search(struct torap_writer *w, const struct archive_dialogue *d, const char *name)
{
	put(w, "<t:");
	put(w, name);
	put(w, " xmlns:t=\"" SOAP_NS_SEARCH "\">");
	if (d->token[0])
		put_element(w, "SearchToken", d->token);
}

static void put_poll(
	struct torap_writer *w, const struct archive_dialogue *d, const char *name, const char *end_tag)
{
	put_search(w, d, name);
	put(w, "<t:MaxResults>100</t:MaxResults><t:WaitTime>PT5S</t:WaitTime>");
	put(w, end_tag);
}

static void put_find_events(struct torap_writer *w, const struct archive_dialogue *d, struct torap_wall now)
{
	put_search(w, d, "FindEvents");
	put_time(w, "StartPoint", d, d->from);
	put_time(w, "EndPoint", d, now);
	put(w, "<t:Scope><tt:IncludedRecordings xmlns:tt=\"" SOAP_NS_SCHEMA "\">");
	soap_escape(w, d->tracks.recordings[d->recording].token);
	put(w, "</tt:IncludedRecordings></t:Scope><t:SearchFilter><wsnt:TopicExpression "
	       "xmlns:wsnt=\"http://docs.oasis-open.org/wsn/b-2\" xmlns:tns1=\"http://www.onvif.org/ver10/topics\" "
	       "Dialect=\"http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet\">tns1:RecordingHistory/Track/State"
	       "</wsnt:TopicExpression></t:SearchFilter><t:IncludeStartState>true</t:IncludeStartState>"
	       "<t:KeepAliveTime>PT60S</t:KeepAliveTime></t:FindEvents>");
}

#define SEARCH_ACTION SOAP_NS_SEARCH "/SearchPort/"

static void ask(struct archive_dialogue *d, struct archive_question *q, struct torap_wall now)
{
	struct torap_writer *w = &d->body;
	switch (d->state) {
	case CLOCK:
		q->action = SOAP_CLOCK_ACTION;
		q->open = true;
		put(w, SOAP_CLOCK_BODY);
		break;
	case SERVICES:
		q->action = SOAP_NS_DEVICE "/GetServices";
		put(w, "<GetServices xmlns=\"" SOAP_NS_DEVICE
		       "\"><IncludeCapability>false</IncludeCapability></GetServices>");
		break;
	case CAPABILITIES:
		q->action = SOAP_NS_DEVICE "/GetCapabilities";
		put(w, "<GetCapabilities xmlns=\"" SOAP_NS_DEVICE
		       "\"><Category>All</Category></GetCapabilities>");
		break;
	case FIND_RECORDINGS:
		q->action = SEARCH_ACTION "FindRecordings";
		put_search(w, d, "FindRecordings");
		put(w, "<t:Scope/><t:KeepAliveTime>PT60S</t:KeepAliveTime></t:FindRecordings>");
		break;
	case RECORDINGS:
		q->action = SEARCH_ACTION "GetRecordingSearchResults";
		put_poll(w, d, "GetRecordingSearchResults", "</t:GetRecordingSearchResults>");
		break;
	case FIND_EVENTS:
		q->action = SEARCH_ACTION "FindEvents";
		put_find_events(w, d, now);
		break;
	case EVENTS:
		q->action = SEARCH_ACTION "GetEventSearchResults";
		put_poll(w, d, "GetEventSearchResults", "</t:GetEventSearchResults>");
		break;
	default:
		q->action = SEARCH_ACTION "EndSearch";
		put_search(w, d, "EndSearch");
		put(w, "</t:EndSearch>");
	}
}

bool archive_dialogue_next(struct archive_dialogue *d, struct archive_question *out, struct torap_wall now)
{
	if (d->state == OVER)
		return false;
	*out = (struct archive_question){ .body = &d->body };
	out->wait_ms = d->waits ? POLL_PAUSE_MS : 0;
	out->device_now.us = now.us + d->held.clock_offset_ms * TORAP_US_PER_MS;
	snprintf(out->url, sizeof out->url, "%s", d->state < FIND_RECORDINGS ? d->source->url : d->service);
	d->body.size = 0;
	ask(d, out, now);
	torap_write_u8(&d->body, 0);
	if (d->body.failed)
		end(d, ARCHIVE_BROKEN, "out of memory");
	return d->state != OVER;
}

/* ---- what came ---- */

static void on_clock(struct archive_dialogue *d, const struct soap_answer *a, struct torap_wall now)
{
	struct torap_wall device;
	/* One that does not tell its time is asked on: its clock may be right. */
	if (a && soap_clock_read(a, &device)) {
		d->held.clock_known = true;
		d->held.clock_offset_ms = (device.us - now.us) / TORAP_US_PER_MS;
	}
	begin(d, SERVICES);
}

static void on_address(struct archive_dialogue *d, const struct soap_node *address)
{
	char text[512];
	if (!soap_text(address, text, sizeof text) ||
		!soap_url_at_host(d->service, sizeof d->service, text, d->source->url))
		end(d, ARCHIVE_UNSUPPORTED, "it names no recording search service: no Profile G");
	else
		begin(d, FIND_RECORDINGS);
}

static void on_services(struct archive_dialogue *d, const struct soap_answer *a)
{
	const struct soap_node *all = a ? soap_body(a, SOAP_NS_DEVICE, "GetServicesResponse") : NULL;
	if (!all) {
		begin(d, CAPABILITIES);
		return;
	}
	const struct soap_node *s = soap_child(all, SOAP_NS_DEVICE, "Service");
	char space[256];
	while (s && (!soap_text(soap_child(s, SOAP_NS_DEVICE, "Namespace"), space, sizeof space) ||
			    strcmp(space, SOAP_NS_SEARCH) != 0))
		s = soap_next(s, SOAP_NS_DEVICE, "Service");
	on_address(d, soap_child(s, SOAP_NS_DEVICE, "XAddr"));
}

static void on_capabilities(struct archive_dialogue *d, const struct soap_answer *a)
{
	const struct soap_node *n = a ? soap_body(a, SOAP_NS_DEVICE, "GetCapabilitiesResponse") : NULL;
	n = soap_child(soap_child(n, SOAP_NS_DEVICE, "Capabilities"), SOAP_NS_SCHEMA, "Extension");
	on_address(d, soap_child(soap_child(n, SOAP_NS_SCHEMA, "Search"), SOAP_NS_SCHEMA, "XAddr"));
}

static bool take_token(struct archive_dialogue *d, const struct soap_answer *a, const char *response)
{
	const struct soap_node *n = a ? soap_body(a, SOAP_NS_SEARCH, response) : NULL;
	return soap_text(soap_child(n, SOAP_NS_SEARCH, "SearchToken"), d->token, sizeof d->token);
}

/* An answer of a search: its items through `each`.  Returns false when it makes no sense.  *more: the search goes on. */
static bool take_results(struct archive_dialogue *d, const struct soap_answer *a, const char *response,
	const char *item,
	bool (*each)(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us), bool *more)
{
	char word[32];
	const struct soap_node *list = a ? soap_body(a, SOAP_NS_SEARCH, response) : NULL;
	list = soap_child(list, SOAP_NS_SEARCH, "ResultList");
	if (!soap_text(soap_child(list, SOAP_NS_SCHEMA, "SearchState"), word, sizeof word))
		return false;
	bool any = false;
	for (const struct soap_node *n = soap_child(list, SOAP_NS_SCHEMA, item); n;
		n = soap_next(n, SOAP_NS_SCHEMA, item)) {
		if (!each(&d->tracks, n, d->held.clock_offset_ms * TORAP_US_PER_MS))
			return false;
		any = true;
	}
	*more = strcmp(word, "Completed") != 0;
	d->waits = !any;
	return true;
}

static bool take_recording(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us)
{
	return archive_tracks_recording(t, n, offset_us);
}

static bool take_event(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us)
{
	return archive_tracks_event(t, n, offset_us);
}

static void conclude(struct archive_dialogue *d, struct torap_wall now)
{
	d->held.recordings = (unsigned)d->tracks.count;
	d->held.gaps_known = archive_tracks_gaps_known(&d->tracks);
	archive_tracks_spans(&d->tracks, &d->held.spans, now);
	if (d->held.spans.failed)
		end(d, ARCHIVE_BROKEN, "it tells more stretches than anybody can have recorded");
	else if (archive_tracks_contradict(&d->tracks, d->held.clock_offset_ms * TORAP_US_PER_MS, now))
		end(d, ARCHIVE_BROKEN, "its clock was never set, or fell back: its dates make no sense");
	else
		end(d, ARCHIVE_ANSWERED, d->held.recordings ? "" : "it has no such recording");
}

/* The events of the next recording, or the end. */
static void next_recording(struct archive_dialogue *d, struct torap_wall now)
{
	d->token[0] = '\0';
	if (d->recording < d->tracks.count)
		begin(d, FIND_EVENTS);
	else
		conclude(d, now);
}

static void on_recordings(struct archive_dialogue *d, const struct soap_answer *a)
{
	bool more;
	d->tracks.source = d->source->source;
	if (!take_results(
		    d, a, "GetRecordingSearchResultsResponse", "RecordingInformation", take_recording, &more))
		end(d, ARCHIVE_BROKEN, "its search for recordings makes no sense, or lists too many");
	else if (!more)
		begin(d, END_RECORDINGS);
	else if (++d->polls == POLLS_MAX)
		end(d, ARCHIVE_BROKEN, "its search for recordings does not end");
}

/* Half of the changes would tell of gaps that have an end: none are taken then. */
static void on_events(struct archive_dialogue *d, const struct soap_answer *a)
{
	bool more;
	d->tracks.current = d->recording;
	d->tracks.from = d->from;
	if (!take_results(d, a, "GetEventSearchResultsResponse", "Result", take_event, &more) ||
		++d->polls == POLLS_MAX) {
		archive_tracks_forget(&d->tracks);
		begin(d, END_EVENTS);
	} else if (!more) {
		begin(d, END_EVENTS);
	}
}

static void on_find_events(struct archive_dialogue *d, const struct soap_answer *a, struct torap_wall now)
{
	if (take_token(d, a, "FindEventsResponse")) {
		begin(d, EVENTS);
		return;
	}
	d->recording++;
	next_recording(d, now);
}

static void on_answer(struct archive_dialogue *d, const struct soap_answer *a, struct torap_wall now)
{
	switch (d->state) {
	case CLOCK:
		on_clock(d, a, now);
		break;
	case SERVICES:
		on_services(d, a);
		break;
	case CAPABILITIES:
		on_capabilities(d, a);
		break;
	case FIND_RECORDINGS:
		if (take_token(d, a, "FindRecordingsResponse"))
			begin(d, RECORDINGS);
		else
			end(d, ARCHIVE_UNSUPPORTED, "it does not search for recordings");
		break;
	case RECORDINGS:
		on_recordings(d, a);
		break;
	case END_RECORDINGS:
		d->recording = 0;
		next_recording(d, now);
		break;
	case FIND_EVENTS:
		on_find_events(d, a, now);
		break;
	case EVENTS:
		on_events(d, a);
		break;
	case END_EVENTS:
		d->recording++;
		next_recording(d, now);
		break;
	case OVER:
		break;
	}
}

/* May a question stay without an answer?  Some say by a page of HTML, not by a fault, that they do not know it.  Once the recordings are
 * told, a connection that breaks costs no more than their gaps, and a search that is not ended nothing. */
static bool may_fail(enum state state, enum archive_outcome failure)
{
	switch (state) {
	case CLOCK:
		return failure != ARCHIVE_UNREACHABLE;
	case SERVICES:
		return failure == ARCHIVE_BROKEN;
	case FIND_EVENTS:
	case EVENTS:
		return failure != ARCHIVE_UNAUTHORISED;
	case END_RECORDINGS:
	case END_EVENTS:
		return true;
	default:
		return false;
	}
}

void archive_dialogue_answer(struct archive_dialogue *d, const struct soap_answer *a, bool fault,
	enum archive_outcome failure, const char *reason, struct torap_wall now)
{
	bool refused =
		fault && (soap_fault_is(a, "NotAuthorized") || soap_fault_is(a, "FailedAuthentication"));
	if (refused)
		failure = ARCHIVE_UNAUTHORISED;
	if ((refused || !a) && !may_fail(d->state, failure))
		end(d, failure, reason);
	else if (!a && d->state == FIND_EVENTS && failure == ARCHIVE_UNREACHABLE)
		conclude(d, now); /* It would not tell the next one's, either. */
	else
		on_answer(d, fault ? NULL : a, now);
}

void archive_dialogue_take(struct archive_dialogue *d, struct archive_holdings *out)
{
	*out = d->held;
	d->held.spans = (struct archive_spans){ 0 };
}
