/* What is sent is looked at when it is sent: no frame beyond a grant, no acknowledgement before its flush. */
#include "sim/sim.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "link/message.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"

static bool is_granted(
	const struct sim_world *w, size_t broker, size_t f, const struct torap_group *group, unsigned part)
{
	const struct sim_feed *feed = &w->feeds[f];
	size_t policy = sim_broker_policy(w->brokers[broker]);
	bool parts[4];
	if (!torap_grant_parts(&feed->row, 1, &group->class, parts) || !parts[group->parts[part].part])
		return false;
	if (strcmp(feed->name, "almaty") != 0 || policy == SIM_POLICY_GRANTS)
		return true;
	return policy == SIM_POLICY_DENIES && group->parts[part].part != TORAP__PART_KIND__PART_PERSONAL;
}

static size_t find_stream(const struct sim_world *w, const struct torap_stream_id *id)
{
	size_t s = 0;
	while (s < SIM_STREAMS && !torap_stream_id_equal(sim_stream(w, s), id))
		s++;
	return s;
}

static void check_frames_sent(struct sim_world *w, size_t broker, size_t feed, const struct torap_manifest *m,
	struct torap_buffer *const *frames)
{
	for (unsigned g = 0; g < m->groups_count; g++)
		for (unsigned p = 0; p < m->groups[g].parts_count; p++) {
			const struct torap_buffer *frame = frames[m->groups[g].first_frame + p];
			if (frame && frame->size && !is_granted(w, broker, feed, &m->groups[g], p))
				sim_fail(w, "broker %zu sends %s a frame beyond the policy in force", broker,
					w->feeds[feed].name);
		}
}

static void check_batch(struct sim_world *w, const struct sim_line *line,
	const struct torap_envelope *envelope, struct torap_buffer *const *frames)
{
	size_t s = find_stream(w, &envelope->stream);
	const struct sim_disk *sealed = s < SIM_STREAMS ? sim_sealed(w, s) : NULL;
	struct torap_manifest *m = NULL;
	struct torap_error err;
	if (sealed && envelope->batch_no <= sealed->count)
		check_frames_sent(w, line->broker, line->feed,
			sealed->batches[envelope->batch_no - 1]->manifest, frames + TORAP_BATCH_MESSAGE_HEAD);
	else if (torap_manifest_decode(&m, torap_buffer_bytes(frames[1]), &err) == 0)
		check_frames_sent(w, line->broker, line->feed, m, frames + TORAP_BATCH_MESSAGE_HEAD);
	torap_manifest_destroy(m);
}

/* Batches of the stream that whoever acknowledges has on its disk.  What the nation's broker passed over it has not, and may say so. */
static uint64_t flushed_by(
	struct sim_world *w, const struct sim_line *line, enum sim_way way, size_t s, bool *passed_over)
{
	if (way == SIM_TO_DIALLER)
		return sim_broker_count(w, w->brokers[line->broker], s);
	if (line->feed < SIM_SUBSCRIBERS)
		return sim_subscriber_disk(w->feeds[line->feed].subscriber, s)->flushed;
	*passed_over = sim_broker_passes_over(w, w->brokers[SIM_NATION], line->broker, s);
	return sim_broker_count(w, w->brokers[SIM_NATION], s);
}

static void check_ack(
	struct sim_world *w, const struct sim_line *line, enum sim_way way, struct torap_bytes body)
{
	struct torap_stream_position *p;
	size_t count;
	struct torap_error err;
	if (torap_ack_decode(&p, &count, body, &err)) {
		sim_fail(w, "an acknowledgement that cannot be read");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		size_t s = find_stream(w, &p[i].stream);
		bool passed_over = false;
		uint64_t before = p[i].at.next_batch ? p[i].at.next_batch - 1 : 0;
		if (s == SIM_STREAMS || before <= flushed_by(w, line, way, s, &passed_over) || passed_over)
			continue;
		sim_fail(w, "batch %" PRIu64 " of %s lane %zu is acknowledged %s %s before its flush", before,
			p[i].stream.writer, s % SIM_LANES, way == SIM_TO_DIALLER ? "to" : "by",
			line->feed == SIM_NO_FEED ? "a writer" : w->feeds[line->feed].name);
	}
	torap_positions_destroy(p, count);
}

void sim_check_sent(struct sim_world *w, const struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count)
{
	struct torap_envelope envelope;
	struct torap_error err;
	if (count < 2 || torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err))
		return;
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK)
		check_ack(w, line, way, torap_buffer_bytes(frames[1]));
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH && way == SIM_TO_DIALLER)
		check_batch(w, line, &envelope, frames);
}
