#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/envelope.h"

enum { SLOW_US_A_BYTE = 8 };

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

static size_t bytes_of(struct torap_buffer *const *frames, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += frames[i] ? frames[i]->size : 0;
	return bytes;
}

void sim_send(struct sim_world *w, struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count)
{
	w->messages++;
	sim_check_sent(w, line, way, frames, count);
	if (line->ordered && sim_fault(w, SIM_HALF_OPEN))
		line->cut = true;
	if (line->cut || (!line->ordered && sim_fault(w, SIM_LOST)))
		return;
	int64_t delay_us = 200 + (int64_t)sim_random(w, 20000);
	struct torap_mono at = { w->now.us + delay_us };
	if (line->slow && !w->calm) {
		/* What is sent stands behind what was sent before, and takes its own time. */
		int64_t begin_us = line->last_at[way].us > w->now.us ? line->last_at[way].us : w->now.us;
		at.us = begin_us + (int64_t)bytes_of(frames, count) * SLOW_US_A_BYTE;
	}
	if (!line->ordered && sim_fault(w, SIM_LATE)) {
		at.us += (int64_t)sim_random(w, 500000); /* Those sent later overtake it. */
	} else {
		if (at.us < line->last_at[way].us)
			at = line->last_at[way];
		line->last_at[way] = at;
	}
	enqueue(line, way, frames, count, at);
	if (!line->ordered && sim_fault(w, SIM_DOUBLED))
		enqueue(line, way, frames, count,
			(struct torap_mono){ at.us + (int64_t)sim_random(w, 300000) });
}

void sim_say(struct sim_world *w, struct sim_line *line, enum sim_way way, uint32_t type,
	struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	sim_send(w, line, way, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(body);
}

void sim_line_open(struct sim_world *w, struct sim_line *line)
{
	struct sim_line **end = &w->lines;
	while (*end)
		end = &(*end)->next;
	*end = line;
	sim_line_reset(w, line);
}

void sim_line_close(struct sim_world *w, struct sim_line *line)
{
	struct sim_line **at = &w->lines;
	while (*at && *at != line)
		at = &(*at)->next;
	if (*at)
		*at = line->next;
	sim_line_reset(w, line);
}

static void lose_all(struct sim_line *line)
{
	while (line->under_way) {
		struct sim_message *m = line->under_way;
		line->under_way = m->next;
		sim_message_destroy(m);
	}
}

void sim_line_reset(struct sim_world *w, struct sim_line *line)
{
	lose_all(line);
	line->connection = ++w->connections;
	line->cut = line->slow = false;
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

void sim_line_suffers(struct sim_world *w, struct sim_line *line)
{
	if (sim_fault(w, SIM_CUT))
		sim_line_reset(w, line); /* The dialler's library connects again by itself. */
	line->cut |= sim_fault(w, SIM_HALF_OPEN);
	line->slow |= sim_fault(w, SIM_SLOW);
}
