/* Two CSV files, parted by a line of four dashes, as the registry's loader takes them.  What is taken must be whole: each device
 * has a site and is found again by id and address. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "node/consent.h"
#include "node/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct node_registry *r)
{
	size_t count = 0;
	for (const struct node_device *d = NULL; (d = node_registry_next(r, NULL, d));) {
		count++;
		assert(d->site && node_registry_site(r, d->site->id) == d->site);
		assert(node_registry_find(r, d->protocol, d->address) == d);
		assert(node_registry_device(r, d->id) == d);
		node_consent_at(d, (struct torap_wall){ 0 });
	}
	assert(count == node_registry_devices(r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "----\n";
	const uint8_t *cut = memmem(data, size, mark, strlen(mark));
	struct torap_bytes sites = torap_bytes(data, cut ? (size_t)(cut - data) : size);
	struct torap_bytes devices = torap_bytes("", 0);
	if (cut)
		devices = torap_bytes(cut + strlen(mark), (size_t)(data + size - cut) - strlen(mark));

	struct node_registry *r = NULL;
	struct torap_error err = { "" };
	uint32_t region = 390000000;
	struct node_registry_rules rules = { &region, 1 };
	if (node_registry_parse(&r, "sites.csv", sites, "devices.csv", devices, &rules, &err) == 0)
		check(r);
	else
		assert(*err.text && !r && !strchr(err.text, '\n'));
	node_registry_unref(r);
	return 0;
}
