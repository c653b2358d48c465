/* Each group holds a growing buffer per part, which begins with room for the salt.  Sealing copies each buffer once, into the frame
 * that everybody shares, or the little that compression has left of it, and hashes that once; the buffers stay for the next batch.
 * Adding an event allocates nothing once they have grown. */
#include "wire/seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/compress.h"
#include "wire/digest.h"
#include "wire/signature.h"

enum {
	PARTS = 3,
	TABLE_SIZE = 2 * TORAP_BATCH_GROUPS_MAX, /* a power of two, so never more than half full */
	LENGTH_SIZE_MAX = 4,                     /* varint of a message's length, up to 8 MiB */
	OFFSET_TAG = 1 << 3,                     /* of event.proto: field 1, a varint */

	/* Upper bounds of what stands in a signed manifest: once, for each group, for each part. */
	MANIFEST_BASE_SIZE = 254,
	MANIFEST_GROUP_SIZE = 44,
	MANIFEST_PART_SIZE = 9,

	/* Kept of TORAP_HEAD_AHEAD_S for heads of a clock that stands, or of a long silence: a microsecond each, for whoever
	 * reads them takes one that is not later for an old one. */
	HEAD_STEPS_US = TORAP_US_PER_S,

	/* Below, compression costs more than it saves; and what it does not shorten by an eighth is not worth opening. */
	COMPRESS_SIZE_MIN = 1 << 10,
	COMPRESS_GAIN_SHARE = 8,

	/* Grown buffers are kept up to here, so that one large batch does not cost memory for ever. */
	KEPT_SIZE_MAX = 4 << 20,
};

/* So a batch within the limits never has a manifest beyond them. */
_Static_assert(
	MANIFEST_BASE_SIZE + TORAP_BATCH_GROUPS_MAX * (MANIFEST_GROUP_SIZE + PARTS * MANIFEST_PART_SIZE) <=
		TORAP_MANIFEST_SIZE_MAX,
	"a full batch's manifest must fit");
_Static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0, "the table's size must be a power of two");

struct group {
	struct torap_class class;
	bool has_subject;
	uint8_t subject[TORAP_SUBJECT_SIZE]; /* zero when there is none */
	uint32_t count;
	struct torap_writer parts[PARTS]; /* open, personal, image; size 0: the part does not exist */
};

/* Where a manifest is put together; too large for the stack of a small thread. */
struct scratch {
	Torap__Group groups[TORAP_BATCH_GROUPS_MAX];
	Torap__Group *group_list[TORAP_BATCH_GROUPS_MAX];
	Torap__Class classes[TORAP_BATCH_GROUPS_MAX];
	Torap__Part parts[TORAP_BATCH_FRAMES_MAX];
	Torap__Part *part_list[TORAP_BATCH_FRAMES_MAX];
	uint8_t digests[TORAP_BATCH_FRAMES_MAX][TORAP_DIGEST_SIZE];
	uint8_t digest[TORAP_DIGEST_SIZE]; /* of these */
	struct torap_buffer *frames[TORAP_BATCH_FRAMES_MAX];
	unsigned frames_count;
	bool compressed;
	struct torap_bytes open[TORAP_BATCH_GROUPS_MAX]; /* when compressed: in the sealer's `compact` */
	uint8_t manifest[TORAP_MANIFEST_SIZE_MAX];
};

struct torap_sealer {
	struct torap_stream_id stream;
	const struct torap_sign_key *key;
	uint64_t last_batch, first_seq;
	uint8_t last_digest[TORAP_DIGEST_SIZE];
	size_t size_max;                     /* 0: none */
	struct torap_compressor *compressor; /* NULL: this lane's frames go as they are */
	struct torap_writer compact;         /* all compressed frames of a batch, for a moment */
	struct torap_wall sealed_at;         /* of the last batch */
	struct torap_wall latest;            /* what was dated last, be it a head */
	uint32_t canary_s;                   /* for heads */

	/* The open batch. */
	uint32_t count;
	unsigned groups_count, parts_count;
	size_t frames_size;
	struct group groups[TORAP_BATCH_GROUPS_MAX];
	uint16_t table[TABLE_SIZE]; /* index of a group, plus one; 0: free */
	struct scratch scratch;
};

