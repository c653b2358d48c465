#include "agents/archive/fetch.h"

#include <inttypes.h>
#include <time.h>

#include "agents/soap/call.h"
#include "base/bytes.h"
#include "base/error.h"

static void wait_ms(uint32_t ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	nanosleep(&t, NULL);
}

static enum archive_outcome outcome_of(int answer)
{
	if (answer == SOAP_UNREACHABLE)
		return ARCHIVE_UNREACHABLE;
	return answer == SOAP_UNAUTHORISED ? ARCHIVE_UNAUTHORISED : ARCHIVE_BROKEN;
}

int archive_fetch(struct archive_holdings *out, struct soap_caller *caller, const struct archive_fetch *f,
	struct torap_error *err)
{
	struct archive_dialogue *d;
	struct archive_question q;
	int64_t waited_ms = 0, began_ms = soap_caller_spent_ms(caller);
	int r = archive_dialogue_create(&d, &f->source, f->from, f->now(), err);
	if (r)
		return r;
	while (archive_dialogue_next(d, &q, f->now())) {
		struct soap_call call = {
			.url = q.url,
			.action = q.action,
			.body = (const char *)q.body->data,
			.user = q.open ? NULL : f->user,
			.password = f->password,
			.device_now = q.device_now,
		};
		struct soap_answer *answer = NULL;
		struct torap_error why;
		wait_ms(q.wait_ms);
		waited_ms += q.wait_ms;
		if (waited_ms + soap_caller_spent_ms(caller) - began_ms > f->patience_ms)
			r = torap_errorf(&why, SOAP_UNREACHABLE, "it takes longer than %" PRIu32 " s to tell",
				f->patience_ms / 1000);
		else
			r = soap_call(caller, &call, &answer, &why);
		if (r < 0) {
			archive_dialogue_destroy(d);
			return torap_errorf(err, r, "%s", why.text);
		}
		archive_dialogue_answer(
			d, answer, r == SOAP_FAULT, outcome_of(r), r ? why.text : "", f->now());
		soap_answer_free(answer);
	}
	archive_dialogue_take(d, out);
	archive_dialogue_destroy(d);
	return 0;
}
