/* A test program: TEST(name) { CHECK(…); … } and TEST_MAIN(name, …). Failures print the place and both
 * operands and are counted; the program's status says whether there were any. */
#ifndef ANET_TEST_H
#define ANET_TEST_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "anet.h"

static int test_failures, test_checks;

#define TEST_FAIL(...)                                          \
  do {                                                          \
    test_failures++;                                            \
    fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, __func__); \
    fprintf(stderr, __VA_ARGS__);                               \
    fputc('\n', stderr);                                        \
  } while (0)

#define CHECK(condition)                                              \
  do {                                                                \
    test_checks++;                                                    \
    if (!(condition)) TEST_FAIL("not so: %s", #condition);            \
  } while (0)

#define CHECK_EQ_I(a, b)                                                                      \
  do {                                                                                        \
    int64_t test_a = (int64_t)(a), test_b = (int64_t)(b);                                     \
    test_checks++;                                                                            \
    if (test_a != test_b) TEST_FAIL("%s = %" PRId64 ", %s = %" PRId64, #a, test_a, #b, test_b); \
  } while (0)

#define CHECK_EQ_S(a, b)                                                                    \
  do {                                                                                      \
    const char *test_a = (a), *test_b = (b);                                                \
    test_checks++;                                                                          \
    if (!test_a || !test_b || strcmp(test_a, test_b) != 0)                                  \
      TEST_FAIL("%s = '%s', %s = '%s'", #a, test_a ? test_a : "NULL", #b, test_b ? test_b : "NULL"); \
  } while (0)

#define CHECK_NEAR(a, b, tolerance)                                                            \
  do {                                                                                         \
    double test_a = (a), test_b = (b), test_t = (tolerance);                                   \
    test_checks++;                                                                             \
    if (!(fabs(test_a - test_b) <= test_t))                                                    \
      TEST_FAIL("%s = %.9g, %s = %.9g, tolerance %.3g", #a, test_a, #b, test_b, test_t);       \
  } while (0)

/* A call must succeed; its message is printed if not. */
#define CHECK_OK(call)                                                                     \
  do {                                                                                     \
    int test_rc = (call);                                                                  \
    test_checks++;                                                                         \
    if (test_rc) TEST_FAIL("%s: %s: %s", #call, anet_status_text(test_rc), anet_error());  \
  } while (0)

/* A call must fail with `status`, and its message must mention `word`. */
#define CHECK_FAILS(call, status, word)                                                    \
  do {                                                                                     \
    int test_rc = (call);                                                                  \
    test_checks++;                                                                         \
    if (test_rc != (status) || !strstr(anet_error(), word))                                \
      TEST_FAIL("%s gave %d (%s), want %d with '%s'", #call, test_rc, anet_error(), status, word); \
  } while (0)

#define TEST(name) static void name(void)

typedef struct test_case {
  const char *name;
  void (*run)(void);
} test_case;

/* Runs all cases, or those named on the command line. Methods go by the estimate: a busy machine is no place to try
 * them. */
__attribute__((unused)) static int test_run(const test_case *cases, int count, int argc, char **argv)
{
  setenv("ANET_TUNE", "off", 1);
  for (int i = 0; i < count; i++) {
    int wanted = argc < 2;
    for (int a = 1; a < argc; a++) wanted |= strcmp(argv[a], cases[i].name) == 0;
    if (wanted) cases[i].run();
  }
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures > 0;
}

#define CASE(name) {#name, name}
#define TEST_MAIN(...)                                                                     \
  int main(int argc, char **argv)                                                          \
  {                                                                                        \
    static const test_case cases[] = {__VA_ARGS__};                                        \
    return test_run(cases, (int)(sizeof cases / sizeof cases[0]), argc, argv);             \
  }

#endif
