/* registry.h: which device is this, where does it stand, whose is it?  The node's answer to an agent's (protocol, address).
 *
 * Read from two CSV files, sites and devices; deploy/registry/README.md has their columns.  One bad row refuses both files, with
 * file, line, column and reason, and the caller goes on with the registry it has.  Immutable once loaded and counted by
 * references, on any thread.  All strings belong to the registry and are never NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/time.h"

struct torap_error;
struct node_device;
struct node_registry;

enum {
	NODE_REGISTRY_FILE_SIZE_MAX = 64 << 20, /* 200,000 devices and their places */
	NODE_REGISTRY_SITES_MAX = 100000,
	NODE_REGISTRY_DEVICES_MAX = 200000,
	NODE_REGISTRY_ID_MAX = 63,    /* [a-z0-9._-]: site, device */
	NODE_REGISTRY_TEXT_MAX = 200, /* names for people, in bytes of UTF-8 */
	NODE_REGISTRY_URL_MAX = 512
};

enum node_owner { NODE_OWNER_PUBLIC, NODE_OWNER_PRIVATE };

/* What kind of place a device watches.  No camera may stand where people wash and undress. */
enum node_zone {
	NODE_ZONE_UNSPECIFIED,
	NODE_ZONE_CASH_DESK,
	NODE_ZONE_CELL,
	NODE_ZONE_CLASSROOM,
	NODE_ZONE_CORRIDOR,
	NODE_ZONE_CROSSING,
	NODE_ZONE_DUTY_ROOM,
	NODE_ZONE_ENTRANCE,
	NODE_ZONE_HALL,
	NODE_ZONE_OFFICE,
	NODE_ZONE_PARKING,
	NODE_ZONE_PERIMETER,
	NODE_ZONE_PERSONAL_HYGIENE,
	NODE_ZONE_RECEPTION,
	NODE_ZONE_ROOM,
	NODE_ZONE_STAIRS,
	NODE_ZONE_STORE_ROOM,
	NODE_ZONE_STREET,
	NODE_ZONE_TECHNICAL,
	NODE_ZONE_WARD,
	NODE_ZONE_YARD,
	NODE_ZONES
};
/* The name that the files use: "duty_room"; "" for unspecified. */
const char *node_zone_name(enum node_zone zone);

struct node_site {
	const char *id;
	const char *name;
	const char *address;
	uint32_t region;   /* KATO */
	uint16_t facility; /* Torap__Facility */
	enum node_owner owner;
	unsigned line; /* in the file */
	/* Its devices of protocol rtsp: who can be asked what they see. */
	const struct node_device *const *cameras;
	uint32_t cameras_count;
};

/* What the owner of a private site agreed to.  node/consent.h judges it. */
struct node_consent_terms {
	const char *ref;         /* the document; "": there is none */
	struct torap_wall from;  /* 0: at once */
	struct torap_wall until; /* 0: without an end */
	bool withdrawn;          /* then withdrawn_at holds */
	struct torap_wall withdrawn_at;
};

/* What a camera (protocol rtsp, onvif or isapi) has beyond other devices.  By which right it watches is never empty. */
struct node_camera {
	const char
		*url; /* rtsp:// or rtsps://, without user and password; "" for other protocols than rtsp */
	const char *sub_url; /* the same, of a smaller stream of the same lens; "": there is none */
	const char *
		profile; /* of its site, in the agent's files: what is asked of its picture; "": the default */
	const char *mode; /* "held", "sampled", or "": as the agent's configuration says */
	const char *purpose, *legal_basis, *owner;
	struct torap_wall term;  /* until when it may watch */
	struct torap_wall since; /* in service since; 0: long ago */
	struct torap_wall aimed; /* turned on purpose then, the last time; 0: never */
};

struct node_device {
	const char *id;
	const struct node_site *site;
	const char *protocol;
	const char *address;
	const char *place;
	uint32_t supervision_s; /* a device that stays silent for longer is in fault; 0: not supervised */
	const char *code_page;  /* "", "cp1251", "cp1252", "kz1048", "utf-8" */
	const char *key_name;   /* which of the agent's secrets is its own; "": none */
	enum node_zone zone;
	const char *
		switch_name; /* what it hangs on, and what records it; devices that share one fail together; "": not known */
	const char *recorder;
	const char *street;
	const char *recording;     /* its name there; "": the only one */
	struct node_camera camera; /* empty strings for what is no camera */
	struct node_consent_terms consent;
	unsigned line;
};

/* What the files are checked against. */
struct node_registry_rules {
	const uint32_t *
		regions; /* of the node in the trust file: a site outside them is refused; NULL: any region */
	size_t regions_count;
};

/* `rules` may be NULL.  On failure *out is untouched, and err holds the first bad row and how many there are. */
int node_registry_load(struct node_registry **out, const char *sites_csv, const char *devices_csv,
	const struct node_registry_rules *rules, struct torap_error *err);
/* The same for texts in memory; the names stand for the paths in errors. */
int node_registry_parse(struct node_registry **out, const char *sites_name, struct torap_bytes sites,
	const char *devices_name, struct torap_bytes devices, const struct node_registry_rules *rules,
	struct torap_error *err);
struct node_registry *node_registry_ref(struct node_registry *r);
struct node_registry *node_registry_unref(struct node_registry *r); /* accepts NULL, returns NULL */

/* NULL: the registry does not know it.  Compared without regard to ASCII case. */
const struct node_device *node_registry_find(
	const struct node_registry *r, const char *protocol, const char *address);
const struct node_device *node_registry_device(const struct node_registry *r, const char *id);
const struct node_site *node_registry_site(const struct node_registry *r, const char *id);
/* The devices of a protocol (NULL: of all), in the order of the file: begin with NULL, go on until NULL. */
const struct node_device *node_registry_next(
	const struct node_registry *r, const char *protocol, const struct node_device *after);
size_t node_registry_devices(const struct node_registry *r);
size_t node_registry_sites(const struct node_registry *r);
