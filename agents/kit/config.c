#include "agents/kit/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/take.h"
#include "zmtp/endpoint.h"

static const char ipc[] = "ipc://";

static int take_node(struct kit_config *out, const char *node, const char *path, struct torap_error *err)
{
	if (strncmp(node, ipc, strlen(ipc)) != 0 || !node[strlen(ipc)])
		return torap_yaml_refuse(err, path, "node", "\"%s\" is no ipc:// endpoint", node);
	out->node = torap_yaml_endpoint(path, node);
	struct torap_error why;
	if (!out->node)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	return torap_zmtp_check_local(out->node, &why) ? torap_yaml_refuse(err, path, "node", "%s", why.text)
						       : 0;
}

void kit_config_take(struct torap_taking *t, struct kit_config *out, const struct kit_config_file *file)
{
	torap_take_text(t, &out->path, t->path);
	torap_take_metrics(t, &out->metrics, file->metrics);
	if (!t->failed)
		t->failed = take_node(out, file->node, t->path, t->err);
}

void kit_config_finish(struct kit_config *c)
{
	free(c->path);
	free(c->node);
	free(c->metrics);
	*c = (struct kit_config){ 0 };
}