/* The field `offset` of an event's messages, as it stands before their bytes. */
struct offset {
	uint8_t bytes[1 + LENGTH_SIZE_MAX];
	size_t size; /* 0: the offset is 0, which protobuf leaves out */
};

/* The key's time wins: a batch that nobody may believe would be the stream's last. */
static struct torap_wall date(struct torap_sealer *s, struct torap_wall at)
{
	if (at.us < s->latest.us)
		at = s->latest;
	if (at.us < s->key->from.us)
		at = s->key->from;
	if (at.us >= s->key->until.us)
		at.us = s->key->until.us - 1;
	s->latest = at;
	return at;
}

int torap_sealer_create(struct torap_sealer **out, const struct torap_stream_id *stream, uint64_t last_batch,
	uint64_t next_seq, const uint8_t last_digest[static TORAP_DIGEST_SIZE],
	const struct torap_sign_key *key, struct torap_error *err)
{
	assert(last_batch == 0 ? next_seq == 1 : next_seq > last_batch);
	if (sodium_init() < 0)
		return torap_errorf(err, -EIO, "libsodium cannot be started: no source of random numbers");
	struct torap_sealer *s = calloc(1, sizeof *s);
	if (!s)
		return torap_errorf(err, -ENOMEM, "sealer: out of memory");
	/* An alarm goes alone, or with few: nothing to gain, and it waits for nothing. */
	if (stream->lane != TORAP__LANE__LANE_CRITICAL && !(s->compressor = torap_compressor_create())) {
		free(s);
		return torap_errorf(err, -ENOMEM, "sealer: out of memory");
	}
	s->stream = *stream;
	s->key = key;
	s->latest.us = INT64_MIN;
	s->last_batch = last_batch;
	s->first_seq = next_seq;
	memcpy(s->last_digest, last_digest, TORAP_DIGEST_SIZE);
	*out = s;
	return 0;
}

struct torap_sealer *torap_sealer_destroy(struct torap_sealer *s)
{
	if (s) {
		for (unsigned i = 0; i < TORAP_BATCH_GROUPS_MAX; i++)
			for (unsigned j = 0; j < PARTS; j++)
				torap_writer_finish(&s->groups[i].parts[j]);
		torap_writer_finish(&s->compact);
		torap_compressor_destroy(s->compressor);
		free(s);
	}
	return NULL;
}

void torap_sealer_limit(struct torap_sealer *s, size_t size_max)
{
	s->size_max = size_max;
}

unsigned torap_sealer_count(const struct torap_sealer *s)
{
	return s->count;
}

static size_t batch_size_max(size_t frames_size, unsigned groups_count, unsigned parts_count)
{
	return frames_size + MANIFEST_BASE_SIZE + groups_count * MANIFEST_GROUP_SIZE +
	       parts_count * (MANIFEST_PART_SIZE + TORAP_DIGEST_SIZE);
}

size_t torap_sealer_size(const struct torap_sealer *s)
{
	return s->count ? batch_size_max(s->frames_size, s->groups_count, s->parts_count) : 0;
}

