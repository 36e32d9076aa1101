/* Sources: what cannot be delivered is still an item, and nothing is paired by a guess. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/file.h"
#include "tests/unit/tempdir.h"
#include "workers/source.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

static char dir[TEMPDIR_MAX];

static void begin(void)
{
    tempdir_make(dir);
}

static void end(void)
{
    tempdir_remove(dir);
}

TestSuite(source, .init = begin, .fini = end, .timeout = 60);

/* dir/name with these bytes; the path is good until the test's end. */
static const char *made(const char *name, const char *bytes)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "we");
    cr_assert_not_null(f, "cannot write %s", path);
    cr_assert_geq(fputs(bytes, f), 0);
    fclose(f);
    return path;
}

static struct source *opened(const char *path)
{
    const struct source_options options = {0};
    struct source *s = NULL;
    OK(source_open(path, &options, &s));
    return s;
}

static bool says(struct view what, const char *want)
{
    return view_equal(what, view_str(want));
}

/* The next item is a pair of this image (by the end of its path), text and key. */
static void expect_pair(struct source *s, const char *image, const char *text, const char *key)
{
    struct source_item item;
    OK(source_next(s, &item));
    cr_assert_eq(item.problem, 0, "%s", item.detail);
    cr_assert(says(item.key, key), "%.*s", (int)item.key.n, (const char *)item.key.p);
    cr_assert(says(item.text, text), "%.*s", (int)item.text.n, (const char *)item.text.p);
    cr_assert(strstr(item.image, image), "%s", item.image);
}

/* The next item is none, for this reason, with these words in its sentence. */
static void expect_problem(struct source *s, int problem, const char *key, const char *words)
{
    struct source_item item;
    OK(source_next(s, &item));
    cr_assert_eq(item.problem, problem, "%s", err_name(item.problem));
    cr_assert(says(item.key, key), "%.*s", (int)item.key.n, (const char *)item.key.p);
    cr_assert(strstr(item.detail, words), "%s", item.detail);
}

static void expect_end(struct source *s)
{
    struct source_item item;
    cr_assert_eq(source_next(s, &item), E_NOT_FOUND);
    source_close(s);
}

/* ------------------------------------------------------------------ COCO */

Test(source, coco_ids_that_are_no_numbers_are_problems_that_name_the_annotation)
{
    made("a.jpg", "a");
    made("b.jpg", "b");
    struct source *s = opened(
        made("c.json", "{\"images\": [{\"id\": \"10\", \"file_name\": \"a.jpg\"},"
                       " {\"id\": 0, \"file_name\": \"b.jpg\"}],"
                       " \"annotations\": [{\"id\": 1, \"image_id\": \"10\", \"caption\": \"a\"},"
                       " {\"id\": \"x\", \"image_id\": 0, \"caption\": \"b\"},"
                       " {\"id\": 3, \"image_id\": -1, \"caption\": \"c\"},"
                       " {\"id\": 4, \"image_id\": 0, \"caption\": \"d\"},"
                       " {\"id\": 5, \"image_id\": 0.0, \"caption\": \"e\"}]}"));
    expect_pair(s, "/b.jpg", "d", "annotation 4");
    expect_problem(s, E_FORMAT, "annotations[1]", "\"id\"");
    expect_problem(s, E_FORMAT, "annotation 1", "\"image_id\"");
    expect_problem(s, E_FORMAT, "annotation 3", "\"image_id\"");
    expect_problem(s, E_FORMAT, "annotation 5", "\"image_id\"");
    expect_end(s);
}

Test(source, a_coco_image_listed_twice_with_different_files_is_nobodys)
{
    made("a.jpg", "a");
    made("b.jpg", "b");
    struct source *s = opened(
        made("c.json", "{\"images\": [{\"id\": 7, \"file_name\": \"a.jpg\"},"
                       " {\"id\": 8, \"file_name\": \"b.jpg\"},"
                       " {\"id\": 8, \"file_name\": \"b.jpg\"},"
                       " {\"id\": 7, \"file_name\": \"b.jpg\"}],"
                       " \"annotations\": [{\"id\": 1, \"image_id\": 7, \"caption\": \"which\"},"
                       " {\"id\": 2, \"image_id\": 8, \"caption\": \"this\"}]}"));
    expect_problem(s, E_FORMAT, "annotation 1", "twice");
    expect_pair(s, "/b.jpg", "this", "annotation 2");
    expect_end(s);
}
