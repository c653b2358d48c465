/* answer.h: what an ONVIF device answered: hostile XML, by libxml2.
 *
 * Bounded in size and depth, without a DTD, so without entities of its own.  Elements are found by namespace and local name, never by
 * prefix: prefixes differ from maker to maker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/time.h"

struct torap_error;
struct soap_answer;
struct soap_node; /* an element; lives as long as its answer */

enum {
	SOAP_FAULT =
		1, /* a SOAP fault: err holds its subcodes and reason; the answer is there, for soap_fault_is() */

	SOAP_ANSWER_SIZE_MAX = 1 << 20,
	SOAP_DEPTH_MAX = 64,
	SOAP_TEXT_MAX = 1023,
};

#define SOAP_NS_SCHEMA "http://www.onvif.org/ver10/schema"
#define SOAP_NS_DEVICE "http://www.onvif.org/ver10/device/wsdl"
#define SOAP_NS_SEARCH "http://www.onvif.org/ver10/search/wsdl"

/* 0, SOAP_FAULT, or -EBADMSG: no SOAP answer (err says why; *out is untouched). */
int soap_answer_parse(struct soap_answer **out, struct torap_bytes text, struct torap_error *err);
struct soap_answer *soap_answer_free(struct soap_answer *a); /* accepts NULL, returns NULL */

/* The element in Body; NULL when it is another one. */
const struct soap_node *soap_body(const struct soap_answer *a, const char *space, const char *name);
/* Is one of the fault's subcodes of this local name ("NotAuthorized")? */
bool soap_fault_is(const struct soap_answer *a, const char *subcode);

/* The first child of the name, and the next sibling of the name; NULL: none.  A NULL node gives NULL, so paths can be written in one. */
const struct soap_node *soap_child(const struct soap_node *n, const char *space, const char *name);
const struct soap_node *soap_next(const struct soap_node *n, const char *space, const char *name);
/* Whatever namespace: items of maker's extensions. */
const struct soap_node *soap_child_named(const struct soap_node *n, const char *name);
const struct soap_node *soap_next_named(const struct soap_node *n, const char *name);
/* Its text without blanks around it; false (and "") when the node is NULL, holds none, or more than the room. */
bool soap_text(const struct soap_node *n, char *text, size_t room);
bool soap_attribute(const struct soap_node *n, const char *name, char *text, size_t room);
/* An xsd:dateTime; without an offset it is taken for UTC, as those mean it who leave it out.  False: none, or no date. */
bool soap_time(const struct soap_node *n, struct torap_wall *out);
