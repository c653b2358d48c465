#include "agents/archive/container.h"

#include <libavformat/avformat.h>
#include <libavutil/parseutils.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 16384, READ_MAX = 64 << 20 };

/* Before it a recorder did not know the time. */
static const int64_t since_us = 1262304000LL * TORAP_US_PER_S; /* 2010-01-01 */

struct reading {
	int fd;
	int64_t at, size, read;
};

static int read_some(void *hint, uint8_t *to, int size)
{
	struct reading *r = hint;
	ssize_t got = r->read < READ_MAX ? pread(r->fd, to, (size_t)size, r->at) : -1;
	if (got <= 0)
		return got == 0 ? AVERROR_EOF : AVERROR(EIO);
	r->at += got;
	r->read += got;
	return (int)got;
}

static int64_t seek(void *hint, int64_t offset, int whence)
{
	struct reading *r = hint;
	int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->at : r->size;
	if (whence & AVSEEK_SIZE)
		return r->size;
	if (offset < -base || offset > r->size - base)
		return AVERROR(EINVAL);
	return r->at = base + offset;
}

static int64_t length_of(const AVFormatContext *film)
{
	int64_t longest = film->duration > 0 ? film->duration : 0;
	for (unsigned i = 0; i < film->nb_streams; i++) {
		const AVStream *s = film->streams[i];
		int64_t length =
			s->duration > 0 ? av_rescale_q(s->duration, s->time_base, AV_TIME_BASE_Q) : 0;
		if (length > longest)
			longest = length;
	}
	return longest;
}

static bool take(struct archive_container *out, const AVFormatContext *film)
{
	const AVDictionaryEntry *e = av_dict_get(film->metadata, "creation_time", NULL, 0);
	if (!e || av_parse_time(&out->from.us, e->value, 0) < 0 || out->from.us < since_us)
		return false;
	out->length_us = length_of(film);
	return true;
}

bool archive_container_read(struct archive_container *out, int fd)
{
	struct stat s;
	struct reading r = { .fd = fd };
	AVFormatContext *film = avformat_alloc_context();
	uint8_t *room = av_malloc(ROOM);
	AVIOContext *io = room ? avio_alloc_context(room, ROOM, 0, &r, read_some, NULL, seek) : NULL;
	bool good = false;
	av_log_set_level(AV_LOG_QUIET);
	if (film && io && fstat(fd, &s) == 0) {
		r.size = s.st_size;
		film->pb = io;
		film->format_whitelist = av_strdup("mov,mp4,matroska");
		film->protocol_whitelist = av_strdup("");
		/* On failure it frees the context. */
		good = film->format_whitelist && avformat_open_input(&film, "", NULL, NULL) == 0 &&
		       take(out, film);
	}
	avformat_close_input(&film);
	if (io)
		av_freep(&io->buffer);
	else
		av_free(room);
	avio_context_free(&io);
	return good;
}
