/* Frames of a hostile writer: its signature and digests are right, its messages are whatever it likes.
 *
 * The batch has two groups, of two events (open, personal, image) and of one (open).  The input is four times a length of four
 * bytes, big endian, and as many bytes of a frame; an empty frame was left out.  The same frames are tried as those of a compressed
 * batch: as they are, and with the open ones compressed. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "kit/forge.h"
#include "wire/compress.h"
#include "wire/envelope.h"
#include "wire/open.h"

enum { FRAMES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct torap_sign_key key;

static struct torap_batch *make_template(void)
{
	static const uint8_t none[TORAP_DIGEST_SIZE];
	struct torap_stream_id id;
	struct torap_sealer *s = NULL;
	struct torap_batch *b = NULL;
	uint64_t seq;
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	Torap__EventImage image = TORAP__EVENT_IMAGE__INIT;
	struct torap_event e = { .class = { 391010000, 7, TORAP__KIND__KIND_PANIC,
					 TORAP__SEVERITY__SEVERITY_CRITICAL },
		.open = &open,
		.personal = &personal,
		.image = &image };
	torap_sign_key_make(&key, (const uint8_t[32]){ 1 });
	bool made = torap_stream_id_make(&id, "node-kostanay", TORAP__LANE__LANE_CRITICAL, 1) &&
		    torap_sealer_create(&s, &id, 0, 1, none, &key, NULL) == 0 &&
		    torap_sealer_add(s, &e, &seq) == 0 && torap_sealer_add(s, &e, &seq) == 0;
	assert(made);
	e.class.kind = TORAP__KIND__KIND_FIRE;
	e.personal = NULL;
	e.image = NULL;
	made = torap_sealer_add(s, &e, &seq) == 0 &&
	       torap_sealer_seal(s, (struct torap_wall){ 1 }, &b, NULL) == 0;
	assert(made && b->manifest->frames_count == FRAMES);
	torap_sealer_destroy(s);
	return b;
}

struct shown {
	unsigned count;
	uint64_t last_seq;
};

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

static int show(void *hint, const struct torap_opened *e)
{
	struct shown *s = hint;
	size_t walked = 0;
	assert(e->seq > s->last_seq && e->seq <= 3 && e->group && (e->open || e->personal || e->image));
	s->last_seq = e->seq;
	s->count++;
	if (e->open) {
		walked += length_of(e->open->site) + length_of(e->open->device) + length_of(e->open->code);
		for (size_t i = 0; i < e->open->n_detail; i++)
			walked += length_of(e->open->detail[i]->name) + length_of(e->open->detail[i]->value);
	}
	if (e->personal)
		walked += length_of(e->personal->text) + e->personal->raw.len;
	if (e->image && e->image->data.len)
		walked += e->image->data.data[e->image->data.len - 1];
	assert(walked < TORAP_BATCH_SIZE_MAX);
	return 0;
}

static void say_compressed(Torap__Manifest *m)
{
	m->compression = TORAP__COMPRESSION__COMPRESSION_ZSTD;
}

static struct torap_buffer *forge(const struct torap_batch *template, struct torap_buffer **frames,
	bool compressed, struct torap_buffer **digests)
{
	struct torap_buffer *plain = forge_frames(template, frames, &key, digests);
	if (!compressed)
		return plain;
	struct torap_buffer *forged = forge_manifest(plain, say_compressed, &key);
	torap_buffer_unref(plain);
	return forged;
}

static void try_batch(const struct torap_batch *template, struct torap_buffer **frames, bool compressed)
{
	struct torap_buffer *message[2 + FRAMES];
	struct torap_envelope envelope = { .type = TORAP__MESSAGE_TYPE__MESSAGE_BATCH,
		.has_stream = true,
		.stream = template->manifest->stream,
		.batch_no = 1 };
	struct torap_batch *b = NULL;
	struct torap_error err = { "" };
	struct shown s = { 0 };
	message[0] = forge(template, frames, compressed, &message[1]);
	memcpy(message + 2, frames, FRAMES * sizeof *frames);
	if (torap_batch_from_frames(&b, &envelope, message, 2 + FRAMES, &err)) {
		assert(err.text[0]);
	} else if (torap_batch_open(b, show, &s, &err)) {
		assert(err.text[0] && s.count == 0);
	}
	torap_batch_destroy(b);
	torap_buffer_unref(message[0]);
	torap_buffer_unref(message[1]);
}

/* The frame with what stands behind its salt compressed.  Nothing to compress: another reference. */
static struct torap_buffer *compress(struct torap_buffer *frame)
{
	static struct torap_compressor *compressor;
	if (!compressor)
		compressor = torap_compressor_create();
	assert(compressor);
	if (frame->size <= TORAP_SALT_SIZE || frame->size > TORAP_FRAME_SIZE_MAX)
		return torap_buffer_ref(frame);
	size_t size = frame->size - TORAP_SALT_SIZE, room = size + 64;
	struct torap_buffer *b = torap_buffer_create(TORAP_SALT_SIZE + room);
	assert(b);
	memcpy(b->data, frame->data, TORAP_SALT_SIZE);
	size_t compressed = torap_compress(compressor, torap_bytes(frame->data + TORAP_SALT_SIZE, size),
		b->data + TORAP_SALT_SIZE, room);
	b->size = TORAP_SALT_SIZE + compressed;
	assert(compressed && torap_content_size(torap_bytes(b->data + TORAP_SALT_SIZE, compressed)) == size);
	return b;
}

static void try_compressed(const struct torap_batch *template, struct torap_buffer **frames)
{
	struct torap_buffer *open[FRAMES] = { compress(frames[0]), frames[1], frames[2],
		compress(frames[3]) };
	try_batch(template, open, true);
	torap_buffer_unref(open[0]);
	torap_buffer_unref(open[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct torap_batch *template;
	struct torap_buffer *frames[FRAMES];
	struct torap_reader r = torap_reader(torap_bytes(data, size));
	if (!template)
		template = make_template();
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i] = torap_buffer_copy(torap_read_bytes(&r, torap_read_u32(&r)));
	if (!r.failed) {
		try_batch(template, frames, false);
		try_batch(template, frames, true);
		try_compressed(template, frames);
	}
	for (unsigned i = 0; i < FRAMES; i++)
		torap_buffer_unref(frames[i]);
	return 0;
}
