#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "agents/soap/answer.h"
#include "agents/soap/clock.h"
#include "base/error.h"
#include "tests/kit/corpus.h"

static struct torap_error err;

static int parse(struct soap_answer **out, const char *text)
{
	return soap_answer_parse(out, torap_bytes(text, strlen(text)), &err);
}

/* NULL: the corpus is not there. */
static struct soap_answer *recorded(const char *name, int expected)
{
	char path[128];
	size_t size;
	snprintf(path, sizeof path, "onvif/%s", name);
	uint8_t *bytes = corpus_read(path, &size);
	struct soap_answer *a = NULL;
	if (!bytes)
		return NULL;
	cr_assert_eq(
		soap_answer_parse(&a, torap_bytes(bytes, size), &err), expected, "%s: %s", name, err.text);
	free(bytes);
	return a;
}

Test(answer, clocks_of_two_makers_are_read)
{
	static const struct {
		const char *file, *time;
	} rows[] = { { "systemdateandtime-bosch-2023.xml", "2023-05-24T21:25:05Z" },
		{ "systemdateandtime-axis.xml", NULL } };
	for (size_t i = 0; i < 2; i++) {
		struct soap_answer *a = recorded(rows[i].file, 0);
		struct torap_wall t, expected;
		if (!a)
			continue;
		cr_assert(soap_clock_read(a, &t), "%s", rows[i].file);
		if (rows[i].time) {
			torap_wall_parse(&expected, rows[i].time, NULL);
			cr_expect_eq(t.us, expected.us);
		}
		soap_answer_free(a);
	}
}

/* "env:Sender" although no prefix env is bound: it must not be resolved. */
Test(answer, faults_tell_code_and_reason)
{
	struct soap_answer *a = recorded("fault-noprofile.xml", SOAP_FAULT);
	if (!a)
		return;
	cr_expect(soap_fault_is(a, "NoProfile"));
	cr_expect(soap_fault_is(a, "InvalidArgVal"));
	cr_expect_not(soap_fault_is(a, "NotAuthorized"));
	cr_expect_str_eq(err.text, "fault Sender/InvalidArgVal/NoProfile: Argument Value Invalid");
	soap_answer_free(a);
	a = recorded("replayuri-norecording-fault.xml", SOAP_FAULT);
	cr_expect(soap_fault_is(a, "NoRecording"));
	soap_answer_free(a);
}

Test(answer, an_old_servers_fault_is_one_too)
{
	struct soap_answer *a;
	cr_assert_eq(
		parse(&a,
			"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><e:Fault><faultcode>ter:NotAuthorized"
			"</faultcode><faultstring>no</faultstring></e:Fault></e:Body></e:Envelope>"),
		SOAP_FAULT);
	cr_expect(soap_fault_is(a, "NotAuthorized"));
	cr_expect_str_eq(err.text, "fault NotAuthorized: no");
	soap_answer_free(a);
}

#define ENVELOPE(body)                                                                                       \
	"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body>" body "</s:Body></s:Envelope>"

Test(answer, elements_are_found_by_namespace_and_not_by_prefix)
{
	struct soap_answer *a;
	char text[32];
	cr_assert_eq(
		parse(&a,
			ENVELOPE(
				"<x-1:R xmlns:x-1='urn:r'><y:A xmlns:y='urn:other'>no</y:A><A xmlns='urn:r'>\n yes </A><A "
				"xmlns='urn:r'>two</A></x-1:R>")),
		0);
	const struct soap_node *r = soap_body(a, "urn:r", "R");
	cr_assert(r);
	cr_expect_null(soap_body(a, "urn:other", "R"));
	const struct soap_node *n = soap_child(r, "urn:r", "A");
	cr_expect(soap_text(n, text, sizeof text));
	cr_expect_str_eq(text, "yes");
	cr_expect(soap_text(soap_next(n, "urn:r", "A"), text, sizeof text));
	cr_expect_str_eq(text, "two");
	cr_expect_not(soap_text(n, text, 3), "no room");
	cr_expect_not(soap_text(soap_child(soap_child(r, "urn:r", "B"), "urn:r", "C"), text, sizeof text));
	soap_answer_free(a);
}

Test(answer, a_date_without_an_offset_is_utc)
{
	struct soap_answer *a;
	struct torap_wall t, expected;
	torap_wall_parse(&expected, "2026-11-22T10:00:00Z", NULL);
	cr_assert_eq(parse(&a, ENVELOPE("<a>2026-11-22T10:00:00</a>")), 0);
	cr_expect(soap_time(soap_body(a, NULL, "a"), &t));
	cr_expect_eq(t.us, expected.us);
	soap_answer_free(a);
	cr_assert_eq(parse(&a, ENVELOPE("<a>0000-00-00T00:00:00Z</a>")), 0);
	cr_expect_not(soap_time(soap_body(a, NULL, "a"), &t));
	soap_answer_free(a);
}

/* A billion laughs, a file of ours, a tower of elements, endless bytes. */
Test(answer, hostile_documents_are_refused)
{
	static char deep[64 * 1024], tower[2 * SOAP_DEPTH_MAX * 8];
	static const char *const bad[] = { "", "no XML", "<a/>", ENVELOPE(""),
		"<!DOCTYPE s [<!ENTITY a 'x'>]>" ENVELOPE("<b>&a;</b>"),
		"<!DOCTYPE s SYSTEM 'file:///etc/passwd'>" ENVELOPE("<b/>"), ENVELOPE("<b>&undefined;</b>"),
		ENVELOPE("<b>") };
	struct soap_answer *a = NULL;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_expect_eq(parse(&a, bad[i]), -EBADMSG, "%s", bad[i]);
		cr_expect_null(a);
		cr_expect_neq(err.text[0], '\0');
	}
	for (int i = 0; i < SOAP_DEPTH_MAX; i++)
		strcat(tower, "<d>");
	for (int i = 0; i < SOAP_DEPTH_MAX; i++)
		strcat(tower, "</d>");
	snprintf(deep, sizeof deep, ENVELOPE("%s"), tower);
	cr_expect_eq(parse(&a, deep), -EBADMSG);
	char *long_text = calloc(1, SOAP_ANSWER_SIZE_MAX + 2);
	memset(long_text, ' ', SOAP_ANSWER_SIZE_MAX + 1);
	cr_expect_eq(parse(&a, long_text), -EBADMSG);
	free(long_text);
}
