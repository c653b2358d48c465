#include "agents/rtsp/talk/sdp.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "agents/rtsp/talk/message.h"

enum { LINES_MAX = 1024, PAYLOAD_JPEG = 26, CLOCK_HZ = 90000, CLOCK_HZ_MAX = 1000000 };

struct section { /* the media description that is being read */
	struct rtsp_video video;
	bool is_video, any;
	uint8_t payloads[32];
	unsigned payloads_count;
	struct torap_bytes rtpmap[32], fmtp[32]; /* of the payload of the same place */
};

static bool begins(struct torap_bytes text, const char *word)
{
	return text.size >= strlen(word) && strncasecmp((const char *)text.data, word, strlen(word)) == 0;
}

static struct torap_bytes after(struct torap_bytes text, size_t size)
{
	return torap_bytes(text.data + size, text.size - size);
}

static struct torap_bytes skip_blanks(struct torap_bytes text)
{
	while (text.size && *text.data == ' ')
		text = after(text, 1);
	return text;
}

/* False when it does not fit or has a NUL in it. */
static bool copy(char *out, size_t room, struct torap_bytes text)
{
	if (text.size >= room || memchr(text.data, 0, text.size))
		return false;
	memcpy(out, text.data, text.size);
	out[text.size] = 0;
	return true;
}

/* "video 0 RTP/AVP 96 97" */
static void begin_section(struct section *s, struct torap_bytes text)
{
	*s = (struct section){ .any = true };
	s->is_video = begins(text, "video ");
	const uint8_t *avp = memmem(text.data, text.size, " RTP/AVP", 8);
	if (!s->is_video || !avp)
		return;
	text = after(text, (size_t)(avp + 8 - text.data));
	while (text.size && *text.data != ' ')
		text = after(text, 1); /* "/TCP", "F" */
	while (s->payloads_count < 32) {
		uint32_t payload;
		text = skip_blanks(text);
		size_t size = rtsp_number(text, &payload);
		if (!size || payload > 127)
			return;
		s->payloads[s->payloads_count++] = (uint8_t)payload;
		text = after(text, size);
	}
}

/* "96 rest" of an attribute: keeps the rest with its payload. */
static void keep(struct section *s, struct torap_bytes *list, struct torap_bytes text)
{
	uint32_t payload;
	text = skip_blanks(text);
	size_t size = rtsp_number(text, &payload);
	for (unsigned i = 0; size && i < s->payloads_count; i++)
		if (s->payloads[i] == payload)
			list[i] = skip_blanks(after(text, size));
}

/* "25", "12.5" as thousandths. */
static uint32_t rate_of(struct torap_bytes text)
{
	uint32_t whole, part = 0, scale = 100;
	text = skip_blanks(text);
	size_t size = rtsp_number(text, &whole);
	if (!size || whole > 1000)
		return 0;
	text = after(text, size);
	if (text.size && *text.data == '.')
		for (text = after(text, 1); text.size && scale && *text.data >= '0' && *text.data <= '9';
			text = after(text, 1), scale /= 10)
			part += (uint32_t)(*text.data - '0') * scale;
	return whole * 1000 + part;
}

static void attribute(struct section *s, char *aggregate, struct torap_bytes text)
{
	if (begins(text, "control:")) {
		char *to = s->any ? s->video.control : aggregate;
		if (!copy(to, RTSP_URL_MAX + 1, skip_blanks(after(text, 8))))
			*to = 0;
	} else if (!s->is_video) {
		return;
	} else if (begins(text, "rtpmap:")) {
		keep(s, s->rtpmap, after(text, 7));
	} else if (begins(text, "fmtp:")) {
		keep(s, s->fmtp, after(text, 5));
	} else if (begins(text, "framerate:")) {
		s->video.rate_mhz = rate_of(after(text, 10));
	}
}

