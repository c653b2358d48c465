/* The receiver's decoder against the panel simulator's encoder, which was written apart from it. */
#include "tests/unit/agents/dc09/desk.h"

#include "agents/ctl/panel_frame.h"

static const char *const keys[] = { NULL, "00112233445566778899AABBCCDDEEFF",
	"00112233445566778899AABBCCDDEEFF0011223344556677",
	"00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF" };

static void tell(struct desk *d, const struct ctl_panel_message *m, const struct ctl_panel_key *key)
{
	uint8_t frame[CTL_PANEL_FRAME_MAX];
	size_t size = ctl_panel_encode(frame, m, key, 12345 + m->number);
	cr_assert(size > 0);
	d->sent_size = 0;
	d->seen_count = d->judged = 0;
	desk_feed(d, frame, size);
}

static enum ctl_panel_answer answer(
	const struct desk *d, const struct ctl_panel_message *m, const struct ctl_panel_key *key)
{
	size_t used;
	struct torap_wall time;
	enum ctl_panel_answer a = ctl_panel_read_answer(d->sent, d->sent_size, &used, m, key, &time);
	cr_expect_eq(used, d->sent_size);
	return a;
}

static void check(struct desk *d, const struct ctl_panel_message *m, const struct ctl_panel_key *key)
{
	char code[16], area[16], zone[16], user[16];
	ctl_panel_code(code, sizeof code, m);
	ctl_panel_area(area, sizeof area, m);
	ctl_panel_zone(zone, sizeof zone, m);
	ctl_panel_user(user, sizeof user, m);
	tell(d, m, key);
	cr_assert_eq(d->seen_count, 1, "%s", code);
	const struct desk_seen *s = &d->seen[0];
	cr_expect_str_eq(s->address, m->account);
	if (m->event->sia) {
		cr_expect_str_eq(s->code, code);
		cr_expect_str_eq(s->area, area, "%s", code);
		cr_expect_str_eq(s->zone, zone, "%s", code);
		cr_expect_str_eq(s->user, user, "%s", code);
		cr_expect_eq(s->dated, m->dated, "%s", code);
	} else {
		cr_expect(s->alive);
	}
	cr_expect_eq(s->device_time_us, m->dated ? m->time.us : 0, "%s", code);
	cr_expect_eq(answer(d, m, key), CTL_PANEL_ACK, "%s: %.*s", code, (int)d->sent_size, d->sent);
}

Test(panel, is_understood_in_all_it_can_say)
{
	struct desk *d = desk_open();
	for (int k = 0; k < 4; k++) {
		struct ctl_panel_key key = { .size = keys[k] ? strlen(keys[k]) / 2 : 0 };
		d->account.key = (struct dc09_key){ 0 };
		if (key.size)
			cr_assert(torap_unhex(key.bytes, key.size, keys[k]) &&
				  dc09_key_parse(&d->account.key, keys[k]));
		struct ctl_panel_message m = { .account = "40A1", .area = 2, .number = 7, .sequence = 9999 };
		m.time = d->now.wall;
		for (size_t i = 0; (m.event = ctl_panel_event_at(i)); i++)
			for (int form = 0; form < 8; form++) {
				m.cid = form & 1;
				m.restore = form & 2 && m.event->sia_end;
				m.dated = key.size || form & 4;
				check(d, &m, &key);
			}
		m.event = &ctl_panel_null;
		m.dated = true;
		check(d, &m, &key);
	}
	cr_expect_eq(desk_silent(d), 0);
	desk_close(d);
}

/* Its clock is wrong: it hears the receiver's time, and is believed with that. */
Test(panel, sets_its_clock_by_the_nak)
{
	struct desk *d = desk_open();
	struct ctl_panel_key key = { .size = 16 };
	cr_assert(torap_unhex(key.bytes, 16, keys[1]) && dc09_key_parse(&d->account.key, keys[1]));
	struct ctl_panel_message m = {
		.account = "4001", .area = 1, .number = 3, .sequence = 1, .dated = true
	};
	m.event = ctl_panel_event_find("panic");
	m.time.us = d->now.wall.us - 3600 * (int64_t)TORAP_US_PER_S;
	tell(d, &m, &key);
	size_t used;
	cr_expect_eq(ctl_panel_read_answer(d->sent, d->sent_size, &used, &m, &key, &m.time), CTL_PANEL_NAK);
	cr_expect_eq(m.time.us, d->now.wall.us);
	tell(d, &m, &key);
	cr_expect_eq(answer(d, &m, &key), CTL_PANEL_ACK);
	desk_close(d);
}

Test(panel, takes_no_answer_but_its_own)
{
	struct desk *d = desk_open();
	struct ctl_panel_key none = { 0 };
	struct ctl_panel_message m = { .account = "4001", .area = 1, .number = 3, .sequence = 5 };
	m.event = ctl_panel_event_find("fire");
	tell(d, &m, &none);
	cr_expect_eq(answer(d, &m, &none), CTL_PANEL_ACK);
	m.sequence = 6;
	cr_expect_eq(answer(d, &m, &none), CTL_PANEL_STRANGE);
	m.sequence = 5;
	strcpy(m.account, "4002");
	cr_expect_eq(answer(d, &m, &none), CTL_PANEL_STRANGE);
	strcpy(m.account, "4001");
	d->sent[4] ^= 1; /* the CRC */
	cr_expect_eq(answer(d, &m, &none), CTL_PANEL_STRANGE);
	desk_close(d);
}
