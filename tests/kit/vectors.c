/* Writes proto/vectors/: whole BATCH messages, good and bad, each with the verdict due.  The same bytes in every run: keys come
 * from fixed seeds, salts from a counter.  Run it after a change of the contract, and look at what changed. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/contradiction.h"
#include "kit/forge.h"
#include "kit/message.h"
#include "kit/zstd_frame.h"
#include "wire/envelope.h"
#include "wire/open.h"
#include "wire/signature.h"
#include "wire/verify.h"

#define SEALED_AT  INT64_C(1795000000000000) /* 2026-11-18 */
#define YEAR       INT64_C(31536000000000)
#define KEYS_FROM  (SEALED_AT - YEAR)
#define KEYS_UNTIL (SEALED_AT + YEAR)

static const char *directory;
static FILE *index_file;
static struct torap_sign_key kostanay, almaty, stranger;

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "torap-vectors: cannot go on: %s\n", what);
		exit(1);
	}
}

/* Random numbers that are not. */
static uint64_t drawn;

static const char *fixed_name(void)
{
	return "fixed";
}

static void fixed_bytes(void *out, const size_t size)
{
	uint8_t seed[randombytes_SEEDBYTES] = { 0 };
	drawn++;
	memcpy(seed, &drawn, sizeof drawn);
	randombytes_buf_deterministic(out, size, seed);
}

static uint32_t fixed_number(void)
{
	uint32_t number;
	fixed_bytes(&number, sizeof number);
	return number;
}

static randombytes_implementation fixed = {
	.implementation_name = fixed_name,
	.random = fixed_number,
	.buf = fixed_bytes,
};

static void write_message(const char *name, const struct message *m)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *f = fopen(path, "wb");
	check(f, path);
	for (unsigned i = 0; i < m->count; i++) {
		struct torap_writer w = { 0 };
		torap_write_u32(&w, (uint32_t)m->frames[i]->size);
		torap_write_bytes(&w, torap_buffer_bytes(m->frames[i]));
		check(!w.failed && fwrite(w.data, 1, w.size, f) == w.size, path);
		torap_writer_finish(&w);
	}
	check(fclose(f) == 0, path);
}

/* Writes the message and its row; events: what opens, -1 when nothing may be opened. */
static void emit(const char *name, enum torap_verdict verdict, const struct torap_position *at, int events,
	const struct message *m, const char *what)
{
	char digest[2 * TORAP_DIGEST_SIZE + 1] = "-", file[128], shown[16] = "-";
	snprintf(file, sizeof file, "%s.msg", name);
	if (at->has_digest)
		torap_hex(digest, torap_bytes(at->last_digest, TORAP_DIGEST_SIZE));
	if (events >= 0)
		snprintf(shown, sizeof shown, "%d", events);
	write_message(file, m);
	check(fprintf(index_file, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\n", file,
		      torap_verdict_name(verdict), at->next_batch, at->next_seq, digest, shown, what) > 0,
		"index.tsv");
}

static void emit_batch(const char *name, enum torap_verdict verdict, const struct torap_position *at,
	int events, const struct torap_batch *b, const char *what)
{
	struct message m = message_of(b);
	emit(name, verdict, at, events, &m, what);
	message_finish(&m);
}

/* The batch with a manifest that was changed and signed again. */
static void emit_changed(const char *name, enum torap_verdict verdict, const struct torap_position *at,
	int events, const struct torap_batch *b, forge_change change, const struct torap_sign_key *key,
	const char *what)
{
	struct message m = message_of(b);
	message_replace(&m, MESSAGE_MANIFEST, forge_manifest(b->signed_manifest, change, key));
	emit(name, verdict, at, events, &m, what);
	message_finish(&m);
}

/* Events. */

static struct torap_sealer *sealer(uint32_t lane)
{
	static const uint8_t none[TORAP_DIGEST_SIZE];
	struct torap_stream_id id;
	struct torap_sealer *s = NULL;
	check(torap_stream_id_make(&id, "node-kostanay", lane, 0x00f3a9c4d2e1b687), "stream");
	check(torap_sealer_create(&s, &id, 0, 1, none, &kostanay, NULL) == 0, "sealer");
	return s;
}