/* Base 64, perhaps several with commas between, as NAL units behind what is there. */
static void add_sets(struct rtsp_video *v, struct torap_bytes text)
{
	static const uint8_t start[] = { 0, 0, 0, 1 };
	while (text.size) {
		const uint8_t *comma = memchr(text.data, ',', text.size);
		size_t size = comma ? (size_t)(comma - text.data) : text.size, got;
		if (v->sets_size + sizeof start < sizeof v->sets) {
			uint8_t *to = v->sets + v->sets_size;
			if (sodium_base642bin(to + sizeof start, sizeof v->sets - v->sets_size - sizeof start,
				    (const char *)text.data, size, NULL, &got, NULL,
				    sodium_base64_VARIANT_ORIGINAL) == 0 &&
				got) {
				memcpy(to, start, sizeof start);
				v->sets_size += sizeof start + got;
			}
		}
		text = after(text, size + (comma != NULL));
	}
}

static void read_sets(struct rtsp_video *v, struct torap_bytes fmtp)
{
	static const char *const names[] = { "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps" };
	struct torap_bytes value;
	unsigned first = v->codec == RTSP_CODEC_H264 ? 0 : 1, last = v->codec == RTSP_CODEC_H264 ? 1 : 4;
	for (unsigned i = first; i < last; i++)
		if (rtsp_parameter(fmtp, names[i], &value))
			add_sets(v, value);
}

/* "H264/90000" */
static bool take_rtpmap(struct rtsp_video *v, struct torap_bytes map)
{
	static const struct {
		const char *name;
		enum rtsp_codec codec;
	} names[] = { { "H264/", RTSP_CODEC_H264 }, { "H265/", RTSP_CODEC_H265 },
		{ "HEVC/", RTSP_CODEC_H265 }, { "JPEG/", RTSP_CODEC_MJPEG } };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (!begins(map, names[i].name))
			continue;
		uint32_t clock;
		if (!rtsp_number(after(map, strlen(names[i].name)), &clock) || !clock || clock > CLOCK_HZ_MAX)
			return false;
		v->codec = names[i].codec;
		v->clock_hz = clock;
		return true;
	}
	return false;
}

/* Is there one of its payloads that we decode? */
static bool settle(struct section *s)
{
	for (unsigned i = 0; s->is_video && i < s->payloads_count; i++) {
		struct rtsp_video *v = &s->video;
		if (!take_rtpmap(v, s->rtpmap[i])) {
			if (s->payloads[i] != PAYLOAD_JPEG || s->rtpmap[i].size)
				continue;
			v->codec = RTSP_CODEC_MJPEG;
			v->clock_hz = CLOCK_HZ;
		}
		v->payload = s->payloads[i];
		if (v->codec != RTSP_CODEC_MJPEG)
			read_sets(v, s->fmtp[i]);
		return true;
	}
	return false;
}

enum rtsp_outcome rtsp_sdp_read(struct rtsp_video *out, struct torap_bytes sdp)
{
	static _Thread_local struct section s;
	char aggregate[RTSP_URL_MAX + 1] = "";
	bool found = false;
	s = (struct section){ 0 };
	if (sdp.size < 3 || memcmp(sdp.data, "v=0", 3) != 0)
		return RTSP_OUTCOME_BAD_SDP;
	for (unsigned lines = 0; sdp.size && !found; lines++) {
		const uint8_t *end = memchr(sdp.data, '\n', sdp.size);
		size_t size = end ? (size_t)(end - sdp.data) : sdp.size;
		struct torap_bytes line = torap_bytes(sdp.data, size);
		sdp = after(sdp, size + (end != NULL));
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		if (lines == LINES_MAX || (line.size && (line.size < 2 || line.data[1] != '=')))
			return RTSP_OUTCOME_BAD_SDP;
		if (begins(line, "m=")) {
			found = settle(&s);
			if (!found)
				begin_section(&s, after(line, 2));
		} else if (begins(line, "a=")) {
			attribute(&s, aggregate, after(line, 2));
		}
	}
	if (!found && !settle(&s))
		return RTSP_OUTCOME_NO_VIDEO;
	*out = s.video;
	memcpy(out->aggregate, aggregate, sizeof aggregate);
	return RTSP_OUTCOME_PICTURE;
}
