/* A recorder's answers, put together here after the schema; each test is a recorder with a habit. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agents/archive/profile_g.h"
#include "agents/soap/answer.h"
#include "base/bytes.h"
#include "base/error.h"

#define ENVELOPE(body)                                                                                                      \
	"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:tds='http://www.onvif.org/ver10/device/wsdl' " \
	"xmlns:tse='http://www.onvif.org/ver10/search/wsdl' xmlns:tt='http://www.onvif.org/ver10/schema' "                  \
	"xmlns:wsnt='http://docs.oasis-open.org/wsn/b-2'><s:Body>" body "</s:Body></s:Envelope>"
#define CLOCK(hour) CLOCK_OF("2026", "11", "26", hour)
#define CLOCK_OF(year, month, day, hour)                                                                           \
	ENVELOPE(                                                                                                  \
		"<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>" hour \
		"</tt:Hour><tt:Minute>0</tt:Minute><tt:Second>0</tt:Second></tt:Time><tt:Date><tt:Year>" year      \
		"</tt:Year><tt:Month>" month "</tt:Month><tt:Day>" day                                             \
		"</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>")
#define SERVICES                                                                                                                        \
	ENVELOPE(                                                                                                                       \
		"<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace><tds:XAddr>" \
		"http://192.168.0.1/media</tds:XAddr></tds:Service><tds:Service><tds:Namespace>http://www.onvif.org/ver10/search/wsdl"  \
		"</tds:Namespace><tds:XAddr>http://192.168.0.1/onvif/search</tds:XAddr></tds:Service></tds:GetServicesResponse>")
#define TOKEN(name) ENVELOPE("<tse:" name "><tse:SearchToken>s1</tse:SearchToken></tse:" name ">")
#define RECORDING(token, from, until, status)                                                                                 \
	"<tt:RecordingInformation><tt:RecordingToken>" token                                                                  \
	"</tt:RecordingToken><tt:Source><tt:SourceId>src-" token                                                              \
	"</tt:SourceId><tt:Name>gate</tt:Name></tt:Source><tt:Track><tt:TrackType>Video</tt:TrackType><tt:DataFrom>" from     \
	"</tt:DataFrom><tt:DataTo>" until                                                                                     \
	"</tt:DataTo></tt:Track><tt:Track><tt:TrackType>Audio</tt:TrackType><tt:DataFrom>"                                    \
	"2020-01-01T00:00:00Z</tt:DataFrom><tt:DataTo>2026-01-01T00:00:00Z</tt:DataTo></tt:Track><tt:RecordingStatus>" status \
	"</tt:RecordingStatus></tt:RecordingInformation>"
#define RECORDINGS(state, list)                                                                              \
	ENVELOPE("<tse:GetRecordingSearchResultsResponse><tse:ResultList><tt:SearchState>" state             \
		 "</tt:SearchState>" list "</tse:ResultList></tse:GetRecordingSearchResultsResponse>")
#define EVENT(time, present)                                                                                         \
	"<tt:Result><tt:RecordingToken>r1</tt:RecordingToken><tt:TrackToken>v</tt:TrackToken><tt:Time>" time         \
	"</tt:Time><tt:Event><wsnt:Message><tt:Message><tt:Data><tt:SimpleItem Name='IsDataPresent' Value='" present \
	"'/></tt:Data></tt:Message></wsnt:Message></tt:Event></tt:Result>"
#define EVENT_OF(recording, track, start, time, present)                                                             \
	"<tt:Result><tt:RecordingToken>" recording "</tt:RecordingToken><tt:TrackToken>" track                       \
	"</tt:TrackToken><tt:Time>" time                                                                             \
	"</tt:Time><tt:Event><wsnt:Message><tt:Message><tt:Data><tt:SimpleItem Name='IsDataPresent' Value='" present \
	"'/></tt:Data></tt:Message></wsnt:Message></tt:Event><tt:StartStateEvent>" start                             \
	"</tt:StartStateEvent></tt:Result>"
#define TRACK(token, type, from, until)                                                                      \
	"<tt:Track><tt:TrackToken>" token "</tt:TrackToken><tt:TrackType>" type                              \
	"</tt:TrackType><tt:DataFrom>" from "</tt:DataFrom><tt:DataTo>" until "</tt:DataTo></tt:Track>"
#define RECORDING_OF(token, tracks)                                                                          \
	"<tt:RecordingInformation><tt:RecordingToken>" token "</tt:RecordingToken>" tracks                   \
	"<tt:RecordingStatus>Stopped</tt:RecordingStatus></tt:RecordingInformation>"
#define EVENTS(state, list)                                                                                  \
	ENVELOPE("<tse:GetEventSearchResultsResponse><tse:ResultList><tt:SearchState>" state                 \
		 "</tt:SearchState>" list "</tse:ResultList></tse:GetEventSearchResultsResponse>")
#define ENDED                                                                                                \
	ENVELOPE(                                                                                            \
		"<tse:EndSearchResponse><tse:Endpoint>2026-11-26T04:00:00Z</tse:Endpoint></tse:EndSearchResponse>")
#define FAULT(code)                                                                                          \
	ENVELOPE("<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:" code                 \
		 "</s:Value></s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>")

static struct torap_wall when(const char *text)
{
	struct torap_wall t;
	cr_assert_eq(torap_wall_parse(&t, text, NULL), 0, "%s", text);
	return t;
}

/* An answer for each question in turn; NULL: none comes; what is no SOAP is broken. */
static struct archive_holdings ask(
	const char *source, const char *const *answers, size_t count, char *asked, size_t room)
{
	const struct archive_source of = { "http://10.0.0.9/onvif/device_service", source };
	struct torap_wall now = when("2026-11-26T04:00:00Z");
	struct archive_dialogue *d;
	struct archive_question q;
	struct archive_holdings held;
	struct torap_error err;
	size_t n = 0;
	cr_assert_eq(archive_dialogue_create(&d, &of, when("2026-10-26T00:00:00Z"), now, &err), 0);
	asked[0] = '\0';
	while (archive_dialogue_next(d, &q, now)) {
		const char *word = strrchr(q.action, '/') + 1;
		cr_assert_lt(strlen(asked) + strlen(word) + 2, room);
		strcat(strcat(asked, word), " ");
		cr_assert_lt(n, count, "asked further: %s", asked);
		const char *text = answers[n++];
		struct soap_answer *a = NULL;
		int r = text ? soap_answer_parse(&a, torap_bytes(text, strlen(text)), &err) : -1;
		cr_assert(!text || r >= 0 || r == -EBADMSG, "%s", err.text);
		archive_dialogue_answer(d, a, r == SOAP_FAULT, text ? ARCHIVE_BROKEN : ARCHIVE_UNREACHABLE,
			text ? err.text : "timed out", now);
		soap_answer_free(a);
	}
	cr_expect_eq(n, count, "%zu of %zu answers were used: %s", n, count, asked);
	archive_dialogue_take(d, &held);
	archive_dialogue_destroy(d);
	return held;
}

