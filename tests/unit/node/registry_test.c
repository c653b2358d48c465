#include "node/registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "proto/event.pb-c.h"

#define SITE_HEAD "id,name,facility,region,owner_kind\n"
#define SITES                                                                                                \
	SITE_HEAD "school-1,Школа № "                                                                 \
		  "1,school,391010000,public\nshop,Магазин,other_private,391010000,private\n"
#define DEVICE_HEAD "id,site,protocol,address,supervision\n"
#define CAMERA_HEAD "id,site,protocol,address,url,purpose,legal_basis,owner,term\n"
#define DEVICES     DEVICE_HEAD "a,school-1,dc09,4001,60s\nb,shop,dc09,00AB,\nc,school-1,mqtt,door,5m\n"

static int parse(struct node_registry **out, const char *sites, const char *devices,
	const struct node_registry_rules *rules, struct torap_error *err)
{
	return node_registry_parse(out, "sites.csv", torap_bytes(sites, strlen(sites)), "devices.csv",
		torap_bytes(devices, strlen(devices)), rules, err);
}

static struct node_registry *parsed(const char *sites, const char *devices)
{
	struct node_registry *r = NULL;
	struct torap_error err;
	cr_assert_eq(parse(&r, sites, devices, NULL, &err), 0, "%s", err.text);
	return r;
}

static void check_refused(const char *sites, const char *devices, const char *complaint)
{
	struct node_registry *r = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(parse(&r, sites, devices, NULL, &err), 0, "taken: %s%s", sites, devices);
	cr_expect_null(r);
	cr_expect_str_eq(err.text, complaint);
}

static void check_sites_refused(const char *row, const char *complaint)
{
	char sites[1024];
	snprintf(sites, sizeof sites, "%s%s", SITE_HEAD, row);
	check_refused(sites, DEVICE_HEAD, complaint);
}

static void check_devices_refused(const char *row, const char *complaint)
{
	char devices[1024];
	snprintf(devices, sizeof devices, "%s%s", DEVICE_HEAD, row);
	check_refused(SITES, devices, complaint);
}

Test(registry, finds_a_device_and_its_site)
{
	struct node_registry *r = parsed(SITES, DEVICES);
	const struct node_device *d = node_registry_find(r, "dc09", "4001");
	cr_assert_not_null(d);
	cr_expect_str_eq(d->id, "a");
	cr_expect_eq(d->supervision_s, 60);
	cr_expect_str_eq(d->site->name, "Школа № 1");
	cr_expect_eq(d->site->region, 391010000);
	cr_expect_eq(d->site->facility, TORAP__FACILITY__FACILITY_SCHOOL);
	cr_expect_eq(d->site->owner, NODE_OWNER_PUBLIC);
	cr_expect_eq(node_registry_device(r, "a"), d);
	cr_expect_eq(node_registry_site(r, "shop")->owner, NODE_OWNER_PRIVATE);

	cr_expect_null(node_registry_find(r, "dc09", "4002"));
	cr_expect_null(node_registry_find(r, "rtsp", "4001"));
	cr_expect_null(node_registry_find(r, "dc0", "94001"));
	cr_expect_null(node_registry_find(r, "", ""));
	node_registry_unref(r);
}

/* Panels write their hexadecimal accounts in either case. */
Test(registry, finds_an_address_in_either_case)
{
	struct node_registry *r = parsed(SITES, DEVICES);
	cr_expect_not_null(node_registry_find(r, "dc09", "00ab"));
	cr_expect_null(node_registry_find(r, "dc09", "ab"));
	node_registry_unref(r);
}

Test(registry, lists_the_devices_of_a_protocol_in_order)
{
	struct node_registry *r = parsed(SITES, DEVICES);
	const struct node_device *d = node_registry_next(r, "dc09", NULL);
	cr_assert_str_eq(d->id, "a");
	d = node_registry_next(r, "dc09", d);
	cr_assert_str_eq(d->id, "b");
	cr_expect_null(node_registry_next(r, "dc09", d));
	cr_expect_str_eq(node_registry_next(r, NULL, d)->id, "c");
	cr_expect_eq(node_registry_devices(r), 3);
	cr_expect_eq(node_registry_sites(r), 2);
	node_registry_unref(r);
}

