#include "agents/rtsp/evidence/clip.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/access.h"
#include "agents/rtsp/frame.h"

enum { TIMESCALE = 90000 };

struct frame { /* of the clip */
	const struct rtsp_unit *unit;
	int64_t pts, dts; /* in TIMESCALE */
};

struct cutting {
	const struct rtsp_footage *footage;
	struct rtsp_units units;
	struct rtsp_item *item;
	struct frame *frames; /* owned */
	size_t count;
};

/* Which units. */

static bool is_whole(const struct rtsp_unit *u)
{
	return u->size > 0;
}

static size_t find_begin(const struct rtsp_units *u, struct torap_wall from)
{
	size_t begin = u->count;
	for (size_t i = 0; i < u->count; i++) {
		if (!is_whole(&u->list[i]) || !u->list[i].key)
			continue;
		if (begin == u->count || u->list[i].at.us <= from.us)
			begin = i;
		else
			break;
	}
	return begin;
}

/* What lacks packets is left out and named; so is what a new session sends before its first keyframe. */
static bool choose(struct cutting *c)
{
	const struct rtsp_units *u = &c->units;
	size_t begin = find_begin(u, c->item->from);
	const struct rtsp_unit *last = NULL;
	bool broke = false;
	c->frames = calloc(u->count + 1, sizeof *c->frames);
	for (size_t i = begin; c->frames && i < u->count && u->list[i].at.us <= c->item->until.us; i++) {
		const struct rtsp_unit *unit = &u->list[i];
		broke = broke || (last && unit->session != last->session);
		if (!is_whole(unit) || (broke && !unit->key))
			continue;
		if (last && broke)
			rtsp_gap_add(c->item, &(struct rtsp_gap){ last->at, unit->at, RTSP_GAP_SESSION, 0 });
		else if (last && unit->lost)
			rtsp_gap_add(
				c->item, &(struct rtsp_gap){ last->at, unit->at, RTSP_GAP_LOST, unit->lost });
		broke = false;
		c->frames[c->count++].unit = unit;
		last = unit;
	}
	return c->frames != NULL;
}

/* When. */

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* A camera whose clock leaps is no reason to count beyond an int64_t. */
static int64_t leap(int64_t ticks)
{
	const int64_t most = INT64_MAX / TIMESCALE / 4;
	return ticks > most ? most : ticks < -most ? -most : ticks;
}

/* A session's frames stand where its first one came, and apart as the camera says; sessions follow each other. */
static void set_pts(struct cutting *c)
{
	int64_t base = 0, origin = 0, last = -1;
	uint32_t session = 0;
	for (size_t i = 0; i < c->count; i++) {
		struct frame *f = &c->frames[i];
		if (!i || f->unit->session != session) {
			int64_t came =
				(f->unit->at.us - c->frames[0].unit->at.us) * TIMESCALE / TORAP_US_PER_S;
			base = came > last ? came : last + 1;
			origin = f->unit->ticks;
			session = f->unit->session;
		}
		f->pts = base + leap(f->unit->ticks - origin) * TIMESCALE / c->footage->clock_hz;
		last = f->pts > last ? f->pts : last;
	}
}

/* Decoding goes in the order of sending, showing by the camera's times: where both differ, all are shown so much later that none is to be
 * shown before it is decoded. */
static bool set_dts(struct cutting *c)
{
	int64_t *sorted = calloc(c->count, sizeof *sorted), late = 0;
	if (!sorted)
		return false;
	for (size_t i = 0; i < c->count; i++)
		sorted[i] = c->frames[i].pts;
	qsort(sorted, c->count, sizeof *sorted, compare);
	for (size_t i = 0; i < c->count; i++) {
		if (i && sorted[i] <= sorted[i - 1]) /* a camera whose clock stands */
			sorted[i] = sorted[i - 1] + 1;
		c->frames[i].dts = sorted[i];
		if (sorted[i] - c->frames[i].pts > late)
			late = sorted[i] - c->frames[i].pts;
	}
	int64_t first = c->frames[0].dts;
	for (size_t i = 0; i < c->count; i++) {
		c->frames[i].pts += late - first;
		c->frames[i].dts -= first;
	}
	free(sorted);
	return true;
}

/* What. */

static struct torap_bytes sets_of(const struct cutting *c)
{
	return c->units.sets_size ? torap_bytes(c->units.sets, c->units.sets_size) : c->footage->sets;
}

static struct torap_bytes bytes_of(const struct cutting *c, const struct rtsp_unit *u)
{
	return torap_bytes(c->units.bytes.data + u->offset, u->size);
}

/* As a decoder takes it that knows nothing yet. */
static bool write_key(struct torap_writer *out, const struct cutting *c, const struct rtsp_unit *u)
{
	if (c->footage->codec != RTSP_CODEC_MJPEG) {
		torap_write_bytes(out, c->footage->sets);
		torap_write_bytes(out, torap_bytes(c->units.sets, c->units.sets_size));
	}
	torap_write_bytes(out, bytes_of(c, u));
	return torap_write_room(out, RTSP_FRAME_PADDING) != NULL;
}

/* The first keyframe says how large it is. */
static int look_at_first(struct cutting *c)
{
	struct torap_writer key = { 0 };
	int r = write_key(&key, c, c->frames[0].unit) ? 0 : -ENOMEM;
	AVFrame *frame = r ? NULL
			   : rtsp_frame_decode(c->footage->codec, RTSP_FRAME_TO_SHOW, key.data,
				     key.size - RTSP_FRAME_PADDING);
	if (!r && !frame)
		r = RTSP_CLIP_UNDECODABLE;
	if (frame) {
		c->item->width = (uint16_t)frame->width;
		c->item->height = (uint16_t)frame->height;
	}
	av_frame_free(&frame);
	torap_writer_finish(&key);
	return r;
}

