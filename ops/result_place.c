#include "ops/result_place.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

char *result_stem(const char *image)
{
    const char *slash = strrchr(image, '/');
    char *stem = strdup(slash ? slash + 1 : image);
    char *dot = stem ? strrchr(stem, '.') : NULL;
    if (dot && dot != stem) {
        *dot = '\0';
    }
    return stem;
}

static bool is_file(const struct result_place *place)
{
    const size_t n = strlen(place->path);
    const size_t e = strlen(place->extension);
    return n > e && strcmp(place->path + n - e, place->extension) == 0;
}

struct result {
    char *stem;
    const char *image;
};

static int by_stem(const void *a, const void *b)
{
    return strcmp(((const struct result *)a)->stem, ((const struct result *)b)->stem);
}

static int check_stems(const struct result_place *place, struct result *result, size_t n)
{
    qsort(result, n, sizeof *result, by_stem);
    for (size_t i = 1; i < n; i++) {
        if (by_stem(&result[i - 1], &result[i]) == 0) {
            return err_set(
                E_ARG,
                "--%s %s: the results of %.200s and %.200s would both become %s%s there; "
                "rename one, or run the command for each with a folder of its own",
                place->option, place->path, result[i - 1].image, result[i].image, result[i].stem,
                place->extension);
        }
    }
    return 0;
}

int result_place_check(const struct result_place *place, char *const *image, int n, int together)
{
    const size_t results = ((size_t)n + (size_t)together - 1) / (size_t)together;
    if (results < 2) {
        return 0;
    }
    if (is_file(place)) {
        return err_set(E_ARG,
                       "--%s %s is one file, but there are %zu results; name a folder, which gets "
                       "a file for each",
                       place->option, place->path, results);
    }
    int rc = 0;
    struct result *result = calloc(results, sizeof *result);
    for (size_t i = 0; result && !rc && i < results; i++) {
        result[i].image = image[i * (size_t)together];
        result[i].stem = result_stem(result[i].image);
        rc = result[i].stem ? 0 : err_set(E_NOMEM, "no memory for a file's name");
    }
    rc = result ? rc : err_set(E_NOMEM, "no memory for %zu files' names", results);
    rc = rc ? rc : check_stems(place, result, results);
    for (size_t i = 0; result && i < results; i++) {
        free(result[i].stem);
    }
    free(result);
    return rc;
}

int result_place_path(const struct result_place *place, const char *stem, char **out)
{
    if (is_file(place)) {
        *out = strdup(place->path);
        return *out ? 0 : err_set(E_NOMEM, "no memory for a path");
    }
    const int rc = file_make_dirs(place->path);
    if (rc) {
        return rc;
    }
    return asprintf(out, "%s/%s%s", place->path, stem, place->extension) < 0
               ? err_set(E_NOMEM, "no memory for a path")
               : 0;
}
