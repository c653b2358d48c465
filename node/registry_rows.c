#include "node/registry_rows.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "node/camera_url.h"
#include "wire/taxonomy.h"

enum { SUPERVISION_S_MAX = 365 * 86400 };

const struct node_csv_column node_site_columns[NODE_SITE_COLUMNS] = {
	[NODE_SITE_ID] = { "id", true },
	[NODE_SITE_NAME] = { "name", true },
	[NODE_SITE_FACILITY] = { "facility", true },
	[NODE_SITE_REGION] = { "region", true },
	[NODE_SITE_OWNER_KIND] = { "owner_kind", true },
	[NODE_SITE_ADDRESS] = { "address", false },
};

const struct node_csv_column node_device_columns[NODE_DEVICE_COLUMNS] = {
	[NODE_DEVICE_ID] = { "id", true },
	[NODE_DEVICE_SITE] = { "site", true },
	[NODE_DEVICE_PROTOCOL] = { "protocol", true },
	[NODE_DEVICE_ADDRESS] = { "address", true },
	[NODE_DEVICE_PLACE] = { "place", false },
	[NODE_DEVICE_ZONE_KIND] = { "zone_kind", false },
	[NODE_DEVICE_SUPERVISION] = { "supervision", false },
	[NODE_DEVICE_CODE_PAGE] = { "code_page", false },
	[NODE_DEVICE_KEY_NAME] = { "key_name", false },
	[NODE_DEVICE_SWITCH] = { "switch", false },
	[NODE_DEVICE_RECORDER] = { "recorder", false },
	[NODE_DEVICE_STREET] = { "street", false },
	[NODE_DEVICE_RECORDING] = { "recording", false },
	[NODE_DEVICE_URL] = { "url", false },
	[NODE_DEVICE_SUB_URL] = { "sub_url", false },
	[NODE_DEVICE_PROFILE] = { "profile", false },
	[NODE_DEVICE_MODE] = { "mode", false },
	[NODE_DEVICE_PURPOSE] = { "purpose", false },
	[NODE_DEVICE_LEGAL_BASIS] = { "legal_basis", false },
	[NODE_DEVICE_OWNER] = { "owner", false },
	[NODE_DEVICE_TERM] = { "term", false },
	[NODE_DEVICE_SINCE] = { "since", false },
	[NODE_DEVICE_AIMED] = { "aimed", false },
	[NODE_DEVICE_CONSENT_REF] = { "consent_ref", false },
	[NODE_DEVICE_CONSENT_FROM] = { "consent_from", false },
	[NODE_DEVICE_CONSENT_UNTIL] = { "consent_until", false },
	[NODE_DEVICE_CONSENT_WITHDRAWN] = { "consent_withdrawn", false },
};

static const char *const zones[NODE_ZONES] = {
	[NODE_ZONE_UNSPECIFIED] = "",
	[NODE_ZONE_CASH_DESK] = "cash_desk",
	[NODE_ZONE_CELL] = "cell",
	[NODE_ZONE_CLASSROOM] = "classroom",
	[NODE_ZONE_CORRIDOR] = "corridor",
	[NODE_ZONE_CROSSING] = "crossing",
	[NODE_ZONE_DUTY_ROOM] = "duty_room",
	[NODE_ZONE_ENTRANCE] = "entrance",
	[NODE_ZONE_HALL] = "hall",
	[NODE_ZONE_OFFICE] = "office",
	[NODE_ZONE_PARKING] = "parking",
	[NODE_ZONE_PERIMETER] = "perimeter",
	[NODE_ZONE_PERSONAL_HYGIENE] = "personal_hygiene",
	[NODE_ZONE_RECEPTION] = "reception",
	[NODE_ZONE_ROOM] = "room",
	[NODE_ZONE_STAIRS] = "stairs",
	[NODE_ZONE_STORE_ROOM] = "store_room",
	[NODE_ZONE_STREET] = "street",
	[NODE_ZONE_TECHNICAL] = "technical",
	[NODE_ZONE_WARD] = "ward",
	[NODE_ZONE_YARD] = "yard",
};

const char *node_zone_name(enum node_zone zone)
{
	assert(zone < NODE_ZONES);
	return zones[zone];
}

