#include "agents/ctl/panel_event.h"

#include <string.h>

const struct ctl_panel_event ctl_panel_null = { "null", NULL, NULL, NULL, 0, 0, false, 40 };

/* SIA has no code for duress in common use: panels send a hold-up. */
static const struct ctl_panel_event events[] = {
	{ "panic", "PA", "PH", "120", '1', '3', false, 2 },
	{ "fire", "FA", "FH", "110", '1', '3', false, 2 },
	{ "burglary", "BA", "BH", "130", '1', '3', false, 8 },
	{ "holdup", "HA", "HH", "146", '1', '3', false, 1 },
	{ "duress", "HA", "HH", "121", '1', '3', false, 1 },
	{ "medical", "MA", "MH", "100", '1', '3', false, 1 },
	{ "emergency", "QA", "QH", "101", '1', '3', false, 1 },
	{ "gas", "GA", "GH", "151", '1', '3', false, 1 },
	{ "water", "WA", "WH", "154", '1', '3', false, 1 },
	{ "tamper", "TA", "TR", "145", '1', '3', false, 4 },
	{ "power", "AT", "AR", "301", '1', '3', false, 4 },
	{ "battery", "YT", "YR", "302", '1', '3', false, 3 },
	{ "comm", "YC", "YK", "350", '1', '3', false, 2 },
	{ "bypass", "BB", "BU", "570", '1', '3', false, 2 },
	{ "test", "RP", NULL, "602", '1', '1', false, 8 },
	{ "arm", "CL", NULL, "401", '3', '3', true, 10 },
	{ "disarm", "OP", NULL, "401", '1', '1', true, 10 },
	{ "cancel", "BC", NULL, "406", '1', '1', true, 1 },
};

enum { EVENTS = sizeof events / sizeof *events };

const struct ctl_panel_event *ctl_panel_event_find(const char *name)
{
	if (!strcmp(name, ctl_panel_null.name))
		return &ctl_panel_null;
	for (size_t i = 0; i < EVENTS; i++)
		if (!strcmp(name, events[i].name))
			return &events[i];
	return NULL;
}

const struct ctl_panel_event *ctl_panel_event_at(size_t index)
{
	return index < EVENTS ? &events[index] : NULL;
}

const struct ctl_panel_event *ctl_panel_event_draw(uint64_t random)
{
	unsigned sum = ctl_panel_null.weight;
	for (size_t i = 0; i < EVENTS; i++)
		sum += events[i].weight;
	unsigned at = (unsigned)(random % sum);
	for (size_t i = 0; i < EVENTS; i++) {
		if (at < events[i].weight)
			return &events[i];
		at -= events[i].weight;
	}
	return &ctl_panel_null;
}
