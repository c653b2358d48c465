/* The text form of the trust file becomes protobuf, is checked as if it had come from elsewhere, and signed. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/file.h"
#include "conf/trust.h"
#include "conf/trust_check.h"
#include "conf/trust_compiler.h"
#include "conf/yaml.h"
#include "wire/taxonomy.h"

/* As in the file. */
struct key_text {
	char *key, *from, *until;
};
struct good_text {
	char *stream;
	uint64_t batch;
};
struct writer_text {
	char *id, *curve_key;
	char **regions;
	struct key_text *keys;
	struct good_text *last_good;
	char **more_curve_keys;
	unsigned regions_count, keys_count, last_good_count, more_curve_keys_count;
};
struct trust_text {
	uint64_t version;
	char *valid_until;
	struct writer_text *writers;
	struct torap_rule_text *retention;
	unsigned writers_count, retention_count;
};

#define TEXT(name, flags, structure, member)                                                                 \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | (flags), structure, member, 1, 128)
#define LIST(name, flags, structure, member, entry, most)                                                    \
	CYAML_FIELD_SEQUENCE(name, CYAML_FLAG_POINTER | (flags), structure, member, entry, 0, most)

static const cyaml_schema_value_t word = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 64) };

static const cyaml_schema_field_t key_fields[] = {
	TEXT("key", 0, struct key_text, key),
	TEXT("from", 0, struct key_text, from),
	TEXT("until", 0, struct key_text, until),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t key = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct key_text, key_fields) };

static const cyaml_schema_field_t good_fields[] = {
	TEXT("stream", 0, struct good_text, stream),
	CYAML_FIELD_UINT("batch", CYAML_FLAG_DEFAULT, struct good_text, batch),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t good = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct good_text, good_fields) };

static const cyaml_schema_field_t writer_fields[] = {
	TEXT("id", 0, struct writer_text, id),
	LIST("regions", 0, struct writer_text, regions, &word, TORAP_TRUST_REGIONS_MAX),
	TEXT("curve_key", 0, struct writer_text, curve_key),
	LIST("more_curve_keys", CYAML_FLAG_OPTIONAL, struct writer_text, more_curve_keys, &word,
		TORAP_TRUST_CURVE_KEYS_MAX - 1),
	LIST("keys", 0, struct writer_text, keys, &key, TORAP_TRUST_KEYS_MAX),
	LIST("last_good", CYAML_FLAG_OPTIONAL, struct writer_text, last_good, &good,
		TORAP_TRUST_LAST_GOOD_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t writer = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct writer_text, writer_fields) };

static const cyaml_schema_field_t trust_fields[] = {
	CYAML_FIELD_UINT("version", CYAML_FLAG_DEFAULT, struct trust_text, version),
	TEXT("valid_until", 0, struct trust_text, valid_until),
	LIST("writers", 0, struct trust_text, writers, &writer, TORAP_TRUST_WRITERS_MAX),
	LIST("retention", CYAML_FLAG_OPTIONAL, struct trust_text, retention, &torap_rule_text_schema,
		TORAP_TRUST_RULES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct trust_text, trust_fields) };

static void read_last_good(
	struct torap_compiler *c, Torap__LastGood *out, const struct good_text *in, const char *where)
{
	struct torap_stream_id *id = torap_compiler_take(c, 1, sizeof *id);
	Torap__StreamId *stream = torap_compiler_take(c, 1, sizeof *stream);
	torap__last_good__init(out);
	if (!stream)
		return;
	if (!torap_stream_id_parse(id, in->stream)) {
		torap_compiler_refuse(c, where, "a stream is WRITER/LANE/16 hexadecimal digits");
		return;
	}
	torap_stream_id_encode(stream, id); /* points into *id, which lives as long */
	out->stream = stream;
	out->batch_no = in->batch;
}

static void read_writer_keys(
	struct torap_compiler *c, Torap__TrustedWriter *out, const struct writer_text *in, unsigned index)
{
	Torap__TrustedKey *keys = torap_compiler_take(c, in->keys_count, sizeof *keys);
	out->keys = torap_compiler_take(c, in->keys_count, sizeof *out->keys);
	out->n_keys = out->keys ? in->keys_count : 0;
	for (unsigned i = 0; i < out->n_keys; i++) {
		char where[64];
		snprintf(where, sizeof where, "writers[%u].keys[%u].key", index, i);
		torap__trusted_key__init(&keys[i]);
		keys[i].key = torap_compiler_key(c, where, in->keys[i].key);
		snprintf(where, sizeof where, "writers[%u].keys[%u].from", index, i);
		keys[i].from_us = torap_compiler_time(c, where, in->keys[i].from);
		snprintf(where, sizeof where, "writers[%u].keys[%u].until", index, i);
		keys[i].until_us = torap_compiler_time(c, where, in->keys[i].until);
		out->keys[i] = &keys[i];
	}
}

