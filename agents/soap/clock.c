#include "agents/soap/clock.h"

#include <stdio.h>
#include <stdlib.h>

#include "agents/soap/answer.h"

static bool number(const struct soap_node *n, const char *name, int *out)
{
	char text[16], *end;
	if (!soap_text(soap_child(n, SOAP_NS_SCHEMA, name), text, sizeof text))
		return false;
	long value = strtol(text, &end, 10);
	*out = (int)value;
	return *end == '\0' && value >= 0 && value <= 9999;
}

bool soap_clock_read(const struct soap_answer *a, struct torap_wall *out)
{
	const struct soap_node *n = soap_body(a, SOAP_NS_DEVICE, "GetSystemDateAndTimeResponse");
	n = soap_child(soap_child(n, SOAP_NS_DEVICE, "SystemDateAndTime"), SOAP_NS_SCHEMA, "UTCDateTime");
	const struct soap_node *date = soap_child(n, SOAP_NS_SCHEMA, "Date"),
			       *time = soap_child(n, SOAP_NS_SCHEMA, "Time");
	int year, month, day, hour, minute, second;
	char text[64];
	if (!number(date, "Year", &year) || !number(date, "Month", &month) || !number(date, "Day", &day) ||
		!number(time, "Hour", &hour) || !number(time, "Minute", &minute) ||
		!number(time, "Second", &second))
		return false;
	snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, hour, minute, second);
	return torap_wall_parse(out, text, NULL) == 0;
}
