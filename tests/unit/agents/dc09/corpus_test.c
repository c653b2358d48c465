/* Each recorded message of the corpus gives what its index says: code, account, area, zone, time, the answer byte for byte. */
#include "tests/unit/agents/dc09/desk.h"

#include "agents/dc09/moment.h"

enum { COLUMNS = 13 };
enum {
	FILE_NAME,
	SOURCE,
	VERDICT,
	NATIVE,
	KIND,
	STATE,
	ACCOUNT,
	AREA,
	ZONE,
	DEVICE_TIME,
	REPLY,
	CRC_FORM,
	NOTE
};

/* `\x0A` and the like as bytes. */
static size_t unescape(uint8_t *out, const char *text)
{
	size_t size = 0;
	while (*text) {
		if (text[0] == '\\' && text[1] == 'x') {
			char pair[] = { text[2], text[3], 0 };
			out[size++] = (uint8_t)strtoul(pair, NULL, 16);
			text += 4;
		} else {
			out[size++] = (uint8_t)*text++;
		}
	}
	return size;
}

/* Calls `each` for every row of the index whose file stands under `prefix`.  False: no corpus. */
static bool each_row(const char *prefix, void (*each)(char **column, const uint8_t *bytes, size_t size))
{
	const char *corpus = desk_corpus();
	if (!corpus)
		return false;
	size_t size;
	char *index = (char *)desk_read(corpus, "index.tsv", &size);
	cr_assert(index && size < (1 << 16));
	index[size] = 0;
	char *save = NULL;
	int rows = 0;
	for (char *line = strtok_r(index, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *column[COLUMNS];
		int count = 0;
		for (char *at = line; at && count < COLUMNS; count++)
			column[count] = strsep(&at, "\t");
		if (count < COLUMNS || strncmp(column[FILE_NAME], prefix, strlen(prefix)) != 0)
			continue;
		size_t bytes_size;
		uint8_t *bytes = desk_read(corpus, column[FILE_NAME], &bytes_size);
		cr_assert(bytes, "%s cannot be read", column[FILE_NAME]);
		each(column, bytes, bytes_size);
		free(bytes);
		rows++;
	}
	free(index);
	cr_expect(rows > 0);
	return true;
}

static void check_event(char **column, const struct desk *d)
{
	const char *file = column[FILE_NAME];
	cr_assert_eq(d->seen_count, 1, "%s: %u observations", file, d->seen_count);
	const struct desk_seen *s = &d->seen[0];
	bool null = strstr(column[NATIVE], "NULL") != NULL;
	cr_expect_eq(s->alive, null, "%s", file);
	cr_expect_str_eq(s->address, column[ACCOUNT], "%s", file);
	if (!null) {
		cr_expect_str_eq(s->code, column[NATIVE], "%s", file);
		cr_expect_str_eq(s->vocabulary, strchr(s->code, 'q') ? "adm-cid" : "sia-dcs", "%s", file);
		cr_expect_str_eq(s->area, column[AREA], "%s", file);
		/* The index writes a user's number as zone; here it is personal. */
		cr_expect_str_eq(*s->zone ? s->zone : s->user, column[ZONE], "%s", file);
		cr_expect_eq(s->repeat_key_size, DC09_REPEAT_KEY_SIZE, "%s", file);
	}
	struct torap_wall t = { 0 };
	if (!dc09_moment_parse(&t, torap_bytes(column[DEVICE_TIME], strlen(column[DEVICE_TIME]))) &&
		*column[DEVICE_TIME])
		cr_expect(strstr(s->fields, "event_time=19:44;"), "%s: %s", file, s->fields);
	cr_expect_eq(s->device_time_us, t.us, "%s", file);
	const char *form = dc09_crc_form_name(s->form);
	cr_expect_str_eq(!strcmp(form, "lower") ? "good" : form, column[CRC_FORM], "%s", file);
}

static void check_frame(char **column, const uint8_t *bytes, size_t size)
{
	const char *file = column[FILE_NAME], *verdict = column[VERDICT];
	struct desk *d = desk_open();
	if (!strcmp(verdict, "nak"))
		cr_assert(dc09_key_parse(&d->account.key, "ABCDABCDABCDABCDABCDABCDABCDABCD"));
	desk_feed(d, bytes, size);
	if (!strcmp(verdict, "ack") || !strcmp(verdict, "policy"))
		check_event(column, d);
	if (!strcmp(verdict, "ack")) {
		uint8_t want[256];
		size_t want_size = unescape(want, column[REPLY]);
		cr_expect(desk_sent(d, want, want_size), "%s: %.*s", file, (int)d->sent_size, d->sent);
	} else if (!strcmp(verdict, "policy")) {
		cr_expect_eq(d->counters.acked, 1, "%s", file);
		cr_expect_eq(d->counters.frames[DC09_CRC_LENGTH], 1, "%s", file);
	} else if (!strcmp(verdict, "ack-or-duh")) {
		cr_expect_eq(d->counters.acked, 1, "%s", file);
		cr_expect_eq(d->counters.empty, 1, "%s", file);
		cr_expect(d->seen_count == 1 && d->seen[0].alive, "%s: an alarm out of nothing", file);
	} else if (!strcmp(verdict, "nak")) {
		cr_expect_eq(d->counters.naked, 1, "%s", file);
		cr_expect(memmem(d->sent, d->sent_size, "0025\"NAK\"0000R0L0A0[]_12:00:00,11-22-2026\r", 42),
			"%s", file);
		cr_expect_eq(d->seen_count, 0, "%s", file);
	} else {
		cr_expect_eq(d->sent_size, 0, "%s: %.*s", file, (int)d->sent_size, d->sent);
		cr_expect_eq(d->seen_count, 0, "%s", file);
	}
	desk_close(d);
}

Test(corpus, gives_what_its_index_says)
{
	each_row("frames/", check_frame);
}

/* In two pieces at every place, with LF, CRC, header and text cut through: the outcome must not differ. */
static void check_splits(char **column, const uint8_t *bytes, size_t size)
{
	struct desk *whole = desk_open();
	desk_feed(whole, bytes, size);
	for (size_t cut = 0; cut <= size; cut++) {
		struct desk *d = desk_open();
		desk_feed(d, bytes, cut);
		desk_feed(d, bytes + cut, size - cut);
		cr_expect(
			desk_sent(d, whole->sent, whole->sent_size), "%s cut at %zu", column[FILE_NAME], cut);
		cr_expect_eq(d->seen_count, whole->seen_count, "%s cut at %zu", column[FILE_NAME], cut);
		cr_expect(!memcmp(&d->counters, &whole->counters, sizeof d->counters), "%s cut at %zu",
			column[FILE_NAME], cut);
		desk_close(d);
	}
	struct desk *d = desk_open();
	for (size_t i = 0; i < size; i++)
		desk_feed(d, bytes + i, 1);
	cr_expect(desk_sent(d, whole->sent, whole->sent_size), "%s byte by byte", column[FILE_NAME]);
	desk_close(d);
	desk_close(whole);
}

Test(corpus, does_not_depend_on_how_the_bytes_were_cut)
{
	each_row("frames/", check_splits);
	each_row("streams/", check_splits);
}

static void check_stream(char **column, const uint8_t *bytes, size_t size)
{
	const char *file = column[FILE_NAME];
	struct desk *d = desk_open();
	desk_feed(d, bytes, size);
	bool closes = strstr(column[REPLY], "close after a bounded time") != NULL;
	uint64_t want = strstr(column[REPLY], "two ACKs") ? 2 : closes ? 0 : 1;
	cr_expect_eq(d->counters.acked, want, "%s", file);
	cr_expect_eq(dc09_session_end(&d->s), DC09_GOES_ON, "%s", file);
	for (int i = 0; i < 60; i++)
		desk_later(d, 1000);
	cr_expect_eq(dc09_session_end(&d->s) != DC09_GOES_ON, closes, "%s", file);
	cr_expect_eq(d->counters.acked, want, "%s", file);
	desk_close(d);
}

Test(corpus, streams_lose_nothing_and_scanners_are_shown_out)
{
	each_row("streams/", check_stream);
}

static uint8_t all_bytes[1 << 16], all_sent[DESK_SENT_MAX];
static size_t all_size, all_sent_size;

static void append(char **column, const uint8_t *bytes, size_t size)
{
	if (strcmp(column[VERDICT], "ack") != 0)
		return;
	cr_assert(all_size + size <= sizeof all_bytes);
	memcpy(all_bytes + all_size, bytes, size);
	all_size += size;
	all_sent_size += unescape(all_sent + all_sent_size, column[REPLY]);
}

/* A panel that empties its queue: everything in one segment, answers in order, although at most eight are pending. */
Test(corpus, in_one_segment_gets_all_its_answers_in_order)
{
	if (!each_row("frames/", append))
		return;
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_feed(d, all_bytes, all_size);
	cr_expect_eq(d->s.pending_count, DC09_PENDING_MAX);
	cr_expect_not(dc09_session_hungry(&d->s));
	cr_expect_eq(d->sent_size, 0, "an answer before the verdict");
	desk_judge(d, true);
	cr_expect(desk_sent(d, all_sent, all_sent_size), "%.*s", (int)d->sent_size, d->sent);
	cr_expect(dc09_session_hungry(&d->s));
	desk_close(d);
}

/* Datagrams: the same answers. */
static void check_datagram(char **column, const uint8_t *bytes, size_t size)
{
	if (strcmp(column[VERDICT], "ack") != 0)
		return;
	struct desk *d = desk_open();
	desk_feed(d, bytes, size);
	dc09_session_hang_up(&d->s, d->now);
	uint8_t want[256];
	cr_expect(desk_sent(d, want, unescape(want, column[REPLY])), "%s", column[FILE_NAME]);
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_PANEL, "%s", column[FILE_NAME]);
	desk_close(d);
}

Test(corpus, datagrams_get_the_same_answers)
{
	each_row("frames/", check_datagram);
}
