/* What machines say of themselves, as recorded trees of /proc and /sys. */
#include <fcntl.h>
#include <stdarg.h>

#include "edge/sensors.h"
#include "support/scratch.h"
#include "support/test.h"

static char root[SCRATCH_PATH];

static void put(const char *name, const char *format, ...)
{
  char text[1024], folder[SCRATCH_PATH];
  va_list args;
  va_start(args, format);
  const int bytes = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  for (const char *at = strchr(name, '/'); at; at = strchr(at + 1, '/')) {
    snprintf(folder, sizeof folder, "%.*s", (int)(at - name), name);
    test_scratch_folder(root, folder);
  }
  test_scratch_write(root, name, text, (size_t)bytes);
}

static int open_files(void)
{
  int count = 0;
  for (int file = 0; file < 256; file++) count += fcntl(file, F_GETFD) >= 0;
  return count;
}

static int before;

static void begin(void)
{
  before = open_files();
  test_scratch_new(root);
}

static void end(anet__sensors *s)
{
  anet__sensors_free(s);
  CHECK_EQ_I(open_files(), before);
  test_scratch_remove(root);
}

/* Ticks of two processors: user, nice, system, idle, iowait, irq, softirq, steal; guest and
 * guest_nice, which the kernel counts in user and nice too. */
static void put_ticks(int user, int nice, int system, int idle, int iowait, int irq, int softirq,
                      int steal)
{
  put("proc/stat", "cpu  %d %d %d %d %d %d %d %d 7000 8000\ncpu0 1 2 3 4 5 6 7 8 0 0\nbtime 1\n",
      user, nice, system, idle, iowait, irq, softirq, steal);
}

/* The name may hold whatever a name may. */
static void put_own(int user, int system)
{
  put("proc/self/stat",
      "4242 (a) b (c 9 9) S 1 4242 4242 0 -1 4194560 1111 2222 3 4 %d %d 55 66 20 0 2 0 777 1\n",
      user, system);
}

enum { TENTH = 100000000 };

TEST(the_load_is_that_of_others)
{
  anet__sensors s;
  begin();
  put_ticks(1000, 10, 500, 8000, 100, 5, 5, 0);
  put_own(300, 100);
  anet__sensors_new(root, 1000, &s);
  CHECK(s.load == -1); /* of one moment there is none */
  /* 200 ticks went by: 90 busy, of which this process had 50. */
  put_ticks(1060, 10, 520, 8100, 110, 6, 7, 2);
  put_own(340, 110);
  anet__sensors_read(&s, 1000 + TENTH);
  CHECK_NEAR(s.load, (60 + 20 + 1 + 2 + 2 - 50) / 195.0, 1e-12);
  /* All of the time is this process's own. */
  put_ticks(1160, 10, 520, 8200, 110, 6, 7, 2);
  put_own(440, 110);
  anet__sensors_read(&s, 1000 + 2 * TENTH);
  CHECK_NEAR(s.load, 0, 1e-12);
  /* Ticks of the two files are not taken at one moment: never below 0 … */
  put_ticks(1170, 10, 520, 8300, 110, 6, 7, 2);
  put_own(470, 130);
  anet__sensors_read(&s, 1000 + 3 * TENTH);
  CHECK_NEAR(s.load, 0, 1e-12);
  /* … nor above 1; nice, stolen and interrupts are busy, waiting is not. */
  put_ticks(1170, 110, 520, 8300, 110, 56, 57, 102);
  put_own(470, 130);
  anet__sensors_read(&s, 1000 + 4 * TENTH);
  CHECK_NEAR(s.load, 1, 1e-12);
  put_ticks(1170, 110, 520, 8300, 210, 56, 57, 102);
  anet__sensors_read(&s, 1000 + 5 * TENTH);
  CHECK_NEAR(s.load, 0, 1e-12);
  put_ticks(1170, 110, 620, 8300, 310, 56, 57, 102);
  anet__sensors_read(&s, 1000 + 6 * TENTH);
  CHECK_NEAR(s.load, 0.5, 1e-12);
  /* Nothing went by: what was seen stays. */
  anet__sensors_read(&s, 1000 + 7 * TENTH);
  CHECK_NEAR(s.load, 0.5, 1e-12);
  end(&s);
}

TEST(what_is_read_stays_for_a_tenth_of_a_second)
{
  anet__sensors s;
  begin();
  put("proc/meminfo", "MemTotal: 900 kB\nMemAvailable:   100 kB\n");
  anet__sensors_new(root, 5, &s);
  CHECK_NEAR(s.free_bytes, 102400, 0);
  put("proc/meminfo", "MemTotal: 900 kB\nMemAvailable:   200 kB\n");
  anet__sensors_read(&s, 5 + TENTH - 1);
  CHECK_NEAR(s.free_bytes, 102400, 0);
  anet__sensors_read(&s, 5 + TENTH);
  CHECK_NEAR(s.free_bytes, 204800, 0);
  put("proc/meminfo", "MemAvailable:   300 kB\n");
  anet__sensors_read(&s, 5 + 2 * TENTH - 1);
  CHECK_NEAR(s.free_bytes, 204800, 0);
  anet__sensors_read(&s, 5 + 2 * TENTH);
  CHECK_NEAR(s.free_bytes, 307200, 0);
  end(&s);
}

