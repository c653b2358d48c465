/* torap verify: what was received, checked again. */
#include "agents/follow/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "agents/ctl/command.h"
#include "agents/follow/config.h"
#include "base/bytes.h"
#include "base/error.h"
#include "conf/examine.h"
#include "conf/keys.h"

static const char help[] =
	"usage: torap verify DIR --root root.pub [--as-of TIME] [--expect FEED.yaml] [--omitted] [--json]\n"
	"\n"
	"Checks again all that `torap follow` received into DIR: the trust file, every "
	"signature, the chain of batches, every\n"
	"frame, that each granted frame is there or has a reason, that the cursor agrees, "
	"and that nothing proves a fork.\n"
	"Says \"complete\", or exactly what is missing or wrong; exit status 0 or 1.  "
	"Also while `torap follow` runs.\n"
	"\n"
	"    --root FILE      the root's public key\n"
	"    --as-of TIME     what is not known to be whole up to then is a problem\n"
	"    --expect FILE    a configuration of torap follow: what its `expect` names and the broker "
	"did not grant is a problem,\n"
	"                     and a lane of one of its `writers` of which nothing ever came\n"
	"    --omitted        names each granted frame that is not here for a reason that its broker "
	"gave\n"
	"    --json           one JSON object for each finding, and one at the end\n";

struct printing {
	bool json, omitted;
};

static void print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static void on_problem(void *hint, const struct follow_problem *p)
{
	const struct printing *printing = hint;
	char stream[TORAP_STREAM_TEXT_SIZE] = "", signer[2 * TORAP_KEY_ID_SIZE + 1] = "";
	if (p->has_stream)
		torap_stream_id_format(&p->stream, stream);
	if (p->has_signer)
		torap_hex(signer, torap_bytes(p->signer, sizeof p->signer));
	if (printing->json) {
		json_t *j = json_pack("{s:s, s:s}", "problem", p->what, "text", p->text);
		if (p->has_stream) {
			json_object_set_new(j, "stream", json_string(stream));
			json_object_set_new(j, "writer", json_string(p->stream.writer));
		}
		if (p->batch_no)
			json_object_set_new(j, "batch", json_integer((json_int_t)p->batch_no));
		if (p->frame >= 0)
			json_object_set_new(j, "frame", json_integer(p->frame));
		if (p->has_signer)
			json_object_set_new(j, "signed_by", json_string(signer));
		print_json(j);
		return;
	}
	printf("%s", p->what);
	if (p->has_stream)
		printf(": %s", stream);
	if (p->batch_no)
		printf(" batch %" PRIu64, p->batch_no);
	if (p->frame >= 0)
		printf(" frame %d", p->frame);
	printf(": %s", p->text);
	if (p->has_signer)
		printf(" (signed by %s, key %s)", p->stream.writer, signer);
	putchar('\n');
}

static void on_lagging(void *hint, const struct follow_lagging *l)
{
	const struct printing *printing = hint;
	char stream[TORAP_STREAM_TEXT_SIZE], at[TORAP_WALL_TEXT_SIZE];
	torap_stream_id_format(&l->stream, stream);
	torap_wall_format(l->head_at, at);
	if (printing->json)
		print_json(json_pack("{s:s, s:I, s:s}", "lagging", stream, "batches", (json_int_t)l->batches,
			"head_at", at));
	else
		printf("lagging: %s: %" PRIu64 " batches that its writer announced at %s are not here yet\n",
			stream, l->batches, at);
}

