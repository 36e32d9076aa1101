#include "ops/model_import.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"
#include "detector/arch.h"
#include "detector/import.h"

enum { VOCABULARY_BYTES = 16 << 20, NAMES_MAX = 60000 };

/* One of a model's two vocabularies while it is imported. */
struct vocabulary {
    const char *key;       /* "objects": the metadata entry, and the option that names its file */
    const char *file;      /* NULL where none was given */
    const char *published; /* the network's own, JSON; NULL where it has none */
    uint64_t classes;      /* that the weights tell apart */
    bool has_file;         /* its names are published in a file, so numbers won't do */
};

/* "Stop sign,stopsign" -> "stop sign"; in place. */
static void clean_name(char *line)
{
    line[strcspn(line, ",\r")] = '\0';
    size_t n = strlen(line);
    while (n && isspace((unsigned char)line[n - 1])) {
        line[--n] = '\0';
    }
    for (char *c = line; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
}

static int split_names(const char *path, char *text, json_t *names)
{
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!rest && !*line) {
            break; /* the file ended with a newline */
        }
        clean_name(line);
        if (json_array_append_new(names, json_string(line))) {
            return err_set(E_TEXT_UTF8, "%s: line %zu is not valid UTF-8", path,
                           json_array_size(names) + 1);
        }
    }
    return 0;
}

static int read_names(const char *path, json_t *names)
{
    struct buf file;
    buf_init(&file, VOCABULARY_BYTES);
    int rc = file_read(path, &file);
    rc = rc ? rc : buf_terminate(&file);
    rc = rc ? rc : split_names(path, (char *)file.p, names);
    buf_release(&file);
    return rc;
}

/* torchvision's lists have a name for the background, too. */
static void drop_background(const struct vocabulary *v, json_t *names)
{
    const char *first = json_string_value(json_array_get(names, 0));
    if (first && strcmp(first, "__background__") == 0 && json_array_size(names) == v->classes + 1) {
        json_array_remove(names, 0);
    }
}

/* Where no classes are known, check_named() has the last word. */
static int check_length(const struct vocabulary *v, const json_t *names)
{
    return v->classes == 0 || json_array_size(names) == v->classes
               ? 0
               : err_set(E_MODEL, "%s has %zu names, but the weights tell %llu %s apart", v->file,
                         json_array_size(names), (unsigned long long)v->classes, v->key);
}

/* "class 0", "class 1", ... */
static int number(const struct vocabulary *v, json_t *names)
{
    if (v->classes > NAMES_MAX) {
        return err_set(E_MODEL, "the weights tell %llu %s apart; %d are allowed",
                       (unsigned long long)v->classes, v->key, NAMES_MAX);
    }
    for (uint64_t i = 0; i < v->classes; i++) {
        if (json_array_append_new(names, json_sprintf("class %llu", (unsigned long long)i))) {
            return err_set(E_NOMEM, "no memory for %llu names", (unsigned long long)v->classes);
        }
    }
    return 0;
}

/* The names: from the file, else the network's own, else numbers; *numbered of them. */
static int find_names(const struct vocabulary *v, json_t *names, unsigned long long *numbered)
{
    json_t *own = v->published ? json_loads(v->published, 0, NULL) : NULL;
    const bool fits = own && (json_array_size(own) == v->classes || json_array_size(own) == 0);
    int rc = 0;
    if (v->file) {
        rc = read_names(v->file, names);
        drop_background(v, names);
        rc = rc ? rc : check_length(v, names);
    } else if (fits) {
        rc = json_array_extend(names, own) ? err_set(E_NOMEM, "no memory for names") : 0;
    } else if (v->has_file) {
        rc =
            err_set(E_ARG,
                    "the weights tell %llu %s apart, whose names are needed: --%s FILE, one name a "
                    "line",
                    (unsigned long long)v->classes, v->key, v->key);
    } else {
        *numbered = v->classes;
        rc = number(v, names);
    }
    json_decref(own);
    return rc;
}

static int add_vocabulary(struct safetensors_writer *w, const struct vocabulary *v,
                          unsigned long long *numbered)
{
    json_t *names = json_array();
    int rc = names ? find_names(v, names, numbered) : err_set(E_NOMEM, "no memory for names");
    char *text = rc ? NULL : json_dumps(names, 0);
    rc = rc ? rc : safetensors_writer_metadata(w, v->key, text);
    free(text);
    json_decref(names);
    return rc;
}