TEST(the_hottest_credible_zone_in_thousandths)
{
  anet__sensors s;
  begin();
  put("sys/class/thermal/thermal_zone0/temp", "41500\n");
  put("sys/class/thermal/thermal_zone1/temp", "67250\n");
  put("sys/class/thermal/thermal_zone2/temp", "255000\n"); /* no such heat */
  put("sys/class/thermal/thermal_zone15/temp", "20000\n");
  put("sys/class/thermal/thermal_zone16/temp", "90000\n"); /* one too many */
  anet__sensors_new(root, 0, &s);
  CHECK_NEAR(s.temperature, 67.25, 1e-12);
  put("sys/class/thermal/thermal_zone1/temp", "30000\n");
  put("sys/class/thermal/thermal_zone15/temp", "44000\n");
  anet__sensors_read(&s, TENTH);
  CHECK_NEAR(s.temperature, 44, 1e-12); /* it cools down, and the last zone counts */
  put("sys/class/thermal/thermal_zone2/temp", "199999\n");
  anet__sensors_read(&s, 2 * TENTH);
  CHECK_NEAR(s.temperature, 199.999, 1e-9);
  put("sys/class/thermal/thermal_zone2/temp", "200000\n");
  put("sys/class/thermal/thermal_zone0/temp", "50250\n"); /* the first counts as well */
  anet__sensors_read(&s, 3 * TENTH);
  CHECK_NEAR(s.temperature, 50.25, 1e-12);
  put("sys/class/thermal/thermal_zone0/temp", "-10000\n"); /* in the cold */
  put("sys/class/thermal/thermal_zone1/temp", "-500\n");
  put("sys/class/thermal/thermal_zone15/temp", "-3000\n");
  anet__sensors_read(&s, 4 * TENTH);
  CHECK_NEAR(s.temperature, -0.5, 1e-12);
  end(&s);
}

TEST(the_battery_that_tells_its_charge)
{
  anet__sensors s;
  begin();
  put("sys/class/power_supply/AC/online", "1\n");
  put("sys/class/power_supply/BAT1/capacity", "83\n");
  anet__sensors_new(root, 0, &s);
  CHECK_NEAR(s.battery, 0.83, 1e-12);
  put("sys/class/power_supply/BAT1/capacity", "5\n");
  anet__sensors_read(&s, TENTH);
  CHECK_NEAR(s.battery, 0.05, 1e-12);
  end(&s);
}

static void check_silent(const anet__sensors *s)
{
  CHECK(s->load == -1 && s->free_bytes == -1 && s->temperature == -1 && s->battery == -1);
}

TEST(what_is_not_there_or_says_something_else_is_minus_one)
{
  anet__sensors s;
  begin();
  anet__sensors_new(root, 0, &s);
  anet__sensors_read(&s, TENTH);
  check_silent(&s);
  CHECK(s.stat == -1 && s.own == -1 && s.memory == -1 && s.battery_file == -1 && s.zone[0] == -1);
  anet__sensors_free(&s);
  put("proc/stat", "intr 1 2 3\ncpu  1 2 3\n");
  put("proc/self/stat", "4242 no brackets 1 2 3\n");
  put("proc/meminfo", "MemTotal: 900 kB\n");
  put("sys/class/thermal/thermal_zone0/temp", "%s", "");
  put("sys/class/power_supply/AC/online", "1\n");
  anet__sensors_new(root, 0, &s);
  put("proc/stat", "intr 2 2 3\n");
  anet__sensors_read(&s, TENTH);
  check_silent(&s);
  /* A row that ends too early. */
  put_ticks(1, 1, 1, 1, 1, 1, 1, 1);
  put("proc/self/stat", "4242 (x) S 1 2 3\n");
  anet__sensors_read(&s, 2 * TENTH);
  put_ticks(2, 2, 2, 2, 2, 2, 2, 2);
  anet__sensors_read(&s, 3 * TENTH);
  CHECK(s.load == -1);
  end(&s);
}

TEST(this_machine_is_within_reason)
{
  anet__sensors s;
  anet__sensors_new("", 0, &s);
  anet__sensors_read(&s, TENTH);
  CHECK(s.load == -1 || (s.load >= 0 && s.load <= 1));
  CHECK(s.free_bytes == -1 || s.free_bytes > 1e6);
  CHECK(s.temperature >= -1 && s.temperature < 200);
  CHECK(s.battery == -1 || (s.battery >= 0 && s.battery <= 1));
  anet__sensors_free(&s);
}

TEST_MAIN(CASE(the_load_is_that_of_others), CASE(what_is_read_stays_for_a_tenth_of_a_second),
          CASE(the_hottest_credible_zone_in_thousandths), CASE(the_battery_that_tells_its_charge),
          CASE(what_is_not_there_or_says_something_else_is_minus_one),
          CASE(this_machine_is_within_reason))
