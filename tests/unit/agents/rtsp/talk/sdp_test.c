#include "agents/rtsp/talk/sdp.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rtsp_video video;

static enum rtsp_outcome read_text(const char *text)
{
	return rtsp_sdp_read(&video, torap_bytes(text, strlen(text)));
}

Test(sdp, finds_the_picture_among_the_streams)
{
	cr_assert_eq(
		read_text("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Session\r\nt=0 0\r\na=control:rtsp://c/all\r\n"
			  "m=audio 0 RTP/AVP 0\r\na=control:audio\r\n"
			  "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=control:odd\r\n"
			  "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=framerate:12.5\r\n"
			  "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0I=,aM4=\r\n"
			  "a=control:trackID=1\r\n"
			  "m=application 0 RTP/AVP 107\r\na=control:meta\r\n"),
		RTSP_OUTCOME_PICTURE);
	cr_expect_eq(video.codec, RTSP_CODEC_H264);
	cr_expect_eq(video.payload, 96);
	cr_expect_eq(video.clock_hz, 90000);
	cr_expect_eq(video.rate_mhz, 12500);
	cr_expect_str_eq(video.control, "trackID=1");
	cr_expect_str_eq(video.aggregate, "rtsp://c/all");
	static const uint8_t sets[] = { 0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce };
	cr_assert_eq(video.sets_size, sizeof sets);
	cr_expect_eq(memcmp(video.sets, sets, sizeof sets), 0);
}

Test(sdp, knows_three_codecs)
{
	cr_expect_eq(read_text("v=0\nm=video 0 RTP/AVP 26\n"), RTSP_OUTCOME_PICTURE);
	cr_expect_eq(video.codec, RTSP_CODEC_MJPEG);
	cr_expect_eq(read_text("v=0\nm=video 0 RTP/AVP 98 99\na=rtpmap:99 h265/90000\n"
			       "a=fmtp:99 sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=\n"),
		RTSP_OUTCOME_PICTURE);
	cr_expect_eq(video.codec, RTSP_CODEC_H265);
	cr_expect_eq(video.payload, 99);
	cr_expect_eq(video.sets_size, 18);
	cr_expect_eq(
		read_text("v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000\n"), RTSP_OUTCOME_NO_VIDEO);
	cr_expect_eq(read_text("v=0\nm=audio 0 RTP/AVP 0\n"), RTSP_OUTCOME_NO_VIDEO);
}

Test(sdp, refuses_what_is_none)
{
	cr_expect_eq(read_text(""), RTSP_OUTCOME_BAD_SDP);
	cr_expect_eq(read_text("<html>"), RTSP_OUTCOME_BAD_SDP);
	cr_expect_eq(read_text("v=0\nhello\n"), RTSP_OUTCOME_BAD_SDP);
	cr_expect_eq(read_text("v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/0\n"), RTSP_OUTCOME_NO_VIDEO);
	cr_expect_eq(
		read_text("v=0\nm=video 0 RTP/AVP 960\na=rtpmap:960 H264/90000\n"), RTSP_OUTCOME_NO_VIDEO);
}

/* A control attribute may be anything; what results goes into a request. */
Test(sdp, joins_a_control_with_its_base)
{
	char out[RTSP_URL_MAX + 1];
	cr_expect(rtsp_url_join(out, "rtsp://c/1/", "trackID=1"));
	cr_expect_str_eq(out, "rtsp://c/1/trackID=1");
	cr_expect(rtsp_url_join(out, "rtsp://c/1", "trackID=1"));
	cr_expect_str_eq(out, "rtsp://c/1/trackID=1");
	cr_expect(rtsp_url_join(out, "rtsp://c/1", "*"));
	cr_expect_str_eq(out, "rtsp://c/1");
	cr_expect(rtsp_url_join(out, "rtsp://c/1", "rtsp://c/2"));
	cr_expect_str_eq(out, "rtsp://c/2");
	cr_expect_not(rtsp_url_join(out, "rtsp://c/1", "a b"));
	cr_expect_not(rtsp_url_join(out, "rtsp://c/1", "a\r\nInjected: 1"));
	char base[RTSP_URL_MAX + 1];
	memset(base, 'a', sizeof base);
	base[RTSP_URL_MAX] = 0;
	cr_expect_not(rtsp_url_join(out, base, "b"));
}

Test(sdp, takes_an_url_apart)
{
	struct rtsp_url url;
	cr_assert(rtsp_url_parse(&url, "rtsp://10.0.0.1/1"));
	cr_expect_str_eq(url.host, "10.0.0.1");
	cr_expect_eq(url.port, 554);
	cr_assert(rtsp_url_parse(&url, "rtsps://[fe80::1]:8322/a?b=c"));
	cr_expect_str_eq(url.host, "fe80::1");
	cr_expect_eq(url.port, 8322);
	cr_expect(url.secure);
	cr_expect_str_eq(url.text, "rtsps://[fe80::1]:8322/a?b=c");
	static const char *const bad[] = { "", "http://c/", "rtsp://", "rtsp:///1", "rtsp://u:p@c/",
		"rtsp://c:0/", "rtsp://c:65536/", "rtsp://c:x/", "rtsp://[::1/", "rtsp://c/ 1" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(rtsp_url_parse(&url, bad[i]), "%s", bad[i]);
}
