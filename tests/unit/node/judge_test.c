#include "node/judge.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "node/mapping.h"
#include "node/observation.h"
#include "node/registry.h"

static const char sites[] = "id,name,facility,region,owner_kind\n"
			    "school-1,School 1,school,391010000,public\n"
			    "shop,Shop,other_private,391010000,private\n";
static const char devices[] =
	"id,site,protocol,address,supervision,consent_ref,consent_from,consent_until,consent_withdrawn\n"
	"a,school-1,dc09,4001,,,,,\n"
	"given,shop,dc09,5001,,doc-1,2026-01-01,2030-01-01,\n"
	"none,shop,dc09,5002,,,,,\n"
	"over,shop,dc09,5003,,doc-3,2025-01-01,2026-01-01,\n"
	"back,shop,dc09,5004,,doc-4,2025-01-01,2030-01-01,2026-06-01\n";
static const char table[] = "vocabulary: sia-dcs\n"
			    "rows:\n"
			    "  - { code: PA, kind: panic, state: start }\n"
			    "  - { code: RP, kind: heartbeat }\n";

static struct node_registry *registry;
static struct node_mapping *mapping;
static struct node_judged judged;

static void open_tables(void)
{
	struct torap_error err;
	cr_assert_eq(node_registry_parse(&registry, "sites.csv", torap_bytes(sites, strlen(sites)),
			     "devices.csv", torap_bytes(devices, strlen(devices)), NULL, &err),
		0, "%s", err.text);
	cr_assert_eq(node_mapping_parse(&mapping, "sia.yaml", torap_bytes(table, strlen(table)), &err), 0,
		"%s", err.text);
}

static void close_tables(void)
{
	registry = node_registry_unref(registry);
	mapping = node_mapping_unref(mapping);
}

TestSuite(judge, .init = open_tables, .fini = close_tables);

static Torap__Observation observed(const char *address, const char *code)
{
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	o.protocol = (char *)"dc09";
	o.address = (char *)address;
	o.vocabulary = (char *)"sia-dcs";
	o.code = (char *)code;
	return o;
}

static const struct node_judged *judge(const Torap__Observation *o)
{
	struct node_now now = { .clock_known = true, .clock_offset_ms = -3 };
	torap_wall_parse(&now.wall, "2026-11-22T12:00:00Z", NULL);
	node_judge(&judged, registry, mapping, o, now);
	return &judged;
}

Test(judge, gives_a_known_code_of_a_known_device_its_class)
{
	Torap__Observation o = observed("4001", "PA");
	const struct node_judged *j = judge(&o);
	cr_assert_eq(j->judgement, NODE_JUDGED_EVENT);
	cr_expect_not(j->unmapped);
	cr_expect_eq(j->spec.class.region, 391010000);
	cr_expect_eq(j->spec.class.facility, TORAP__FACILITY__FACILITY_SCHOOL);
	cr_expect_eq(j->spec.class.kind, TORAP__KIND__KIND_PANIC);
	cr_expect_eq(j->spec.class.severity, TORAP__SEVERITY__SEVERITY_CRITICAL);
	cr_expect_eq(j->spec.state, TORAP__STATE__STATE_START);
	cr_expect_str_eq(j->spec.site, "school-1");
	cr_expect_str_eq(j->spec.device, "a");
	cr_expect_str_eq(j->spec.code, "sia-dcs PA");
	cr_expect_eq(j->spec.clock_offset_ms, -3);
}

Test(judge, keeps_the_code_and_the_raw_bytes_of_what_no_table_knows)
{
	Torap__Observation o = observed("4001", "QQ");
	o.raw = (ProtobufCBinaryData){ 3, (uint8_t *)"raw" };
	const struct node_judged *j = judge(&o);
	cr_assert_eq(j->judgement, NODE_JUDGED_EVENT);
	cr_expect(j->unmapped);
	cr_expect_eq(j->spec.class.kind, TORAP__KIND__KIND_UNMAPPED);
	cr_expect_eq(j->spec.class.facility, TORAP__FACILITY__FACILITY_SCHOOL, "the site is known");
	cr_expect_str_eq(j->spec.code, "sia-dcs QQ");
	cr_expect_eq(j->spec.raw.size, 3);
}

/* Raw bytes may hold anything; once the code is understood they have no reason to leave. */
Test(judge, drops_the_raw_bytes_of_what_is_mapped)
{
	Torap__Observation o = observed("4001", "PA");
	o.raw = (ProtobufCBinaryData){ 3, (uint8_t *)"raw" };
	cr_expect_eq(judge(&o)->spec.raw.size, 0);
}

