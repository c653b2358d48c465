/* The structs of the header are libxml2's own under our names. */
#include "agents/soap/answer.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SOAP_NS_ENVELOPE "http://www.w3.org/2003/05/soap-envelope"
#define SOAP_NS_ENVELOPE_11                                                                                  \
	"http://schemas.xmlsoap.org/soap/envelope/" /* what some answer a bad request with */

struct soap_answer {
	xmlDoc *doc;
	const xmlNode *body; /* its element */
};

static const xmlNode *xml(const struct soap_node *n)
{
	return (const xmlNode *)n;
}

static bool is(const xmlNode *n, const char *space, const char *name)
{
	return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0 &&
	       (!space || (n->ns && n->ns->href && strcmp((const char *)n->ns->href, space) == 0));
}

static const xmlNode *find(const xmlNode *from, const char *space, const char *name)
{
	while (from && !is(from, space, name))
		from = from->next;
	return from;
}

const struct soap_node *soap_child(const struct soap_node *n, const char *space, const char *name)
{
	return n ? (const struct soap_node *)find(xml(n)->children, space, name) : NULL;
}

const struct soap_node *soap_next(const struct soap_node *n, const char *space, const char *name)
{
	return n ? (const struct soap_node *)find(xml(n)->next, space, name) : NULL;
}

const struct soap_node *soap_child_named(const struct soap_node *n, const char *name)
{
	return soap_child(n, NULL, name);
}

