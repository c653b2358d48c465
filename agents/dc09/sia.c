#include "agents/dc09/sia.h"

#include <stdio.h>
#include <string.h>

/* One event block while it is read.  Modifiers hold for the codes that follow. */
struct block {
	struct dc09_content *c;
	const uint8_t *at, *end;
	struct torap_bytes area, user;
	struct torap_bytes area_text;
	struct dc09_event *last; /* the code that a text explains; NULL: it explains a modifier */
	bool strange;            /* something was skipped */
};

static bool upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Openings, closings and user administration: the number behind the code is a user's.  (OG and CG name the area when no modifier
 * does: then the number is the area, see place_number().) */
static bool number_is_user(const char *code)
{
	static const char codes[] = "BC CA CE CF CG CJ CK CL CP CQ CS CW FC JK JP JV JX JY JZ "
				    "OA OC OG OH OJ OK OL OP OQ OR OS ";
	for (const char *at = codes; *at; at += 3)
		if (at[0] == code[0] && at[1] == code[1])
			return true;
	return false;
}

static void place_number(const struct block *b, struct dc09_event *e, struct torap_bytes number)
{
	bool group = !strcmp(e->code, "OG") || !strcmp(e->code, "CG");
	bool plain = dc09_content_number(number);
	if (plain && group && !b->area.size)
		e->area = number;
	else if (plain && !number_is_user(e->code))
		e->zone = number;
	else if (number_is_user(e->code) && !e->user.size)
		e->user = number;
	else
		dc09_content_field(b->c, "number", number, true);
}

/* Up to the next mark: a slash, a text, the end. */
static const uint8_t *part_end(const struct block *b)
{
	const uint8_t *at = b->at;
	while (at < b->end && *at != '/' && *at != '^' && *at != '*')
		at++;
	return at;
}

static void take_code(struct block *b)
{
	struct dc09_event *e = dc09_content_event(b->c);
	const uint8_t *code = b->at;
	b->at += 2;
	const uint8_t *stop = part_end(b);
	struct torap_bytes number = torap_bytes(b->at, (size_t)(stop - b->at));
	b->at = stop;
	b->last = e;
	if (!e)
		return;
	snprintf(e->code, sizeof e->code, "%c%c", code[0], code[1]);
	e->area = b->area;
	e->user = b->user;
	dc09_event_text(e, b->area_text);
	if (number.size > DC09_NUMBER_MAX)
		dc09_content_field(b->c, "number", number, true);
	else
		place_number(b, e, number);
}

/* A value goes up to the mark, unless a code follows without a slash: `ri1BA503`. */
static struct torap_bytes take_value(struct block *b)
{
	const uint8_t *from = b->at, *stop = part_end(b), *at = from;
	while (at < stop && (digit(*at) || *at == ':'))
		at++;
	bool code = at > from && stop - at >= 2 && upper(at[0]) && upper(at[1]);
	for (const uint8_t *rest = at + 2; code && rest < stop; rest++)
		code = digit(*rest);
	b->at = code ? at : stop;
	return torap_bytes(from, (size_t)(b->at - from));
}

/* "19:44", "19:44:10" */
static bool clock_time(struct torap_bytes value)
{
	for (size_t i = 0; i < value.size; i++)
		if (i % 3 == 2 ? value.data[i] != ':' : !digit(value.data[i]))
			return false;
	return value.size <= 8;
}

static void take_modifier(struct block *b)
{
	char name[3] = { (char)b->at[0], (char)b->at[1], 0 };
	b->at += 2;
	struct torap_bytes value = take_value(b);
	b->last = NULL;
	if (!strcmp(name, "ri") && dc09_content_number(value))
		b->area = value;
	else if (!strcmp(name, "id") && value.size <= DC09_NUMBER_MAX)
		b->user = value;
	else if (!strcmp(name, "ti"))
		dc09_content_field(b->c, "event_time", value, !clock_time(value));
	else if (!strcmp(name, "pi"))
		dc09_content_field(b->c, "peripheral", value, !dc09_content_number(value));
	else
		dc09_content_field(b->c, name, value, true);
}

