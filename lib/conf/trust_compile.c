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
#include "conf/yaml.h"
#include "wire/arena.h"
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
struct rule_text {
	char **regions, **facilities, **kinds, **parts;
	unsigned regions_count, facilities_count, kinds_count, parts_count;
	char *severity_min, *keep, *at_most;
};
struct trust_text {
	uint64_t version;
	char *valid_until;
	struct writer_text *writers;
	struct rule_text *retention;
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

static const cyaml_schema_field_t rule_fields[] = {
	LIST("regions", CYAML_FLAG_OPTIONAL, struct rule_text, regions, &word, TORAP_TRUST_REGIONS_MAX),
	LIST("facilities", CYAML_FLAG_OPTIONAL, struct rule_text, facilities, &word, 64),
	LIST("kinds", CYAML_FLAG_OPTIONAL, struct rule_text, kinds, &word, 256),
	LIST("parts", CYAML_FLAG_OPTIONAL, struct rule_text, parts, &word, 3),
	TEXT("severity_min", CYAML_FLAG_OPTIONAL, struct rule_text, severity_min),
	TEXT("keep", CYAML_FLAG_OPTIONAL, struct rule_text, keep),
	TEXT("at_most", CYAML_FLAG_OPTIONAL, struct rule_text, at_most),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t rule = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct rule_text, rule_fields) };

static const cyaml_schema_field_t trust_fields[] = {
	CYAML_FIELD_UINT("version", CYAML_FLAG_DEFAULT, struct trust_text, version),
	TEXT("valid_until", 0, struct trust_text, valid_until),
	LIST("writers", 0, struct trust_text, writers, &writer, TORAP_TRUST_WRITERS_MAX),
	LIST("retention", CYAML_FLAG_OPTIONAL, struct trust_text, retention, &rule, TORAP_TRUST_RULES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct trust_text, trust_fields) };

/* One compiling.  Remembers the first failure: after it nothing more is read, and the caller looks once. */
struct compiler {
	const char *path;
	struct torap_bytes text;
	struct torap_arena arena;
	struct torap_error *err;
	int failed; /* 0 or a negative error */
};

static void *take(struct compiler *c, size_t count, size_t size)
{
	/* One at least, and what a failure leaves unused is zero. */
	void *memory =
		c->failed ? NULL
			  : c->arena.allocator.alloc(c->arena.allocator.allocator_data, (count + 1) * size);
	if (memory)
		memset(memory, 0, (count + 1) * size);
	else if (!c->failed)
		c->failed = torap_errorf(c->err, -ENOMEM, "%s: out of memory", c->path);
	return memory;
}

static void refuse(struct compiler *c, const char *where, const char *reason)
{
	if (!c->failed)
		c->failed = torap_yaml_refuse_text(c->err, c->path, c->text, where, "%s", reason);
}

static ProtobufCBinaryData read_key(struct compiler *c, const char *where, const char *text)
{
	ProtobufCBinaryData out = { 0 };
	uint8_t *bytes = take(c, 1, TORAP_SIGN_KEY_SIZE);
	if (!bytes)
		return out;
	if (!torap_unhex(bytes, TORAP_SIGN_KEY_SIZE, text))
		refuse(c, where, "a key is 64 hexadecimal digits");
	return (ProtobufCBinaryData){ .len = TORAP_SIGN_KEY_SIZE, .data = bytes };
}

static int64_t read_time(struct compiler *c, const char *where, const char *text)
{
	struct torap_wall t = { 0 };
	struct torap_error why;
	if (torap_wall_parse(&t, text, &why))
		refuse(c, where, why.text);
	return t.us;
}

static uint64_t read_duration(struct compiler *c, const char *where, const char *text)
{
	int64_t us = 0;
	struct torap_error why;
	if (text && torap_duration_parse(&us, text, &why))
		refuse(c, where, why.text);
	else if (text && us < TORAP_US_PER_S)
		refuse(c, where, "less than a second");
	return (uint64_t)us / TORAP_US_PER_S;
}

