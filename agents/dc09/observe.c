#include "agents/dc09/observe.h"

#include <sodium.h>
#include <string.h>

unsigned dc09_observations(const struct dc09_message *m)
{
	if (m->vocabulary == DC09_OTHER || !m->content.events_count)
		return 1;
	return m->content.events_count;
}

/* A text of the observation.  What does not fit any more is left out: a message of DC09_FRAME_SIZE_MAX always fits once. */
static char *keep(struct dc09_observation *out, struct torap_bytes text, enum dc09_code_page page)
{
	if (out->used + 3 * text.size + 1 > sizeof out->arena)
		return (char *)protobuf_c_empty_string;
	char *at = out->arena + out->used;
	out->used += dc09_text_convert(at, text, page) + 1;
	return at;
}

static char *keep_ascii(struct dc09_observation *out, const char *text)
{
	return keep(out, torap_bytes(text, strlen(text)), DC09_UTF_8);
}

static void add_field(struct dc09_observation *out, const char *name, char *value, bool personal)
{
	size_t count = out->o.n_fields + out->o.n_personal;
	if (count == DC09_OBSERVATION_FIELDS_MAX || !*value)
		return;
	Torap__Field *f = &out->pool[count];
	torap__field__init(f);
	f->name = keep_ascii(out, name);
	f->value = value;
	if (personal)
		out->personal[out->o.n_personal++] = f;
	else
		out->fields[out->o.n_fields++] = f;
}

/* The device's claim: the time of the event when it tells one, else that of the message. */
static bool claim(const struct dc09_content *c, struct torap_wall *t, struct torap_bytes *text)
{
	*text = c->has_happened ? c->happened_text : c->stamp_text;
	*t = c->has_happened ? c->happened : c->stamp;
	return c->has_happened || c->has_stamp;
}

/* Before the standard had a second edition, or more than a year ahead: the clock was never set. */
static bool believable(struct torap_wall t, struct torap_wall received)
{
	const int64_t first_us = 1104537600 * (int64_t)TORAP_US_PER_S; /* 2005-01-01 */
	return t.us >= first_us && t.us <= received.us + 366 * 86400 * (int64_t)TORAP_US_PER_S;
}

static void set_time(struct dc09_observation *out, const struct dc09_content *c, struct torap_wall received)
{
	struct torap_wall t;
	struct torap_bytes text;
	bool claimed = claim(c, &t, &text);
	if (claimed && believable(t, received)) {
		out->o.device_time_us = t.us;
		out->o.dated = memcmp(text.data, "00:00:00", 8) != 0;
	} else if (text.size) {
		/* A time that cannot be believed; or no time, and then it may be anything. */
		add_field(out, "device_time", keep(out, text, DC09_CP1252), !claimed);
	}
}

static void hash_part(crypto_generichash_state *state, struct torap_bytes part)
{
	uint8_t size[4] = { (uint8_t)(part.size >> 24), (uint8_t)(part.size >> 16), (uint8_t)(part.size >> 8),
		(uint8_t)part.size };
	crypto_generichash_update(state, size, sizeof size); /* so that no two lists of parts read alike */
	crypto_generichash_update(state, part.data, part.size);
}

static void set_repeat_key(struct dc09_observation *out, const struct dc09_message *m, unsigned index)
{
	const struct dc09_content *c = &m->content;
	struct torap_wall t;
	struct torap_bytes time_text;
	claim(c, &t, &time_text);
	uint8_t head[] = { out->o.dated ? 'd' : 'u', (uint8_t)index };

	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof out->repeat_key);
	hash_part(&state, torap_bytes(head, sizeof head));
	hash_part(&state, torap_bytes(m->account, strlen(m->account)));
	hash_part(&state, m->frame.token);
	hash_part(&state, c->data);
	hash_part(&state, c->extended);
	hash_part(&state, out->o.dated ? time_text : m->frame.sequence);
	crypto_generichash_final(&state, out->repeat_key, sizeof out->repeat_key);
	out->o.repeat_key = (ProtobufCBinaryData){ sizeof out->repeat_key, out->repeat_key };
}

