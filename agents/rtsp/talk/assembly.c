#include "agents/rtsp/talk/assembly.h"

#include <string.h>

#include "agents/rtsp/talk/jpeg.h"
#include "agents/rtsp/talk/nal.h"

enum { RATE_FRAMES_MIN = 5, RATE_S_MIN = 1, RATE_WINDOW_S = 5 };

void rtsp_assembly_init(struct rtsp_assembly *a, const struct rtsp_video *video)
{
	*a = (struct rtsp_assembly){ .video = *video, .wanted = true };
}

void rtsp_assembly_finish(struct rtsp_assembly *a)
{
	torap_writer_finish(&a->frame);
}

static struct torap_bytes after(struct torap_bytes b, size_t size)
{
	return torap_bytes(b.data + size, b.size - size);
}

static void append(struct rtsp_assembly *a, struct torap_bytes bytes)
{
	if (a->frame.size + bytes.size > RTSP_KEYFRAME_MAX)
		a->broken = true;
	if (!a->broken)
		torap_write_bytes(&a->frame, bytes);
	if (a->frame.failed)
		a->broken = true;
}

/* A keyframe begins: first what the decoder must know, the stream's own word last, for it counts. */
static void begin_key(struct rtsp_assembly *a)
{
	if (a->key)
		return;
	a->key = true;
	append(a, torap_bytes(a->video.sets, a->video.sets_size));
	for (unsigned i = 0; i < 3; i++) {
		if (!a->sets[i].size)
			continue;
		append(a, torap_bytes(start_code, sizeof start_code));
		append(a, torap_bytes(a->sets[i].data, a->sets[i].size));
	}
}

static void keep_set(struct rtsp_assembly *a, unsigned which, struct torap_bytes nal)
{
	if (nal.size > RTSP_SET_MAX)
		return;
	memcpy(a->sets[which].data, nal.data, nal.size);
	a->sets[which].size = (uint16_t)nal.size;
	if (a->key) { /* between two slices: the decoder reads it where it stands */
		append(a, torap_bytes(start_code, sizeof start_code));
		append(a, nal);
	}
}

static bool is_h265(const struct rtsp_assembly *a)
{
	return a->video.codec == RTSP_CODEC_H265;
}

static unsigned type_of(const struct rtsp_assembly *a, uint8_t first)
{
	return is_h265(a) ? first >> 1 & 63 : first & 31;
}

static bool is_key(const struct rtsp_assembly *a, unsigned type)
{
	return is_h265(a) ? type >= H265_IRAP_FIRST && type <= H265_IRAP_LAST : type == H264_IDR;
}

static void add_nal(struct rtsp_assembly *a, struct torap_bytes nal)
{
	if (nal.size < 2)
		return;
	unsigned type = type_of(a, *nal.data);
	if (is_key(a, type)) {
		begin_key(a);
		append(a, torap_bytes(start_code, sizeof start_code));
		append(a, nal);
	} else if (is_h265(a) && type >= H265_VPS && type <= H265_PPS) {
		keep_set(a, type - H265_VPS, nal);
	} else if (!is_h265(a) && (type == H264_SPS || type == H264_PPS)) {
		keep_set(a, type - H264_SPS + 1, nal);
	}
}

static void add_several(struct rtsp_assembly *a, struct torap_bytes rest)
{
	while (rest.size >= 2) {
		size_t size = (size_t)rest.data[0] << 8 | rest.data[1];
		rest = after(rest, 2);
		if (size > rest.size) {
			a->broken = true;
			return;
		}
		add_nal(a, torap_bytes(rest.data, size));
		rest = after(rest, size);
	}
}