uint64_t torap_sealer_next_seq(const struct torap_sealer *s)
{
	return s->first_seq + s->count;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static unsigned hash(const struct torap_packed_event *e)
{
	uint64_t h = mix(e->class.region,
		(uint64_t)e->class.facility << 32 | (uint32_t)e->class.kind << 8 | e->class.severity);
	if (e->has_subject) {
		uint64_t halves[2];
		memcpy(halves, e->subject, sizeof halves);
		h = mix(mix(h, halves[0]), halves[1] + 1);
	}
	return h & (TABLE_SIZE - 1);
}

static bool belongs(const struct group *g, const struct torap_packed_event *e)
{
	return torap_class_equal(&g->class, &e->class) && g->has_subject == e->has_subject &&
	       (!g->has_subject || memcmp(g->subject, e->subject, TORAP_SUBJECT_SIZE) == 0);
}

/* The group of the event's class, or NULL; *slot is where it stands in the table, or would. */
static struct group *find(struct torap_sealer *s, const struct torap_packed_event *e, unsigned *slot)
{
	unsigned i = hash(e);
	while (s->table[i] != 0 && !belongs(&s->groups[s->table[i] - 1], e))
		i = (i + 1) & (TABLE_SIZE - 1);
	*slot = i;
	return s->table[i] != 0 ? &s->groups[s->table[i] - 1] : NULL;
}

static size_t part_size_max(unsigned part)
{
	return part == 2 ? TORAP_IMAGE_FRAME_SIZE_MAX : TORAP_FRAME_SIZE_MAX;
}

static struct offset offset_of(uint32_t value)
{
	struct offset o = { .bytes = { OFFSET_TAG } };
	if (!value)
		return o;
	for (o.size = 1; value >= 0x80; value >>= 7)
		o.bytes[o.size++] = (uint8_t)value | 0x80;
	o.bytes[o.size++] = (uint8_t)value;
	return o;
}

static size_t message_size_max(unsigned part)
{
	return part == 2 ? TORAP_IMAGE_FRAME_SIZE_MAX - TORAP_SALT_SIZE - LENGTH_SIZE_MAX
			 : TORAP_EVENT_PART_SIZE_MAX;
}

static bool too_big(const struct torap_packed_event *e, const struct offset *offset)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (e->parts[i].data && offset->size + e->parts[i].size > message_size_max(i))
			return true;
	return false;
}

static size_t varint_size(size_t value)
{
	size_t size = 1;
	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}

/* What a message adds to a frame of `size` bytes so far. */
static size_t growth(size_t size, size_t length)
{
	return (size == 0 ? TORAP_SALT_SIZE : 0) + varint_size(length) + length;
}

/* Does the event fit beside what is there?  g may be NULL: a group of its own. */
static bool fits(const struct torap_sealer *s, const struct group *g, const struct torap_packed_event *e,
	const struct offset *offset)
{
	size_t frames_size = s->frames_size;
	unsigned parts_count = s->parts_count;
	for (unsigned i = 0; i < PARTS; i++) {
		if (!e->parts[i].data)
			continue;
		size_t size = g ? g->parts[i].size : 0;
		size_t more = growth(size, offset->size + e->parts[i].size);
		if (size + more > part_size_max(i))
			return false;
		frames_size += more;
		parts_count += size == 0;
	}
	if (s->size_max && s->count &&
		batch_size_max(frames_size, s->groups_count + !g, parts_count) > s->size_max)
		return false;
	return frames_size <= TORAP_BATCH_SIZE_MAX;
}

/* Puts the messages behind those of the group.  -ENOMEM: nothing has changed. */
static int append(struct torap_sealer *s, struct group *g, const struct torap_packed_event *e,
	const struct offset *offset)
{
	size_t before[PARTS];
	for (unsigned i = 0; i < PARTS; i++)
		before[i] = g->parts[i].size;
	for (unsigned i = 0; i < PARTS; i++) {
		struct torap_writer *w = &g->parts[i];
		if (!e->parts[i].data)
			continue;
		if (before[i] == 0)
			torap_write_room(w, TORAP_SALT_SIZE);
		size_t length = offset->size + e->parts[i].size;
		uint8_t *at = torap_write_room(w, varint_size(length) + length);
		if (!at)
			goto undo;
		for (; length >= 0x80; length >>= 7)
			*at++ = (uint8_t)length | 0x80;
		*at++ = (uint8_t)length;
		memcpy(at, offset->bytes, offset->size);
		memcpy(at + offset->size, e->parts[i].data, e->parts[i].size);
	}
	for (unsigned i = 0; i < PARTS; i++) {
		s->frames_size += g->parts[i].size - before[i];
		s->parts_count += before[i] == 0 && g->parts[i].size;
	}
	return 0;
undo:
	for (unsigned i = 0; i < PARTS; i++) {
		g->parts[i].size = before[i];
		g->parts[i].failed = false;
	}
	return -ENOMEM;
}

static struct group *begin_group(struct torap_sealer *s, const struct torap_packed_event *e)
{
	struct group *g = &s->groups[s->groups_count];
	g->class = e->class;
	g->has_subject = e->has_subject;
	memset(g->subject, 0, sizeof g->subject);
	if (e->has_subject)
		memcpy(g->subject, e->subject, sizeof g->subject);
	g->count = 0;
	return g;
}