static void add(struct torap_sealer *s, uint32_t region, uint16_t kind, const char *device, const char *user,
	bool image, uint8_t subject)
{
	static uint8_t picture[] = { 0xff, 0xd8, 0xff, 0xd9 };
	Torap__Field field = TORAP__FIELD__INIT;
	Torap__Field *fields[] = { &field };
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	Torap__EventImage picture_of = TORAP__EVENT_IMAGE__INIT;
	struct torap_event e = { .class = { region, TORAP__FACILITY__FACILITY_SCHOOL, kind,
					 (uint8_t)torap_kind_severity(kind) },
		.open = &open,
		.personal = user ? &personal : NULL,
		.image = image ? &picture_of : NULL };
	uint64_t seq;
	field.name = (char *)"signal";
	field.value = (char *)"-71";
	open.state = TORAP__STATE__STATE_START;
	open.site = (char *)"school-9";
	open.device = (char *)device;
	open.received_at_us = open.occurred_at_us = SEALED_AT - 1000000;
	open.clock_known = 1;
	open.protocol = (char *)"dc09";
	open.code = (char *)"sia-dcs PA";
	open.detail = fields;
	open.n_detail = 1;
	personal.user = (char *)user;
	picture_of.media_type = (char *)"image/jpeg";
	picture_of.camera = (char *)"cam-1";
	picture_of.taken_at_us = SEALED_AT - 900000;
	picture_of.data = (ProtobufCBinaryData){ sizeof picture, picture };
	if (subject) {
		e.has_subject = true;
		memset(e.subject, subject, sizeof e.subject);
	}
	check(torap_sealer_add(s, &e, &seq) == 0, "event");
}

static struct torap_batch *seal(struct torap_sealer *s)
{
	struct torap_batch *b = NULL;
	check(torap_sealer_seal(s, (struct torap_wall){ SEALED_AT }, &b, NULL) == 0, "seal");
	return b;
}

/* Changes to a manifest that leave it well formed (all but the last). */

static void sealed_at_from(Torap__Manifest *m)
{
	m->sealed_at_us = KEYS_FROM;
}

static void sealed_before_from(Torap__Manifest *m)
{
	m->sealed_at_us = KEYS_FROM - 1;
}

static void sealed_at_until(Torap__Manifest *m)
{
	m->sealed_at_us = KEYS_UNTIL;
}

static void unknown_writer(Torap__Manifest *m)
{
	m->stream->writer = (char *)"node-nowhere";
}

static void other_previous(Torap__Manifest *m)
{
	m->previous.data[0] ^= 1;
}

static void other_first_seq(Torap__Manifest *m)
{
	m->first_seq++;
}

static void kind_to_come(Torap__Manifest *m)
{
	m->groups[0]->class_->kind = 999;
}

static void field_to_come(Torap__Manifest *m)
{
	static uint8_t value[] = { 3, 'n', 'e', 'w' };
	static ProtobufCMessageUnknownField field = { 200, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof value,
		value };
	m->base.n_unknown_fields = 1;
	m->base.unknown_fields = &field;
}

static void previous_missing(Torap__Manifest *m)
{
	m->previous.len = 0;
}

static void compressed(Torap__Manifest *m)
{
	m->compression = TORAP__COMPRESSION__COMPRESSION_ZSTD;
}

/* Frames whose digests are right and whose messages are wrong. */

static struct torap_buffer *frame_of_opens(const uint32_t *offsets, unsigned count, int cut)
{
	struct torap_writer w = { 0 };
	memset(torap_write_room(&w, TORAP_SALT_SIZE), 7, TORAP_SALT_SIZE);
	for (unsigned i = 0; i < count; i++) {
		Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
		uint8_t bytes[64];
		open.offset = offsets[i];
		open.zone = (char *)"1";
		size_t size = torap__event_open__pack(&open, bytes);
		torap_write_varint(&w, size);
		torap_write_bytes(&w, torap_bytes(bytes, size));
	}
	struct torap_buffer *b = torap_buffer_copy(torap_bytes(w.data, w.size - (size_t)cut));
	torap_writer_finish(&w);
	return b;
}

/* Its manifest and digests become those of its frames. */
static void sign_frames(struct message *m, const struct torap_batch *b)
{
	struct torap_buffer *digests;
	message_replace(m, MESSAGE_MANIFEST, forge_frames(b, &m->frames[MESSAGE_FIRST], &kostanay, &digests));
	message_replace(m, MESSAGE_DIGESTS, digests);
}

static void emit_frame(const char *name, enum torap_verdict verdict, const struct torap_position *at,
	int events, const struct torap_batch *b, struct torap_buffer *first, const char *what)
{
	struct message m = message_of(b);
	message_replace(&m, MESSAGE_FIRST, first);
	sign_frames(&m, b);
	emit(name, verdict, at, events, &m, what);
	message_finish(&m);
}

