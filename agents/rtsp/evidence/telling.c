#include "agents/rtsp/evidence/telling.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/taxonomy.h"

static const char *const codes[] = {
	[RTSP_TELL_STORED] = "evidence stored",
	[RTSP_TELL_MISSING] = "evidence missing",
	[RTSP_TELL_DAMAGED] = "evidence missing",
	[RTSP_TELL_DELETED] = "evidence deleted",
};

/* What does not fit any more is left out: the sizes of all that is told are bounded, so that it does. */
static void add(struct rtsp_telling *t, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add(struct rtsp_telling *t, const char *name, const char *format, ...)
{
	size_t i = t->o.n_fields, room = sizeof t->texts - t->texts_size;
	char *text = t->texts + t->texts_size;
	va_list args;
	va_start(args, format);
	int size = vsnprintf(text, room, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= room || i == RTSP_TELLING_FIELDS_MAX)
		return;
	t->texts_size += (size_t)size + 1;
	torap__field__init(&t->pool[i]);
	t->pool[i].name = (char *)name;
	t->pool[i].value = text;
	t->fields[i] = &t->pool[i];
	t->o.n_fields++;
}

static void add_alarms(struct rtsp_telling *t, const struct rtsp_item *item)
{
	static const char *const names[RTSP_ALARMS_MAX] = { "alarm", "alarm_2", "alarm_3", "alarm_4" };
	for (uint32_t i = 0; i < item->alarms_count; i++)
		add(t, names[i], "%s %" PRIu64, item->alarms[i].stream, item->alarms[i].seq);
	if (item->alarms_count && torap_kind_name(item->alarms[0].kind))
		add(t, "alarm_kind", "%s", torap_kind_name(item->alarms[0].kind));
	if (item->alarms_more)
		add(t, "alarms_more", "%" PRIu32, item->alarms_more);
}

static void add_file(struct rtsp_telling *t, const struct rtsp_item *item)
{
	char text[TORAP_WALL_TEXT_SIZE], digest[2 * TORAP_DIGEST_SIZE + 1], gaps[1024];
	add(t, "digest", "%s", torap_hex(digest, torap_bytes(item->digest, sizeof item->digest)));
	add(t, "bytes", "%" PRIu64, item->size);
	add(t, "from", "%s", torap_wall_format(item->from, text));
	add(t, "until", "%s", torap_wall_format(item->until, text));
	add(t, "size", "%ux%u", item->width, item->height);
	if (item->media != RTSP_CLIP)
		return;
	add(t, "frames", "%" PRIu32, item->frames);
	add(t, "gaps", "%" PRIu32, item->gaps_count);
	rtsp_gaps_format(item, gaps, sizeof gaps);
	if (*gaps)
		add(t, "gaps_at", "%s", gaps);
}

/* Two tellings of one thing are one. */
static void set_repeat_key(struct rtsp_telling *t, enum rtsp_told_of what, const struct rtsp_item *item)
{
	char text[RTSP_ITEM_NAME_SIZE + 64];
	char name[RTSP_ITEM_NAME_SIZE];
	int size = snprintf(text, sizeof text, "%s\n%s\n%s", codes[what], rtsp_item_name(item, name),
		rtsp_media_type(item->media));
	crypto_generichash(t->repeat_key, sizeof t->repeat_key, (const uint8_t *)text, (size_t)size, NULL, 0);
	t->o.repeat_key = (ProtobufCBinaryData){ sizeof t->repeat_key, t->repeat_key };
	t->o.dated = true;
}

void rtsp_telling_fill(struct rtsp_telling *out, enum rtsp_told_of what, const struct rtsp_item *item,
	const char *reason, struct torap_bytes picture, struct torap_wall now)
{
	torap__observation__init(&out->o);
	out->texts_size = 0;
	out->o.fields = out->fields;
	out->o.protocol = (char *)"rtsp";
	out->o.address = (char *)item->camera;
	out->o.vocabulary = (char *)"torap-rtsp";
	out->o.code = (char *)codes[what];
	out->o.received_at_us = now.us;
	if (what == RTSP_TELL_STORED)
		out->o.device_time_us = item->from.us;
	add(out, "media_type", "%s", rtsp_media_type(item->media));
	if (what != RTSP_TELL_MISSING)
		add_file(out, item);
	if (*reason)
		add(out, "reason", "%s", reason);
	add_alarms(out, item);
	set_repeat_key(out, what, item);
	if (!picture.size)
		return;
	torap__image__init(&out->image);
	out->image.media_type = (char *)rtsp_media_type(item->media);
	out->image.taken_at_us = item->from.us;
	out->image.data = (ProtobufCBinaryData){ picture.size, (uint8_t *)picture.data };
	out->o.image = &out->image;
}