Test(registry, takes_what_spreadsheets_write)
{
	struct node_registry *r = parsed("\xef\xbb\xbf"
					 "region,owner_kind,id,name,facility\r\n\r\n"
					 "391010000,public,s,\"Школа \"\"Мұрагер\"\", корпус 2\",school\r\n",
		"address,protocol,site,id,place\r\n4001,dc09,s,a,\"Вход, вахта\"");
	const struct node_device *d = node_registry_device(r, "a");
	cr_assert_not_null(d);
	cr_expect_str_eq(d->site->name, "Школа \"Мұрагер\", корпус 2");
	cr_expect_str_eq(d->place, "Вход, вахта");
	cr_expect_str_eq(d->key_name, "");
	node_registry_unref(r);
}

Test(registry, reads_consent)
{
	struct node_registry *r = parsed(SITES,
		"id,site,protocol,address,consent_ref,consent_from,consent_until,consent_withdrawn\n"
		"a,shop,dc09,1,Договор 7,2026-01-01,2027-01-01T00:00:00+05:00,2026-06-01\n"
		"b,shop,dc09,2,,,,\n");
	const struct node_consent_terms *c = &node_registry_device(r, "a")->consent;
	cr_expect_str_eq(c->ref, "Договор 7");
	cr_expect_eq(c->from.us, 1767225600LL * TORAP_US_PER_S);
	cr_expect_eq(c->until.us, (1798761600LL - 5 * 3600) * TORAP_US_PER_S);
	cr_expect(c->withdrawn);
	cr_expect_not(node_registry_device(r, "b")->consent.withdrawn);
	node_registry_unref(r);
}

Test(registry, refuses_a_bad_site_by_line_and_column)
{
	check_sites_refused("s,,school,391010000,public\n", "sites.csv:2: column \"name\": is empty");
	check_sites_refused("S 1,x,school,391010000,public\n",
		"sites.csv:2: column \"id\": \"S 1\" has a character that is not one of a-z 0-9 . _ -");
	check_sites_refused("s,x,shcool,391010000,public\n",
		"sites.csv:2: column \"facility\": \"shcool\" is not a facility such as school or street");
	check_sites_refused("s,x,none,391010000,public\n",
		"sites.csv:2: column \"facility\": \"none\" is not a facility such as school or street");
	check_sites_refused("s,x,school,39101000,public\n",
		"sites.csv:2: column \"region\": \"39101000\" is not a KATO code of 9 digits");
	check_sites_refused("s,x,school,391010000,mine\n",
		"sites.csv:2: column \"owner_kind\": \"mine\" is neither public nor private");
	check_sites_refused(
		"s,x,school,391010000\n", "sites.csv:2: has 4 cells; the first row names 5 columns");
	check_sites_refused("s,\"x\ny\",school,391010000,public\n",
		"sites.csv:2: column \"name\": holds a control character or a line end");
}

Test(registry, refuses_a_bad_device_by_line_and_column)
{
	check_devices_refused(
		"a,school-9,dc09,1,\n", "devices.csv:2: column \"site\": there is no site \"school-9\"");
	check_devices_refused(
		"a,shop,dc09,4 1,\n", "devices.csv:2: column \"address\": \"4 1\" has a blank in it");
	check_devices_refused("a,shop,dc09,1,60\n", "devices.csv:2: column \"supervision\": \"60\" is not a "
						    "duration such as 500ms, 30s, 5m, 24h, 90d or 3y");
	check_devices_refused("a,shop,dc09,1,1ms\n",
		"devices.csv:2: column \"supervision\": \"1ms\" is not between 1s and 365d");
	check_devices_refused("a,shop,dc09,1,2y\n",
		"devices.csv:2: column \"supervision\": \"2y\" is not between 1s and 365d");
	check_devices_refused("a,shop,dc09,1,1500ms\n",
		"devices.csv:2: column \"supervision\": \"1500ms\" is not a whole number of seconds");
}