int torap_sealer_add_packed(struct torap_sealer *s, const struct torap_packed_event *event, uint64_t *out_seq)
{
	unsigned slot;
	if (torap_class_lane(&event->class) != s->stream.lane || event->class.region > TORAP_REGION_MAX)
		return -EINVAL;
	struct offset offset = offset_of(s->count);
	if (too_big(event, &offset))
		return TORAP_SEAL_TOO_BIG;
	struct group *g = find(s, event, &slot);
	bool first = !g;
	if (s->count == TORAP_BATCH_EVENTS_MAX || (first && s->groups_count == TORAP_BATCH_GROUPS_MAX) ||
		!fits(s, g, event, &offset))
		return TORAP_SEAL_FULL;
	if (first)
		g = begin_group(s, event);
	int r = append(s, g, event, &offset);
	if (r)
		return r;
	if (first)
		s->table[slot] = (uint16_t)++s->groups_count;
	g->count++;
	*out_seq = s->first_seq + s->count++;
	return 0;
}

int torap_sealer_add(struct torap_sealer *s, const struct torap_event *event, uint64_t *out_seq)
{
	const ProtobufCMessage *messages[PARTS] = { NULL };
	struct torap_writer packed = { 0 };
	struct torap_packed_event e = { .class = event->class, .has_subject = event->has_subject };
	size_t sizes[PARTS], all = 0;
	memcpy(e.subject, event->subject, sizeof e.subject);
	event->open->offset = 0;
	messages[0] = &event->open->base;
	if (event->personal) {
		event->personal->offset = 0;
		messages[1] = &event->personal->base;
	}
	if (event->image) {
		event->image->offset = 0;
		messages[2] = &event->image->base;
	}
	for (unsigned i = 0; i < PARTS; i++) {
		sizes[i] = messages[i] ? protobuf_c_message_get_packed_size(messages[i]) : 0;
		all += sizes[i];
	}
	uint8_t *at = torap_write_room(&packed, all + 1); /* also of nothing */
	if (!at)
		return -ENOMEM;
	for (unsigned i = 0; i < PARTS; i++) {
		if (!messages[i])
			continue;
		protobuf_c_message_pack(messages[i], at);
		e.parts[i] = torap_bytes(at, sizes[i]);
		at += sizes[i];
	}
	int r = torap_sealer_add_packed(s, &e, out_seq);
	torap_writer_finish(&packed);
	return r;
}

static void drop_frames(struct scratch *x)
{
	for (unsigned i = 0; i < x->frames_count; i++)
		torap_buffer_unref(x->frames[i]);
	x->frames_count = 0;
}

static struct torap_bytes content_of(const struct torap_writer *part)
{
	return torap_bytes(part->data + TORAP_SALT_SIZE, part->size - TORAP_SALT_SIZE);
}

/* Compresses the open frames, each by itself, for whoever is not granted one still must read the others.  False: memory ran out. */
static bool compress(struct torap_sealer *s)
{
	struct scratch *x = &s->scratch;
	size_t all = 0;
	x->compressed = false;
	if (!s->compressor)
		return true;
	for (unsigned i = 0; i < s->groups_count; i++)
		all += content_of(&s->groups[i].parts[0]).size;
	if (all < COMPRESS_SIZE_MIN)
		return true;
	size_t room = all - all / COMPRESS_GAIN_SHARE;
	s->compact.size = 0;
	s->compact.failed = false;
	uint8_t *at = torap_write_room(&s->compact, room);
	if (!at)
		return false;
	for (unsigned i = 0; i < s->groups_count; i++) {
		/* What can hardly be compressed becomes longer: not beyond a frame's limit. */
		size_t most = room < TORAP_CONTENT_SIZE_MAX ? room : TORAP_CONTENT_SIZE_MAX;
		size_t size = torap_compress(s->compressor, content_of(&s->groups[i].parts[0]), at, most);
		if (!size)
			return true; /* It does not pay. */
		x->open[i] = torap_bytes(at, size);
		at += size;
		room -= size;
	}
	x->compressed = true;
	return true;
}

