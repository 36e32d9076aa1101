/*
 * A model file while a graph is built from it: metadata as typed values, tensors by name and shape.
 *
 * Everything an architecture asks for goes through one `struct model`, which remembers the first
 * thing that was wrong (a sticky error), so that a builder reads as a plain list of layers; the
 * caller looks at model_finish().  Asking for a tensor marks it used; what no one asked for is
 * superfluous and refused at the end.
 */
#ifndef DETECTOR_MODEL_H
#define DETECTOR_MODEL_H

#include <jansson.h>
#include <stdbool.h>

#include "detector/conv.h"
#include "detector/detector.h"
#include "detector/safetensors.h"

struct model {
    char *path;
    struct safetensors *file;
    int rc; /* the first error, whose sentence is in err_text() */
    bool *used;
    size_t wanted; /* tensors asked for, and how many of them are not in the file */
    size_t missing;
    char first_missing[160]; /* empty unless that was the first error */
    json_t *config;
    json_t *preprocess;
    struct detector_names objects;
    struct detector_names attributes;
    json_t *object_json; /* own the names */
    json_t *attribute_json;
    void **owned; /* prepared weights */
    size_t owned_count;
};

int model_open(const char *path, struct model *m) MUST_CHECK;
void model_release(struct model *m);

/* The first error of all that was asked, or the tensors that no one asked for.  Of tensors that are
 * missing or superfluous it gives the number and the first name. */
int model_finish(struct model *m) MUST_CHECK;

/* Remembers an error about the model, unless there is one already. */
void model_fail(struct model *m, const char *fmt, ...) PRINTF(2, 3);

/* Entries of "config" and "preprocess"; a number outside [min, max] or a missing entry fails. */
int model_int(struct model *m, const json_t *from, const char *key, int min, int max);
int model_int_or(struct model *m, const json_t *from, const char *key, int min, int max,
                 int fallback); /* when there is no such entry */
double model_number(struct model *m, const json_t *from, const char *key, double min, double max);
bool model_bool(struct model *m, const json_t *from, const char *key);

/* The string `key`, or `fallback` when there is no such entry. */
const char *model_string(struct model *m, const json_t *from, const char *key,
                         const char *fallback);

/* A list of 1 to `room` numbers within [min, max]; returns how many. */
int model_numbers(struct model *m, const json_t *from, const char *key, double min, double max,
                  double *out, int room);

/* Memory that lives as long as the model; NULL and a remembered error when there is none. */
void *model_own(struct model *m, size_t bytes);

/* Finds an F32 tensor of finite numbers.  A shape entry of 0 accepts any length and receives it.
 * Returns aligned floats, valid as long as the model; NULL after an error. */
const float *model_tensor(struct model *m, const char *name, int dims, int *shape);

/* Reads `name`.weight [out][in / groups][k][k], or [out][in / groups][taps][k][k] where c->taps >
 * 0, and `name`.bias [out] and prepares them. c->out = 0 accepts any number of outputs; the rest of
 * `c` says what the graph needs. */
void model_conv(struct model *m, const char *name, struct conv *c);

/* The same for a fully connected layer, `name`.weight [out][in]: a 1x1 convolution of 1x1 pixels.
 */
void model_linear(struct model *m, const char *name, struct conv *c);

/* The same where the source's input was a map flattened plane by plane, [c->in][side][side]: the
 * layer takes it flattened pixel by pixel, as tensors lie here. */
void model_linear_of_map(struct model *m, const char *name, int side, struct conv *c);

#endif
