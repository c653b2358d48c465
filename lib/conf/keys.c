#include "conf/keys.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/file.h"
#include "conf/yaml.h"

enum { KEY_SIZE = 32, KEY_TEXT_SIZE = 2 * KEY_SIZE, KEY_FILE_SIZE_MAX = 4096 };
_Static_assert(
	(int)TORAP_CURVE_KEY_SIZE == KEY_SIZE && (int)TORAP_SIGN_KEY_SIZE == KEY_SIZE, "one size for all");

/* As in the file.  Secrets stay NULL in a .pub. */
struct key_file {
	char *name;
	char *curve_secret, *curve_public, *sign_seed, *sign_public;
};

#define HEX_FIELD(key, member)                                                                               \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, struct key_file, member, KEY_TEXT_SIZE, KEY_TEXT_SIZE)
static const cyaml_schema_field_t secret_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct key_file, name, 1, 63),
	HEX_FIELD("curve_secret", curve_secret),
	HEX_FIELD("curve_public", curve_public),
	HEX_FIELD("sign_seed", sign_seed),
	HEX_FIELD("sign_public", sign_public),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t secret_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct key_file, secret_fields) };

static const cyaml_schema_field_t public_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct key_file, name, 1, 63),
	HEX_FIELD("curve_public", curve_public),
	HEX_FIELD("sign_public", sign_public),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t public_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct key_file, public_fields) };