/* A piece of a NAL unit whose header is spread over `head` bytes here. */
static void add_fragment(struct rtsp_assembly *a, struct torap_bytes body)
{
	size_t head = is_h265(a) ? 3 : 2;
	if (body.size <= head)
		return;
	uint8_t fu = body.data[head - 1];
	unsigned type = fu & (is_h265(a) ? 63 : 31);
	if (!is_key(a, type))
		return;
	if (fu & FU_START) {
		uint8_t nal[2] = { (uint8_t)((body.data[0] & 0xe0) | type), 0 };
		if (is_h265(a)) {
			nal[0] = (uint8_t)((body.data[0] & 0x81) | type << 1);
			nal[1] = body.data[1];
		}
		begin_key(a);
		append(a, torap_bytes(start_code, sizeof start_code));
		append(a, torap_bytes(nal, head - 1));
		a->fragment = true;
	} else if (!a->fragment) {
		a->key = a->broken = true; /* its begin is lost */
	}
	append(a, after(body, head));
}

static void add_jpeg(struct rtsp_assembly *a, struct torap_bytes body)
{
	struct rtsp_jpeg_part part;
	if (!rtsp_jpeg_part_read(&part, body)) {
		a->broken = true;
		return;
	}
	if (part.tables.size == 64 || part.tables.size == 128) {
		for (size_t i = 0; i < sizeof a->tables; i++)
			a->tables[i] = part.tables.data[i % part.tables.size];
		a->tables_q = part.quality;
	}
	if (!a->key) {
		a->key = true;
		a->scan = 0;
		const uint8_t *told = a->tables_q == part.quality && part.quality >= 128 ? a->tables : NULL;
		if (part.offset || !rtsp_jpeg_head_write(&a->frame, &part, told))
			a->broken = true;
	}
	if (part.offset != a->scan)
		a->broken = true;
	a->scan += part.data.size;
	append(a, part.data);
}

static void add_body(struct rtsp_assembly *a, struct torap_bytes body)
{
	if (a->broken || !body.size)
		return;
	unsigned type = type_of(a, *body.data);
	if (a->video.codec == RTSP_CODEC_MJPEG)
		add_jpeg(a, body);
	else if (is_h265(a) && type == H265_AP)
		add_several(a, after(body, body.size < 2 ? body.size : 2));
	else if (!is_h265(a) && type == H264_STAP_A)
		add_several(a, after(body, 1));
	else if (type == (is_h265(a) ? H265_FU : H264_FU_A))
		add_fragment(a, body);
	else
		add_nal(a, body);
}

static bool aggregate_has_key(const struct rtsp_assembly *a, struct torap_bytes rest)
{
	while (rest.size > 2) {
		size_t size = (size_t)rest.data[0] << 8 | rest.data[1];
		if (size + 2 > rest.size)
			return false;
		if (size && is_key(a, type_of(a, rest.data[2])))
			return true;
		rest = after(rest, size + 2);
	}
	return false;
}

/* Is this of a keyframe?  Nothing more is looked at of what nobody wants. */
static bool has_key(const struct rtsp_assembly *a, struct torap_bytes body)
{
	size_t head = is_h265(a) ? 2 : 1;
	if (body.size <= head)
		return false;
	unsigned type = type_of(a, *body.data);
	if (a->video.codec == RTSP_CODEC_MJPEG)
		return true;
	if (type == (is_h265(a) ? H265_AP : H264_STAP_A))
		return aggregate_has_key(a, after(body, head));
	if (type == (is_h265(a) ? H265_FU : H264_FU_A))
		return is_key(a, body.data[head] & (is_h265(a) ? 63 : 31));
	return is_key(a, type);
}

static void let_pass(struct rtsp_assembly *a, struct torap_bytes body)
{
	a->broken = true; /* what is wanted only from now on lacks its begin */
	a->passes = a->passes || has_key(a, body);
	a->passing += (uint32_t)body.size;
}

/* What came hours ago does not excuse a stream that stutters now. */
static void move_marks(struct rtsp_assembly *a, int32_t step)
{
	int64_t window = (int64_t)RATE_WINDOW_S * a->video.clock_hz;
	struct rtsp_mark now = { a->frames, a->elapsed };
	if (a->frames == 1 || step < -window) { /* its clock was set back */
		a->from = a->then = now;
	} else if (a->elapsed - a->then.elapsed >= window) {
		a->from = a->then;
		a->then = now;
	}
}

