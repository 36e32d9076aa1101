/* Sources: what cannot be delivered is still an item, and nothing is paired by a guess. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    const char *path = tempdir_path(dir, name);
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

/* ------------------------------------------------------------------ folders */

Test(source, suffixes_of_a_folder_may_be_written_as_cameras_do)
{
    made("IMG_0001.JPG", "1");
    made("IMG_0001.txt", "one\n");
    made("IMG_0002.jpeg", "2");
    made("IMG_0002.TXT", "two\n");
    made("IMG_0003.Png", "3");
    made("IMG_0003.Txt", "three\r\n\nthe third\n");
    made("IMG_0004.JPG", "4");
    made("IMG_0005.TXT", "five\n");
    struct source *s = opened(dir);
    expect_pair(s, "/IMG_0001.JPG", "one", "IMG_0001.JPG line 1");
    expect_pair(s, "/IMG_0002.jpeg", "two", "IMG_0002.jpeg line 1");
    expect_pair(s, "/IMG_0003.Png", "three", "IMG_0003.Png line 1");
    expect_pair(s, "/IMG_0003.Png", "the third", "IMG_0003.Png line 3");
    expect_problem(s, E_TEXT_EMPTY, "IMG_0004.JPG line 0", "no .txt beside it");
    expect_problem(s, E_NO_FILE, "IMG_0005.TXT line 1", "no image beside it");
    expect_end(s);
}

Test(source, images_of_one_stem_share_a_text_and_a_second_text_is_a_problem)
{
    made("a.TXT", "first\n");
    made("a.jpg", "1");
    made("a.png", "2");
    made("a.txt", "second\n");
    made("a.json", "{}");
    made("a-b.jpg", "3");
    made("a-b.txt", "another\n");
    struct source *s = opened(dir);
    expect_pair(s, "/a.jpg", "first", "a.jpg line 1");
    expect_pair(s, "/a.png", "first", "a.png line 1");
    expect_problem(s, E_NO_FILE, "a.txt line 1", "no image beside it that takes");
    expect_pair(s, "/a-b.jpg", "another", "a-b.jpg line 1");
    expect_end(s);
}

Test(source, a_text_that_cannot_be_read_costs_its_image_only)
{
    made("1.jpg", "1");
    made("1.txt", "one\n");
    made("2.jpg", "2");
    cr_assert_eq(truncate(made("2.txt", "x"), 17 << 20), 0);
    made("3.jpg", "3");
    cr_assert_eq(mkfifo(tempdir_path(dir, "3.txt"), 0644), 0);
    made("4.jpg", "4");
    cr_assert_eq(symlink("nowhere", tempdir_path(dir, "4.txt")), 0);
    cr_assert_eq(symlink("nowhere", tempdir_path(dir, "5.jpg")), 0);
    made("5.txt", "five\n");
    cr_assert_eq(mkdir(tempdir_path(dir, "6"), 0755), 0);
    made("6/6.jpg", "6");
    made("6/6.txt", "six\n");
    struct source *s = opened(dir);
    expect_pair(s, "/1.jpg", "one", "1.jpg line 1");
    expect_problem(s, E_TOO_BIG, "2.jpg line 0", "/2.txt");
    expect_problem(s, E_FORMAT, "3.jpg line 0", "/3.txt");
    expect_problem(s, E_NO_FILE, "4.jpg line 0", "/4.txt");
    expect_pair(s, "/5.jpg", "five", "5.jpg line 1"); /* whose reader will miss the image */
    expect_pair(s, "/6/6.jpg", "six", "6/6.jpg line 1");
    expect_end(s);
}

/* ------------------------------------------------------------------ lines */

Test(source, a_lines_id_is_a_string_or_a_whole_number)
{
    struct source *s = opened(
        made("a.jsonl", "{\"image\": \"a.jpg\", \"captions\": [\"one\", \"two\"], \"id\": 17}\n"
                        "{\"image\": \"a.jpg\", \"caption\": \"three\", \"id\": \"x9\"}\n"
                        "{\"image\": \"a.jpg\", \"caption\": \"four\"}\n"
                        "{\"image\": \"a.jpg\", \"captions\": [\"five\", \"six\"], \"id\": 1.5}\n"
                        "{\"image\": \"a.jpg\", \"caption\": \"seven\", \"id\": [1]}\n"
                        "{\"image\": \"a.jpg\", \"caption\": \"eight\", \"id\": null}\n"));
    expect_pair(s, "/a.jpg", "one", "17 caption 0");
    expect_pair(s, "/a.jpg", "two", "17 caption 1");
    expect_pair(s, "/a.jpg", "three", "x9 caption 0");
    expect_pair(s, "/a.jpg", "four", "line 3 caption 0");
    expect_problem(s, E_FORMAT, "line 4 caption 0", "line 4 of");
    expect_problem(s, E_FORMAT, "line 4 caption 1", "line 4 of");
    expect_problem(s, E_FORMAT, "line 5 caption 0", "neither a string nor a whole number");
    expect_problem(s, E_FORMAT, "line 6 caption 0", "neither a string nor a whole number");
    expect_end(s);
}
