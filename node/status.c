#include "node/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "node/batcher.h"
#include "node/node.h"
#include "node/uplink.h"

enum { FIRST_LANE = TORAP__LANE__LANE_CRITICAL };

static json_t *link_of(const struct node_uplink *u, uint32_t lane, struct node_now now)
{
	const struct node_carrier *c = node_uplink_carrier(u, lane);
	struct node_lag lag = node_carrier_lag(c, now);
	char since[TORAP_WALL_TEXT_SIZE];
	struct torap_wall at = { now.wall.us - (now.mono.us - c->dialler.since.us) };
	json_t *link = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f}", "peer",
		node_uplink_name(u), "role", "upstream", "kind",
		node_uplink_required(u) ? "required" : "best_effort", "lane", torap_lane_name(lane), "state",
		torap_dial_state_name(c->dialler.state), "reason", torap_dial_reason_name(c->dialler.reason),
		"since", torap_wall_format(at, since), "lag_events", (json_int_t)lag.events, "lag_bytes",
		(json_int_t)lag.bytes, "lag_seconds", lag.seconds);
	if (link && node_uplink_given_up(u))
		json_object_set_new(link, "given_up", json_true());
	if (link && *c->refusal)
		json_object_set_new(link, "peer_says", json_string(c->refusal));
	return link;
}

static json_t *links_of(const struct node *n, struct node_now now)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n->uplinks_count; i++)
		for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
			json_array_append_new(list, link_of(n->uplinks[i], lane, now));
	return list;
}

static json_t *streams_of(const struct node *n)
{
	json_t *list = json_array();
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		size_t count;
		const struct node_stream *streams = node_batcher_streams(n->batcher, lane, &count);
		for (size_t i = 0; i < count; i++) {
			char text[TORAP_STREAM_TEXT_SIZE];
			uint64_t next = i + 1 == count ? node_batcher_next_seq(n->batcher, lane)
						       : streams[i].sealed.next_seq;
			json_array_append_new(
				list, json_pack("{s:s, s:I, s:I}", "stream",
					      torap_stream_id_format(&streams[i].id, text), "last_batch",
					      (json_int_t)streams[i].sealed.batch_no, "next_seq",
					      (json_int_t)next));
		}
	}
	return list;
}

void node_status_write(void *node, struct torap_writer *body)
{
	const struct node *n = node;
	struct node_now now = node_now(n);
	json_t *root = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "process", "torap-node", "name",
		n->config->name, "version", TORAP_VERSION, "clock", torap_clock_json(&n->clock), "links",
		links_of(n, now), "streams", streams_of(n));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text) {
		torap_write_bytes(body, torap_bytes(text, strlen(text)));
		torap_write_bytes(body, torap_bytes("\n", 1));
	} else {
		body->failed = true; /* Out of memory: no answer instead of half of one. */
	}
	free(text);
	json_decref(root);
}
