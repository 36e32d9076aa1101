/* What is written about an image's regions. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/regions.h"

static const char *const objects[] = {"cat", "dog"};
static const char *const attributes[] = {"red"};
static const struct detector_info model = {.architecture = "demo-c4",
                                           .name = "demo-c4:0123",
                                           .dim = 1,
                                           .classes = 3,
                                           .objects = {2, objects},
                                           .attributes = {1, attributes}};
static const float boxes[8] = {0, 0, 1, 1, 2, 2, 3, 3};
static const uint16_t ids[2] = {1, 0};

/* Two regions, the second of those confidences, as JSON: what is written; free() it. */
static char *print_json(const char *path, float conf, float attr_conf, int rc)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    const float confs[2] = {.5f, conf};
    const float attr_confs[2] = {.5f, attr_conf};
    const uint16_t attr_ids[2] = {0, 0};
    const struct detections found = {.n = 2,
                                     .dim = 1,
                                     .classes = 3,
                                     .boxes = boxes,
                                     .conf = confs,
                                     .object_id = ids,
                                     .object_conf = confs,
                                     .attr_id = attr_ids,
                                     .attr_conf = attr_confs,
                                     .refined_boxes = boxes};
    const struct regions regions = {path, "stem", 640, 480, &model, &found};
    cr_assert_eq(regions_print_json(&regions, out), rc);
    fclose(out);
    return text;
}

Test(regions, json_is_one_line_with_all_of_them)
{
    char *text = print_json("a \"photo\".jpg", .25f, .5f, 0);
    cr_assert(strstr(text, "{\"image\":\"a \\\"photo\\\".jpg\",\"width\":640"), "%s", text);
    cr_assert(strstr(text, "\"object\":\"dog\"") && strstr(text, "\"object\":\"cat\"") &&
                  strstr(text, "\"attribute\":\"red\",\"attribute_conf\":0.5}"),
              "%s", text);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
}

Test(regions, json_writes_a_path_that_is_no_utf8_as_digits)
{
    char *text = print_json("bad\xff", .25f, .5f, 0);
    cr_assert(strstr(text, "\"image\":\"hex:626164ff\""), "%s", text);
    free(text);
}

Test(regions, json_of_a_number_that_is_not_finite_is_an_error_without_a_line)
{
    for (int of_attribute = 0; of_attribute < 2; of_attribute++) {
        char *text = print_json("photo.jpg", of_attribute ? .25f : INFINITY,
                                of_attribute ? NAN : .5f, E_MODEL);
        cr_assert(strstr(err_text(), "photo.jpg: the model made a number that is not finite"), "%s",
                  err_text());
        cr_assert_str_empty(text);
        free(text);
    }
}
