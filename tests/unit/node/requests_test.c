/* Who is asked for pictures, when, and what becomes of it when nobody answers. */
#include "node/requests.h"

#include "base/buffer.h"
#include "node/registry.h"
#include "node/writes.h"
#include "tests/unit/node/fixture.h"

enum { CRIT = TORAP__SEVERITY__SEVERITY_CRITICAL, SECOND = 1000 };

struct desk {
	struct fixture f;
	struct node_pictures pictures;
	struct node_registry *registry;
	struct node_requests *requests;
	unsigned agents, sent, sent_to;
	bool deaf;                 /* what is sent to one of them does not get there */
	Torap__AgentRequest *last; /* owned */
};

static const char sites[] = "id,name,facility,region,owner_kind\n"
			    "school-1,School,school,391010000,public\n"
			    "shop,Shop,other_private,391010000,private\n"
			    "bare,Bare,street,391010000,public\n";
static const char devices[] =
	"id,site,protocol,address,url,purpose,legal_basis,owner,term,consent_ref,consent_until\n"
	"p,school-1,dc09,4001,,,,,,,\n"
	"a,school-1,rtsp,cam-a,rtsp://10.0.0.1/a,x,x,x,2099-01-01,,\n"
	"q,shop,rtsp,cam-q,rtsp://10.0.0.1/q,x,x,x,2099-01-01,,\n"
	"b,school-1,rtsp,cam-b,rtsp://10.0.0.1/b,x,x,x,2099-01-01,,\n"
	"o,school-1,rtsp,cam-over,rtsp://10.0.0.1/o,x,x,x,2026-01-01,,\n"
	"z,bare,dc09,4002,,,,,,,\n";

static void take(struct desk *d, struct torap_buffer *body)
{
	if (d->last)
		torap__agent_request__free_unpacked(d->last, NULL);
	d->last = torap__agent_request__unpack(NULL, body->size, body->data);
	cr_assert_not_null(d->last);
}

static unsigned on_send(void *hint, struct torap_buffer *body)
{
	struct desk *d = hint;
	d->sent++;
	take(d, body);
	return d->agents;
}

static bool on_send_to(void *hint, uint64_t session, struct torap_buffer *body)
{
	struct desk *d = hint;
	cr_expect_eq(session, 77);
	d->sent_to++;
	take(d, body);
	return !d->deaf;
}

static void open_requests(struct desk *d)
{
	struct torap_error err;
	struct node_requests_options options = { d->f.batcher, "node-test", &d->pictures, on_send, on_send_to,
		d };
	cr_assert_eq(node_requests_create(&d->requests, &options, &err), 0);
	node_requests_registry(d->requests, d->registry);
	cr_assert_eq(node_requests_load(d->requests, d->f.kv, d->f.now, &err), 0, "%s", err.text);
}

static void begin(struct desk *d)
{
	struct torap_error err;
	*d = (struct desk){ .agents = 1 };
	fixture_begin(&d->f, 16 << 20);
	cr_assert_eq(node_pictures_judge(&d->pictures, NULL, "n.yaml", &err), 0);
	cr_assert_eq(node_registry_parse(&d->registry, "s", torap_bytes(sites, strlen(sites)), "d",
			     torap_bytes(devices, strlen(devices)), NULL, &err),
		0, "%s", err.text);
	open_requests(d);
}

/* As after a kill -9 and a start, `seconds` later. */
static void kill_and_start(struct desk *d, int seconds)
{
	fixture_crash(&d->f);
	node_requests_destroy(d->requests);
	fixture_pass(&d->f, seconds * (int64_t)SECOND);
	fixture_open(&d->f);
	open_requests(d);
	d->sent = d->sent_to = 0;
}

static void end(struct desk *d)
{
	fixture_settle(&d->f);
	fixture_end(&d->f);
	node_requests_destroy(d->requests);
	node_registry_unref(d->registry);
	if (d->last)
		torap__agent_request__free_unpacked(d->last, NULL);
}

/* It is durable, and has no row. */
static void say_alarm(struct desk *d, const char *site, uint64_t seq)
{
	struct torap_stream_id stream;
	struct node_entry entry = { .event = NULL };
	cr_assert(torap_stream_id_make(&stream, "node-test", TORAP__LANE__LANE_CRITICAL, 1));
	struct node_wish *wish =
		node_requests_wish(d->requests, site, TORAP__KIND__KIND_PANIC, d->f.now.wall, &entry);
	torap_writer_finish(&entry.writes);
	node_requests_alarm(d->requests, wish, &stream, seq);
}

