/* Both texts are kept, and read in place: a site or a device is a handful of pointers into them.  Sites come first, and devices
 * only when all sites are good, so that one bad site is one complaint and not one for each of its devices. */
#include "node/registry.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"
#include "node/names.h"
#include "node/registry_rows.h"

struct node_registry {
	_Atomic unsigned refs;
	char *sites_text, *devices_text;
	struct node_site *sites;
	struct node_device *devices;
	const struct node_device **cameras; /* by site */
	size_t sites_count, devices_count, sites_room, devices_room;
	struct node_names site_ids, device_ids, addresses;
};

/* One file on its way in. */
struct loading {
	struct node_registry *registry;
	const struct node_registry_rules *rules;
	struct node_csv csv;
	struct node_table table;
	struct torap_error first; /* the first bad row */
	unsigned bad_rows;
};

/* An array with room for one more element, or NULL. */
static void *make_room(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	size_t bigger = *room ? *room * 2 : 256;
	void *grown = reallocarray(array, bigger, size);
	if (grown)
		*room = bigger;
	return grown;
}

static int no_memory(const struct loading *l, struct torap_error *err)
{
	return torap_errorf(err, -ENOMEM, "%s: out of memory", l->table.name);
}

static int add_site(struct loading *l, const struct node_csv_row *row, struct torap_error *err)
{
	struct node_registry *r = l->registry;
	struct node_site site;
	int code = node_site_read(&site, &l->table, row, l->rules, err);
	if (code)
		return code;
	uint32_t other = node_names_find(&r->site_ids, site.id, "");
	if (other != NODE_NAMES_NONE)
		return node_table_refuse(&l->table, row->line, NODE_SITE_ID, err,
			"\"%s\" stands in line %u already", site.id, r->sites[other].line);
	if (r->sites_count == NODE_REGISTRY_SITES_MAX)
		return torap_errorf(err, -EINVAL, "%s:%u: more than %d sites", l->table.name, row->line,
			NODE_REGISTRY_SITES_MAX);
	struct node_site *sites = make_room(r->sites, r->sites_count, &r->sites_room, sizeof *sites);
	if (!sites)
		return no_memory(l, err);
	r->sites = sites;
	if (!node_names_add(&r->site_ids, site.id, "", (uint32_t)r->sites_count))
		return no_memory(l, err);
	sites[r->sites_count++] = site;
	return 0;
}

static int check_device(
	const struct loading *l, const struct node_device *d, const char *site, struct torap_error *err)
{
	const struct node_registry *r = l->registry;
	if (!d->site)
		return node_table_refuse(
			&l->table, d->line, NODE_DEVICE_SITE, err, "there is no site \"%s\"", site);
	uint32_t other = node_names_find(&r->device_ids, d->id, "");
	if (other != NODE_NAMES_NONE)
		return node_table_refuse(&l->table, d->line, NODE_DEVICE_ID, err,
			"\"%s\" stands in line %u already", d->id, r->devices[other].line);
	other = node_names_find(&r->addresses, d->protocol, d->address);
	if (other != NODE_NAMES_NONE)
		return node_table_refuse(&l->table, d->line, NODE_DEVICE_ADDRESS, err,
			"%s %s is the address of \"%s\" in line %u already", d->protocol, d->address,
			r->devices[other].id, r->devices[other].line);
	if (r->devices_count == NODE_REGISTRY_DEVICES_MAX)
		return torap_errorf(err, -EINVAL, "%s:%u: more than %d devices", l->table.name, d->line,
			NODE_REGISTRY_DEVICES_MAX);
	return 0;
}

