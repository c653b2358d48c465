#include "agents/dc09/page.h"

#include "agents/dc09/agent.h"
#include "agents/dc09/tcp.h"
#include "agents/dc09/udp.h"
#include "loop/metric.h"

static void write_frames(const struct dc09_counters *c, struct torap_writer *body)
{
	torap_metric_head(
		body, "torap_dc09_frames_total", "counter", "Frames with a right CRC, by its form.");
	for (unsigned i = 0; i < DC09_CRC_FORMS; i++)
		torap_metric_labelled(
			body, "torap_dc09_frames_total", "crc", dc09_crc_form_name(i), (double)c->frames[i]);
	torap_metric_head(
		body, "torap_dc09_messages_total", "counter", "Messages understood, by their kind.");
	for (unsigned i = 0; i < DC09_VOCABULARIES; i++)
		torap_metric_labelled(body, "torap_dc09_messages_total", "id", dc09_vocabulary_name(i),
			(double)c->messages[i]);
	torap_metric_head(body, "torap_dc09_answers_total", "counter", "What panels were told.");
	torap_metric_labelled(body, "torap_dc09_answers_total", "answer", "ack", (double)c->acked);
	torap_metric_labelled(body, "torap_dc09_answers_total", "answer", "nak", (double)c->naked);
	torap_metric_labelled(body, "torap_dc09_answers_total", "answer", "duh", (double)c->duh);
	torap_metric_head(body, "torap_dc09_silent_total", "counter", "What got no answer, and why.");
	for (unsigned i = 0; i < DC09_SILENCES; i++)
		torap_metric_labelled(
			body, "torap_dc09_silent_total", "why", dc09_silence_name(i), (double)c->silent[i]);
	torap_metric_one(body, "torap_dc09_encrypted_total", "counter", "Encrypted messages understood.",
		(double)c->encrypted);
	torap_metric_one(body, "torap_dc09_plain_with_key_total", "counter",
		"Messages in the clear from accounts that have a key.", (double)c->plain_with_key);
	torap_metric_one(body, "torap_dc09_empty_total", "counter", "Event messages without an event.",
		(double)c->empty);
	torap_metric_one(body, "torap_dc09_noise_bytes_total", "counter", "Bytes that belonged to no frame.",
		(double)c->noise_bytes);
}

static void write_talks(const struct dc09_agent *a, struct torap_writer *body)
{
	torap_metric_one(
		body, "torap_dc09_connections", "gauge", "TCP connections now.", dc09_tcp_count(a->tcp));
	torap_metric_one(body, "torap_dc09_connections_total", "counter", "TCP connections accepted.",
		(double)a->connections);
	torap_metric_one(body, "torap_dc09_turned_away_total", "counter",
		"TCP connections that there was no room for.", (double)a->turned_away);
	torap_metric_one(
		body, "torap_dc09_datagrams_total", "counter", "Datagrams received.", (double)a->datagrams);
	torap_metric_one(body, "torap_dc09_datagrams_waiting", "gauge", "Datagrams without their answers.",
		dc09_udp_count(a->udp));
	torap_metric_one(body, "torap_dc09_datagrams_dropped_total", "counter",
		"Datagrams that there was no room for.", (double)a->datagrams_dropped);
	torap_metric_one(body, "torap_dc09_unsent_total", "counter",
		"Answers that the panel's connection did not take.", (double)a->unsent);
	torap_metric_head(body, "torap_dc09_ends_total", "counter", "How connections and datagrams ended.");
	for (unsigned i = 1; i < DC09_ENDS; i++)
		torap_metric_labelled(
			body, "torap_dc09_ends_total", "why", dc09_end_name(i), (double)a->ends[i]);
}

static void write_accounts(const struct dc09_agent *a, struct torap_writer *body)
{
	torap_metric_one(body, "torap_dc09_accounts", "gauge", "Accounts that the node's registry knows.",
		(double)a->accounts.count);
	torap_metric_one(body, "torap_dc09_accounts_without_key", "gauge",
		"Of these, such that name a key which is not in the key file.", (double)a->accounts.keyless);
	torap_metric_one(body, "torap_dc09_keys", "gauge", "Keys in the key file.", (double)a->keys.count);
}

static void write_page(void *hint, struct torap_writer *body)
{
	const struct dc09_agent *a = hint;
	write_frames(&a->counters, body);
	write_talks(a, body);
	write_accounts(a, body);
	kit_process_metrics(
		a->process, body, "torap_dc09_reloads_total", "Reloads of configuration and keys.");
}

const struct torap_http_route dc09_page_routes[] = {
	{ "/metrics", "text/plain; version=0.0.4", write_page },
	{ NULL, NULL, NULL },
};
