#include "loop/metric.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *name, bool colons)
{
	for (const char *c = name; *c; c++)
		if (!is_letter(*c) && !(colons && *c == ':') && !(c > name && *c >= '0' && *c <= '9'))
			return false;
	return *name != '\0';
}

static bool is_type(const char *type)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "summary", "untyped" };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static void write_text(struct torap_writer *body, const char *text)
{
	torap_write_bytes(body, torap_bytes(text, strlen(text)));
}

void torap_metric_head(struct torap_writer *body, const char *name, const char *type, const char *help)
{
	assert(is_name(name, true) && is_type(type));
	write_text(body, "# HELP ");
	write_text(body, name);
	write_text(body, " ");
	for (const char *c = help; *c; c++)
		if (*c == '\\')
			write_text(body, "\\\\");
		else if (*c == '\n')
			write_text(body, "\\n");
		else
			torap_write_u8(body, (uint8_t)*c);
	write_text(body, "\n# TYPE ");
	write_text(body, name);
	write_text(body, " ");
	write_text(body, type);
	write_text(body, "\n");
}

/* Whole numbers without an exponent, as far as a double knows them; others in the fewest digits that give them back. */
static void format_value(char text[static 64], double value)
{
	if (isnan(value))
		strcpy(text, "NaN");
	else if (isinf(value))
		strcpy(text, value > 0 ? "+Inf" : "-Inf");
	else if (fabs(value) <= 9007199254740992.0 && value == (double)(int64_t)value)
		snprintf(text, 64, "%.0f", value);
	else if (snprintf(text, 64, "%.15g", value), strtod(text, NULL) != value)
		snprintf(text, 64, "%.17g", value);
}

void torap_metric(struct torap_writer *body, const char *name, const char *labels, double value)
{
	assert(is_name(name, true));
	write_text(body, name);
	if (labels && *labels) {
		write_text(body, "{");
		write_text(body, labels);
		write_text(body, "}");
	}
	char text[64];
	format_value(text, value);
	write_text(body, " ");
	write_text(body, text);
	write_text(body, "\n");
}

char *torap_metric_label(char *text, size_t size, const char *name, const char *value)
{
	assert(is_name(name, false));
	int n = snprintf(text, size, "%s=\"", name);
	assert(n > 0 && (size_t)n + 2 <= size); /* Names are short and ours. */
	size_t at = (size_t)n;
	for (const char *c = value; *c; c++) {
		char escaped[] = { '\\', *c == '\n' ? 'n' : *c, '\0' };
		const char *piece = *c == '\\' || *c == '"' || *c == '\n' ? escaped : escaped + 1;
		size_t length = strlen(piece);
		if (at + length + 2 > size) {
			while (((unsigned char)*c & 0xc0) == 0x80) /* A cut leaves no half of a character. */
				c--, at--;
			break;
		}
		memcpy(text + at, piece, length);
		at += length;
	}
	memcpy(text + at, "\"", 2);
	return text;
}

void torap_metric_one(
	struct torap_writer *body, const char *name, const char *type, const char *help, double value)
{
	torap_metric_head(body, name, type, help);
	torap_metric(body, name, NULL, value);
}

void torap_metric_labelled(
	struct torap_writer *body, const char *name, const char *label, const char *text, double value)
{
	char labels[160];
	torap_metric(body, name, torap_metric_label(labels, sizeof labels, label, text), value);
}
