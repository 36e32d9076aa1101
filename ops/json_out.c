#include "ops/json_out.h"

#include <stdlib.h>
#include <string.h>

json_t *json_out_text(struct view text)
{
    json_t *s = json_stringn(text.p, text.n);
    char *digits = s ? NULL : malloc(2 * text.n + 5);
    if (digits) {
        char *at = stpcpy(digits, "hex:");
        for (size_t i = 0; i < text.n; i++) {
            at += snprintf(at, 3, "%02x", ((const unsigned char *)text.p)[i]);
        }
        s = json_string(digits);
        free(digits);
    }
    return s;
}

int json_out_line(json_t *object, const char *about, FILE *out)
{
    if (!object) {
        return err_set(E_MODEL,
                       "%s: the model made a number that is not finite, which JSON does not have",
                       about);
    }
    const int rc = json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return rc || fputc('\n', out) == EOF
               ? err_set(E_STORAGE, "%s: the result cannot be written", about)
               : 0;
}