/* b: two events of one group, open and personal. */
static void emit_bad_frames(const struct torap_batch *b, const struct torap_position *at)
{
	enum torap_verdict bad = TORAP_VERDICT_MALFORMED;
	emit_frame("frame-rebuilt", TORAP_VERDICT_GOOD, at, 2, b, frame_of_opens((uint32_t[]){ 0, 1 }, 2, 0),
		"the control of the frame-* vectors: right");
	emit_frame("frame-offset-twice", bad, at, -1, b, frame_of_opens((uint32_t[]){ 0, 0 }, 2, 0),
		"an offset twice");
	emit_frame("frame-offsets-fall", bad, at, -1, b, frame_of_opens((uint32_t[]){ 1, 0 }, 2, 0),
		"offsets that do not rise");
	emit_frame("frame-offset-past-count", bad, at, -1, b, frame_of_opens((uint32_t[]){ 0, 2 }, 2, 0),
		"an offset past the batch's events");
	emit_frame("frame-event-missing", bad, at, -1, b, frame_of_opens((uint32_t[]){ 0 }, 1, 0),
		"one message in the open frame of a group of two");
	emit_frame("frame-event-too-many", bad, at, -1, b, frame_of_opens((uint32_t[]){ 0, 1, 2 }, 3, 0),
		"three messages in a group of two");
	emit_frame("frame-cut", bad, at, -1, b, frame_of_opens((uint32_t[]){ 0, 1 }, 2, 1),
		"the last message is cut off");
}

/* Compressed frames.  What is made by hand depends on no version of zstd. */

static struct torap_writer salted(void)
{
	struct torap_writer w = { 0 };
	memset(torap_write_room(&w, TORAP_SALT_SIZE), 7, TORAP_SALT_SIZE);
	return w;
}

static struct torap_buffer *finished(struct torap_writer *w, int cut)
{
	check(!w->failed, "out of memory");
	struct torap_buffer *b = torap_buffer_copy(torap_bytes(w->data, w->size - (size_t)cut));
	torap_writer_finish(w);
	return b;
}

static void add_zstd(
	struct torap_writer *w, struct torap_bytes content, struct zstd_frame header, int claimed_more)
{
	zstd_frame_begin(w, header, (uint32_t)((int)content.size + claimed_more));
	zstd_frame_raw(w, content, true);
}

/* The message with its frames signed anew, as of a compressed batch. */
static void emit_zstd(const char *name, enum torap_verdict verdict, int events, const struct torap_batch *b,
	struct message *m, const char *what)
{
	const struct torap_position at = { .next_batch = 1, .next_seq = 1 };
	sign_frames(m, b);
	message_replace(
		m, MESSAGE_MANIFEST, forge_manifest(m->frames[MESSAGE_MANIFEST], compressed, &kostanay));
	emit(name, verdict, &at, events, m, what);
}

/* The same with the open frame of a batch of one group; takes the writer's memory. */
static void emit_zstd_open(const char *name, enum torap_verdict verdict, const struct torap_batch *b,
	struct torap_writer *take, int cut, const char *what)
{
	struct message m = message_of(b);
	message_replace(&m, MESSAGE_FIRST, finished(take, cut));
	emit_zstd(name, verdict, verdict == TORAP_VERDICT_GOOD ? (int)b->manifest->count : -1, b, &m, what);
	message_finish(&m);
}

