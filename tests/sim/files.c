/* The files that the brokers' processes read: keys, trust files, policies, configurations.  They are the same for every seed, and written
 * once; which of them is in force when, a seed decides. */
#include "sim/sim.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/keys.h"

enum { PORT = 7400 };

static char dir[256];
static struct torap_keys broker_keys[SIM_BROKERS];
static const char *const broker_regions[SIM_BROKERS] = { "750000000", "390000000", "710000000" };

const struct torap_keys *sim_files_keys(size_t broker)
{
	return &broker_keys[broker];
}

uint32_t sim_files_region(size_t broker)
{
	return (uint32_t)strtoul(broker_regions[broker], NULL, 10);
}

/* It becomes the working directory: names in the log must not differ from run to run. */
static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char made[sizeof dir];
	snprintf(made, sizeof made, "%s/torap-sim-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(made) || chdir(made) || !getcwd(dir, sizeof dir)) {
		perror(made);
		exit(1);
	}
}

static FILE *create(const char *name)
{
	char path[sizeof dir + 64];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (!f) {
		perror(path);
		exit(1);
	}
	return f;
}

static void write_keys(size_t b)
{
	struct torap_error err;
	char name[32];
	snprintf(name, sizeof name, "broker-%zu", b);
	if (torap_keys_create(&broker_keys[b], name, &err) || torap_keys_save(&broker_keys[b], dir, &err)) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(1);
	}
}

/* The root's public half, as a key file. */
static void write_root(void)
{
	char hex[65];
	FILE *f = create("root.pub");
	torap_hex(hex, torap_bytes(sim_trust_root(), 32));
	fprintf(f, "name: root\ncurve_public: \"%064d\"\nsign_public: \"%s\"\n", 0, hex);
	fclose(f);
}

static void write_trust(size_t t)
{
	char name[32];
	snprintf(name, sizeof name, "trust-%zu", t);
	FILE *f = create(name);
	const struct torap_buffer *bytes = sim_trusts[t]->signed_bytes;
	fwrite(bytes->data, 1, bytes->size, f);
	fclose(f);
}

void sim_feed_key(size_t feed, uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	memset(key, 0, TORAP_CURVE_KEY_SIZE);
	key[TORAP_CURVE_KEY_SIZE - 1] = (uint8_t)(feed + 1);
}

void sim_writer_key(size_t node, uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	memset(key, 0, TORAP_CURVE_KEY_SIZE);
	key[0] = (uint8_t)(node + 1);
}

static void write_feed(FILE *f, const char *name, const uint8_t *key, const char *row)
{
	char hex[2 * TORAP_CURVE_KEY_SIZE + 1];
	fprintf(f,
		"  - { name: %s, keys: [\"%s\"], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ %s }] }\n",
		name, torap_hex(hex, torap_bytes(key, TORAP_CURVE_KEY_SIZE)), row);
}

/* What each broker grants; of the feed "almaty" the policy changes its mind. */
static void write_policy(size_t b, size_t p)
{
	static const char *const rows[SIM_SUBSCRIBERS] = {
		"parts: [open, personal]",
		"facilities: [prison], parts: [open]",
		"regions: [\"750000000\"], facilities: [prison], parts: [open, personal]",
		"parts: [open, personal]",
	};
	static const char *const upstream_rows[SIM_CITIES] = { "parts: [open]",
		"facilities: [prison], parts: [open, personal]" };
	static const char *const names[SIM_SUBSCRIBERS] = { "centre", "prosecutor", "almaty", "ministry" };
	char name[48];
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	snprintf(name, sizeof name, "policy-%zu-%zu.yaml", b, p);
	FILE *f = create(name);
	fprintf(f, "feeds:\n");
	for (size_t i = 0; i < SIM_SUBSCRIBERS; i++) {
		sim_feed_key(i, key);
		bool denied = strcmp(names[i], "almaty") == 0 && p == SIM_POLICY_DENIES;
		if (strcmp(names[i], "almaty") == 0 && p == SIM_POLICY_WITHOUT)
			continue;
		write_feed(f, names[i], key,
			denied ? "regions: [\"750000000\"], facilities: [prison], parts: [open]" : rows[i]);
	}
	if (b < SIM_CITIES) {
		snprintf(name, sizeof name, "nation-%zu", b);
		write_feed(f, name, broker_keys[SIM_NATION].curve_public, upstream_rows[b]);
	}
	fprintf(f, "writers: [%s]\n", b < SIM_CITIES ? "{ id: node-0 }, { id: node-1 }, { id: node-2 }" : "");
	fclose(f);
}

void sim_files_config(char *path, size_t size, size_t broker, size_t trust, size_t policy)
{
	snprintf(path, size, "broker-%zu-%zu-%zu.yaml", broker, trust, policy);
}

static void write_config(size_t b, size_t t, size_t p)
{
	char name[64];
	snprintf(name, sizeof name, "broker-%zu-%zu-%zu.yaml", b, t, p);
	FILE *f = create(name);
	fprintf(f,
		"name: broker-%zu\nregion: \"%s\"\nkeys: broker-%zu.key\ntrust: trust-%zu\nroot: root.pub\n"
		"store: store\nstore_size: 1GiB\nlisten: tcp://127.0.0.1:%zu\npolicy: policy-%zu-%zu.yaml\n"
		"canary: 20s\n",
		b, broker_regions[b], b, t, PORT + b, b, p);
	for (size_t u = 0; b == SIM_NATION && u < SIM_CITIES; u++)
		fprintf(f,
			"%s  - { name: broker-%zu, endpoint: \"tcp://127.0.0.1:%zu\", key: broker-%zu.pub, feed: nation-%zu, "
			"credit: 64KiB }\n",
			u ? "" : "upstream:\n", u, PORT + u, u, u);
	fclose(f);
}

void sim_files_begin(void)
{
	make_dir();
	sim_sodium_begin(0);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		write_keys(b);
	sim_trusts_make();
	write_root();
	for (size_t t = 0; t < SIM_TRUSTS; t++)
		write_trust(t);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		for (size_t p = 0; p < SIM_POLICIES; p++) {
			write_policy(b, p);
			for (size_t t = 0; t < SIM_TRUSTS; t++)
				write_config(b, t, p);
		}
}

void sim_files_end(void)
{
	DIR *d = opendir(dir);
	char path[sizeof dir + 256];
	for (const struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
	sim_trusts_free();
}
