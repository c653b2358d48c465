#include "agents/rtsp/evidence/access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/frame.h"
#include "agents/rtsp/talk/jpeg.h"
#include "agents/rtsp/talk/nal.h"

static struct torap_bytes after(struct torap_bytes b, size_t size)
{
	return size > b.size ? torap_bytes(b.data, 0) : torap_bytes(b.data + size, b.size - size);
}

static unsigned type_of(enum rtsp_codec codec, uint8_t first)
{
	return codec == RTSP_CODEC_H265 ? first >> 1 & 63 : first & 31;
}

static bool is_picture_key(enum rtsp_codec codec, unsigned type)
{
	return codec == RTSP_CODEC_H265 ? type >= H265_IRAP_FIRST && type <= H265_IRAP_LAST
					: type == H264_IDR;
}

/* Which of VPS, SPS, PPS; -1: none. */
static int set_of(enum rtsp_codec codec, unsigned type)
{
	if (codec == RTSP_CODEC_H265)
		return type >= H265_VPS && type <= H265_PPS ? (int)type - H265_VPS : -1;
	return type == H264_SPS || type == H264_PPS ? (int)type - H264_SPS + 1 : -1;
}

static bool is_key(enum rtsp_codec codec, unsigned type)
{
	return is_picture_key(codec, type) || set_of(codec, type) >= 0;
}

/* The next NAL unit of an aggregate; false: there is none, or it is cut. */
static bool next_inner(struct torap_bytes *rest, struct torap_bytes *nal)
{
	if (rest->size < 2)
		return false;
	size_t size = (size_t)rest->data[0] << 8 | rest->data[1];
	if (!size || size > rest->size - 2)
		return false;
	*nal = torap_bytes(rest->data + 2, size);
	*rest = after(*rest, 2 + size);
	return true;
}

static bool is_aggregate(enum rtsp_codec codec, unsigned type)
{
	return type == (codec == RTSP_CODEC_H265 ? H265_AP : H264_STAP_A);
}

static bool is_fragment(enum rtsp_codec codec, unsigned type)
{
	return type == (codec == RTSP_CODEC_H265 ? H265_FU : H264_FU_A);
}

static size_t head_of(enum rtsp_codec codec)
{
	return codec == RTSP_CODEC_H265 ? 2 : 1;
}

static bool jpeg_begins(struct torap_bytes body)
{
	struct rtsp_jpeg_part part;
	return rtsp_jpeg_part_read(&part, body) && !part.offset;
}

/* Does a frame begin here: its first slice, or what may stand before it? */
static bool begins_frame(enum rtsp_codec codec, struct torap_bytes body)
{
	size_t head = head_of(codec);
	if (codec == RTSP_CODEC_MJPEG)
		return jpeg_begins(body);
	if (body.size <= head + 1)
		return false;
	unsigned type = type_of(codec, *body.data), first = body.data[head];
	if (is_fragment(codec, type)) {
		if (!(first & FU_START))
			return false;
		type = first & (codec == RTSP_CODEC_H265 ? 63 : 31);
		first = body.data[head + 1];
	} else if (is_aggregate(codec, type)) {
		struct torap_bytes rest = after(body, head), nal;
		if (!next_inner(&rest, &nal) || nal.size <= head)
			return false;
		type = type_of(codec, *nal.data);
		first = nal.data[head];
	}
	/* The first bit of a slice says so in both: first_slice_segment_in_pic_flag; first_mb_in_slice, which is 0. */
	bool slice = codec == RTSP_CODEC_H265 ? type < 32 : type <= H264_IDR;
	return !slice || first & 0x80;
}

bool rtsp_access_key(enum rtsp_codec codec, struct torap_bytes body)
{
	size_t head = head_of(codec);
	if (codec == RTSP_CODEC_MJPEG)
		return jpeg_begins(body);
	if (body.size <= head)
		return false;
	unsigned type = type_of(codec, *body.data);
	if (is_fragment(codec, type))
		return body.data[head] & FU_START &&
		       is_key(codec, body.data[head] & (codec == RTSP_CODEC_H265 ? 63 : 31));
	if (!is_aggregate(codec, type))
		return is_key(codec, type);
	struct torap_bytes rest = after(body, head), nal;
	while (next_inner(&rest, &nal))
		if (is_key(codec, type_of(codec, *nal.data)))
			return true;
	return false;
}

/* Packets in order. */

struct ordered {
	struct rtsp_packet packet;
	int64_t number; /* sequence, unwrapped */
	size_t place;   /* as they came */
};