static int add_metadata(struct safetensors_writer *w, const struct network *network,
                        const struct model_import *job)
{
    int rc = safetensors_writer_metadata(w, "format", "pairmill-model/1");
    rc = rc ? rc : safetensors_writer_metadata(w, "architecture", network->name);
    rc = rc ? rc : safetensors_writer_metadata(w, "config", network->config);
    rc = rc ? rc : safetensors_writer_metadata(w, "preprocess", network->preprocess);
    return rc ? rc : safetensors_writer_metadata(w, "source", job->from);
}

static int convert(const struct weights *weights, const struct network *network,
                   const struct model_import *job, struct safetensors_writer *w,
                   struct model_imported *out)
{
    struct vocabulary objects = {
        .key = "objects", .file = job->objects, .published = network->objects};
    struct vocabulary attributes = {.key = "attributes", .file = job->attributes};
    unsigned long long numbered = 0;
    objects.classes = import_classes(weights, objects.key, &objects.has_file);
    attributes.classes = import_classes(weights, attributes.key, &attributes.has_file);
    int rc = add_metadata(w, network, job);
    rc = rc ? rc : add_vocabulary(w, &objects, &out->numbered);
    rc = rc ? rc : add_vocabulary(w, &attributes, &numbered);
    return rc ? rc
              : import_weights(weights, network->name, isnan(job->eps) ? network->eps : job->eps,
                               w);
}

/* The detector's sentence begins with the file it opened; the user knows the other. */
static int blame(const struct model_import *job, const char *opened, const struct weights *weights,
                 int rc)
{
    char why[1000];
    const size_t n = strlen(opened);
    const char *guess = import_guess(weights);
    const bool other = guess && strcmp(guess, job->arch) != 0;
    snprintf(why, sizeof why, "%s", err_text());
    return err_set(rc, "%s%s%s%s", strncmp(why, opened, n) == 0 ? job->from : "",
                   why + (strncmp(why, opened, n) == 0 ? n : 0),
                   other ? "; its names are those of " : "", other ? guess : "");
}

/* Names for what the weights do not tell apart are a mistake, but a smaller one than weights that
 * are another network's, so it is told last. */
static int check_named(const struct weights *weights, const struct model_import *job)
{
    bool has_file;
    if (job->objects && import_classes(weights, "objects", &has_file) == 0) {
        return err_set(E_ARG, "%s has no objects that %s could name", job->from, job->objects);
    }
    if (job->attributes && import_classes(weights, "attributes", &has_file) == 0) {
        return err_set(E_ARG, "%s has no attributes that %s could name", job->from,
                       job->attributes);
    }
    return 0;
}

/* Opening checks every tensor's name and shape; a model that cannot be opened is not left behind.
 */
static int save_checked(const struct weights *weights, const struct model_import *job,
                        struct safetensors_writer *w, struct model_imported *out)
{
    struct detector *det = NULL;
    char *unchecked;
    if (asprintf(&unchecked, "%s.unchecked", job->to) < 0) {
        return err_set(E_NOMEM, "no memory for a file's name");
    }
    int rc = safetensors_writer_save(w, unchecked);
    if (!rc) {
        rc = detector_open(unchecked, NULL, &det);
        rc = rc ? blame(job, unchecked, weights, rc) : check_named(weights, job);
        out->parameters = rc ? 0 : detector_info(det)->parameters;
        rc = rc ? rc : file_rename(unchecked, job->to);
        if (rc) {
            unlink(unchecked);
        }
        detector_close(det);
    }
    free(unchecked);
    return rc;
}

int model_import(const struct model_import *job, struct model_imported *out)
{
    const struct network *network = arch_find(job->arch);
    struct weights *weights = NULL;
    struct safetensors_writer w;
    *out = (struct model_imported){.numbered = 0};
    if (!network || !network->config) {
        return err_set(E_ARG,
                       "\"%.60s\" is no architecture that weights can be imported for; "
                       "there are %s",
                       job->arch, arch_published_names());
    }
    int rc = weights_open(job->from, &weights);
    if (rc) {
        return rc;
    }
    rc = safetensors_writer_init(&w);
    if (!rc) {
        rc = convert(weights, network, job, &w, out);
        rc = rc ? rc : save_checked(weights, job, &w, out);
        safetensors_writer_release(&w);
    }
    weights_close(weights);
    return rc;
}