/* `^text^`, after the part that it explains. */
static void take_text(struct block *b)
{
	const uint8_t *from = b->at + 1;
	const uint8_t *stop = memchr(from, '^', (size_t)(b->end - from));
	if (!stop)
		stop = b->end;
	struct torap_bytes text = torap_bytes(from, (size_t)(stop - from));
	b->at = stop < b->end ? stop + 1 : stop;
	if (b->last)
		dc09_event_text(b->last, text);
	else
		b->area_text = text;
}

/* `*'text'NM`: the form of XSIA. */
static void take_name(struct block *b)
{
	const uint8_t *from = b->at + 1;
	if (from < b->end && *from == '\'') {
		from++;
		const uint8_t *stop = memchr(from, '\'', (size_t)(b->end - from));
		if (stop) {
			if (b->last)
				dc09_event_text(b->last, torap_bytes(from, (size_t)(stop - from)));
			b->at = stop + 1;
			if (b->end - b->at >= 2 && b->at[0] == 'N' && b->at[1] == 'M')
				b->at += 2;
			return;
		}
	}
	b->strange = true;
	b->at++;
}

static bool begins_event(const uint8_t *at, const uint8_t *end)
{
	return end - at >= 2 && ((upper(at[0]) && upper(at[1])) || (lower(at[0]) && lower(at[1])));
}

/* N or O is a qualifier when a modifier or a code follows it; else it is the first letter of the code itself: `NL2`, `OP1`. */
static const uint8_t *skip_qualifier(const uint8_t *at, const uint8_t *end)
{
	bool qualified = end > at && (*at == 'N' || *at == 'O') &&
			 (begins_event(at + 1, end) || (end - at > 1 && at[1] == '/'));
	return qualified ? at + 1 : at;
}

static void decode_event_block(struct dc09_content *c, const uint8_t *from, const uint8_t *end)
{
	struct block b = { .c = c, .at = skip_qualifier(from, end), .end = end };
	unsigned before = c->events_count;
	while (b.at < b.end) {
		if (*b.at == '/')
			b.at++;
		else if (*b.at == '^')
			take_text(&b);
		else if (*b.at == '*')
			take_name(&b);
		else if (b.end - b.at >= 2 && lower(b.at[0]) && lower(b.at[1]))
			take_modifier(&b);
		else if (b.end - b.at >= 2 && upper(b.at[0]) && upper(b.at[1]))
			take_code(&b);
		else {
			b.strange = true;
			b.at = part_end(&b) > b.at ? part_end(&b) : b.at + 1;
		}
	}
	struct dc09_event *e = c->events_count == before ? dc09_content_event(c) : NULL;
	if (e) { /* Nothing that we can read is an event, too: the node keeps it raw. */
		snprintf(e->code, sizeof e->code, "%s", DC09_CODE_UNREADABLE);
		e->area = b.area;
		e->user = b.user;
	}
	if (e || b.strange)
		dc09_content_field(c, "block", torap_bytes(from, (size_t)(end - from)), true);
}

static bool is_event_block(const uint8_t *at, const uint8_t *end)
{
	return end > at && (*at == 'N' || *at == 'O') && end - at >= 2 &&
	       (begins_event(at, end) || begins_event(at + 1, end));
}

static void decode_block(struct dc09_content *c, const uint8_t *at, const uint8_t *end)
{
	if (at == end)
		return;
	if (is_event_block(at, end)) {
		decode_event_block(c, at, end);
		return;
	}
	if (*at == 'A') {
		struct torap_bytes text = torap_bytes(at + 1, (size_t)(end - at - 1));
		if (c->events_count)
			dc09_event_text(&c->events[c->events_count - 1], text);
		else
			dc09_content_field(c, "text", text, true);
		return;
	}
	dc09_content_field(c, "block", torap_bytes(at, (size_t)(end - at)), true);
}

void dc09_sia_decode(struct dc09_content *c, struct torap_bytes blocks)
{
	const uint8_t *at = blocks.data, *end = at + blocks.size;
	while (at < end) {
		const uint8_t *bar = memchr(at, '|', (size_t)(end - at));
		decode_block(c, at, bar ? bar : end);
		at = bar ? bar + 1 : end;
	}
	if (c->events_count || !blocks.size)
		return;

	/* No block begins as an event should.  A broken writer may have left the N out: read the first block as if it were one. */
	const uint8_t *bar = memchr(blocks.data, '|', blocks.size);
	decode_event_block(c, blocks.data, bar ? bar : end);
}