/* Salts, copies and hashes one part, and lists it. */
static bool seal_part(struct scratch *x, Torap__Group *group, struct torap_bytes content, unsigned kind)
{
	unsigned n = x->frames_count;
	struct torap_buffer *frame = torap_buffer_create(TORAP_SALT_SIZE + content.size);
	if (!frame)
		return false;
	randombytes_buf(frame->data, TORAP_SALT_SIZE);
	memcpy(frame->data + TORAP_SALT_SIZE, content.data, content.size);
	torap_digest(x->digests[n], torap_buffer_bytes(frame));
	torap__part__init(&x->parts[n]);
	x->parts[n].part = (Torap__PartKind)kind;
	x->parts[n].length = (uint32_t)frame->size;
	x->part_list[n] = &x->parts[n];
	x->frames[n] = frame;
	x->frames_count++;
	group->n_parts++;
	return true;
}

static bool seal_group(struct scratch *x, unsigned i, struct group *g)
{
	Torap__Class *class = &x->classes[i];
	torap__class__init(class);
	class->region = g->class.region;
	class->facility = g->class.facility;
	class->kind = g->class.kind;
	class->severity = g->class.severity;

	Torap__Group *group = &x->groups[i];
	torap__group__init(group);
	group->class_ = class;
	group->count = g->count;
	group->parts = &x->part_list[x->frames_count];
	if (g->has_subject)
		group->subject = (ProtobufCBinaryData){ TORAP_SUBJECT_SIZE, g->subject };
	x->group_list[i] = group;
	for (unsigned p = 0; p < PARTS; p++) {
		if (!g->parts[p].size)
			continue;
		bool compressed = p == 0 && x->compressed;
		if (!seal_part(x, group, compressed ? x->open[i] : content_of(&g->parts[p]), p + 1))
			return false;
	}
	return true;
}

static struct torap_wall head_latest(struct torap_wall sealed_at)
{
	return (struct torap_wall){ sealed_at.us + (int64_t)TORAP_HEAD_AHEAD_S * TORAP_US_PER_S };
}

void torap_sealer_dated(
	struct torap_sealer *s, struct torap_wall last_sealed_at, const struct torap_sealer *before)
{
	s->sealed_at = last_sealed_at;
	s->latest = before ? before->latest : head_latest(last_sealed_at);
}

static struct torap_wall date_head(struct torap_sealer *s, struct torap_wall at)
{
	if (s->last_batch == 0)
		return (struct torap_wall){ s->key->from.us > 0 ? s->key->from.us : 0 };
	struct torap_wall latest = head_latest(s->sealed_at);
	if (at.us > latest.us - HEAD_STEPS_US)
		at.us = latest.us - HEAD_STEPS_US;
	if (at.us <= s->latest.us)
		at.us = s->latest.us + 1;
	return date(s, at.us < latest.us ? at : latest);
}

static struct torap_bytes digests_of(const struct scratch *x)
{
	return torap_bytes(x->digests[0], x->frames_count * sizeof x->digests[0]);
}

/* The signed manifest of the groups in the scratch. */
static struct torap_buffer *sign(struct torap_sealer *s, struct torap_wall sealed_at)
{
	Torap__StreamId id;
	Torap__Manifest m = TORAP__MANIFEST__INIT;
	torap_stream_id_encode(&id, &s->stream);
	m.stream = &id;
	m.batch_no = s->last_batch + 1;
	m.first_seq = s->first_seq;
	m.count = s->count;
	s->sealed_at = date(s, sealed_at);
	m.sealed_at_us = s->sealed_at.us;
	if (s->last_batch != 0)
		m.previous = (ProtobufCBinaryData){ TORAP_DIGEST_SIZE, s->last_digest };
	m.key_id = (ProtobufCBinaryData){ TORAP_KEY_ID_SIZE, (uint8_t *)s->key->id };
	m.digest = TORAP__DIGEST_ALGORITHM__DIGEST_BLAKE2B_256;
	m.compression = s->scratch.compressed ? TORAP__COMPRESSION__COMPRESSION_ZSTD
					      : TORAP__COMPRESSION__COMPRESSION_NONE;
	m.n_groups = s->groups_count;
	m.groups = s->scratch.group_list;
	torap_digest(s->scratch.digest, digests_of(&s->scratch));
	m.frames = (ProtobufCBinaryData){ TORAP_DIGEST_SIZE, s->scratch.digest };

