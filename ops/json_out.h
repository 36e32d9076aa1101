/*
 * JSON for other programs: text that may be no UTF-8, and an object a line.
 */
#ifndef OPS_JSON_OUT_H
#define OPS_JSON_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "common/bytes.h"
#include "common/err.h"

/* Text of the web, or a path: as a JSON string, or as "hex:" and hexadecimal digits where it is not
 * UTF-8.  NULL only out of memory. */
json_t *json_out_text(struct view text);

/* Writes the object and a newline, and takes it over.  Where it is NULL, which is what jansson
 * makes of a number that is not finite, E_MODEL; nothing is written then.  `about` begins the
 * sentence. */
int json_out_line(json_t *object, const char *about, FILE *out) MUST_CHECK;

#endif