static int add_device(struct loading *l, const struct node_csv_row *row, struct torap_error *err)
{
	struct node_registry *r = l->registry;
	struct node_device device;
	int code = node_device_read(&device, &l->table, row, err);
	if (code)
		return code;
	const char *site = node_table_cell(&l->table, row, NODE_DEVICE_SITE);
	device.site = node_registry_site(r, site);
	code = check_device(l, &device, site, err);
	if (code)
		return code;
	struct node_device *devices =
		make_room(r->devices, r->devices_count, &r->devices_room, sizeof *devices);
	if (!devices)
		return no_memory(l, err);
	r->devices = devices;
	uint32_t number = (uint32_t)r->devices_count;
	if (!node_names_add(&r->device_ids, device.id, "", number) ||
		!node_names_add(&r->addresses, device.protocol, device.address, number))
		return no_memory(l, err);
	devices[r->devices_count++] = device;
	return 0;
}

static int add_row(struct loading *l, const struct node_csv_row *row,
	int (*add)(struct loading *, const struct node_csv_row *, struct torap_error *),
	struct torap_error *err)
{
	if (row->count != l->table.cells)
		return torap_errorf(err, -EINVAL, "%s:%u: has %u cells; the first row names %u columns",
			l->table.name, row->line, row->count, l->table.cells);
	return add(l, row, err);
}

/* Goes on after a bad row, so that the complaint can say how many there are. */
static int load_rows(struct loading *l,
	int (*add)(struct loading *, const struct node_csv_row *, struct torap_error *),
	struct torap_error *err)
{
	struct node_csv_row row;
	struct torap_error why;
	int code;
	while ((code = node_csv_next(&l->csv, &row, &why)) == 0) {
		code = add_row(l, &row, add, &why);
		if (code == 0)
			continue;
		if (code != -EINVAL)
			return torap_errorf(err, code, "%s", why.text);
		if (l->bad_rows++ == 0)
			l->first = why;
	}
	if (code < 0 && l->bad_rows++ == 0)
		l->first = why;
	if (l->bad_rows > 1)
		return torap_errorf(err, -EINVAL, "%.*s (and %u more bad rows)", TORAP_ERROR_TEXT_MAX - 40,
			l->first.text, l->bad_rows - 1);
	return l->bad_rows ? torap_errorf(err, -EINVAL, "%s", l->first.text) : 0;
}

/* Copies the text, for it is read in place. */
static int load_table(struct loading *l, const char *name, struct torap_bytes text, char **copy,
	const struct node_csv_column *columns, unsigned columns_count, struct torap_error *err)
{
	l->table = (struct node_table){ .name = name, .columns = columns, .columns_count = columns_count };
	if (text.size > NODE_REGISTRY_FILE_SIZE_MAX)
		return torap_errorf(err, -EFBIG, "%s: %zu bytes; the limit is %d", name, text.size,
			NODE_REGISTRY_FILE_SIZE_MAX);
	*copy = malloc(text.size + 1);
	if (!*copy)
		return no_memory(l, err);
	if (text.size)
		memcpy(*copy, text.data, text.size);
	int code = node_csv_begin(&l->csv, name, *copy, text.size, err);
	if (!code)
		code = node_csv_header(
			&l->csv, columns, columns_count, l->table.places, &l->table.cells, err);
	return code;
}

static bool is_seen(const struct node_device *d)
{
	return strcmp(d->protocol, "rtsp") == 0;
}

/* Each site's cameras stand together, in the order of the file. */
static int list_cameras(struct node_registry *r, struct torap_error *err)
{
	size_t count = 0;
	for (size_t i = 0; i < r->devices_count; i++)
		r->sites[r->devices[i].site - r->sites].cameras_count += is_seen(&r->devices[i]);
	for (size_t i = 0; i < r->sites_count; i++)
		count += r->sites[i].cameras_count;
	if (!count)
		return 0;
	r->cameras = calloc(count, sizeof *r->cameras);
	if (!r->cameras)
		return torap_errorf(err, -ENOMEM, "the registry's cameras: out of memory");
	const struct node_device **at = r->cameras;
	for (size_t i = 0; i < r->sites_count; i++) {
		r->sites[i].cameras = at;
		at += r->sites[i].cameras_count;
		r->sites[i].cameras_count = 0;
	}
	for (size_t i = 0; i < r->devices_count; i++) {
		struct node_site *site = &r->sites[r->devices[i].site - r->sites];
		if (is_seen(&r->devices[i]))
			r->cameras[site->cameras - r->cameras + site->cameras_count++] = &r->devices[i];
	}
	return 0;
}