static uint32_t *read_regions(struct compiler *c, const char *where, char **texts, unsigned count)
{
	uint32_t *regions = take(c, count, sizeof *regions);
	for (unsigned i = 0; regions && i < count; i++) {
		char at[96], why[160];
		snprintf(at, sizeof at, "%s[%u]", where, i);
		snprintf(why, sizeof why, "region \"%s\" is not a KATO code of 9 digits", texts[i]);
		if (!torap_region_parse(&regions[i], texts[i]))
			refuse(c, at, why);
	}
	return regions;
}

static uint32_t *read_words(struct compiler *c, const char *where, char **texts, unsigned count,
	int (*number)(const char *), const char *what)
{
	uint32_t *numbers = take(c, count, sizeof *numbers);
	for (unsigned i = 0; numbers && i < count; i++) {
		char at[96], why[160];
		int n = number(texts[i]);
		snprintf(at, sizeof at, "%s[%u]", where, i);
		snprintf(why, sizeof why, "\"%s\" is not a %s", texts[i], what);
		if (n < 0)
			refuse(c, at, why);
		numbers[i] = n < 0 ? 0 : (uint32_t)n;
	}
	return numbers;
}

static void read_last_good(
	struct compiler *c, Torap__LastGood *out, const struct good_text *in, const char *where)
{
	struct torap_stream_id *id = take(c, 1, sizeof *id);
	Torap__StreamId *stream = take(c, 1, sizeof *stream);
	torap__last_good__init(out);
	if (!stream)
		return;
	if (!torap_stream_id_parse(id, in->stream)) {
		refuse(c, where, "a stream is WRITER/LANE/16 hexadecimal digits");
		return;
	}
	torap_stream_id_encode(stream, id); /* points into *id, which lives as long */
	out->stream = stream;
	out->batch_no = in->batch;
}

static void read_writer_keys(
	struct compiler *c, Torap__TrustedWriter *out, const struct writer_text *in, unsigned index)
{
	Torap__TrustedKey *keys = take(c, in->keys_count, sizeof *keys);
	out->keys = take(c, in->keys_count, sizeof *out->keys);
	out->n_keys = out->keys ? in->keys_count : 0;
	for (unsigned i = 0; i < out->n_keys; i++) {
		char where[64];
		snprintf(where, sizeof where, "writers[%u].keys[%u].key", index, i);
		torap__trusted_key__init(&keys[i]);
		keys[i].key = read_key(c, where, in->keys[i].key);
		snprintf(where, sizeof where, "writers[%u].keys[%u].from", index, i);
		keys[i].from_us = read_time(c, where, in->keys[i].from);
		snprintf(where, sizeof where, "writers[%u].keys[%u].until", index, i);
		keys[i].until_us = read_time(c, where, in->keys[i].until);
		out->keys[i] = &keys[i];
	}
}

static void read_writer(
	struct compiler *c, Torap__TrustedWriter *out, const struct writer_text *in, unsigned index)
{
	char where[64];
	torap__trusted_writer__init(out);
	out->id = in->id;
	snprintf(where, sizeof where, "writers[%u].curve_key", index);
	out->curve_key = read_key(c, where, in->curve_key);
	out->more_curve_keys = take(c, in->more_curve_keys_count, sizeof *out->more_curve_keys);
	out->n_more_curve_keys = out->more_curve_keys ? in->more_curve_keys_count : 0;
	for (unsigned i = 0; i < out->n_more_curve_keys; i++) {
		snprintf(where, sizeof where, "writers[%u].more_curve_keys[%u]", index, i);
		out->more_curve_keys[i] = read_key(c, where, in->more_curve_keys[i]);
	}
	snprintf(where, sizeof where, "writers[%u].regions", index);
	out->regions = read_regions(c, where, in->regions, in->regions_count);
	out->n_regions = out->regions ? in->regions_count : 0;
	read_writer_keys(c, out, in, index);