/* b: two events of one group, open and personal. */
static void emit_zstd_forms(const struct torap_batch *b)
{
	enum torap_verdict bad = TORAP_VERDICT_MALFORMED;
	const struct zstd_frame usual = { 0 }, unsized = { .size_unknown = true },
				named = { .dictionary_id = 1 };
	struct torap_buffer *open = frame_of_opens((uint32_t[]){ 0, 1 }, 2, 0);
	struct torap_bytes all = torap_bytes(open->data + TORAP_SALT_SIZE, open->size - TORAP_SALT_SIZE);
	struct torap_bytes first = torap_bytes(all.data, (size_t)all.data[0] + 1);
	struct torap_bytes second = torap_bytes(all.data + first.size, all.size - first.size);

	struct torap_writer w = salted();
	add_zstd(&w, all, usual, 0);
	emit_zstd_open(
		"zstd-rebuilt", TORAP_VERDICT_GOOD, b, &w, 0, "the control of the zstd-* vectors: right");
	w = salted();
	torap_write_bytes(&w, all);
	emit_zstd_open("zstd-missing", bad, b, &w, 0, "an open frame that is not compressed");
	w = salted();
	add_zstd(&w, all, unsized, 0);
	emit_zstd_open("zstd-size-unknown", bad, b, &w, 0, "no content size");
	w = salted();
	add_zstd(&w, all, usual, 1);
	emit_zstd_open("zstd-size-wrong", bad, b, &w, 0, "a content size of one byte more than there is");
	w = salted();
	add_zstd(&w, all, named, 0);
	emit_zstd_open("zstd-dictionary", bad, b, &w, 0, "a dictionary is named, though not needed");
	w = salted();
	add_zstd(&w, all, usual, 0);
	torap_write_u8(&w, 0);
	emit_zstd_open("zstd-trailing-byte", bad, b, &w, 0, "a byte behind the zstd frame");
	w = salted();
	add_zstd(&w, first, usual, 0);
	add_zstd(&w, second, usual, 0);
	emit_zstd_open("zstd-two", bad, b, &w, 0, "two zstd frames, a message in each");
	w = salted();
	zstd_frame_skippable(&w);
	add_zstd(&w, all, usual, 0);
	emit_zstd_open("zstd-skippable-before", bad, b, &w, 0, "a skippable frame before the zstd frame");
	w = salted();
	add_zstd(&w, all, usual, 0);
	zstd_frame_skippable(&w);
	emit_zstd_open("zstd-skippable-behind", bad, b, &w, 0, "a skippable frame behind the zstd frame");
	w = salted();
	add_zstd(&w, all, usual, 0);
	emit_zstd_open("zstd-cut", bad, b, &w, 1, "the zstd frame is cut off");

	/* The open frame as in the control; the personal one must not be like it. */
	struct message m = message_of(b);
	struct torap_bytes personal = torap_bytes(m.frames[MESSAGE_FIRST + 1]->data + TORAP_SALT_SIZE,
		m.frames[MESSAGE_FIRST + 1]->size - TORAP_SALT_SIZE);
	w = salted();
	add_zstd(&w, personal, usual, 0);
	message_replace(&m, MESSAGE_FIRST + 1, finished(&w, 0));
	w = salted();
	add_zstd(&w, all, usual, 0);
	message_replace(&m, MESSAGE_FIRST, finished(&w, 0));
	emit_zstd("zstd-personal", bad, -1, b, &m, "the personal frame is compressed, too");
	message_finish(&m);
	torap_buffer_unref(open);
}

/* An event as large as one may be, but for a zone of x's: a few bytes when compressed. */
static void add_largest(struct torap_writer *w, uint32_t offset, bool last)
{
	struct torap_writer begin = { 0 };
	torap_write_varint(&begin, TORAP_EVENT_PART_SIZE_MAX);
	size_t before = begin.size;
	torap_write_varint(&begin, 1 << 3); /* offset */
	torap_write_varint(&begin, offset);
	torap_write_varint(&begin, 11 << 3 | 2); /* zone */
	size_t zone = TORAP_EVENT_PART_SIZE_MAX - (begin.size - before) - 3;
	torap_write_varint(&begin, zone);
	zstd_frame_raw(w, torap_bytes(begin.data, begin.size), false);
	zstd_frame_repeat(w, 'x', (uint32_t)zone, last);
	torap_writer_finish(&begin);
}

