/* pairmill model import, from a file and its vocabularies to a model that opens. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "detector/arch.h"
#include "detector/detector.h"
#include "detector_fixture.h"
#include "ops/model_import.h"
#include "tempdir.h"

enum { OBJECTS = 11, ATTRIBUTES = 5, PATH = 128 };

/* A directory with weights of the bottom-up-attention network, all of it but narrow, and with its
 * vocabularies. */
struct import_case {
    char dir[TEMPDIR_MAX];
    char from[PATH];
    char to[PATH];
    char objects[PATH];
    char attributes[PATH];
    struct model_import job;
    struct model_imported made;
};

static void write_names(const char *path, const char *first, int n)
{
    FILE *out = fopen(path, "w");
    cr_assert(out);
    fputs(first, out);
    for (int i = 0; i < n; i++) {
        fprintf(out, "Name %d,nickname%s", i, i < n - 1 ? "\n" : ""); /* no newline at the end */
    }
    fclose(out);
}

static void case_init(struct import_case *c, const char *spoil)
{
    struct c4_plan plan = c4_plan_default();
    tempdir_make(c->dir);
    snprintf(c->from, PATH, "%s/weights", c->dir);
    snprintf(c->to, PATH, "%s/model.safetensors", c->dir);
    snprintf(c->objects, PATH, "%s/objects.txt", c->dir);
    snprintf(c->attributes, PATH, "%s/attributes.txt", c->dir);
    memcpy(plan.blocks, (int[]){3, 4, 23, 3}, sizeof plan.blocks);
    plan.block_names = "butd";
    plan.scales = 4;
    c4_plan_write(&plan, spoil, c->from);
    write_names(c->objects, "", OBJECTS);
    write_names(c->attributes, "", ATTRIBUTES);
    c->job = (struct model_import){.from = c->from,
                                   .to = c->to,
                                   .arch = "butd-r101-c4",
                                   .objects = c->objects,
                                   .attributes = c->attributes,
                                   .eps = NAN};
}

static void case_refuses(struct import_case *c, int rc, const char *part)
{
    const int got = model_import(&c->job, &c->made);
    cr_assert_eq(got, rc, "%s: %s", err_name(got), err_text());
    cr_assert(strstr(err_text(), part), "\"%s\" is not in: %s", part, err_text());
}

Test(model_import, makes_a_model_with_names_and_preprocessing)
{
    struct import_case c;
    struct detector *det = NULL;
    case_init(&c, NULL);
    cr_assert_eq(model_import(&c.job, &c.made), 0, "%s", err_text());
    cr_assert_eq(detector_open(c.to, NULL, &det), 0, "%s", err_text());
    const struct detector_info *info = detector_info(det);
    cr_assert_str_eq(info->architecture, "butd-r101-c4");
    cr_assert_eq(info->parameters, c.made.parameters);
    cr_assert_eq(c.made.numbered, 0);
    cr_assert(info->objects.n == OBJECTS && info->attributes.n == ATTRIBUTES);
    cr_assert_str_eq(info->objects.name[OBJECTS - 1], "name 10");
    cr_assert_str_eq(detector_metadata(det, "source"), c.from);
    cr_assert(strstr(detector_metadata(det, "preprocess"), "102.9801"));
    detector_close(det);
    tempdir_remove(c.dir);
}

Test(model_import, says_how_a_vocabulary_does_not_fit)
{
    struct import_case c;
    case_init(&c, NULL);
    write_names(c.objects, "", OBJECTS - 1);
    case_refuses(&c, E_MODEL, "objects.txt has 10 names, but the weights tell 11 objects apart");
    write_names(c.objects, "__background__\n", OBJECTS);
    cr_assert_eq(model_import(&c.job, &c.made), 0, "%s", err_text());
    write_names(c.attributes, "\xff\n", ATTRIBUTES - 1);
    case_refuses(&c, E_TEXT_UTF8, "attributes.txt: line 1 is not valid UTF-8");
    c.job.attributes = NULL;
    case_refuses(&c, E_ARG, "5 attributes apart, whose names are needed: --attributes FILE");
    c.job.objects = "/no/such/file";
    case_refuses(&c, E_NO_FILE, "/no/such/file");
    tempdir_remove(c.dir);
}

Test(model_import, says_what_is_missing_or_superfluous)
{
    static const struct {
        const char *spoil;
        const char *part;
    } wrongs[] = {
        {"-res4b22_branch2c.bias", "/weights: tensor \"res4b22_branch2c.bias\" is missing"},
        {"+extra.weight",
         "/weights: 1 tensor is not part of the architecture, the first is \"extra.weight\""},
        {"#rpn_bbox_pred.bias", "\"rpn_bbox_pred.bias\" has the shape [49]"},
        {"?conv1.weight", "\"conv1.weight\" holds a number that is not finite"},
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct import_case c;
        case_init(&c, wrongs[i].spoil);
        case_refuses(&c, E_MODEL, wrongs[i].part);
        cr_assert(!file_exists(c.to), "a model was left behind");
        tempdir_remove(c.dir);
    }
}

/* demo-c4's weights have other blocks. */
Test(model_import, says_whose_weights_they_are_instead)
{
    struct import_case c;
    struct c4_plan plan = c4_plan_default();
    case_init(&c, NULL);
    plan.scales = 4;
    c4_plan_write(&plan, NULL, c.from);
    case_refuses(&c, E_MODEL, "tensors are missing, the first is \"");
    cr_assert(strstr(err_text(), "not part of the architecture"), "%s", err_text());
    c.job.arch = "resnet-18";
    case_refuses(&c, E_ARG, "\"resnet-18\" is no architecture");
    c.job.arch = "demo-c4";
    case_refuses(&c, E_ARG, "\"demo-c4\" is no architecture");
    cr_assert(strstr(err_text(), "there are butd-r101-c4, "), "%s", err_text());
    cr_assert(strstr(err_text(), ", r2plus1d-18"), "%s", err_text());
    tempdir_remove(c.dir);
}

Test(model_import, keeps_the_model_that_was_there_when_it_fails)
{
    struct import_case c;
    case_init(&c, "-conv1.bias");
    write_names(c.to, "", 3);
    uint64_t before;
    uint64_t after;
    cr_assert_eq(file_size(c.to, &before), 0);
    case_refuses(&c, E_MODEL, "\"conv1.bias\" is missing");
    cr_assert_eq(file_size(c.to, &after), 0);
    cr_assert_eq(before, after);
    tempdir_remove(c.dir);
}

Test(model_import, offers_no_network_that_it_refuses)
{
    struct import_case c;
    char name[64];
    case_init(&c, NULL);
    c.job.from = "/no/such/file";
    c.job.arch = name;
    for (const char *at = arch_published_names(); *at;) {
        const size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        case_refuses(&c, E_NO_FILE, "/no/such/file"); /* it asks for the weights already */
        at += n + 2 * (at[n] == ',');
    }
    tempdir_remove(c.dir);
}