Test(registry, refuses_bad_optional_cells)
{
	static const char head[] =
		"id,site,protocol,address,code_page,zone_kind,consent_ref,consent_from,consent_until\n";
	static const struct {
		const char *row, *complaint;
	} cases[] = {
		{ "a,shop,dc09,1,koi8,,,,\n",
			"devices.csv:2: column \"code_page\": \"koi8\" is none of cp1251, cp1252, kz1048, utf-8" },
		{ "a,shop,dc09,1,,entrence,,,\n", "devices.csv:2: column \"zone_kind\": \"entrence\" is not "
						  "a zone kind such as entrance or corridor" },
		{ "a,shop,dc09,1,,,,2026-01-01,\n",
			"devices.csv:2: column \"consent_ref\": is empty, but the consent has a time" },
		{ "a,shop,dc09,1,,,x,2026-02-30,\n", "devices.csv:2: column \"consent_from\": \"2026-02-30\" "
						     "is not a day of the calendar" },
		{ "a,shop,dc09,1,,,x,2026-02-01,2026-02-01\n",
			"devices.csv:2: column \"consent_until\": is not after consent_from" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char devices[512];
		snprintf(devices, sizeof devices, "%s%s", head, cases[i].row);
		check_refused(SITES, devices, cases[i].complaint);
	}
}

/* As many as the agents decode. */
Test(registry, takes_every_code_page)
{
	static const char *const pages[] = { "cp1251", "cp1252", "kz1048", "utf-8" };
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		char devices[128];
		struct torap_error err = { "" };
		struct node_registry *registry = NULL;
		snprintf(devices, sizeof devices, "id,site,protocol,address,code_page\na,shop,dc09,1,%s\n",
			pages[i]);
		cr_assert_eq(node_registry_parse(&registry, "sites.csv", torap_bytes(SITES, strlen(SITES)),
				     "devices.csv", torap_bytes(devices, strlen(devices)), NULL, &err),
			0, "%s", err.text);
		cr_expect_str_eq(node_registry_device(registry, "a")->code_page, pages[i]);
		node_registry_unref(registry);
	}
}

Test(registry, refuses_a_camera_where_people_wash)
{
	static const char *const cameras[] = { "rtsp", "onvif", "isapi" };
	char devices[256];
	for (size_t i = 0; i < 3; i++) {
		snprintf(devices, sizeof devices,
			"id,site,protocol,address,zone_kind\na,shop,%s,1,personal_hygiene\n", cameras[i]);
		check_refused(SITES, devices,
			"devices.csv:2: column \"zone_kind\": no camera may stand where people wash or "
			"undress");
	}
	struct node_registry *r =
		parsed(SITES, "id,site,protocol,address,zone_kind\na,shop,dc09,1,personal_hygiene\n");
	cr_expect_eq(node_registry_device(r, "a")->zone, NODE_ZONE_PERSONAL_HYGIENE);
	node_registry_unref(r);
}

Test(registry, knows_by_which_right_a_camera_watches)
{
	struct node_registry *r = parsed(SITES,
		"id,site,protocol,address,url,sub_url,profile,mode,purpose,legal_basis,owner,term,switch,recorder,recording,street,since,aimed\n"
		"a,school-1,rtsp,cam-1,rtsp://10.0.0.1:554/1?ch=2,rtsp://10.0.0.1:554/1?ch=3,school,held,Охрана входа,Закон 5,"
		"Акимат,2027-01-01,sw-1,nvr-1,ch 7,abay,2026-01-01,2026-11-26\n"
		"b,school-1,onvif,cam-2,,,,,x,y,z,2027-01-01,,,,,,\n"
		"c,school-1,dc09,4001,,,,,,,,,sw-1,,,,,\n");
	const struct node_device *d = node_registry_device(r, "a");
	cr_expect_str_eq(d->camera.url, "rtsp://10.0.0.1:554/1?ch=2");
	cr_expect_str_eq(d->camera.sub_url, "rtsp://10.0.0.1:554/1?ch=3");
	cr_expect_str_eq(node_registry_device(r, "b")->camera.sub_url, "");
	cr_expect_str_eq(d->camera.profile, "school");
	cr_expect_str_eq(d->camera.mode, "held");
	cr_expect_str_eq(d->camera.purpose, "Охрана входа");
	cr_expect_str_eq(d->camera.legal_basis, "Закон 5");
	cr_expect_str_eq(d->camera.owner, "Акимат");
	cr_expect_eq(d->camera.term.us, 1798761600LL * TORAP_US_PER_S);
	cr_expect_eq(d->camera.since.us, 1767225600LL * TORAP_US_PER_S);
	cr_expect_eq(d->camera.aimed.us, 1795651200LL * TORAP_US_PER_S);
	cr_expect_eq(node_registry_device(r, "b")->camera.aimed.us, 0);
	cr_expect_str_eq(d->switch_name, "sw-1");
	cr_expect_str_eq(d->recorder, "nvr-1");
	cr_expect_str_eq(d->recording, "ch 7");
	cr_expect_str_eq(d->street, "abay");
	cr_expect_str_eq(node_registry_device(r, "c")->camera.purpose, "");
	cr_expect_str_eq(node_registry_device(r, "c")->switch_name, "sw-1");
	node_registry_unref(r);
}

