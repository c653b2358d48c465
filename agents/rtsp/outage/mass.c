#include "agents/rtsp/outage/mass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/cameras.h"
#include "base/bytes.h"

/* An observation has 64 KiB at most, an event's part 60. */
enum { LIST_SIZE_MAX = 40 << 10, OTHERS_SIZE_MAX = 12 << 10 };

static const char *const states[] = {
	[RTSP_MASS_START] = "start",
	[RTSP_MASS_CHANGE] = "change",
	[RTSP_MASS_END] = "end",
};

struct writing {
	struct rtsp_mass_note *note;
	const struct rtsp_cameras *cameras;
	bool failed;
};

static void add(struct writing *w, const char *name, char *take)
{
	w->failed |= !take || w->note->count == RTSP_MASS_FIELDS_MAX;
	if (w->failed)
		free(take);
	else
		w->note->fields[w->note->count++] = (struct rtsp_mass_field){ name, take };
}

static void add_text(struct writing *w, const char *name, const char *text)
{
	add(w, name, strdup(text));
}

static void add_count(struct writing *w, const char *name, uint32_t count)
{
	char text[16];
	snprintf(text, sizeof text, "%u", count);
	add_text(w, name, text);
}

/* Ids between blanks; how many did not fit stands in a field of its own. */
static void add_list(struct writing *w, const char *name, const char *left_out_name, const uint32_t *slots,
	uint32_t count, size_t most)
{
	struct torap_writer text = { 0 };
	uint32_t i = 0;
	if (!count)
		return;
	for (; i < count; i++) {
		const char *id = w->cameras->slots[slots[i]]->device;
		size_t size = strlen(id);
		if (text.size + size + 1 > most)
			break;
		if (i)
			torap_write_u8(&text, ' ');
		torap_write_bytes(&text, torap_bytes(id, size));
	}
	torap_write_u8(&text, 0);
	add(w, name, text.failed ? NULL : strdup((const char *)text.data));
	torap_writer_finish(&text);
	if (i < count)
		add_count(w, left_out_name, count - i);
}

static void add_start(struct writing *w, const struct rtsp_mass *m)
{
	if (m->share->outage->what.fault == RTSP_OFFLINE)
		add_text(w, "outcome", rtsp_outcome_name(m->outcome));
	if (m->flapping)
		add_text(w, "flapping", "yes");
	if (m->share->outage->before)
		add_count(w, "told_before", m->share->outage->before);
	add_list(w, "members", "members_left_out", m->slots, m->slots_count, LIST_SIZE_MAX);
}

static void add_change(struct writing *w, const struct rtsp_mass *m)
{
	add_count(w, "dark", m->share->dark);
	if (m->slots_count) {
		add_count(w, "joined_count", m->slots_count);
		add_list(w, "joined", "joined_left_out", m->slots, m->slots_count, LIST_SIZE_MAX / 2);
	}
	if (m->others_count) {
		add_count(w, "back_count", m->others_count);
		add_list(w, "back", "back_left_out", m->others, m->others_count, LIST_SIZE_MAX / 2);
	}
}

static void add_end(struct writing *w, const struct rtsp_mass *m)
{
	if (m->others_count) {
		add_count(w, "still_dark_count", m->others_count);
		add_list(w, "still_dark", "still_dark_left_out", m->others, m->others_count, OTHERS_SIZE_MAX);
	}
	add_list(w, "members", "members_left_out", m->slots, m->slots_count, LIST_SIZE_MAX);
}

static void write_fields(struct writing *w, const struct rtsp_mass *m)
{
	const struct rtsp_outage *o = m->share->outage;
	char text[TORAP_WALL_TEXT_SIZE];
	add_text(w, "common", rtsp_common_name(o->common));
	if (o->common != RTSP_COMMON_ALL)
		add_text(w, "name", o->name);
	add_text(w, "fault", rtsp_fault_name(o->what.fault));
	if (o->cause != RTSP_CAUSE_NONE)
		add_text(w, "cause", rtsp_cause_name(o->cause));
	add_text(w, "since", torap_wall_format(m->share->since, text));
	add_text(w, "began", torap_wall_format(o->began, text));
	add_count(w, "members_count", m->share->members);
	add_count(w, "total", o->members);
	add_count(w, "of", m->of);
	if (m->state == RTSP_MASS_START)
		add_start(w, m);
	else if (m->state == RTSP_MASS_CHANGE)
		add_change(w, m);
	else
		add_end(w, m);
}

/* Silence, of which most outages are, has no word. */
static const char *word_of(const struct rtsp_what *what)
{
	if (what->fault != RTSP_OFFLINE)
		return rtsp_fault_name(what->fault);
	return what->kind == RTSP_OUTCOME_PICTURE ? "" : rtsp_outcome_name(what->kind);
}

static void write_zone(struct rtsp_mass_note *note, const struct rtsp_outage *o)
{
	const bool all = o->common == RTSP_COMMON_ALL;
	const char *word = word_of(&o->what);
	snprintf(note->zone, sizeof note->zone, "%s%s%s%s%s%s", rtsp_common_name(o->common), all ? "" : " ",
		all ? "" : o->name, *word ? " " : "", word, o->what.excused ? " planned" : "");
}

struct rtsp_mass_note *rtsp_mass_note_create(const struct rtsp_mass *mass, const struct rtsp_cameras *cameras)
{
	struct rtsp_mass_note *note = calloc(1, sizeof *note);
	struct writing w = { note, cameras, false };
	if (!note)
		return NULL;
	note->share = mass->share->number;
	note->audience = mass->share->audience;
	note->state = mass->state;
	note->since = mass->share->since;
	note->planned = kit_planned_ref(mass->share->planned);
	snprintf(note->code, sizeof note->code, "mass_outage %s", states[mass->state]);
	write_zone(note, mass->share->outage);
	write_fields(&w, mass);
	if (!w.failed)
		return note;
	rtsp_mass_note_destroy(note);
	return NULL;
}

void rtsp_mass_note_destroy(struct rtsp_mass_note *note)
{
	if (!note)
		return;
	for (unsigned i = 0; i < note->count; i++)
		free(note->fields[i].value);
	kit_planned_unref(note->planned);
	free(note);
}
