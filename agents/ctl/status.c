/* torap status: each link and lane of the processes that are asked. */
#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/ctl/command.h"
#include "base/bytes.h"
#include "base/error.h"
#include "conf/yaml.h"

static const char help[] =
	"usage: torap status [-c FILE] [URL…]\n"
	"\n"
	"Asks processes for their links (GET /status) and shows each lane: state, reason, "
	"lag in events, bytes and seconds.  A subscriber shows\n"
	"each writer, too: whether what it says arrives; how old its last canary is (AGE S), and "
	"how long that was on its way (WAY S).\n"
	"A subscriber that is not with one broker and is with another that was asked is shown as \"elsewhere\", which is no fault.\n"
	"Below them the clock of each process's host, by its kernel's word: known or not, by what it is kept in time, "
	"its offset and errors.\n"
	"Exit status 1 when one cannot be reached, or has a link or writer that does not flow.\n"
	"\n"
	"    URL        127.0.0.1:9101, or http://127.0.0.1:9101/status\n"
	"    -c FILE    YAML with a list of them: \"urls: [127.0.0.1:9101, …]\"; they are asked first\n";

enum { URLS_MAX = 256, ANSWER_SIZE_MAX = 8 << 20, TIMEOUT_MS = 5000 };

struct url_file {
	char **urls;
	unsigned urls_count;
};

static const cyaml_schema_value_t url = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 1024) };
static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_SEQUENCE("urls", CYAML_FLAG_POINTER, struct url_file, urls, &url, 1, URLS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct url_file, fields) };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *hint)
{
	struct torap_writer *answer = hint;
	if (answer->size + size * count > ANSWER_SIZE_MAX)
		return 0;
	torap_write_bytes(answer, torap_bytes(bytes, size * count));
	return answer->failed ? 0 : size * count;
}

/* "127.0.0.1:9101" is enough. */
static char *whole_url(const char *given)
{
	const char *scheme = strstr(given, "://") ? "" : "http://";
	const char *host = strstr(given, "://") ? strstr(given, "://") + 3 : given;
	char *whole;
	return asprintf(&whole, "%s%s%s", scheme, given, strchr(host, '/') ? "" : "/status") < 0 ? NULL
												 : whole;
}

static json_t *ask(CURL *curl, const char *given, char reason[static CURL_ERROR_SIZE])
{
	struct torap_writer answer = { 0 };
	char *whole = whole_url(given);
	json_t *status = NULL;
	reason[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_URL, whole);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* none of the environment either */
	CURLcode code = whole ? curl_easy_perform(curl) : CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK) {
		status = json_loadb((const char *)answer.data, answer.size, 0, NULL);
		if (!json_is_array(json_object_get(status, "links"))) {
			json_decref(status);
			status = NULL;
			snprintf(reason, CURL_ERROR_SIZE, "its answer is no status");
		}
	} else if (!reason[0]) {
		snprintf(reason, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
	}
	torap_writer_finish(&answer);
	free(whole);
	return status;
}

static const char *text_of(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "-";
}

enum { NAME_SIZE = 96, PLACE_SIZE = 160 };

/* A feed's subscribers are told apart by their keys where there are several. */
static const char *name_of(json_t *link, char text[static NAME_SIZE])
{
	if (json_integer_value(json_object_get(link, "keys")) < 2)
		return text_of(link, "peer");
	snprintf(text, NAME_SIZE, "%s/%s", text_of(link, "peer"), text_of(link, "key"));
	return text;
}

/* Whoever subscribes with this key to this lane of this feed. */
static const char *place_of(json_t *link, char text[static PLACE_SIZE])
{
	snprintf(text, PLACE_SIZE, "%s %s %s", text_of(link, "key"), text_of(link, "lane"),
		text_of(link, "peer"));
	return text;
}

static bool is_subscriber(json_t *link)
{
	return strcmp(text_of(link, "role"), "subscriber") == 0 && json_object_get(link, "key");
}

/* With which broker each subscriber is.  Not the brokers among them: these subscribe to all of their upstreams at once, and are missing
 * wherever they are not. */
static json_t *find_flowing(json_t *all)
{
	json_t *flowing = json_object(), *status, *link;
	size_t i, k;
	char place[PLACE_SIZE];
	json_array_foreach(all, i, status) json_array_foreach(json_object_get(status, "links"), k,
		link) if (is_subscriber(link) && strcmp(text_of(link, "state"), "flowing") == 0 &&
			  strncmp(text_of(link, "software"), "torap-broker ", 13) != 0)
		json_object_set(flowing, place_of(link, place), json_object_get(status, "name"));
	return flowing;
}

/* A subscriber that names several brokers is with one of them: with another than this; or NULL. */
static const char *broker_instead(json_t *flowing, json_t *link)
{
	char place[PLACE_SIZE];
	const char *reason = text_of(link, "reason");
	bool away = strcmp(reason, "not-yet") == 0 || strcmp(reason, "gone") == 0 ||
		    strcmp(reason, "silent") == 0;
	return away && is_subscriber(link) && strcmp(text_of(link, "state"), "down") == 0
		       ? json_string_value(json_object_get(flowing, place_of(link, place)))
		       : NULL;
}