/* Of any protocol that shows pictures, and whatever else is good about the row. */
Test(registry, refuses_a_camera_without_a_right)
{
	static const char *const names[] = { "purpose", "legal_basis", "owner", "term" };
	static const char *const protocols[] = { "rtsp", "onvif", "isapi" };
	char devices[512], complaint[256];
	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < 4; i++) {
			snprintf(devices, sizeof devices, CAMERA_HEAD "a,shop,%s,1,%s,%s,%s,%s,%s\n",
				protocols[p], p ? "" : "rtsp://c/", i == 0 ? "" : "x", i == 1 ? "" : "x",
				i == 2 ? "" : "x", i == 3 ? "" : "2027-01-01");
			snprintf(complaint, sizeof complaint,
				"devices.csv:2: column \"%s\": is empty: a camera needs purpose, "
				"legal_basis, owner and term",
				names[i]);
			check_refused(SITES, devices, complaint);
		}
		snprintf(devices, sizeof devices, "id,site,protocol,address\na,shop,%s,1\n", protocols[p]);
		struct node_registry *r = NULL;
		cr_expect_lt(parse(&r, SITES, devices, NULL, NULL), 0, "taken without the columns");
	}
	check_refused(SITES, CAMERA_HEAD "a,shop,rtsp,1,rtsp://c/,x,x,x,soon\n",
		"devices.csv:2: column \"term\": \"soon\" is not a time such as 2026-11-22T14:30:00Z");
}

/* A complaint never repeats the URL: it stands in logs. */
Test(registry, refuses_a_url_that_is_none_or_holds_a_secret)
{
	static const char head[] = "id,site,protocol,address,purpose,legal_basis,owner,term,url,mode\n";
	static const char secret[] =
		"has a user or password in it; they belong into the agent's file of credentials";
	static const struct {
		const char *protocol, *url, *complaint;
	} cases[] = {
		{ "rtsp", "", "is empty: a device of rtsp needs one" },
		{ "onvif", "rtsp://c/", "only a device of rtsp has one" },
		{ "dc09", "rtsp://c/", "only a device of rtsp has one" },
		{ "rtsp", "http://c/", "begins neither with rtsp:// nor with rtsps://" },
		{ "rtsp", "rtsp:///1", "names no host" },
		{ "rtsp", "rtsp://:554/1", "names no host" },
		{ "rtsp", "rtsp://c/a b",
			"has a blank or a letter beyond ASCII; write it as %20 and the like" },
		{ "rtsp", "rtsp://admin:12345@c/1", secret },
		{ "rtsp", "RTSPS://admin@c", secret },
		{ "rtsp", "rtsp://c/user=admin&password=1&channel=1", secret },
		{ "rtsp", "rtsp://c/1?ch=2&PWD=1", secret },
	};
	char devices[1024], complaint[512];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(devices, sizeof devices, "%sa,shop,%s,1,x,x,x,2027-01-01,%s,\n", head,
			cases[i].protocol, cases[i].url);
		snprintf(
			complaint, sizeof complaint, "devices.csv:2: column \"url\": %s", cases[i].complaint);
		check_refused(SITES, devices, complaint);
	}
	static const char *const subs[][3] = {
		{ "rtsp", "rtsp://c/", "is the same as url: it is for a smaller stream of the camera" },
		{ "rtsp", "rtsp://admin@c/2", secret },
		{ "onvif", "rtsp://c/2", "only a device of rtsp has one" },
	};
	for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
		snprintf(devices, sizeof devices,
			"id,site,protocol,address,url,purpose,legal_basis,owner,term,sub_url\n"
			"a,shop,%s,1,%s,x,x,x,2027-01-01,%s\n",
			subs[i][0], i == 2 ? "" : "rtsp://c/", subs[i][1]);
		snprintf(complaint, sizeof complaint, "devices.csv:2: column \"sub_url\": %s", subs[i][2]);
		check_refused(SITES, devices, complaint);
	}
	snprintf(devices, sizeof devices, "%sa,shop,rtsp,1,x,x,x,2027-01-01,rtsp://c/%0510d,\n", head, 1);
	check_refused(SITES, devices, "devices.csv:2: column \"url\": has more than 512 bytes");
	snprintf(devices, sizeof devices, "%sa,shop,rtsp,1,x,x,x,2027-01-01,rtsp://c/@1,always\n", head);
	check_refused(
		SITES, devices, "devices.csv:2: column \"mode\": \"always\" is neither held nor sampled");
}