	Torap__LastGood *goods = take(c, in->last_good_count, sizeof *goods);
	out->last_good = take(c, in->last_good_count, sizeof *out->last_good);
	out->n_last_good = out->last_good ? in->last_good_count : 0;
	for (unsigned i = 0; i < out->n_last_good; i++) {
		snprintf(where, sizeof where, "writers[%u].last_good[%u].stream", index, i);
		read_last_good(c, &goods[i], &in->last_good[i], where);
		out->last_good[i] = &goods[i];
	}
}

static void read_match(struct compiler *c, Torap__GrantRow *out, const struct rule_text *in, unsigned index)
{
	char where[64];
	torap__grant_row__init(out);
	snprintf(where, sizeof where, "retention[%u].regions", index);
	out->regions = read_regions(c, where, in->regions, in->regions_count);
	snprintf(where, sizeof where, "retention[%u].facilities", index);
	out->facilities =
		read_words(c, where, in->facilities, in->facilities_count, torap_facility_number, "facility");
	snprintf(where, sizeof where, "retention[%u].kinds", index);
	out->kinds = read_words(c, where, in->kinds, in->kinds_count, torap_kind_number, "kind of event");
	snprintf(where, sizeof where, "retention[%u].parts", index);
	uint32_t *parts = read_words(c, where, in->parts, in->parts_count, torap_part_number, "part");
	out->parts = take(c, in->parts_count, sizeof *out->parts);
	snprintf(where, sizeof where, "retention[%u].severity_min", index);
	uint32_t *severity = read_words(c, where, (char **)&in->severity_min, in->severity_min ? 1 : 0,
		torap_severity_number, "severity");
	if (c->failed)
		return;
	out->n_regions = in->regions_count;
	out->n_facilities = in->facilities_count;
	out->n_kinds = in->kinds_count;
	out->n_parts = in->parts_count;
	out->severity_min = severity[0];
	for (unsigned i = 0; i < in->parts_count; i++)
		out->parts[i] = (Torap__PartKind)parts[i];
}

static void read_rule(
	struct compiler *c, Torap__RetentionRule *out, const struct rule_text *in, unsigned index)
{
	char where[64];
	torap__retention_rule__init(out);
	out->match = take(c, 1, sizeof *out->match);
	if (!out->match)
		return;
	read_match(c, out->match, in, index);
	snprintf(where, sizeof where, "retention[%u].keep", index);
	out->keep_s = read_duration(c, where, in->keep);
	snprintf(where, sizeof where, "retention[%u].at_most", index);
	out->at_most_s = read_duration(c, where, in->at_most);
}

static void read_trust(struct compiler *c, Torap__Trust *out, const struct trust_text *in)
{
	torap__trust__init(out);
	out->version = in->version;
	out->valid_until_us = read_time(c, "valid_until", in->valid_until);

	Torap__TrustedWriter *writers = take(c, in->writers_count, sizeof *writers);
	out->writers = take(c, in->writers_count, sizeof *out->writers);
	out->n_writers = out->writers ? in->writers_count : 0;
	for (unsigned i = 0; i < out->n_writers; i++) {
		read_writer(c, &writers[i], &in->writers[i], i);
		out->writers[i] = &writers[i];
	}
	Torap__RetentionRule *rules = take(c, in->retention_count, sizeof *rules);
	out->retention = take(c, in->retention_count, sizeof *out->retention);
	out->n_retention = out->retention ? in->retention_count : 0;
	for (unsigned i = 0; i < out->n_retention; i++) {
		read_rule(c, &rules[i], &in->retention[i], i);
		out->retention[i] = &rules[i];
	}
}

static void check(struct compiler *c, const Torap__Trust *trust)
{
	char where[TORAP_TRUST_WHERE_SIZE];
	struct torap_error why;
	int r = c->failed ? 0 : torap_trust_check(trust, where, &why);
	if (r)
		refuse(c, where, why.text);
}

static int sign(struct torap_buffer **out, struct compiler *c, const Torap__Trust *trust,
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

	struct compiler c = { .path = source_path, .text = torap_buffer_bytes(text), .err = err };
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
