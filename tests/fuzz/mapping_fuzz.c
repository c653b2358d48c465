/* A mapping table as text.  A refusal says why, in one line. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "node/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node_mapping *m = NULL;
	struct torap_error err = { "" };
	if (node_mapping_parse(&m, "fuzz.yaml", torap_bytes(data, size), &err) == 0) {
		assert(node_mapping_size(m) > 0);
		node_mapping_find(m, "sia-dcs", "BA");
	} else {
		assert(!m && strncmp(err.text, "fuzz.yaml", 9) == 0 && !strchr(err.text, '\n'));
	}
	node_mapping_unref(m);
	return 0;
}
