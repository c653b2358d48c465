#include "agents/archive/page.h"

#include "agents/archive/agent.h"
#include "loop/app.h"
#include "loop/http.h"

static void write_metrics(void *hint, struct torap_writer *body)
{
	const struct archive_agent *a = hint;
	size_t due = 0;
	int64_t now = torap_app_wall().us;
	for (size_t i = 0; i < a->cameras.count; i++)
		due += !a->cameras.list[i].running && a->cameras.list[i].next.us <= now;
	torap_metric_one(body, "torap_archive_cameras", "gauge", "Cameras in the node's registry.",
		(double)a->cameras.count);
	torap_metric_one(body, "torap_archive_due", "gauge",
		"Cameras whose moment has come and that wait for their turn.", (double)due);
	torap_metric_one(
		body, "torap_archive_running", "gauge", "Audits that are under way.", (double)a->jobs_count);
	torap_metric_head(body, "torap_archive_audits_total", "counter", "Audits, by what the recorder did.");
	for (unsigned i = 0; i < ARCHIVE_OUTCOMES; i++)
		torap_metric_labelled(body, "torap_archive_audits_total", "outcome",
			archive_outcome_name((enum archive_outcome)i), (double)a->audits[i]);
	torap_metric_head(body, "torap_archive_verdicts_total", "counter", "Reports, by their verdict.");
	for (unsigned i = 0; i < ARCHIVE_VERDICTS; i++)
		torap_metric_labelled(body, "torap_archive_verdicts_total", "verdict",
			archive_verdict_name((enum archive_verdict)i), (double)a->verdicts[i]);
	torap_metric_head(body, "torap_archive_refused_total", "counter",
		"Reports that the node did not take; until: soon made again, or refused for good until tomorrow.");
	torap_metric_labelled(body, "torap_archive_refused_total", "until", "soon", (double)a->answers.later);
	torap_metric_labelled(
		body, "torap_archive_refused_total", "until", "tomorrow", (double)a->answers.never);
	kit_process_metrics(a->process, body, "torap_archive_reloads_total", "SIGHUPs.");
}

const struct torap_http_route archive_page_routes[] = {
	{ "/metrics", "text/plain; version=0.0.4", write_metrics },
	{ NULL, NULL, NULL },
};
