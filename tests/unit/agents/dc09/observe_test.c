#include "tests/unit/agents/dc09/desk.h"

/* Says each body and compares the repeat keys of the first observations. */
static bool same_key(const char *a, const char *b)
{
	struct desk *d = desk_open();
	desk_say(d, a);
	desk_say(d, b);
	cr_assert(d->seen_count == 2);
	bool same = !memcmp(d->seen[0].repeat_key, d->seen[1].repeat_key, DC09_REPEAT_KEY_SIZE);
	desk_close(d);
	return same;
}

Test(observe, tells_repeats_from_new_events)
{
	/* dated: the sequence says nothing */
	cr_expect(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:00,11-22-2026",
		"\"SIA-DCS\"0002L0#1[#1|NBA1]_12:00:00,11-22-2026"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:00,11-22-2026",
		"\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:01,11-22-2026"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:00,11-22-2026",
		"\"SIA-DCS\"0001L0#1[#1|NBA2]_12:00:00,11-22-2026"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:00,11-22-2026",
		"\"SIA-DCS\"0001L0#2[#1|NBA1]_12:00:00,11-22-2026"));
	/* undated: the sequence is all there is */
	cr_expect(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]", "\"SIA-DCS\"0001L0#1[#1|NBA1]"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]", "\"SIA-DCS\"0002L0#1[#1|NBA1]"));
	/* times that mean "none" date nothing: two alarms of a day must not become one */
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_00:00:00,11-22-2026",
		"\"SIA-DCS\"0002L0#1[#1|NBA1]_00:00:00,11-22-2026"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_12:00:00,01-01-2000",
		"\"SIA-DCS\"0002L0#1[#1|NBA1]_12:00:00,01-01-2000"));
	cr_expect_not(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1]_03:14:07,01-19-2038",
		"\"SIA-DCS\"0002L0#1[#1|NBA1]_03:14:07,01-19-2038"));
	/* the time of the event outlives that of its repeats */
	cr_expect(same_key("\"SIA-DCS\"0001L0#1[#1|NBA1][H11:59:00,11-22-2026]_12:00:00,11-22-2026",
		"\"SIA-DCS\"0002L0#1[#1|NBA1][H11:59:00,11-22-2026]_12:00:30,11-22-2026"));
}

static struct desk_seen see(const char *body)
{
	struct desk *d = desk_open();
	desk_say(d, body);
	cr_assert(d->seen_count >= 1, "%s", body);
	struct desk_seen s = d->seen[0];
	desk_close(d);
	return s;
}

Test(observe, reads_positions_as_degrees_and_minutes)
{
	struct desk_seen s = see("\"SIA-DCS\"0001L0#1[#1|NPA1][X076E55.5][Y43N15.0][Z900]");
	cr_assert(s.has_position);
	cr_expect_float_eq(s.longitude, 76.925, 1e-9);
	cr_expect_float_eq(s.latitude, 43.25, 1e-9);
	s = see("\"SIA-DCS\"0001L0#1[#1|NPA1][X012W34.1][Y045S12.2]");
	cr_expect_float_eq(s.longitude, -12.568333333, 1e-6);
	cr_expect_float_eq(s.latitude, -45.203333333, 1e-6);
	cr_expect_not(see("\"SIA-DCS\"0001L0#1[#1|NPA1][X076E55.5]").has_position);
	cr_expect_not(see("\"SIA-DCS\"0001L0#1[#1|NPA1][X076E61.5][Y43N15.0]").has_position);
	cr_expect_not(see("\"SIA-DCS\"0001L0#1[#1|NPA1][X276E01.5][Y43N15.0]").has_position);
}

/* Nothing that may tell who somebody is stands in an open field. */
Test(observe, keeps_people_out_of_the_open_fields)
{
	struct desk_seen s = see(
		"\"SIA-DCS\"0001L0#1[#1|Nri1/id15/OP3^Ivanov^][IText][LHere][M001122334455][RRoom][Vhttp://"
		"x][N10.0.0.1][Ksecret][J2]_12:00:00,11-22-2026");
	cr_expect_str_eq(s.user, "15");
	cr_expect_str_eq(s.zone, "");
	cr_expect_str_eq(s.text, "Ivanov");
	cr_expect_str_eq(s.fields, "sequence=0001;key=present;");
	cr_expect(strstr(s.personal, "mac=001122334455;"));
	cr_expect(strstr(s.personal, "network_address=10.0.0.1;"));
	cr_expect_not(strstr(s.personal, "secret"));
	cr_expect(strstr(s.personal, "network_path=2;"));
	s = see("\"ADM-CID\"0001L0#1[#1|1407 01 007]");
	cr_expect_str_eq(s.user, "007");
	cr_expect_str_eq(s.zone, "");
	s = see("\"ADM-CID\"0001L0#1[#1|1423 01 007]"); /* a door, not a user */
	cr_expect_str_eq(s.zone, "007");
}

