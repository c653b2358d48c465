#include "broker/links.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { LINKS_MAX = 3 * 4096 }; /* every lane of every writer */

/* A link that is lost, or has been back for a short while. */
struct link {
	struct link *next;
	char writer[TORAP_WRITER_ID_MAX + 1];
	uint32_t lane;
	const char *reason;
	struct torap_mono since; /* here, or away: since when */
	bool here;
	bool lost;  /* in the words that were told: a link that flaps is here and lost */
	bool flaps; /* its return waits until it has stayed */
};

struct broker_links {
	struct link *first;
	size_t count;
};

struct broker_links *broker_links_create(void)
{
	return calloc(1, sizeof(struct broker_links));
}

static void drop(struct broker_links *l, struct link **at)
{
	struct link *k = *at;
	*at = k->next;
	free(k);
	l->count--;
}

struct broker_links *broker_links_destroy(struct broker_links *l)
{
	while (l && l->first)
		drop(l, &l->first);
	free(l);
	return NULL;
}

static struct link *find(const struct broker_links *l, const char *writer, uint32_t lane)
{
	struct link *k = l->first;
	while (k && (k->lane != lane || strcmp(k->writer, writer) != 0))
		k = k->next;
	return k;
}

bool broker_links_gone(
	struct broker_links *l, const char *writer, uint32_t lane, const char *reason, struct torap_mono now)
{
	struct link *k = find(l, writer, lane);
	if (k && !k->here)
		return false;
	bool told = k && k->lost && strcmp(k->reason, reason) == 0;
	if (k) {
		k->flaps = true;
	} else if (l->count < LINKS_MAX && (k = calloc(1, sizeof *k))) {
		snprintf(k->writer, sizeof k->writer, "%s", writer);
		k->lane = lane;
		k->next = l->first;
		l->first = k;
		l->count++;
	}
	if (k) { /* Else its return will go without a word. */
		k->here = false;
		k->since = now;
		k->lost = true;
		k->reason = reason;
	}
	return !told;
}

bool broker_links_here(struct broker_links *l, const char *writer, uint32_t lane, struct torap_mono now)
{
	struct link *k = find(l, writer, lane);
	if (!k || k->here)
		return false;
	k->here = true;
	k->since = now;
	if (k->flaps)
		return false;
	k->lost = false;
	return true;
}

const char *broker_links_lost(
	const struct broker_links *l, const char *writer, uint32_t lane, struct torap_mono *out_since)
{
	const struct link *k = find(l, writer, lane);
	if (!k || k->here)
		return NULL;
	*out_since = k->since;
	return k->reason;
}

void broker_links_settle(struct broker_links *l, struct torap_mono now,
	void (*back)(void *hint, const char *writer, uint32_t lane), void *hint)
{
	for (struct link **at = &l->first; *at;) {
		struct link *k = *at;
		if (!k->here ||
			!torap_mono_reached(torap_mono_add_ms(k->since, BROKER_LINK_SETTLED_MS), now)) {
			at = &k->next;
			continue;
		}
		if (k->lost)
			back(hint, k->writer, k->lane);
		drop(l, at);
	}
}