#define ASK(source, ...)                                                                                     \
	char asked[1024];                                                                                    \
	const char *const answers[] = { __VA_ARGS__ };                                                       \
	struct archive_holdings held =                                                                       \
		ask(source, answers, sizeof answers / sizeof *answers, asked, sizeof asked)

Test(profile_g, tells_what_is_held_and_where_the_gaps_are)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"), RECORDINGS("Searching", ""),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T03:00:00Z", "Recording")),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed",
			EVENT("2026-11-02T00:00:00Z", "false") EVENT("2026-11-03T00:00:00Z", "true")),
		ENDED);
	cr_expect_str_eq(asked,
		"GetSystemDateAndTime GetServices FindRecordings GetRecordingSearchResults GetRecordingSearchResults "
		"EndSearch FindEvents GetEventSearchResults EndSearch ");
	cr_assert_eq(held.outcome, ARCHIVE_ANSWERED, "%s", held.reason);
	cr_expect(held.gaps_known);
	cr_assert_eq(held.spans.count, 2);
	cr_expect_eq(held.spans.items[0].until.us, when("2026-11-02T00:00:00Z").us);
	cr_expect_eq(held.spans.items[1].from.us, when("2026-11-03T00:00:00Z").us);
	cr_expect_eq(held.spans.items[1].until.us, when("2026-11-26T04:00:00Z").us, "it records: until now");
	archive_spans_finish(&held.spans);
}

