#include "agents/ctl/panel_options.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/ctl/command.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "loop/app.h"

enum { PANELS_MAX = 100000 };

static const char help[] =
	"usage: torap panel --connect HOST:PORT --account 4001 --event panic --zone 3\n"
	"       torap panel --connect HOST:PORT --account 4001 --panels 100 --rate 50 --for 20s\n"
	"\n"
	"Tells one event as an alarm panel does, and waits for the acknowledgement: exit status 0 when it came, 1 when\n"
	"not.  With --panels or --accounts many panels tell a mix of events and signs of life.\n"
	"\n"
	"    --connect HOST:PORT  the receiver\n"
	"    --account ACCOUNT    3 to 16 hexadecimal digits; with --panels the first: the others count on from it, in decimal\n"
	"                         when it has only decimal digits, else in hexadecimal\n"
	"    --event NAME         panic fire burglary holdup duress medical emergency gas water tamper power battery comm\n"
	"                         bypass test arm disarm cancel null   (duress: only Contact ID has a code of its own)\n"
	"    --zone N, --user N   the zone; for arm, disarm and cancel the user; 1 if not given\n"
	"    --area N             1 if not given\n"
	"    --restore            it is over\n"
	"    --cid                Contact ID instead of SIA\n"
	"    --udp                instead of TCP\n"
	"    --key HEX            encrypt: 32, 48 or 64 digits; @FILE reads them from a file\n"
	"    --undated            no time in the message (never with --key)\n"
	"    --tries N            how often to tell it at most; 3 if not given\n"
	"    --timeout TIME       how long to wait for each answer; 5s if not given\n"
	"    --panels N           as many panels\n"
	"    --accounts FILE      the panels' accounts, one a line; with --panels only the first N\n"
	"    --rate R             messages a second of all panels together, 10 if not given; 0: each as soon as its last is\n"
	"                         acknowledged\n"
	"    --for TIME           so long: 20, 20s, 5m; 10s if not given\n"
	"    --seed N             of the mix\n"
	"    --log FILE           appends a line of JSON for each acknowledged message\n"
	"    --json               the result as JSON\n"
	"\n"
	"SIGTERM and SIGINT end it early: nothing new is told, and what was told is waited for.\n";

struct words {
	const char *connect, *account, *event, *zone, *user, *area, *restore, *cid, *udp, *key, *undated,
		*tries, *timeout, *panels, *accounts, *rate, *duration, *seed, *log, *json;
};

static bool read_number(const char *text, unsigned long most, unsigned long *out)
{
	char *end;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out <= most;
}

