#include "agents/soap/call.h"

#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/soap/request.h"
#include "base/bytes.h"
#include "base/error.h"

struct soap_caller {
	CURL *curl;
	uint32_t connect_ms, whole_ms;
	atomic_bool stopped;
	curl_off_t spent_us;
	struct torap_writer request, answer;
	size_t head;          /* bytes of headers, of all that one exchange had */
	const char *too_long; /* what was; NULL: nothing */
	char reason[CURL_ERROR_SIZE];
};

static size_t on_bytes(char *data, size_t one, size_t size, void *hint)
{
	struct soap_caller *c = hint;
	(void)one;
	if (c->answer.size + size > SOAP_ANSWER_SIZE_MAX) {
		c->too_long = "the answer is longer than 1 MiB";
		return 0;
	}
	torap_write_bytes(&c->answer, torap_bytes(data, size));
	return c->answer.failed ? 0 : size;
}

/* A line of them, whole: libcurl bounds each by itself, and not in every version all together. */
static size_t on_header(char *data, size_t one, size_t size, void *hint)
{
	struct soap_caller *c = hint;
	(void)data;
	(void)one;
	c->head += size;
	if (c->head <= SOAP_HEAD_SIZE_MAX)
		return size;
	c->too_long = "the answer's headers are longer than 64 KiB";
	return 0;
}

static int on_progress(void *hint, curl_off_t to_come, curl_off_t came, curl_off_t to_go, curl_off_t gone)
{
	struct soap_caller *c = hint;
	(void)to_come;
	(void)came;
	(void)to_go;
	(void)gone;
	return atomic_load(&c->stopped);
}

int soap_caller_create(
	struct soap_caller **out, uint32_t connect_ms, uint32_t whole_ms, struct torap_error *err)
{
	struct soap_caller *c = calloc(1, sizeof *c);
	if (c)
		c->curl = curl_easy_init();
	if (!c || !c->curl || sodium_init() < 0) {
		free(c);
		return torap_errorf(err, -ENOMEM, "libcurl or libsodium cannot be started");
	}
	c->connect_ms = connect_ms;
	c->whole_ms = whole_ms;
	*out = c;
	return 0;
}

struct soap_caller *soap_caller_destroy(struct soap_caller *c)
{
	if (c) {
		curl_easy_cleanup(c->curl);
		torap_writer_finish(&c->request);
		torap_writer_finish(&c->answer);
		free(c);
	}
	return NULL;
}

int64_t soap_caller_spent_ms(const struct soap_caller *c)
{
	return c->spent_us / TORAP_US_PER_MS;
}

void soap_caller_stop(struct soap_caller *c)
{
	atomic_store(&c->stopped, true);
}

static void write_request(struct soap_caller *c, const struct soap_call *call)
{
	struct soap_request r = {
		.to = call->url,
		.action = call->action,
		.body = call->body,
		.user = call->user,
		.password = call->password,
		.created = call->device_now,
	};
	randombytes_buf(r.nonce, sizeof r.nonce);
	randombytes_buf(r.message, sizeof r.message);
	c->request.size = 0;
	soap_request_write(&c->request, &r);
}

static struct curl_slist *headers(const char *action)
{
	char type[256];
	snprintf(type, sizeof type, "Content-Type: application/soap+xml; charset=utf-8; action=\"%s\"",
		action);
	struct curl_slist *list = curl_slist_append(NULL, type);
	struct curl_slist *more = list ? curl_slist_append(list, "Expect:")
				       : NULL; /* some wait for ever after "100-continue" */
	if (!more)
		curl_slist_free_all(list);
	return more;
}

/* One exchange.  *status: of HTTP. */
static CURLcode perform(struct soap_caller *c, const struct soap_call *call, bool digest, long *status)
{
	CURL *curl = c->curl;
	struct curl_slist *list = headers(call->action);
	if (!list)
		return CURLE_OUT_OF_MEMORY;
	write_request(c, call);
	c->answer.size = 0;
	c->head = 0;
	c->too_long = NULL;
	curl_easy_reset(curl); /* connections stay */
	curl_easy_setopt(curl, CURLOPT_URL, call->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)c->whole_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->reason);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)c->request.data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)c->request.size);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	/* Devices sign their own certificates: the host is the operator's, and nothing secret is said to it. */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	if (digest) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_DIGEST);
		curl_easy_setopt(curl, CURLOPT_USERNAME, call->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, call->password);
	}
	c->reason[0] = '\0';
	CURLcode code = c->request.failed ? CURLE_OUT_OF_MEMORY : curl_easy_perform(curl);
	curl_off_t took_us = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &took_us);
	c->spent_us += took_us;
	curl_slist_free_all(list);
	return code;
}

static bool offers_digest(CURL *curl)
{
	long offered = 0;
	curl_easy_getinfo(curl, CURLINFO_HTTPAUTH_AVAIL, &offered);
	return offered & CURLAUTH_DIGEST;
}

int soap_call(struct soap_caller *c, const struct soap_call *call, struct soap_answer **out,
	struct torap_error *err)
{
	long status = 0;
	if (atomic_load(&c->stopped))
		return torap_errorf(err, SOAP_UNREACHABLE, "stopping");
	CURLcode code = perform(c, call, false, &status);
	if (code == CURLE_OK && status == 401 && call->user && offers_digest(c->curl))
		code = perform(c, call, true, &status);
	if (code == CURLE_OUT_OF_MEMORY || c->answer.failed)
		return torap_errorf(err, -ENOMEM, "out of memory");
	if (c->too_long)
		return torap_errorf(err, SOAP_NO_ANSWER, "%s", c->too_long);
	if (code != CURLE_OK)
		return torap_errorf(
			err, SOAP_UNREACHABLE, "%s", c->reason[0] ? c->reason : curl_easy_strerror(code));
	struct torap_error why;
	int r = soap_answer_parse(out, torap_bytes(c->answer.data, c->answer.size), &why);
	if (status == 401) { /* Whatever the fault is called: what is asked next is refused likewise. */
		if (r >= 0)
			*out = soap_answer_free(*out);
		return torap_errorf(err, SOAP_UNAUTHORISED, "HTTP 401%s%s", r == SOAP_FAULT ? ": " : "",
			r == SOAP_FAULT ? why.text : "");
	}
	if (r == -EBADMSG)
		return torap_errorf(err, SOAP_NO_ANSWER, "HTTP %ld: %s", status, why.text);
	if (r)
		return torap_errorf(err, r, "%s", why.text);
	return 0;
}