Test(registry, names_both_lines_of_what_stands_twice)
{
	check_sites_refused("s,x,school,391010000,public\n\ns,y,school,391010000,public\n",
		"sites.csv:4: column \"id\": \"s\" stands in line 2 already");
	check_devices_refused("a,shop,dc09,1,\na,shop,dc09,2,\n",
		"devices.csv:3: column \"id\": \"a\" stands in line 2 already");
	check_devices_refused("a,shop,dc09,ab,\nb,shop,dc09,AB,\n",
		"devices.csv:3: column \"address\": dc09 AB is the address of \"a\" in line 2 already");
}

Test(registry, counts_the_bad_rows)
{
	check_devices_refused("a,x,dc09,1,\nb,shop,dc09,2,\nc,y,dc09,3,\nd,shop,dc09,4,z\n",
		"devices.csv:2: column \"site\": there is no site \"x\" (and 2 more bad rows)");
}

Test(registry, refuses_bad_headers)
{
	check_refused("", DEVICES, "sites.csv:1: is empty: its first row names the columns");
	check_refused("id,name,facility,owner_kind\n", DEVICES, "sites.csv:1: column \"region\" is missing");
	check_refused("id,naem,facility,region,owner_kind\n", DEVICES,
		"sites.csv:1: unknown column \"naem\"; there are id, name, facility, region, owner_kind, "
		"address");
	check_refused("id,name,id,facility,region,owner_kind\n", DEVICES,
		"sites.csv:1: column \"id\" stands twice");
}

Test(registry, refuses_what_is_not_csv_or_not_utf8)
{
	check_sites_refused("s,\"x,school,391010000,public\n", "sites.csv:2: a quoted cell has no end");
	check_sites_refused(
		"s,\"x\"y,school,391010000,public\n", "sites.csv:2: text after the closing quote of a cell");
	check_sites_refused("s,x\"y,school,391010000,public\n",
		"sites.csv:2: a quote inside a cell that does not begin with one");
	check_sites_refused("s,\xd8\xea,school,391010000,public\n", "sites.csv:2: is not UTF-8");
	check_sites_refused("s,\xed\xa0\x80,school,391010000,public\n", "sites.csv:2: is not UTF-8");
	check_sites_refused("s,\xc0\x80,school,391010000,public\n", "sites.csv:2: is not UTF-8");
}

Test(registry, refuses_a_nul_byte)
{
	static const char sites[] = SITE_HEAD "s,x\0,school,391010000,public\n";
	struct node_registry *r = NULL;
	struct torap_error err;
	cr_expect_lt(node_registry_parse(&r, "sites.csv", torap_bytes(sites, sizeof sites - 1), "devices.csv",
			     torap_bytes(DEVICES, strlen(DEVICES)), NULL, &err),
		0);
	cr_expect_str_eq(err.text, "sites.csv:2: holds a NUL byte");
}

