/* A kit and a fake node on one thread: what is offered is judged once, whatever becomes of the node. */
#include <criterion/criterion.h>
#include <signal.h>

#include "agents/kit/kit.h"
#include "base/limits.h"
#include "tests/contract/fake_node.h"
#include "tests/kit/temporary.h"

struct desk {
	uv_loop_t loop;
	struct kit *kit;
	struct fake_node node;
	char dir[64], endpoint[96];
	unsigned durable, duplicate, refused, later, rows, ups, downs;
	uint64_t last_who, last_what, request;
	char row[64], camera[256], reason[64];
};

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct desk *d = hint;
	d->durable += verdict == KIT_DURABLE;
	d->duplicate += verdict == KIT_DUPLICATE;
	d->refused += !kit_taken(verdict);
	d->later += verdict == KIT_LATER;
	d->last_who = tag.who;
	d->last_what = tag.what;
	snprintf(d->reason, sizeof d->reason, "%s", reason);
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	struct desk *d = hint;
	d->rows++;
	if (count)
		snprintf(d->row, sizeof d->row, "%s %s %s", rows[0].address, rows[0].code_page,
			rows[0].key_name);
	if (count)
		snprintf(d->camera, sizeof d->camera, "%s %s %s %s %lld %s %s %s %s %u %s %lld %lld",
			rows[0].url, rows[0].sub_url, rows[0].profile, rows[0].mode,
			(long long)rows[0].term_us, rows[0].site, rows[0].switch_name, rows[0].recorder,
			rows[0].street, rows[0].region, rows[0].device, (long long)rows[0].since_us,
			(long long)rows[0].aimed_us);
}

static void on_link(void *hint, bool up, const char *reason)
{
	struct desk *d = hint;
	(void)reason;
	d->ups += up;
	d->downs += !up;
}

static void on_request(void *hint, const Torap__AgentRequest *request)
{
	struct desk *d = hint;
	d->request = request->id;
	cr_expect_str_eq(request->addresses[0], "cam-1");
}

static void turn(struct desk *d)
{
	uv_run(&d->loop, UV_RUN_NOWAIT);
	fake_node_turn(&d->node, 2);
}

#define WAIT(condition)                                                                                      \
	for (int i_ = 0; !(condition); i_++) {                                                               \
		cr_assert(i_ < 10000, "never: " #condition);                                                 \
		turn(d);                                                                                     \
	}

static struct desk *desk_open_as(unsigned waiting_max, bool takes_requests)
{
	struct desk *d = calloc(1, sizeof *d);
	cr_assert(d);
	temporary_dir(d->dir, sizeof d->dir, "kit");
	snprintf(d->endpoint, sizeof d->endpoint, "ipc://%s/intake", d->dir);
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&d->loop);
	struct kit_options options = { .agent = "tester",
		.protocol = "dc09",
		.endpoint = d->endpoint,
		.waiting_max = waiting_max,
		.hint = d,
		.on_verdict = on_verdict,
		.on_rows = on_rows,
		.on_link = on_link,
		.on_request = takes_requests ? on_request : NULL };
	struct torap_error err;
	cr_assert_eq(kit_open(&d->kit, &d->loop, &options, &err), 0, "%s", err.text);
	return d;
}

static struct desk *desk_open(unsigned waiting_max)
{
	return desk_open_as(waiting_max, false);
}

static void start_node(struct desk *d)
{
	cr_assert(fake_node_open(&d->node, d->endpoint));
}

static void desk_close(struct desk *d)
{
	kit_close(d->kit, NULL, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&d->loop), 0);
	fake_node_close(&d->node);
	unlink(d->endpoint + strlen("ipc://"));
	rmdir(d->dir);
	free(d);
}

static int offer(struct desk *d, uint64_t who, uint64_t what)
{
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	char code[32];
	snprintf(code, sizeof code, "%llu", (unsigned long long)what);
	o.protocol = (char *)"dc09";
	o.address = (char *)"4001";
	o.code = code;
	return kit_offer(d->kit, &o, (struct kit_tag){ who, what });
}

Test(kit, says_at_once_that_the_node_is_away)
{
	struct desk *d = desk_open(0);
	cr_expect_eq(offer(d, 1, 1), KIT_AWAY);
	cr_expect_eq(kit_room(d->kit), 0);
	start_node(d);
	WAIT(d->ups == 1);
	cr_expect_eq(offer(d, 1, 1), 0);
	WAIT(d->durable == 1);
	desk_close(d);
}

Test(kit, hands_over_the_registry_rows_before_the_link_is_up)
{
	struct desk *d = desk_open(0);
	d->node.row_address = "4001";
	d->node.row_code_page = "cp1251";
	d->node.row_key_name = "school";
	start_node(d);
	WAIT(d->ups == 1);
	cr_expect_str_eq(d->row, "4001 cp1251 school");
	cr_expect_str_eq(d->node.agent, "tester");
	cr_expect_str_eq(d->node.protocol, "dc09");
	d->node.row_address = "4002";
	fake_node_send_rows(&d->node); /* the registry was loaded again */
	WAIT(d->rows == 2);
	cr_expect_str_eq(d->row, "4002 cp1251 school");
	cr_expect_eq(d->ups, 1);
	desk_close(d);
}