static int read_address(struct ctl_panel_options *o, const char *text)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof host)
		return ctl_misuse("panel", "--connect %s: expected HOST:PORT", text);
	bool bracket = *text == '[' && colon[-1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * bracket, text + bracket);
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found = NULL;
	int r = getaddrinfo(host, colon + 1, &hints, &found);
	if (r)
		return ctl_fail("--connect %s: %s", text, gai_strerror(r));
	memcpy(o->to, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int read_key(struct ctl_panel_options *o, const char *text)
{
	char line[128] = "";
	if (*text == '@') {
		FILE *f = fopen(text + 1, "r");
		if (!f)
			return ctl_fail("--key %s: %s", text, strerror(errno));
		if (!fgets(line, sizeof line, f))
			*line = 0;
		fclose(f);
		line[strcspn(line, " \t\r\n")] = 0;
		text = line;
	}
	size_t digits = strlen(text);
	if ((digits != 32 && digits != 48 && digits != 64) || !torap_unhex(o->key.bytes, digits / 2, text))
		return ctl_misuse("panel", "--key: expected 32, 48 or 64 hexadecimal digits");
	o->key.size = digits / 2;
	return 0;
}

/* "20" is seconds, too. */
static int read_time(const char *option, const char *text, int64_t *out_us)
{
	unsigned long seconds;
	struct torap_error err;
	if (read_number(text, 100000000, &seconds))
		*out_us = (int64_t)seconds * TORAP_US_PER_S;
	else if (torap_duration_parse(out_us, text, &err))
		return ctl_misuse("panel", "%s: %s", option, err.text);
	return 0;
}

static bool account_valid(const char *account)
{
	size_t size = strlen(account);
	return size >= 3 && size <= CTL_PANEL_ACCOUNT_MAX &&
	       strspn(account, "0123456789ABCDEFabcdef") == size;
}

static int add_account(struct ctl_panel_options *o, const char *account)
{
	if (!account_valid(account))
		return ctl_misuse("panel", "\"%s\" is no account: 3 to 16 hexadecimal digits", account);
	char **accounts = realloc(o->accounts, (o->accounts_count + 1) * sizeof *accounts);
	if (!accounts)
		return ctl_fail("out of memory");
	o->accounts = accounts;
	accounts[o->accounts_count] = strdup(account);
	if (!accounts[o->accounts_count])
		return ctl_fail("out of memory");
	o->accounts_count++;
	return 0;
}

static int count_accounts(struct ctl_panel_options *o, const char *first, unsigned long panels)
{
	bool decimal = strspn(first, "0123456789") == strlen(first);
	unsigned long long number = strtoull(first, NULL, decimal ? 10 : 16);
	int r = account_valid(first) ? 0 : add_account(o, first); /* complains */
	for (unsigned long i = 0; i < panels && !r; i++) {
		char account[32];
		snprintf(account, sizeof account, decimal ? "%0*llu" : "%0*llX", (int)strlen(first),
			number + i);
		r = add_account(o, panels == 1 ? first : account);
	}
	return r;
}

static int read_accounts(struct ctl_panel_options *o, const char *path, unsigned long panels)
{
	FILE *f = fopen(path, "r");
	if (!f)
		return ctl_fail("--accounts %s: %s", path, strerror(errno));
	char line[128];
	int r = 0;
	while (!r && o->accounts_count < panels && fgets(line, sizeof line, f)) {
		if (!strchr(line, '\n') && !feof(f))
			r = ctl_fail("--accounts %s: is no list of accounts, one a line", path);
		line[strcspn(line, "# \t\r\n")] = 0;
		if (*line && !r)
			r = add_account(o, line);
	}
	fclose(f);
	return r || o->accounts_count ? r : ctl_fail("--accounts %s: there is none", path);
}

static int read_panels(struct ctl_panel_options *o, const struct words *w)
{
	unsigned long panels = w->accounts ? PANELS_MAX : 1;
	if (w->panels && (!read_number(w->panels, PANELS_MAX, &panels) || !panels))
		return ctl_misuse("panel", "--panels: expected 1 to %d", PANELS_MAX);
	o->load = w->panels || w->accounts;
	if (w->account && w->accounts)
		return ctl_misuse("panel", "--account or --accounts, not both");
	if (w->accounts)
		return read_accounts(o, w->accounts, panels);
	if (!w->account)
		return ctl_misuse("panel", "--account is missing");
	return count_accounts(o, w->account, panels);
}

static int read_numbers(struct ctl_panel_options *o, const struct words *w)
{
	unsigned long area, number, tries, seed;
	const char *number_text = w->zone ? w->zone : w->user ? w->user : "1";
	if (!read_number(w->area ? w->area : "1", 99, &area))
		return ctl_misuse("panel", "--area: expected 0 to 99");
	if (!read_number(number_text, 999, &number))
		return ctl_misuse("panel", "--zone, --user: expected 0 to 999");
	if (!read_number(w->tries ? w->tries : "3", 1000, &tries) || !tries)
		return ctl_misuse("panel", "--tries: expected 1 to 1000");
	if (w->seed && !read_number(w->seed, UINT32_MAX, &seed))
		return ctl_misuse("panel", "--seed: expected a number");
	o->area = (unsigned)area;
	o->number = (unsigned)number;
	o->tries = (unsigned)tries;
	o->seed = w->seed ? seed : (uint64_t)torap_app_wall().us;
	char *end = NULL;
	o->rate = w->rate ? strtod(w->rate, &end) : 10;
	if ((w->rate && (end == w->rate || *end)) || !(o->rate >= 0 && o->rate <= 1e7))
		return ctl_misuse("panel", "--rate: expected messages a second");
	o->timeout_us = 5 * (int64_t)TORAP_US_PER_S;
	o->duration_us = 10 * (int64_t)TORAP_US_PER_S;
	int r = w->timeout ? read_time("--timeout", w->timeout, &o->timeout_us) : 0;
	return r || !w->duration ? r : read_time("--for", w->duration, &o->duration_us);
}

static int read_event(struct ctl_panel_options *o, const struct words *w)
{
	o->event = ctl_panel_event_find(w->event ? w->event : "test");
	if (!o->event)
		return ctl_misuse("panel", "--event %s: there is no such event", w->event);
	if (o->load && (w->event || w->zone || w->user))
		return ctl_misuse("panel", "%s is for one panel; many tell a mix",
			w->event  ? "--event"
			: w->zone ? "--zone"
				  : "--user");
	if (!o->load && (w->duration || w->rate))
		return ctl_misuse("panel", "--rate and --for go with --panels or --accounts");
	o->restore = w->restore != NULL;
	if (o->restore && !o->event->sia_end)
		return ctl_misuse("panel", "--restore: %s has no end", o->event->name);
	if (o->undated && w->key)
		return ctl_misuse("panel", "--undated: an encrypted message must have a time");
	return 0;
}

int ctl_panel_options_read(struct ctl_panel_options *o, int argc, char **argv)
{
	struct words w = { 0 };
	const struct ctl_option options[] = { { "--connect=", &w.connect }, { "--account=", &w.account },
		{ "--event=", &w.event }, { "--zone=", &w.zone }, { "--user=", &w.user },
		{ "--area=", &w.area }, { "--restore", &w.restore }, { "--cid", &w.cid }, { "--udp", &w.udp },
		{ "--key=", &w.key }, { "--undated", &w.undated }, { "--tries=", &w.tries },
		{ "--timeout=", &w.timeout }, { "--panels=", &w.panels }, { "--accounts=", &w.accounts },
		{ "--rate=", &w.rate }, { "--for=", &w.duration }, { "--seed=", &w.seed },
		{ "--log=", &w.log }, { "--json", &w.json }, { NULL, NULL } };
	if (ctl_options("panel", options, help, 0, argc, argv) < 0)
		return 2;
	if (!w.connect)
		return ctl_misuse("panel", "--connect is missing");
	o->connect = w.connect;
	o->udp = w.udp != NULL;
	o->cid = w.cid != NULL;
	o->undated = w.undated != NULL;
	o->json = w.json != NULL;
	o->log = w.log;
	int r = read_panels(o, &w);
	r = r ? r : read_numbers(o, &w);
	r = r ? r : read_event(o, &w);
	r = r || !w.key ? r : read_key(o, w.key);
	return r ? r : read_address(o, w.connect);
}

void ctl_panel_options_finish(struct ctl_panel_options *o)
{
	for (size_t i = 0; i < o->accounts_count; i++)
		free(o->accounts[i]);
	free(o->accounts);
	o->accounts = NULL;
	o->accounts_count = 0;
}
