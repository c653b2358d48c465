#include "agents/dc09/content.h"

#include <stdio.h>

struct dc09_event *dc09_content_event(struct dc09_content *c)
{
	if (c->events_count == DC09_EVENTS_MAX) {
		c->events_cut = true;
		return NULL;
	}
	struct dc09_event *e = &c->events[c->events_count++];
	*e = (struct dc09_event){ .code = "" };
	return e;
}

void dc09_event_text(struct dc09_event *e, struct torap_bytes text)
{
	if (text.size && e->texts_count < DC09_TEXTS_MAX)
		e->texts[e->texts_count++] = text;
}

bool dc09_content_number(struct torap_bytes value)
{
	for (size_t i = 0; i < value.size; i++)
		if (torap_hex_value(value.data[i]) < 0)
			return false;
	return value.size <= DC09_OPEN_NUMBER_MAX;
}

void dc09_content_field(struct dc09_content *c, const char *name, struct torap_bytes value, bool personal)
{
	if (!value.size || c->fields_count == DC09_FIELDS_MAX)
		return;
	struct dc09_field *f = &c->fields[c->fields_count++];
	snprintf(f->name, sizeof f->name, "%s", name);
	f->value = value;
	f->personal = personal;
}