Test(kit, hands_over_what_a_camera_s_agent_needs)
{
	struct desk *d = desk_open(0);
	d->node.row_address = "cam-1";
	start_node(d);
	WAIT(d->ups == 1);
	cr_expect_str_eq(d->camera, "    0     0  0 0");
	d->node.row_url = "rtsp://10.0.0.1/1";
	d->node.row_sub_url = "rtsp://10.0.0.1/2";
	fake_node_send_rows(&d->node);
	WAIT(d->rows == 2);
	cr_expect_str_eq(d->camera,
		"rtsp://10.0.0.1/1 rtsp://10.0.0.1/2 entrance held 1798761600000000 school-1 sw-1 nvr-1 "
		"abay 391610000 device-1 1767225600000000 1795651200000000");
	desk_close(d);
}

Test(kit, sends_what_came_in_one_turn_in_one_message)
{
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(offer(d, 5, i), 0);
	WAIT(d->durable == 1000);
	cr_expect_eq(d->node.offers, 1);
	cr_expect_eq(d->last_who, 5);
	for (unsigned i = 0; i < 3000; i++) /* more than one message may hold */
		cr_assert_eq(offer(d, 5, 1000 + i), 0);
	WAIT(d->durable == 4000);
	cr_expect_eq(d->node.offers, 4);
	desk_close(d);
}

Test(kit, refuses_beyond_its_limit_and_goes_on_after_verdicts)
{
	struct desk *d = desk_open(10);
	start_node(d);
	WAIT(d->ups == 1);
	d->node.mood = FAKE_THINKS;
	for (unsigned i = 0; i < 10; i++)
		cr_assert_eq(offer(d, 1, i), 0);
	cr_expect_eq(offer(d, 1, 10), KIT_FULL);
	WAIT(d->node.seen_count == 10);
	fake_node_judge(&d->node);
	WAIT(d->durable == 10);
	cr_expect_eq(offer(d, 1, 10), 0);
	desk_close(d);
}

Test(kit, judges_refused_what_a_lost_node_had_not_judged)
{
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	d->node.mood = FAKE_THINKS;
	cr_assert_eq(offer(d, 1, 1), 0);
	WAIT(d->node.seen_count == 1);
	fake_node_vanish(&d->node);
	WAIT(d->refused == 1);
	cr_expect_eq(d->later, 1);
	cr_expect_str_eq(d->reason, "node is away");
	cr_expect_eq(d->downs, 1);
	cr_expect_eq(kit_counters(d->kit)->lost, 1);
	d->node.mood = FAKE_TAKES;
	start_node(d);
	WAIT(d->ups == 2);
	cr_expect_eq(d->node.seen_count, 1, "it was offered again by the agent");
	cr_assert_eq(offer(d, 1, 1), 0);
	WAIT(d->durable == 1);
	desk_close(d);
}

Test(kit, refuses_what_no_node_would_take)
{
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	static uint8_t raw[80 << 10];
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	o.raw = (ProtobufCBinaryData){ sizeof raw, raw };
	cr_expect_eq(kit_offer(d->kit, &o, (struct kit_tag){ 0 }), KIT_TOO_BIG);
	cr_expect_eq(offer(d, 1, 1), 0);
	WAIT(d->durable == 1);
	desk_close(d);
}

Test(kit, counts_verdicts_that_make_no_sense)
{
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	d->node.mood = FAKE_LIES;
	cr_assert_eq(offer(d, 1, 1), 0);
	WAIT(kit_counters(d->kit)->strange == 3);
	cr_expect_eq(d->durable + d->duplicate + d->refused, 0);
	desk_close(d);
}

/* As large as an event's image part can hold; one byte more is refused here. */
Test(kit, carries_a_picture_in_an_observation)
{
	static uint8_t picture[TORAP_OBSERVATION_IMAGE_MAX + 1];
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	Torap__Image image = TORAP__IMAGE__INIT;
	o.image = &image;
	image.data = (ProtobufCBinaryData){ sizeof picture, picture };
	cr_expect_eq(kit_offer(d->kit, &o, (struct kit_tag){ 0 }), KIT_TOO_BIG);
	image.data.len--;
	cr_expect_eq(kit_offer(d->kit, &o, (struct kit_tag){ 1, 2 }), 0);
	cr_expect_eq(offer(d, 1, 3), 0);
	WAIT(d->durable == 2);
	cr_expect_eq(d->node.seen_count, 2);
	cr_expect_eq(d->node.offers, 2, "the picture goes in a message of its own");
	desk_close(d);
}

Test(kit, hears_requests_and_says_when_they_are_done)
{
	struct desk *d = desk_open_as(0, true);
	cr_expect_not(kit_done(d->kit, 5), "nobody is there");
	start_node(d);
	WAIT(d->ups == 1);
	cr_expect(d->node.takes_requests);
	fake_node_request(&d->node, 5, "cam-1");
	WAIT(d->request == 5);
	cr_expect(kit_done(d->kit, 5));
	WAIT(d->node.done == 5);
	cr_expect_eq(kit_counters(d->kit)->strange, 0);
	desk_close(d);
}

/* One that takes none does not say that it does; and is not harmed by a node that asks all the same. */
Test(kit, takes_no_requests_unless_it_says_so)
{
	struct desk *d = desk_open(0);
	start_node(d);
	WAIT(d->ups == 1);
	cr_expect_not(d->node.takes_requests);
	fake_node_request(&d->node, 5, "cam-1");
	WAIT(kit_counters(d->kit)->strange == 1);
	desk_close(d);
}
