#include "broker/door.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/broker.h"
#include "conf/keys.h"
#include "conf/yaml.h"
#include "link/message.h"
#include "loop/app.h"
#include "wire/envelope.h"
#include "zmtp/listener.h"

static void add_wish(struct broker_doors_wish *w, const char *endpoint, const struct torap_keys *keys)
{
	w->list[w->count].endpoint = endpoint;
	memcpy(w->list[w->count].secret, keys->curve_secret, TORAP_CURVE_KEY_SIZE);
	memcpy(w->list[w->count].key, keys->curve_public, TORAP_CURVE_KEY_SIZE);
	w->count++;
}

int broker_doors_wish(struct broker_doors_wish *out, const struct broker_config *config,
	const struct torap_keys *keys, struct torap_error *err)
{
	int r = 0;
	*out = (struct broker_doors_wish){ 0 };
	add_wish(out, config->listen, keys);
	for (size_t i = 0; i < config->doors_count && r == 0; i++) {
		struct torap_keys its;
		r = torap_keys_load(&its, config->doors[i].keys, err);
		if (r == 0)
			add_wish(out, config->doors[i].endpoint, &its);
		torap_keys_wipe(&its);
	}
	if (r)
		broker_doors_wish_wipe(out);
	return r;
}

void broker_doors_wish_wipe(struct broker_doors_wish *w)
{
	sodium_memzero(w, sizeof *w);
}

bool broker_door_wished(const struct broker_door *d, const struct broker_doors_wish *wish)
{
	for (size_t i = 0; i < wish->count; i++)
		if (strcmp(d->endpoint, wish->list[i].endpoint) == 0 &&
			memcmp(d->key, wish->list[i].key, sizeof d->key) == 0)
			return true;
	return false;
}

static void free_door(struct broker_door *d)
{
	free(d->endpoint);
	free(d);
}

static int open_door(struct broker_door **list, struct broker *b, const struct broker_doors_wish *wish,
	size_t at, const struct torap_zmtp_options *calls, struct torap_error *err)
{
	struct broker_door *d = calloc(1, sizeof *d);
	char *endpoint = strdup(wish->list[at].endpoint);
	if (!d || !endpoint) {
		free(d);
		free(endpoint);
		return torap_errorf(err, -ENOMEM, "listener: out of memory");
	}
	struct torap_zmtp_options options = *calls;
	options.turn = b->turns;
	options.secret_key = wish->list[at].secret;
	options.public_key = wish->list[at].key;
	options.counts = &b->zmtp;
	options.hint = d;
	d->broker = b;
	d->endpoint = endpoint;
	d->fresh = true;
	memcpy(d->key, wish->list[at].key, sizeof d->key);
	int r = torap_zmtp_listen(&d->listener, endpoint, &options, err);
	if (r) {
		free_door(d);
		return r;
	}
	d->next = *list;
	*list = d;
	return 0;
}

/* The address is not of this machine, somebody has the port…: with the line that names it.  The first wish is `listen`. */
static int cannot_open(const struct broker *b, size_t at, int r, struct torap_error *err)
{
	char where[48] = "listen";
	struct torap_error why = *err;
	if (at > 0)
		snprintf(where, sizeof where, "also_listen[%zu].endpoint", at - 1);
	torap_yaml_refuse(err, b->config->path, where, "%s", why.text);
	return r;
}

/* A key that changed under those who are connected would lock them all out. */
static int judge_endpoint(const struct broker_door *d, struct torap_error *err)
{
	if (d->leaving)
		return torap_errorf(
			err, -EBUSY, "%s: is being closed just now; reload again in a moment", d->endpoint);
	return torap_errorf(err, -EPERM,
		"%s: another CURVE key, under those who are connected there; open it at a further endpoint "
		"first (also_listen), or restart",
		d->endpoint);
}

int broker_doors_prepare(struct broker_door **list, struct broker *b, const struct broker_doors_wish *wish,
	const struct torap_zmtp_options *calls, struct torap_error *err)
{
	int r = 0;
	for (size_t i = 0; i < wish->count && r == 0; i++) {
		const struct broker_door *d = *list;
		while (d && strcmp(d->endpoint, wish->list[i].endpoint) != 0)
			d = d->next;
		if (!d) {
			r = open_door(list, b, wish, i, calls, err);
			if (r)
				r = cannot_open(b, i, r, err);
		} else if (d->leaving || memcmp(d->key, wish->list[i].key, sizeof d->key) != 0) {
			r = judge_endpoint(d, err);
		}
	}
	if (r)
		broker_doors_undo(list);
	return r;
}

void broker_doors_undo(struct broker_door **list)
{
	while (*list) {
		struct broker_door *d = *list;
		if (!d->fresh) {
			list = &d->next;
			continue;
		}
		*list = d->next;
		broker_door_close(d, NULL, NULL);
	}
}

static void on_listener_closed(void *hint)
{
	struct broker_door *d = hint;
	void (*on_closed)(void *) = d->on_closed;
	void *closed_hint = d->closed_hint;
	free_door(d);
	if (on_closed)
		on_closed(closed_hint);
}

void broker_door_close(struct broker_door *d, void (*on_closed)(void *hint), void *hint)
{
	d->on_closed = on_closed;
	d->closed_hint = hint;
	torap_zmtp_close(d->listener, on_listener_closed, d);
}

bool broker_door_refuse(struct torap_zmtp_peer *peer, int code, const char *reason,
	const struct torap_stream_position *resume)
{
	struct torap_refusal refusal = { .code = code, .has_resume = resume != NULL };
	snprintf(refusal.reason, sizeof refusal.reason, "%s", reason ? reason : "");
	if (resume)
		refusal.resume = *resume;
	struct torap_buffer *frames[2] = {
		torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL),
		torap_refusal_encode(&refusal),
	};
	bool told = frames[0] && frames[1] && torap_zmtp_send(peer, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
	return told;
}