static int compare(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	if (x->packet.session != y->packet.session)
		return x->place < y->place ? -1 : 1; /* sessions follow each other */
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static struct ordered *order(const struct torap_bytes *spans, size_t count, size_t *packets)
{
	size_t room = 1024, n = 0;
	struct ordered *list = malloc(room * sizeof *list);
	for (size_t i = 0; list && i < count; i++) {
		struct torap_reader r = torap_reader(spans[i]);
		struct rtsp_packet p;
		while (n < RTSP_FOOTAGE_PACKETS_MAX && rtsp_packet_read(&r, &p)) {
			if (n == room) {
				struct ordered *more = reallocarray(list, 2 * room, sizeof *list);
				if (!more) {
					free(list);
					return NULL;
				}
				list = more;
				room *= 2;
			}
			const struct ordered *last = n ? &list[n - 1] : NULL;
			bool same = last && last->packet.session == p.session;
			int64_t number = same ? last->number + (int16_t)(p.sequence - (uint16_t)last->number)
					      : p.sequence;
			list[n] = (struct ordered){ p, number, n };
			n++;
		}
	}
	if (list)
		qsort(list, n, sizeof *list, compare);
	*packets = n;
	return list;
}

/* Units. */

struct making {
	struct rtsp_units *out;
	enum rtsp_codec codec;
	struct rtsp_unit unit; /* under way */
	bool open, broken, fragment, marked;
	uint32_t time, lost; /* lost: since the last unit that is whole */
	int64_t ticks;
	size_t scan;
	uint8_t tables[RTSP_JPEG_TABLES], tables_q;
	struct rtsp_set sets[3];
	bool sets_kept, failed;
};

static void add_nal_head(struct making *m, const uint8_t *head, size_t size)
{
	torap_write_bytes(&m->out->bytes, torap_bytes(start_code, sizeof start_code));
	torap_write_bytes(&m->out->bytes, torap_bytes(head, size));
}

static void keep_set(struct making *m, int which, struct torap_bytes nal)
{
	if (nal.size > RTSP_SET_MAX)
		return;
	memcpy(m->sets[which].data, nal.data, nal.size);
	m->sets[which].size = (uint16_t)nal.size;
}

static void add_nal(struct making *m, struct torap_bytes nal)
{
	if (!nal.size)
		return;
	unsigned type = type_of(m->codec, *nal.data);
	int set = set_of(m->codec, type);
	if (set >= 0)
		keep_set(m, set, nal);
	m->unit.key = m->unit.key || is_picture_key(m->codec, type);
	add_nal_head(m, nal.data, nal.size);
}

static void add_fragment(struct making *m, struct torap_bytes body)
{
	size_t head = head_of(m->codec);
	bool h265 = m->codec == RTSP_CODEC_H265;
	if (body.size <= head + 1) {
		m->broken = true;
		return;
	}
	uint8_t fu = body.data[head];
	unsigned type = fu & (h265 ? 63 : 31);
	if (fu & FU_START) {
		uint8_t nal[2] = { (uint8_t)((body.data[0] & 0xe0) | type), 0 };
		if (h265) {
			nal[0] = (uint8_t)((body.data[0] & 0x81) | type << 1);
			nal[1] = body.data[1];
		}
		m->unit.key = m->unit.key || is_picture_key(m->codec, type);
		add_nal_head(m, nal, head);
	} else if (!m->fragment) {
		m->broken = true; /* its begin is lost */
	}
	torap_write_bytes(&m->out->bytes, after(body, head + 1));
	m->fragment = !(fu & FU_END);
}

static void add_jpeg(struct making *m, struct torap_bytes body)
{
	struct rtsp_jpeg_part part;
	if (!rtsp_jpeg_part_read(&part, body)) {
		m->broken = true;
		return;
	}
	if (part.tables.size == 64 || part.tables.size == 128) {
		for (size_t i = 0; i < sizeof m->tables; i++)
			m->tables[i] = part.tables.data[i % part.tables.size];
		m->tables_q = part.quality;
	}
	if (!m->unit.key) {
		const uint8_t *told = m->tables_q == part.quality && part.quality >= 128 ? m->tables : NULL;
		m->unit.key = true;
		m->scan = 0;
		if (part.offset || !rtsp_jpeg_head_write(&m->out->bytes, &part, told))
			m->broken = true;
	}
	m->broken = m->broken || part.offset != m->scan;
	m->scan += part.data.size;
	torap_write_bytes(&m->out->bytes, part.data);
}

static void add_body(struct making *m, struct torap_bytes body)
{
	if (m->codec == RTSP_CODEC_MJPEG) {
		add_jpeg(m, body);
		return;
	}
	if (body.size <= head_of(m->codec)) {
		m->broken = true;
		return;
	}
	unsigned type = type_of(m->codec, *body.data);
	if (is_fragment(m->codec, type)) {
		add_fragment(m, body);
		return;
	}
	m->broken = m->broken || m->fragment; /* the end of one is lost */
	m->fragment = false;
	if (!is_aggregate(m->codec, type)) {
		add_nal(m, body);
		return;
	}
	struct torap_bytes rest = after(body, head_of(m->codec)), nal;
	while (next_inner(&rest, &nal))
		add_nal(m, nal);
	m->broken = m->broken || rest.size;
}

static void keep_sets(struct making *m)
{
	struct rtsp_units *u = m->out;
	for (unsigned i = 0; i < 3; i++) {
		if (!m->sets[i].size)
			continue;
		memcpy(u->sets + u->sets_size, start_code, sizeof start_code);
		memcpy(u->sets + u->sets_size + sizeof start_code, m->sets[i].data, m->sets[i].size);
		u->sets_size += sizeof start_code + m->sets[i].size;
	}
	m->sets_kept = true;
}

static bool make_room(struct rtsp_units *u)
{
	if (u->count < u->room)
		return true;
	size_t room = u->room ? 2 * u->room : 256;
	struct rtsp_unit *list = reallocarray(u->list, room, sizeof *list);
	if (!list)
		return false;
	u->list = list;
	u->room = room;
	return true;
}

static void end_unit(struct making *m)
{
	struct torap_writer *w = &m->out->bytes;
	if (!m->open)
		return;
	m->open = false;
	m->broken = m->broken || m->fragment || w->failed;
	if (m->codec == RTSP_CODEC_MJPEG && !m->broken)
		rtsp_jpeg_end_write(w);
	m->failed = m->failed || w->failed || !make_room(m->out);
	if (m->failed)
		return;
	m->unit.size = w->size - m->unit.offset;
	m->unit.lost = m->lost;
	if (m->broken)
		w->size = m->unit.offset;
	m->unit.size = m->broken ? 0 : m->unit.size;
	if (!m->broken)
		m->lost = 0;
	if (!m->broken && m->unit.key && !m->sets_kept)
		keep_sets(m);
	m->out->list[m->out->count++] = m->unit;
}

/* Nothing follows it in its session: without the mark of a last packet it is cut. */
static void end_last(struct making *m)
{
	m->broken = m->broken || !m->marked;
	end_unit(m);
	m->lost = 0;
}

static void begin_unit(struct making *m, const struct rtsp_packet *p, bool first)
{
	m->ticks = first ? 0 : m->ticks + (int32_t)(p->time - m->time);
	m->time = p->time;
	m->open = true;
	m->broken = m->fragment = false;
	m->unit = (struct rtsp_unit){
		.offset = m->out->bytes.size, .session = p->session, .ticks = m->ticks, .at = p->at
	};
}

/* `before`: the packet before it in this session; NULL: it is the first. */
static void add_packet(struct making *m, const struct ordered *o, const struct ordered *before)
{
	const struct rtsp_packet *p = &o->packet;
	if (before && o->number == before->number)
		return; /* twice */
	int64_t lost = before ? o->number - before->number - 1 : 0;
	bool begins = !before || p->time != m->time;
	if (lost) { /* its end may be among those that are missing; and what begins now may lack its begin */
		m->broken = m->broken || !begins || !m->marked;
		m->lost += lost < UINT16_MAX ? (uint32_t)lost : UINT16_MAX;
	}
	if (begins) {
		end_unit(m);
		begin_unit(m, p, !before);
		m->broken = (lost || !before) && !begins_frame(m->codec, p->body);
	}
	add_body(m, p->body);
	m->marked = p->marker;
}

int rtsp_units_make(
	struct rtsp_units *out, enum rtsp_codec codec, const struct torap_bytes *spans, size_t count)
{
	struct making m = { .out = out, .codec = codec };
	size_t packets = 0;
	*out = (struct rtsp_units){ 0 };
	struct ordered *list = order(spans, count, &packets);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < packets && !m.failed; i++) {
		bool follows = i && list[i].packet.session == list[i - 1].packet.session;
		if (!follows)
			end_last(&m);
		add_packet(&m, &list[i], follows ? &list[i - 1] : NULL);
	}
	end_last(&m);
	free(list);
	/* libavformat reads beyond the end. */
	if (!m.failed && torap_write_room(&out->bytes, RTSP_FRAME_PADDING)) {
		out->bytes.size -= RTSP_FRAME_PADDING;
		return 0;
	}
	rtsp_units_finish(out);
	return -ENOMEM;
}

void rtsp_units_finish(struct rtsp_units *u)
{
	torap_writer_finish(&u->bytes);
	free(u->list);
	*u = (struct rtsp_units){ 0 };
}
