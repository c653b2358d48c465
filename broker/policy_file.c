/* The policy file: its schema, and what a schema cannot say. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "broker/policy.h"
#include "conf/file.h"
#include "conf/grant_rows.h"
#include "conf/keys.h"
#include "conf/yaml.h"
#include "wire/digest.h"
#include "wire/stream.h"
#include "wire/taxonomy.h"

struct file_feed {
	char *name, *legal_basis, *from, *until;
	char **keys;
	unsigned keys_count;
	struct torap_grant_text *rows;
	unsigned rows_count;
};

struct file_writer {
	char *id;
	char **regions;
	unsigned regions_count;
};

struct file {
	struct file_feed *feeds;
	unsigned feeds_count;
	struct file_writer *writers;
	unsigned writers_count;
};

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t text = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 256) };

static const cyaml_schema_field_t feed_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct file_feed, name, 1, 256),
	CYAML_FIELD_SEQUENCE(
		"keys", CYAML_FLAG_POINTER, struct file_feed, keys, &text, 1, BROKER_FEED_KEYS_MAX),
	CYAML_FIELD_STRING_PTR("legal_basis", CYAML_FLAG_POINTER, struct file_feed, legal_basis, 1, 1024),
	CYAML_FIELD_STRING_PTR("from", CYAML_FLAG_POINTER, struct file_feed, from, 1, 64),
	CYAML_FIELD_STRING_PTR("until", CYAML_FLAG_POINTER, struct file_feed, until, 1, 64),
	CYAML_FIELD_SEQUENCE("rows", CYAML_FLAG_POINTER, struct file_feed, rows, &torap_grant_text_schema, 1,
		TORAP_GRANT_ROWS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t feed = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct file_feed, feed_fields) };

static const cyaml_schema_field_t writer_fields[] = {
	CYAML_FIELD_STRING_PTR("id", CYAML_FLAG_POINTER, struct file_writer, id, 1, 256),
	CYAML_FIELD_SEQUENCE(
		"regions", OPTIONAL, struct file_writer, regions, &text, 1, TORAP_GRANT_LIST_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t writer = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct file_writer, writer_fields) };

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_SEQUENCE("feeds", CYAML_FLAG_POINTER, struct file, feeds, &feed, 0, BROKER_FEEDS_MAX),
	CYAML_FIELD_SEQUENCE(
		"writers", CYAML_FLAG_POINTER, struct file, writers, &writer, 0, TORAP_STREAMS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, fields) };

/* A parse under way: what it reads, where it is in it, where complaints go. */
struct parse {
	struct torap_yaml_place at;
	struct torap_error *err;
	char where[128]; /* at.where: of the feed, row or writer at hand */
};

static int no_memory(const struct parse *p)
{
	return torap_errorf(p->err, -ENOMEM, "%s: out of memory", p->at.name);
}

static int take_rows(struct parse *p, struct broker_policy_feed *out, const struct file_feed *in, size_t at)
{
	out->rows = calloc(in->rows_count, sizeof *out->rows);
	if (!out->rows)
		return no_memory(p);
	out->rows_count = in->rows_count;
	for (unsigned i = 0; i < in->rows_count; i++) {
		snprintf(p->where, sizeof p->where, "feeds[%zu].rows[%u]", at, i);
		int r = torap_grant_row_read(&out->rows[i], &in->rows[i], &p->at, p->err);
		if (r)
			return r;
	}
	return 0;
}

static bool is_public_file(const char *name)
{
	size_t size = strlen(name);
	return size > 4 && strcmp(name + size - 4, ".pub") == 0;
}

/* In hexadecimal, or the name of the file that holds it. */
static int take_key(const struct parse *p, uint8_t *out, const char *in, unsigned entry)
{
	if (torap_unhex(out, TORAP_CURVE_KEY_SIZE, in))
		return 0;
	if (!is_public_file(in))
		return torap_yaml_refuse_step(&p->at, "keys", (int)entry, p->err,
			"a key is 64 hexadecimal digits in quotes, or the name of a .pub file");
	struct torap_error why;
	struct torap_keys keys;
	char *path = torap_yaml_path(p->at.name, in);
	if (!path)
		return no_memory(p);
	int r = torap_keys_load_public(&keys, path, &why);
	free(path);
	if (r)
		return torap_yaml_refuse_step(&p->at, "keys", (int)entry, p->err, "%s", why.text);
	memcpy(out, keys.curve_public, TORAP_CURVE_KEY_SIZE);
	return 0;
}

static int take_keys(const struct parse *p, struct broker_policy_feed *out, const struct file_feed *in)
{
	out->keys = calloc(in->keys_count, sizeof *out->keys);
	if (!out->keys)
		return no_memory(p);
	for (unsigned i = 0; i < in->keys_count; i++) {
		int r = take_key(p, out->keys[i], in->keys[i], i);
		if (r)
			return r;
		out->keys_count++;
	}
	return 0;
}

static bool feed_name_valid(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && size < sizeof((struct broker_policy_feed *)0)->name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == size;
}