/* Groups of so many of the largest events. */
static void emit_zstd_size(
	const char *name, enum torap_verdict verdict, unsigned groups, unsigned events, const char *what)
{
	struct torap_sealer *s = sealer(TORAP__LANE__LANE_BULK);
	for (unsigned i = 0; i < groups * events; i++)
		add(s, 391010000 + i / events, TORAP__KIND__KIND_MOTION, "cam-2", NULL, false, 0);
	struct torap_batch *b = seal(s);
	struct message m = message_of(b);
	for (unsigned g = 0; g < groups; g++) {
		struct torap_writer w = salted();
		zstd_frame_begin(&w, (struct zstd_frame){ 0 }, events * (TORAP_EVENT_PART_SIZE_MAX + 3));
		for (unsigned i = 0; i < events; i++)
			add_largest(&w, g * events + i, i + 1 == events);
		message_replace(&m, MESSAGE_FIRST + g, finished(&w, 0));
	}
	emit_zstd(name, verdict, verdict == TORAP_VERDICT_GOOD ? (int)(groups * events) : -1, b, &m, what);
	message_finish(&m);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

static void emit_zstd_sizes(void)
{
	emit_zstd_size("zstd-large", TORAP_VERDICT_GOOD, 16, 17,
		"16 frames that hold 1,044,531 bytes each, 16,712,496 together");
	emit_zstd_size("zstd-frame-too-large", TORAP_VERDICT_MALFORMED, 1, 18,
		"a frame that holds 1,105,974 bytes, more than 1 MiB less the salt");
	emit_zstd_size("zstd-batch-too-large", TORAP_VERDICT_MALFORMED, 17, 17,
		"17 frames that hold 1,044,531 bytes each, more than 16 MiB together");
}

static void leave_out(struct torap_batch *b, unsigned frame, uint8_t reason)
{
	b->frames[frame] = torap_buffer_unref(b->frames[frame]);
	b->omissions[frame] = reason;
}

static void emit_bad_bits(const struct torap_batch *b, const struct torap_position *at)
{
	struct torap_signed s;
	struct message m = message_of(b);
	message_flip(&m, MESSAGE_FIRST, m.frames[MESSAGE_FIRST]->data + m.frames[MESSAGE_FIRST]->size - 1);
	emit("flipped-frame", TORAP_VERDICT_BAD_DIGEST, at, -1, &m, "a bit of the first frame is flipped");
	message_finish(&m);

	m = message_of(b);
	message_flip(&m, MESSAGE_FIRST, m.frames[MESSAGE_FIRST]->data);
	emit("flipped-salt", TORAP_VERDICT_BAD_DIGEST, at, -1, &m,
		"a bit of the first frame's salt is flipped");
	message_finish(&m);

	m = message_of(b);
	const uint8_t *digest = memmem(m.frames[MESSAGE_MANIFEST]->data, m.frames[MESSAGE_MANIFEST]->size,
		b->manifest->frames, TORAP_DIGEST_SIZE);
	check(digest, "digest not found");
	message_flip(&m, MESSAGE_MANIFEST, digest);
	emit("flipped-manifest", TORAP_VERDICT_BAD_SIGNATURE, at, -1, &m,
		"a bit of the manifest (in the digest of the frames' digests) is flipped");
	message_finish(&m);

	m = message_of(b);
	message_flip(
		&m, MESSAGE_DIGESTS, m.frames[MESSAGE_DIGESTS]->data + m.frames[MESSAGE_DIGESTS]->size - 1);
	emit("flipped-digests", TORAP_VERDICT_BAD_DIGEST, at, -1, &m,
		"a bit of the last frame's digest is flipped");
	message_finish(&m);

	struct torap_batch *first = torap_batch_clone(b);
	check(first, "out of memory");
	for (unsigned i = 1; i < first->manifest->frames_count; i++)
		leave_out(first, i, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED);
	m = message_of(first);
	message_flip(
		&m, MESSAGE_DIGESTS, m.frames[MESSAGE_DIGESTS]->data + m.frames[MESSAGE_DIGESTS]->size - 1);
	emit("flipped-digests-of-what-is-not-there", TORAP_VERDICT_BAD_DIGEST, at, -1, &m,
		"the same, and that frame is left out");
	message_finish(&m);
	torap_batch_destroy(first);

	m = message_of(b);
	check(torap_signed_decode(&s, torap_buffer_bytes(m.frames[MESSAGE_MANIFEST])), "signed manifest");
	message_flip(&m, MESSAGE_MANIFEST, s.signature.data + 5);
	emit("flipped-signature", TORAP_VERDICT_BAD_SIGNATURE, at, -1, &m,
		"a bit of the signature is flipped");
	message_finish(&m);

	m = message_of(b);
	check(torap_signed_decode(&s, torap_buffer_bytes(m.frames[MESSAGE_MANIFEST])), "signed manifest");
	message_replace(&m, MESSAGE_MANIFEST, torap_signed_encode(s.document, TORAP_HEAD_PREFIX, &kostanay));
	emit("signed-as-head", TORAP_VERDICT_BAD_SIGNATURE, at, -1, &m, "signed with the prefix of a head");
	message_finish(&m);
}

/* b: batch 1. */
static void emit_bad_shapes(const struct torap_batch *b, const struct torap_position *at)
{
	enum torap_verdict bad = TORAP_VERDICT_MALFORMED;
	struct torap_envelope envelope;
	struct torap_stream_id other;
	struct message m = message_of(b);
	check(torap_envelope_decode(&envelope, torap_buffer_bytes(m.frames[0]), NULL) == 0, "envelope");

	other = envelope.stream;
	other.incarnation++;
	message_replace(
		&m, 0, torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_BATCH, &other, envelope.batch_no));
	emit("envelope-other-stream", bad, at, -1, &m, "envelope and manifest name different streams");
	message_replace(
		&m, 0, torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_BATCH, &envelope.stream, 2));
	emit("envelope-other-number", bad, at, -1, &m, "envelope and manifest name different batches");
	message_replace(&m, 0, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_BATCH));
	emit("envelope-no-stream", bad, at, -1, &m, "an envelope of a batch without stream");
	message_replace(
		&m, 0, torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_BATCH, &envelope.stream, 1));
	message_resize(&m, 0, m.frames[0]->size - 1);
	emit("envelope-cut", bad, at, -1, &m, "the envelope is cut off");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_FIRST, m.frames[MESSAGE_FIRST]->size + 1);
	emit("frame-too-long", bad, at, -1, &m, "a frame is longer than listed");
	message_finish(&m);

	m = message_of(b);
	m.count--;
	emit("frame-lost", bad, at, -1, &m, "fewer frames than listed");
	m.count++;
	message_finish(&m);

	m = message_of(b);
	m.frames[m.count++] = torap_buffer_create(0);
	emit("frame-not-listed", bad, at, -1, &m, "more frames than listed");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_DIGESTS, 0);
	emit("digests-missing", bad, at, -1, &m, "frames without their digests");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_DIGESTS, m.frames[MESSAGE_DIGESTS]->size - TORAP_DIGEST_SIZE);
	emit("digests-too-few", bad, at, -1, &m, "the last frame's digest is not there");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_DIGESTS, m.frames[MESSAGE_DIGESTS]->size + TORAP_DIGEST_SIZE);
	emit("digests-too-many", bad, at, -1, &m, "a digest more than there are frames");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_DIGESTS, m.frames[MESSAGE_DIGESTS]->size - 1);
	emit("digests-cut", bad, at, -1, &m, "the digests are cut off");
	message_finish(&m);

	m = message_of(b);
	message_resize(&m, MESSAGE_MANIFEST, m.frames[MESSAGE_MANIFEST]->size - 1);
	emit("signed-manifest-cut", bad, at, -1, &m, "the signed manifest is cut off");
	message_replace(&m, MESSAGE_MANIFEST, torap_buffer_create(0));
	emit("signed-manifest-empty", bad, at, -1, &m, "the signed manifest is empty");
	message_finish(&m);

	struct torap_signed s;
	m = message_of(b);
	check(torap_signed_decode(&s, torap_buffer_bytes(m.frames[MESSAGE_MANIFEST])), "signed manifest");
	s.document.size--;
	message_replace(
		&m, MESSAGE_MANIFEST, torap_signed_encode(s.document, TORAP_MANIFEST_PREFIX, &kostanay));
	emit("manifest-cut", bad, at, -1, &m, "the manifest is cut off, then signed");
	message_finish(&m);
}