/* Its clock is two hours ahead: what it dates 02:00 was recorded at 00:00. */
Test(profile_g, a_wrong_clock_is_taken_out)
{
	ASK("r2", CLOCK("6"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-09-01T00:00:00Z", "2026-11-26T03:00:00Z", "Stopped")
				RECORDING("r2", "2026-11-01T02:00:00Z", "2026-11-02T02:00:00Z", "Stopped")),
		ENDED, FAULT("ActionNotSupported"));
	cr_assert_eq(held.outcome, ARCHIVE_ANSWERED);
	cr_expect_eq(held.clock_offset_ms, 2 * 3600 * 1000);
	cr_expect_eq(held.recordings, 1);
	cr_expect_not(held.gaps_known, "it does not tell events");
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].from.us, when("2026-11-01T00:00:00Z").us);
	archive_spans_finish(&held.spans);
}

Test(profile_g, an_old_device_is_asked_for_its_capabilities)
{
	ASK("", FAULT("ActionNotSupported"), FAULT("ActionNotSupported"),
		ENVELOPE(
			"<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Extension><tt:Search><tt:XAddr>http://x/search</tt:XAddr>"
			"</tt:Search></tt:Extension></tds:Capabilities></tds:GetCapabilitiesResponse>"),
		FAULT("ActionNotSupported"));
	cr_expect_str_eq(asked, "GetSystemDateAndTime GetServices GetCapabilities FindRecordings ");
	cr_expect_eq(held.outcome, ARCHIVE_UNSUPPORTED);
}

Test(profile_g, a_page_of_html_is_as_good_as_a_fault)
{
	ASK("", CLOCK("4"), "<html>404</html>",
		ENVELOPE(
			"<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Extension><tt:Search><tt:XAddr>http://x/search</tt:XAddr>"
			"</tt:Search></tt:Extension></tds:Capabilities></tds:GetCapabilitiesResponse>"),
		TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T03:00:00Z", "Stopped")),
		ENDED, "<html>404</html>");
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED, "%s", held.reason);
	cr_expect_not(held.gaps_known);
	cr_expect_eq(held.spans.count, 1);
	archive_spans_finish(&held.spans);
}

Test(profile_g, a_refused_password_is_not_tried_again)
{
	ASK("", CLOCK("4"), FAULT("NotAuthorized"));
	cr_expect_eq(held.outcome, ARCHIVE_UNAUTHORISED);
}

/* As WS-Security calls it. */
Test(profile_g, a_token_that_is_refused_is_not_tried_again)
{
	ASK("", CLOCK("4"), FAULT("FailedAuthentication"));
	cr_expect_eq(held.outcome, ARCHIVE_UNAUTHORISED);
}

Test(profile_g, a_camera_without_recording_search_is_named_so)
{
	ASK("", CLOCK("4"),
		ENVELOPE(
			"<tds:GetServicesResponse><tds:Service><tds:Namespace>urn:other</tds:Namespace></tds:Service>"
			"</tds:GetServicesResponse>"));
	cr_expect_eq(held.outcome, ARCHIVE_UNSUPPORTED);
}

Test(profile_g, silence_is_unreachable)
{
	ASK("", NULL);
	cr_expect_eq(held.outcome, ARCHIVE_UNREACHABLE);
	cr_expect_str_eq(held.reason, "timed out");
}

Test(profile_g, a_recorder_without_the_cameras_recording_holds_nothing)
{
	ASK("gate 7", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T03:00:00Z", "Recording")),
		ENDED);
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
	cr_expect_eq(held.spans.count, 0);
	cr_expect_eq(held.recordings, 0);
}

