#include "agents/rtsp/talk/digest.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static bool read_head(struct rtsp_challenge *c, const char *head)
{
	return rtsp_challenge_read(c, torap_bytes(head, strlen(head)));
}

static const char *answer(struct rtsp_challenge *c)
{
	static char out[RTSP_AUTHORISATION_MAX];
	return rtsp_challenge_answer(out, c, "viewer", "secret", "DESCRIBE", "rtsp://10.0.0.1/1", 7) ? out
												     : NULL;
}

/* The numbers are those of another implementation. */
Test(digest, answers_as_cameras_reckon)
{
	struct rtsp_challenge c;
	cr_assert(read_head(&c, "WWW-Authenticate: Digest realm=\"cameras\", nonce=\"abc\"\r\n"));
	cr_expect_str_eq(answer(&c),
		"Digest username=\"viewer\", realm=\"cameras\", nonce=\"abc\", uri=\"rtsp://10.0.0.1/1\", "
		"response=\"e39b554b3b598644a00d50e26a4fc79e\"");
	cr_assert(read_head(&c,
		"WWW-Authenticate: Digest realm=\"cameras\",qop=\"auth\",nonce=\"abc\",opaque=\"o\"\r\n"));
	cr_expect_str_eq(answer(&c),
		"Digest username=\"viewer\", realm=\"cameras\", nonce=\"abc\", uri=\"rtsp://10.0.0.1/1\", "
		"response=\"358bda120f4530ab143dc51e0333941a\", opaque=\"o\", qop=auth, nc=00000001, "
		"cnonce=\"0000000000000007\"");
	cr_expect_not_null(strstr(answer(&c), "nc=00000002"));
	cr_assert(read_head(
		&c, "WWW-Authenticate: Digest realm=\"cameras\", algorithm=SHA-256, nonce=\"abc\"\r\n"));
	cr_expect_not_null(
		strstr(answer(&c), "2d69bdc58ca56e3b92d94bea55bbcb3cc585480846f446b7b83bfe16ba344ae4"));
	cr_assert(read_head(&c, "www-authenticate: Basic realm=\"x\"\r\n"));
	cr_expect_str_eq(answer(&c), "Basic dmlld2VyOnNlY3JldA==");
}

Test(digest, takes_the_strongest_that_is_offered)
{
	struct rtsp_challenge c;
	cr_assert(read_head(&c,
		"WWW-Authenticate: Basic realm=\"x\"\r\n"
		"WWW-Authenticate: Digest realm=\"x\", nonce=\"1\", stale=TRUE\r\n"
		"WWW-Authenticate: Digest realm=\"x\", nonce=\"2\", algorithm=SHA-512-256\r\n"));
	cr_expect_eq(c.scheme, RTSP_SCHEME_MD5);
	cr_expect_str_eq(c.nonce, "1");
	cr_expect(c.stale);
}

/* In one header, with commas between them and within them. */
Test(digest, takes_the_strongest_of_one_header)
{
	static const struct {
		const char *head, *nonce;
		enum rtsp_scheme scheme;
	} cases[] = {
		{ "Basic realm=\"x\", Digest realm=\"x\", nonce=\"1\"", "1", RTSP_SCHEME_MD5 },
		{ "Basic,Digest realm=\"x\",nonce=\"1\"", "1", RTSP_SCHEME_MD5 },
		{ "Digest realm=\"x\", nonce=\"1\", Basic realm=\"x\"", "1", RTSP_SCHEME_MD5 },
		{ "Negotiate, digest realm=\"x\", nonce=\"1\"", "1", RTSP_SCHEME_MD5 },
		{ "Digest realm=\"x\", nonce=\"1\", Digest realm=\"x\", nonce=\"2\", algorithm=SHA-256", "2",
			RTSP_SCHEME_SHA256 },
		{ "Digest realm=\"x\", qop=auth,auth-int, nonce=\"1\"", "1", RTSP_SCHEME_MD5 },
		{ "Basic realm=\"x, Digest realm=y, nonce=1\"", "", RTSP_SCHEME_BASIC },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rtsp_challenge c;
		char head[256];
		snprintf(head, sizeof head, "WWW-Authenticate: %s\r\n", cases[i].head);
		cr_expect(read_head(&c, head), "%s", head);
		cr_expect_eq(c.scheme, cases[i].scheme, "%s", head);
		cr_expect_str_eq(c.nonce, cases[i].nonce, "%s", head);
	}
}

Test(digest, refuses_what_is_no_challenge)
{
	struct rtsp_challenge c;
	cr_expect_not(read_head(&c, ""));
	cr_expect_not(read_head(&c, "WWW-Authenticate: Negotiate\r\n"));
	cr_expect_not(read_head(&c, "WWW-Authenticate: Digest realm=\"x\"\r\n"));
	cr_expect_not(read_head(&c, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\\b\"\r\n"));
	char head[600];
	memset(head, 'n', sizeof head);
	memcpy(head, "WWW-Authenticate: Digest realm=\"x\", nonce=\"", 43);
	memcpy(head + sizeof head - 4, "\"\r\n", 4);
	cr_expect_not(read_head(&c, head), "a nonce without end");
}
