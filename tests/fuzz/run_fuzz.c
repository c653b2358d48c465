/* The body of a run, as an unknown peer sends it, and the same bytes as what a compressed one holds.  What is accepted must be the same
 * after a journey. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "link/run.h"
#include "wire/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_run(struct torap_bytes body, struct torap_compressor *c)
{
	static struct torap_run run, again; /* 4 KiB each */
	struct torap_error err = { "" };
	if (torap_run_decode(&run, body, &err)) {
		assert(err.text[0]);
		return;
	}
	struct torap_buffer *manifests[TORAP_RUN_MANIFESTS_MAX];
	assert(run.count > 0 && run.count <= TORAP_RUN_MANIFESTS_MAX);
	for (size_t i = 0; i < run.count; i++)
		manifests[i] = torap_buffer_copy(run.manifests[i]);
	struct torap_buffer *plain = torap_run_encode(manifests, run.count);
	struct torap_buffer *sent = torap_run_compress(c, plain);
	assert(sent->size <= plain->size);
	int r = torap_run_decode(&again, torap_buffer_bytes(sent), &err);
	assert(r == 0 && again.count == run.count);
	for (size_t i = 0; i < run.count; i++) {
		assert(torap_bytes_equal(again.manifests[i], torap_buffer_bytes(manifests[i])));
		torap_buffer_unref(manifests[i]);
	}
	torap_run_finish(&again);
	torap_run_finish(&run);
	torap_buffer_unref(plain);
	torap_buffer_unref(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct torap_compressor *c;
	if (!c)
		c = torap_compressor_create();
	assert(c);
	try_run(torap_bytes(data, size), c);

	struct torap_buffer *content = torap_buffer_copy(torap_bytes(data, size));
	struct torap_buffer *compressed = torap_run_compress(c, content);
	if (compressed != content)
		try_run(torap_buffer_bytes(compressed), c);
	torap_buffer_unref(content);
	torap_buffer_unref(compressed);
	return 0;
}