static void begin_frame(struct rtsp_assembly *a, uint32_t time)
{
	int32_t step = a->frames ? (int32_t)(time - a->time) : 0;
	if (!a->frames++)
		a->first_time = time;
	a->elapsed += step;
	move_marks(a, step);
	a->time = time;
	a->open = true;
	a->key = a->broken = a->fragment = a->passes = a->has_passed = false;
	a->passing = 0;
	a->frame.size = 0;
}

static bool end_frame(struct rtsp_assembly *a, struct torap_writer *out, uint32_t *time)
{
	bool complete = a->open && a->key && !a->broken && a->frame.size;
	a->incomplete += a->open && a->key && a->broken;
	a->open = false;
	if (a->passes && !a->wanted && !a->has_passed) {
		a->passed = a->passing;
		a->has_passed = true;
	}
	if (!complete)
		return false;
	if (a->video.codec == RTSP_CODEC_MJPEG)
		rtsp_jpeg_end_write(&a->frame);
	*out = a->frame;
	*time = a->time;
	a->frame = (struct torap_writer){ 0 };
	return !out->failed;
}

/* False: the packet is to be left alone.  *gap: some before it are missing. */
static bool follow(struct rtsp_assembly *a, const struct rtsp_rtp *packet, bool *gap)
{
	int16_t step = (int16_t)(packet->sequence - a->sequence);
	*gap = a->any && step != 1;
	if (packet->payload != a->video.payload) {
		a->strange++;
		return false;
	}
	if (a->any && step <= 0 && step > -512) {
		a->late++;
		return false;
	}
	if (*gap && step > 0)
		a->lost += (uint64_t)(step - 1);
	a->any = true;
	a->sequence = packet->sequence;
	a->packets++;
	return true;
}

bool rtsp_assembly_add(
	struct rtsp_assembly *a, const struct rtsp_rtp *packet, struct torap_writer *out, uint32_t *time)
{
	bool gap, complete = false;
	if (!follow(a, packet, &gap))
		return false;
	bool begins = !a->open && (!a->frames || packet->time != a->time);
	if (a->open && packet->time != a->time) {
		a->broken = a->broken || gap; /* its last packets may be among those that are missing */
		complete = end_frame(a, out, time);
		begins = true;
	}
	if (begins) {
		begin_frame(a, packet->time);
	} else if (
		!a->open) { /* behind a marker, with the same time: sets and slices that are marked one by one */
		a->open = true;
		a->key = a->broken = a->fragment = a->passes = false;
		a->passing = 0;
		a->frame.size = 0;
	}
	a->broken = a->broken || gap;
	if (a->wanted)
		add_body(a, packet->body);
	else
		let_pass(a, packet->body);
	/* A frame that ends here while the one before was handed out comes with the next call, or never: one packet, two frames. */
	if (packet->marker && !complete)
		complete = end_frame(a, out, time);
	return complete;
}

bool rtsp_assembly_rated(const struct rtsp_assembly *a)
{
	int64_t elapsed = a->elapsed - a->from.elapsed;
	bool many = a->frames - a->from.frames + 1 >= RATE_FRAMES_MIN;
	return a->frames && elapsed > 0 && (many || elapsed >= (int64_t)RATE_S_MIN * a->video.clock_hz);
}

uint32_t rtsp_assembly_rate(const struct rtsp_assembly *a)
{
	if (!rtsp_assembly_rated(a))
		return a->video.rate_mhz;
	double rate = 1000.0 * (a->frames - a->from.frames) * a->video.clock_hz /
		      (double)(a->elapsed - a->from.elapsed);
	return rate < 1e6 ? (uint32_t)(rate + 0.5) : 1000000;
}

int64_t rtsp_assembly_pts_us(const struct rtsp_assembly *a, uint32_t time)
{
	int64_t ticks = a->elapsed + (int32_t)(time - a->time);
	return ticks / a->video.clock_hz * TORAP_US_PER_S +
	       ticks % a->video.clock_hz * TORAP_US_PER_S / a->video.clock_hz;
}