static void read_writer(
	struct torap_compiler *c, Torap__TrustedWriter *out, const struct writer_text *in, unsigned index)
{
	char where[64];
	torap__trusted_writer__init(out);
	out->id = in->id;
	snprintf(where, sizeof where, "writers[%u].curve_key", index);
	out->curve_key = torap_compiler_key(c, where, in->curve_key);
	out->more_curve_keys =
		torap_compiler_take(c, in->more_curve_keys_count, sizeof *out->more_curve_keys);
	out->n_more_curve_keys = out->more_curve_keys ? in->more_curve_keys_count : 0;
	for (unsigned i = 0; i < out->n_more_curve_keys; i++) {
		snprintf(where, sizeof where, "writers[%u].more_curve_keys[%u]", index, i);
		out->more_curve_keys[i] = torap_compiler_key(c, where, in->more_curve_keys[i]);
	}
	snprintf(where, sizeof where, "writers[%u].regions", index);
	out->regions = torap_compiler_regions(c, where, in->regions, in->regions_count);
	out->n_regions = out->regions ? in->regions_count : 0;
	read_writer_keys(c, out, in, index);

	Torap__LastGood *goods = torap_compiler_take(c, in->last_good_count, sizeof *goods);
	out->last_good = torap_compiler_take(c, in->last_good_count, sizeof *out->last_good);
	out->n_last_good = out->last_good ? in->last_good_count : 0;
	for (unsigned i = 0; i < out->n_last_good; i++) {
		snprintf(where, sizeof where, "writers[%u].last_good[%u].stream", index, i);
		read_last_good(c, &goods[i], &in->last_good[i], where);
		out->last_good[i] = &goods[i];
	}
}

static void read_trust(struct torap_compiler *c, Torap__Trust *out, const struct trust_text *in)
{
	torap__trust__init(out);
	out->version = in->version;
	out->valid_until_us = torap_compiler_time(c, "valid_until", in->valid_until);

	Torap__TrustedWriter *writers = torap_compiler_take(c, in->writers_count, sizeof *writers);
	out->writers = torap_compiler_take(c, in->writers_count, sizeof *out->writers);
	out->n_writers = out->writers ? in->writers_count : 0;
	for (unsigned i = 0; i < out->n_writers; i++) {
		read_writer(c, &writers[i], &in->writers[i], i);
		out->writers[i] = &writers[i];
	}
	Torap__RetentionRule *rules = torap_compiler_take(c, in->retention_count, sizeof *rules);
	out->retention = torap_compiler_take(c, in->retention_count, sizeof *out->retention);
	out->n_retention = out->retention ? in->retention_count : 0;
	for (unsigned i = 0; i < out->n_retention; i++) {
		torap_compiler_rule(c, &rules[i], &in->retention[i], i);
		out->retention[i] = &rules[i];
	}
}

static void check(struct torap_compiler *c, const Torap__Trust *trust)
{
	char where[TORAP_TRUST_WHERE_SIZE];
	struct torap_error why;
	int r = c->failed ? 0 : torap_trust_check(trust, where, &why);
	if (r)
		torap_compiler_refuse(c, where, why.text);
}

static int sign(struct torap_buffer **out, struct torap_compiler *c, const Torap__Trust *trust,
	const struct torap_sign_key *root)
{
	/* The prefix in front of the document, so that what is signed lies in one piece. */
	size_t prefix = sizeof TORAP_TRUST_PREFIX;
	size_t size = torap__trust__get_packed_size(trust);
	uint8_t signature[TORAP_SIGNATURE_SIZE];
	uint8_t *message = malloc(prefix + size);
	if (!message)
		return torap_errorf(c->err, -ENOMEM, "%s: out of memory", c->path);
	memcpy(message, TORAP_TRUST_PREFIX, prefix);
	torap__trust__pack(trust, message + prefix);
	crypto_sign_detached(signature, NULL, message, prefix + size, root->secret);

	Torap__SignedTrust s = TORAP__SIGNED_TRUST__INIT;
	s.trust = (ProtobufCBinaryData){ .len = size, .data = message + prefix };
	s.signature = (ProtobufCBinaryData){ .len = sizeof signature, .data = signature };
	size_t whole = torap__signed_trust__get_packed_size(&s);
	int r = 0;
	struct torap_buffer *b = NULL;
	if (whole > TORAP_TRUST_SIZE_MAX)
		r = torap_errorf(c->err, -EFBIG, "%s: compiles to %zu bytes; the limit is %d", c->path, whole,
			TORAP_TRUST_SIZE_MAX);
	else if (!(b = torap_buffer_create(whole)))
		r = torap_errorf(c->err, -ENOMEM, "%s: out of memory", c->path);
	if (b) {
		torap__signed_trust__pack(&s, b->data);
		*out = b;
	}
	free(message);
	return r;
}

int torap_trust_compile(struct torap_buffer **out_signed, const char *source_path,
	const struct torap_sign_key *root, struct torap_error *err)
{
	struct torap_buffer *text = NULL;
	int r = torap_file_read(&text, source_path, TORAP_YAML_SIZE_MAX, err);
	if (r)
		return r;

	struct torap_compiler c = { .path = source_path, .text = torap_buffer_bytes(text), .err = err };
	void *in = NULL;
	torap_arena_init(&c.arena, 64 << 20);
	r = torap_yaml_parse(source_path, (const char *)text->data, text->size, &schema, &in, err);
	if (!r) {
		Torap__Trust trust;
		read_trust(&c, &trust, in);
		check(&c, &trust);
		r = c.failed ? c.failed : sign(out_signed, &c, &trust, root);
	}
	torap_yaml_free(&schema, in);
	torap_arena_finish(&c.arena);
	torap_buffer_unref(text);
	return r;
}
