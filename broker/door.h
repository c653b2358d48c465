/* door.h: an endpoint that the broker listens at, and the CURVE key that it shows there.
 *
 * One is enough, and there are two while the broker exchanges its key: the old one stays open for those who do not know the new key yet.
 * A door that is not wanted any more ends its sessions, takes nothing, and is closed when they have heard so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"

struct broker;
struct broker_config;
struct torap_buffer;
struct torap_error;
struct torap_keys;
struct torap_stream_position;
struct torap_zmtp_listener;
struct torap_zmtp_options;
struct torap_zmtp_peer;

enum { BROKER_DOORS_MAX = 4 };

/* What is to be open.  Holds secrets: wipe it. */
struct broker_doors_wish {
	struct {
		const char *endpoint; /* the configuration's */
		uint8_t secret[TORAP_CURVE_KEY_SIZE], key[TORAP_CURVE_KEY_SIZE];
	} list[BROKER_DOORS_MAX];
	size_t count;
};
/* Reads the key files of further doors; `keys` is the broker's own, of the first one. */
int broker_doors_wish(struct broker_doors_wish *out, const struct broker_config *config,
	const struct torap_keys *keys, struct torap_error *err);
void broker_doors_wish_wipe(struct broker_doors_wish *w);

struct broker_door {
	struct broker_door *next;
	struct broker *broker;
	char *endpoint;
	uint8_t key[TORAP_CURVE_KEY_SIZE]; /* public */
	struct torap_zmtp_listener *listener;
	bool fresh;   /* opened by a reload that is not in force yet */
	bool leaving; /* closed at… */
	struct torap_mono close_at;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

/* Puts those that are wished and not there into the list, as fresh ones.  `calls` are what a door does with its peers; their hint is the
 * door.  On failure the list is as it was. */
int broker_doors_prepare(struct broker_door **list, struct broker *b, const struct broker_doors_wish *wish,
	const struct torap_zmtp_options *calls, struct torap_error *err);
/* Closes the fresh ones. */
void broker_doors_undo(struct broker_door **list);
/* Is it one of them? */
bool broker_door_wished(const struct broker_door *d, const struct broker_doors_wish *wish);
/* Stops watching at once; frees itself on the loop, then on_closed (or NULL) runs.  It is in no list any more. */
void broker_door_close(struct broker_door *d, void (*on_closed)(void *hint), void *hint);

/* `resume` goes with RESUME, else NULL.  False: the peer does not take it; it is best cut. */
bool broker_door_refuse(struct torap_zmtp_peer *peer, int code, const char *reason,
	const struct torap_stream_position *resume);