static void alarm_at(struct desk *d, const char *site, uint64_t seq)
{
	say_alarm(d, site, seq);
	node_requests_run(d->requests, d->f.now);
	fixture_settle(&d->f);
}

struct alarm {
	struct node_entry entry;
	struct desk *desk;
	struct node_wish *wish;
	char place[TORAP_STREAM_TEXT_SIZE];
};

static void on_alarm(struct node_entry *entry, enum node_entry_result result)
{
	struct alarm *a = (struct alarm *)entry;
	const struct torap_stream_id *stream = &fixture_stream(&a->desk->f, CRITICAL)->id;
	cr_assert_eq(result, NODE_ENTRY_DURABLE);
	torap_stream_id_format(stream, a->place);
	node_requests_alarm(a->desk->requests, a->wish, stream, entry->seq);
}

/* By way of the disk, with its row.  Nobody is asked yet. */
static void real_alarm(struct desk *d, struct alarm *a)
{
	*a = (struct alarm){ .entry.done = on_alarm, .desk = d };
	a->wish = node_requests_wish(
		d->requests, "school-1", TORAP__KIND__KIND_PANIC, d->f.now.wall, &a->entry);
	a->entry.event = fixture_event(&d->f, TORAP__KIND__KIND_PANIC, CRIT, "1", "");
	cr_assert_eq(node_batcher_add(d->f.batcher, &a->entry), 0);
	fixture_settle(&d->f);
}

static void pass(struct desk *d, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		fixture_pass(&d->f, SECOND);
		node_requests_tick(d->requests, d->f.now);
		fixture_settle(&d->f);
	}
}

static struct torap_class class_of(uint32_t kind, uint32_t severity)
{
	return (struct torap_class){ 391010000, TORAP__FACILITY__FACILITY_SCHOOL, (uint16_t)kind,
		(uint8_t)severity };
}

static bool wants(struct desk *d, const char *site, uint32_t kind, uint32_t severity, uint32_t state)
{
	struct torap_class class = class_of(kind, severity);
	return node_requests_want(d->requests, node_registry_site(d->registry, site), &class, state);
}

Test(requests, want_alarms_of_sites_with_cameras)
{
	struct desk d;
	const uint32_t start = TORAP__STATE__STATE_START, pulse = TORAP__STATE__STATE_PULSE;
	begin(&d);
	cr_expect(wants(&d, "school-1", TORAP__KIND__KIND_PANIC, CRIT, start));
	cr_expect(wants(&d, "school-1", TORAP__KIND__KIND_BURGLARY, 4, pulse));
	cr_expect(wants(&d, "school-1", TORAP__KIND__KIND_CAMERA_OFFLINE, CRIT, start),
		"critical, whatever it is");
	cr_expect_not(wants(&d, "school-1", TORAP__KIND__KIND_PANIC, CRIT, TORAP__STATE__STATE_END));
	cr_expect_not(wants(&d, "school-1", TORAP__KIND__KIND_CAMERA_OFFLINE, 3, start));
	cr_expect_not(wants(&d, "bare", TORAP__KIND__KIND_PANIC, CRIT, start), "it has no cameras");
	end(&d);
}

/* The event is on the disk before anybody is asked; cameras without consent, or whose term is over, are not. */
Test(requests, are_events_first_and_name_who_may_be_asked)
{
	struct desk d;
	begin(&d);
	alarm_at(&d, "school-1", 4);
	cr_assert_eq(d.sent, 1);
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 2);
	cr_expect_str_eq(d.last->site, "school-1");
	cr_expect_str_eq(d.last->alarm_stream, "node-test/critical/0000000000000001");
	cr_expect_eq(d.last->alarm_seq, 4);
	cr_assert_eq(d.last->n_addresses, 2);
	cr_expect_str_eq(d.last->addresses[0], "cam-a");
	cr_expect_str_eq(d.last->addresses[1], "cam-b");
	alarm_at(&d, "shop", 5);
	cr_expect_eq(d.sent, 1, "without consent");
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 2);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 1);
	node_requests_done(d.requests, d.last->id + 1);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 1);
	node_requests_done(d.requests, d.last->id);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 1, "its row is still there");
	fixture_settle(&d.f);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 0);
	end(&d);
}