static bool show_link(json_t *flowing, json_t *status, json_t *link)
{
	const char *state = text_of(link, "state"), *reason = text_of(link, "reason");
	const char *instead = broker_instead(flowing, link);
	char process[64], name[NAME_SIZE];
	snprintf(process, sizeof process, "%s %s", text_of(status, "process"), text_of(status, "name"));
	json_t *canary = json_object_get(link, "canary");
	printf("%-34s %-22s %-10s %-8s %-9s %-14s", process, name_of(link, name), text_of(link, "role"),
		text_of(link, "lane"), instead ? "elsewhere" : state, instead ? instead : reason);
	if (json_object_get(link, "lag_events") && !instead)
		printf(" %10" PRId64 " %12" PRId64 " %9.1f",
			(int64_t)json_integer_value(json_object_get(link, "lag_events")),
			(int64_t)json_integer_value(json_object_get(link, "lag_bytes")),
			json_number_value(json_object_get(link, "lag_seconds")));
	else /* Not known; elsewhere it is another one. */
		printf(" %10s %12s %9s", "-", "-", "-");
	if (canary)
		printf(" %7.1f %7.3f", json_number_value(json_object_get(canary, "age_seconds")),
			json_number_value(json_object_get(canary, "way_seconds")));
	putchar('\n');
	return instead || strcmp(state, "flowing") == 0;
}

static void show_seconds(FILE *to, json_t *seconds)
{
	if (seconds)
		fprintf(to, " %12.6f", json_number_value(seconds));
	else /* Not known. */
		fprintf(to, " %12s", "-");
}

/* Of processes that tell of their host's clock; they come below the links. */
static void show_clock(FILE *to, json_t *status)
{
	char process[64];
	json_t *clock = json_object_get(status, "clock");
	if (!json_object_get(clock, "source"))
		return;
	snprintf(process, sizeof process, "%s %s", text_of(status, "process"), text_of(status, "name"));
	fprintf(to, "%-34s %-22s %-10s", process,
		json_is_true(json_object_get(clock, "known")) ? "known" : "not known",
		text_of(clock, "source"));
	show_seconds(to, json_object_get(clock, "offset_seconds"));
	show_seconds(to, json_object_get(clock, "error_seconds"));
	show_seconds(to, json_object_get(clock, "error_max_seconds"));
	fputc('\n', to);
}

static bool show(json_t *all)
{
	bool fine = true;
	size_t i, k;
	json_t *status, *link, *flowing = find_flowing(all);
	if (json_array_size(all))
		printf("%-34s %-22s %-10s %-8s %-9s %-14s %10s %12s %9s %7s %7s\n", "PROCESS", "PEER", "ROLE",
			"LANE", "STATE", "REASON", "LAG EVENTS", "LAG BYTES", "LAG S", "AGE S", "WAY S");
	json_array_foreach(all, i, status) json_array_foreach(json_object_get(status, "links"), k, link)
		fine &= show_link(flowing, status, link);
	json_decref(flowing);
	return fine;
}

static int show_clocks(json_t *all)
{
	char *text = NULL;
	size_t i, size = 0;
	json_t *status;
	FILE *clocks = open_memstream(&text, &size);
	json_array_foreach(all, i, status) if (clocks) show_clock(clocks, status);
	if (!clocks || fclose(clocks) != 0) {
		free(text);
		return ctl_fail("out of memory");
	}
	if (size)
		printf("\n%-34s %-22s %-10s %12s %12s %12s\n%s", "PROCESS", "CLOCK", "SOURCE", "OFFSET S",
			"ERROR S", "ERROR MAX S", text);
	free(text);
	return 0;
}

/* Appends the status of each to `all`. */
static bool ask_all(CURL *curl, json_t *all, char *const *urls, size_t count)
{
	bool fine = true;
	for (size_t i = 0; i < count; i++) {
		char reason[CURL_ERROR_SIZE];
		json_t *status = ask(curl, urls[i], reason);
		if (!status)
			ctl_fail("%s: %s", urls[i], reason);
		fine &= status && json_array_append_new(all, status) == 0;
	}
	return fine;
}

/* All are asked before one is shown: where a subscriber is not, it may be with another broker. */
static int show_all(const struct url_file *file, char *const *words, size_t count)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return ctl_fail("libcurl does not start");
	CURL *curl = curl_easy_init();
	json_t *all = json_array();
	bool fine = curl && all;
	if (!fine)
		ctl_fail("out of memory");
	if (fine) {
		fine = ask_all(curl, all, file->urls, file->urls_count);
		fine &= ask_all(curl, all, words, count);
	}
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	fine &= show(all);
	fine &= show_clocks(all) == 0;
	json_decref(all);
	return fine ? 0 : 1;
}

int ctl_status(int argc, char **argv)
{
	const char *path = NULL;
	const struct ctl_option table[] = { { "-c=", &path }, { NULL, NULL } };
	int words = ctl_options("status", table, help, URLS_MAX, argc, argv);
	if (words < 0)
		return 2;
	if (!path && !words)
		return ctl_misuse("status", "URL or -c FILE is needed");

	void *file = NULL;
	struct torap_error err;
	if (path && torap_yaml_load(path, &schema, &file, &err))
		return ctl_fail("%s", err.text);
	static const struct url_file none;
	int r = show_all(file ? file : &none, argv + 1, (size_t)words);
	if (file)
		torap_yaml_free(&schema, file);
	return r;
}