const struct soap_node *soap_next_named(const struct soap_node *n, const char *name)
{
	return soap_next(n, NULL, name);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies without the blanks around.  Frees libxml2's text. */
static bool take_text(xmlChar *from, char *text, size_t room)
{
	bool good = false;
	text[0] = '\0';
	if (from) {
		const char *begin = (const char *)from, *end = begin + strlen(begin);
		while (is_blank(*begin))
			begin++;
		while (end > begin && is_blank(end[-1]))
			end--;
		size_t size = (size_t)(end - begin);
		good = size > 0 && size < room;
		if (good) {
			memcpy(text, begin, size);
			text[size] = '\0';
		}
		xmlFree(from);
	}
	return good;
}

bool soap_text(const struct soap_node *n, char *text, size_t room)
{
	return take_text(n ? xmlNodeGetContent(xml(n)) : NULL, text, room);
}

bool soap_attribute(const struct soap_node *n, const char *name, char *text, size_t room)
{
	return take_text(n ? xmlGetNoNsProp(xml(n), (const xmlChar *)name) : NULL, text, room);
}

bool soap_time(const struct soap_node *n, struct torap_wall *out)
{
	char text[64];
	if (!soap_text(n, text, sizeof text - 1))
		return false;
	if (torap_wall_parse(out, text, NULL) == 0)
		return true;
	strcat(text, "Z");
	return torap_wall_parse(out, text, NULL) == 0;
}

static bool too_deep(const xmlNode *root)
{
	const xmlNode *n = root;
	unsigned depth = 1;
	while (n) {
		if (n->type == XML_ELEMENT_NODE && n->children) {
			if (++depth > SOAP_DEPTH_MAX)
				return true;
			n = n->children;
			continue;
		}
		while (n != root && !n->next) {
			n = n->parent;
			depth--;
		}
		n = n == root ? NULL : n->next;
	}
	return false;
}

static const xmlNode *fault_of(const struct soap_answer *a)
{
	return is(a->body, SOAP_NS_ENVELOPE, "Fault") || is(a->body, SOAP_NS_ENVELOPE_11, "Fault") ? a->body
												   : NULL;
}

/* "ter:NotAuthorized" → "NotAuthorized": the prefix may be bound nowhere. */
static const char *local(const char *text)
{
	const char *colon = strrchr(text, ':');
	return colon ? colon + 1 : text;
}

/* Calls `each` for the local name of the code and of every subcode below it; returns whether one said yes. */
static bool any_code(const struct soap_answer *a, bool (*each)(void *hint, const char *name), void *hint)
{
	char text[128];
	const xmlNode *fault = fault_of(a);
	const struct soap_node *code = soap_child_named((const struct soap_node *)fault, "Code");
	if (fault && !code &&
		soap_text(soap_child_named((const struct soap_node *)fault, "faultcode"), text, sizeof text))
		return each(hint, local(text));
	for (; code; code = soap_child_named(code, "Subcode"))
		if (soap_text(soap_child_named(code, "Value"), text, sizeof text) && each(hint, local(text)))
			return true;
	return false;
}

static bool is_named(void *hint, const char *name)
{
	return strcmp(hint, name) == 0;
}

bool soap_fault_is(const struct soap_answer *a, const char *subcode)
{
	return any_code(a, is_named, (void *)(uintptr_t)subcode);
}

struct codes {
	char text[160];
	size_t size;
};

static bool join_code(void *hint, const char *name)
{
	struct codes *c = hint;
	size_t size = strlen(name);
	if (c->size + size + 2 < sizeof c->text) {
		if (c->size)
			c->text[c->size++] = '/';
		memcpy(c->text + c->size, name, size + 1);
		c->size += size;
	}
	return false;
}

static void describe_fault(const struct soap_answer *a, struct torap_error *err)
{
	struct codes codes = { .size = 0 };
	char reason[256];
	const struct soap_node *fault = (const struct soap_node *)fault_of(a);
	any_code(a, join_code, &codes);
	if (!soap_text(soap_child_named(soap_child_named(fault, "Reason"), "Text"), reason, sizeof reason))
		soap_text(soap_child_named(fault, "faultstring"), reason, sizeof reason);
	torap_errorf(err, SOAP_FAULT, "fault %s%s%s", codes.size ? codes.text : "without a code",
		reason[0] ? ": " : "", reason);
}

static const xmlNode *first_element(const xmlNode *n)
{
	while (n && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

static int judge(struct soap_answer *a, struct torap_error *err)
{
	if (!a->doc)
		return torap_errorf(err, -EBADMSG, "the answer is not XML");
	if (a->doc->intSubset || a->doc->extSubset)
		return torap_errorf(err, -EBADMSG, "the answer has a DTD, which SOAP does not allow");
	const xmlNode *root = xmlDocGetRootElement(a->doc);
	bool envelope =
		root && (is(root, SOAP_NS_ENVELOPE, "Envelope") || is(root, SOAP_NS_ENVELOPE_11, "Envelope"));
	if (!envelope)
		return torap_errorf(err, -EBADMSG, "the answer is XML, but no SOAP envelope");
	if (too_deep(root))
		return torap_errorf(
			err, -EBADMSG, "the answer's elements lie deeper than %d", SOAP_DEPTH_MAX);
	const xmlNode *body = find(root->children, (const char *)root->ns->href, "Body");
	a->body = body ? first_element(body->children) : NULL;
	return a->body ? 0 : torap_errorf(err, -EBADMSG, "the answer's envelope is empty");
}

int soap_answer_parse(struct soap_answer **out, struct torap_bytes text, struct torap_error *err)
{
	if (text.size == 0 || text.size > SOAP_ANSWER_SIZE_MAX)
		return torap_errorf(
			err, -EBADMSG, text.size ? "the answer is longer than 1 MiB" : "the answer is empty");
	struct soap_answer *a = calloc(1, sizeof *a);
	if (!a)
		return torap_errorf(err, -ENOMEM, "out of memory");
	a->doc = xmlReadMemory((const char *)text.data, (int)text.size, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	int r = judge(a, err);
	if (r) {
		soap_answer_free(a);
		return r;
	}
	*out = a;
	if (!fault_of(a))
		return 0;
	describe_fault(a, err);
	return SOAP_FAULT;
}

struct soap_answer *soap_answer_free(struct soap_answer *a)
{
	if (a) {
		xmlFreeDoc(a->doc);
		free(a);
	}
	return NULL;
}

const struct soap_node *soap_body(const struct soap_answer *a, const char *space, const char *name)
{
	return is(a->body, space, name) ? (const struct soap_node *)a->body : NULL;
}
