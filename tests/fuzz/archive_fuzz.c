/* What a recorder answers: documents parted by a line of four dashes, each the answer to the next question of a dialogue.  Whatever comes,
 * the dialogue ends, and what it found is sorted and apart. */
#include <assert.h>
#include <string.h>

#include "agents/archive/profile_g.h"
#include "agents/soap/answer.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct torap_wall now = { 1795672422 * (int64_t)TORAP_US_PER_S };

/* The next document; NULL data: there is none. */
static struct torap_bytes next(const uint8_t **at, const uint8_t *end)
{
	static const char mark[] = "\n----\n";
	if (*at == end)
		return torap_bytes(NULL, 0);
	const uint8_t *cut = memmem(*at, (size_t)(end - *at), mark, strlen(mark));
	struct torap_bytes document = torap_bytes(*at, (size_t)((cut ? cut : end) - *at));
	*at = cut ? cut + strlen(mark) : end;
	return document;
}

static void check(const struct archive_holdings *h)
{
	for (size_t i = 0; i < h->spans.count; i++) {
		assert(h->spans.items[i].from.us < h->spans.items[i].until.us);
		assert(i == 0 || h->spans.items[i - 1].until.us < h->spans.items[i].from.us);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct archive_source source = { "http://10.0.0.9/onvif/device_service", "gate" };
	const uint8_t *at = data, *end = data + size;
	struct archive_dialogue *d;
	struct archive_question q;
	struct archive_holdings held;
	struct torap_error err = { "" };
	if (archive_dialogue_create(
		    &d, &source, (struct torap_wall){ now.us - 86400 * (int64_t)TORAP_US_PER_S }, now, &err))
		return 0;
	for (int questions = 0; archive_dialogue_next(d, &q, now); questions++) {
		struct torap_bytes document = next(&at, end);
		struct soap_answer *a = NULL;
		int r = document.data ? soap_answer_parse(&a, document, &err) : -1;
		assert(questions < 100000);
		assert(r >= 0 || !a);
		archive_dialogue_answer(d, a, r == SOAP_FAULT,
			document.data ? ARCHIVE_BROKEN : ARCHIVE_UNREACHABLE, err.text, now);
		soap_answer_free(a);
	}
	archive_dialogue_take(d, &held);
	check(&held);
	archive_spans_finish(&held.spans);
	archive_dialogue_destroy(d);
	return 0;
}