/* It never says Completed. */
Test(profile_g, a_search_without_an_end_is_given_up)
{
	static const char *answers[3 + 240] = { CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse") };
	static char asked[16384];
	for (size_t i = 3; i < sizeof answers / sizeof *answers; i++)
		answers[i] = RECORDINGS("Searching", "");
	struct archive_holdings held =
		ask("", answers, sizeof answers / sizeof *answers, asked, sizeof asked);
	cr_expect_eq(held.outcome, ARCHIVE_BROKEN);
}

/* A clock that stood before 1970 when it began. */
Test(profile_g, a_begin_that_is_no_date_is_not_believed)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "0000-00-00T00:00:00Z", "2026-11-26T03:00:00Z", "Stopped")),
		ENDED, FAULT("ActionNotSupported"));
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].from.us, 0);
	archive_spans_finish(&held.spans);
}

/* Its end is no date, or is not told: how much it holds nobody knows, but it does not hold nothing. */
Test(profile_g, an_end_that_is_no_date_does_not_mean_that_nothing_is_held)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "0000-00-00T00:00:00Z", "Stopped")
				RECORDING("r2", "2026-10-01T00:00:00Z", "", "Stopped")),
		ENDED, FAULT("ActionNotSupported"), FAULT("ActionNotSupported"));
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].from.us, 0);
	cr_expect_leq(held.spans.items[0].until.us, archive_believable.us);
	archive_spans_finish(&held.spans);
}

/* The track is not dated, its recording is; that one is believed. */
Test(profile_g, a_recording_is_dated_where_its_track_is_not)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING_OF("r1",
				"<tt:EarliestRecording>2026-10-01T00:00:00.1234567Z</tt:EarliestRecording>"
				"<tt:LatestRecording>2026-11-26T00:00:00Z</tt:LatestRecording>" TRACK(
					"v1", "Video", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"))),
		ENDED, FAULT("ActionNotSupported"));
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].from.us, when("2026-10-01T00:00:00.123456Z").us);
	archive_spans_finish(&held.spans);
}

/* One that was never written to. */
Test(profile_g, a_track_that_tells_no_time_holds_nothing)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed", RECORDING("r1", "", "", "Recording")), ENDED,
		FAULT("ActionNotSupported"));
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
	cr_expect_eq(held.spans.count, 0);
}

/* Its battery is empty: it holds a month, and by its clock that month is to come. */
Test(profile_g, a_clock_that_fell_back_says_nothing_of_what_was_recorded_before)
{
	static const char *const clocks[] = { CLOCK_OF("1970", "01", "01", "4"),
		CLOCK_OF("2000", "01", "01", "4"), CLOCK_OF("2026", "05", "01", "4") };
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		ASK("", clocks[i], SERVICES, TOKEN("FindRecordingsResponse"),
			RECORDINGS("Completed",
				RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T03:00:00Z", "Stopped")),
			ENDED, FAULT("ActionNotSupported"));
		cr_expect_eq(held.outcome, ARCHIVE_BROKEN, "clock %zu", i);
		cr_expect(held.clock_known);
		archive_spans_finish(&held.spans);
	}
}

/* What it recorded since then is dated last, and earlier than what was first. */
Test(profile_g, a_recording_across_a_clock_that_fell_back_has_no_sense)
{
	ASK("", CLOCK_OF("2025", "01", "01", "4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2025-01-01T03:00:00Z", "Recording")),
		ENDED, FAULT("ActionNotSupported"));
	cr_expect_eq(held.outcome, ARCHIVE_BROKEN);
	archive_spans_finish(&held.spans);
}

/* The clock was set since. */
Test(profile_g, a_recording_that_ends_before_it_begins_may_be_of_any_day)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2025-01-01T03:00:00Z", "Stopped")),
		ENDED, FAULT("ActionNotSupported"));
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].from.us, 0);
	cr_expect_leq(held.spans.items[0].until.us, archive_believable.us);
	archive_spans_finish(&held.spans);
}

