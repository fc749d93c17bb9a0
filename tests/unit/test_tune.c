/* How a step's method is chosen, and that the choice is kept. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "plan/tune.h"
#include "support/nets.h"
#include "support/scratch.h"

static char folder[SCRATCH_PATH], file[SCRATCH_PATH];

static char *text_of(void)
{
  char *text = NULL;
  size_t bytes;
  CHECK_OK(anet__file_read(file, 1 << 20, &text, &bytes));
  return text;
}

static int32_t lines(const char *text)
{
  int32_t count = 0;
  for (; *text; text++) count += *text == '\n';
  return count;
}

static anet_net *one_conv(int32_t size, int32_t channels)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  const int32_t x = net_conv(net, NULL, net_image(net, size, channels), channels, 3, 1, 0);
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 1));
  return net;
}

static anet__method method_of(anet_net *net, int32_t batch)
{
  anet_plan *plan;
  CHECK_OK(anet_plan_new(net, batch, &plan));
  const anet__method method = plan->step[0].method;
  anet_plan_release(plan);
  return method;
}

TEST(what_cannot_be_written_is_named)
{
  static char endless[2000];
  memset(endless, 'x', sizeof endless - 1);
  setenv("ANET_TUNE", "/proc/no-such/methods", 1);
  CHECK_FAILS(anet_tune_check(), ANET_IO, "'/proc/no-such/methods': No such file");
  setenv("ANET_TUNE", folder, 1);
  CHECK_FAILS(anet_tune_check(), ANET_IO, folder);
  setenv("ANET_TUNE", endless, 1);
  CHECK_FAILS(anet_tune_check(), ANET_RANGE, "1999 bytes, at most 511");
  const char *const fine[] = {"", "off", file};
  for (int32_t i = 0; i < ANET_COUNT(fine); i++) {
    setenv("ANET_TUNE", fine[i], 1);
    CHECK_OK(anet_tune_check());
  }
}

TEST(a_choice_is_written_once_and_kept)
{
  anet_net *net = one_conv(12, 16);
  unlink(file);
  setenv("ANET_TUNE", file, 1);
  const anet__method first = method_of(net, 1);
  char *text = text_of();
  CHECK_EQ_I(lines(text), 1);
  for (int32_t batch = 1; batch < 4; batch++) CHECK_EQ_I(method_of(net, batch), first);
  char *again = text_of();
  CHECK_EQ_S(again, text);
  anet__free(text);
  anet__free(again);
  anet_net_release(net);
}

/* Whoever wrote first is followed: plans of two programs choose alike. */
TEST(the_first_line_counts)
{
  static const char *const names[] = {"direct", "winograd2", "winograd4"};
  anet_net *net = one_conv(12, 16);
  setenv("ANET_TUNE", file, 1);
  for (int32_t m = 0; m < ANET_COUNT(names); m++) {
    unlink(file);
    method_of(net, 1);
    char *text = text_of(), *tab = strrchr(text, '\t');
    CHECK(tab != NULL);
    char line[1200];
    snprintf(line, sizeof line, "%.*s\t%s\n%s", (int)(tab - text), text, names[m], text);
    CHECK_OK(anet__file_write(file, line, strlen(line)));
    CHECK_EQ_I(method_of(net, 1), m);
    anet__free(text);
  }
  anet_net_release(net);
}

TEST(what_is_damaged_or_of_another_machine_does_not_count)
{
  anet_net *net = one_conv(12, 16);
  setenv("ANET_TUNE", file, 1);
  static const char other[] = "another machine\tconv 3x3\twinograd4\n\n\t\t\nno tab\nhalf a li";
  CHECK_OK(anet__file_write(file, other, strlen(other)));
  method_of(net, 1);
  char *text = text_of();
  CHECK(strncmp(text, other, strlen(other)) == 0);
  CHECK_EQ_I(lines(text), lines(other) + 1);
  anet__free(text);
  anet_net_release(net);
}

/* By the estimate alone, and nothing is written. */
TEST(off_and_unwritable_files_leave_the_estimate)
{
  anet_net *large = one_conv(28, 32), *tiny = one_conv(2, 3);
  unlink(file);
  setenv("ANET_TUNE", "off", 1);
  CHECK_EQ_I(method_of(large, 1), ANET_METHOD_WINOGRAD_4);
  const anet__method small = method_of(tiny, 1);
  setenv("ANET_TUNE", "/proc/nobody/methods.tsv", 1);
  CHECK_EQ_I(method_of(large, 1), ANET_METHOD_WINOGRAD_4);
  CHECK_EQ_I(method_of(tiny, 1), small);
  CHECK(!anet__file_exists(file));
  anet_net_release(large);
  anet_net_release(tiny);
}

TEST(folders_are_made)
{
  char cache[SCRATCH_PATH], made[SCRATCH_PATH];
  anet_net *net = one_conv(12, 16);
  setenv("XDG_CACHE_HOME", test_scratch_path(folder, "cache", cache), 1);
  unsetenv("ANET_TUNE");
  method_of(net, 1);
  CHECK(anet__file_exists(test_scratch_path(cache, "anet/methods.tsv", made)));
  anet_net_release(net);
}

int main(void)
{
  test_scratch_new(folder);
  test_scratch_path(folder, "methods.tsv", file);
  a_choice_is_written_once_and_kept();
  the_first_line_counts();
  what_is_damaged_or_of_another_machine_does_not_count();
  off_and_unwritable_files_leave_the_estimate();
  folders_are_made();
  what_cannot_be_written_is_named();
  test_scratch_remove(folder);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures > 0;
}