Test(registry, refuses_sites_outside_the_node_s_regions)
{
	uint32_t kostanay_region[] = { 390000000 }, rudny[] = { 392410000 };
	struct node_registry_rules wide = { kostanay_region, 1 }, narrow = { rudny, 1 },
				   nothing = { rudny, 0 };
	struct node_registry *r = NULL;
	struct torap_error err;
	cr_assert_eq(parse(&r, SITES, DEVICES, &wide, &err), 0, "%s", err.text);
	node_registry_unref(r);
	r = NULL;
	cr_expect_lt(parse(&r, SITES, DEVICES, &narrow, &err), 0);
	cr_expect_str_eq(err.text,
		"sites.csv:2: column \"region\": 391010000 is outside the regions of this node "
		"in the trust file (and 1 more bad rows)");
	cr_expect_lt(parse(&r, SITES, DEVICES, &nothing, &err), 0, "a node without regions got sites");
	cr_expect_null(r);
}

Test(registry, finds_each_of_twenty_thousand_devices)
{
	enum { COUNT = 20000 };
	char *devices = malloc(COUNT * 64), *at = devices;
	at += sprintf(at, DEVICE_HEAD);
	for (int i = 0; i < COUNT; i++)
		at += sprintf(at, "d%d,school-1,dc09,%04x,60s\n", i, i);
	struct node_registry *r = parsed(SITES, devices);
	for (int i = 0; i < COUNT; i++) {
		char address[16], id[16];
		snprintf(address, sizeof address, "%04X", i);
		snprintf(id, sizeof id, "d%d", i);
		const struct node_device *d = node_registry_find(r, "dc09", address);
		cr_assert(d && strcmp(d->id, id) == 0);
	}
	cr_expect_null(node_registry_find(r, "dc09", "4e20"));
	node_registry_unref(r);
	free(devices);
}

Test(registry, says_which_file_is_not_there)
{
	struct node_registry *r = NULL;
	struct torap_error err;
	cr_expect_lt(node_registry_load(&r, "/nowhere/sites.csv", "/nowhere/devices.csv", NULL, &err), 0);
	cr_expect_str_eq(err.text, "/nowhere/sites.csv: No such file or directory");
}

/* The files that deploy/up runs with. */
Test(registry, takes_the_demonstration_s_files)
{
	static const struct {
		const char *node;
		uint32_t region;
	} nodes[] = { { "almaty-auezov", 751310000 }, { "kostanay", 391010000 }, { "rudny", 392410000 } };
	for (size_t i = 0; i < 3; i++) {
		char sites[128], devices[128];
		snprintf(sites, sizeof sites, "deploy/registry/%s/sites.csv", nodes[i].node);
		snprintf(devices, sizeof devices, "deploy/registry/%s/devices.csv", nodes[i].node);
		struct node_registry_rules rules = { &nodes[i].region, 1 };
		struct node_registry *r = NULL;
		struct torap_error err;
		cr_assert_eq(node_registry_load(&r, sites, devices, &rules, &err), 0, "%s", err.text);
		cr_expect_geq(node_registry_devices(r), 25);
		node_registry_unref(r);
	}
}

/* By site, in the order of the file; what is no camera of protocol rtsp is not among them. */
Test(registry, lists_the_cameras_of_each_site)
{
	struct node_registry *r =
		parsed(SITES, CAMERA_HEAD "c1,shop,rtsp,c1,rtsp://10.0.0.1/1,x,x,x,2099-01-01\n"
					  "p,shop,dc09,4001,,,,,\n"
					  "c2,school-1,rtsp,c2,rtsp://10.0.0.1/2,x,x,x,2099-01-01\n"
					  "o,school-1,onvif,c9,,x,x,x,2099-01-01\n"
					  "c3,shop,rtsp,c3,rtsp://10.0.0.1/3,x,x,x,2099-01-01\n");
	const struct node_site *shop = node_registry_site(r, "shop"),
			       *school = node_registry_site(r, "school-1");
	cr_assert_eq(shop->cameras_count, 2);
	cr_expect_str_eq(shop->cameras[0]->id, "c1");
	cr_expect_str_eq(shop->cameras[1]->id, "c3");
	cr_assert_eq(school->cameras_count, 1);
	cr_expect_str_eq(school->cameras[0]->id, "c2");
	node_registry_unref(r);
	r = parsed(SITES, DEVICES);
	cr_expect_eq(node_registry_site(r, "shop")->cameras_count, 0);
	node_registry_unref(r);
}