int node_registry_parse(struct node_registry **out, const char *sites_name, struct torap_bytes sites,
	const char *devices_name, struct torap_bytes devices, const struct node_registry_rules *rules,
	struct torap_error *err)
{
	struct node_registry *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", sites_name);
	atomic_init(&r->refs, 1);

	struct loading site_load = { .registry = r, .rules = rules };
	struct loading device_load = { .registry = r, .rules = rules };
	int code = load_table(
		&site_load, sites_name, sites, &r->sites_text, node_site_columns, NODE_SITE_COLUMNS, err);
	if (!code)
		code = load_rows(&site_load, add_site, err);
	if (!code)
		code = load_table(&device_load, devices_name, devices, &r->devices_text, node_device_columns,
			NODE_DEVICE_COLUMNS, err);
	if (!code)
		code = load_rows(&device_load, add_device, err);
	if (!code)
		code = list_cameras(r, err);
	if (code) {
		node_registry_unref(r);
		return code;
	}
	*out = r;
	return 0;
}

int node_registry_load(struct node_registry **out, const char *sites_csv, const char *devices_csv,
	const struct node_registry_rules *rules, struct torap_error *err)
{
	struct torap_buffer *sites = NULL, *devices = NULL;
	int code = torap_file_read(&sites, sites_csv, NODE_REGISTRY_FILE_SIZE_MAX, err);
	if (!code)
		code = torap_file_read(&devices, devices_csv, NODE_REGISTRY_FILE_SIZE_MAX, err);
	if (!code)
		code = node_registry_parse(out, sites_csv, torap_buffer_bytes(sites), devices_csv,
			torap_buffer_bytes(devices), rules, err);
	torap_buffer_unref(sites);
	torap_buffer_unref(devices);
	return code;
}

struct node_registry *node_registry_ref(struct node_registry *r)
{
	unsigned before = atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	assert(before > 0);
	(void)before;
	return r;
}

struct node_registry *node_registry_unref(struct node_registry *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	node_names_finish(&r->site_ids);
	node_names_finish(&r->device_ids);
	node_names_finish(&r->addresses);
	free(r->sites);
	free(r->devices);
	free(r->cameras);
	free(r->sites_text);
	free(r->devices_text);
	free(r);
	return NULL;
}

const struct node_device *node_registry_find(
	const struct node_registry *r, const char *protocol, const char *address)
{
	uint32_t number = node_names_find(&r->addresses, protocol, address);
	return number == NODE_NAMES_NONE ? NULL : &r->devices[number];
}

const struct node_device *node_registry_device(const struct node_registry *r, const char *id)
{
	uint32_t number = node_names_find(&r->device_ids, id, "");
	return number == NODE_NAMES_NONE ? NULL : &r->devices[number];
}

const struct node_site *node_registry_site(const struct node_registry *r, const char *id)
{
	uint32_t number = node_names_find(&r->site_ids, id, "");
	return number == NODE_NAMES_NONE ? NULL : &r->sites[number];
}

const struct node_device *node_registry_next(
	const struct node_registry *r, const char *protocol, const struct node_device *after)
{
	for (size_t i = after ? (size_t)(after - r->devices) + 1 : 0; i < r->devices_count; i++)
		if (!protocol || strcmp(r->devices[i].protocol, protocol) == 0)
			return &r->devices[i];
	return NULL;
}

size_t node_registry_devices(const struct node_registry *r)
{
	return r->devices_count;
}

size_t node_registry_sites(const struct node_registry *r)
{
	return r->sites_count;
}
