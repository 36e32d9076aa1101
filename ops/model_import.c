#include "ops/model_import.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"
#include "detector/arch.h"
#include "detector/detector.h"
#include "detector/import_caffe.h"

enum { VOCABULARY_BYTES = 16 << 20 };

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

/* A vocabulary file as the metadata entry `key`. */
static int add_names(struct safetensors_writer *w, const char *key, const char *path)
{
    struct buf file;
    buf_init(&file, VOCABULARY_BYTES);
    json_t *names = json_array();
    int rc = file_read(path, &file);
    rc = rc ? rc : buf_terminate(&file);
    rc = rc ? rc : split_names(path, (char *)file.p, names);
    char *text = rc ? NULL : json_dumps(names, 0);
    rc = rc ? rc : safetensors_writer_metadata(w, key, text);
    free(text);
    json_decref(names);
    buf_release(&file);
    return rc;
}

static int add_metadata(struct safetensors_writer *w, const struct network *network,
                        const struct model_import *job)
{
    int rc = safetensors_writer_metadata(w, "format", "pairmill-model/1");
    rc = rc ? rc : safetensors_writer_metadata(w, "architecture", network->name);
    rc = rc ? rc : safetensors_writer_metadata(w, "config", network->config);
    rc = rc ? rc : safetensors_writer_metadata(w, "preprocess", network->preprocess);
    rc = rc ? rc : safetensors_writer_metadata(w, "source", job->from);
    rc = rc ? rc : add_names(w, "objects", job->objects);
    return rc ? rc : add_names(w, "attributes", job->attributes);
}

/* Opening checks every tensor's name and shape; a model that cannot be opened is not left behind.
 */
static int check_result(const char *path)
{
    struct detector *det = NULL;
    const int rc = detector_open(path, NULL, &det);
    if (rc) {
        unlink(path);
    }
    detector_close(det);
    return rc;
}

int model_import(const struct model_import *job)
{
    const struct network *network = arch_find(job->arch);
    if (!network || !network->config) {
        return err_set(E_ARG, "\"%.60s\" cannot be imported; butd-r101-c4 can", job->arch);
    }
    struct caffemodel *model = NULL;
    struct safetensors_writer w;
    int rc = caffemodel_open(job->from, &model);
    if (rc) {
        return rc;
    }
    rc = safetensors_writer_init(&w);
    if (!rc) {
        rc = add_metadata(&w, network, job);
        rc = rc ? rc : import_caffe(model, &w);
        rc = rc ? rc : safetensors_writer_save(&w, job->to);
        safetensors_writer_release(&w);
    }
    caffemodel_close(model);
    return rc ? rc : check_result(job->to);
}
