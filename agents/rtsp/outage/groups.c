#include "agents/rtsp/outage/groups.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[RTSP_COMMONS] = {
	[RTSP_COMMON_SWITCH] = "switch",
	[RTSP_COMMON_RECORDER] = "recorder",
	[RTSP_COMMON_STREET] = "street",
	[RTSP_COMMON_SITE] = "site",
	[RTSP_COMMON_ALL] = "all",
};

const char *rtsp_common_name(enum rtsp_common common)
{
	return names[common];
}

enum rtsp_common rtsp_common_parse(const char *name)
{
	int i = 0;
	while (i < RTSP_COMMONS && strcmp(names[i], name) != 0)
		i++;
	return (enum rtsp_common)i;
}

uint64_t rtsp_audience(uint32_t region, uint16_t facility, bool private_owner, const char *address)
{
	uint8_t digest[crypto_generichash_BYTES_MIN];
	uint64_t number;
	if (!private_owner)
		return (uint64_t)region << 16 | facility;
	crypto_generichash(digest, sizeof digest, (const uint8_t *)address, strlen(address), NULL, 0);
	memcpy(&number, digest, sizeof number);
	return number | UINT64_C(1) << 63;
}

struct order {
	const struct rtsp_belongs *belongs;
	enum rtsp_common common;
};

static const char *name_of(const struct order *o, uint32_t slot)
{
	if (!o->belongs[slot].names[RTSP_COMMON_SITE])
		return ""; /* no camera */
	return o->common == RTSP_COMMON_ALL ? "all" : o->belongs[slot].names[o->common];
}

static int compare(const void *a, const void *b, void *hint)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(name_of(hint, x), name_of(hint, y));
	return order ? order : (x > y) - (x < y);
}

/* Fills `slots` with those that have a name, in the order of their names; how many. */
static uint32_t sorted(uint32_t *slots, struct order *o, uint32_t room)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < room; i++)
		if (*name_of(o, i))
			slots[count++] = i;
	qsort_r(slots, count, sizeof *slots, compare, o);
	return count;
}

struct making {
	struct rtsp_groups g;
	uint32_t members; /* used */
	size_t text;      /* used, or needed */
};

static void make_groups(struct making *m, struct order *o)
{
	uint32_t *slots = m->g.members + m->members, count = sorted(slots, o, m->g.room);
	struct rtsp_group *group = NULL;
	for (uint32_t i = 0; i < count; i++) {
		const char *name = name_of(o, slots[i]);
		if (!group || strcmp(group->name, name) != 0) {
			group = &m->g.list[m->g.count++];
			*group = (struct rtsp_group){ o->common, strcpy(m->g.text + m->text, name), slots + i,
				0 };
			m->text += strlen(name) + 1;
		}
		group->count++;
		m->g.of[slots[i]][o->common] = m->g.count - 1;
	}
	m->members += count;
}

int rtsp_groups_make(struct rtsp_groups *out, const struct rtsp_belongs *belongs, uint32_t room)
{
	struct making m = { .g.room = room };
	size_t most = 0, text = 0;
	struct order o = { belongs, 0 };
	for (o.common = 0; o.common < RTSP_COMMONS; o.common++) {
		for (uint32_t i = 0; i < room; i++) {
			size_t size = strlen(name_of(&o, i));
			most += size > 0;
			text += size + 1;
		}
	}
	m.g.list = calloc(most + 1, sizeof *m.g.list);
	m.g.members = calloc(most + 1, sizeof *m.g.members);
	m.g.of = calloc((size_t)room + 1, sizeof *m.g.of);
	m.g.text = malloc(text + 1);
	if (!m.g.list || !m.g.members || !m.g.of || !m.g.text) {
		rtsp_groups_finish(&m.g);
		return -ENOMEM;
	}
	memset(m.g.of, 0xff, ((size_t)room + 1) * sizeof *m.g.of); /* RTSP_NO_GROUP */
	for (o.common = 0; o.common < RTSP_COMMONS; o.common++)
		make_groups(&m, &o);
	*out = m.g;
	return 0;
}

void rtsp_groups_finish(struct rtsp_groups *g)
{
	free(g->list);
	free(g->members);
	free(g->of);
	free(g->text);
	*g = (struct rtsp_groups){ 0 };
}

uint32_t rtsp_groups_find(const struct rtsp_groups *g, enum rtsp_common common, const char *name)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (g->list[i].common == common && strcmp(g->list[i].name, name) == 0)
			return i;
	return RTSP_NO_GROUP;
}