Test(profile_g, who_holds_nothing_holds_nothing_whatever_the_clock_shows)
{
	ASK("", CLOCK_OF("1970", "01", "01", "4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed", ""), ENDED);
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
}

Test(profile_g, what_was_once_dated_ahead_does_not_contradict_a_clock_that_is_right)
{
	ASK("", CLOCK("3"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2037-10-01T00:00:00Z", "2037-10-02T00:00:00Z", "Stopped")
				RECORDING("r2", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")),
		ENDED, FAULT("ActionNotSupported"), FAULT("ActionNotSupported"));
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
	cr_expect_eq(held.spans.count, 2);
	archive_spans_finish(&held.spans);
}

/* Whether the gaps are known of a recorder that tells these events of r1. */
static bool knows_gaps(const char *events)
{
	char answer[4096];
	snprintf(answer, sizeof answer, EVENTS("Completed", "%s"), events);
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING_OF("r1",
				TRACK("v", "Video", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z")
					TRACK("a", "Audio", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z"))
				RECORDING_OF("r0", TRACK("v", "Video", "", ""))),
		ENDED, TOKEN("FindEventsResponse"), answer, ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", ""), ENDED);
	cr_expect_eq(held.outcome, ARCHIVE_ANSWERED);
	archive_spans_finish(&held.spans);
	return held.gaps_known;
}

#define STATE(time, present) EVENT_OF("r1", "v", "true", time, present)
#define TOPIC(topic)                                                                                         \
	"<tt:Result><tt:RecordingToken>r1</tt:RecordingToken><tt:TrackToken>v</tt:TrackToken><tt:Time>"      \
	"2026-11-01T00:00:00Z</tt:Time><tt:Event><wsnt:Topic>tns1:RecordingHistory/" topic                   \
	"</wsnt:Topic><wsnt:Message><tt:Message/></wsnt:Message></tt:Event></tt:Result>"

/* Nothing, what is another's, or sound's, or cannot be read tells of no gaps. */
Test(profile_g, gaps_are_known_when_each_change_is)
{
	cr_expect(knows_gaps(STATE("2026-10-26T00:00:00Z", "true")));
	cr_expect(knows_gaps(STATE("2026-10-26T00:00:00.0000000Z", "True")));
	cr_expect_not(knows_gaps(""));
	cr_expect_not(knows_gaps(EVENT_OF("r2", "v", "true", "2026-11-01T00:00:00Z", "true")));
	cr_expect_not(knows_gaps(EVENT_OF("r1", "a", "true", "2026-11-01T00:00:00Z", "true")));
	cr_expect_not(knows_gaps(STATE("2026-11-01T00:00:00Z", "true") STATE("yesterday", "false")));
	cr_expect_not(
		knows_gaps(STATE("2026-11-01T00:00:00Z", "true") STATE("2026-11-01T00:00:00Z", "maybe")));
	cr_expect_not(knows_gaps(STATE("2026-11-01T00:00:00Z", "true") TOPIC("Track/State")));
	cr_expect(knows_gaps(STATE("2026-11-01T00:00:00Z", "true") TOPIC("Recording/State")));
}

/* How much of [from, until) is held, in hours. */
static int64_t hours(const struct archive_holdings *h, const char *from, const char *until)
{
	return archive_spans_within(&h->spans, when(from), when(until)) / TORAP_US_PER_S / 3600;
}

/* The microphone was switched off on the third, and nobody switched it on again; a second picture bridges the gap of the first. */
Test(profile_g, a_track_that_ceases_is_no_gap_of_another)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING_OF("r1", TRACK("v1", "Video", "2026-10-01T00:00:00Z",
						   "2026-11-26T00:00:00Z") TRACK("a1", "Audio",
						   "2026-10-01T00:00:00Z", "2026-11-03T00:00:00Z") TRACK("v2",
						   "Video", "2026-11-10T00:00:00Z", "2026-11-26T00:00:00Z"))),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", EVENT_OF("r1", "a1", "false", "2026-11-03T00:00:00Z", "false") EVENT_OF(
					    "r1", "v1", "false", "2026-11-09T00:00:00Z", "false")
					    EVENT_OF("r1", "v1", "false", "2026-11-12T00:00:00Z", "true")),
		ENDED);
	cr_expect(held.gaps_known);
	cr_expect_eq(hours(&held, "2026-11-02T00:00:00Z", "2026-11-26T00:00:00Z"), 23 * 24);
	archive_spans_finish(&held.spans);
}