static void emit_bad_manifests(const struct torap_batch *b, const struct torap_position *at)
{
	for (const struct contradiction *c = contradictions; c->name; c++)
		emit_changed(c->name, TORAP_VERDICT_MALFORMED, at, -1, b, c->change, &kostanay, c->what);
}

static void emit_keys(const struct torap_batch *b, const struct torap_position *at)
{
	enum torap_verdict unknown = TORAP_VERDICT_UNKNOWN_KEY;
	emit_changed("key-first-moment", TORAP_VERDICT_GOOD, at, (int)b->manifest->count, b, sealed_at_from,
		&kostanay, "sealed at the key's `from`");
	emit_changed("key-too-early", unknown, at, -1, b, sealed_before_from, &kostanay,
		"sealed before the key's `from`");
	emit_changed(
		"key-expired", unknown, at, -1, b, sealed_at_until, &kostanay, "sealed at the key's `until`");
	emit_changed("key-unknown", unknown, at, -1, b, NULL, &stranger, "signed by a key that nobody has");
	emit_changed(
		"key-of-another-writer", unknown, at, -1, b, NULL, &almaty, "signed by another writer's key");

	struct message m = message_of(b);
	struct torap_stream_id id;
	check(torap_stream_id_make(
		      &id, "node-nowhere", b->manifest->stream.lane, b->manifest->stream.incarnation),
		"stream");
	message_replace(
		&m, 0, torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_BATCH, &id, b->manifest->batch_no));
	message_replace(&m, MESSAGE_MANIFEST, forge_manifest(b->signed_manifest, unknown_writer, &kostanay));
	emit("writer-unknown", unknown, at, -1, &m, "a writer that nobody knows");
	message_finish(&m);
}

