#include "agents/kit/kit.h"

#include <stddef.h>

#include "loop/metric.h"

void kit_metrics(const struct kit *k, struct torap_writer *body)
{
	const struct kit_counters *c = kit_counters(k);
	torap_metric_one(body, "torap_agent_node_up", "gauge", "Whether the node is there.", kit_up(k));
	torap_metric_one(
		body, "torap_agent_links_total", "counter", "How often the node came.", (double)c->links);
	torap_metric_one(body, "torap_agent_offered_total", "counter", "Observations offered to the node.",
		(double)c->offered);
	torap_metric_one(body, "torap_agent_offers_total", "counter", "Messages that carried them.",
		(double)c->messages);

	torap_metric_head(body, "torap_agent_verdicts_total", "counter",
		"What became of them; lost: the link went or no verdict came.");
	torap_metric(body, "torap_agent_verdicts_total", "word=\"durable\"", (double)c->durable);
	torap_metric(body, "torap_agent_verdicts_total", "word=\"duplicate\"", (double)c->duplicate);
	torap_metric(body, "torap_agent_verdicts_total", "word=\"refused\"", (double)c->refused);
	torap_metric(body, "torap_agent_verdicts_total", "word=\"lost\"", (double)c->lost);

	torap_metric_head(
		body, "torap_agent_not_offered_total", "counter", "Observations that were not even offered.");
	torap_metric(body, "torap_agent_not_offered_total", "why=\"away\"", (double)c->away);
	torap_metric(body, "torap_agent_not_offered_total", "why=\"full\"", (double)c->full);
	torap_metric(body, "torap_agent_not_offered_total", "why=\"too-big\"", (double)c->too_big);
	torap_metric_one(body, "torap_agent_strange_total", "counter",
		"Messages and verdicts of the node that make no sense.", (double)c->strange);
}