/* A thousand alarms of one site: one request, and one more for all the others. */
Test(requests, are_shared_within_the_interval)
{
	struct desk d;
	begin(&d);
	for (uint64_t i = 1; i <= 1000; i++)
		alarm_at(&d, "school-1", i);
	cr_expect_eq(d.sent, 1);
	cr_expect_eq(d.last->alarms, 1);
	pass(&d, 29);
	cr_expect_eq(d.sent, 1);
	pass(&d, 2);
	cr_assert_eq(d.sent, 2);
	cr_expect_eq(d.last->alarms, 999);
	cr_expect_eq(d.last->alarm_seq, 1000, "the last one");
	pass(&d, 100);
	cr_expect_eq(d.sent, 2);
	alarm_at(&d, "school-1", 1001);
	cr_expect_eq(d.sent, 3, "the interval is long over");
	end(&d);
}

/* Ten thousand sites at once: asked no faster than agreed, and who waits too long is told as missing. */
Test(requests, are_bounded_in_a_storm)
{
	enum { SITES = 10000 };
	struct desk d;
	struct torap_error err;
	char *many = malloc(SITES * 64), *cameras = malloc(SITES * 128), *at = many, *to = cameras;
	begin(&d);
	node_registry_unref(d.registry);
	at += sprintf(at, "id,name,facility,region,owner_kind\n");
	to += sprintf(to, "id,site,protocol,address,url,purpose,legal_basis,owner,term\n");
	for (int i = 0; i < SITES; i++) {
		at += sprintf(at, "s-%d,S,school,391010000,public\n", i);
		to += sprintf(to, "c-%d,s-%d,rtsp,c-%d,rtsp://10.0.0.1/a,x,x,x,2099-01-01\n", i, i, i);
	}
	cr_assert_eq(node_registry_parse(&d.registry, "s", torap_bytes(many, (size_t)(at - many)), "d",
			     torap_bytes(cameras, (size_t)(to - cameras)), NULL, &err),
		0, "%s", err.text);
	node_requests_registry(d.requests, d.registry);
	for (int i = 0; i < SITES; i++) {
		char site[16];
		snprintf(site, sizeof site, "s-%d", i);
		say_alarm(&d, site, 1);
	}
	node_requests_run(d.requests, d.f.now);
	fixture_settle(&d.f);
	cr_expect_eq(d.sent, NODE_REQUESTS_BURST);
	for (int i = 0; i < 200; i++) {
		fixture_pass(&d.f, SECOND);
		node_requests_tick(d.requests, d.f.now);
		fixture_settle(&d.f);
		if (d.last) /* the agent keeps up */
			for (uint64_t back = 0; back < 2000; back++)
				node_requests_done(d.requests, d.last->id - back);
	}
	struct node_requests_counts c = node_requests_counts(d.requests);
	unsigned most = NODE_REQUESTS_BURST + 151 * NODE_REQUESTS_RATE;
	cr_expect(d.sent > most - 200 && d.sent <= most, "%u", d.sent);
	cr_expect_eq(c.asked + c.shed, SITES);
	cr_expect_eq(
		node_batcher_next_seq(d.f.batcher, NORMAL) - 1, SITES, "an event for each, asked or missing");
	free(many);
	free(cameras);
	end(&d);
}

Test(requests, wait_for_an_agent_that_is_away)
{
	struct desk d;
	begin(&d);
	d.agents = 0;
	alarm_at(&d, "school-1", 1);
	pass(&d, 60);
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 1);
	/* It says nothing, and says hello once more: it hears it again, until that is too late. */
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 2);
	pass(&d, 100);
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 2);
	pass(&d, 200);
	cr_expect_eq(node_requests_counts(d.requests).unanswered, 1);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 0);
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 3, "its absence is an event");
	alarm_at(&d, "school-1", 2);
	pass(&d, 125);
	cr_expect_eq(node_requests_counts(d.requests).unheard, 1);
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 5);
	end(&d);
}

/* What cannot be recorded must not happen, and is tried again: an event of many pages stands in the same round, beyond the lane's mark. */
Test(requests, are_not_sent_when_their_event_finds_no_room)
{
	static char text[40000];
	struct desk d;
	struct told told;
	struct alarm alarm;
	begin(&d);
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(fixture_add(&d.f, &told, TORAP__KIND__KIND_PANIC, CRIT, i), 0);
		fixture_settle(&d.f);
	}
	d.f.limit_percent[NORMAL] = 1;
	kill_and_start(&d, 0);
	real_alarm(&d, &alarm);
	told = (struct told){ .entry.done = fixture_on_told, .result = -1 };
	memset(text, 'x', sizeof text - 1);
	told.entry.event = fixture_event(&d.f, TORAP__KIND__KIND_BURGLARY, 3, "1", text);
	cr_assert_eq(node_batcher_add(d.f.batcher, &told.entry), 0);
	node_requests_run(d.requests, d.f.now);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 1);
	fixture_settle(&d.f);
	cr_assert_eq(told.result, NODE_ENTRY_FULL);
	cr_expect_eq(d.sent, 0);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 0);
	uint64_t tried = node_batcher_counts(d.f.batcher, NORMAL).jobs;
	node_requests_tick(d.requests, d.f.now);
	fixture_settle(&d.f);
	cr_expect_eq(node_batcher_counts(d.f.batcher, NORMAL).jobs, tried, "not at once");
	pass(&d, 2);
	cr_expect_eq(d.sent, 1);
	cr_expect_eq(d.last->alarm_seq, alarm.entry.seq);
	cr_expect_eq(node_requests_counts(d.requests).shed, 0);
	end(&d);
}