/* Three batches in a row, and what can be wrong between them. */
static void emit_chain(void)
{
	struct torap_sealer *s = sealer(TORAP__LANE__LANE_CRITICAL);
	struct torap_position at[4] = { { .next_batch = 1, .next_seq = 1 } };
	struct torap_batch *b[3];
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned j = 0; j <= i; j++)
			add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", NULL, false, 0);
		b[i] = seal(s);
		at[i + 1] = at[i];
		torap_position_advance(&at[i + 1], b[i]->manifest);
	}
	struct torap_position unsure = { .next_batch = 2 }, fork = at[1];
	fork.last_digest[0] ^= 1;
	emit_batch("good-single", TORAP_VERDICT_GOOD, &at[0], 1, b[0], "one event, batch 1");
	emit_batch("good-second", TORAP_VERDICT_GOOD, &at[1], 2, b[1], "batch 2, chained to good-single");
	emit_batch("good-third", TORAP_VERDICT_GOOD, &at[2], 3, b[2], "batch 3, chained to good-second");
	emit_batch("good-begun-in-the-middle", TORAP_VERDICT_GOOD, &unsure, 2, b[1],
		"batch 2 for a reader that begins there and knows no digest");
	emit_batch("gap", TORAP_VERDICT_GAP, &at[1], -1, b[2], "batch 3 where batch 2 is due");
	emit_batch("old", TORAP_VERDICT_OLD, &at[2], -1, b[1], "batch 2 where batch 3 is due");
	emit_batch("forked", TORAP_VERDICT_BROKEN_CHAIN, &fork, -1, b[1], "the reader has another batch 1");
	emit_changed("wrong-previous", TORAP_VERDICT_BROKEN_CHAIN, &at[1], -1, b[1], other_previous,
		&kostanay, "previous is not the digest of the batch before");
	emit_changed("wrong-first-seq", TORAP_VERDICT_BROKEN_CHAIN, &at[1], -1, b[1], other_first_seq,
		&kostanay, "event numbers leave a gap");
	emit_changed("previous-missing", TORAP_VERDICT_MALFORMED, &at[1], -1, b[1], previous_missing,
		&kostanay, "no previous in batch 2");
	for (unsigned i = 0; i < 3; i++)
		torap_batch_destroy(b[i]);
	torap_sealer_destroy(s);
}

