#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/envelope.h"

static void enqueue(struct sim_line *line, enum sim_way way, struct torap_buffer *const *frames, size_t count,
	struct torap_mono at)
{
	assert(count <= SIM_FRAMES_MAX);
	struct sim_message *m = calloc(1, sizeof *m);
	assert(m);
	m->at = at;
	m->way = way;
	m->count = count;
	for (size_t i = 0; i < count; i++)
		m->frames[i] = frames[i] ? torap_buffer_ref(frames[i]) : torap_buffer_create(0);
	struct sim_message **place = &line->under_way;
	while (*place && (*place)->at.us <= at.us)
		place = &(*place)->next;
	m->next = *place;
	*place = m;
}

void sim_send(struct sim_world *w, struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count)
{
	w->messages++;
	if (line->cut || sim_chance(w, 15)) {
		w->lost++;
		return;
	}
	int64_t delay_us = 200 + (int64_t)sim_random(w, 20000);
	struct torap_mono at = { w->now.us + delay_us };
	if (sim_chance(w, 20)) {
		at.us += (int64_t)sim_random(w, 500000); /* Those sent later overtake it. */
		w->reordered++;
	} else {
		if (at.us < line->last_at[way].us)
			at = line->last_at[way];
		line->last_at[way] = at;
	}
	enqueue(line, way, frames, count, at);
	if (sim_chance(w, 15)) {
		w->doubled++;
		enqueue(line, way, frames, count,
			(struct torap_mono){ at.us + (int64_t)sim_random(w, 300000) });
	}
}

void sim_say(struct sim_world *w, struct sim_line *line, enum sim_way way, uint32_t type,
	struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	sim_send(w, line, way, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(body);
}

void sim_line_reset(struct sim_line *line)
{
	while (line->under_way) {
		struct sim_message *m = line->under_way;
		line->under_way = m->next;
		sim_message_destroy(m);
	}
	line->connection++;
	line->cut = false;
}

struct sim_message *sim_receive(struct sim_world *w, struct sim_line *line, enum sim_way way)
{
	for (struct sim_message **at = &line->under_way; *at && (*at)->at.us <= w->now.us; at = &(*at)->next)
		if ((*at)->way == way) {
			struct sim_message *m = *at;
			*at = m->next;
			return m;
		}
	return NULL;
}

void sim_message_destroy(struct sim_message *m)
{
	for (size_t i = 0; i < m->count; i++)
		torap_buffer_unref(m->frames[i]);
	free(m);
}