static uint64_t normal_events(const struct desk *d)
{
	return node_batcher_next_seq(d->f.batcher, NORMAL) - 1;
}

/* Killed before anybody was asked. */
Test(requests, are_made_of_alarms_from_before_a_kill)
{
	struct desk d;
	struct alarm first, last;
	begin(&d);
	real_alarm(&d, &first);
	real_alarm(&d, &last);
	kill_and_start(&d, 3);
	cr_expect_eq(node_requests_counts(d.requests).restored, 2);
	pass(&d, 1);
	cr_assert_eq(d.sent, 1);
	cr_expect_eq(d.last->alarms, 2);
	cr_expect_eq(d.last->alarm_seq, last.entry.seq);
	cr_expect_str_eq(d.last->alarm_stream, last.place);
	cr_expect_eq(d.last->alarm_kind, TORAP__KIND__KIND_PANIC);
	/* Their rows went with the request's event. */
	node_requests_done(d.requests, d.last->id);
	fixture_settle(&d.f);
	kill_and_start(&d, 1);
	cr_expect_eq(node_requests_counts(d.requests).restored, 0);
	pass(&d, 1);
	cr_expect_eq(d.sent, 0);
	cr_expect_eq(normal_events(&d), 1);
	end(&d);
}

/* Killed when the request is made, when an agent has it, and when it is done. */
Test(requests, are_sent_again_after_a_kill_until_they_are_done)
{
	struct desk d;
	struct alarm alarm;
	begin(&d);
	d.agents = 0;
	real_alarm(&d, &alarm);
	pass(&d, 1);
	uint64_t id = d.last->id;
	kill_and_start(&d, 3);
	pass(&d, 5);
	cr_expect_eq(d.sent + d.sent_to, 0, "nobody is there");
	d.deaf = true;
	node_requests_agent(d.requests, 77, d.f.now);
	fixture_settle(&d.f);
	kill_and_start(&d, 3);
	d.deaf = false;
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 1);
	cr_expect_eq(d.last->id, id, "by which an agent knows it");
	cr_expect_eq(d.last->alarm_seq, alarm.entry.seq);
	cr_expect_str_eq(d.last->alarm_stream, alarm.place);
	cr_expect_eq(d.last->n_addresses, 2);
	fixture_settle(&d.f);
	kill_and_start(&d, 3);
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 1);
	cr_expect_eq(d.last->id, id);
	cr_expect_eq(d.last->n_addresses, 0, "who does not know it looks at nothing");
	/* Its interval is that of before. */
	alarm_at(&d, "school-1", 9);
	pass(&d, 15);
	cr_expect_eq(d.sent, 0);
	pass(&d, 10);
	cr_expect_eq(d.sent, 1);
	node_requests_done(d.requests, id);
	node_requests_done(d.requests, d.last->id);
	fixture_settle(&d.f);
	cr_expect_eq(node_requests_counts(d.requests).done, 2);
	kill_and_start(&d, 1);
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent_to, 0, "it is done");
	cr_expect_eq(normal_events(&d), 2);
	end(&d);
}

/* Away for longer than pictures are worth asking for: told once, and nobody is asked. */
Test(requests, are_told_as_missing_when_the_node_was_away_too_long)
{
	struct desk d;
	struct alarm alarm;
	begin(&d);
	d.agents = 0;
	real_alarm(&d, &alarm);
	pass(&d, 1);
	real_alarm(&d, &alarm);
	kill_and_start(&d, 600);
	pass(&d, 1);
	cr_expect_eq(node_requests_counts(d.requests).shed, 1);
	cr_expect_eq(node_requests_counts(d.requests).unheard, 1);
	cr_expect_eq(normal_events(&d), 3,
		"the request, that nobody heard it, and that it is too late for the other alarm");
	node_requests_agent(d.requests, 77, d.f.now);
	cr_expect_eq(d.sent + d.sent_to, 0);
	kill_and_start(&d, 1);
	pass(&d, 200);
	cr_expect_eq(node_requests_counts(d.requests).restored, 0);
	cr_expect_eq(normal_events(&d), 3, "once");
	end(&d);
}