/* Several groups: open; open and personal; open, personal, image; open with a subject. */
static void emit_groups(const struct torap_position *at)
{
	struct torap_sealer *s = sealer(TORAP__LANE__LANE_NORMAL);
	add(s, 391010000, TORAP__KIND__KIND_BURGLARY, "panel-1", NULL, false, 0);
	add(s, 391010000, TORAP__KIND__KIND_TAMPER, "panel-1", "user 7", false, 0);
	add(s, 392410000, TORAP__KIND__KIND_FIGHT, "cam-1", "two people", true, 0);
	add(s, 391010000, TORAP__KIND__KIND_BURGLARY, "panel-2", NULL, false, 0xaa);
	add(s, 391010000, TORAP__KIND__KIND_TAMPER, "panel-3", NULL, false, 0);
	struct torap_batch *b = seal(s);
	emit_batch("good-groups", TORAP_VERDICT_GOOD, at, 5, b, "four groups, all parts, one with a subject");
	leave_out(b, 2, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED);
	leave_out(b, 4, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED);
	leave_out(b, 5, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED);
	emit_batch("good-open-only", TORAP_VERDICT_GOOD, at, 5, b,
		"the same, personal and image parts left out");
	leave_out(b, 6, TORAP__OMISSION_REASON__OMISSION_REFUSED);
	leave_out(b, 0, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
	emit_batch("good-with-reasons", TORAP_VERDICT_GOOD, at, 3, b,
		"the same, two more frames left out, for reasons that the envelope names");
	leave_out(b, 1, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
	leave_out(b, 3, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
	emit_batch("good-nothing-left", TORAP_VERDICT_GOOD, at, 0, b,
		"the same without any frame, and without digests");
	struct message m = message_of(b);
	message_replace(&m, MESSAGE_DIGESTS, torap_buffer_ref(b->digests));
	emit("good-digests-alone", TORAP_VERDICT_GOOD, at, 0, &m,
		"the same without any frame, and with the digests");
	message_finish(&m);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

static void emit_bulk(const struct torap_position *at)
{
	struct torap_sealer *s = sealer(TORAP__LANE__LANE_BULK);
	for (unsigned i = 0; i < 10; i++)
		add(s, i % 3 ? 391010000 : 751310000, TORAP__KIND__KIND_MOTION, "cam-2", NULL, false, 0);
	struct torap_batch *b = seal(s);
	check(!b->manifest->compressed, "ten events are compressed");
	emit_batch("good-bulk", TORAP_VERDICT_GOOD, at, 10, b, "ten events of two classes, offsets mixed");
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

/* As the sealer makes it, so the bytes are those of one version of zstd. */
static void emit_compressed(const struct torap_position *at)
{
	struct torap_sealer *s = sealer(TORAP__LANE__LANE_BULK);
	for (unsigned i = 0; i < 40; i++)
		add(s, i % 3 ? 391010000 : 751310000, TORAP__KIND__KIND_MOTION, "cam-2",
			i % 10 ? NULL : "user 7", false, 0);
	struct torap_batch *b = seal(s);
	check(b->manifest->compressed && b->manifest->frames_count == 4, "forty events are not compressed");
	emit_batch("good-compressed", TORAP_VERDICT_GOOD, at, 40, b,
		"forty events of two classes, compressed but for the personal frames");
	leave_out(b, 0, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
	leave_out(b, 1, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
	emit_batch("good-compressed-in-part", TORAP_VERDICT_GOOD, at, 26, b,
		"the same without the frames of the first class");
	torap_batch_destroy(b);
	torap_sealer_destroy(s);

	s = sealer(TORAP__LANE__LANE_CRITICAL);
	add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", "anna", false, 0);
	add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", NULL, false, 0);
	b = seal(s);
	emit_zstd_forms(b);
	emit_zstd_sizes();
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

static void emit_all(void)
{
	const struct torap_position begin = { .next_batch = 1, .next_seq = 1 };
	emit_chain();
	emit_groups(&begin);
	emit_bulk(&begin);

	struct torap_sealer *s = sealer(TORAP__LANE__LANE_NORMAL);
	add(s, 391010000, TORAP__KIND__KIND_BURGLARY, "panel-1", NULL, false, 0);
	struct torap_batch *normal = seal(s);
	emit_changed("good-kind-to-come", TORAP_VERDICT_GOOD, &begin, 1, normal, kind_to_come, &kostanay,
		"a kind that has no name yet");
	emit_changed("good-field-to-come", TORAP_VERDICT_GOOD, &begin, 1, normal, field_to_come, &kostanay,
		"a manifest with a field that is not known yet");
	torap_batch_destroy(normal);
	torap_sealer_destroy(s);

	s = sealer(TORAP__LANE__LANE_CRITICAL);
	add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", "anna", false, 0);
	add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", NULL, false, 0);
	struct torap_batch *one_group = seal(s);
	torap_sealer_destroy(s);
	emit_bad_frames(one_group, &begin);
	torap_batch_destroy(one_group);

	s = sealer(TORAP__LANE__LANE_CRITICAL);
	add(s, 391010000, TORAP__KIND__KIND_PANIC, "panel-4001", "anna", false, 0);
	add(s, 392410000, TORAP__KIND__KIND_FIRE, "panel-4002", NULL, false, 0);
	struct torap_batch *b = seal(s);
	torap_sealer_destroy(s);
	emit_keys(b, &begin);
	emit_bad_bits(b, &begin);
	emit_bad_shapes(b, &begin);
	emit_bad_manifests(b, &begin);
	torap_batch_destroy(b);
	emit_compressed(&begin);
}

static void write_key(FILE *f, const char *writer, const struct torap_sign_key *key)
{
	char id[2 * TORAP_KEY_ID_SIZE + 1], public[2 * TORAP_SIGN_KEY_SIZE + 1];
	fprintf(f, "%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\n", writer,
		torap_hex(id, torap_bytes(key->id, sizeof key->id)),
		torap_hex(public, torap_bytes(key->public, sizeof key->public)), KEYS_FROM, KEYS_UNTIL);
}

static FILE *open_table(const char *name, const char *heading)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *f = fopen(path, "w");
	check(f && fputs(heading, f) >= 0, path);
	return f;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: torap-vectors DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	check(randombytes_set_implementation(&fixed) == 0 && sodium_init() >= 0, "libsodium");
	torap_sign_key_make(&kostanay, (const uint8_t[32]){ 1 });
	torap_sign_key_make(&almaty, (const uint8_t[32]){ 2 });
	torap_sign_key_make(&stranger, (const uint8_t[32]){ 3 });

	FILE *keys = open_table("keys.tsv", "writer\tkey_id\tpublic_key\tfrom_us\tuntil_us\n");
	write_key(keys, "node-kostanay", &kostanay);
	write_key(keys, "node-almaty", &almaty);
	check(fclose(keys) == 0, "keys.tsv");
	index_file =
		open_table("index.tsv", "file\tverdict\tnext_batch\tnext_seq\tlast_digest\tevents\twhat\n");
	emit_all();
	check(fclose(index_file) == 0, "index.tsv");
	return 0;
}
