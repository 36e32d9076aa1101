/* Finding recipes, their options, and the sample as a container. */
#include <criterion/criterion.h>

#include "recipes/recipe.h"

Test(recipe, is_found_by_name)
{
    const struct recipe *r = NULL;
    cr_assert_eq(recipe_find("uniter", &r), 0);
    cr_assert_str_eq(r->name, "uniter");
    cr_assert_eq(recipe_find("ernievil", &r), 0);
    cr_assert_str_eq(r->name, "ernievil");
    cr_assert_eq(recipe_find("bert", &r), E_ARG);
    cr_assert(strstr(err_text(), "bert") && strstr(err_text(), "uniter, ernievil"));
}

Test(recipe, numbers_and_names_are_unique)
{
    for (size_t i = 0; recipes[i]; i++) {
        cr_assert_gt(recipes[i]->number, 0); /* 0 is the epoch's order */
        cr_assert_leq(recipes[i]->option_count, RECIPE_OPTIONS_MAX);
        for (size_t k = 0; k < i; k++) {
            cr_assert_neq(recipes[i]->number, recipes[k]->number);
            cr_assert_str_neq(recipes[i]->name, recipes[k]->name);
        }
    }
}

/* What draws tasks, and who asks for one task only, relies on it. */
Test(recipe, options_begin_with_the_tasks_weights_and_their_block)
{
    for (size_t i = 0; recipes[i]; i++) {
        const uint32_t tasks = recipe_task_count(recipes[i]);
        cr_assert_lt(tasks, recipes[i]->option_count);
        for (uint32_t t = 0; t < tasks; t++) {
            cr_assert_str_eq(recipes[i]->options[t].name, recipes[i]->tasks[t]);
        }
        cr_assert_str_eq(recipes[i]->options[tasks].name, "task_block");
    }
}

static void print(const struct recipe *r, const char *text, struct buf *out)
{
    struct recipe_options o;
    buf_reset(out);
    cr_assert_eq(recipe_options_parse(r, text, &o), 0, "%s", err_text());
    cr_assert_eq(recipe_options_print(r, &o, out), 0);
    cr_assert_eq(buf_terminate(out), 0);
}

Test(recipe, options_print_as_text_that_parses_to_the_same)
{
    const struct recipe *r;
    cr_assert_eq(recipe_find("uniter", &r), 0);
    struct buf a;
    struct buf b;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    const char *const texts[] = {"", "mlm=8,itm=6", "conf=0.1,equality=group,task_block=1024",
                                 "mlm_rate=0.30000000000000004", "negative=1e-3,"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        print(r, texts[i], &a);
        print(r, (const char *)a.p, &b);
        cr_assert_str_eq((const char *)a.p, (const char *)b.p);
    }
    print(r, "mlm=8", &a);
    cr_assert(strstr((const char *)a.p, "mlm=8,"));
    print(r, "mlm=8,mlm=3", &a); /* the last word counts */
    cr_assert(strstr((const char *)a.p, "mlm=3,"));
    buf_release(&a);
    buf_release(&b);
}

Test(recipe, wrong_options_are_refused_by_name)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"mlx=1", "mlx"},
        {"mlm", "mlm"},
        {"mlm=", "mlm"},
        {"mlm=two", "two"},
        {"mlm=1.5", "whole"},
        {"mlm=-1", "outside"},
        {"negative=1.5", "0 to 1"},
        {"negative=nan", "negative"},
        {"equality=name", "group"},
        {"max_tokens=100000", "max_tokens"},
        {"mlm= 1", "mlm"},
        {"itm=1;mlm=2", "itm"},
        {",", "option"},
        {"mlm=1,,itm=2", "option"},
        {"=1", "option"},
        {"negative=inf", "negative"},
    };
    const struct recipe *r;
    cr_assert_eq(recipe_find("uniter", &r), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct recipe_options o;
        cr_assert_eq(recipe_options_parse(r, bad[i].text, &o), E_ARG, "\"%s\"", bad[i].text);
        cr_assert(strstr(err_text(), bad[i].says), "\"%s\" says: %s", bad[i].text, err_text());
    }
}

Test(sample, arrays_are_aligned_zeroed_and_apart)
{
    struct sample s;
    sample_init(&s, 1 << 20);
    for (int round = 0; round < 2; round++) {
        sample_reset(&s);
        const uint32_t a = sample_declare(&s, "a", ARRAY_U8, 3, 0);
        const uint32_t b = sample_declare(&s, "b", ARRAY_F32, 5, 7);
        const uint32_t c = sample_declare(&s, "c", ARRAY_I32, 0, 0);
        const uint32_t d = sample_declare(&s, "d", ARRAY_I32, 2, 0);
        cr_assert_eq(sample_allocate(&s), 0);
        cr_assert_eq(s.arrays[b].bytes, 140);
        cr_assert_eq(s.arrays[c].bytes, 0);
        for (uint32_t i = 0; i < 4; i++) {
            cr_assert_eq((uintptr_t)s.arrays[i].data % 64, 0);
        }
        cr_assert_eq(((uint8_t *)s.arrays[a].data)[2], 0);
        memset(s.arrays[a].data, 255, 3);
        memset(s.arrays[b].data, 255, 140);
        cr_assert_eq(((int32_t *)s.arrays[d].data)[0], 0);
        cr_assert_eq(sample_find(&s, "d"), &s.arrays[d]);
        cr_assert_null(sample_find(&s, "e"));
    }
    sample_release(&s);
}

Test(sample, memory_is_kept_and_bounded)
{
    struct sample s;
    sample_init(&s, 4096);
    sample_declare(&s, "a", ARRAY_F32, 900, 0);
    cr_assert_eq(sample_allocate(&s), 0);
    const void *where = s.arrays[0].data;
    sample_reset(&s);
    cr_assert_eq(s.count, 0);
    sample_declare(&s, "a", ARRAY_F32, 500, 0);
    cr_assert_eq(sample_allocate(&s), 0);
    cr_assert_eq(s.arrays[0].data, where);
    sample_reset(&s);
    sample_declare(&s, "a", ARRAY_F32, 1025, 0);
    cr_assert_eq(sample_allocate(&s), E_TOO_BIG);
    sample_reset(&s);
    sample_declare(&s, "a", ARRAY_F32, UINT64_MAX / 2, 8);
    cr_assert_eq(sample_allocate(&s), E_TOO_BIG);
    sample_release(&s);
}

Test(sample, dtypes_have_numpy_names)
{
    cr_assert_str_eq(array_dtype_name(ARRAY_U8), "|u1");
    cr_assert_str_eq(array_dtype_name(ARRAY_I32), "<i4");
    cr_assert_str_eq(array_dtype_name(ARRAY_F32), "<f4");
    cr_assert_eq(array_dtype_size(ARRAY_F32), 4);
}