/* An agent has it, and may have done it while the node was away: it has time to say so, and nobody looks anew. */
Test(requests, that_an_agent_has_wait_for_it_after_a_start)
{
	struct desk d;
	struct alarm alarm;
	begin(&d);
	real_alarm(&d, &alarm);
	pass(&d, 1);
	cr_assert_eq(d.sent, 1);
	kill_and_start(&d, 600);
	pass(&d, 100);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 1);
	node_requests_agent(d.requests, 77, d.f.now);
	cr_assert_eq(d.sent_to, 1);
	cr_expect_eq(d.last->n_addresses, 0);
	pass(&d, 30);
	cr_expect_eq(node_requests_counts(d.requests).waiting, 0);
	cr_expect_eq(node_requests_counts(d.requests).unanswered, 1);
	cr_expect_eq(normal_events(&d), 2);
	end(&d);
}

/* The last rows of the table are no rows: the others count. */
Test(requests, go_on_beside_rows_that_cannot_be_read)
{
	struct desk d;
	struct alarm alarm;
	begin(&d);
	real_alarm(&d, &alarm);
	struct told told = { .entry.done = fixture_on_told };
	node_writes_put(
		&told.entry.writes, NODE_TABLE_REQUESTS, torap_bytes("a1234567x", 9), torap_bytes("?", 1));
	node_writes_put(
		&told.entry.writes, NODE_TABLE_REQUESTS, torap_bytes("r12345678", 9), torap_bytes("?", 1));
	node_writes_put(&told.entry.writes, NODE_TABLE_REQUESTS, torap_bytes("z", 1), torap_bytes("?", 1));
	cr_assert_eq(node_batcher_add(d.f.batcher, &told.entry), 0);
	fixture_settle(&d.f);
	kill_and_start(&d, 1);
	pass(&d, 1);
	cr_expect_eq(d.sent, 1);
	cr_expect_eq(node_requests_counts(d.requests).restored, 1);
	struct torap_kv_txn txn;
	struct torap_bytes value;
	torap_kv_begin(&txn, d.f.kv, false);
	cr_expect_eq(torap_kv_get(&txn, NODE_TABLE_REQUESTS, torap_bytes("z", 1), &value), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	end(&d);
}

/* A site that never comes to rest takes no more rows than agreed; its pictures come all the same. */
Test(requests, have_few_rows_for_a_noisy_site)
{
	enum { MANY = NODE_REQUESTS_SITE_ROWS + 50 };
	struct desk d;
	struct alarm alarm;
	begin(&d);
	for (int i = 0; i < MANY; i++)
		real_alarm(&d, &alarm);
	kill_and_start(&d, 1);
	cr_expect_eq(node_requests_counts(d.requests).restored, NODE_REQUESTS_SITE_ROWS);
	pass(&d, 1);
	cr_expect_eq(d.sent, 1);
	end(&d);
}

Test(pictures, are_configured_by_kind_severity_and_interval)
{
	struct node_pictures p;
	struct torap_error err;
	char *kinds[] = { (char *)"fire", (char *)"camera_*" };
	struct node_pictures_file file = { (char *)"none", (char *)"5s", kinds, 2 };
	cr_assert_eq(node_pictures_judge(&p, &file, "n.yaml", &err), 0, "%s", err.text);
	cr_expect_eq(p.interval_us, 5 * TORAP_US_PER_S);
	cr_expect(node_pictures_want(&p, TORAP__KIND__KIND_FIRE, 1, TORAP__STATE__STATE_START));
	cr_expect(node_pictures_want(&p, TORAP__KIND__KIND_CAMERA_BLACK, 1, TORAP__STATE__STATE_START));
	cr_expect_not(node_pictures_want(&p, TORAP__KIND__KIND_PANIC, CRIT, TORAP__STATE__STATE_START));
	cr_expect_not(node_pictures_want(&p, 60000, CRIT, TORAP__STATE__STATE_START));
	file.kinds_count = 0;
	file.severity = (char *)"high";
	cr_assert_eq(node_pictures_judge(&p, &file, "n.yaml", &err), 0);
	cr_expect(node_pictures_want(&p, 60000, 4, TORAP__STATE__STATE_PULSE));
	cr_expect_not(node_pictures_want(&p, TORAP__KIND__KIND_PANIC, 3, TORAP__STATE__STATE_PULSE));
}