static const char *reason_name(int reason)
{
	static const char *const names[] = { "not granted", "expired", "erased", "not held", "refused",
		"damaged" };
	return reason >= 0 && (size_t)reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

static void on_omission(void *hint, const struct follow_omission *o)
{
	const struct printing *printing = hint;
	char stream[TORAP_STREAM_TEXT_SIZE];
	torap_stream_id_format(&o->stream, stream);
	if (!printing->omitted)
		return;
	if (printing->json)
		print_json(json_pack("{s:s, s:I, s:i, s:s, s:s}", "omitted", stream, "batch",
			(json_int_t)o->batch_no, "frame", o->frame, "part", o->part, "reason",
			reason_name(o->reason)));
	else
		printf("omitted: %s batch %" PRIu64 " frame %d: the %s part: %s\n", stream, o->batch_no,
			o->frame, o->part, reason_name(o->reason));
}

static void on_unheard(void *hint, const char *writer, uint8_t lane)
{
	const struct printing *printing = hint;
	const char *name = lane ? torap_lane_name(lane) : "all";
	if (printing->json)
		print_json(json_pack("{s:s, s:s}", "unheard", writer, "lane", name));
	else
		printf("unheard: %s, %s lane%s: nothing of it ever came, and the trust file knows it\n",
			writer, name, lane ? "" : "s");
}

static void conclude_json(const struct follow_verified *v)
{
	char until[TORAP_WALL_TEXT_SIZE], trust_until[TORAP_WALL_TEXT_SIZE];
	json_t *j = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "complete",
		v->problems == 0, "streams", (json_int_t)v->streams, "batches", (json_int_t)v->batches,
		"events", (json_int_t)v->events, "omitted", (json_int_t)v->omitted, "lagging",
		(json_int_t)v->lagging, "unheard", (json_int_t)v->unheard, "problems",
		(json_int_t)v->problems, "trust_version", (json_int_t)v->trust_version, "trust_until",
		torap_wall_format(v->trust_until, trust_until));
	if (v->least.writer[0] && v->least.until.us)
		json_object_set_new(j, "whole_up_to", json_string(torap_wall_format(v->least.until, until)));
	print_json(j);
}

static void conclude(const struct follow_verified *v)
{
	char until[TORAP_WALL_TEXT_SIZE];
	printf("%s: %" PRIu64 " streams, %" PRIu64 " batches, %" PRIu64 " events\n",
		v->problems ? "not complete" : "complete", v->streams, v->batches, v->events);
	if (v->problems)
		printf("%" PRIu64 " problems\n", v->problems);
	if (v->omitted)
		printf("%" PRIu64 " granted frames are not here, each for a reason that its broker gave\n",
			v->omitted);
	if (v->least.writer[0])
		printf("known to be whole up to %s: so far reaches %s, lane %s, and all others further\n",
			v->least.until.us ? torap_wall_format(v->least.until, until) : "no time",
			v->least.writer, torap_lane_name(v->least.lane));
	printf("by version %" PRIu64 " of the trust file, which ends at %s\n", v->trust_version,
		torap_wall_format(v->trust_until, until));
}

static int verify(const char *dir, struct follow_verify_options *options, const char *feed, bool json)
{
	struct follow_config *expecting = NULL;
	struct follow_verified verified;
	struct torap_error err;
	int r = feed ? follow_config_load(&expecting, feed, &err) : 0;
	if (!r && feed && !expecting->expected_count && !expecting->writers_count)
		r = torap_errorf(&err, -EINVAL, "%s: has neither expect nor writers", feed);
	if (!r && feed) {
		options->expected = expecting->expected;
		options->expected_count = expecting->expected_count;
		options->writers = (const char(*)[TORAP_WRITER_ID_MAX + 1]) expecting->writers;
		options->writers_count = expecting->writers_count;
	}
	if (!r) {
		torap_examine_catch_crashes(1);
		r = follow_verify(&verified, dir, options, &err);
	}
	follow_config_destroy(expecting);
	if (r)
		return ctl_fail("%s", err.text);
	if (json)
		conclude_json(&verified);
	else
		conclude(&verified);
	return verified.problems ? 1 : 0;
}

int ctl_verify(int argc, char **argv)
{
	const char *root_path = NULL, *json = NULL, *as_of = NULL, *feed = NULL, *omitted = NULL;
	const struct ctl_option table[] = { { "--root=", &root_path }, { "--as-of=", &as_of },
		{ "--expect=", &feed }, { "--omitted", &omitted }, { "--json", &json }, { NULL, NULL } };
	int words = ctl_options("verify", table, help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0 || !root_path)
		return ctl_misuse("verify", "DIR and --root are needed");

	struct torap_keys root;
	struct torap_error err;
	struct printing printing = { json != NULL, omitted != NULL };
	struct follow_verify_options options = {
		.root = root.sign.public,
		.on_problem = on_problem,
		.on_lagging = on_lagging,
		.on_omission = on_omission,
		.on_unheard = on_unheard,
		.hint = &printing,
	};
	if (as_of && torap_wall_parse(&options.as_of, as_of, &err))
		return ctl_misuse("verify", "%s", err.text);
	if (torap_keys_load_public(&root, root_path, &err))
		return ctl_fail("%s", err.text);
	return verify(argv[1], &options, feed, json != NULL);
}