/* A panel may be told to send anything in the place of a number: what is none is not for everybody. */
Test(observe, takes_only_numbers_and_times_for_open)
{
	static const char *const bodies[] = {
		"\"SIA-DCS\"0001L0#1[#1|Nri1/BAIvanov]", "\"SIA-DCS\"0001L0#1[#1|NriIvanov/BA1]",
		"\"SIA-DCS\"0001L0#1[#1|NpiIvanov/BA1]", "\"SIA-DCS\"0001L0#1[#1|NtiIvanov/BA1]",
		"\"SIA-DCS\"0001L0#1[#1|NOGIvanov]", "\"SIA-DCS\"0001L0#1[#1|NBA1][HIvanov]",
		"\"SIA-DCS\"0001L0#1[#1|NBA1][TIvanov]", "\"SIA-DCS\"0001L0#1[#1|NBA1][CIvanov]",
		"\"SIA-DCS\"0001L0#1[#1|NBA1][AIvanov]", "\"SIA-DCS\"0001L0#1[#1|NBA1]_Ivanov",
		"\"SIA-DCS\"0001L0#1[#1|NBA77017654321]", /* a telephone's number is no zone */
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct desk_seen s = see(bodies[i]);
		const char *mark = strstr(bodies[i], "Ivanov") ? "Ivanov" : "77017654321";
		cr_expect(!strstr(s.area, mark) && !strstr(s.zone, mark) && !strstr(s.fields, mark) &&
				  !strstr(s.code, mark),
			"%s: area %s, zone %s, %s", bodies[i], s.area, s.zone, s.fields);
		cr_expect(strstr(s.personal, mark) || strstr(s.user, mark), "%s is lost", bodies[i]);
	}
	struct desk_seen s = see("\"SIA-DCS\"0001L0#1[#1|Nti19:44/pi12/BA1][T3]");
	cr_expect(strstr(s.fields, "trigger=3;event_time=19:44;peripheral=12;"), "%s", s.fields);
	cr_expect_str_eq(see("\"ADM-CID\"0001L0#1[#1|1607 01 007]").user, "007");
	cr_expect_str_eq(see("\"SIA-DCS\"0001L0#1[#1|NFC7]").user, "7");
}

Test(observe, reads_the_ways_in_which_panels_write_events)
{
	static const struct {
		const char *data, *code, *area, *zone, *user;
	} cases[] = {
		{ "#1|NNL2", "NL", "", "2", "" }, /* N and NL */
		{ "#1|NL2", "NL", "", "2", "" },  /* a broken writer: L2 is no code */
		{ "#1|OP1", "OP", "", "", "1" },  /* not O and P1 */
		{ "#1|OBA7", "BA", "", "7", "" }, /* O: old */
		{ "#1|Ori2/BR7", "BR", "2", "7", "" },
		{ "|Nri2/JC12", "JC", "2", "12", "" },
		{ "1|NBA1", "BA", "", "1", "" },
		{ "NBA1", "BA", "", "1", "" },
		{ "#1|0|NRP", "RP", "", "", "" },
		{ "#1|Nri3OG501", "OG", "3", "", "501" },
		{ "#1|NOG3", "OG", "3", "", "" }, /* no area named: the number is the area */
		{ "#1|NriA1/BA2", "BA", "A1", "2", "" },
		{ "#1|BA5", "BA", "", "5", "" }, /* N left out */
		{ "#1|NRP000*'HALL'NM", "RP", "", "000", "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[128];
		snprintf(body, sizeof body, "\"SIA-DCS\"0001L0#1[%s]", cases[i].data);
		struct desk_seen s = see(body);
		cr_expect_str_eq(s.code, cases[i].code, "%s", body);
		cr_expect_str_eq(s.area, cases[i].area, "%s: area %s", body, s.area);
		cr_expect_str_eq(s.zone, cases[i].zone, "%s: zone %s", body, s.zone);
		cr_expect_str_eq(s.user, cases[i].user, "%s: user %s", body, s.user);
	}
}

Test(observe, keeps_texts_in_the_code_page_of_the_registry)
{
	static const struct {
		enum dc09_code_page page;
		const char *bytes, *text;
	} cases[] = {
		{ DC09_CP1251, "\xd8\xea\xee\xeb\xe0", "Школа" },
		{ DC09_UTF_8, "Школа", "Школа" },
		{ DC09_CODE_PAGE_GUESS, "Школа", "Школа" },
		{ DC09_CODE_PAGE_GUESS, "caf\xe9 \x80", "café €" },
		{ DC09_KZ1048, "\xcc\xe5\xea\xf2\xe5\xef \xbf", "Мектеп ү" },
		{ DC09_UTF_8, "a\xff\x01z", "a\xef\xbf\xbd z" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct desk *d = desk_open();
		d->account.code_page = cases[i].page;
		char body[128];
		snprintf(body, sizeof body, "\"SIA-DCS\"0001L0#1[#1|Nri1/BA3^%s^]", cases[i].bytes);
		desk_say(d, body);
		cr_expect_str_eq(d->seen[0].text, cases[i].text, "case %zu: %s", i, d->seen[0].text);
		desk_close(d);
	}
}

/* A ] in a text ends nothing; blanks behind the last do not matter. */
Test(observe, finds_the_end_of_texts_with_brackets)
{
	struct desk_seen s =
		see("\"SIA-DCS\"0001L0#1[#1|Nri1/BA3^door [2] left^][LRoom] 7]_12:00:00,11-22-2026 ");
	cr_expect_str_eq(s.text, "door [2] left");
	cr_expect_str_eq(s.personal, "place=Room] 7;");
	cr_expect(s.dated);
}

Test(observe, survives_a_message_of_nothing_but_fields)
{
	static char body[4200];
	size_t size = (size_t)snprintf(body, sizeof body, "\"SIA-DCS\"0001L0#1[#1|N");
	while (size < 2000)
		size += (size_t)snprintf(body + size, sizeof body - size, "/BA1");
	size += (size_t)snprintf(body + size, sizeof body - size, "]");
	while (size < 4000)
		size += (size_t)snprintf(body + size, sizeof body - size, "[L\x80\x80\x80]");
	struct desk *d = desk_open();
	d->account.code_page = DC09_CP1252;
	desk_say(d, body);
	cr_expect_eq(d->seen_count, DC09_EVENTS_MAX);
	cr_expect_eq(d->counters.acked, 1);
	cr_expect(strstr(d->seen[0].fields, "events_cut=yes;"));
	desk_close(d);
}