const char *node_table_cell(const struct node_table *table, const struct node_csv_row *row, unsigned column)
{
	int place = table->places[column];
	return place < 0 ? "" : row->cells[place];
}

int node_table_refuse(const struct node_table *table, unsigned line, unsigned column, struct torap_error *err,
	const char *format, ...)
{
	char reason[TORAP_ERROR_TEXT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	return torap_errorf(err, -EINVAL, "%s:%u: column \"%s\": %s", table->name, line,
		table->columns[column].name, reason);
}

/* One row.  Remembers the first failure: after it nothing more is read, and the caller looks once. */
struct reading {
	const struct node_table *table;
	const struct node_csv_row *row;
	struct torap_error *err;
	int failed; /* 0 or a negative error */
};

#define REFUSE(r, column, ...)                                                                               \
	((r)->failed = (r)->failed ? (r)->failed                                                             \
				   : node_table_refuse(                                                      \
					     (r)->table, (r)->row->line, column, (r)->err, __VA_ARGS__))

/* Text for people: one line, of bounded length. */
static const char *read_text(struct reading *r, unsigned column, size_t most)
{
	const char *text = node_table_cell(r->table, r->row, column);
	if (!*text && r->table->columns[column].required)
		REFUSE(r, column, "is empty");
	if (strlen(text) > most)
		REFUSE(r, column, "has more than %zu bytes", most);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			REFUSE(r, column, "holds a control character or a line end");
	return text;
}

/* A name for programs. */
static const char *read_name(struct reading *r, unsigned column)
{
	const char *text = read_text(r, column, NODE_REGISTRY_ID_MAX);
	for (const char *p = text; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && !strchr("._-", *p)) {
			REFUSE(r, column, "\"%s\" has a character that is not one of a-z 0-9 . _ -", text);
			break;
		}
	return text;
}

static uint16_t read_facility(struct reading *r)
{
	const char *text = read_text(r, NODE_SITE_FACILITY, NODE_REGISTRY_TEXT_MAX);
	int facility = torap_facility_number(text);
	if (facility <= TORAP__FACILITY__FACILITY_NONE)
		REFUSE(r, NODE_SITE_FACILITY, "\"%s\" is not a facility such as school or street", text);
	return (uint16_t)facility;
}

static uint32_t read_region(struct reading *r, const struct node_registry_rules *rules)
{
	uint32_t region = 0;
	const char *text = read_text(r, NODE_SITE_REGION, NODE_REGISTRY_TEXT_MAX);
	if (!torap_region_parse(&region, text)) {
		REFUSE(r, NODE_SITE_REGION, "\"%s\" is not a KATO code of 9 digits", text);
		return 0;
	}
	if (rules && rules->regions && !torap_regions_cover(rules->regions, rules->regions_count, region))
		REFUSE(r, NODE_SITE_REGION, "%s is outside the regions of this node in the trust file", text);
	return region;
}

static enum node_owner read_owner(struct reading *r)
{
	const char *text = read_text(r, NODE_SITE_OWNER_KIND, NODE_REGISTRY_TEXT_MAX);
	if (strcmp(text, "private") == 0)
		return NODE_OWNER_PRIVATE;
	if (strcmp(text, "public") != 0)
		REFUSE(r, NODE_SITE_OWNER_KIND, "\"%s\" is neither public nor private", text);
	return NODE_OWNER_PUBLIC;
}

int node_site_read(struct node_site *out, const struct node_table *table, const struct node_csv_row *row,
	const struct node_registry_rules *rules, struct torap_error *err)
{
	struct reading r = { table, row, err, 0 };
	*out = (struct node_site){ .line = row->line };
	out->id = read_name(&r, NODE_SITE_ID);
	out->name = read_text(&r, NODE_SITE_NAME, NODE_REGISTRY_TEXT_MAX);
	out->facility = read_facility(&r);
	out->region = read_region(&r, rules);
	out->owner = read_owner(&r);
	out->address = read_text(&r, NODE_SITE_ADDRESS, NODE_REGISTRY_TEXT_MAX);
	return r.failed;
}

static const char *read_address(struct reading *r)
{
	const char *text = read_text(r, NODE_DEVICE_ADDRESS, TORAP_ADDRESS_MAX);
	if (strchr(text, ' '))
		REFUSE(r, NODE_DEVICE_ADDRESS, "\"%s\" has a blank in it", text);
	return text;
}

static bool is_camera(const char *protocol)
{
	return strcmp(protocol, "rtsp") == 0 || strcmp(protocol, "onvif") == 0 ||
	       strcmp(protocol, "isapi") == 0;
}

static enum node_zone read_zone(struct reading *r, const char *protocol)
{
	const char *text = read_text(r, NODE_DEVICE_ZONE_KIND, NODE_REGISTRY_TEXT_MAX);
	unsigned zone = 0;
	while (zone < NODE_ZONES && strcmp(text, zones[zone]) != 0)
		zone++;
	if (zone == NODE_ZONES) {
		REFUSE(r, NODE_DEVICE_ZONE_KIND, "\"%s\" is not a zone kind such as entrance or corridor",
			text);
		return NODE_ZONE_UNSPECIFIED;
	}
	if (zone == NODE_ZONE_PERSONAL_HYGIENE && is_camera(protocol))
		REFUSE(r, NODE_DEVICE_ZONE_KIND, "no camera may stand where people wash or undress");
	return (enum node_zone)zone;
}

static uint32_t read_supervision(struct reading *r)
{
	struct torap_error why;
	int64_t us = 0;
	const char *text = read_text(r, NODE_DEVICE_SUPERVISION, NODE_REGISTRY_TEXT_MAX);
	if (!*text)
		return 0;
	if (torap_duration_parse(&us, text, &why))
		REFUSE(r, NODE_DEVICE_SUPERVISION, "%s", why.text);
	else if (us < TORAP_US_PER_S || us / TORAP_US_PER_S > SUPERVISION_S_MAX)
		REFUSE(r, NODE_DEVICE_SUPERVISION, "\"%s\" is not between 1s and 365d", text);
	else if (us % TORAP_US_PER_S)
		REFUSE(r, NODE_DEVICE_SUPERVISION, "\"%s\" is not a whole number of seconds", text);
	return (uint32_t)(us / TORAP_US_PER_S);
}

static const char *read_code_page(struct reading *r)
{
	const char *text = read_text(r, NODE_DEVICE_CODE_PAGE, NODE_REGISTRY_TEXT_MAX);
	if (*text && strcmp(text, "cp1251") != 0 && strcmp(text, "cp1252") != 0 &&
		strcmp(text, "kz1048") != 0 && strcmp(text, "utf-8") != 0)
		REFUSE(r, NODE_DEVICE_CODE_PAGE, "\"%s\" is none of cp1251, cp1252, kz1048, utf-8", text);
	return text;
}

/* False when the cell is blank or no time. */
static bool read_time(struct reading *r, unsigned column, struct torap_wall *out)
{
	struct torap_error why;
	const char *text = read_text(r, column, NODE_REGISTRY_TEXT_MAX);
	if (!*text)
		return false;
	if (torap_wall_parse(out, text, &why) == 0)
		return true;
	REFUSE(r, column, "%s", why.text);
	return false;
}

static void read_consent(struct reading *r, struct node_consent_terms *out)
{
	*out = (struct node_consent_terms){ .ref = read_text(
						    r, NODE_DEVICE_CONSENT_REF, NODE_REGISTRY_TEXT_MAX) };
	bool from = read_time(r, NODE_DEVICE_CONSENT_FROM, &out->from);
	bool until = read_time(r, NODE_DEVICE_CONSENT_UNTIL, &out->until);
	out->withdrawn = read_time(r, NODE_DEVICE_CONSENT_WITHDRAWN, &out->withdrawn_at);
	if (!*out->ref && (from || until || out->withdrawn))
		REFUSE(r, NODE_DEVICE_CONSENT_REF, "is empty, but the consent has a time");
	if (from && until && out->from.us >= out->until.us)
		REFUSE(r, NODE_DEVICE_CONSENT_UNTIL, "is not after consent_from");
}

/* By which right does it watch?  Without an answer it does not. */
static const char *read_right(struct reading *r, unsigned column)
{
	const char *text = read_text(r, column, NODE_REGISTRY_TEXT_MAX);
	if (!*text)
		REFUSE(r, column, "is empty: a camera needs purpose, legal_basis, owner and term");
	return text;
}

static const char *read_url(struct reading *r, unsigned column, bool is_rtsp)
{
	const char *url = read_text(r, column, NODE_REGISTRY_URL_MAX);
	if (*url && !is_rtsp)
		REFUSE(r, column, "only a device of rtsp has one");
	const char *fault = *url ? node_camera_url_fault(url) : NULL;
	if (fault)
		REFUSE(r, column, "%s", fault); /* never the URL itself: it may hold a password */
	return url;
}

static void read_urls(struct reading *r, const char *protocol, struct node_camera *out)
{
	bool is_rtsp = strcmp(protocol, "rtsp") == 0;
	out->url = read_url(r, NODE_DEVICE_URL, is_rtsp);
	out->sub_url = read_url(r, NODE_DEVICE_SUB_URL, is_rtsp);
	if (!*out->url && is_rtsp)
		REFUSE(r, NODE_DEVICE_URL, "is empty: a device of rtsp needs one");
	if (*out->url && strcmp(out->url, out->sub_url) == 0)
		REFUSE(r, NODE_DEVICE_SUB_URL,
			"is the same as url: it is for a smaller stream of the camera");
}

static const char *read_mode(struct reading *r)
{
	const char *text = read_text(r, NODE_DEVICE_MODE, NODE_REGISTRY_TEXT_MAX);
	if (*text && strcmp(text, "held") != 0 && strcmp(text, "sampled") != 0)
		REFUSE(r, NODE_DEVICE_MODE, "\"%s\" is neither held nor sampled", text);
	return text;
}

/* `owner` and the like may stand for any device; they are asked of a camera. */
static void read_camera(struct reading *r, const char *protocol, struct node_camera *out)
{
	*out = (struct node_camera){ .profile = read_name(r, NODE_DEVICE_PROFILE), .mode = read_mode(r) };
	read_urls(r, protocol, out);
	read_time(r, NODE_DEVICE_SINCE, &out->since);
	read_time(r, NODE_DEVICE_AIMED, &out->aimed);
	if (!is_camera(protocol)) {
		out->purpose = read_text(r, NODE_DEVICE_PURPOSE, NODE_REGISTRY_TEXT_MAX);
		out->legal_basis = read_text(r, NODE_DEVICE_LEGAL_BASIS, NODE_REGISTRY_TEXT_MAX);
		out->owner = read_text(r, NODE_DEVICE_OWNER, NODE_REGISTRY_TEXT_MAX);
		read_time(r, NODE_DEVICE_TERM, &out->term);
		return;
	}
	out->purpose = read_right(r, NODE_DEVICE_PURPOSE);
	out->legal_basis = read_right(r, NODE_DEVICE_LEGAL_BASIS);
	out->owner = read_right(r, NODE_DEVICE_OWNER);
	read_right(r, NODE_DEVICE_TERM);
	read_time(r, NODE_DEVICE_TERM, &out->term);
}

int node_device_read(struct node_device *out, const struct node_table *table, const struct node_csv_row *row,
	struct torap_error *err)
{
	struct reading r = { table, row, err, 0 };
	out->line = row->line;
	out->site = NULL;
	out->id = read_name(&r, NODE_DEVICE_ID);
	read_name(&r, NODE_DEVICE_SITE);
	out->protocol = read_name(&r, NODE_DEVICE_PROTOCOL);
	out->address = read_address(&r);
	out->place = read_text(&r, NODE_DEVICE_PLACE, NODE_REGISTRY_TEXT_MAX);
	out->zone = read_zone(&r, out->protocol);
	out->supervision_s = read_supervision(&r);
	out->code_page = read_code_page(&r);
	out->key_name = read_name(&r, NODE_DEVICE_KEY_NAME);
	out->switch_name = read_name(&r, NODE_DEVICE_SWITCH);
	out->recorder = read_name(&r, NODE_DEVICE_RECORDER);
	out->street = read_name(&r, NODE_DEVICE_STREET);
	out->recording = read_text(&r, NODE_DEVICE_RECORDING, NODE_REGISTRY_TEXT_MAX);
	read_camera(&r, out->protocol, &out->camera);
	read_consent(&r, &out->consent);
	return r.failed;
}
