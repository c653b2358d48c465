/* torap verify: what was received, checked again. */
#include "agents/follow/verify.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "agents/ctl/command.h"
#include "base/bytes.h"
#include "base/error.h"
#include "conf/examine.h"
#include "conf/keys.h"

static const char help[] = "usage: torap verify DIR --root root.pub [--json]\n"
			   "\n"
			   "Checks again all that `torap follow` received into DIR: the trust file, every "
			   "signature, the chain of batches, every\n"
			   "frame, that each granted frame is there or has a reason, that the cursor agrees, "
			   "and that nothing proves a fork.\n"
			   "Says \"complete\", or exactly what is missing or wrong; exit status 0 or 1.  "
			   "Also while `torap follow` runs.\n"
			   "\n"
			   "    --root FILE    the root's public key\n"
			   "    --json         one JSON object for each finding, and one at the end\n";

struct printing {
	bool json;
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

static void conclude(const struct printing *printing, const struct follow_verified *v)
{
	if (printing->json)
		print_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "complete", v->problems == 0,
			"streams", (json_int_t)v->streams, "batches", (json_int_t)v->batches, "events",
			(json_int_t)v->events, "omitted", (json_int_t)v->omitted, "lagging",
			(json_int_t)v->lagging, "problems", (json_int_t)v->problems));
	else
		printf("%s: %" PRIu64 " streams, %" PRIu64 " batches, %" PRIu64 " events\n",
			v->problems ? "not complete" : "complete", v->streams, v->batches, v->events);
	if (!printing->json && v->problems)
		printf("%" PRIu64 " problems\n", v->problems);
	if (!printing->json && v->omitted)
		printf("%" PRIu64 " granted frames are not here, each for a reason that its broker gave\n",
			v->omitted);
}

int ctl_verify(int argc, char **argv)
{
	const char *root_path = NULL, *json = NULL;
	const struct ctl_option table[] = { { "--root=", &root_path }, { "--json", &json }, { NULL, NULL } };
	int words = ctl_options("verify", table, help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0 || !root_path)
		return ctl_misuse("verify", "DIR and --root are needed");

	struct torap_keys root;
	struct torap_error err;
	if (torap_keys_load_public(&root, root_path, &err))
		return ctl_fail("%s", err.text);
	struct printing printing = { json != NULL };
	struct follow_verify_options options = {
		.root = root.sign.public,
		.on_problem = on_problem,
		.on_lagging = on_lagging,
		.hint = &printing,
	};
	struct follow_verified verified;
	torap_examine_catch_crashes(1);
	if (follow_verify(&verified, argv[1], &options, &err))
		return ctl_fail("%s", err.text);
	conclude(&printing, &verified);
	return verified.problems ? 1 : 0;
}