static bool describe(const struct cutting *c, AVStream *stream)
{
	AVCodecParameters *p = stream->codecpar;
	struct torap_bytes sets = sets_of(c);
	p->codec_type = AVMEDIA_TYPE_VIDEO;
	p->codec_id = (enum AVCodecID)rtsp_frame_codec(c->footage->codec);
	p->codec_tag = c->footage->codec == RTSP_CODEC_H265 ? MKTAG('h', 'v', 'c', '1') : 0;
	p->width = c->item->width;
	p->height = c->item->height;
	stream->time_base = (AVRational){ 1, TIMESCALE };
	if (c->footage->codec == RTSP_CODEC_MJPEG)
		return true;
	p->extradata = av_mallocz(sets.size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!p->extradata)
		return false;
	memcpy(p->extradata, sets.data, sets.size);
	p->extradata_size = (int)sets.size;
	return true;
}

static int write_frame(const struct cutting *c, AVFormatContext *mp4, size_t i, AVPacket *packet)
{
	const struct frame *f = &c->frames[i];
	struct torap_bytes bytes = bytes_of(c, f->unit);
	AVRational from = { 1, TIMESCALE }, to = mp4->streams[0]->time_base;
	int64_t lasts = i + 1 < c->count ? c->frames[i + 1].dts - f->dts
			: i              ? f->dts - c->frames[i - 1].dts
					 : TIMESCALE / 25;
	av_packet_unref(packet);
	packet->data = (uint8_t *)bytes.data;
	packet->size = (int)bytes.size;
	packet->pts = f->pts;
	packet->dts = f->dts;
	packet->duration = lasts;
	packet->flags = f->unit->key ? AV_PKT_FLAG_KEY : 0;
	av_packet_rescale_ts(packet, from, to);
	return av_write_frame(mp4, packet);
}

static int write_all(const struct cutting *c, AVFormatContext *mp4)
{
	AVDictionary *options = NULL;
	AVPacket *packet = av_packet_alloc();
	char text[TORAP_WALL_TEXT_SIZE];
	bool jpeg = c->footage->codec == RTSP_CODEC_MJPEG; /* where each frame is a key */
	av_dict_set(&options, "movflags",
		jpeg ? "empty_moov+default_base_moof" : "frag_keyframe+empty_moov+default_base_moof", 0);
	if (jpeg)
		av_dict_set(&options, "frag_duration", "1000000", 0);
	av_dict_set(&mp4->metadata, "creation_time", torap_wall_format(c->frames[0].unit->at, text), 0);
	int r = packet ? avformat_write_header(mp4, &options) : AVERROR(ENOMEM);
	for (size_t i = 0; i < c->count && r >= 0; i++)
		r = write_frame(c, mp4, i, packet);
	if (r >= 0)
		r = av_write_trailer(mp4);
	if (packet)
		packet->data = NULL; /* ours */
	av_packet_free(&packet);
	av_dict_free(&options);
	return r < 0 ? RTSP_CLIP_UNKNOWN : 0;
}

static int mux(const struct cutting *c, struct torap_writer *out)
{
	AVFormatContext *mp4 = NULL;
	uint8_t *bytes = NULL;
	if (avformat_alloc_output_context2(&mp4, NULL, "mp4", NULL) < 0)
		return -ENOMEM;
	AVStream *stream = avformat_new_stream(mp4, NULL);
	int r = stream && describe(c, stream) && avio_open_dyn_buf(&mp4->pb) >= 0 ? 0 : -ENOMEM;
	r = r ? r : write_all(c, mp4);
	int size = mp4->pb ? avio_close_dyn_buf(mp4->pb, &bytes) : 0;
	mp4->pb = NULL;
	if (!r)
		torap_write_bytes(out, torap_bytes(bytes, (size_t)size));
	av_free(bytes);
	avformat_free_context(mp4);
	return r ? r : out->failed ? -ENOMEM : 0;
}

int rtsp_clip(struct torap_writer *out, struct rtsp_item *item, const struct rtsp_footage *footage)
{
	struct cutting c = { .footage = footage, .item = item };
	int r = rtsp_units_make(&c.units, footage->codec, footage->spans, footage->count);
	if (!r && !choose(&c))
		r = -ENOMEM;
	if (!r && !c.count)
		r = RTSP_CLIP_EMPTY;
	r = r ? r : look_at_first(&c);
	if (!r) {
		set_pts(&c);
		r = set_dts(&c) ? mux(&c, out) : -ENOMEM;
		struct rtsp_gap rest = { c.frames[c.count - 1].unit->at, item->until, footage->ended, 0 };
		item->from = c.frames[0].unit->at;
		item->until = rest.from;
		if (footage->ended && rest.from.us < rest.until.us)
			rtsp_gap_add(item, &rest);
		item->frames = (uint32_t)c.count;
	}
	free(c.frames);
	rtsp_units_finish(&c.units);
	return r;
}

int rtsp_clip_newest(struct torap_writer *out, struct rtsp_item *item, const struct rtsp_footage *footage)
{
	struct cutting c = { .footage = footage, .item = item };
	int r = rtsp_units_make(&c.units, footage->codec, footage->spans, footage->count);
	const struct rtsp_unit *key = NULL;
	for (size_t i = 0; !r && i < c.units.count; i++)
		if (c.units.list[i].key && is_whole(&c.units.list[i]))
			key = &c.units.list[i];
	if (!r && !key)
		r = RTSP_CLIP_EMPTY;
	if (!r) {
		r = write_key(out, &c, key) ? 0 : -ENOMEM;
		out->size -= r ? 0 : RTSP_FRAME_PADDING;
		item->from = item->until = key->at;
	}
	rtsp_units_finish(&c.units);
	return r;
}
