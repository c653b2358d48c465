/* clock.h: what time does the device think it is?  Asked first, and without credentials: all that is signed bears its time. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct soap_answer;

#define SOAP_CLOCK_ACTION "http://www.onvif.org/ver10/device/wsdl/GetSystemDateAndTime"
#define SOAP_CLOCK_BODY   "<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>"

/* UTCDateTime of a GetSystemDateAndTimeResponse; local time says too little.  False: it is not there, or no date. */
bool soap_clock_read(const struct soap_answer *a, struct torap_wall *out);
