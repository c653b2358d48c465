#include "agents/dc09/xdata.h"

#include <string.h>

#include "agents/dc09/moment.h"

/* What each letter is called, and whether it may tell who a person is or where one lives.  What is not personal is so only as long
 * as it has the form of a number or time: a panel may be told to send anything. */
static const struct {
	char letter;
	bool personal;
	const char *name;
} letters[] = {
	{ 'A', false, "hash" },
	{ 'C', false, "supervision" },
	{ 'H', false, "event_time" },
	{ 'I', true, "alarm_text" },
	{ 'J', true, "network_path" },
	{ 'L', true, "place" },
	{ 'M', true, "mac" },
	{ 'N', true, "network_address" },
	{ 'O', true, "building" },
	{ 'P', true, "programming" },
	{ 'R', true, "room" },
	{ 'S', true, "site" },
	{ 'T', false, "trigger" },
	{ 'V', true, "verification" },
	{ 'X', true, "longitude" },
	{ 'Y', true, "latitude" },
	{ 'Z', true, "altitude" },
};

void dc09_xdata_decode(struct dc09_content *c, struct torap_bytes block)
{
	if (!block.size)
		return;
	char letter = (char)block.data[0];
	struct torap_bytes text = torap_bytes(block.data + 1, block.size - 1);
	if (letter == 'K') { /* A secret: that it came is all we say. */
		dc09_content_field(c, "key", torap_bytes("present", 7), false);
		return;
	}
	if (letter == 'H' && dc09_moment_parse(&c->happened, text)) {
		c->has_happened = true;
		c->happened_text = text;
	}
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
		if (letters[i].letter == letter) {
			bool plain = dc09_content_number(text) || c->happened_text.data == text.data;
			dc09_content_field(c, letters[i].name, text, letters[i].personal || !plain);
			return;
		}
	}
	bool known = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
	char name[] = { 'x', '_', letter, 0 };
	dc09_content_field(c, known ? name : "x", known ? text : block, true);
}

/* Digits with at most one point.  Gives the end of the number in *at. */
static bool take_decimal(const uint8_t **at, const uint8_t *end, double *out)
{
	double value = 0, unit = 1;
	bool point = false, any = false;
	for (; *at < end; ++*at) {
		if (**at == '.' && !point) {
			point = true;
			continue;
		}
		if (**at < '0' || **at > '9')
			break;
		any = true;
		if (point)
			unit /= 10;
		value = point ? value + (**at - '0') * unit : value * 10 + (**at - '0');
		if (value > 1e6)
			return false;
	}
	*out = value;
	return any;
}

/* "034E12.5" or "45N12.2": degrees and minutes, as decimal degrees; `most` is 180 or 90.  False when it is not that. */
static bool degrees_of(double *out, struct torap_bytes text, uint8_t plus, uint8_t minus, double most)
{
	const uint8_t *at = text.data, *end = at + text.size;
	double degrees, minutes;
	if (!take_decimal(&at, end, &degrees) || at == end || (*at != plus && *at != minus))
		return false;
	bool negative = *at++ == minus;
	if (!take_decimal(&at, end, &minutes) || at != end || minutes >= 60)
		return false;
	degrees += minutes / 60;
	if (degrees > most)
		return false;
	*out = negative ? -degrees : degrees;
	return true;
}

static bool altitude(double *out, struct torap_bytes text)
{
	const uint8_t *at = text.data, *end = at + text.size;
	bool negative = at < end && *at == '-';
	if (negative)
		at++;
	if (!take_decimal(&at, end, out) || *out > 20000)
		return false;
	*out = negative ? -*out : *out;
	return true;
}

void dc09_xdata_place(struct dc09_content *c)
{
	bool has_x = false, has_y = false;
	for (unsigned i = 0; i < c->fields_count; i++) {
		const struct dc09_field *f = &c->fields[i];
		if (!strcmp(f->name, "longitude"))
			has_x = degrees_of(&c->longitude, f->value, 'E', 'W', 180) || has_x;
		else if (!strcmp(f->name, "latitude"))
			has_y = degrees_of(&c->latitude, f->value, 'N', 'S', 90) || has_y;
		else if (!strcmp(f->name, "altitude") && !altitude(&c->altitude_m, f->value))
			c->altitude_m = 0;
	}
	c->has_position = has_x && has_y;
}