Test(judge, puts_what_may_identify_a_person_into_the_personal_part_alone)
{
	Torap__Observation o = observed("4001", "PA");
	o.user = (char *)"12";
	o.text = (char *)"in words";
	judge(&o);
	struct node_event *e = node_event_create(&judged.spec);
	struct torap_bytes open = e->event.parts[0], personal = e->event.parts[1];
	cr_expect_null(memmem(open.data, open.size, "in words", 8));
	Torap__EventPersonal *p = torap__event_personal__unpack(NULL, personal.size, personal.data);
	cr_assert_not_null(p);
	cr_expect_str_eq(p->text, "in words");
	cr_expect_str_eq(p->user, "12");
	torap__event_personal__free_unpacked(p, NULL);
	node_event_destroy(e);
}

Test(judge, takes_signs_of_life_by_their_sort_or_by_the_table)
{
	Torap__Observation o = observed("4001", "RP");
	cr_expect_eq(judge(&o)->judgement, NODE_JUDGED_ALIVE);
	o = observed("4001", "PA");
	o.sort = TORAP__OBSERVATION__SORT__SORT_ALIVE;
	cr_expect_eq(judge(&o)->judgement, NODE_JUDGED_ALIVE);
}

Test(judge, tells_a_device_that_the_registry_does_not_know)
{
	Torap__Observation o = observed("9999", "PA");
	cr_expect_eq(judge(&o)->judgement, NODE_JUDGED_UNKNOWN);
	o = observed("4001", "PA");
	o.protocol = (char *)"rtsp";
	cr_expect_eq(judge(&o)->judgement, NODE_JUDGED_UNKNOWN, "an address belongs to its protocol");
}

Test(judge, refuses_what_has_no_valid_consent_and_says_which_kind_of_none)
{
	static const struct {
		const char *address, *refusal;
	} cases[] = {
		{ "5002", "no valid consent (missing)" },
		{ "5003", "no valid consent (expired)" },
		{ "5004", "no valid consent (withdrawn)" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Torap__Observation o = observed(cases[i].address, "PA");
		const struct node_judged *j = judge(&o);
		cr_expect_eq(j->judgement, NODE_JUDGED_REFUSED);
		cr_expect(j->lacks_consent);
		cr_expect_str_eq(j->refusal, cases[i].refusal);
	}
	Torap__Observation o = observed("5001", "PA");
	cr_expect_eq(judge(&o)->judgement, NODE_JUDGED_EVENT);
}

Test(judge, believes_a_device_s_clock_within_a_day_before_and_two_minutes_after)
{
	const int64_t s = TORAP_US_PER_S, received = 1800000000 * s;
	static const struct {
		int64_t offset_s;
		bool believed;
	} cases[] = { { 0, true }, { -86400, true }, { -86401, false }, { 120, true }, { 121, false } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct torap_wall claim = { received + cases[i].offset_s * s };
		int64_t due = cases[i].believed ? claim.us : received;
		cr_expect_eq(node_judge_occurred(claim, (struct torap_wall){ received }).us, due);
	}
	cr_expect_eq(
		node_judge_occurred((struct torap_wall){ 0 }, (struct torap_wall){ received }).us, received);
	cr_expect_eq(
		node_judge_occurred((struct torap_wall){ INT64_MIN }, (struct torap_wall){ received }).us,
		received);
	cr_expect_eq(
		node_judge_occurred((struct torap_wall){ INT64_MAX }, (struct torap_wall){ received }).us,
		received);
}

Test(observation, is_refused_for_each_limit_that_it_breaks)
{
	char long_text[80];
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = 0;
	const struct torap_bytes nowhere = { 0 };
	Torap__Observation o = observed("4001", "PA");
	cr_expect_null(node_observation_fault(&o, nowhere));
	o.address = long_text;
	cr_expect_not_null(node_observation_fault(&o, nowhere));
	o = observed("", "PA");
	cr_expect_not_null(node_observation_fault(&o, nowhere));
	o = observed("4001", "PA");
	o.repeat_key = (ProtobufCBinaryData){ 65, (uint8_t *)long_text };
	cr_expect_not_null(node_observation_fault(&o, nowhere));
	o = observed("4001", "PA");
	o.text = (char *)"\xff";
	cr_expect_not_null(node_observation_fault(&o, nowhere));
	o = observed("4001", "PA");
	o.sort = (Torap__Observation__Sort)7;
	cr_expect_not_null(node_observation_fault(&o, nowhere));
}

Test(observation, knows_utf8_from_what_only_looks_like_it)
{
	static const char *const good[] = { "", "plain", "Қазақстан", "\xf0\x9f\x9a\xa8",
		"\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc3", "a\xe2\x82", "\xe2\x82z" };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect(node_text_is_utf8(good[i]), "good %zu", i);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(node_text_is_utf8(bad[i]), "bad %zu", i);
}