static int take_feed(struct parse *p, struct broker_policy *made, const struct file_feed *in, size_t at)
{
	struct torap_error why;
	snprintf(p->where, sizeof p->where, "feeds[%zu]", at);
	if (!feed_name_valid(in->name))
		return torap_yaml_refuse_step(&p->at, "name", -1, p->err,
			"\"%s\" is not a feed's name: up to 63 of a-z 0-9 - _ .", in->name);
	struct broker_policy_feed *out = &made->feeds[made->feeds_count++];
	strcpy(out->name, in->name);
	if (strspn(in->legal_basis, " \t\n") == strlen(in->legal_basis))
		return torap_yaml_refuse_step(
			&p->at, "legal_basis", -1, p->err, "a feed needs its legal basis in words");
	out->legal_basis = strdup(in->legal_basis);
	if (!out->legal_basis)
		return no_memory(p);
	if (torap_wall_parse(&out->from, in->from, &why))
		return torap_yaml_refuse_step(&p->at, "from", -1, p->err, "%s", why.text);
	if (torap_wall_parse(&out->until, in->until, &why))
		return torap_yaml_refuse_step(&p->at, "until", -1, p->err, "%s", why.text);
	if (out->until.us <= out->from.us)
		return torap_yaml_refuse_step(&p->at, "until", -1, p->err,
			"until is not after from: the feed would never be valid");
	int r = take_keys(p, out, in);
	return r ? r : take_rows(p, out, in, at);
}

/* A key belongs to one feed: a session is known by its key, so two feeds of one key would push each other out. */
static int refuse_doubles(struct parse *p, const struct broker_policy *made)
{
	for (size_t i = 1; i < made->feeds_count; i++) {
		const struct broker_policy_feed *f = made->by_name[i];
		if (strcmp(f->name, made->by_name[i - 1]->name) != 0)
			continue;
		snprintf(p->where, sizeof p->where, "feeds[%zu]", (size_t)(f - made->feeds));
		return torap_yaml_refuse_step(
			&p->at, "name", -1, p->err, "there is a feed %s already", f->name);
	}
	for (size_t i = 1; i < made->keys_count; i++) {
		const struct broker_policy_key *before = &made->by_key[i - 1], *k = &made->by_key[i];
		if (memcmp(k->key, before->key, TORAP_CURVE_KEY_SIZE) != 0)
			continue;
		snprintf(p->where, sizeof p->where, "feeds[%zu]", (size_t)(k->feed - made->feeds));
		return torap_yaml_refuse_step(&p->at, "keys",
			(int)((k->key - k->feed->keys[0]) / TORAP_CURVE_KEY_SIZE), p->err,
			"the key is listed already, in feed %s", before->feed->name);
	}
	return 0;
}

static int take_writer(struct parse *p, struct broker_policy *made, const struct file_writer *in, size_t at)
{
	snprintf(p->where, sizeof p->where, "writers[%zu]", at);
	if (!torap_writer_id_valid(in->id))
		return torap_yaml_refuse_step(
			&p->at, "id", -1, p->err, "\"%s\" is not a writer id: up to 31 of a-z 0-9 -", in->id);
	if (broker_policy_writer(made, in->id))
		return torap_yaml_refuse_step(
			&p->at, "id", -1, p->err, "there is a writer %s already", in->id);
	struct broker_policy_writer *out = &made->writers[made->writers_count++];
	strcpy(out->id, in->id);
	return torap_regions_read(&out->regions, &out->regions_count, in->regions, in->regions_count,
		"regions", &p->at, p->err);
}

static int take_file(struct parse *p, struct broker_policy *made, const struct file *in)
{
	/* One more than needed: calloc(0) may return NULL. */
	made->feeds = calloc(in->feeds_count + 1, sizeof *made->feeds);
	made->writers = calloc(in->writers_count + 1, sizeof *made->writers);
	if (!made->feeds || !made->writers)
		return no_memory(p);
	for (unsigned i = 0; i < in->feeds_count; i++) {
		int r = take_feed(p, made, &in->feeds[i], i);
		if (r)
			return r;
	}
	if (broker_policy_index(made))
		return no_memory(p);
	int doubled = refuse_doubles(p, made);
	if (doubled)
		return doubled;
	for (unsigned i = 0; i < in->writers_count; i++) {
		int r = take_writer(p, made, &in->writers[i], i);
		if (r)
			return r;
	}
	return 0;
}

/* Of the file, and of the keys, for they may stand in files of their own. */
static int write_digest(const struct parse *p, struct broker_policy *made)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	struct torap_writer w = { 0 };
	torap_write_bytes(&w, p->at.text);
	for (size_t i = 0; i < made->feeds_count; i++)
		torap_write_bytes(&w,
			torap_bytes(made->feeds[i].keys, made->feeds[i].keys_count * TORAP_CURVE_KEY_SIZE));
	int r = w.failed ? no_memory(p) : 0;
	if (!r)
		torap_digest(digest, torap_bytes(w.data, w.size));
	if (!r)
		torap_hex(made->digest, torap_bytes(digest, sizeof digest));
	torap_writer_finish(&w);
	return r;
}

int broker_policy_parse(
	struct broker_policy **out, const char *name, struct torap_bytes bytes, struct torap_error *err)
{
	struct parse p = { .at = { .name = name, .text = bytes, .where = p.where }, .err = err };
	void *loaded = NULL;
	int r = torap_yaml_parse(name, (const char *)bytes.data, bytes.size, &schema, &loaded, err);
	if (r)
		return r;
	struct broker_policy *made = calloc(1, sizeof *made);
	if (made) {
		atomic_init(&made->refs, 1);
		r = take_file(&p, made, loaded);
	} else {
		r = no_memory(&p);
	}
	torap_yaml_free(&schema, loaded);
	if (!r)
		r = write_digest(&p, made);
	if (r) {
		broker_policy_unref(made);
		return r;
	}
	*out = made;
	return 0;
}

int broker_policy_load(struct broker_policy **out, const char *path, struct torap_error *err)
{
	struct torap_buffer *text_read = NULL;
	int r = torap_file_read(&text_read, path, TORAP_YAML_SIZE_MAX, err);
	if (r)
		return r;
	r = broker_policy_parse(out, path, torap_buffer_bytes(text_read), err);
	torap_buffer_unref(text_read);
	return r;
}
