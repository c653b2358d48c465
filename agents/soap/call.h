/* call.h: one question to a device over HTTP and its answer, by libcurl.  Blocks: for a thread that may.
 *
 * Bounded in time and size; no redirects, for a device that was taken over might name a stranger; HTTP Digest when the device asks for
 * it with a 401, never Basic: the password does not leave in clear text. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/soap/answer.h"
#include "base/time.h"

struct torap_error;
struct soap_caller;

enum soap_call_answer {
	/* 0: an answer; SOAP_FAULT: a fault, the answer is there */
	SOAP_UNREACHABLE = SOAP_FAULT + 1, /* no connection, or no whole answer, or not in time */
	SOAP_UNAUTHORISED, /* 401 also after HTTP Digest, or without a password to try it with */
	SOAP_NO_ANSWER,    /* what came is no SOAP, or too long, or its headers are */
};

enum { SOAP_HEAD_SIZE_MAX = 64 << 10 }; /* all headers of an answer */

struct soap_call {
	const char *url, *action, *body;
	const char *user, *password; /* user NULL: asked without */
	struct torap_wall device_now;
};

/* For one thread.  Connections to a device are kept between its calls. */
int soap_caller_create(
	struct soap_caller **out, uint32_t connect_ms, uint32_t whole_ms, struct torap_error *err);
struct soap_caller *soap_caller_destroy(struct soap_caller *c); /* accepts NULL, returns NULL */
/* How long its calls have taken by now, together: libcurl's clock. */
int64_t soap_caller_spent_ms(const struct soap_caller *c);
/* From any thread: what is under way ends within a second, as SOAP_UNREACHABLE; so does all that comes. */
void soap_caller_stop(struct soap_caller *c);

/* 0 or an answer above; -ENOMEM.  *out is set for 0 and SOAP_FAULT; err is filled for all but 0. */
int soap_call(struct soap_caller *c, const struct soap_call *call, struct soap_answer **out,
	struct torap_error *err);