/* As it came; of an encrypted message its header and the deciphered content, since nobody further on has the key. */
static void set_raw(struct dc09_observation *out, const struct dc09_message *m)
{
	struct torap_bytes raw = m->frame.raw;
	if (m->clear.size) {
		size_t header = (size_t)(m->frame.rest.data - raw.data);
		memcpy(out->clear_raw, raw.data, header);
		memcpy(out->clear_raw + header, m->clear.data, m->clear.size);
		raw = torap_bytes(out->clear_raw, header + m->clear.size);
	}
	out->o.raw = (ProtobufCBinaryData){ raw.size, (uint8_t *)raw.data };
}

/* The texts of an event as one, "hall; Ivanov". */
static void set_text(struct dc09_observation *out, const struct dc09_event *e, enum dc09_code_page page)
{
	size_t begin = out->used;
	for (unsigned i = 0; i < e->texts_count; i++) {
		if (out->used + 3 * e->texts[i].size + 3 > sizeof out->arena)
			break;
		if (out->used > begin) {
			memcpy(out->arena + out->used, "; ", 2);
			out->used += 2;
		}
		out->used += dc09_text_convert(out->arena + out->used, e->texts[i], page);
	}
	if (out->used == begin)
		return;
	out->arena[out->used++] = 0;
	out->o.text = out->arena + begin;
}

static void set_event(
	struct dc09_observation *out, const struct dc09_message *m, unsigned index, enum dc09_code_page page)
{
	const struct dc09_event *e = &m->content.events[index];
	out->o.vocabulary = (char *)(m->vocabulary == DC09_CID ? "adm-cid" : "sia-dcs");
	out->o.code = keep_ascii(out, e->code);
	out->o.area = keep(out, e->area, DC09_CP1252);
	out->o.zone = keep(out, e->zone, DC09_CP1252);
	out->o.user = keep(out, e->user, DC09_CP1252);
	set_text(out, e, page);
}

static void set_fields(struct dc09_observation *out, const struct dc09_message *m, enum dc09_code_page page)
{
	const struct dc09_content *c = &m->content;
	if (m->frame.sequence.size && m->frame.sequence.size <= 8)
		add_field(out, "sequence", keep(out, m->frame.sequence, DC09_CP1252), false);
	if (m->frame.encrypted)
		add_field(out, "encrypted", keep_ascii(out, "yes"), false);
	if (c->has_account && (c->account.size != strlen(m->account) ||
				      memcmp(c->account.data, m->account, c->account.size) != 0))
		add_field(out, "account_inside", keep(out, c->account, page), true);
	if (c->events_cut)
		add_field(out, "events_cut", keep_ascii(out, "yes"), false);
	for (unsigned i = 0; i < c->fields_count; i++)
		add_field(out, c->fields[i].name, keep(out, c->fields[i].value, page), c->fields[i].personal);
}

void dc09_observe(struct dc09_observation *out, const struct dc09_message *m, unsigned index,
	enum dc09_code_page page, struct torap_wall received)
{
	torap__observation__init(&out->o);
	out->o.fields = out->fields;
	out->o.personal = out->personal;
	out->used = 0;
	out->o.protocol = (char *)"dc09";
	out->o.address = keep_ascii(out, m->account);
	out->o.received_at_us = received.us;
	set_raw(out, m);

	if (m->vocabulary == DC09_OTHER) {
		/* A token of another standard: the node has a table for it, or keeps it raw. */
		out->o.vocabulary = (char *)"dc09";
		out->o.code = keep(out, m->frame.token, DC09_CP1252);
	} else if (!m->content.events_count) {
		out->o.sort = TORAP__OBSERVATION__SORT__SORT_ALIVE;
		set_time(out, &m->content, received);
		out->o.dated = false;
		return;
	} else {
		set_event(out, m, index, page);
	}
	if (m->content.has_position) {
		torap__position__init(&out->position);
		out->position.latitude = m->content.latitude;
		out->position.longitude = m->content.longitude;
		out->position.altitude_m = m->content.altitude_m;
		out->o.position = &out->position;
	}
	set_time(out, &m->content, received);
	set_fields(out, m, page);
	set_repeat_key(out, m, index);
}