#define EXTENT(from, until)                                                                                  \
	"<tt:EarliestRecording>" from "</tt:EarliestRecording><tt:LatestRecording>" until                    \
	"</tt:LatestRecording>"

/* Its tracks are named, and only the recording is dated; one of them was never written to. */
Test(profile_g, gaps_of_a_track_without_a_date_are_its_recordings)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING_OF("r1", EXTENT("2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z")
						   TRACK("v1", "Video", "", "") TRACK("v2", "Video", "", "")
							   TRACK("a1", "Audio", "", ""))),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed",
			EVENT_OF("r1", "v1", "true", "2026-10-26T00:00:00Z", "true")
				EVENT_OF("r1", "v1", "false", "2026-11-03T00:00:00Z", "false") EVENT_OF(
					"r1", "v1", "false", "2026-11-09T00:00:00Z", "true")
					EVENT_OF("r1", "a1", "false", "2026-11-12T00:00:00Z", "false")),
		ENDED);
	cr_expect(held.gaps_known);
	cr_expect_eq(hours(&held, "2026-11-03T00:00:00Z", "2026-11-09T00:00:00Z"), 0);
	cr_expect_eq(hours(&held, "2026-10-27T00:00:00Z", "2026-11-26T00:00:00Z"), 24 * 24);
	archive_spans_finish(&held.spans);
}

/* As above, and the second picture bridges half of the gap. */
Test(profile_g, tracks_without_a_date_bridge_gaps_of_each_other)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING_OF("r1", EXTENT("2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z") TRACK(
						   "v1", "Video", "", "") TRACK("v2", "Video", "", ""))),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", EVENT_OF("r1", "v1", "false", "2026-11-03T00:00:00Z", "false") EVENT_OF(
					    "r1", "v1", "false", "2026-11-09T00:00:00Z", "true")
					    EVENT_OF("r1", "v2", "false", "2026-11-06T00:00:00Z", "true")),
		ENDED);
	cr_expect_eq(hours(&held, "2026-11-01T00:00:00Z", "2026-11-26T00:00:00Z"), 22 * 24);
	archive_spans_finish(&held.spans);
}

/* It tells the events of all its recordings, whichever was asked for. */
Test(profile_g, gaps_of_another_recording_are_not_the_cameras)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T03:00:00Z", "Stopped")),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", EVENT_OF("r2", "v", "false", "2026-11-03T00:00:00Z", "false")), ENDED);
	cr_expect_eq(hours(&held, "2026-11-02T00:00:00Z", "2026-11-12T00:00:00Z"), 240);
	archive_spans_finish(&held.spans);
}

/* Its end alone is told: the gap began before anybody asked. */
Test(profile_g, a_begin_without_its_cease_ends_a_gap)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-09-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", EVENT("2026-11-10T00:00:00Z", "true")), ENDED);
	cr_expect_eq(hours(&held, "2026-10-26T00:00:00Z", "2026-11-10T00:00:00Z"), 0);
	cr_expect_eq(hours(&held, "2026-11-10T00:00:00Z", "2026-11-26T00:00:00Z"), 16 * 24);
	archive_spans_finish(&held.spans);
}

/* It dates the state at the begin with the moment of the first change. */
Test(profile_g, the_state_at_the_begin_comes_first_whenever_it_is_dated)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-09-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Completed", EVENT_OF("r1", "v", "true", "2026-11-10T00:00:00Z", "true") EVENT_OF(
					    "r1", "v", "false", "2026-11-10T00:00:00Z", "false")
					    EVENT_OF("r1", "v", "false", "2026-11-11T00:00:00Z", "true")),
		ENDED);
	cr_expect_eq(hours(&held, "2026-10-26T00:00:00Z", "2026-11-26T00:00:00Z"), 30 * 24);
	archive_spans_finish(&held.spans);
}