/* The name becomes a file name. */
static bool name_valid(const char *name)
{
	size_t length = strlen(name);
	if (length == 0 || length >= sizeof((struct torap_keys *)NULL)->name)
		return false;
	for (const char *p = name; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	return true;
}

int torap_keys_create(struct torap_keys *out, const char *name, struct torap_error *err)
{
	if (!name_valid(name))
		return torap_errorf(
			err, -EINVAL, "\"%s\" is no name for keys: 1 to 63 of a-z, 0-9, - and _ are", name);
	if (sodium_init() < 0)
		return torap_errorf(err, -EIO, "libsodium does not start: no randomness");

	struct torap_keys keys = { 0 };
	uint8_t seed[crypto_sign_SEEDBYTES];
	snprintf(keys.name, sizeof keys.name, "%s", name);
	crypto_box_keypair(keys.curve_public, keys.curve_secret);
	randombytes_buf(seed, sizeof seed);
	torap_sign_key_make(&keys.sign, seed);
	*out = keys;
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(&keys, sizeof keys);
	return 0;
}

void torap_keys_wipe(struct torap_keys *keys)
{
	sodium_memzero(keys, sizeof *keys);
}

static int save_secret(const struct torap_keys *keys, const char *path, struct torap_error *err)
{
	char text[512], curve_secret[KEY_TEXT_SIZE + 1], curve_public[KEY_TEXT_SIZE + 1];
	char seed[KEY_TEXT_SIZE + 1], public[KEY_TEXT_SIZE + 1];
	/* libsodium's secret key begins with the seed. */
	int n = snprintf(text, sizeof text,
		"# Secret: whoever has this file can speak as %s.\n"
		"name: %s\ncurve_secret: \"%s\"\ncurve_public: \"%s\"\nsign_seed: \"%s\"\nsign_public: "
		"\"%s\"\n",
		keys->name, keys->name, torap_hex(curve_secret, torap_bytes(keys->curve_secret, KEY_SIZE)),
		torap_hex(curve_public, torap_bytes(keys->curve_public, KEY_SIZE)),
		torap_hex(seed, torap_bytes(keys->sign.secret, KEY_SIZE)),
		torap_hex(public, torap_bytes(keys->sign.public, KEY_SIZE)));
	int r = torap_file_create(path, 0600, torap_bytes(text, (size_t)n), err);
	sodium_memzero(text, sizeof text);
	sodium_memzero(curve_secret, sizeof curve_secret);
	sodium_memzero(seed, sizeof seed);
	return r;
}

static int save_public(const struct torap_keys *keys, const char *path, struct torap_error *err)
{
	char text[512], curve[KEY_TEXT_SIZE + 1], sign[KEY_TEXT_SIZE + 1];
	int n = snprintf(text, sizeof text, "name: %s\ncurve_public: \"%s\"\nsign_public: \"%s\"\n",
		keys->name, torap_hex(curve, torap_bytes(keys->curve_public, KEY_SIZE)),
		torap_hex(sign, torap_bytes(keys->sign.public, KEY_SIZE)));
	return torap_file_create(path, 0644, torap_bytes(text, (size_t)n), err);
}

int torap_keys_save(const struct torap_keys *keys, const char *dir, struct torap_error *err)
{
	char *secret = NULL, *public = NULL;
	int r;
	if (asprintf(&secret, "%s/%s.key", dir, keys->name) < 0) {
		secret = NULL;
		r = torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
		goto done;
	}
	if (asprintf(&public, "%s/%s.pub", dir, keys->name) < 0) {
		public = NULL;
		r = torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
		goto done;
	}
	/* The public half first: a crash in between leaves no secret that nobody can use. */
	r = save_public(keys, public, err);
	if (r)
		goto done;
	r = save_secret(keys, secret, err);
	if (r)
		remove(public);
done:
	free(secret);
	free(public);
	return r;
}

static int decode_key(
	uint8_t *out, const char *text, const char *path, const char *key, struct torap_error *err)
{
	if (torap_unhex(out, KEY_SIZE, text))
		return 0;
	return torap_yaml_refuse(err, path, key, "%s is not %d hexadecimal digits", key, KEY_TEXT_SIZE);
}

static int decode_public(
	struct torap_keys *out, const struct key_file *file, const char *path, struct torap_error *err)
{
	if (!name_valid(file->name))
		return torap_yaml_refuse(err, path, "name", "\"%s\" is no name for keys", file->name);
	snprintf(out->name, sizeof out->name, "%s", file->name);
	int r = decode_key(out->curve_public, file->curve_public, path, "curve_public", err);
	if (!r)
		r = decode_key(out->sign.public, file->sign_public, path, "sign_public", err);
	if (!r)
		torap_key_id(out->sign.id, out->sign.public);
	return r;
}

/* The public halves in the file must be those of its secrets: a file put together by hand is found here, and not when
 * nobody can verify what was signed. */
static int decode_secret(
	struct torap_keys *out, const struct key_file *file, const char *path, struct torap_error *err)
{
	uint8_t seed[KEY_SIZE], curve_public[KEY_SIZE], sign_public[KEY_SIZE];
	int r = decode_public(out, file, path, err);
	if (r)
		return r;
	memcpy(sign_public, out->sign.public, sizeof sign_public);
	r = decode_key(out->curve_secret, file->curve_secret, path, "curve_secret", err);
	if (!r)
		r = decode_key(seed, file->sign_seed, path, "sign_seed", err);
	if (r)
		goto done;
	torap_sign_key_make(&out->sign, seed);
	crypto_scalarmult_base(curve_public, out->curve_secret);
	if (memcmp(curve_public, out->curve_public, KEY_SIZE) != 0)
		r = torap_yaml_refuse(
			err, path, "curve_public", "curve_public does not belong to curve_secret");
	else if (memcmp(sign_public, out->sign.public, KEY_SIZE) != 0)
		r = torap_yaml_refuse(err, path, "sign_public", "sign_public does not belong to sign_seed");
done:
	sodium_memzero(seed, sizeof seed);
	return r;
}

static void wipe_text(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
}

static void free_file(const cyaml_schema_value_t *schema, struct key_file *file)
{
	if (!file)
		return;
	wipe_text(file->curve_secret);
	wipe_text(file->sign_seed);
	torap_yaml_free(schema, file);
}

/* Reads, decodes, and wipes every copy of the secrets that is ours. */
static int load(struct torap_keys *out, const char *path, bool secret, struct torap_error *err)
{
	const cyaml_schema_value_t *schema = secret ? &secret_schema : &public_schema;
	struct torap_buffer *text = NULL;
	struct torap_keys keys = { 0 };
	void *file = NULL;

	if (sodium_init() < 0)
		return torap_errorf(err, -EIO, "libsodium does not start: no randomness");
	int r = secret ? torap_file_read_secret(&text, path, KEY_FILE_SIZE_MAX, err)
		       : torap_file_read(&text, path, KEY_FILE_SIZE_MAX, err);
	if (r)
		return r;
	r = torap_yaml_parse(path, (const char *)text->data, text->size, schema, &file, err);
	if (!r)
		r = secret ? decode_secret(&keys, file, path, err) : decode_public(&keys, file, path, err);
	if (!r)
		*out = keys;
	free_file(schema, file);
	torap_keys_wipe(&keys);
	sodium_memzero(text->data, text->size);
	torap_buffer_unref(text);
	return r;
}

int torap_keys_load(struct torap_keys *out, const char *path, struct torap_error *err)
{
	return load(out, path, true, err);
}

int torap_keys_load_public(struct torap_keys *out, const char *path, struct torap_error *err)
{
	return load(out, path, false, err);
}

bool torap_keys_judge(const struct torap_keys *keys, const char *writer, struct torap_wall now, bool said)
{
	char clock[TORAP_WALL_TEXT_SIZE], from[TORAP_WALL_TEXT_SIZE], until[TORAP_WALL_TEXT_SIZE];
	const struct torap_sign_key *key = &keys->sign;
	bool good = torap_sign_key_good(key, now);
	if (!good && !said)
		torap_fail("KEY-OUT-OF-TIME",
			"this host's clock says %s, the signing key of %s is good from %s until %s; batches are dated "
			"inside: set the clock right, or exchange the key",
			torap_wall_format(now, clock), writer, torap_wall_format(key->from, from),
			torap_wall_format(key->until, until));
	return good;
}
