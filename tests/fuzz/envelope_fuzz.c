/* Frame 0 of any message, as an unknown peer sends it.  What is accepted must be the same after a journey. */
#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stream(const struct torap_envelope *e)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_stream_id id;
	struct torap_envelope back;
	bool parsed = torap_stream_id_parse(&id, torap_stream_id_format(&e->stream, text));
	assert(parsed && torap_stream_id_equal(&id, &e->stream));

	struct torap_buffer *b = torap_envelope_stream(e->type, &e->stream, e->batch_no);
	int r = torap_envelope_decode(&back, torap_buffer_bytes(b), NULL);
	assert(r == 0 && back.type == e->type && back.batch_no == e->batch_no);
	assert(torap_stream_id_equal(&back.stream, &e->stream));
	torap_buffer_unref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_envelope e;
	if (torap_envelope_decode(&e, torap_bytes(data, size), NULL))
		return 0;
	assert(e.type != 0 && e.omissions_count <= TORAP_BATCH_FRAMES_MAX);
	for (unsigned i = 0; i < e.omissions_count; i++)
		assert(e.omissions[i].frame < TORAP_BATCH_FRAMES_MAX && e.omissions[i].reason != 0);
	if (e.has_stream)
		check_stream(&e);
	return 0;
}