/* The search breaks in the middle of a gap: its end was never told. */
Test(profile_g, half_of_the_changes_are_not_believed)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")),
		ENDED, TOKEN("FindEventsResponse"),
		EVENTS("Searching", EVENT("2026-11-10T00:00:00Z", "false")), FAULT("Action"), ENDED);
	cr_expect_not(held.gaps_known);
	cr_expect_eq(hours(&held, "2026-11-01T00:00:00Z", "2026-11-26T00:00:00Z"), 25 * 24);
	archive_spans_finish(&held.spans);
}

/* It drops the connection when it is asked for events, or that a search ends: what it told before is not lost. */
Test(profile_g, what_is_held_outlives_a_connection_that_breaks_later)
{
#define TWO                                                                                                  \
	RECORDINGS("Completed",                                                                              \
		RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")                   \
			RECORDING("r2", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "Stopped"))
#define TOLD EVENTS("Completed", EVENT("2026-11-10T00:00:00Z", "false"))
	static const struct {
		const char *answers[12];
		size_t count;
		bool known;
	} cases[] = {
		{ { NULL, NULL }, 2, false },
		{ { ENDED, NULL }, 2, false },
		{ { ENDED, TOKEN("FindEventsResponse"), NULL, NULL, NULL }, 5, false },
		{ { ENDED, TOKEN("FindEventsResponse"), TOLD, NULL, NULL }, 5, false },
		{ { ENDED, TOKEN("FindEventsResponse"), TOLD, FAULT("NotAuthorized"),
			  TOKEN("FindEventsResponse"),
			  EVENTS("Completed", EVENT_OF("r2", "v", "true", "2026-10-26T00:00:00Z", "true")),
			  NULL },
			7, true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *answers[16] = { CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"), TWO };
		char asked[1024];
		memcpy(answers + 4, cases[i].answers, cases[i].count * sizeof *answers);
		struct archive_holdings held = ask("", answers, 4 + cases[i].count, asked, sizeof asked);
		cr_expect_eq(held.outcome, ARCHIVE_ANSWERED, "case %zu: %s", i, held.reason);
		cr_expect_eq(held.recordings, 2);
		cr_expect_eq(held.gaps_known, cases[i].known, "case %zu", i);
		cr_expect_eq(held.spans.count, 1, "case %zu", i);
		archive_spans_finish(&held.spans);
	}
}

/* One recording began when the recorder did not know the time, the next one did. */
Test(profile_g, a_recording_without_a_date_does_not_swallow_another)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "1970-01-01T00:03:15Z", "2026-11-26T00:00:00Z", "Stopped")
				RECORDING("r2", "2026-10-01T00:00:00Z", "2026-11-26T00:00:00Z", "Stopped")),
		ENDED, FAULT("ActionNotSupported"), FAULT("ActionNotSupported"));
	cr_assert_eq(held.spans.count, 2);
	cr_expect_eq(held.spans.items[1].from.us, when("2026-10-01T00:00:00Z").us);
	archive_spans_finish(&held.spans);
}

/* It says that it records, and its newest picture is of last week. */
Test(profile_g, a_recorder_that_only_says_that_it_records_holds_nothing_new)
{
	ASK("", CLOCK("4"), SERVICES, TOKEN("FindRecordingsResponse"),
		RECORDINGS("Completed",
			RECORDING("r1", "2026-10-01T00:00:00Z", "2026-11-19T00:00:00Z", "Recording")),
		ENDED, FAULT("ActionNotSupported"));
	cr_assert_eq(held.spans.count, 1);
	cr_expect_eq(held.spans.items[0].until.us, when("2026-11-19T00:00:00Z").us);
	archive_spans_finish(&held.spans);
}
