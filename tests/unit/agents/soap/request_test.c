#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "agents/soap/answer.h"
#include "agents/soap/request.h"
#include "agents/soap/token.h"
#include "agents/soap/url.h"
#include "base/bytes.h"
#include "tests/kit/corpus.h"

Test(token, vectors_of_the_standard_give_their_digest)
{
	size_t size;
	char *text = (char *)corpus_read("onvif/username-token.tsv", &size), *line, *rest = text,
	     digest[SOAP_DIGEST_TEXT_SIZE];
	int rows = 0;
	if (!text)
		return;
	strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && *line) {
		uint8_t nonce[64];
		size_t nonce_size;
		const char *nonce_text = strsep(&line, "\t"), *created = strsep(&line, "\t"),
			   *password = strsep(&line, "\t");
		const char *expected = strsep(&line, "\t");
		cr_assert_eq(sodium_base642bin(nonce, sizeof nonce, nonce_text, strlen(nonce_text), NULL,
				     &nonce_size, NULL, sodium_base64_VARIANT_ORIGINAL),
			0);
		soap_token_digest(digest, torap_bytes(nonce, nonce_size), created, password);
		cr_expect_str_eq(digest, expected);
		rows++;
	}
	cr_expect_gt(rows, 0);
	free(text);
}

/* Written by hand and read by libxml2. */
Test(request, is_xml_whatever_the_operator_called_his_user)
{
	struct soap_request r = { .to = "http://h/s?a=1&b=2",
		.action = "urn:a",
		.body = "<b/>",
		.user = "<root>&\"'",
		.password = "geheim",
		.created = { 1795672422 * (int64_t)TORAP_US_PER_S + 5 } };
	struct torap_writer w = { 0 };
	struct soap_answer *a = NULL;
	soap_request_write(&w, &r);
	cr_assert_not(w.failed);
	cr_expect_eq(soap_answer_parse(&a, torap_bytes(w.data, w.size), NULL), 0);
	cr_expect(soap_body(a, NULL, "b"));
	torap_write_u8(&w, 0);
	const char *text = (const char *)w.data;
	cr_expect(strstr(text, "<wsse:Username>&lt;root&gt;&amp;&quot;'</wsse:Username>"));
	cr_expect(strstr(text, "Z</wsu:Created>"), "with a Z");
	cr_expect_null(strstr(text, ".000005Z"), "whole seconds");
	cr_expect_null(strstr(text, "geheim"), "the password never goes in clear text");
	soap_answer_free(a);
	torap_writer_finish(&w);
}

Test(request, without_a_user_nobody_signs)
{
	struct soap_request r = { .to = "http://h/", .action = "urn:a", .body = "<b/>" };
	struct torap_writer w = { 0 };
	soap_request_write(&w, &r);
	torap_write_u8(&w, 0);
	cr_expect_null(strstr((const char *)w.data, "Security"));
	torap_writer_finish(&w);
}

Test(url, a_device_names_paths_and_never_hosts)
{
	char out[64];
	cr_expect(soap_url_at_host(out, sizeof out, "http://192.168.8.120/onvif/search?s=1",
		"https://10.0.0.9:8443/onvif/device"));
	cr_expect_str_eq(out, "https://10.0.0.9:8443/onvif/search?s=1");
	cr_expect(soap_url_at_host(out, sizeof out, "http://evil", "http://10.0.0.9/"));
	cr_expect_str_eq(out, "http://10.0.0.9/");
	cr_expect_not(soap_url_at_host(out, sizeof out, "file:///etc/passwd", "http://10.0.0.9/"));
	cr_expect_not(soap_url_at_host(out, 12, "http://h/onvif/search", "http://10.0.0.9/"), "no room");
}

Test(url, secrets_and_nonsense_are_no_addresses)
{
	static const char *const bad[] = { "", "http://", "http:///x", "ftp://h/", "http://user:secret@h/",
		"http://h/a b", "http://h/\n" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(soap_url_valid(bad[i]), "%s", bad[i]);
	cr_expect(soap_url_valid("http://h/a@b"));
}
