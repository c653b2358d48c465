/* The description beside a piece of evidence, as it is read back.  What is taken can be written again, and then says the same; its mark
 * stands where it is written over. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/item.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct rtsp_item *item)
{
	char name[RTSP_ITEM_NAME_SIZE], gaps[256];
	assert(*item->camera && item->told < RTSP_TELL_COUNT && item->alarms_count <= RTSP_ALARMS_MAX);
	assert(strlen(rtsp_item_name(item, name)) == sizeof name - 1);
	rtsp_gaps_format(item, gaps, sizeof gaps);
	assert(strlen(gaps) < sizeof gaps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtsp_item item, again;
	struct torap_error err = { "" };
	size_t at = rtsp_item_told_at(torap_bytes(data, size));
	assert(at < size || at == 0);
	if (rtsp_item_read(&item, torap_bytes(data, size), &err)) {
		assert(*err.text);
		return 0;
	}
	check(&item);
	char *text = rtsp_item_write(&item);
	assert(text);
	at = rtsp_item_told_at(torap_bytes(text, strlen(text)));
	assert(at && text[at] == '0' + (char)item.told);
	text[at] = '0' + RTSP_TELL_DELETED;
	/* It may be longer than what it was read of. */
	int r = rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err);
	assert(r == 0 || strlen(text) > RTSP_ITEM_TEXT_MAX);
	if (r == 0) {
		assert(again.told == RTSP_TELL_DELETED);
		again.told = item.told;
		text[at] = '0' + (char)item.told;
		char *same = rtsp_item_write(&again);
		assert(same && strcmp(text, same) == 0);
		free(same);
	}
	free(text);
	return 0;
}