	size_t size = torap__manifest__get_packed_size(&m);
	assert(size <= sizeof s->scratch.manifest);
	torap__manifest__pack(&m, s->scratch.manifest);
	return torap_signed_encode(torap_bytes(s->scratch.manifest, size), TORAP_MANIFEST_PREFIX, s->key);
}

static void begin_next(struct torap_sealer *s, const struct torap_manifest *sealed)
{
	size_t kept = s->compact.room;
	if (kept > KEPT_SIZE_MAX) {
		kept = 0;
		torap_writer_finish(&s->compact);
	}
	for (unsigned i = 0; i < TORAP_BATCH_GROUPS_MAX; i++) {
		for (unsigned p = 0; p < PARTS; p++) {
			struct torap_writer *part = &s->groups[i].parts[p];
			part->size = 0;
			kept += part->room;
			if (kept > KEPT_SIZE_MAX) {
				kept -= part->room;
				torap_writer_finish(part);
			}
		}
	}
	memset(s->table, 0, sizeof s->table);
	s->last_batch++;
	s->first_seq += s->count;
	memcpy(s->last_digest, sealed->digest, TORAP_DIGEST_SIZE);
	s->count = 0;
	s->groups_count = s->parts_count = 0;
	s->frames_size = 0;
}

int torap_sealer_seal(struct torap_sealer *s, struct torap_wall sealed_at, struct torap_batch **out,
	struct torap_error *err)
{
	assert(s->count > 0);
	struct scratch *x = &s->scratch;
	struct torap_batch *b = NULL;
	struct torap_buffer *signed_manifest = NULL, *digests = NULL;
	int r = -ENOMEM;
	if (!compress(s))
		goto out;
	for (unsigned i = 0; i < s->groups_count; i++)
		if (!seal_group(x, i, &s->groups[i]))
			goto out;
	digests = torap_buffer_copy(digests_of(x));
	if (!digests)
		goto out;
	signed_manifest = sign(s, sealed_at);
	if (!signed_manifest)
		goto out;
	/* Decoding our own manifest costs little, and nothing leaves that another would refuse. */
	r = torap_batch_create(&b, signed_manifest, err);
	if (r)
		goto out;
	assert(b->manifest->frames_count == x->frames_count);
	b->digests = digests;
	digests = NULL;
	for (unsigned i = 0; i < x->frames_count; i++)
		b->frames[i] = torap_buffer_ref(x->frames[i]);
	memset(b->omissions, 0, sizeof b->omissions);
	begin_next(s, b->manifest);
	*out = b;
out:
	drop_frames(x);
	torap_buffer_unref(digests);
	torap_buffer_unref(signed_manifest);
	return r == -ENOMEM ? torap_errorf(err, r, "seal: out of memory") : r;
}

void torap_sealer_canary(struct torap_sealer *s, int64_t period_us)
{
	int64_t seconds = (period_us + TORAP_US_PER_S - 1) / TORAP_US_PER_S;
	s->canary_s = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

struct torap_buffer *torap_sealer_head(struct torap_sealer *s, struct torap_wall at)
{
	Torap__StreamId id;
	Torap__Head head = TORAP__HEAD__INIT;
	uint8_t bytes[256];
	torap_stream_id_encode(&id, &s->stream);
	head.stream = &id;
	head.last_batch = s->last_batch;
	head.next_seq = s->first_seq;
	head.at_us = date_head(s, at).us;
	head.canary_s = s->canary_s;
	if (s->last_batch != 0)
		head.last_digest = (ProtobufCBinaryData){ TORAP_DIGEST_SIZE, (uint8_t *)s->last_digest };
	size_t size = torap__head__get_packed_size(&head);
	assert(size <= sizeof bytes);
	torap__head__pack(&head, bytes);
	return torap_signed_encode(torap_bytes(bytes, size), TORAP_HEAD_PREFIX, s->key);
}
